"""What a change can affect, validated alone, gives what validating everything gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyoxigraph as ox
import pytest
import rdflib
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kg import names
from kg.dataset import load_dataset
from kg.errors import DataError
from kg.validation.affected import Dependencies, affected, read_path
from kg.validation.checks import run_checks
from kg.validation.culprits import Checks, Texts
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
SAMPLED = ("hasMediator", "membershipIn", "tenureIn", "partOf", "hasApplicant", "heldBy", "citedWork", "endDate")
QUICK = settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
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
    for predicate in (SUBCLASS, TYPE, ox.NamedNode(RDFS + "range"), ox.NamedNode(names.OWL + "intersectionOf")):
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


# --- random changes ------------------------------------------------------------------------------------

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
    old = [one for one in known.store.quads_for_pattern(node, TYPE, None, None)]
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
