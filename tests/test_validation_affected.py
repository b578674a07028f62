"""What a change can affect, validated alone, gives what validating everything gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyoxigraph as ox
import pyshacl
import pytest
import rdflib
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kg import names
from kg.dataset import load_dataset
from kg.errors import DataError
from kg.validation.affected import Dependencies, affected, read_path
from kg.validation.checks import run_checks
from kg.validation.culprits import Checks
from kg.validation.matching import Texts
from kg.validation.overlay import EACH, Overlay
from kg.validation.shacl import Result, project, select_shapes, to_rdflib, validate

ROOT = Path(__file__).resolve().parents[1]
CHECKS = ROOT / "queries" / "checks"
LAT, RDF, RDFS, XSD = names.LAT, names.RDF, names.RDFS, names.XSD
TYPE, SUBCLASS = ox.NamedNode(RDF + "type"), ox.NamedNode(RDFS + "subClassOf")
LABEL, ALIAS = ox.NamedNode(RDFS + "label"), ox.NamedNode(names.SKOS + "altLabel")
CLAIMS, PASSAGES, ENTITIES, ONTOLOGY = (
    ox.NamedNode(one)
    for one in (names.CLAIMS_GRAPH, names.PASSAGES_GRAPH, names.ENTITIES_GRAPH, names.ONTOLOGY_GRAPH)
)
CLASSES = [
    ox.NamedNode(LAT + one)
    for one in ("Mediation", "Tenure", "State", "Organ", "Claim", "Passage", "Assessment", "Section")
]
PROPERTIES = [
    ox.NamedNode(LAT + one)
    for one in ("partOf", "follows", "hasMediator", "hasDisputant", "startDate", "endDate", "evidence")
]
LITERALS = [
    ox.Literal("Geneva", language="en"),
    ox.Literal("1990", datatype=ox.NamedNode(XSD + "gYear")),
    ox.Literal("1890", datatype=ox.NamedNode(XSD + "gYear")),
    ox.Literal("01", datatype=ox.NamedNode(XSD + "integer")),
    ox.Literal("9999", datatype=ox.NamedNode(XSD + "integer")),
]
SAMPLED = (
    "hasMediator",
    "membershipIn",
    "tenureIn",
    "partOf",
    "hasApplicant",
    "heldBy",
    "citedWork",
    "endDate",
)
QUICK = settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
LONG = settings(max_examples=2_000, deadline=None, suppress_health_check=list(HealthCheck))

Row = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Base:
    """A part of the project's graph, and all that is wrong with it as it is."""

    store: ox.Store
    quads: tuple[ox.Quad, ...]
    nodes: tuple[ox.NamedNode, ...]
    dependencies: Dependencies
    checks: Checks
    results: frozenset[Result]
    rows: frozenset[Row]
    texts: Texts


@cache
def base() -> Base:
    """Take some claims of the project's files, with all that they speak of, and the class tree."""
    whole = load_dataset(ROOT).store
    shapes = to_rdflib(whole.quads_for_pattern(None, None, None, ox.NamedNode(names.SHAPES_GRAPH)))
    store = ox.Store()
    for local in SAMPLED:  # the first claim that uses each
        uses = whole.quads_for_pattern(None, ox.NamedNode(LAT + local), None, None)
        graphs = sorted(str(one.graph_name)[1:-1] for one in uses)
        copy_from(whole, store, ox.NamedNode(next(one for one in graphs if one.startswith(names.CLAIM))))
    for predicate in (
        SUBCLASS,
        TYPE,
        ox.NamedNode(RDFS + "range"),
        ox.NamedNode(names.OWL + "intersectionOf"),
    ):
        store.extend(whole.quads_for_pattern(None, predicate, None, ONTOLOGY))
    equivalent = ox.NamedNode(names.OWL + "equivalentClass")
    store.extend(whole.quads_for_pattern(None, equivalent, None, ONTOLOGY))
    quads = tuple(sorted((one for one in store if one.graph_name != ONTOLOGY), key=str))
    typed = to_rdflib([*store, *(ox.Quad(one, TYPE, one) for one in CLASSES)])
    typed += to_rdflib(ox.Quad(CLASSES[0], one.predicate, CLASSES[0]) for one in quads)
    chosen = select_shapes(typed, shapes)
    nodes = tuple(sorted({one.subject for one in quads if isinstance(one.subject, ox.NamedNode)}, key=str))
    return Base(
        store,
        quads,
        nodes,
        Dependencies(chosen),
        Checks(CHECKS),
        frozenset(validate(project(store), chosen)),
        frozenset(rows_of(run_checks(store, CHECKS))),
        Texts(Overlay.of(store, []).before),
    )


def copy_from(whole: ox.Store, store: ox.Store, claim: ox.NamedNode) -> None:
    """Copy a claim, its record and passages, and what is said elsewhere of what it mentions."""
    left = [claim, *(one.subject for one in whole.quads_for_pattern(None, None, None, claim))]
    left += [one.object for one in whole.quads_for_pattern(None, None, None, claim)]  # type: ignore[misc]
    store.extend(whole.quads_for_pattern(None, None, None, claim))
    seen = set()
    while left:
        node = left.pop()
        if node in seen or not isinstance(node, ox.NamedNode) or node.value.startswith(LAT):
            continue
        seen.add(node)
        for quad in whole.quads_for_pattern(node, None, None, None):
            name = str(quad.graph_name)
            if name.startswith(f"<{names.GRAPH}") and name != str(ONTOLOGY):
                store.add(quad)
                is_record = name in (str(CLAIMS), str(PASSAGES))
                if is_record or "sectionOf" in str(quad.predicate):
                    left.append(quad.object)  # type: ignore[arg-type]


def rows_of(found: Iterable[tuple[Path, dict[str, str]]]) -> set[Row]:
    """Return the rows of checks as values that can be compared."""
    return {(path.stem, tuple(sorted(row.items()))) for path, row in found}


# --- random changes -------------------------------------------------------------------------------

Change = tuple[list[ox.Quad], list[ox.Quad]]
Kind = Callable[[st.DrawFn, Base], Change]


def quad_of(draw: st.DrawFn, known: Base) -> ox.Quad:
    """Draw a quad."""
    return known.quads[draw(st.integers(0, len(known.quads) - 1))]


def node_of(draw: st.DrawFn, known: Base) -> ox.NamedNode:
    """Draw a thing that something is said of."""
    return known.nodes[draw(st.integers(0, len(known.nodes) - 1))]


def with_object(quad: ox.Quad, value: ox.NamedNode | ox.Literal) -> ox.Quad:
    """Return a quad with another object."""
    return ox.Quad(quad.subject, quad.predicate, value, quad.graph_name)


def taking_out(draw: st.DrawFn, known: Base) -> Change:
    """Take one quad out."""
    return [], [quad_of(draw, known)]


def forgetting(draw: st.DrawFn, known: Base) -> Change:
    """Take all out that is said of a thing."""
    return [], list(known.store.quads_for_pattern(node_of(draw, known), None, None, None))


def emptying(draw: st.DrawFn, known: Base) -> Change:
    """Take the triples of a claim out, or those of a shared graph about nothing else."""
    graph = quad_of(draw, known).graph_name
    found = list(known.store.quads_for_pattern(None, None, None, graph))
    return [], found if len(found) < 40 else found[:5]


def retyping(draw: st.DrawFn, known: Base) -> Change:
    """Give a thing another class, in place of its own or beside it."""
    node, kind = node_of(draw, known), draw(st.sampled_from(CLASSES))
    old = list(known.store.quads_for_pattern(node, TYPE, None, None))
    new = ox.Quad(node, TYPE, kind, old[0].graph_name if old else ENTITIES)
    return [new], old if draw(st.booleans()) else []


def regrafting(draw: st.DrawFn, known: Base) -> Change:
    """Add a link of the class tree, or take one out."""
    links = sorted(known.store.quads_for_pattern(None, SUBCLASS, None, ONTOLOGY), key=str)
    if draw(st.booleans()):
        return [], [links[draw(st.integers(0, len(links) - 1))]]
    one, other = draw(st.sampled_from(CLASSES)), draw(st.sampled_from(CLASSES))
    return [ox.Quad(one, SUBCLASS, other, ONTOLOGY)], []


def redirecting(draw: st.DrawFn, known: Base) -> Change:
    """Let a quad lead to another thing, or to a value."""
    quad = quad_of(draw, known)
    value = node_of(draw, known) if draw(st.booleans()) else draw(st.sampled_from(LITERALS))
    return [with_object(quad, value)], [quad] if draw(st.booleans()) else []


def swapping(draw: st.DrawFn, known: Base) -> Change:
    """Exchange the objects of two quads, such as the start and the end of a passage."""
    one = quad_of(draw, known)
    beside = sorted(known.store.quads_for_pattern(one.subject, None, None, one.graph_name), key=str)
    other = draw(st.sampled_from(beside))
    new = [with_object(one, other.object), with_object(other, one.object)]  # type: ignore[arg-type]
    return new, [one, other]


def moving(draw: st.DrawFn, known: Base) -> Change:
    """Move a quad, or copy it, to another graph; one without a name too."""
    quad, elsewhere = quad_of(draw, known), quad_of(draw, known).graph_name
    graph = draw(st.sampled_from([elsewhere, ox.DefaultGraph(), CLAIMS, ENTITIES]))
    moved = ox.Quad(quad.subject, quad.predicate, quad.object, graph)
    return [moved], [quad] if draw(st.booleans()) else []


def relating(draw: st.DrawFn, known: Base) -> Change:
    """Relate two things, or one to itself, in a claim."""
    one, other = node_of(draw, known), node_of(draw, known)
    predicate, graph = draw(st.sampled_from(PROPERTIES)), quad_of(draw, known).graph_name
    return [ox.Quad(one, predicate, draw(st.sampled_from([one, other])), graph)], []


def closing(draw: st.DrawFn, known: Base) -> Change:
    """Relate three things in a ring."""
    ring, predicate = [node_of(draw, known) for _ in range(3)], draw(st.sampled_from(PROPERTIES[:2]))
    return [ox.Quad(ring[n - 1], predicate, ring[n], ENTITIES) for n in range(3)], []


def naming(draw: st.DrawFn, known: Base) -> Change:
    """Give a thing the name of another as a label or an alias, perhaps in other letters."""
    labels = [one for one in known.quads if one.predicate in (LABEL, ALIAS)]
    quad, node = draw(st.sampled_from(labels)), node_of(draw, known)
    text = quad.object.value.upper() if draw(st.booleans()) else quad.object.value  # type: ignore[union-attr]
    predicate = draw(st.sampled_from([LABEL, ALIAS]))
    new = [ox.Quad(node, predicate, ox.Literal(text, language="en"), ENTITIES)]
    return [*new, ox.Quad(node, TYPE, draw(st.sampled_from(CLASSES)), ENTITIES)], []


def claiming(draw: st.DrawFn, known: Base) -> Change:
    """Make a new claim of another, with or without its record, its evidence, its triples."""
    claim = ox.NamedNode(names.CLAIM + "draft/1")
    graphs = [one.graph_name for one in known.quads if str(one.graph_name).startswith(f"<{names.CLAIM}")]
    old = graphs[draw(st.integers(0, len(graphs) - 1))]
    assert isinstance(old, ox.NamedNode)
    said = known.store.quads_for_pattern(None, None, None, old)
    record = known.store.quads_for_pattern(old, None, None, CLAIMS)
    fresh = node_of(draw, known) if draw(st.booleans()) else ox.NamedNode(names.ID + "new")
    new = [ox.Quad(fresh, one.predicate, one.object, claim) for one in said]
    new += [ox.Quad(claim, one.predicate, one.object, CLAIMS) for one in record]
    new = [one for one in new if draw(st.integers(0, 5))]
    return new, []


KINDS: list[Kind] = [
    taking_out,
    forgetting,
    emptying,
    retyping,
    regrafting,
    redirecting,
    swapping,
    moving,
    relating,
    closing,
    naming,
    claiming,
]


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """Draw one to three changes at once."""
    known, added, removed = base(), [], []
    for kind in draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=3)):
        more, less = kind(draw, known)
        added += more
        removed += less
    return added, removed


def changed(store: ox.Store, change: Change) -> ox.Store:
    """Return a copy of a store with a change made: what comes stays, even where it also goes."""
    after = ox.Store()
    after.extend(store)
    for one in change[1]:
        after.remove(one)
    after.extend(change[0])
    return after


def hold_shapes(change: Change) -> None:
    """Hold what is found of the affected nodes to what a full run finds."""
    known = base()
    overlay = Overlay.of(known.store, *change)
    found = known.dependencies.results(overlay)
    focus = known.dependencies.extract(overlay).focus
    expected = frozenset(validate(project(changed(known.store, change)), known.dependencies.shapes))
    assert {one for one in known.results if str(one.focus) not in focus} | set(found) == expected
    assert {str(one.focus) for one in found} <= focus


def hold_checks(change: Change) -> None:
    """Hold the rows about the affected culprits to what a full run gives."""
    known = base()
    overlay = Overlay.of(known.store, *change)
    culprits = known.checks.culprits(overlay, known.texts)
    values = {name: {one.value for one in found} for name, found in culprits.items()}
    found = rows_of(known.checks.rows(overlay.after, culprits, known.texts))
    assert found == rows_of(known.checks.changed_rows(overlay, known.texts))
    expected = rows_of(run_checks(changed(known.store, change), CHECKS))
    kept = {one for one in known.rows if dict(one[1])["culprit"] not in values[one[0]]}
    assert kept | found == expected


@QUICK
@given(changes())
def test_shapes_on_affected_nodes_equal_all(change: Change) -> None:
    """Old results of other nodes with new ones of affected nodes are the results of everything."""
    hold_shapes(change)


@QUICK
@given(changes())
def test_checks_on_affected_culprits_equal_all(change: Change) -> None:
    """Old rows of other culprits with new ones of affected culprits are the rows of everything."""
    hold_checks(change)


@pytest.mark.conformance
@LONG
@given(changes())
def test_shapes_on_affected_nodes_equal_all_at_length(change: Change) -> None:
    """The same of two thousand changes, others every time."""
    hold_shapes(change)


@pytest.mark.conformance
@LONG
@given(changes())
def test_checks_on_affected_culprits_equal_all_at_length(change: Change) -> None:
    """The same of two thousand changes, others every time."""
    hold_checks(change)


# --- shapes and checks that we do not have, over small random graphs ------------------------------

HEAD = """
@prefix : <x:> . @prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> . @prefix sh: <http://www.w3.org/ns/shacl#> .
"""
FOREIGN = {
    "inverse": ":s a sh:NodeShape ; sh:targetClass :A ; "
    "sh:property [ sh:path [ sh:inversePath :p ] ; sh:minCount 1 ] .",
    "sequence": ":s a sh:PropertyShape ; sh:targetClass :A ; "
    "sh:path ( :p [ sh:inversePath :q ] :p ) ; sh:class :B .",
    "star": ":s a sh:NodeShape ; sh:targetSubjectsOf :p ; "
    "sh:property [ sh:path [ sh:zeroOrMorePath :p ] ; sh:class :A ; sh:maxCount 3 ] .",
    "plus": ":s a sh:NodeShape ; sh:targetObjectsOf :q ; sh:property "
    "[ sh:path [ sh:oneOrMorePath [ sh:alternativePath ( :p :q ) ] ] ; sh:disjoint :p ; sh:minCount 2 ] .",
    "optional": ":s a sh:NodeShape ; sh:targetNode :a , :b ; sh:property "
    "[ sh:path ( [ sh:zeroOrOnePath :p ] :q ) ; sh:equals :p ] .",
    "node": ":s a sh:NodeShape ; sh:targetClass :A ; sh:property [ sh:path :p ; sh:node :t ] . "
    ":t a sh:NodeShape ; sh:property [ sh:path :q ; sh:minCount 1 ; sh:node :u ] . "
    ":u a sh:NodeShape ; sh:not [ sh:class :B ] .",
    "qualified": ":s a sh:NodeShape ; sh:targetClass :A ; sh:property :one , :two . "
    ":one sh:path :p ; sh:qualifiedValueShape [ sh:class :A ] ; sh:qualifiedMinCount 1 . "
    ":two sh:path :p ; sh:qualifiedValueShape [ sh:class :B ] ; sh:qualifiedMaxCount 1 .",
    "logic": ":s a sh:NodeShape ; sh:targetClass :A ; "
    "sh:xone ( [ sh:property [ sh:path :p ; sh:minCount 1 ] ] "
    "[ sh:and ( [ sh:class :B ] [ sh:property [ sh:path :q ; sh:hasValue :a ] ] ) ] ) .",
    "closed": ":s a sh:NodeShape ; sh:targetClass :A ; sh:closed true ; sh:ignoredProperties ( rdf:type ) ; "
    "sh:property [ sh:path :p ; sh:uniqueLang true ] .",
    "implicit": ":A a rdfs:Class , sh:NodeShape ; sh:property [ sh:path :q ; sh:maxCount 1 ] .",
    "deactivated": ":s a sh:NodeShape ; sh:targetClass :A ; sh:deactivated true ; "
    "sh:property [ sh:path :p ; sh:maxCount 0 ] .",
}
QUESTIONS = {
    "minus": "?a :p ?b MINUS { ?b :q ?c . ?a :r ?c }",
    "optional": "?a :p ?b OPTIONAL { ?b :q ?c OPTIONAL { ?c :r ?d } } ?x :r ?c . FILTER (!BOUND(?d))",
    "nested": "?a :p ?b FILTER NOT EXISTS { ?b :q ?c FILTER NOT EXISTS { GRAPH ?g { ?c :r ?a } } }",
    "scoped": "?a :p ?b { ?c :q ?d FILTER NOT EXISTS { ?c :r ?b } } UNION { ?b :r ?c }",
    "path": "?a (:p/^:q)+ ?b . FILTER NOT EXISTS { ?b :r*/:p ?a }",
    "ring": "?a :p/(:q|:r)* ?a",
    "negated": "?a !(:p|^:q) ?b . GRAPH ?g { ?b :r ?c }",
    "subselect": "?a :p ?b { SELECT DISTINCT ?b WHERE { "
    "?b :q ?a OPTIONAL { ?a :r ?c } FILTER (!BOUND(?c)) } }",
    "bound": "?a :p ?b BIND (?b AS ?c) FILTER EXISTS { ?c :q ?d } VALUES ?d { :a :b }",
    "lower": "?a :label ?l BIND (LCASE(STR(?l)) AS ?n) { SELECT ?other ?n WHERE { ?other :label ?m "
    "BIND (LCASE(STR(?m)) AS ?n) } } FILTER (?a != ?other)",
    "named": "GRAPH :g { ?a :p ?b } FILTER NOT EXISTS { GRAPH ?g { ?b :p ?a } ?g :q ?c }",
    "counted": "{ SELECT ?a (COUNT(?b) AS ?n) WHERE { ?a :p ?b } GROUP BY ?a } FILTER (?n > 1)",
}
SMALL = [ox.NamedNode(f"x:{one}") for one in "abcdg"]
KINDS_OF_TWO = [ox.NamedNode("x:A"), ox.NamedNode("x:B")]
WORDS = [ox.Literal(one) for one in ("Ä", "ä", "b")]
GRAPHS = [ox.NamedNode("x:g"), ox.NamedNode("x:a"), ENTITIES]


@st.composite
def small_quads(draw: st.DrawFn) -> ox.Quad:
    """Draw a quad of a small world: five things, three links, two classes, some words."""
    subject, graph = draw(st.sampled_from(SMALL)), draw(st.sampled_from(GRAPHS))
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return ox.Quad(
            draw(st.sampled_from(KINDS_OF_TWO)), SUBCLASS, draw(st.sampled_from(KINDS_OF_TWO)), ONTOLOGY
        )
    if kind <= 2:
        return ox.Quad(subject, TYPE, draw(st.sampled_from(KINDS_OF_TWO)), graph)
    if kind == 3:
        return ox.Quad(subject, ox.NamedNode("x:label"), draw(st.sampled_from(WORDS)), graph)
    predicate = ox.NamedNode("x:" + draw(st.sampled_from("pqr")))
    return ox.Quad(subject, predicate, draw(st.sampled_from(SMALL)), graph)


WORLDS = st.tuples(*[st.lists(small_quads(), max_size=size) for size in (14, 3, 3)])
World = tuple[list[ox.Quad], list[ox.Quad], list[ox.Quad]]


def store_of(quads: Iterable[ox.Quad]) -> ox.Store:
    """Return a store of some quads."""
    store = ox.Store()
    store.extend(quads)
    return store


@pytest.mark.parametrize("name", sorted(FOREIGN))
def test_other_shapes_on_affected_nodes_equal_all(name: str) -> None:
    """Shapes of every kind are followed: along any path, through any nesting, to any target."""
    shapes = rdflib.Graph().parse(data=HEAD + FOREIGN[name], format="turtle")
    dependencies = Dependencies(shapes)

    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(WORLDS)
    def hold(world: World) -> None:
        before, after = store_of(world[0]), changed(store_of(world[0]), (world[1], world[2]))
        overlay = Overlay.of(before, world[1], world[2])
        found, focus = dependencies.results(overlay), dependencies.extract(overlay).focus
        old = {one for one in by_pyshacl(before, shapes) if one[0] not in focus}
        assert old | {summary(one) for one in found} == by_pyshacl(after, shapes)

    hold()


def by_pyshacl(store: ox.Store, shapes: rdflib.Graph) -> set[tuple[str, ...]]:
    """Return what pyshacl itself finds, with the shapes as they stand."""
    was = rdflib.NORMALIZE_LITERALS
    _, report, _ = pyshacl.validate(project(store), shacl_graph=shapes, inference="none")
    rdflib.NORMALIZE_LITERALS = was
    found: set[tuple[str, ...]] = set()
    for node in report.objects(None, rdflib.SH.result):
        terms = ("focusNode", "resultPath", "value", "sourceConstraintComponent")
        focus, path, value, component = (report.value(node, rdflib.SH[one]) for one in terms)
        path = path if isinstance(path, rdflib.URIRef) else ""
        found.add((str(focus), str(path), str(value), str(component)))
    return found


def summary(one: Result) -> tuple[str, ...]:
    """Return what of a result does not depend on the names of blank nodes."""
    path = str(one.path) if isinstance(one.path, rdflib.URIRef) else ""
    return (str(one.focus), path, str(one.value), str(one.component))


@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_other_checks_on_affected_culprits_equal_all(name: str, tmp_path: Path) -> None:
    """Checks of every kind are followed, or run whole where they count."""
    text = f'PREFIX : <x:>\nSELECT ?a ?message WHERE {{ {QUESTIONS[name]} BIND ("wrong" AS ?message) }}'
    (tmp_path / "one.rq").write_text(text, encoding="utf-8")
    checks = Checks(tmp_path)
    assert [one.path.stem for one in checks.whole] == (["one"] if name == "counted" else [])

    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(WORLDS)
    def hold(world: World) -> None:
        before, after = store_of(world[0]), changed(store_of(world[0]), (world[1], world[2]))
        overlay = Overlay.of(before, world[1], world[2])
        culprits = checks.culprits(overlay)
        values = {one.value for one in culprits.get("one", ())}
        old = rows_of(run_checks(before, tmp_path)) if not checks.whole else set()
        kept = {one for one in old if dict(one[1])["culprit"] not in values}
        found = rows_of(checks.rows(overlay.after, culprits))
        assert kept | found == rows_of(run_checks(after, tmp_path))

    hold()


# --- what is looked at, and what is refused -------------------------------------------------------


def test_every_shape_and_check_of_the_project_is_analysed() -> None:
    """Nothing is run over the whole graph, and no shape is refused."""
    shapes = rdflib.Graph()
    files = sorted((ROOT / "shapes").glob("*.ttl"))
    assert len(files) > 90
    for path in files:
        shapes.parse(path)
    Dependencies(shapes)
    checks = Checks(CHECKS)
    assert len(checks.checks) == len(list(CHECKS.glob("*.rq"))) > 15
    assert [(one.path.stem, one.refusal) for one in checks.whole] == []


@pytest.mark.parametrize(
    "constraint",
    [
        'sh:sparql [ sh:select "SELECT $this WHERE {}" ]',
        "sh:js [ ]",
        "sh:target [ ]",
        "sh:rule [ ]",
        "sh:property [ sh:path :p ; sh:qualifiedValueShapesDisjoint true ]",  # it speaks of other shapes
    ],
)
def test_shape_that_cannot_be_analysed_is_refused(constraint: str) -> None:
    """A shape whose verdict may depend on anything is refused by name."""
    text = f"{HEAD} :s a sh:NodeShape ; sh:targetClass :A ; {constraint} ."
    with pytest.raises(DataError, match=r"this shape cannot be analysed: .*: it uses sh:"):
        Dependencies(rdflib.Graph().parse(data=text, format="turtle"))


def test_component_of_its_own_is_refused() -> None:
    """A constraint component that the shapes define is refused: any property may be its parameter."""
    shapes = rdflib.Graph().parse(data=HEAD + ":c a sh:ConstraintComponent .", format="turtle")
    with pytest.raises(DataError, match="constraint component of its own"):
        Dependencies(shapes)


def test_change_of_the_shapes_is_refused() -> None:
    """When the shapes change, everything is affected."""
    quad = ox.Quad(CLASSES[0], TYPE, CLASSES[0], ox.NamedNode(names.SHAPES_GRAPH))
    with pytest.raises(DataError, match="the shapes change"):
        Overlay.of(ox.Store(), [quad])


def test_unknown_path_is_refused() -> None:
    """A blank node that is no path is refused."""
    with pytest.raises(DataError, match="its path is none that SHACL knows"):
        read_path(rdflib.Graph(), rdflib.BNode())


def test_extract_holds_little_of_the_graph() -> None:
    """A passage more is a matter of that passage, its selector and who names it; not of the rest."""
    known = base()
    passage = ox.NamedNode(names.PASSAGE + "draft/1")
    kind = ox.NamedNode(LAT + "Passage")
    found = affected(known.store, known.dependencies, [ox.Quad(passage, TYPE, kind, PASSAGES)])
    assert found.focus == {passage.value}
    assert 0 < len(found.data) < 5


def test_quads_that_are_there_already_affect_nothing() -> None:
    """What is said again changes nothing, and what was never said cannot be taken out."""
    known = base()
    there, strange = known.quads[0], ox.Quad(CLASSES[0], TYPE, CLASSES[0], ENTITIES)
    assert affected(known.store, known.dependencies, [there], [strange]).focus == frozenset()


def test_store_is_left_as_it_was() -> None:
    """The published store is only read."""
    known = base()
    count = len(known.store)
    overlay = Overlay.of(known.store, [ox.Quad(CLASSES[0], TYPE, CLASSES[0], ENTITIES)], known.quads[:9])
    known.dependencies.results(overlay)
    list(known.checks.changed_rows(overlay))
    assert len(known.store) == count


def test_inferences_and_the_merge_are_not_looked_at() -> None:
    """What publishing adds (inferences, descriptions, the merge) changes no verdict."""
    known = base()
    published = store_of([*known.store, *(ox.Quad(*one.triple) for one in known.store)])
    for graph in (names.INFERRED_GRAPH, names.VOID_GRAPH, names.EXAMPLES_GRAPH):
        published.extend(
            ox.Quad(node, TYPE, CLASSES[n], ox.NamedNode(graph)) for n, node in enumerate(known.nodes[:8])
        )
    overlay, other = (Overlay.of(one, (), known.quads[::7]) for one in (published, known.store))
    assert known.dependencies.results(overlay) == known.dependencies.results(other) != []
    assert rows_of(known.checks.changed_rows(overlay)) == rows_of(known.checks.changed_rows(other)) != set()
    assert {one.graph_name for one in overlay.before.quads(None, None, None, EACH)} == {
        one.graph_name for one in known.store
    }
