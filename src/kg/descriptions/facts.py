"""Facts: what a description says, and the terms and vocabularies that it says it with."""

from __future__ import annotations

from collections.abc import Iterable

import pyoxigraph as ox

from kg import names

SD = "http://www.w3.org/ns/sparql-service-description#"
VOID = "http://rdfs.org/ns/void#"
VOID_EXT = "http://ldf.fi/void-ext#"
DCAT = "http://www.w3.org/ns/dcat#"
TYPE = ox.NamedNode(names.RDF + "type")
DATASET, DEFAULT = ox.NamedNode(names.DATASET), ox.NamedNode(names.VOID + "default")
SERVICE, CATALOG = ox.NamedNode(names.SERVICE), ox.NamedNode(names.CATALOG)

Term = ox.NamedNode | ox.Literal
Fact = tuple[ox.NamedNode, str, Term]


def triples_of(facts: Iterable[Fact]) -> set[ox.Triple]:
    """Return facts as triples."""
    return {ox.Triple(one, ox.NamedNode(predicate), other) for one, predicate, other in facts}


def integer(number: int) -> ox.Literal:
    """Return a number as a literal."""
    return ox.Literal(str(number), datatype=ox.NamedNode(names.XSD + "integer"))


def date(day: str) -> ox.Literal:
    """Return a day as a literal."""
    return ox.Literal(day, datatype=ox.NamedNode(names.XSD + "date"))
