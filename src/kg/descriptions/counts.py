"""
Counts: how much there is of what, in VoID; totals, and partitions by class and by property.

Source: https://www.w3.org/TR/void/
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

import pyoxigraph as ox

from kg import names
from kg.descriptions.facts import DATASET, DEFAULT, SERVICE, TYPE, VOID, VOID_EXT, Fact, integer
from kg.names import Prefixes

MAX_EXAMPLE_RESOURCES = 5
# Graphs that the numbers are not of: the shapes are not in the default graph, the others are the numbers.
NOT_COUNTED = frozenset({names.SHAPES_GRAPH, names.VOID_GRAPH, names.EXAMPLES_GRAPH})
_LANGUAGES = (names.OWL, names.RDF, names.RDFS, names.SH)


def count(store: ox.Store, prefixes: Prefixes) -> Iterator[Fact]:
    """Count the triples that plain queries see: totals, and partitions by class and by property."""
    triples = merged(store)
    kinds = _kinds(triples)
    subjects = {str(one.subject) for one in triples}
    yield DATASET, TYPE.value, ox.NamedNode(VOID + "Dataset")
    yield DATASET, VOID + "sparqlEndpoint", SERVICE
    yield DATASET, VOID + "uriSpace", ox.Literal(names.BASE)
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
        yield DATASET, VOID + name, integer(number)
    for vocabulary in _vocabularies([*properties, *classes], prefixes):
        yield DATASET, VOID + "vocabulary", ox.NamedNode(vocabulary)
    for resource in _most_claimed(store):
        yield DATASET, VOID + "exampleResource", resource
    for iri, number in properties.items():
        partition = _named(prefixes, iri)
        yield DATASET, VOID + "propertyPartition", partition
        yield partition, VOID + "property", ox.NamedNode(iri)
        yield partition, VOID + "triples", integer(number)
    for iri, number in classes.items():
        partition = _named(prefixes, iri, "class")
        yield DATASET, VOID + "classPartition", partition
        yield DEFAULT, VOID + "classPartition", partition
        yield partition, VOID + "class", ox.NamedNode(iri)
        yield partition, VOID + "entities", integer(number)
    yield from _partitions(triples, _asserted_kinds(store), prefixes)


def merged(store: ox.Store) -> set[ox.Triple]:
    """Return the triples that are counted, each once."""
    return {
        quad.triple
        for quad in store
        if isinstance(quad.graph_name, ox.NamedNode) and quad.graph_name.value not in NOT_COUNTED
    }


def _kinds(triples: Iterable[ox.Triple]) -> dict[object, set[str]]:
    kinds: dict[object, set[str]] = defaultdict(set)
    for one in triples:
        if one.predicate == TYPE and isinstance(one.object, ox.NamedNode):
            kinds[one.subject].add(one.object.value)
    return kinds


def _asserted_kinds(store: ox.Store) -> dict[object, set[str]]:
    """Return the classes of each thing as the files say them, but for those of schema languages."""
    passed_over = NOT_COUNTED | {names.INFERRED_GRAPH}
    said = (
        quad.triple
        for quad in store.quads_for_pattern(None, TYPE, None, None)
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
        yield partition, VOID + "triples", integer(number)
    for (kind, predicate, end, is_literal), number in ends.items():
        node = _named(prefixes, kind, predicate, end)
        link, what = (
            (VOID_EXT + "datatypePartition", VOID_EXT + "datatype")
            if is_literal
            else (VOID + "classPartition", VOID + "class")
        )
        yield _named(prefixes, kind, predicate), link, node
        yield node, what, ox.NamedNode(end)
        yield node, VOID + "triples", integer(number)


def class_partitions(told: ox.NamedNode, triples: Iterable[ox.Triple], prefixes: Prefixes) -> Iterator[Fact]:
    """Count the things of each class that one named graph says to be of it."""
    classes = Counter(kind for found in _kinds(triples).values() for kind in found)
    for iri, number in classes.items():
        partition = _named(prefixes, told.value.removeprefix(names.VOID), iri, "class")
        yield told, VOID + "classPartition", partition
        yield partition, VOID + "class", ox.NamedNode(iri)
        yield partition, VOID + "entities", integer(number)


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
