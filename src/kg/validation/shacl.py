"""Data graph and shapes graph to SHACL results, by pyshacl."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection as Some
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyoxigraph as ox
import pyshacl
import rdflib
from pyshacl.errors import ReportableRuntimeError
from rdflib import RDF, RDFS, SH
from rdflib.collection import Collection
from rdflib.term import Node

from kg import names
from kg.errors import DataError, Problem

_SUBCLASS = ox.NamedNode(names.RDFS + "subClassOf")
_ASSERTION_GRAPH = rdflib.URIRef(names.LAT + "AssertionGraph")
NOT_DATA = {names.ONTOLOGY_GRAPH, names.SHAPES_GRAPH, names.CATALOG_GRAPH, names.INFERRED_GRAPH}
_DEMANDING = (SH.minCount, SH.hasValue, SH.equals)  # a property shape with one of these speaks of absence too
_PYSHACL = threading.Lock()  # pyshacl switches a global of rdflib while it runs


@dataclass(frozen=True, slots=True)
class Result:
    """
    One validation result, as SHACL gives it.

    Source: SHACL, section 3.6.2, https://www.w3.org/TR/shacl/#results-validation-result
    """

    focus: Node
    path: Node | None
    value: Node | None
    shape: Node
    component: Node
    message: str


def validate(data: rdflib.Graph, shapes: rdflib.Graph, *, focus: Some[str] | None = None) -> list[Result]:
    """
    Run pyshacl without inference and return its results, sorted.

    The shapes are compiled for this data first; the results are the same.

    Args:
        data: What is held to the shapes.
        shapes: The shapes.
        focus: Only results about these nodes; all where it is None.

    Raises:
        DataError: The shapes are not well formed.
    """
    with _PYSHACL, _rdflib_as_it_was():
        try:
            _, report, text = pyshacl.validate(
                data,
                shacl_graph=compile_shapes(data, shapes),
                inference="none",
                inplace=True,
                advanced=False,
                meta_shacl=False,
                do_owl_imports=False,
            )
        except ReportableRuntimeError as error:
            raise DataError([Problem(f"the shapes cannot be used: {error}")]) from error
    if not isinstance(report, rdflib.Graph):
        raise DataError([Problem(f"the shapes cannot be used: {text}")])
    # pyshacl's own focus_nodes also drops what nested shapes find of values: sh:or would always hold
    found = [
        _read_result(report, node)
        for node in report.subjects(RDF.type, SH.ValidationResult)
        if focus is None or str(report.value(node, SH.focusNode)) in focus
    ]
    refused = {(one.focus, one.path) for one in found if one.component != SH.ClosedConstraintComponent}
    kept = [
        one
        for one in found
        if one.component != SH.ClosedConstraintComponent or (one.focus, one.path) not in refused
    ]
    return sorted(kept, key=lambda one: tuple(map(str, (one.focus, one.path, one.value, one.shape))))


@contextmanager
def _rdflib_as_it_was() -> Iterator[None]:
    """Put rdflib's switch for literals back, and keep its log still: what is ill-formed becomes a result."""
    normalize, log = rdflib.NORMALIZE_LITERALS, logging.getLogger("rdflib.term")
    was_disabled, log.disabled = log.disabled, True
    try:
        yield
    finally:
        rdflib.NORMALIZE_LITERALS, log.disabled = normalize, was_disabled


def _read_result(report: rdflib.Graph, node: Node) -> Result:
    shape, component = report.value(node, SH.sourceShape), report.value(node, SH.sourceConstraintComponent)
    focus = report.value(node, SH.focusNode)
    assert shape is not None and component is not None and focus is not None
    return Result(
        focus,
        report.value(node, SH.resultPath),
        report.value(node, SH.value),
        shape,
        component,
        str(report.value(node, SH.resultMessage) or "refused"),
    )


def project(store: ox.Store) -> rdflib.Graph:
    """
    Merge all that is data into one graph, with the class tree and with every claim graph's name.

    Each graph that is neither one of the project's own (`/graph/…`) nor empty becomes a `lat:AssertionGraph`;
    so does the default graph, should a triple stray there.
    """
    quads = [*store.quads_for_pattern(None, _SUBCLASS, None, ox.NamedNode(names.ONTOLOGY_GRAPH))]
    asserting: set[str] = set()
    for quad in store:
        name = quad.graph_name
        graph_iri = name.value if isinstance(name, ox.NamedNode) else names.GRAPH + "default"
        if graph_iri not in NOT_DATA:
            quads.append(quad)
            if not isinstance(name, ox.NamedNode) or not graph_iri.startswith(names.GRAPH):
                asserting.add(graph_iri)
    graph = to_rdflib(quads)
    for one in asserting:
        graph.add((rdflib.URIRef(one), RDF.type, _ASSERTION_GRAPH))
    return graph


def compile_shapes(data: rdflib.Graph, shapes: rdflib.Graph) -> rdflib.Graph:
    """
    Rewrite shapes into ones that say the same of this data and are read once, not once a node.

    pyshacl asks each property shape of a node shape for one node at a time, and reads it each time anew. So
    a property shape gets the target class itself, or nothing where it demands nothing of an absent value and
    no instance has its path; and a closed shape gets the paths as its ignored properties. (Measured over 46
    thousand quads: 6 seconds in place of 15.) The shapes must be flat, as ours are: `sh:property` of named
    property shapes on node shapes that nothing else refers to.
    """
    used = _used_paths(data)
    compiled = rdflib.Graph()
    compiled += shapes
    for node_shape, target in shapes.subject_objects(SH.targetClass):
        paths = used.get(target, set())
        known = [
            path for one in shapes.objects(node_shape, SH.ignoredProperties) for path in shapes.items(one)
        ]
        for shape in shapes.objects(node_shape, SH.property):
            path = shapes.value(shape, SH.path)
            compiled.remove((node_shape, SH.property, shape))
            is_demanding = any((shape, term, None) in shapes for term in _DEMANDING)
            if path in paths or is_demanding or not isinstance(path, rdflib.URIRef):
                compiled.add((shape, SH.targetClass, target))
            if isinstance(path, rdflib.URIRef):
                known.append(path)
        if (node_shape, SH.closed, None) in shapes:
            head = rdflib.BNode()
            Collection(compiled, head, known)
            compiled.set((node_shape, SH.ignoredProperties, head))
    return compiled


def select_shapes(data: rdflib.Graph, shapes: rdflib.Graph) -> rdflib.Graph:
    """Return the part of some shapes that can speak of this data: the others cost time and find nothing."""
    kinds = {one for kind in set(data.objects(None, RDF.type)) for one in _above(data, kind)}
    used = set(data.predicates())
    chosen = {shape for shape, kind in shapes.subject_objects(SH.targetClass) if kind in kinds}
    chosen |= {shape for shape, path in shapes.subject_objects(SH.targetSubjectsOf) if path in used}
    chosen |= {shape for shape, path in shapes.subject_objects(SH.targetObjectsOf) if path in used}
    selected, reached, left = rdflib.Graph(), set(chosen), list(chosen)
    while left:
        for triple in shapes.triples((left.pop(), None, None)):
            value = triple[2]
            if triple[1] == SH.targetClass and value not in kinds:
                continue
            selected.add(triple)
            if value not in reached and not isinstance(value, rdflib.Literal):
                reached.add(value)
                left.append(value)
    return selected


def _above(data: rdflib.Graph, kind: Node) -> set[Node]:
    return {one for one in data.transitive_objects(kind, RDFS.subClassOf) if one}


def _used_paths(data: rdflib.Graph) -> dict[Node, set[Node]]:
    """Map each class to the properties that its instances, and those of its subclasses, have."""
    used: dict[Node, set[Node]] = {}
    above: dict[Node, set[Node]] = {}
    for subject, kind in data.subject_objects(RDF.type):
        if kind not in above:
            above[kind] = _above(data, kind)
        paths = {one for one in data.predicates(subject) if one}
        for one in above[kind]:
            used.setdefault(one, set()).update(paths)
    return used


def to_rdflib(quads: Iterable[ox.Quad]) -> rdflib.Graph:
    """
    Copy the triples of quads into an rdflib graph, lexical forms kept.

    >>> a = ox.NamedNode("x:a")
    >>> len(to_rdflib([ox.Quad(a, a, ox.Literal("b", language="en"))]))
    1
    """
    graph = rdflib.Graph()
    terms: dict[object, Node] = {}

    def convert(term: object) -> Node:
        if term not in terms:
            terms[term] = _to_node(term)
        return terms[term]

    with _rdflib_as_it_was():
        for quad in quads:
            graph.add((convert(quad.subject), convert(quad.predicate), convert(quad.object)))
    return graph


def _to_node(term: object) -> Node:
    match term:
        case ox.NamedNode():
            return rdflib.URIRef(term.value)
        case ox.BlankNode():
            return rdflib.BNode(term.value)
        case ox.Literal() if term.language:
            return rdflib.Literal(term.value, lang=term.language)
        case ox.Literal():
            return rdflib.Literal(term.value, datatype=rdflib.URIRef(term.datatype.value), normalize=False)
    raise TypeError(f"{term!r} has no counterpart in RDF 1.1")
