"""
Descriptions: what a version says of itself, computed from what it holds, for people's tools to read.

`graph:void` counts (VoID), names the service and its graphs (Service Description) and catalogues them
(DCAT 3); `graph:examples` holds every question as an executable example (SHACL). Titles and licences cannot
be computed: they stand in data/catalog.ttl.

    counts      VoID
    catalogue   Service Description, DCAT
    facts       the terms that they are said with

Source: https://www.w3.org/TR/void/, https://www.w3.org/TR/vocab-dcat-3/,
https://www.w3.org/TR/sparql11-service-description/, https://github.com/sib-swiss/sparql-examples
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyoxigraph as ox

from kg import names
from kg.descriptions.catalogue import catalogue, describe_service, told_of
from kg.descriptions.counts import count, merged
from kg.descriptions.facts import DEFAULT, SERVICE, TYPE, VOID, Fact, integer, triples_of
from kg.names import Prefixes

__all__ = ["Example", "describe"]

SCHEMA = "https://schema.org/"
ENGLISH = "en"
_PREFIXES, _ANY_URI = ox.NamedNode(names.BASE + "ontology"), ox.NamedNode(names.XSD + "anyURI")


@dataclass(frozen=True, slots=True)
class Example:
    """
    One question that is kept.

    Args:
        key: `topic/name`.
        comment: What it asks, in English.
        keywords: Words to find it by.
        query: The query, as it runs.
    """

    key: str
    comment: str
    keywords: tuple[str, ...]
    query: str


def describe(store: ox.Store, *, version: str, prefixes: Prefixes, examples: Iterable[Example] = ()) -> None:
    """
    Add to a store the graphs that describe it; those that are there already are replaced.

    Args:
        store: Every triple in its named graph, inferences included.
        version: The name of the version.
        prefixes: To find vocabularies, and to name partitions by.
        examples: The questions.
    """
    void = {*count(store, prefixes), *describe_service(store, prefixes), *catalogue(store, version)}
    kept = {fact for one in examples for fact in _describe_example(one)}
    kept |= set(_declare(prefixes)) if kept else set()
    void |= _count_descriptions(store, void, kept)
    for graph, facts in ((names.VOID_GRAPH, void), (names.EXAMPLES_GRAPH, kept)):
        node = ox.NamedNode(graph)
        store.remove_graph(node)
        store.extend(ox.Quad(one, ox.NamedNode(predicate), other, node) for one, predicate, other in facts)


def _count_descriptions(store: ox.Store, void: set[Fact], examples: set[Fact]) -> set[Fact]:
    """Count the graphs that hold the descriptions, and the default graph with them, these counts included."""
    counts = 3
    sizes = {
        told_of(names.VOID_GRAPH): len(void) + counts,
        told_of(names.EXAMPLES_GRAPH): len(examples),
        DEFAULT: len(merged(store) | triples_of(void) | triples_of(examples)) + counts,
    }
    return {(graph, VOID + "triples", integer(number)) for graph, number in sizes.items()}


def _describe_example(one: Example) -> Iterator[Fact]:
    node = ox.NamedNode(names.EXAMPLES + one.key)
    yield node, TYPE.value, ox.NamedNode(names.SH + "SPARQLExecutable")
    yield node, TYPE.value, ox.NamedNode(names.SH + "SPARQLSelectExecutable")
    yield node, names.RDFS + "comment", ox.Literal(one.comment, language=ENGLISH)
    yield node, names.SH + "select", ox.Literal(one.query)
    yield node, names.SH + "prefixes", _PREFIXES
    yield node, SCHEMA + "target", SERVICE
    yield node, SCHEMA + "url", ox.NamedNode(f"{names.BASE}queries/{one.key}")
    for word in sorted({word.strip() for word in one.keywords} - {""}):
        yield node, SCHEMA + "keywords", ox.Literal(word)


def _declare(prefixes: Prefixes) -> Iterator[Fact]:
    """Declare the prefixes as ontology/prefixes.ttl does, for who reads the examples alone."""
    for prefix, namespace in prefixes.items():
        node = ox.NamedNode(f"{names.BASE}prefix/{prefix}")
        yield _PREFIXES, names.SH + "declare", node
        yield node, names.SH + "prefix", ox.Literal(prefix)
        yield node, names.SH + "namespace", ox.Literal(namespace, datatype=_ANY_URI)
