"""The rules, their fixpoint, their explanations, date bounds, and the referees' edges."""

from __future__ import annotations

import importlib
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pyoxigraph import Literal, NamedNode, Quad, RdfFormat, Store
from rdflib import Graph

from kg.errors import DataError, MissingPartError
from kg.names import INFERRED_GRAPH, LAT, ONTOLOGY_GRAPH, RDF, SHAPES_GRAPH, XSD
from kg.reasoning import (
    bounds_of,
    compile_rules,
    date_bounds,
    dl_view,
    explain,
    infer,
    load_rules,
    profile_problems,
)

HEADER = """
@prefix lat: <https://w3id.org/lateral/ontology#> .
@prefix id: <https://w3id.org/lateral/id/> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
@prefix foaf: <http://xmlns.com/foaf/0.1/> .
"""
CLAIM = "https://w3id.org/lateral/claim/test/0001"


def ontology(text: str) -> Graph:
    """Parse axioms."""
    return Graph().parse(data=HEADER + text, format="turtle")


def store_of(text: str, graph: str = CLAIM) -> Store:
    """Load data into one named graph."""
    store = Store()
    store.load(HEADER + text, format=RdfFormat.TURTLE, to_graph=NamedNode(graph))
    return store


def short(term: object) -> str:
    """Write a term briefly."""
    text = str(term).strip("<>")
    for name, base in (("lat:", LAT), ("id:", "https://w3id.org/lateral/id/")):
        text = text.replace(base, name)
    return "a" if text == RDF + "type" else text.replace("http://www.w3.org/2004/02/skos/core#", "skos:")


def inferred(axioms: str, data: str) -> set[str]:
    """Run the rules of some axioms over some data; return the inferred triples, briefly."""
    store = store_of(data)
    infer(store, compile_rules(ontology(axioms)))
    found = store.quads_for_pattern(None, None, None, NamedNode(INFERRED_GRAPH))
    return {" ".join(map(short, (one.subject, one.predicate, one.object))) for one in found}


CASES = Path(__file__).parent / "cases" / "reasoning"
AXIOMS: dict[str, dict[str, Any]] = {
    one["title"]: one for one in yaml.safe_load((CASES / "axioms.yaml").read_text(encoding="utf-8"))
}


@pytest.mark.parametrize(
    "title",
    AXIOMS,
)
def test_infer_by_axiom(title: str) -> None:
    """Each kind of axiom infers exactly what OWL says of named individuals and our terms."""
    case = AXIOMS[title]
    assert inferred(case["axioms"], case["data"]) == set(case["inferred"])


UNSUPPORTED = {
    "reflexive": "lat:p a owl:ReflexiveProperty .",
    "key": "lat:A owl:hasKey ( lat:p ) .",
    "one of on the left": "[ owl:oneOf ( id:x ) ] rdfs:subClassOf lat:A .",
    "complement on the left": "[ owl:complementOf lat:B ] rdfs:subClassOf lat:A .",
    "all values on the left": "[ owl:onProperty lat:p ; owl:allValuesFrom lat:B ] rdfs:subClassOf lat:A .",
    "data range on the left": "[ owl:onProperty lat:p ; owl:someValuesFrom xsd:int ] rdfs:subClassOf lat:A .",
    "same as": "id:x owl:sameAs id:y .",
    "two at least on the left": "[ owl:onProperty lat:p ; owl:minCardinality 2 ] rdfs:subClassOf lat:A .",
}


@pytest.mark.parametrize("axiom", UNSUPPORTED.values(), ids=UNSUPPORTED.keys())
def test_compile_refuses_an_axiom_without_a_rule(axiom: str) -> None:
    """An axiom that would infer triples but has no rule is an error that names it, never skipped."""
    with pytest.raises(DataError) as caught:
        compile_rules(ontology(axiom + " lat:Z owl:hasKey ( lat:z ) ."))
    assert len(caught.value.problems) == 2
    assert "queries/rules" in str(caught.value)


def test_compile_is_the_same_on_every_run() -> None:
    """Names, order and text do not depend on blank node labels."""
    text = (
        AXIOMS["defined class, in"]["axioms"]
        + "lat:p rdfs:domain [ owl:unionOf ( lat:A lat:B ) ] . lat:q owl:propertyChainAxiom ( lat:p lat:p ) ."
    )
    first, second = compile_rules(ontology(text)), compile_rules(ontology(text))
    assert first == second
    assert len({one.name for one in first}) == len(first)


def test_infer_writes_only_what_is_not_asserted() -> None:
    """A triple asserted in any graph, even one that inference does not read, is not in graph:inferred."""
    store = store_of("id:x a lat:A . id:y a lat:A .")
    store.add(
        Quad(
            NamedNode("https://w3id.org/lateral/id/x"),
            NamedNode(RDF + "type"),
            NamedNode(LAT + "B"),
            NamedNode(SHAPES_GRAPH),
        )
    )
    assert infer(store, compile_rules(ontology("lat:A rdfs:subClassOf lat:B ."))) == 1


def test_infer_does_not_read_ontology_and_shapes() -> None:
    """Terms and shapes are not things of the world."""
    rules = compile_rules(ontology("lat:A rdfs:subClassOf lat:B ."))
    assert infer(store_of("id:x a lat:A .", ONTOLOGY_GRAPH), rules) == 0
    assert infer(store_of("id:x a lat:A .", SHAPES_GRAPH), rules) == 0


def test_infer_twice_gives_the_same() -> None:
    """The inferred graph is rebuilt: nothing is left of the run before."""
    store = store_of("id:x a lat:A .")
    rules = compile_rules(ontology("lat:A rdfs:subClassOf lat:B ."))
    lines: list[str] = []
    assert infer(store, rules, progress=lines.append) == 1
    store.remove(next(store.quads_for_pattern(None, None, None, NamedNode(CLAIM))))
    assert infer(store, rules) == 0
    assert lines == ["inference, round 1: 1 new triples", "inference, round 2: 0 new triples"]


def test_infer_joins_across_claims() -> None:
    """The two premises of a chain may stand in two claim graphs."""
    store = store_of("id:m lat:of id:x .")
    store.load(HEADER + "id:m lat:in id:y .", format=RdfFormat.TURTLE, to_graph=NamedNode(CLAIM + "2"))
    assert (
        infer(
            store,
            compile_rules(ontology("lat:p owl:propertyChainAxiom ( [ owl:inverseOf lat:of ] lat:in ) .")),
        )
        == 1
    )


def test_infer_ends_at_twenty_thousand_triples() -> None:
    """20 thousand triples with types, chains, inverses and transitivity give what follows."""
    axioms = (
        AXIOMS["inverse"]["axioms"]
        + AXIOMS["sub-class"]["axioms"]
        + "lat:q rdfs:subPropertyOf lat:r ; rdfs:domain lat:D ; rdfs:range lat:D ."
        "lat:part a owl:TransitiveProperty . lat:uses owl:propertyChainAxiom ( lat:uses skos:broader ) ."
    )
    data = [
        f"id:n{n} a lat:A ; lat:p id:n{n * 7 % 5000} ; lat:part id:g{n // 10} ; lat:uses id:t{n % 40} ."
        for n in range(5000)
    ]
    data += [f"id:g{n} lat:part id:g{n // 10 + 1000} ." for n in range(500)]
    data += [f"id:t{n} skos:broader id:t{n // 2} ." for n in range(1, 40)]
    store, rules = store_of("\n".join(data)), compile_rules(ontology(axioms))
    assert infer(store, rules) > 30_000


def test_explain_gives_rule_and_premises() -> None:
    """An inferred triple leads back to the rule and the asserted triples."""
    rules = compile_rules(
        ontology(
            "lat:memberOf owl:propertyChainAxiom ( [ owl:inverseOf lat:of ] lat:in ) ;"
            " owl:inverseOf lat:hasMember ."
        )
    )
    store = store_of("id:m lat:of id:malta ; lat:in id:un .")
    infer(store, rules)
    triple = (
        NamedNode("https://w3id.org/lateral/id/malta"),
        NamedNode(LAT + "memberOf"),
        NamedNode("https://w3id.org/lateral/id/un"),
    )
    derivations = explain(store, triple, rules)
    assert [one.rule.name.partition("(")[0] for one in derivations] == ["inverseOf", "propertyChainAxiom"]
    assert {" ".join(map(short, one)) for one in derivations[1].premises} == {
        "id:m lat:of id:malta",
        "id:m lat:in id:un",
    }


def test_explain_knows_constants_and_refuses_circles() -> None:
    """A hasValue rule is explained; a triple is not its own premise; nothing comes of nothing."""
    rules = compile_rules(
        ontology(
            "lat:S owl:equivalentClass [ owl:onProperty lat:p ; owl:hasValue 7 ] ."
            "lat:p2 a owl:SymmetricProperty ."
        )
    )
    store = store_of("id:x lat:p 7 . id:x lat:p2 id:x .")
    infer(store, rules)
    x = NamedNode("https://w3id.org/lateral/id/x")
    found = explain(store, (x, NamedNode(RDF + "type"), NamedNode(LAT + "S")), rules)
    assert [one.premises for one in found] == [((x, NamedNode(LAT + "p"), Literal(7)),)]
    assert explain(store, (x, NamedNode(LAT + "p2"), x), rules) == []
    assert explain(store, (x, NamedNode(LAT + "nothing"), x), rules) == []


def test_every_inferred_triple_of_every_axiom_is_explained() -> None:
    """Whatever the axiom, explain finds at least one derivation for each triple that infer wrote."""
    assert len(AXIOMS) > 25
    for name, case in AXIOMS.items():
        rules, store = compile_rules(ontology(case["axioms"])), store_of(case["data"])
        infer(store, rules)
        for quad in list(store.quads_for_pattern(None, None, None, NamedNode(INFERRED_GRAPH))):
            assert explain(store, quad.triple, rules), (name, quad)


# --- rule files -----------------------------------------------------------------------------------


def rule_file(root: Path, text: str, name: str = "chair-of-a-body") -> Path:
    """Write one rule file below a root."""
    path = root / "queries" / "rules" / f"{name}.rq"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


CHAIR_RULE = """#+ title: Chair by tenure
PREFIX lat: <https://w3id.org/lateral/ontology#>
PREFIX id: <https://w3id.org/lateral/id/>

CONSTRUCT { ?body lat:chairedBy ?holder . ?holder a lat:Actor }
WHERE {
  ?tenure lat:tenureHolder ?holder ;
    lat:tenureIn ?body ;
    lat:inRole id:chair .
  FILTER NOT EXISTS { ?tenure lat:withdrawn true }
}
"""


def test_load_rules_runs_and_explains_files(tmp_path: Path) -> None:
    """A rule file with two template triples makes two rules that infer and are explained."""
    rule_file(tmp_path, CHAIR_RULE)
    rules = load_rules(tmp_path)
    assert [one.name for one in rules] == ["chair-of-a-body#1", "chair-of-a-body#2"]
    store = store_of(
        "id:t lat:tenureHolder id:koh ; lat:tenureIn id:talks ; lat:inRole id:chair ."
        "id:u lat:tenureHolder id:x ; lat:tenureIn id:y ; lat:inRole id:chair ; lat:withdrawn true ."
    )
    assert infer(store, [*rules, *compile_rules(ontology(AXIOMS["sub-class"]["axioms"]))]) == 2
    body = NamedNode("https://w3id.org/lateral/id/talks")
    (derivation,) = explain(
        store, (body, NamedNode(LAT + "chairedBy"), NamedNode("https://w3id.org/lateral/id/koh")), rules
    )
    assert len(derivation.premises) == 3


def test_load_rules_of_this_project() -> None:
    """The rule files of the project read."""
    root = Path(__file__).parents[1]
    assert len(load_rules(root)) >= len(list((root / "queries" / "rules").glob("*.rq")))


@pytest.mark.parametrize(
    "text",
    ["SELECT ?x WHERE { ?x ?y ?z }", "WELECT nothing", "PREFIX a: <urn:a> CONSTRUCT WHERE { ?x a:b ?y }"],
)
def test_load_rules_refuses_what_is_no_rule(tmp_path: Path, text: str) -> None:
    """All bad files are reported at once, each with its path."""
    first, second = rule_file(tmp_path, text, "one"), rule_file(tmp_path, text, "two")
    with pytest.raises(DataError) as caught:
        load_rules(tmp_path)
    assert [one.path for one in caught.value.problems] == [first, second]


# --- dates ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lexical", "kind", "expected"),
    [
        ("2024", "gYear", ("2024-01-01", "2024-12-31")),
        ("2024-02", "gYearMonth", ("2024-02-01", "2024-02-29")),
        ("2023-02", "gYearMonth", ("2023-02-01", "2023-02-28")),
        ("1900-02", "gYearMonth", ("1900-02-01", "1900-02-28")),
        ("2000-02", "gYearMonth", ("2000-02-01", "2000-02-29")),
        ("2024-04", "gYearMonth", ("2024-04-01", "2024-04-30")),
        ("2024-09-22", "date", ("2024-09-22", "2024-09-22")),
        ("2024-09-22Z", "date", ("2024-09-22", "2024-09-22")),
        ("2024-09-22T10:00:00+02:00", "dateTime", ("2024-09-22", "2024-09-22")),
        ("-0431", "gYear", ("-0431-01-01", "-0431-12-31")),
    ],
)
def test_bounds_of_each_precision(lexical: str, kind: str, expected: tuple[str, str]) -> None:
    """A year, a month and a day have their first and last day."""
    assert bounds_of(lexical, XSD + kind) == expected


@pytest.mark.parametrize(
    ("lexical", "kind"),
    [
        ("24", "gYear"),
        ("2024-13", "gYearMonth"),
        ("2023-02-29", "date"),
        ("2024", "integer"),
        ("May 2024", "gYearMonth"),
    ],
)
def test_bounds_of_refuses_what_is_no_date(lexical: str, kind: str) -> None:
    """A text that is not of its datatype has no bounds."""
    with pytest.raises(ValueError, match=r"day|month|datatype"):
        bounds_of(lexical, XSD + kind)


@given(st.dates(min_value=date(1000, 1, 1), max_value=date(9998, 1, 1)))
def test_bounds_of_a_month_agree_with_the_calendar(day: date) -> None:
    """The month's last day is the day before the next month's first, and the day lies within."""
    first, last = bounds_of(f"{day:%Y-%m}", XSD + "gYearMonth")
    assert first <= day.isoformat() <= last
    assert (date.fromisoformat(last) + timedelta(days=1)).day == 1


def bounds(data: str) -> tuple[str | None, str | None]:
    """Return the bounds that date_bounds gives id:x."""
    store = store_of(data)
    date_bounds(store)
    x = NamedNode("https://w3id.org/lateral/id/x")
    found: dict[str, str] = {}
    for quad in store.quads_for_pattern(x, None, None, NamedNode(INFERRED_GRAPH)):
        assert isinstance(quad.object, Literal)
        assert quad.object.datatype.value == XSD + "date"
        found[quad.predicate.value[len(LAT) :]] = quad.object.value
    return found.get("earliest"), found.get("latest")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ('id:x lat:date "2026"^^xsd:gYear .', ("2026-01-01", "2026-12-31")),
        ('id:x lat:startDate "2020-02"^^xsd:gYearMonth .', ("2020-02-01", None)),
        ('id:x lat:endDate "2020-02"^^xsd:gYearMonth .', (None, "2020-02-29")),
        ('id:x lat:startDate "2019"^^xsd:gYear ; lat:endDate "2021-03-04"^^xsd:date .', ("2019-01-01",
        "2021-03-04")),
        ('id:x lat:asOf "2024-09"^^xsd:gYearMonth .', ("2024-09-01", "2024-09-30")),
        ('id:x lat:startDate "2020"^^xsd:gYear ; lat:asOf "2024-09"^^xsd:gYearMonth .', ("2020-01-01", None)),
        ('id:x lat:date "2020"^^xsd:gYear , "2020-11-22"^^xsd:date .', ("2020-11-22", "2020-11-22")),
        ('id:x lat:date "2021"^^xsd:gYear , "2022"^^xsd:gYear .', ("2021-01-01", "2022-12-31")),
        ('id:x lat:startDate "2020"^^xsd:gYear , "2020-11"^^xsd:gYearMonth .', ("2020-11-01", None)),
        ('id:x lat:date "2020"^^xsd:gYear ; lat:earliest "2020-05-05"^^xsd:date .', (None, "2020-12-31")),
        ("id:x a lat:State .", (None, None)),
    ],
)  # fmt: skip
def test_date_bounds_of_one_subject(data: str, expected: tuple[str | None, str | None]) -> None:
    """Start bounds below, end above, date and a lone as-of both; open sides stay open."""
    assert bounds(data) == expected


def test_date_bounds_reports_every_bad_date() -> None:
    """All dates that do not read are reported at once, each with its subject."""
    with pytest.raises(DataError) as caught:
        date_bounds(
            store_of(
                'id:x lat:date "soon" . id:y lat:endDate "2024-14"^^xsd:gYearMonth . id:z lat:date id:x .'
            )
        )
    assert [one.subject and one.subject[-1] for one in caught.value.problems] == ["x", "z", "y"]


# --- referees -------------------------------------------------------------------------------------


def test_referees_say_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, a referee names the part and the command that installs it."""
    real = importlib.import_module

    def without(name: str, package: str | None = None) -> Any:
        if name == "pyhermit":
            raise ModuleNotFoundError(name)
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(MissingPartError, match=r"pip install .*reasoners"):
        profile_problems(ontology("lat:A a owl:Class ."))


def test_dl_view_drops_calendar_literals_only() -> None:
    """HermiT's view keeps everything but dates outside the OWL 2 datatype map."""
    graph = ontology('id:x lat:date "2024"^^xsd:gYear ; lat:value 1.5 ; lat:label "x"@en .')
    assert len(dl_view(graph)) == len(graph) - 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("lat:p a owl:ObjectProperty , owl:TransitiveProperty , owl:AsymmetricProperty .", "NON_SIMPLE"),
        ("lat:A a owl:Class ; rdfs:subClassOf lat:B .", "DECLARATION"),
        ("lat:p a owl:ObjectProperty , owl:DatatypeProperty .", "OWL2DL"),
    ],
)
def test_profile_problems_names_what_breaks_the_profile(text: str, code: str) -> None:
    """What is outside OWL 2 DL is reported by its rule."""
    pytest.importorskip("pyhermit")
    problems = profile_problems(ontology("<urn:o> a owl:Ontology ." + text))
    assert any(code in one for one in problems), problems


def test_profile_problems_is_empty_for_a_good_ontology() -> None:
    """A small ontology in the profile has no problem."""
    pytest.importorskip("pyhermit")
    assert profile_problems(ontology("<urn:o> a owl:Ontology . lat:A a owl:Class .")) == []
