"""Validation turns what shapes and checks find into problems with their place and their fix."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

import pyoxigraph as ox
import pytest
import rdflib

from kg import names
from kg.config import Settings
from kg.dataset import load_dataset
from kg.errors import DataError, Problem
from kg.validation import check, project, run_checks, to_rdflib, validate

ROOT = Path(__file__).resolve().parents[1]
CHECKS = sorted((ROOT / "queries" / "checks").glob("*.rq"))
CASES = ROOT / "tests" / "cases" / "checks"
LIMIT_S = 60.0  # measured: 2 s for the project's own data on a quiet machine

ENTITIES = """\
@prefix dcterms: <http://purl.org/dc/terms/> .
@prefix id: <https://w3id.org/lateral/id/> .
@prefix lat: <https://w3id.org/lateral/ontology#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .

id:council a lat:Organ ;
  rdfs:label "Council of Zenda"@en ;
  dcterms:description "Known from novels."@en .

id:editors a lat:Curator ;
  rdfs:label "Editors"@en ;
  dcterms:description "They write the cases."@en .

id:ruritania a lat:State ;
  rdfs:label "Ruritania"@en ;
  dcterms:description "Known from novels."@en .

id:talks a lat:Mediation ;
  rdfs:label "Zenda talks"@en .

<https://w3id.org/lateral/document/wef-2026> a lat:SourceDocument ;
  rdfs:label "Zenda notes"@en ;
  lat:authoredBy id:council ;
  lat:codePoints 1000 ;
  lat:date "1894"^^xsd:gYear ;
  lat:publishedBy id:council ;
  lat:referenceDigest "sha256:0000000000000000000000000000000000000000000000000000000000000000" ;
  lat:referenceFile "zenda.txt" ;
  lat:url "https://example.org/zenda"^^xsd:anyURI .
"""

CLAIMS = """\
@prefix document: <https://w3id.org/lateral/document/> .
@prefix graph: <https://w3id.org/lateral/graph/> .
@prefix id: <https://w3id.org/lateral/id/> .
@prefix lat: <https://w3id.org/lateral/ontology#> .
@prefix oa: <http://www.w3.org/ns/oa#> .
@prefix status: <https://w3id.org/lateral/concept/status/> .
@prefix wef-claim: <https://w3id.org/lateral/claim/wef-2026/> .
@prefix wef-passage: <https://w3id.org/lateral/passage/wef-2026/> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .

graph:claims {
  wef-claim:0001 a lat:Claim ;
    lat:curatedBy id:editors ;
    lat:curatedOn "2026-11-21"^^xsd:date ;
    lat:epistemicStatus status:stated ;
    lat:evidence wef-passage:0001 ;
    lat:statedIn document:wef-2026 .
}

graph:passages {
  wef-passage:0001 a lat:Passage ;
    lat:digest "sha256:0000000000000000000000000000000000000000000000000000000000000000" ;
    lat:firstWords "The king" ;
    lat:footnoteNumber 1 ;
    lat:lastWords "his crown" ;
    lat:wordCount 9 ;
    oa:hasSelector <https://w3id.org/lateral/passage/wef-2026/0001#selector> ;
    oa:hasSource document:wef-2026 .

  <https://w3id.org/lateral/passage/wef-2026/0001#selector> a oa:TextPositionSelector ;
    oa:end 90 ;
    oa:start 10 .
}

wef-claim:0001 {
  id:talks lat:hasMediator id:ruritania ;
    lat:hasParticipant id:council .
}
"""


@pytest.fixture
def project_root(tmp_path: Path) -> Path:
    """A small project that is fine: the real ontology and shapes, made-up data."""
    for folder in ("ontology", "shapes", "queries/checks"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("concepts"))
    (tmp_path / "ontology" / "concepts").mkdir()
    shutil.copy(ROOT / "ontology" / "concepts" / "status.ttl", tmp_path / "ontology" / "concepts")
    entities, document = tmp_path / "data" / "entities", tmp_path / "data" / "documents" / "wef-2026"
    entities.mkdir(parents=True)
    document.mkdir(parents=True)
    (entities / "all.ttl").write_text(ENTITIES, encoding="utf-8")
    (document / "talks.trig").write_text(CLAIMS, encoding="utf-8")
    return tmp_path


def problems(root: Path, old: str = "", new: str = "") -> list[Problem]:
    """Return the problems of a project, after one text of its data became another."""
    for path in [*root.glob("data/entities/*.ttl"), *root.glob("data/documents/*/*.trig")]:
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    return check(load_dataset(root), Settings(root=root))


def line_of(text: str, part: str) -> int:
    """Return the line, from 1, on which a part of a text stands."""
    return text[: text.index(part)].count("\n") + 1


def test_check_finds_nothing_in_fine_data(project_root: Path) -> None:
    """What is fine gives no problem."""
    assert problems(project_root) == []


def test_check_of_this_project_is_quick() -> None:
    """The project's own files are checked within the limit, and are fine."""
    dataset = load_dataset(ROOT)
    start = time.monotonic()
    assert check(dataset, Settings(root=ROOT)) == []
    assert time.monotonic() - start < LIMIT_S


def test_check_names_the_nearest_thing_when_a_value_has_no_record(project_root: Path) -> None:
    """A slip in a value is told at its line in the claim, with the name that was meant."""
    found = problems(project_root, "lat:hasMediator id:ruritania", "lat:hasMediator id:ruritanja")
    one = next(one for one in found if "lat:hasMediator" in one.message)
    assert one.path == project_root / "data/documents/wef-2026/talks.trig"
    assert one.line == line_of(CLAIMS, "lat:hasMediator")
    assert one.subject == names.ID + "talks"
    assert one.message.startswith(
        "id:talks (“Zenda talks”): lat:hasMediator on a mediation: expected an actor."
    )
    assert one.message.endswith("Found: id:ruritanja, which has no record.")
    assert one.fix == "write id:ruritania, or add the record."


def test_check_names_what_was_found_when_a_value_is_of_another_class(project_root: Path) -> None:
    """A value of the wrong class is told with its name and its class."""
    (one,) = problems(project_root, "lat:hasParticipant id:council", "lat:atPlace id:council")
    assert one.message.endswith("Found: id:council (“Council of Zenda”), a lat:Organ.")


def test_check_names_the_nearest_property_when_one_is_unknown(project_root: Path) -> None:
    """A slip in a property is told with the property that was meant."""
    (one,) = problems(project_root, "lat:hasParticipant", "lat:hasParticipent")
    assert "lat:hasParticipent is not a property of ours" in one.message
    assert one.fix == "write lat:hasParticipant."


def test_check_names_the_domain_when_a_property_stands_elsewhere(project_root: Path) -> None:
    """A property on the wrong class is told with the classes where it belongs."""
    (one,) = problems(project_root, "lat:hasParticipant id:council", "lat:reformOf id:council")
    assert "lat:reformOf does not fit a lat:Mediation: it belongs on lat:Reform." in one.message


def test_check_names_the_record_to_write_when_a_property_is_derived(project_root: Path) -> None:
    """A derived property is told once, with what to write instead."""
    (one,) = problems(
        project_root,
        "id:talks lat:hasMediator",
        "id:council lat:hasMember id:ruritania .\n  id:talks lat:hasMediator",
    )
    assert "lat:hasMember is derived and never written in data: write a lat:Membership" in one.message


@pytest.mark.parametrize(
    ("written", "said", "fix"),
    [
        ("Occurrence", "lat:Occurrence is abstract: expected one of lat:Advocacy, ", "write one of lat:Advo"),
        ("Gathering", "is abstract: expected one of lat:Conference, lat:G", "write one of lat:Conf"),
        ("Mediatoin", "lat:Mediatoin is not a class of ours", "write lat:Mediation."),
    ],
)
def test_check_lists_the_classes_when_a_type_cannot_be(
    project_root: Path, written: str, said: str, fix: str
) -> None:
    """A type that data may not have is told with those that it may."""
    found = problems(project_root, "lat:Mediation", f"lat:{written}")
    one = next(one for one in found if f"lat:{written}" in one.message)
    assert said in one.message
    assert (one.fix or "").startswith(fix)


def test_check_says_that_a_defined_class_follows(project_root: Path) -> None:
    """A defined class is told with the class to write."""
    found = problems(project_root, "lat:State ", "lat:SmallState ")
    one = next(one for one in found if "SmallState" in one.message and "defined" in one.message)
    assert one.fix == "write lat:State."


def test_check_demands_a_record_for_a_claim_graph(project_root: Path) -> None:
    """A claim graph without a record is told at its block."""
    path = project_root / "data/documents/wef-2026/talks.trig"
    path.write_text(
        CLAIMS + "\nwef-claim:0002 {\n  id:talks lat:hasParticipant id:ruritania .\n}\n", encoding="utf-8"
    )
    (one,) = problems(project_root)
    assert one.subject == names.CLAIM + "wef-2026/0002"
    assert (one.path, one.line) == (path, CLAIMS.count("\n") + 2)


def test_check_places_the_row_of_a_check_at_its_property(project_root: Path) -> None:
    """A check that names the property is told at the property's line, with the nearest term."""
    found = problems(project_root, "lat:hasParticipant id:council .", "lat:akinTo id:counsil .")
    one = next(one for one in found if "id:counsil" in one.message)
    assert one.line == line_of(CLAIMS, "lat:hasParticipant")
    assert one.fix == "write id:council, or add the record."


def test_check_leaves_literal_normalisation_as_it_was(project_root: Path) -> None:
    """pyshacl switches a global of rdflib; it is put back."""
    before = rdflib.NORMALIZE_LITERALS
    problems(project_root)
    assert before == rdflib.NORMALIZE_LITERALS


def test_check_tells_an_impossible_day_without_noise(
    project_root: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A day that no calendar has is a problem, not a traceback in the log."""
    found = problems(project_root, '"1894"^^xsd:gYear', '"1894-02-30"^^xsd:date')
    assert any("lat:date on a work" in one.message for one in found)
    assert capfd.readouterr().err == "" and caplog.text == ""


def test_validate_refuses_broken_shapes() -> None:
    """Shapes that are not well formed are an error and not silence."""
    text = """@prefix sh: <http://www.w3.org/ns/shacl#> .
<x:Shape> a sh:NodeShape ; sh:ignoredProperties ( <x:p> ) ; sh:targetClass <x:Class> .
<x:thing> a <x:Class> ."""
    graph = rdflib.Graph().parse(data=text, format="turtle")
    with pytest.raises(DataError, match="the shapes cannot be used"):
        validate(graph, graph)


def test_project_names_every_asserting_graph() -> None:
    """Claim graphs, unknown graphs and stray triples become assertion graphs; our own graphs do not."""
    thing, property_ = ox.NamedNode(names.ID + "x"), ox.NamedNode(names.LAT + "follows")
    graphs = [names.CLAIM + "a/1", names.ENTITIES_GRAPH, names.INFERRED_GRAPH, names.GRAPH + "open/un"]
    store = ox.Store()
    store.extend(ox.Quad(thing, property_, thing, ox.NamedNode(one)) for one in graphs)
    store.add(ox.Quad(thing, property_, thing))
    found = project(store).subjects(rdflib.RDF.type, rdflib.URIRef(names.LAT + "AssertionGraph"))
    assert {str(one) for one in found} == {names.CLAIM + "a/1", names.GRAPH + "default"}


def test_to_rdflib_keeps_lexical_forms() -> None:
    """Terms come over as they are written, ill-formed ones too."""
    thing = ox.NamedNode("x:a")
    odd = ox.Literal("2020-1", datatype=ox.NamedNode(names.XSD + "gYearMonth"))
    (triple,) = to_rdflib([ox.Quad(thing, thing, odd)])
    assert str(triple[2]) == "2020-1"
    assert isinstance(triple[2], rdflib.Literal) and triple[2].datatype == rdflib.XSD.gYearMonth


def test_run_checks_refuses_what_is_no_check(tmp_path: Path) -> None:
    """A check that does not parse, or lacks its message, is an error and not silence."""
    path = tmp_path / "broken.rq"
    for text in ("WELECT ?a ?message WHERE { }", "SELECT ?message ?a WHERE { }", "ASK { }"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(DataError) as caught:
            list(run_checks(ox.Store(), tmp_path))
        assert caught.value.problems[0].path == path
        assert len(str(caught.value)) < 300
        assert (caught.value.problems[0].line == 1) is text.startswith("WELECT")


# --- checks


@pytest.mark.parametrize("path", CHECKS, ids=lambda path: path.stem)
def test_check_refuses_just_what_its_case_names_so(path: Path, tmp_path: Path) -> None:
    """Over its case a check finds exactly the things whose name begins with “refused”."""
    shutil.copy(path, tmp_path)
    store = ox.Store()
    store.load(
        (ROOT / "ontology" / "lateral.ttl").read_bytes(),
        ox.RdfFormat.TURTLE,
        to_graph=ox.NamedNode(names.ONTOLOGY_GRAPH),
    )
    case = (CASES / f"{path.stem}.trig").read_bytes()
    store.load(case, ox.RdfFormat.TRIG)
    named = {
        node.value
        for quad in ox.parse(case, ox.RdfFormat.TRIG)
        for node in (*quad.triple, quad.graph_name)
        if isinstance(node, ox.NamedNode) and re.search(r"/refused-[^/#]*\Z", node.value)
    }
    rows = [row for _, row in run_checks(store, tmp_path)]
    assert {row["culprit"] for row in rows} == named
    assert named, "a case refuses something"
    assert all("expected" in row["message"] and "Usual cause: " in row["message"] for row in rows)


def test_checks_and_cases_mirror_each_other() -> None:
    """Each check has its case, each case its check."""
    assert {path.stem for path in CHECKS} == {path.stem for path in CASES.iterdir()}
    assert len(CHECKS) == 17


def test_checks_have_their_header() -> None:
    """A check opens with its title and its description, and reaches nothing outside."""
    for path in CHECKS:
        text = path.read_text(encoding="utf-8")
        assert re.match(r"#\+ title: \S.*\n#\+ description: \S.*\nPREFIX ", text), path
        assert not re.search(r"\b(SERVICE|FROM|SELECT \*)", text), path
        assert re.search(r"\nORDER BY .+\n\Z", text), path
