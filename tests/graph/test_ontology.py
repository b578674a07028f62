"""The ontology files: readable, in OWL 2 DL, consistent with the whole graph, and of good quality."""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pyoxigraph
import pytest
import yaml
from rdflib import DCTERMS, OWL, RDF, RDFS, SKOS, XSD, BNode, Graph, Literal, URIRef
from rdflib.collection import Collection
from rdflib.compare import isomorphic
from rdflib.term import Node

from kg.dataset import load_dataset
from kg.names import BASE, CATALOG_GRAPH, CONCEPT, LAT, SHAPES_GRAPH, load_prefixes
from kg.reasoning import (
    Report,
    Rule,
    compile_rules,
    hermit_report,
    infer,
    load_rules,
    pellet_report,
    profile_problems,
    rustdl_report,
)

ROOT = Path(__file__).parents[2]
ONTOLOGY = ROOT / "ontology"
CASES = ROOT / "tests" / "cases" / "reasoning"
LATERAL, ALIGNMENTS = ONTOLOGY / "lateral.ttl", ONTOLOGY / "alignments.ttl"
FILES = sorted(ONTOLOGY.rglob("*.ttl"))
CONCEPT_FILES = sorted((ONTOLOGY / "concepts").glob("*.ttl"))
VIOLATIONS = sorted((CASES / "violations").glob("*.ttl"))
NAMESPACE = URIRef(BASE + "ontology")
MATCHES = (SKOS.exactMatch, SKOS.closeMatch, SKOS.broadMatch, SKOS.narrowMatch, SKOS.relatedMatch)
VANN = "http://purl.org/vocab/vann/"

Triple = tuple[str, str, str]


def named(path: Path) -> str:
    """Name a case by its file."""
    return path.stem


@cache
def terms() -> Graph:
    """Return lateral.ttl."""
    return Graph().parse(LATERAL)


@cache
def aligned() -> Graph:
    """Return lateral.ttl and alignments.ttl as one ontology: with one header."""
    graph = Graph().parse(LATERAL)
    for triple in Graph().parse(ALIGNMENTS):
        if triple[0] != URIRef(BASE + "ontology/alignments"):
            graph.add(triple)
    return graph


@cache
def concepts() -> Graph:
    """Return all concept schemes."""
    graph = Graph()
    for path in CONCEPT_FILES:
        graph.parse(path)
    return graph


@cache
def world() -> Graph:
    """Return all that the files say of the world: concepts, entities, claims, merged."""
    graph = Graph() + concepts()
    graph.parse(
        data=pyoxigraph.serialize(_world_triples(), format=pyoxigraph.RdfFormat.N_TRIPLES), format="nt"
    )
    return graph


@cache
def everything() -> Graph:
    """Return ontology, alignments and world."""
    return aligned() + world()


def _world_triples() -> Iterator[pyoxigraph.Triple]:
    store = load_dataset(ROOT).store
    skipped = {CATALOG_GRAPH, SHAPES_GRAPH, BASE + "graph/ontology"}
    for quad in store:
        if getattr(quad.graph_name, "value", "") not in skipped:
            yield quad.triple


@cache
def compiled() -> list[Rule]:
    """Return the rules of the ontology."""
    return compile_rules(terms())


def saturated(data: Graph, *, by: Sequence[Rule] | None = None) -> set[Triple]:
    """Return what data says and the rules infer from it: those of the ontology, unless others are given."""
    store = pyoxigraph.Store()
    text = data.serialize(format="nt", encoding="utf-8")
    store.load(text, format=pyoxigraph.RdfFormat.N_TRIPLES, to_graph=pyoxigraph.NamedNode("urn:data"))
    infer(store, compiled() if by is None else by)
    return {
        (one.subject.value, one.predicate.value, one.object.value)
        for one in store
        if isinstance(one.subject, pyoxigraph.NamedNode) and isinstance(one.object, pyoxigraph.NamedNode)
    }


def about_our_terms(triples: set[Triple] | frozenset[Triple]) -> set[Triple]:
    """Keep types in our classes and values of our object properties."""
    properties = {str(one) for one in terms().subjects(RDF.type, OWL.ObjectProperty)}
    ours = {one for one in properties if one.startswith(LAT)} | {str(SKOS.broaderTransitive)}
    return {
        one
        for one in triples
        if one[1] in ours
        or (one[1] == str(RDF.type) and one[2].startswith(LAT) and not one[0].startswith(LAT))
    }


# --- reading --------------------------------------------------------------------------------------


def test_files_are_all_seen() -> None:
    """The ontology, its alignments, its prefixes and at least ten concept schemes are there."""
    assert {LATERAL, ALIGNMENTS, ONTOLOGY / "prefixes.ttl"} <= set(FILES)
    assert len(CONCEPT_FILES) >= 10


@pytest.mark.parametrize("path", FILES, ids=named)
def test_file_parses_alike_in_two_parsers(path: Path) -> None:
    """rdflib and pyoxigraph read the same triples."""
    one = Graph().parse(path)
    triples = pyoxigraph.parse(path.read_bytes(), format=pyoxigraph.RdfFormat.TURTLE)
    text = pyoxigraph.serialize((quad.triple for quad in triples), format=pyoxigraph.RdfFormat.N_TRIPLES)
    assert text is not None
    other = Graph().parse(data=text, format="nt")
    assert len(one) == len(other)
    assert isomorphic(one, other)


@pytest.mark.parametrize("path", FILES, ids=named)
def test_file_uses_only_the_prefixes_of_the_project(path: Path) -> None:
    """Each prefix is bound as prefixes.ttl binds it."""
    prefixes = load_prefixes(ONTOLOGY / "prefixes.ttl")
    bound = re.findall(r"(?m)^@prefix ([\w-]*): <([^>]+)>", path.read_text(encoding="utf-8"))
    assert [one for one in bound if prefixes.get(one[0]) != one[1]] == []


# --- OWL ------------------------------------------------------------------------------------------


def test_ontology_is_in_owl_2_dl() -> None:
    """lateral.ttl is in the OWL 2 DL profile."""
    assert profile_problems(LATERAL) == []


def test_ontology_with_alignments_is_in_owl_2_dl() -> None:
    """So is the merge with the alignments."""
    assert profile_problems(aligned()) == []


def test_ontology_imports_nothing() -> None:
    """No file imports another vocabulary."""
    assert [path for path in FILES if (None, OWL.imports, None) in Graph().parse(path)] == []


def test_disjointness_is_pairwise() -> None:
    """AllDisjointClasses is dropped by rustdl's parser, so disjointness is written pair by pair."""
    for kind in (OWL.AllDisjointClasses, OWL.AllDisjointProperties, OWL.disjointUnionOf):
        assert (None, None, kind) not in aligned()
        assert (None, kind, None) not in aligned()


def test_ontology_compiles_to_rules() -> None:
    """Every axiom has a rule or is a constraint, and every rule has a name of its own."""
    assert len(compiled()) > 300
    assert len({one.name for one in compiled()}) == len(compiled())


def test_rustdl_finds_the_whole_graph_consistent_and_coherent() -> None:
    """rustdl: ontology, alignments and all data are consistent; every class can have an instance."""
    report = rustdl_report(everything())
    assert report.consistent, report.explanation
    assert report.unsatisfiable == ()


@cache
def whole_report(reasoner: str) -> Report:
    """Ask a reasoner of authority about the whole graph, once."""
    ask = {"pellet": pellet_report, "hermit": hermit_report}[reasoner]
    return ask(everything())


@pytest.mark.reasoners
@pytest.mark.parametrize("reasoner", ["pellet", "hermit"])
def test_whole_graph_is_consistent_and_coherent(reasoner: str) -> None:
    """Pellet and HermiT: the whole graph has a model, and every class can have an instance."""
    report = whole_report(reasoner)
    assert report.consistent, report.explanation
    assert report.unsatisfiable == ()


NOISE: dict[str, set[Triple]] = {"pellet": set(), "hermit": set()}
"""Entailments about our terms that are not served, with the reason. None so far."""


@pytest.mark.reasoners
@pytest.mark.parametrize("reasoner", ["pellet", "hermit"])
def test_rules_infer_what_the_reasoner_entails(reasoner: str) -> None:
    """On the whole graph, types and object property values in our terms are the same."""
    entailed = about_our_terms(whole_report(reasoner).entailed) - NOISE[reasoner]
    ours = about_our_terms(saturated(world()))
    missing, surplus = sorted(entailed - ours), sorted(ours - entailed)
    assert ours
    assert (missing[:10], len(missing)) == ([], 0)
    assert (surplus[:10], len(surplus)) == ([], 0)


# --- expected entailments -------------------------------------------------------------------------


@cache
def entailments() -> list[dict[str, str]]:
    """Read the cases."""
    read: list[dict[str, str]] = yaml.safe_load((CASES / "entailments.yaml").read_text(encoding="utf-8"))
    return read


def turtle(text: str) -> Graph:
    """Read Turtle with the project's prefixes."""
    prefixes = load_prefixes(ONTOLOGY / "prefixes.ttl")
    header = "".join(f"@prefix {name}: <{iri}> .\n" for name, iri in prefixes.items())
    return Graph().parse(data=header + text, format="turtle")


def plain(graph: Graph) -> set[Triple]:
    """Return the triples as strings."""
    return {(str(s), str(p), str(o)) for s, p, o in graph}


def test_entailment_cases_are_enough() -> None:
    """At least twenty cases, each with a name of its own for its things."""
    assert len(entailments()) >= 20
    for number, case in enumerate(entailments(), 1):
        assert set(re.findall(r"id:(c\d\d)-", case["given"])) == {f"c{number:02}"}


@pytest.mark.parametrize("case", entailments(), ids=lambda one: str(one["title"]))
def test_rules_entail(case: dict[str, str]) -> None:
    """The rules infer what a case expects and not what it forbids."""
    found = saturated(turtle(case["given"]))
    assert plain(turtle(case["entails"])) - found == set()
    assert plain(turtle(case.get("not", ""))) & found == set()


NOT_SEEN = {
    (f"{BASE}id/c05-broad", str(RDF.type), f"{LAT}Technique"),
    (f"{BASE}id/c05-middle", str(RDF.type), f"{LAT}Technique"),
    (f"{BASE}id/c06-broad", str(RDF.type), f"{LAT}IssueArea"),
}
"""Pellet 2.3.1 does not apply a range to what a chain yields; HermiT and rustdl do."""


@pytest.mark.reasoners
@pytest.mark.parametrize("reasoner", [pellet_report, hermit_report])
def test_reasoner_entails_all_cases(reasoner: Any) -> None:
    """The reasoners of authority agree with every case, all given at once, and with the rules."""
    given = turtle("\n".join(one["given"] for one in entailments()))
    expected = plain(turtle("\n".join(one["entails"] for one in entailments())))
    forbidden = plain(turtle("\n".join(one.get("not", "") for one in entailments())))
    report = reasoner(terms() + given)
    assert report.consistent, report.explanation
    unseen = NOT_SEEN if reasoner is pellet_report else set()
    assert expected - report.entailed == unseen & expected
    assert forbidden & report.entailed == set()
    theirs, ours = (
        {one for one in about_our_terms(found) if not one[0].startswith(CONCEPT)}
        for found in (report.entailed, saturated(given))
    )
    assert theirs ^ ours == unseen


# --- rule files ---


def test_rule_files_have_their_cases() -> None:
    """Each file of queries/rules has a case, each case its file, and they infer what the case says."""
    cases = yaml.safe_load((CASES / "rules.yaml").read_text(encoding="utf-8"))
    files = {path.stem for path in (ROOT / "queries" / "rules").glob("*.rq")}
    assert set(cases) == files
    for case in cases.values():
        given = turtle(case["given"])
        found = saturated(given, by=[*compiled(), *load_rules(ROOT)])
        assert plain(turtle(case["entails"])) - found == set()
        assert plain(turtle(case["not"])) & found == set()
        assert plain(turtle(case["entails"])) - saturated(given)


def test_whole_graph_with_rule_files_is_consistent() -> None:
    """What the rule files add to the whole graph contradicts nothing."""
    graph = Graph() + everything()
    for triple in saturated(world(), by=[*compiled(), *load_rules(ROOT)]):
        graph.add((URIRef(triple[0]), URIRef(triple[1]), URIRef(triple[2])))
    report = rustdl_report(graph)
    assert report.consistent, report.explanation


# --- planted violations ---------------------------------------------------------------------------


def header_of(path: Path) -> dict[str, Any]:
    """Read the `#+ key: value` lines of a case."""
    lines = [one[3:] for one in path.read_text(encoding="utf-8").splitlines() if one.startswith("#+ ")]
    read: dict[str, Any] = yaml.safe_load("\n".join(lines))
    return read


@cache
def violated(path: Path) -> Graph:
    """Return the ontology with one planted violation."""
    return terms() + Graph().parse(path, format="turtle")


RUSTDL_MISSES: dict[str, str] = {}
"""Violations that rustdl does not find, with the reason; strict, so that a newer rustdl shows."""


PELLET_MISSES = {"broader-technique-that-is-a-role"}
"""Pellet 2.3.1 does not apply a range to what a chain yields; a Pellet that does fails the test and ends the
exception."""


def test_violation_cases_are_enough() -> None:
    """At least twenty violations, of every kind of axiom that can be violated here."""
    assert len(VIOLATIONS) >= 20
    kinds = {header_of(one)["axiom"] for one in VIOLATIONS}
    assert kinds >= {
        "disjointWith",
        "propertyDisjointWith",
        "FunctionalProperty",
        "domain",
        "range",
        "equivalentClass",
    }


@pytest.mark.parametrize("path", VIOLATIONS, ids=named)
def test_rustdl_finds_the_violation(path: Path) -> None:
    """rustdl finds it, and names the terms that it is about."""
    if path.stem in RUSTDL_MISSES:
        pytest.xfail(RUSTDL_MISSES[path.stem])
    report = rustdl_report(violated(path))
    assert not report.consistent
    said = set(re.findall(r"[#/](\w+)>", report.explanation))
    assert set(header_of(path)["mentions"]) <= said, report.explanation


@cache
def verdicts() -> dict[tuple[str, str], bool]:
    """Ask Pellet and HermiT about every violation, two Java machines at a time; True is consistent."""
    reasoners = {"pellet": pellet_report, "hermit": hermit_report}
    asked = list(itertools.product(reasoners, VIOLATIONS))
    for path in VIOLATIONS:
        violated(path)  # parse here: rdflib's parser is not for two threads

    def ask(one: tuple[str, Path]) -> bool:
        return reasoners[one[0]](violated(one[1]), entailments=False).consistent

    with ThreadPoolExecutor(2) as pool:
        return {
            (name, path.stem): found for (name, path), found in zip(asked, pool.map(ask, asked), strict=True)
        }


@pytest.mark.reasoners
@pytest.mark.parametrize("path", VIOLATIONS, ids=named)
def test_pellet_and_hermit_find_the_violation(path: Path) -> None:
    """Both reasoners of authority find it."""
    assert verdicts()["pellet", path.stem] == (path.stem in PELLET_MISSES)
    assert not verdicts()["hermit", path.stem]


@pytest.mark.reasoners
def test_pellet_explains_a_violation() -> None:
    """Pellet says in axioms why an applicant cannot be its own respondent."""
    path = CASES / "violations" / "applicant-that-is-its-own-respondent.ttl"
    report = pellet_report(violated(path))
    assert "hasApplicant" in report.explanation
    assert "propertyDisjointWith" in report.explanation


@pytest.mark.reasoners
@pytest.mark.parametrize("reasoner", [rustdl_report, pellet_report, hermit_report])
def test_control_is_consistent(reasoner: Any) -> None:
    """A graph of the same things without a fault is consistent under every reasoner."""
    report = reasoner(terms() + Graph().parse(CASES / "control.ttl"))
    assert report.consistent, report.explanation


# --- every constraint axiom has an example that breaks it -----------------------------------------


def superclasses(graph: Graph, start: Node) -> set[Node]:
    """Return a class and all that are told to be above it."""
    return {one for one in graph.transitive_objects(start, RDFS.subClassOf) if one is not None}


def members(graph: Graph, expression: Node) -> list[Node]:
    """Return the classes of a union, or the class itself."""
    parts = graph.value(expression, OWL.unionOf)
    return [expression] if parts is None else list(Collection(graph, parts))


def is_disjoint(graph: Graph, one: Node, other: Node) -> bool:
    """Whether two named classes are told to be disjoint, by themselves or from above."""
    return any(
        (a, OWL.disjointWith, b) in graph or (b, OWL.disjointWith, a) in graph
        for a, b in itertools.product(superclasses(graph, one), superclasses(graph, other))
    )


def outsider(graph: Graph, expression: Node) -> URIRef | None:
    """Find a class that shares nothing with a class or any member of a union."""
    classes = {*graph.subjects(OWL.disjointWith, None), *graph.objects(None, OWL.disjointWith)}
    for one in sorted(URIRef(str(one)) for one in classes):
        if all(is_disjoint(graph, one, member) for member in members(graph, expression)):
            return one
    return None


@cache
def probes() -> tuple[Graph, dict[str, str], list[str]]:
    """
    Make one class per constraint axiom that can have no instance just because of that axiom.

    Returns:
        The ontology with the probe classes, probe IRI → axiom, and the axioms without a probe.
    """
    graph = Graph() + terms()
    made: dict[str, str] = {}
    without: list[str] = []

    def probe(axiom: str, *parts: Node) -> None:
        iri = URIRef(f"https://w3id.org/lateral/probe#n{len(made)}")
        made[str(iri)] = axiom
        graph.add((iri, RDF.type, OWL.Class))
        for part in parts:
            graph.add((iri, RDFS.subClassOf, part))

    def restriction(on: Node, how: URIRef, value: Node) -> Node:
        node = BNode()
        graph.add((node, RDF.type, OWL.Restriction))
        graph.add((node, OWL.onProperty, on))
        graph.add((node, how, value))
        return node

    source = terms()
    for one, other in source.subject_objects(OWL.disjointWith):
        probe(f"disjointWith {one} {other}", one, other)
    for predicate, how in ((RDFS.domain, OWL.someValuesFrom), (RDFS.range, OWL.someValuesFrom)):
        for on, expression in source.subject_objects(predicate):
            axiom = f"{predicate} {on}"
            is_data = (on, RDF.type, OWL.DatatypeProperty) in source
            if predicate == RDFS.range and is_data:
                wrong = Literal("text") if expression != XSD.string else Literal(1)
                probe(axiom, restriction(on, OWL.hasValue, wrong))
            elif (outside := outsider(source, expression)) is None:
                without.append(axiom)
            elif predicate == RDFS.range:
                probe(axiom, restriction(on, how, outside))
            else:
                probe(axiom, outside, restriction(on, how, RDFS.Literal if is_data else OWL.Thing))
    for on in source.subjects(RDF.type, OWL.FunctionalProperty):
        if (on, RDF.type, OWL.DatatypeProperty) in source:
            values = (
                (Literal(1), Literal(2))
                if source.value(on, RDFS.range) != XSD.string
                else (Literal("a"), Literal("b"))
            )
            probe(f"functional {on}", *(restriction(on, OWL.hasValue, one) for one in values))
        elif (pair := disjoint_pair(source, on)) is None:
            without.append(f"functional {on}")
        else:
            probe(f"functional {on}", *(restriction(on, OWL.someValuesFrom, one) for one in pair))
    thing = URIRef("https://w3id.org/lateral/probe#thing")
    graph.add((thing, RDF.type, OWL.NamedIndividual))
    for one, other in source.subject_objects(OWL.propertyDisjointWith):
        probe(
            f"propertyDisjointWith {one} {other}",
            *(restriction(on, OWL.hasValue, thing) for on in (one, other)),
        )
    return graph, made, without


def disjoint_pair(graph: Graph, on: Node) -> tuple[Node, Node] | None:
    """Find two disjoint classes in the range of a property."""
    reach = graph.value(on, RDFS.range)
    within = [] if reach is None else members(graph, reach)
    below = {str(one) for top in within for one in graph.transitive_subjects(RDFS.subClassOf, top)}
    pairs = itertools.combinations([URIRef(one) for one in sorted(below)], 2)
    return next((one for one in pairs if is_disjoint(graph, *one)), None)


def test_every_constraint_axiom_has_a_probe() -> None:
    """Without a probe are only functional properties whose values have no disjoint kinds."""
    _, made, without = probes()
    assert len(made) > 700
    assert [one for one in without if not one.startswith("functional")] == []


def test_rustdl_finds_every_broken_axiom() -> None:
    """rustdl: each probe class is unsatisfiable, and only they are."""
    graph, made, _ = probes()
    missed, surplus = explained(rustdl_report(graph), made)
    # rustdl 0.4.42 sees disjoint properties between individuals (the planted violations), not in the type
    # of a class
    assert [one for one in missed if not one.startswith("propertyDisjointWith")] == []
    assert surplus == []


@pytest.mark.reasoners
@pytest.mark.parametrize("reasoner", [pellet_report, hermit_report])
def test_reasoner_finds_every_broken_axiom(reasoner: Any) -> None:
    """Pellet and HermiT: each probe class is unsatisfiable, and only they are."""
    graph, made, _ = probes()
    assert explained(reasoner(graph, entailments=False), made) == ([], [])


def explained(report: Report, made: dict[str, str]) -> tuple[list[str], list[str]]:
    """Return the axioms whose probe was not found, and what else is unsatisfiable."""
    assert report.consistent, report.explanation
    found = set(report.unsatisfiable)
    return [axiom for iri, axiom in made.items() if iri not in found], sorted(found - set(made))


# --- quality: ROBOT report, OOPS!, FOOPS! ---------------------------------------------------------


def our_terms(graph: Graph | None = None) -> list[URIRef]:
    """Return every term of ours that is declared with a kind."""
    graph = terms() if graph is None else graph
    kinds = (OWL.Class, OWL.ObjectProperty, OWL.DatatypeProperty, OWL.AnnotationProperty)
    found = {one for kind in kinds for one in graph.subjects(RDF.type, kind)}
    return sorted(URIRef(str(one)) for one in found if str(one).startswith(LAT))


def defined_terms() -> list[URIRef]:
    """Return the terms of ours in lateral.ttl, and those that alignments.ttl defines."""
    extra = [one for one in our_terms(Graph().parse(ALIGNMENTS)) if (one, SKOS.definition, None) in aligned()]
    return sorted({*our_terms(), *extra})


def lacking(predicate: URIRef, subjects: list[URIRef], graph: Graph, count: int = 1) -> list[str]:
    """Return the subjects that have another number of values than asked."""
    return [str(one) for one in subjects if len(list(graph.objects(one, predicate))) != count]


def our_concepts() -> list[URIRef]:
    """Return every concept."""
    return sorted(URIRef(str(one)) for one in set(concepts().subjects(RDF.type, SKOS.Concept)))


def test_terms_are_many() -> None:
    """The ontology holds at least a hundred classes and properties, and as many concepts."""
    assert len(our_terms()) > 200
    assert len(our_concepts()) > 100


def test_every_term_has_one_english_label() -> None:
    """ROBOT missing_label, multiple_labels."""
    assert lacking(RDFS.label, defined_terms(), aligned()) == []
    labels = [label for one in defined_terms() for label in aligned().objects(one, RDFS.label)]
    assert [label for label in labels if getattr(label, "language", None) != "en"] == []


def test_no_two_terms_share_a_label_within_a_kind() -> None:
    """ROBOT duplicate_label: a class and a property may share one (`follows` and Following may not)."""
    labels: dict[tuple[bool, str], list[str]] = defaultdict(list)
    for one in defined_terms():
        labels[(one, RDF.type, OWL.Class) in aligned(), str(aligned().value(one, RDFS.label)).lower()].append(
            one
        )
    assert [both for both in labels.values() if len(both) > 1] == []


def test_every_term_has_one_definition_of_its_own() -> None:
    """ROBOT missing_definition (an error here), multiple_definitions, duplicate_definition."""
    assert lacking(SKOS.definition, defined_terms(), aligned()) == []
    texts = Counter(str(aligned().value(one, SKOS.definition)) for one in defined_terms())
    assert [text for text, times in texts.items() if times > 1] == []


def test_every_term_has_an_example_and_its_ontology() -> None:
    """Each term shows an example and says where it is defined."""
    assert [str(one) for one in defined_terms() if (one, SKOS.example, None) not in aligned()] == []
    assert [str(one) for one in defined_terms() if (one, RDFS.isDefinedBy, NAMESPACE) not in aligned()] == []


@pytest.mark.parametrize("path", FILES, ids=named)
def test_texts_are_tidy(path: Path) -> None:
    """ROBOT label_whitespace, annotation_whitespace, label_formatting: no stray spaces, line breaks, tabs."""
    texts = [one for one in Graph().parse(path).objects() if isinstance(one, Literal)]
    assert [one for one in texts if str(one) != " ".join(str(one).split())] == []


def test_definitions_are_sentences_with_a_language() -> None:
    """A definition is in English, opens with a capital or a name, and ends with a full stop."""
    found = [*aligned().subject_objects(SKOS.definition), *concepts().subject_objects(SKOS.definition)]
    assert [str(s) for s, text in found if not str(text).endswith(".")] == []
    assert [str(s) for s, text in found if getattr(text, "language", "") != "en"] == []


def test_ontology_has_its_metadata() -> None:
    """ROBOT missing_ontology_title, _description, _license; OOPS! P41; FOOPS! OM1 to OM5, FIND1."""
    wanted = [
        DCTERMS.title,
        DCTERMS.description,
        DCTERMS.license,
        DCTERMS.creator,
        DCTERMS.created,
        OWL.versionInfo,
    ]
    wanted += [URIRef(VANN + "preferredNamespacePrefix"), URIRef(VANN + "preferredNamespaceUri")]
    assert [str(one) for one in wanted if terms().value(NAMESPACE, one) is None] == []
    assert isinstance(terms().value(NAMESPACE, DCTERMS.license), URIRef)
    assert str(terms().value(NAMESPACE, URIRef(VANN + "preferredNamespaceUri"))) == LAT
    alignment = Graph().parse(ALIGNMENTS)
    header = URIRef(BASE + "ontology/alignments")
    assert alignment.value(header, DCTERMS.title) is not None
    assert alignment.value(header, DCTERMS.license) is not None


@pytest.mark.parametrize("path", [LATERAL, ALIGNMENTS], ids=named)
def test_version_iri_differs_and_holds_the_version(path: Path) -> None:
    """FOOPS! VER1, URI2: the version lives in owl:versionIRI, never in a term."""
    graph = Graph().parse(path)
    (header,) = graph.subjects(RDF.type, OWL.Ontology)
    version = graph.value(header, OWL.versionIRI)
    assert version is not None
    assert version != header
    assert re.search(r"/\d+\.\d+\.\d+$", str(version))
    assert [one for one in our_terms() if re.search(r"\d+\.\d+", one)] == []


def test_deprecated_terms_are_not_used() -> None:
    """ROBOT deprecated_*_reference, misused_replaced_by: no axiom names a withdrawn term."""
    deprecated = ONTOLOGY / "deprecated.ttl"
    graph = aligned() + (Graph().parse(deprecated) if deprecated.exists() else Graph())
    gone = set(graph.subjects(OWL.deprecated, Literal(True)))
    assert [one for one in gone if (None, None, one) in graph] == []
    assert [one for one in gone if (one, DCTERMS.isReplacedBy, None) not in graph] == []
    assert [one for one in graph.subjects(DCTERMS.isReplacedBy, None) if one not in gone] == []


def test_no_term_is_isolated() -> None:
    """OOPS! P04: every class and property stands in some axiom."""
    graph = terms()
    used = set(graph.objects(None, None))
    alone = [
        one
        for one in our_terms()
        if one not in used
        and not any(
            (one, p, None) in graph for p in (RDFS.subClassOf, RDFS.subPropertyOf, RDFS.domain, RDFS.range)
        )
        and not any((one, p, None) in graph for p in (OWL.inverseOf, OWL.equivalentClass, OWL.disjointWith))
        and (one, RDF.type, OWL.AnnotationProperty) not in graph
        and (one, SKOS.editorialNote, None) not in graph
    ]
    assert [str(one) for one in alone if one != URIRef(LAT + "AssertionGraph")] == []


def test_properties_have_domain_and_range_or_say_why_not() -> None:
    """OOPS! P11: an absent domain or range is stated, with its reason, in an editorial note."""
    graph = terms()
    found = []
    for kind in (OWL.ObjectProperty, OWL.DatatypeProperty):
        for one in (p for p in graph.subjects(RDF.type, kind) if str(p).startswith(LAT)):
            note = " ".join(str(text) for text in graph.objects(one, SKOS.editorialNote)).lower()
            found += [
                f"{one} {p}"
                for p in ("domain", "range")
                if (one, RDFS[p], None) not in graph and p not in note
            ]
    assert sorted(found) == []


def test_properties_have_one_domain_and_one_range() -> None:
    """OOPS! P19: several domains or ranges mean their intersection, which nobody means."""
    for predicate in (RDFS.domain, RDFS.range):
        counts = Counter(terms().subjects(predicate, None))
        assert [str(one) for one, times in counts.items() if times > 1] == []


def test_inverses_are_inverse_and_written_once() -> None:
    """OOPS! P05, P13, P25: an inverse is another property and has no second inverse."""
    pairs = {frozenset((s, o)) for s, o in terms().subject_objects(OWL.inverseOf) if isinstance(s, URIRef)}
    counts = Counter(one for pair in pairs for one in pair)
    assert [str(one) for one, times in counts.items() if times > 1] == []
    assert [one for one in pairs if len(one) == 1] == []


def test_names_follow_the_convention() -> None:
    """OOPS! P22: classes in upper camel case, properties in lower, one style, no underscore."""
    for one in our_terms():
        local = one[len(LAT) :]
        shape = r"[A-Z][A-Za-z]+" if (one, RDF.type, OWL.Class) in terms() else r"[a-z][A-Za-z]+"
        assert re.fullmatch(shape, local), one


def test_definitions_do_not_define_by_themselves() -> None:
    """OOPS! P24: no class stands in its own axiom, no definition is just the label."""
    graph = terms()
    for one in our_terms():
        label = str(graph.value(one, RDFS.label)).lower()
        text = str(graph.value(one, SKOS.definition)).lower().rstrip(".")
        assert re.sub(r"^(an?|the) ", "", text) != label
        for definition in graph.objects(one, OWL.equivalentClass):
            assert one not in set(graph.transitive_objects(definition, None)) - {definition}
            assert all(
                one not in Collection(graph, part) for part in graph.objects(definition, OWL.intersectionOf)
            )


def test_no_class_or_property_is_above_itself() -> None:
    """OOPS! P06: no cycle of sub-classes, sub-properties or broader concepts."""
    for graph, predicate in (
        (terms(), RDFS.subClassOf),
        (terms(), RDFS.subPropertyOf),
        (concepts(), SKOS.broader),
    ):
        for one in set(graph.subjects(predicate, None)):
            above = {
                higher
                for first in graph.objects(one, predicate)
                for higher in graph.transitive_objects(first, predicate)
            }
            assert one not in above


def test_siblings_under_the_tops_are_disjoint_or_said_not_to_be() -> None:
    """OOPS! P10: every class is disjoint from some other, by itself or from above."""
    exempt = {URIRef(LAT + "AssertionGraph")}
    for one in our_terms():
        if (one, RDF.type, OWL.Class) in terms() and one not in exempt:
            above = superclasses(terms(), one)
            assert any(
                (a, OWL.disjointWith, None) in terms() or (None, OWL.disjointWith, a) in terms()
                for a in above
            ), one


def test_every_used_term_is_declared() -> None:
    """OOPS! P34, P35, P38: each predicate and class in any file is declared."""
    builtin = (str(OWL), str(RDF), str(RDFS), str(XSD))
    declared = set(aligned().subjects(RDF.type, None))
    for graph in (aligned(), concepts()):
        used = set(graph.predicates()) | set(graph.objects(None, RDF.type))
        used |= {o for p in (RDFS.subClassOf, RDFS.domain, RDFS.range) for o in graph.objects(None, p)}
        missing = sorted(
            str(one)
            for one in used
            if isinstance(one, URIRef) and one not in declared and not str(one).startswith(builtin)
        )
        assert missing == []


def test_terms_of_others_are_not_redefined() -> None:
    """OOPS! P40: nothing said of others' terms, but what inference needs of SKOS."""
    allowed = {
        (SKOS.broader, RDFS.subPropertyOf, SKOS.broaderTransitive),  # as SKOS itself says, section 8.5
        (SKOS.broaderTransitive, RDF.type, OWL.TransitiveProperty),
    }
    kinds = {OWL.Class, OWL.ObjectProperty, OWL.DatatypeProperty, OWL.AnnotationProperty}
    said = [
        triple
        for triple in aligned()
        if isinstance(triple[0], URIRef)
        and not str(triple[0]).startswith(BASE)
        and triple not in allowed
        and not (triple[1] == RDF.type and triple[2] in kinds)
        and not (triple[1] == OWL.disjointWith and str(triple[2]).startswith(LAT))
    ]
    assert said == []


def test_owl_vocabulary_is_not_misused() -> None:
    """ROBOT illegal_use_of_built_in_vocabulary, invalid_entity_uri, multiple_equivalent_class_definitions."""
    graph, known = terms(), {str(one) for one in dir(OWL)}
    for one in {*graph.predicates(), *graph.objects(None, RDF.type)}:
        assert not str(one).startswith(str(OWL)) or str(one) in known, one
    counts = Counter(graph.subjects(OWL.equivalentClass, None))
    assert [one for one, times in counts.items() if times > 1] == []
    for one in our_terms():
        assert re.fullmatch(r"https://[\w./#-]+", one), one


def test_definitions_of_classes_name_their_genus() -> None:
    """ROBOT equivalent_class_axiom_no_genus, equivalent_pair: a named class and a difference."""
    for one, definition in terms().subject_objects(OWL.equivalentClass):
        parts = terms().value(definition, OWL.intersectionOf)
        assert parts is not None, one
        genus = [part for part in Collection(terms(), parts) if isinstance(part, URIRef)]
        assert genus, one
        assert (one, RDFS.subClassOf, genus[0]) in terms(), one


def test_every_term_is_aligned_or_says_why_not() -> None:
    """OOPS! P30, FOOPS! VOC1: each term has an alignment or says why none fits."""
    graph = Graph().parse(ALIGNMENTS)
    relations = [RDFS.subClassOf, RDFS.subPropertyOf, OWL.equivalentClass, OWL.equivalentProperty, *MATCHES]
    relations += (URIRef(LAT + "closeTerm"), URIRef(LAT + "broadTerm"), OWL.inverseOf)
    neither, both = [], []
    for one in our_terms():
        if (one, RDF.type, OWL.AnnotationProperty) in terms():
            continue
        outside = [o for p in relations for o in graph.objects(one, p) if not str(o).startswith(LAT)]
        reason = terms().value(one, URIRef(LAT + "noAlignment"))
        if not outside and not reason:
            neither.append(str(one))
        if outside and reason:
            both.append(str(one))
    assert neither == []
    assert both == []


def test_alignments_speak_of_our_terms_only() -> None:
    """What alignments.ttl aligns is declared in lateral.ttl."""
    known = {*defined_terms(), URIRef(BASE + "ontology/alignments")}
    subjects = {s for s in Graph().parse(ALIGNMENTS).subjects() if str(s).startswith(LAT)}
    assert sorted(str(one) for one in subjects - known) == []


def test_examples_of_terms_do_not_contradict_them() -> None:
    """An example of a property uses that property, unless it is in words."""
    for one in our_terms():
        if (one, RDF.type, OWL.Class) not in terms():
            text = str(terms().value(one, SKOS.example))
            assert f"lat:{one[len(LAT) :]}" in text or "lat:" not in text or "inverse" in text, (one, text)


# --- concepts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", CONCEPT_FILES, ids=named)
def test_concepts_are_complete(path: Path) -> None:
    """Each concept has one preferred label, a definition, its scheme, a class of ours, and a source."""
    graph = Graph().parse(path)
    scheme = URIRef(CONCEPT + path.stem)
    found = set(graph.subjects(RDF.type, SKOS.Concept))
    assert found
    assert (scheme, RDF.type, SKOS.ConceptScheme) in graph
    for one in found:
        assert str(one).startswith(f"{scheme}/"), one
        for predicate in (SKOS.prefLabel, SKOS.definition, SKOS.inScheme):
            assert len(list(graph.objects(one, predicate))) == 1, (one, predicate)
        assert (one, SKOS.inScheme, scheme) in graph
        assert (one, DCTERMS.source, None) in graph, one
        assert graph.value(one, RDFS.label) == graph.value(one, SKOS.prefLabel), one
        kinds = [kind for kind in graph.objects(one, RDF.type) if str(kind).startswith(LAT)]
        assert len(kinds) == 1, one


def test_concepts_do_not_share_a_label_within_a_scheme() -> None:
    """SKOS S13, S14 and more: in one scheme each label, preferred or alternative, means one concept."""
    labels: dict[tuple[Node | None, str], set[Node]] = defaultdict(set)
    for predicate in (SKOS.prefLabel, SKOS.altLabel):
        for one, label in concepts().subject_objects(predicate):
            labels[concepts().value(one, SKOS.inScheme), str(label).lower()].add(one)
    assert [(label, both) for label, both in labels.items() if len(both) > 1] == []


def test_concepts_have_definitions_of_their_own() -> None:
    """No two concepts share a definition."""
    texts = Counter(str(text) for text in concepts().objects(None, SKOS.definition))
    assert [text for text, times in texts.items() if times > 1] == []


def test_concepts_hang_together() -> None:
    """Each concept has a broader one in its own scheme or is a top concept; what it points at exists."""
    graph, known = concepts(), set(our_concepts())
    for one in known:
        higher = set(graph.objects(one, SKOS.broader))
        assert higher or (one, SKOS.topConceptOf, None) in graph, one
        assert higher <= known, one
        assert all(graph.value(h, SKOS.inScheme) == graph.value(one, SKOS.inScheme) for h in higher), one
        assert set(graph.objects(one, SKOS.related)) <= known, one


def test_concepts_that_axioms_name_exist() -> None:
    """A defined class rests on a concept that the schemes hold."""
    for value in terms().objects(None, OWL.hasValue):
        assert value in set(our_concepts()), value


def test_examples_of_the_terms_hold_in_the_graph(published: pyoxigraph.Store) -> None:
    """What a term gives as its example is in the published graph, digests and terms without use aside."""
    prefixes = load_prefixes(ROOT / "ontology" / "prefixes.ttl")
    header = "".join(f"PREFIX {prefix}: <{iri}>\n" for prefix, iri in prefixes.items())
    seen, wrong = 0, []
    for term, example in terms().subject_objects(SKOS.example):
        text = str(example)
        is_said = text.startswith(("(no use yet)", "the inverse of")) or "…" in text
        if is_said or not str(term).startswith(LAT):
            continue
        pattern = text if " " in text else f"{text} a <{term}>"
        seen += 1
        if not published.query(f"{header}ASK {{ {pattern} }}"):
            wrong.append(f"{term}: {text}")
    assert wrong == []
    assert seen > 200
