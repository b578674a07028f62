"""
Problems as RDF: `sh:ValidationReport`.

Each result has a focus node, a severity, a constraint component and a source shape, as SHACL wants it. What
no shape refused has a component of ours, named after its code, and `shapes:Contribution` for its shape; what
is about no node has what was sent for its focus.

Where it stands is said in the words of the W3C's Pointers vocabulary, since SHACL has none for lines.

Source: SHACL, section 3.6, https://www.w3.org/TR/shacl/#validation-report
Source: Pointer Methods in RDF 1.0, https://www.w3.org/TR/Pointers-in-RDF10/
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import rdflib
from rdflib import DC, RDF, SH, XSD, Namespace
from rdflib.collection import Collection
from rdflib.term import Node

from kg import names, turtle
from kg.errors import DataError, Problem
from kg.reporting.report import Report
from kg.turtle import Statement, Term

EARL = Namespace("http://www.w3.org/ns/earl#")
PTR = Namespace("http://www.w3.org/2009/pointers#")
GRAPHS = {
    "ttl": "text/turtle",
    "jsonld": "application/ld+json",
    "nt": "application/n-triples",
    "rdf": "application/rdf+xml",
    "trig": "application/trig",
    "nq": "application/n-quads",
}
# A text without named graphs is the same in TriG as in Turtle, and in N-Quads as in N-Triples.
_WRITERS = {
    "ttl": "turtle",
    "jsonld": "json-ld",
    "nt": "nt",
    "rdf": "pretty-xml",
    "trig": "turtle",
    "nq": "nt",
}
_SEVERITIES = {"error": SH.Violation, "warning": SH.Warning, "note": SH.Info}
# Stands where no shape refused: the rules of a contribution, in docs/validation.md.
CONTRIBUTION_SHAPE = names.SHAPES + "Contribution"
_UNSAFE_IRI = re.compile('[\x00-\x20<>"{}|^`\\\\]')
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def write_graph(report: Report, format_name: str, prefixes: Iterable[tuple[str, str]] = ()) -> bytes:
    """Write a report in an RDF format, a key of `GRAPHS`."""
    graph = report.graph if report.graph is not None else to_graph(report)
    given = [*prefixes, ("sh", str(SH)), ("earl", str(EARL)), ("ptr", str(PTR)), ("dc", str(DC))]
    for prefix, namespace in given:
        graph.bind(prefix, namespace, replace=True)
    return graph.serialize(format=_WRITERS[format_name], encoding="utf-8")


def to_graph(report: Report) -> rdflib.Graph:
    """Return problems as a `sh:ValidationReport`, which conforms only if it has no result."""
    graph = rdflib.Graph()
    whole = rdflib.BNode()
    graph.add((whole, RDF.type, SH.ValidationReport))
    graph.add((whole, SH.conforms, rdflib.Literal(not report.problems)))
    for problem in report.problems:
        node = rdflib.BNode()
        graph.add((whole, SH.result, node))
        for predicate, value in _describe(report, problem):
            graph.add((node, predicate, value))
        if problem.predicate and (node, SH.resultPath, None) not in graph:
            _add_path(graph, node, problem.predicate)
        annotate(graph, node, problem, report.place(problem))
    return graph


def _describe(report: Report, problem: Problem) -> Iterable[tuple[Node, Node]]:
    yield RDF.type, SH.ValidationResult
    yield SH.resultSeverity, _SEVERITIES[problem.level]
    fix = f" Fix: {problem.fix}" if problem.fix else ""
    yield SH.resultMessage, rdflib.Literal(_NOT_XML.sub("\ufffd", problem.message + fix), lang="en")
    yield SH.sourceConstraintComponent, rdflib.URIRef(problem.component or component_of(problem.code))
    shape = problem.shape or (None if problem.component else CONTRIBUTION_SHAPE)
    if shape:
        yield SH.sourceShape, rdflib.URIRef(shape)
    found = report.find_statement(problem)
    about = problem.subject or (found[0].subject.value if found and found[0].subject.kind == "iri" else None)
    focus = about if about and ":" in about and not _UNSAFE_IRI.search(about) else None
    yield SH.focusNode, rdflib.URIRef(focus or _whole(report, problem))
    if focus and (problem.predicate or problem.value or problem.component):
        value = _from_text(problem.value) if problem.value else None
        if value is not None:
            yield SH.value, value
    elif focus and found and found[0].subject.value == focus:
        yield from _property(*found)


def _whole(report: Report, problem: Problem) -> str:
    """Return the IRI of what was sent: what is wrong is wrong with all of it."""
    return (report.focus.get(problem.path) if problem.path else None) or names.BASE


def _property(statement: Statement, part: str) -> Iterable[tuple[Node, Node]]:
    """Yield the property of the focus node and its value as they stand at the place."""
    if part == "subject":
        return
    yield SH.resultPath, rdflib.URIRef(statement.predicate.value)
    value = _to_node(statement.object) if part == "object" else None
    if value is not None:
        yield SH.value, value


def _add_path(graph: rdflib.Graph, node: Node, predicate: str) -> None:
    """Add the path of a result: a property, or a choice of several."""
    choices = [rdflib.URIRef(one) for one in predicate.split(" | ") if not _UNSAFE_IRI.search(one)]
    if len(choices) < 2:
        for one in choices:
            graph.add((node, SH.resultPath, one))
        return
    path, head = rdflib.BNode(), rdflib.BNode()
    Collection(graph, head, list(choices))
    graph.add((path, SH.alternativePath, head))
    graph.add((node, SH.resultPath, path))


def component_of(code: str | None) -> str:
    """
    Return the constraint component of ours that stands behind a code.

    >>> component_of("unknown-term")
    'https://w3id.org/lateral/shapes#UnknownTermConstraintComponent'
    """
    words = re.findall(r"[A-Za-z0-9]+", code or "other")
    return f"{names.SHAPES}{''.join(word.capitalize() for word in words)}ConstraintComponent"


def annotate(graph: rdflib.Graph, node: Node, problem: Problem, place: str = "") -> None:
    """Add to a result the code of its problem and where it stands, of a cell in words too."""
    if problem.code:
        graph.add((node, DC.type, rdflib.Literal(problem.code)))
    if problem.line is None:
        return
    pointer = rdflib.BNode()
    graph.add((node, EARL.pointer, pointer))
    graph.add((pointer, RDF.type, PTR.LineCharPointer))
    if problem.path is not None:
        graph.add((pointer, PTR.reference, rdflib.Literal(str(problem.path))))
    for predicate, text in ((DC.identifier, problem.cell), (DC.description, place)):
        if text:
            graph.add((pointer, predicate, rdflib.Literal(_NOT_XML.sub("\ufffd", text))))
    for predicate, number in ((PTR.lineNumber, problem.line), (PTR.charNumber, problem.column)):
        if number is not None:
            graph.add((pointer, predicate, rdflib.Literal(str(number), datatype=XSD.positiveInteger)))


def _from_text(text: str) -> Node | None:
    """Read a term that N-Triples wrote; None of a blank node, which names nothing outside its text."""
    try:
        term = turtle.read(f"<urn:x> <urn:x> {text} .").statements[0].object
    except (DataError, IndexError):
        return None
    return _to_node(term)


def _to_node(term: Term) -> Node | None:
    if term.kind == "iri":
        return None if _UNSAFE_IRI.search(term.value) else rdflib.URIRef(term.value)
    if term.kind == "blank":
        return None
    text = _NOT_XML.sub("\ufffd", term.value)
    if term.language:
        return rdflib.Literal(text, lang=term.language)
    datatype = rdflib.URIRef(term.datatype) if term.datatype else None
    return rdflib.Literal(text, datatype=datatype, normalize=False)
