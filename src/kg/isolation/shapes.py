"""Plain SHACL: data and shapes as statements with places → pyshacl's report, and problems with places."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pyoxigraph as ox
import pyshacl
import rdflib
from pyshacl.errors import ReportableRuntimeError
from pyshacl.monkey import rdflib_bool_patch, rdflib_bool_unpatch
from rdflib import OWL, RDF, SH, XSD
from rdflib.term import Node

from kg import names
from kg.errors import Problem, UsageError
from kg.parsing import Reading
from kg.reporting import annotate
from kg.turtle import Span, Statement, Term
from kg.validation import Published, to_rdflib

MAX_DEPTH = 30
_LEVELS = {str(SH.Violation): "error", str(SH.Warning): "warning", str(SH.Info): "note"}
_QUERIES = {str(one) for one in (SH.select, SH.ask, SH.construct)}
_ASKS_OTHERS = re.compile(r"\b(?:SERVICE|FROM|LOAD)\b", re.IGNORECASE)
_NOT_CODE = re.compile(
    r"\"\"\"(?:[^\"\\]|\\.|\"(?!\"\"))*\"\"\"|'''(?:[^'\\]|\\.|'(?!''))*'''"
    r"|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|<[^<>\s]*>|#[^\n]*|[?$]\w+|[\w-]*:[\w-]*",
    re.DOTALL,
)
# Source: SPARQL 1.1 Query, section 19.2 (escapes stand anywhere, in keywords too)
_ESCAPED = re.compile(r"\\u([0-9A-Fa-f]{4})|\\U([0-9A-Fa-f]{8})")
_REFUSED_TERMS = {
    str(SH.js): "JavaScript is not run",
    str(SH.jsFunctionName): "JavaScript is not run",
    str(SH.jsLibrary): "JavaScript is not run",
    str(SH.jsLibraryURL): "JavaScript is not run",
    str(SH.rule): "rules are not run",
}
_IMPORTS = names.OWL + "imports"


def refusals(shapes: Reading) -> Iterator[Problem]:
    """
    Yield what shapes ask for that is not done here: other services and files, scripts, rules.

    An import is only told of: nothing is fetched, and the shapes may do without, or hold it themselves.
    """
    here = {one.subject.value for one in shapes.statements}
    for one in shapes.statements:
        if one.predicate.value == _IMPORTS and one.object.value not in here:
            told = Problem(
                f"<{one.object.value}> is not imported: nothing is fetched, so that what it says is missing.",
                shapes.path,
                one.line,
                fix="send it as further shapes.",
                code="unfollowed-import",
                level="warning",
            )
            yield _placed(told, one.places.object if one.places else None)
        reason = _REFUSED_TERMS.get(one.predicate.value)
        span = one.places.predicate if one.places else None
        if one.predicate.value in _QUERIES:
            query = _ESCAPED.sub(
                lambda found: chr(int(found[1] or found[2], 16) % 0x110000), one.object.value
            )
            asked = _ASKS_OTHERS.search(_NOT_CODE.sub(" ", query))
            span = one.places.object if one.places else None
            reason = f"{asked[0].upper()} asks others, and nothing is fetched" if asked else None
        if reason:
            problem = Problem(
                f"{reason}: expected shapes that stand for themselves.",
                shapes.path,
                one.line,
                fix="leave it out." if reason.startswith(("J", "r")) else "send all of it with this request.",
                code="refused-shape",
            )
            yield _placed(problem, span)


def _placed(problem: Problem, span: Span | None) -> Problem:
    if span is None:
        return problem
    line, column, end_line, end_column, cell = span
    return replace(
        problem, line=line, column=column, end_line=end_line, end_column=end_column, cell=cell or None
    )


def to_graph(statements: Iterable[Statement], *, label: str) -> rdflib.Graph:
    """
    Return statements, whatever graph they stand in, as one rdflib graph, lexical forms kept.

    Args:
        statements: Of one text.
        label: What sets its blank nodes apart from those of other texts.
    """
    graph = rdflib.Graph()
    with _still(), _booleans_of_shacl():
        for one in statements:
            triple = (_to_node(term, label) for term in (one.subject, one.predicate, one.object))
            graph.add(tuple(triple))  # type: ignore[arg-type]
    return graph


@contextmanager
def _still() -> Iterator[None]:
    """Keep rdflib's log still: what is ill-formed becomes a result."""
    log = logging.getLogger("rdflib.term")
    was_disabled, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = was_disabled


@contextmanager
def _booleans_of_shacl() -> Iterator[None]:
    """Have rdflib read booleans as pyshacl does when it reads a file: SHACL knows true, and not 1."""
    rdflib_bool_patch()
    try:
        yield
    finally:
        rdflib_bool_unpatch()


def add_imported_prefixes(shapes: rdflib.Graph) -> None:
    """
    Give each node that declares prefixes those of what it imports, as far as it is there.

    Source: SHACL, section 5.2.1, https://www.w3.org/TR/shacl/#sparql-prefixes (pyshacl looks no further than
    the node itself)
    """
    for node in set(shapes.objects(None, SH.prefixes)):
        for imported in list(shapes.transitive_objects(node, OWL.imports)):
            for declaration in list(shapes.objects(imported, SH.declare)):
                shapes.add((node, SH.declare, declaration))


def _to_node(term: Term, label: str) -> Node:
    if term.kind == "iri":
        return rdflib.URIRef(term.value)
    if term.kind == "blank":
        # one that was written and one in brackets may have the same number
        kind = "a" if "[" in term.value else "w"
        return rdflib.BNode(
            f"{label}{kind}{re.sub(r'[^A-Za-z0-9]', lambda m: f'_{ord(m[0]):x}_', term.value)}"
        )
    if term.language:
        return rdflib.Literal(term.value, lang=term.language)
    datatype = rdflib.URIRef(term.datatype) if term.datatype else None
    return rdflib.Literal(term.value, datatype=datatype, normalize=False)


def hold_to_shapes(
    data: Reading, shapes: rdflib.Graph, published: Published
) -> tuple[rdflib.Graph, list[Problem]]:
    """
    Return pyshacl's report, each result with its place, and the results as problems in file order.

    Raises:
        UsageError: The shapes cannot be used.
    """
    graph = to_graph(data.statements, label="data")
    if shapes is published.shapes:
        for triple in list(graph):  # ours come out of a store, where every plain text is an xsd:string
            if isinstance(triple[2], rdflib.Literal) and not (triple[2].language or triple[2].datatype):
                graph.remove(triple)
                graph.add((*triple[:2], rdflib.Literal(str(triple[2]), datatype=XSD.string)))
        below = ox.NamedNode(names.RDFS + "subClassOf")
        graph += to_rdflib(
            published.store.quads_for_pattern(None, below, None, ox.NamedNode(names.ONTOLOGY_GRAPH))
        )
    report = _run(graph, shapes)
    places = _Places(data.statements)
    told: list[tuple[Problem, Node]] = []
    for whole in report.subjects(RDF.type, SH.ValidationReport):
        for result in report.objects(whole, SH.result):
            told.append((_tell(report, result, data, places, published), result))
    told.sort(key=lambda one: (one[0].line or 0, one[0].column or 0, one[0].message))
    for problem, result in told:
        annotate(report, result, problem)
    return report, [problem for problem, _ in told]


def _run(data: rdflib.Graph, shapes: rdflib.Graph) -> rdflib.Graph:
    try:
        with _still():
            _, report, text = pyshacl.validate(
                data,
                shacl_graph=shapes,
                inference="none",
                inplace=True,
                advanced=False,
                js=False,
                meta_shacl=False,
                do_owl_imports=False,
                max_validation_depth=MAX_DEPTH,
            )
    except ReportableRuntimeError as error:
        raise UsageError(f"the shapes cannot be used: {error}") from error
    except (MemoryError, RecursionError):
        raise
    except Exception as error:  # shapes of strangers meet what rdflib and pyshacl never thought of
        kind = type(error).__name__
        raise UsageError(f"the shapes cannot be used: {kind}: {str(error)[:200]}") from error
    if not isinstance(report, rdflib.Graph):
        raise UsageError(f"the shapes cannot be used: {text}")
    return report


class _Places:
    """Where the statements of a text stand, by what results name."""

    def __init__(self, statements: Sequence[Statement]) -> None:
        self.values: dict[tuple[Node, Node, Node], Span] = {}
        self.paths: dict[tuple[Node, Node], Span] = {}
        self.subjects: dict[Node, Span] = {}
        self.objects: dict[Node, Span] = {}
        for one in statements:
            if one.places is None:
                continue
            subject, path, value = (_to_node(term, "data") for term in one[1:4])
            self.values.setdefault((subject, path, value), one.places.object)
            self.paths.setdefault((subject, path), one.places.predicate)
            self.subjects.setdefault(subject, one.places.subject)
            self.objects.setdefault(value, one.places.object)

    def find(self, focus: Node | None, path: Node | None, value: Node | None) -> Span | None:
        """Return where a result is best shown: its value, else its property, else the node it is about."""
        if focus is None:
            return None
        if path is not None and value is not None and (focus, path, value) in self.values:
            return self.values[focus, path, value]
        if path is not None and (focus, path) in self.paths:
            return self.paths[focus, path]
        return self.subjects.get(focus) or self.objects.get(focus)


def _tell(
    report: rdflib.Graph, result: Node, data: Reading, places: _Places, published: Published
) -> Problem:
    focus, path, value = (report.value(result, one) for one in (SH.focusNode, SH.resultPath, SH.value))
    component = report.value(result, SH.sourceConstraintComponent)
    severity = str(report.value(result, SH.resultSeverity))
    message = " ".join(sorted(str(one) for one in report.objects(result, SH.resultMessage)))
    span = places.find(focus, path, value)
    short = {**published.prefixes.namespaces, **data.prefixes}
    problem = Problem(
        f"{_name(focus, short)}: {message or 'refused'}",
        data.path,
        subject=str(focus) if isinstance(focus, rdflib.URIRef) else None,
        code=code_of(str(component)),
        level=_LEVELS.get(severity, "error"),
        found=_name(value, short) if value is not None and value != focus else None,
    )
    return _placed(problem, span)


def code_of(component: str) -> str:
    """
    Return the code of a constraint component.

    >>> code_of(str(SH.MinCountConstraintComponent))
    'min-count'
    """
    local = re.split(r"[#/]", component)[-1].removesuffix("ConstraintComponent") or "constraint"
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", local).lower()


def _name(node: Node | None, prefixes: dict[str, str]) -> str:
    if isinstance(node, rdflib.URIRef):
        return names.Prefixes(prefixes).compress(str(node))
    if isinstance(node, rdflib.BNode):
        return "a blank node"
    return node.n3()[:80] if isinstance(node, rdflib.Literal) else "all of it"
