"""Every shape is there for its class, and refuses and accepts what its cases say."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import rdflib
from pyshacl import validate as pyshacl_validate
from rdflib import OWL, RDF, RDFS, SH, SKOS
from rdflib.term import Node

from kg import names
from kg.validation import Result, validate

ROOT = Path(__file__).resolve().parents[2]
SHAPES = sorted((ROOT / "shapes").glob("*.ttl"))
CASES = sorted((ROOT / "tests" / "cases" / "shapes").glob("*/*.ttl"))
WORLD = ROOT / "tests" / "cases" / "shapes" / "world.ttl"
EXPECTED_CASES = 894
Told = tuple[str, str, str]  # focus node, path (empty where the shape has several), shape


def kebab(name: str) -> str:
    """
    Write a class name as a file name.

    >>> kebab("CourtProceeding")
    'court-proceeding'
    """
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


@cache
def ontology() -> rdflib.Graph:
    """Return the ontology."""
    return rdflib.Graph().parse(ROOT / "ontology" / "lateral.ttl")


@cache
def shapes() -> rdflib.Graph:
    """Return all shapes."""
    graph = rdflib.Graph()
    for path in SHAPES:
        graph.parse(path)
    return graph


@cache
def leaf_classes() -> frozenset[rdflib.URIRef]:
    """Return the classes that data may instantiate: those with no subclass but defined ones."""
    graph = ontology()
    ours = {
        one
        for one in graph.subjects(RDF.type, OWL.Class)
        if isinstance(one, rdflib.URIRef) and one.startswith(names.LAT)
    }
    defined = {one for one in ours if (one, OWL.equivalentClass, None) in graph}
    return frozenset(one for one in ours - defined if not set(graph.subjects(RDFS.subClassOf, one)) - defined)


def short(node: Node | None) -> str:
    """Return an IRI as text, a path that is no IRI as nothing."""
    return str(node) if isinstance(node, rdflib.URIRef) else ""


def read_case(path: Path) -> tuple[rdflib.Graph, set[Told]]:
    """Split a case into its data and what its report expects."""
    graph = rdflib.Graph().parse(path, publicID=f"https://example.org/{path.parent.name}/{path.stem}")
    report = set(graph.subjects(RDF.type, SH.ValidationReport))
    results = set(graph.subjects(RDF.type, SH.ValidationResult))
    assert len(report) == 1, f"{path}: expected one report"
    expected = {
        (
            str(graph.value(one, SH.focusNode)),
            short(graph.value(one, SH.resultPath)),
            str(graph.value(one, SH.sourceShape)),
        )
        for one in results
    }
    conforms = graph.value(next(iter(report)), SH.conforms)
    assert conforms == rdflib.Literal(not expected), f"{path}: sh:conforms says otherwise than its results"
    for one in report | results:
        graph.remove((one, None, None))
    return graph, expected


def told(results: list[Result]) -> set[Told]:
    """Return what of results a case speaks of."""
    return {(str(one.focus), short(one.path), str(one.shape)) for one in results}


@cache
def all_data() -> rdflib.Graph:
    """Return the class tree, the world and the data of all cases in one graph."""
    graph = rdflib.Graph().parse(WORLD)
    for triple in ontology().triples((None, RDFS.subClassOf, None)):
        graph.add(triple)
    for path in CASES:
        graph += read_case(path)[0]
    return graph


@cache
def all_results() -> dict[str, set[Told]]:
    """Validate all cases at once; the results by focus node."""
    found: dict[str, set[Told]] = {}
    for one in told(validate(all_data(), shapes())):
        found.setdefault(one[0], set()).add(one)
    return found


def subjects(path: Path) -> set[str]:
    """Return the things of which a case speaks."""
    return {str(one) for one in read_case(path)[0].subjects()}


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_case_gives_its_report(path: Path) -> None:
    """A case gives exactly the results that its report holds."""
    found = set().union(*(all_results().get(one, set()) for one in subjects(path)))
    assert found == read_case(path)[1]


def test_cases_are_all_seen() -> None:
    """The folder is the list: nothing is skipped."""
    assert len(CASES) == EXPECTED_CASES


def test_world_is_accepted() -> None:
    """What the cases refer to is fine itself, so that every result is of a case."""
    world = {str(one) for one in rdflib.Graph().parse(WORLD).subjects()}
    assert world & set(all_results()) == set()


def test_cases_share_no_subject() -> None:
    """No two cases speak of one thing, since all are validated in one graph."""
    counted = Counter(one for path in CASES for one in subjects(path))
    assert [one for one, count in counted.items() if count > 1] == []


def test_every_leaf_class_has_a_closed_shape_in_its_file() -> None:
    """Each class that data may instantiate has one closed node shape, in the file of its name."""
    for one in leaf_classes():
        name = str(one).removeprefix(names.LAT)
        graph = rdflib.Graph().parse(ROOT / "shapes" / f"{kebab(name)}.ttl")
        shape = rdflib.URIRef(names.SHAPES + name)
        assert (shape, SH.targetClass, one) in graph, name
        is_closed = (shape, SH.closed, rdflib.Literal(True)) in graph
        assert is_closed or name == "AssertionGraph", name


def test_only_leaf_classes_have_shapes() -> None:
    """Abstract and defined classes are never targets: their property shapes are listed by the leaves."""
    targets = {one for one in shapes().objects(None, SH.targetClass) if str(one).startswith(names.LAT)}
    assert targets == leaf_classes()


def test_type_shape_lists_the_leaf_classes() -> None:
    """`shape:Entity-type` lists what data may instantiate."""
    listed = shapes().value(rdflib.URIRef(names.SHAPES + "Entity-type"), SH["in"])
    assert listed is not None
    ours = {one for one in shapes().items(listed) if str(one).startswith(names.LAT)}
    assert ours == leaf_classes()


def test_every_property_is_written_or_refused() -> None:
    """A property of ours has a property shape, or one that refuses it as derived, never both."""
    declared = {
        str(one)
        for kind in (OWL.ObjectProperty, OWL.DatatypeProperty)
        for one in ontology().subjects(RDF.type, kind)
        if str(one).startswith(names.LAT)
    }
    written: set[str] = set()
    refused: set[str] = set()
    for shape, path in shapes().subject_objects(SH.path):
        if isinstance(path, rdflib.URIRef) and path.startswith(names.LAT):
            is_refused = (shape, SH.maxCount, rdflib.Literal(0)) in shapes()
            (refused if is_refused else written).add(str(path))
    assert written & refused == set()
    assert written | refused == declared


def test_leaf_shapes_list_what_their_class_may_have() -> None:
    """A property with a domain above a leaf class is among the properties of its shape, and no other is."""
    graph = ontology()
    for one in leaf_classes():
        name = str(one).removeprefix(names.LAT)
        above = set(graph.transitive_objects(one, RDFS.subClassOf))
        if name in ("AssertionGraph", "Claim", "Passage") or SKOS.Concept in above:
            continue
        listed = {
            str(path)
            for shape in shapes().objects(rdflib.URIRef(names.SHAPES + name), SH.property)
            for path in shapes().objects(shape, SH.path)
            if isinstance(path, rdflib.URIRef) and path.startswith(names.LAT)
        }
        assert listed == {str(path) for path in written_properties() if domains(path) & above}, name


@cache
def written_properties() -> frozenset[Node]:
    """Return the properties of ours that data may have."""
    return frozenset(
        path
        for shape, path in shapes().subject_objects(SH.path)
        if isinstance(path, rdflib.URIRef)
        and path.startswith(names.LAT)
        and (shape, SH.maxCount, rdflib.Literal(0)) not in shapes()
    )


def domains(path: Node) -> set[Node]:
    """Return the classes that may have a property; all where it has no domain."""
    domain = ontology().value(path, RDFS.domain)
    if domain is None:
        return set(ontology().subjects(RDF.type, OWL.Class))
    members = ontology().value(domain, OWL.unionOf)
    return set(ontology().items(members)) if members else {domain}


def test_shapes_have_names_messages_and_severities() -> None:
    """A property shape has an IRI by its class and property, one message with its usual cause, a severity."""
    graph = shapes()
    found = list(graph.subjects(RDF.type, SH.PropertyShape))
    for one in found:
        assert re.fullmatch(re.escape(names.SHAPES) + r"[A-Z]\w+-[a-z]\w+", str(one)), one
        message = list(graph.objects(one, SH.message))
        assert len(message) == 1 and "Usual cause: " in str(message[0]), one
        assert isinstance(message[0], rdflib.Literal) and message[0].language == "en", one
        assert graph.value(one, SH.severity) == SH.Violation, one
        is_used = (None, SH.property, one) in graph or (one, SH.targetSubjectsOf, None) in graph
        assert is_used, one
    assert len(found) > 300


def test_shapes_fetch_nothing() -> None:
    """No shape reaches outside: no SPARQL, no imports, no scripts."""
    for path in SHAPES:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"SERVICE|FROM\s|owl:imports|sh:js|sh:select|sh:ask", text), path


def test_mirror_is_exact() -> None:
    """A file of shapes with a target has a folder of cases, and the other way round."""
    with_target = set()
    for path in SHAPES:
        graph = rdflib.Graph().parse(path)
        if any((None, one, None) in graph for one in (SH.targetClass, SH.targetSubjectsOf)):
            with_target.add(path.stem)
    assert with_target == {path.parent.name for path in CASES}


def test_every_folder_accepts_and_refuses() -> None:
    """Each folder has at least one accepted and two refused cases."""
    accepted = Counter(path.parent.name for path in CASES if not read_case(path)[1])
    refused = Counter(path.parent.name for path in CASES if read_case(path)[1])
    for folder in {path.parent.name for path in CASES}:
        assert accepted[folder] >= 1 and refused[folder] >= 2, folder


def test_every_property_shape_refuses_a_case() -> None:
    """No property shape is untried: some case breaks it."""
    broken = {one[2] for path in CASES for one in read_case(path)[1]}
    ours = {str(one) for one in shapes().subjects(RDF.type, SH.PropertyShape)}
    assert ours - broken == set()


def test_compiled_shapes_say_what_plain_pyshacl_says() -> None:
    """Rewriting the shapes for speed changes no result (a tenth of the cases, as pyshacl alone is slow)."""
    data = rdflib.Graph().parse(WORLD)
    for triple in ontology().triples((None, RDFS.subClassOf, None)):
        data.add(triple)
    chosen = CASES[::10]
    for path in chosen:
        data += read_case(path)[0]
    normalize = rdflib.NORMALIZE_LITERALS
    _, report, _ = pyshacl_validate(data, shacl_graph=shapes(), inference="none", inplace=True)
    rdflib.NORMALIZE_LITERALS = normalize
    assert isinstance(report, rdflib.Graph)
    plain = set()
    for one in report.subjects(RDF.type, SH.ValidationResult):
        plain.add(
            (
                str(report.value(one, SH.focusNode)),
                short(report.value(one, SH.resultPath)),
                str(report.value(one, SH.sourceShape)),
            )
        )
    closed = {one for one in plain if one[2].count("-") == 0}
    refused = {one[:2] for one in plain - closed}
    expected = plain - {one for one in closed if one[:2] in refused}
    assert told(validate(data, shapes())) == expected
    assert len(expected) > len(chosen) / 2
