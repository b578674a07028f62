"""
Validation: data graph + shapes graph → problems, each with its file, its line and, where computable, its fix.

Two things are run: the shapes (`shapes/*.ttl`, by pyshacl) and the checks (`queries/checks/*.rq`, which must
return no rows). Nothing here knows who wrote the triples.
"""

from __future__ import annotations

import difflib
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyoxigraph as ox
import pyshacl
import rdflib
from rdflib import OWL, RDF, RDFS, SH, SKOS
from rdflib.term import Node

from kg import names
from kg.config import Settings
from kg.dataset import Dataset
from kg.errors import Problem

_TYPE = ox.NamedNode(names.RDF + "type")
_SUBCLASS = ox.NamedNode(names.RDFS + "subClassOf")
_ASSERTION_GRAPH = ox.NamedNode(names.LAT + "AssertionGraph")
_NOT_DATA = {names.ONTOLOGY_GRAPH, names.SHAPES_GRAPH, names.CATALOG_GRAPH, names.INFERRED_GRAPH}
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


def check(dataset: Dataset, settings: Settings) -> list[Problem]:
    """
    Return every problem that the shapes and the checks find, in file order.

    Args:
        dataset: What was loaded; its shapes graph holds the shapes.
        settings: Their root folder holds the checks.
    """
    problems = check_shapes(dataset) + check_queries(dataset, settings.path("queries", "checks"))
    return sorted(set(problems), key=lambda one: (str(one.path or ""), one.line or 0, one.message))


# --- shapes


def check_shapes(dataset: Dataset) -> list[Problem]:
    """Return what the shapes refuse in a dataset."""
    shapes = to_rdflib(dataset.store.quads_for_pattern(None, None, None, ox.NamedNode(names.SHAPES_GRAPH)))
    data = project(dataset.store)
    teller = _Teller(dataset, data, shapes)
    return [teller.tell(one) for one in validate(data, shapes)]


def validate(data: rdflib.Graph, shapes: rdflib.Graph) -> list[Result]:
    """
    Run pyshacl without inference and return its results, sorted.

    Shapes that cannot say anything about this data are left out first; the verdict is the same.
    """
    with _PYSHACL:
        normalize = rdflib.NORMALIZE_LITERALS
        try:
            _, report, text = pyshacl.validate(
                data,
                shacl_graph=focus_shapes(data, shapes),
                inference="none",
                inplace=True,
                advanced=False,
                meta_shacl=False,
                do_owl_imports=False,
            )
        finally:
            rdflib.NORMALIZE_LITERALS = normalize
    if not isinstance(report, rdflib.Graph):
        raise RuntimeError(f"pyshacl failed: {text}")
    found = [_read_result(report, node) for node in report.subjects(RDF.type, SH.ValidationResult)]
    refused = {(one.focus, one.path) for one in found if one.component != SH.ClosedConstraintComponent}
    kept = [
        one
        for one in found
        if one.component != SH.ClosedConstraintComponent or (one.focus, one.path) not in refused
    ]
    return sorted(kept, key=lambda one: tuple(map(str, (one.focus, one.path, one.value, one.shape))))


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
    graph = to_rdflib(store.quads_for_pattern(None, _SUBCLASS, None, ox.NamedNode(names.ONTOLOGY_GRAPH)))
    asserting: set[ox.NamedNode] = set()
    for one in store.named_graphs():
        if isinstance(one, ox.NamedNode) and one.value not in _NOT_DATA:
            graph += to_rdflib(store.quads_for_pattern(None, None, None, one))
            if not one.value.startswith(names.GRAPH):
                asserting.add(one)
    strays = to_rdflib(store.quads_for_pattern(None, None, None, ox.DefaultGraph()))
    if len(strays):
        graph += strays
        asserting.add(ox.NamedNode(names.GRAPH + "default"))
    for one in asserting:
        graph.add((rdflib.URIRef(one.value), RDF.type, rdflib.URIRef(_ASSERTION_GRAPH.value)))
    return graph


def focus_shapes(data: rdflib.Graph, shapes: rdflib.Graph) -> rdflib.Graph:
    """
    Leave out the property shapes that cannot say anything about this data.

    A property shape is left out of a node shape where it demands nothing of an absent value and no instance
    of the target class has its path: it would be asked of every instance and conform each time. (Measured:
    a fifth of the time over the whole graph.)
    """
    used = _used_paths(data)
    focused = rdflib.Graph()
    focused += shapes
    for node_shape, target in shapes.subject_objects(SH.targetClass):
        paths = used.get(target, set())
        for shape in list(shapes.objects(node_shape, SH.property)):
            path = shapes.value(shape, SH.path)
            is_demanding = any((shape, term, None) in shapes for term in _DEMANDING)
            if isinstance(path, rdflib.URIRef) and path not in paths and not is_demanding:
                focused.remove((node_shape, SH.property, shape))
    return focused


def _used_paths(data: rdflib.Graph) -> dict[Node, set[Node]]:
    """Map each class to the properties that its instances, and those of its subclasses, have."""
    used: dict[Node, set[Node]] = {}
    above: dict[Node, set[Node]] = {}
    for subject, kind in data.subject_objects(RDF.type):
        if kind not in above:
            above[kind] = set(data.transitive_objects(kind, RDFS.subClassOf))
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


# --- telling


class _Teller:
    """Turns a result into a problem: names for IRIs, what was found, where it stands, what mends it."""

    def __init__(self, dataset: Dataset, data: rdflib.Graph, shapes: rdflib.Graph) -> None:
        self.dataset, self.data, self.shapes = dataset, data, shapes
        ontology = dataset.store.quads_for_pattern(None, None, None, ox.NamedNode(names.ONTOLOGY_GRAPH))
        self.ontology = to_rdflib(ontology)
        self.subjects = sorted({str(one) for one in data.subjects(RDF.type)})

    def tell(self, result: Result) -> Problem:
        """Write one result as a problem."""
        message, fix = result.message, None
        if result.component == SH.ClosedConstraintComponent:
            message, fix = self._tell_closed(result)
        elif result.component == SH.InConstraintComponent and result.path == RDF.type:
            message, fix = self._tell_type(result)
        elif isinstance(result.value, rdflib.URIRef) and result.value != result.focus:
            message, fix = self._tell_value(result)
        elif isinstance(result.value, rdflib.Literal):
            message = f"{message} Found: {result.value.n3(self.data.namespace_manager)[:80]}."
        path, line = _place(self.dataset, str(result.focus), str(result.path) if result.path else None)
        return Problem(
            f"{self.name(result.focus)}: {message}", path, line, fix=fix, subject=str(result.focus)
        )

    def name(self, node: Node) -> str:
        """Return the prefixed name of an IRI, with its label behind it."""
        short = self.dataset.prefixes.compress(str(node))
        label = self.data.value(node, RDFS.label) or self.data.value(node, SKOS.prefLabel)
        return f"{short} (“{label}”)" if label else short

    def kinds(self, node: Node) -> str:
        """Return the labels of the classes of a node, as prefixed names."""
        found = [self.short(kind) for kind in self.data.objects(node, RDF.type) if kind != SKOS.Concept]
        return " and ".join(sorted(found))

    def short(self, node: Node) -> str:
        """Return the prefixed name of an IRI."""
        return self.dataset.prefixes.compress(str(node))

    def _tell_value(self, result: Result) -> tuple[str, str | None]:
        assert result.value is not None
        kinds = self.kinds(result.value)
        if kinds:
            return f"{result.message} Found: {self.name(result.value)}, a {kinds}.", None
        near = self.nearest(result.value, self.subjects)
        found = f"{result.message} Found: {self.short(result.value)}, which has no record."
        return found, near and f"write {near}, or add the record."

    def _tell_closed(self, result: Result) -> tuple[str, str | None]:
        term = result.path or RDF.nil
        allowed = {
            str(path)
            for shape in self.shapes.objects(result.shape, SH.property)
            for path in self.shapes.objects(shape, SH.path)
            if isinstance(path, rdflib.URIRef)
        }
        near = self.nearest(term, sorted(allowed))
        fix = near and f"write {near}."
        if (term, RDF.type, None) not in self.ontology:
            return f"{self.short(term)} is not a property of ours. {result.message}", fix
        domain = ", ".join(self._domain(term))
        belongs = f"it belongs on {domain}" if domain else "it belongs elsewhere"
        kinds = self.kinds(result.focus)
        return f"{self.short(term)} does not fit a {kinds}: {belongs}. {result.message}", fix

    def _domain(self, term: Node) -> Iterator[str]:
        domain = self.ontology.value(term, RDFS.domain)
        members = self.ontology.value(domain, OWL.unionOf) if domain else None
        for one in self.ontology.items(members) if members else [domain]:
            if one:
                yield self.short(one)

    def _tell_type(self, result: Result) -> tuple[str, str | None]:
        kind = result.value or RDF.nil
        allowed = {str(one) for one in self.shapes.items(self.shapes.value(result.shape, SH["in"]) or RDF.nil)}
        if (kind, RDF.type, OWL.Class) not in self.ontology:
            near = self.nearest(kind, sorted(allowed))
            return f"{self.short(kind)} is not a class of ours. {result.message}", near and f"write {near}."
        definitions = self.ontology.objects(kind, OWL.equivalentClass)
        if any((one, OWL.intersectionOf, None) in self.ontology for one in definitions):
            above = " or ".join(sorted(map(self.short, self.ontology.objects(kind, RDFS.subClassOf))))
            return (
                f"{self.short(kind)} is defined and follows by reasoning: write {above}.",
                f"write {above}.",
            )
        below = self.ontology.transitive_subjects(RDFS.subClassOf, kind)
        choice = ", ".join(sorted(self.short(one) for one in below if str(one) in allowed))
        return f"{self.short(kind)} is abstract: expected one of {choice}.", f"write one of {choice}."

    def nearest(self, node: Node, choices: Iterable[str]) -> str | None:
        """Return the prefixed name of the choice in the same namespace that is spelt most alike."""
        space = re.sub(r"[^/#]+\Z", "", str(node))
        alike = {one[len(space) :]: one for one in choices if one.startswith(space)}
        found = difflib.get_close_matches(str(node)[len(space) :], alike, n=1, cutoff=0.7)
        return self.short(rdflib.URIRef(alike[found[0]])) if found else None


def _place(dataset: Dataset, iri: str, predicate: str | None = None) -> tuple[Path | None, int | None]:
    found = dataset.locate(iri, predicate=predicate) if predicate else None
    return found or dataset.locate(iri) or (None, None)


# --- checks


def check_queries(dataset: Dataset, folder: Path) -> list[Problem]:
    """
    Run every check of a folder over the named graphs and their merge; each row is a problem.

    The first column is the culprit, `?message` comes last, `?fix` may stand between.
    """
    merged = merge(dataset.store)
    return [
        problem
        for path in sorted(folder.glob("*.rq"))
        for problem in _run_check(dataset, merged, path.read_text(encoding="utf-8"))
    ]


def merge(store: ox.Store) -> ox.Store:
    """Return the named graphs with, as default graph, every triple of them once, but for the shapes."""
    merged = ox.Store()
    merged.bulk_extend(store)
    merged.bulk_extend(
        ox.Quad(quad.subject, quad.predicate, quad.object)
        for quad in store
        if quad.graph_name != ox.NamedNode(names.SHAPES_GRAPH)
    )
    return merged


def _run_check(dataset: Dataset, merged: ox.Store, query: str) -> Iterator[Problem]:
    rows = merged.query(query)
    assert isinstance(rows, ox.QuerySolutions)
    columns = [one.value for one in rows.variables]
    assert columns[-1] == "message", f"a check ends in ?message: {columns}"
    for row in rows:
        found: Mapping[str, str] = {one: row[one].value for one in columns if row[one] is not None}
        culprit = found.get(columns[0], "")
        path, line = _place(dataset, culprit)
        message = f"{dataset.prefixes.compress(culprit)}: {_shorten(found['message'], dataset)}"
        fix = found.get("fix") and _shorten(found["fix"], dataset)
        yield Problem(message, path, line, fix=fix, subject=culprit)


def _shorten(text: str, dataset: Dataset) -> str:
    """Write each <IRI> in a text as a prefixed name."""
    return re.sub(r"<([^<>\s]+)>", lambda found: dataset.prefixes.compress(found[1]), text)
