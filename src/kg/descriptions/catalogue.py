"""
Catalogue: the service and its graphs (Service Description), the dataset and its parts (DCAT 3).

Source: https://www.w3.org/TR/sparql11-service-description/, https://www.w3.org/TR/vocab-dcat-3/
"""

from __future__ import annotations

from collections.abc import Iterator

import pyoxigraph as ox

from kg import names
from kg.descriptions.counts import class_partitions
from kg.descriptions.facts import (
    CATALOG,
    DATASET,
    DCAT,
    DEFAULT,
    SD,
    SERVICE,
    TYPE,
    VOID,
    Fact,
    Term,
    date,
    integer,
)
from kg.names import Prefixes


def describe_service(store: ox.Store, prefixes: Prefixes) -> Iterator[Fact]:
    """
    Describe the service's dataset: the default graph, and each named graph that is not one claim.

    There is no sd:feature: the default graph is the union of the named graphs but for the shapes, so it is no
    sd:UnionDefaultGraph; no IRI is fetched; a query without a dataset has one; an empty graph is not kept.
    """
    yield SERVICE, TYPE.value, ox.NamedNode(SD + "Service")
    yield SERVICE, SD + "endpoint", SERVICE
    yield SERVICE, SD + "supportedLanguage", ox.NamedNode(SD + "SPARQL11Query")
    # what is inferred is there as triples; the engine itself entails nothing
    yield SERVICE, SD + "defaultEntailmentRegime", ox.NamedNode("http://www.w3.org/ns/entailment/Simple")
    yield SERVICE, SD + "defaultDataset", DATASET
    yield DATASET, TYPE.value, ox.NamedNode(SD + "Dataset")
    yield DATASET, SD + "defaultGraph", DEFAULT
    # the link by which the SIB clients find class partitions
    yield DATASET, SD + "graph", DEFAULT
    yield DEFAULT, TYPE.value, ox.NamedNode(SD + "Graph")
    described = (names.VOID_GRAPH, names.EXAMPLES_GRAPH)
    for iri in (*_shared_graphs(store), *described):
        graph, told = ox.NamedNode(iri), told_of(iri)
        yield DATASET, SD + "namedGraph", graph
        yield graph, TYPE.value, ox.NamedNode(SD + "NamedGraph")
        yield graph, SD + "name", graph
        yield graph, SD + "graph", told
        yield told, TYPE.value, ox.NamedNode(SD + "Graph")
        if iri not in described:
            triples = [quad.triple for quad in store.quads_for_pattern(None, None, None, graph)]
            yield told, VOID + "triples", integer(len(triples))
            yield from class_partitions(told, triples, prefixes)


def told_of(iri: str) -> ox.NamedNode:
    """Name what is told of the triples of a named graph, which has a name of its own."""
    return ox.NamedNode(f"{names.VOID}graph:{iri.removeprefix(names.GRAPH)}")


def _shared_graphs(store: ox.Store) -> list[str]:
    """List the named graphs of ours but for claims, each of which is a graph of its own."""
    found = {node.value for node in store.named_graphs() if isinstance(node, ox.NamedNode)}
    described = {names.VOID_GRAPH, names.EXAMPLES_GRAPH}
    return sorted(iri for iri in found - described if iri.startswith(names.GRAPH))


def catalogue(store: ox.Store, version: str) -> Iterator[Fact]:
    """Catalogue the whole, its parts and the service; what data/catalog.ttl says of them is repeated here."""
    modified = _last_day(store)
    whole = ox.NamedNode(DCAT + "Dataset")
    yield CATALOG, TYPE.value, ox.NamedNode(DCAT + "Catalog")
    yield CATALOG, DCAT + "service", SERVICE
    parts = [ox.NamedNode(iri) for iri in _shared_graphs(store) if iri != names.CATALOG_GRAPH]
    for graph in (DATASET, *parts):
        yield CATALOG, DCAT + "dataset", graph
        yield graph, TYPE.value, whole
        yield graph, DCAT + "version", ox.Literal(version)
        if graph != DATASET:
            yield DATASET, names.DCTERMS + "hasPart", graph
    for node in (CATALOG, DATASET):
        if modified:
            yield node, names.DCTERMS + "modified", date(modified)
    for quad in store.quads_for_pattern(None, None, None, ox.NamedNode(names.CATALOG_GRAPH)):
        said, local = quad.predicate.value, quad.predicate.value.removeprefix(names.DCTERMS)
        if isinstance(quad.subject, ox.NamedNode) and isinstance(quad.object, Term):
            yield quad.subject, said, quad.object
            if quad.subject == CATALOG and local in ("title", "description", "license", "publisher"):
                yield DATASET, said, quad.object
            if quad.subject == CATALOG and local == "publisher":
                yield from ((graph, said, quad.object) for graph in parts)
    yield DATASET, names.DCTERMS + "conformsTo", ox.NamedNode(names.BASE + "ontology")
    yield DATASET, names.DCTERMS + "conformsTo", ox.NamedNode(names.BASE + "shapes")
    yield SERVICE, TYPE.value, ox.NamedNode(DCAT + "DataService")
    yield SERVICE, DCAT + "endpointURL", SERVICE
    yield SERVICE, DCAT + "endpointDescription", SERVICE
    yield SERVICE, DCAT + "endpointDescription", ox.NamedNode(names.BASE + "openapi.json")
    yield SERVICE, DCAT + "servesDataset", DATASET


def _last_day(store: ox.Store) -> str:
    """Return the day of the newest claim; empty where there is none."""
    found = store.quads_for_pattern(None, ox.NamedNode(names.LAT + "curatedOn"), None, None)
    return max((one.object.value[:10] for one in found if isinstance(one.object, ox.Literal)), default="")
