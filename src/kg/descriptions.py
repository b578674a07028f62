"""
Descriptions: what a version says of itself, computed from what it holds, for people's tools to read.

`graph:void` counts (VoID), names the service and its graphs (Service Description) and catalogues them
(DCAT 3); `graph:examples` holds every question as an executable example (SHACL). Titles and licences cannot
be computed: they stand in data/catalog.ttl.

Source: https://www.w3.org/TR/void/, https://www.w3.org/TR/vocab-dcat-3/,
https://www.w3.org/TR/sparql11-service-description/, https://github.com/sib-swiss/sparql-examples
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyoxigraph as ox

from kg import names
from kg.names import Prefixes

SD = "http://www.w3.org/ns/sparql-service-description#"
VOID = "http://rdfs.org/ns/void#"
VOID_EXT = "http://ldf.fi/void-ext#"
DCAT = "http://www.w3.org/ns/dcat#"
SCHEMA = "https://schema.org/"
ENGLISH = "en"
MAX_EXAMPLE_RESOURCES = 5
# Graphs that the numbers are not of: the shapes are not in the default graph, the others are the numbers.
NOT_COUNTED = frozenset({names.SHAPES_GRAPH, names.VOID_GRAPH, names.EXAMPLES_GRAPH})
_LANGUAGES = (names.OWL, names.RDF, names.RDFS, names.SH)
_TYPE = ox.NamedNode(names.RDF + "type")
_DATASET, _DEFAULT = ox.NamedNode(names.DATASET), ox.NamedNode(names.VOID + "default")
_SERVICE, _CATALOG = ox.NamedNode(names.SERVICE), ox.NamedNode(names.CATALOG)
_PREFIXES, _ANY_URI = ox.NamedNode(names.BASE + "ontology"), ox.NamedNode(names.XSD + "anyURI")

Term = ox.NamedNode | ox.Literal
Fact = tuple[ox.NamedNode, str, Term]


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
    void = {*_count(store, prefixes), *_describe_service(store, prefixes), *_catalogue(store, version)}
    kept = {fact for one in examples for fact in _describe_example(one)}
    kept |= set(_declare(prefixes)) if kept else set()
    void |= _count_descriptions(store, void, kept)
    for graph, facts in ((names.VOID_GRAPH, void), (names.EXAMPLES_GRAPH, kept)):
        node = ox.NamedNode(graph)
        store.remove_graph(node)
        store.extend(ox.Quad(one, ox.NamedNode(predicate), other, node) for one, predicate, other in facts)


def _triples(facts: Iterable[Fact]) -> set[ox.Triple]:
    return {ox.Triple(one, ox.NamedNode(predicate), other) for one, predicate, other in facts}


def _count_descriptions(store: ox.Store, void: set[Fact], examples: set[Fact]) -> set[Fact]:
    """Count the graphs that hold the descriptions, and the default graph with them, these counts included."""
    counts = 3
    sizes = {
        _told(names.VOID_GRAPH): len(void) + counts,
        _told(names.EXAMPLES_GRAPH): len(examples),
        _DEFAULT: len(_merged(store) | _triples(void) | _triples(examples)) + counts,
    }
    return {(graph, VOID + "triples", _integer(number)) for graph, number in sizes.items()}


def _describe_example(one: Example) -> Iterator[Fact]:
    node = ox.NamedNode(names.EXAMPLES + one.key)
    yield node, _TYPE.value, ox.NamedNode(names.SH + "SPARQLExecutable")
    yield node, _TYPE.value, ox.NamedNode(names.SH + "SPARQLSelectExecutable")
    yield node, names.RDFS + "comment", ox.Literal(one.comment, language=ENGLISH)
    yield node, names.SH + "select", ox.Literal(one.query)
    yield node, names.SH + "prefixes", _PREFIXES
    yield node, SCHEMA + "target", _SERVICE
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


def _count(store: ox.Store, prefixes: Prefixes) -> Iterator[Fact]:
    """Count the triples that plain queries see: totals, and partitions by class and by property."""
    triples = _merged(store)
    kinds = _kinds(triples)
    subjects = {str(one.subject) for one in triples}
    yield _DATASET, _TYPE.value, ox.NamedNode(VOID + "Dataset")
    yield _DATASET, VOID + "sparqlEndpoint", _SERVICE
    yield _DATASET, VOID + "uriSpace", ox.Literal(names.BASE)
    properties = Counter(one.predicate.value for one in triples)
    classes = Counter(kind for found in kinds.values() for kind in found)
    totals = {
        "triples": len(triples),
        "entities": sum(str(node).startswith(f"<{names.BASE}") for node in kinds),
        "classes": len(classes),
        "properties": len(properties),
        "distinctSubjects": len(subjects),
        "distinctObjects": len({one.object for one in triples}),
    }
    for name, number in totals.items():
        yield _DATASET, VOID + name, _integer(number)
    for vocabulary in _vocabularies([*properties, *classes], prefixes):
        yield _DATASET, VOID + "vocabulary", ox.NamedNode(vocabulary)
    for resource in _most_claimed(store):
        yield _DATASET, VOID + "exampleResource", resource
    for iri, number in properties.items():
        partition = _named(prefixes, iri)
        yield _DATASET, VOID + "propertyPartition", partition
        yield partition, VOID + "property", ox.NamedNode(iri)
        yield partition, VOID + "triples", _integer(number)
    for iri, number in classes.items():
        partition = _named(prefixes, iri, "class")
        yield _DATASET, VOID + "classPartition", partition
        yield _DEFAULT, VOID + "classPartition", partition
        yield partition, VOID + "class", ox.NamedNode(iri)
        yield partition, VOID + "entities", _integer(number)
    yield from _partitions(triples, _asserted_kinds(store), prefixes)


def _merged(store: ox.Store) -> set[ox.Triple]:
    return {
        quad.triple
        for quad in store
        if isinstance(quad.graph_name, ox.NamedNode) and quad.graph_name.value not in NOT_COUNTED
    }


def _kinds(triples: Iterable[ox.Triple]) -> dict[object, set[str]]:
    kinds: dict[object, set[str]] = defaultdict(set)
    for one in triples:
        if one.predicate == _TYPE and isinstance(one.object, ox.NamedNode):
            kinds[one.subject].add(one.object.value)
    return kinds


def _asserted_kinds(store: ox.Store) -> dict[object, set[str]]:
    """Return the classes of each thing as the files say them, but for those of schema languages."""
    passed_over = NOT_COUNTED | {names.INFERRED_GRAPH}
    said = (
        quad.triple
        for quad in store.quads_for_pattern(None, _TYPE, None, None)
        if isinstance(quad.graph_name, ox.NamedNode) and quad.graph_name.value not in passed_over
    )
    return {
        node: {kind for kind in kinds if not kind.startswith(_LANGUAGES)}
        for node, kinds in _kinds(said).items()
    }


def _partitions(
    triples: Iterable[ox.Triple], kinds: dict[object, set[str]], prefixes: Prefixes
) -> Iterator[Fact]:
    """Say which properties the things of each class have, and to which classes or datatypes they lead."""
    pairs: Counter[tuple[str, str]] = Counter()
    ends: Counter[tuple[str, str, str, bool]] = Counter()
    for one in triples:
        predicate, is_literal = one.predicate.value, isinstance(one.object, ox.Literal)
        led_to = {one.object.datatype.value} if isinstance(one.object, ox.Literal) else kinds.get(one.object)
        for kind in kinds.get(one.subject, ()):
            pairs[kind, predicate] += 1
            for end in led_to or ():
                ends[kind, predicate, end, is_literal] += 1
    for (kind, predicate), number in pairs.items():
        partition = _named(prefixes, kind, predicate)
        yield _named(prefixes, kind, "class"), VOID + "propertyPartition", partition
        yield partition, VOID + "property", ox.NamedNode(predicate)
        yield partition, VOID + "triples", _integer(number)
    for (kind, predicate, end, is_literal), number in ends.items():
        node = _named(prefixes, kind, predicate, end)
        link, what = (
            (VOID_EXT + "datatypePartition", VOID_EXT + "datatype")
            if is_literal
            else (VOID + "classPartition", VOID + "class")
        )
        yield _named(prefixes, kind, predicate), link, node
        yield node, what, ox.NamedNode(end)
        yield node, VOID + "triples", _integer(number)


def _named(prefixes: Prefixes, *parts: str) -> ox.NamedNode:
    """
    Name a partition by what it is of.

    >>> _named(Prefixes({"lat": names.LAT}), names.LAT + "State", "class").value
    'https://w3id.org/lateral/.well-known/void#lat:State!class'
    """
    short = (prefixes.compress(one) for one in parts)
    written = (hashlib.sha256(one.encode()).hexdigest()[:16] if "/" in one else one for one in short)
    return ox.NamedNode(names.VOID + "!".join(written))


def _vocabularies(terms: Iterable[str], prefixes: Prefixes) -> list[str]:
    """List the namespaces that terms are from."""
    found = {prefixes.compress(term).partition(":")[0] for term in terms}
    return sorted(prefixes[prefix] for prefix in found if prefix in prefixes)


def _most_claimed(store: ox.Store) -> list[ox.NamedNode]:
    """List the things that most triples of claims speak of."""
    degrees: Counter[ox.NamedNode] = Counter()
    for quad in store:
        if isinstance(quad.graph_name, ox.NamedNode) and quad.graph_name.value.startswith(names.CLAIM):
            for node in (quad.subject, quad.object):
                if isinstance(node, ox.NamedNode) and node.value.startswith(names.ID):
                    degrees[node] += 1
    ranked = sorted(degrees, key=lambda node: (-degrees[node], node.value))
    return ranked[:MAX_EXAMPLE_RESOURCES]


def _describe_service(store: ox.Store, prefixes: Prefixes) -> Iterator[Fact]:
    """
    Describe the service's dataset: the default graph, and each named graph that is not one claim.

    There is no sd:feature: the default graph is the union of the named graphs but for the shapes, so it is no
    sd:UnionDefaultGraph; no IRI is fetched; a query without a dataset has one; an empty graph is not kept.
    """
    yield _SERVICE, _TYPE.value, ox.NamedNode(SD + "Service")
    yield _SERVICE, SD + "endpoint", _SERVICE
    yield _SERVICE, SD + "supportedLanguage", ox.NamedNode(SD + "SPARQL11Query")
    # what is inferred is there as triples; the engine itself entails nothing
    yield _SERVICE, SD + "defaultEntailmentRegime", ox.NamedNode("http://www.w3.org/ns/entailment/Simple")
    yield _SERVICE, SD + "defaultDataset", _DATASET
    yield _DATASET, _TYPE.value, ox.NamedNode(SD + "Dataset")
    yield _DATASET, SD + "defaultGraph", _DEFAULT
    # the link by which the SIB clients find class partitions
    yield _DATASET, SD + "graph", _DEFAULT
    yield _DEFAULT, _TYPE.value, ox.NamedNode(SD + "Graph")
    described = (names.VOID_GRAPH, names.EXAMPLES_GRAPH)
    for iri in (*_shared_graphs(store), *described):
        graph, told = ox.NamedNode(iri), _told(iri)
        yield _DATASET, SD + "namedGraph", graph
        yield graph, _TYPE.value, ox.NamedNode(SD + "NamedGraph")
        yield graph, SD + "name", graph
        yield graph, SD + "graph", told
        yield told, _TYPE.value, ox.NamedNode(SD + "Graph")
        if iri not in described:
            triples = [quad.triple for quad in store.quads_for_pattern(None, None, None, graph)]
            yield told, VOID + "triples", _integer(len(triples))
            yield from _class_partitions(told, triples, prefixes)


def _told(iri: str) -> ox.NamedNode:
    """Name what is told of the triples of a named graph, which has a name of its own."""
    return ox.NamedNode(f"{names.VOID}graph:{iri.removeprefix(names.GRAPH)}")


def _class_partitions(told: ox.NamedNode, triples: Iterable[ox.Triple], prefixes: Prefixes) -> Iterator[Fact]:
    """Count the things of each class that one named graph says to be of it."""
    classes = Counter(kind for found in _kinds(triples).values() for kind in found)
    for iri, number in classes.items():
        partition = _named(prefixes, told.value.removeprefix(names.VOID), iri, "class")
        yield told, VOID + "classPartition", partition
        yield partition, VOID + "class", ox.NamedNode(iri)
        yield partition, VOID + "entities", _integer(number)


def _shared_graphs(store: ox.Store) -> list[str]:
    """List the named graphs of ours but for claims, each of which is a graph of its own."""
    found = {node.value for node in store.named_graphs() if isinstance(node, ox.NamedNode)}
    described = {names.VOID_GRAPH, names.EXAMPLES_GRAPH}
    return sorted(iri for iri in found - described if iri.startswith(names.GRAPH))


def _catalogue(store: ox.Store, version: str) -> Iterator[Fact]:
    """Catalogue the whole, its parts and the service; what data/catalog.ttl says of them is repeated here."""
    modified = _last_day(store)
    whole = ox.NamedNode(DCAT + "Dataset")
    yield _CATALOG, _TYPE.value, ox.NamedNode(DCAT + "Catalog")
    yield _CATALOG, DCAT + "service", _SERVICE
    parts = [ox.NamedNode(iri) for iri in _shared_graphs(store) if iri != names.CATALOG_GRAPH]
    for graph in (_DATASET, *parts):
        yield _CATALOG, DCAT + "dataset", graph
        yield graph, _TYPE.value, whole
        yield graph, DCAT + "version", ox.Literal(version)
        if graph != _DATASET:
            yield _DATASET, names.DCTERMS + "hasPart", graph
    for node in (_CATALOG, _DATASET):
        if modified:
            yield node, names.DCTERMS + "modified", _date(modified)
    for quad in store.quads_for_pattern(None, None, None, ox.NamedNode(names.CATALOG_GRAPH)):
        said, local = quad.predicate.value, quad.predicate.value.removeprefix(names.DCTERMS)
        if isinstance(quad.subject, ox.NamedNode) and isinstance(quad.object, Term):
            yield quad.subject, said, quad.object
            if quad.subject == _CATALOG and local in ("title", "description", "license", "publisher"):
                yield _DATASET, said, quad.object
            if quad.subject == _CATALOG and local == "publisher":
                yield from ((graph, said, quad.object) for graph in parts)
    yield _DATASET, names.DCTERMS + "conformsTo", ox.NamedNode(names.BASE + "ontology")
    yield _DATASET, names.DCTERMS + "conformsTo", ox.NamedNode(names.BASE + "shapes")
    yield _SERVICE, _TYPE.value, ox.NamedNode(DCAT + "DataService")
    yield _SERVICE, DCAT + "endpointURL", _SERVICE
    yield _SERVICE, DCAT + "endpointDescription", _SERVICE
    yield _SERVICE, DCAT + "endpointDescription", ox.NamedNode(names.BASE + "openapi.json")
    yield _SERVICE, DCAT + "servesDataset", _DATASET


def _last_day(store: ox.Store) -> str:
    """Return the day of the newest claim; empty where there is none."""
    found = store.quads_for_pattern(None, ox.NamedNode(names.LAT + "curatedOn"), None, None)
    return max((one.object.value[:10] for one in found if isinstance(one.object, ox.Literal)), default="")


def _integer(number: int) -> ox.Literal:
    return ox.Literal(str(number), datatype=ox.NamedNode(names.XSD + "integer"))


def _date(day: str) -> ox.Literal:
    return ox.Literal(day, datatype=ox.NamedNode(names.XSD + "date"))
