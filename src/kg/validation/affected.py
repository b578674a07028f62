"""
Shapes over a change: which nodes it can affect, and what their verdicts rest on; the rest is not looked at.

The shapes become one automaton. It starts at a focus node and takes every step that a verdict depends on: to
the node's class and up the class tree, along the paths of its properties, to the classes of the values.
Walked backwards from the triples that change, it arrives at the focus nodes whose verdicts may change;
walked forwards from those, it touches all that these verdicts rest on. pyshacl then sees that extract alone,
with the shapes aimed at just these nodes. What the automaton cannot follow is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyoxigraph as ox
import rdflib
from rdflib import RDF, SH, paths
from rdflib.term import Node as RdflibNode

from kg.errors import DataError, Problem
from kg.validation.aiming import LISTING, NESTING, TARGETS, Aim
from kg.validation.automata import Automaton
from kg.validation.overlay import SUBCLASS, TYPE, Node, Overlay
from kg.validation.shacl import Result, to_rdflib, validate

_ASIDE = {
    *TARGETS,
    SH.name,
    SH.description,
    SH.message,
    SH.severity,
    SH.order,
    SH.group,
    SH.defaultValue,
    SH.deactivated,
    SH.path,
    SH.flags,
    SH.ignoredProperties,
    SH.qualifiedMinCount,
    SH.qualifiedMaxCount,
}
_OF_VALUES = {  # they look at the values of the path, and no further
    SH.nodeKind,
    SH.datatype,
    SH.minCount,
    SH.maxCount,
    SH.minInclusive,
    SH.maxInclusive,
    SH.minExclusive,
    SH.maxExclusive,
    SH.minLength,
    SH.maxLength,
    SH.pattern,
    SH.languageIn,
    SH.uniqueLang,
    SH.hasValue,
    SH["in"],
}
_COMPARING = (SH.equals, SH.disjoint, SH.lessThan, SH.lessThanOrEquals)
_REPEATED = {
    SH.zeroOrMorePath: paths.ZeroOrMore,
    SH.oneOrMorePath: paths.OneOrMore,
    SH.zeroOrOnePath: paths.ZeroOrOne,
}


@dataclass(frozen=True)
class Extract:
    """
    What must be looked at when something changes.

    Args:
        data: All that the verdicts on the focus nodes rest on.
        focus: The nodes whose verdicts the change can affect, and perhaps others.
    """

    data: rdflib.Graph
    focus: frozenset[str]


def affected(
    published: ox.Store,
    shapes: rdflib.Graph | Dependencies,
    added: Iterable[ox.Quad],
    removed: Iterable[ox.Quad] = (),
) -> Extract:
    """
    Return the nodes that a change can affect, and what their verdicts rest on after it.

    Args:
        published: What is published, in named graphs; its default graph, if any, is their merge.
        shapes: The shapes; analysed once where there is more than one change.
        added: The quads that come.
        removed: The quads that go.

    Raises:
        DataError: A shape cannot be analysed, or the change is one of the shapes.
    """
    known = shapes if isinstance(shapes, Dependencies) else Dependencies(shapes)
    return known.extract(Overlay.of(published, added, removed))


class Dependencies:
    """
    What the verdicts of some shapes depend on.

    Args:
        shapes: The shapes; they stay as they are.

    Raises:
        DataError: A shape cannot be analysed.
    """

    def __init__(self, shapes: rdflib.Graph) -> None:
        self.shapes = shapes
        self._automaton = Automaton()
        self._start, self._end, self._class = (self._automaton.state() for _ in range(3))
        self._automaton.step(self._start, TYPE, self._class)
        self._automaton.step(self._class, SUBCLASS, self._class)
        self._entries: dict[RdflibNode, int] = {}
        self._aim = Aim(shapes)
        if any(shapes.subjects(RDF.type, SH.ConstraintComponent)):
            component = next(shapes.subjects(RDF.type, SH.ConstraintComponent))
            raise _refused(shapes, component, "it is a constraint component of its own")
        for shape, kind, value in self._aim.targeting:
            self._automaton.skip(self._start, self._enter(shape))
            if kind in (SH.targetSubjectsOf, SH.targetObjectsOf):
                is_inverse = kind == SH.targetObjectsOf
                self._automaton.step(self._start, ox.NamedNode(str(value)), self._end, is_inverse=is_inverse)
        self._backwards = self._automaton.reverse()

    def _enter(self, shape: RdflibNode) -> int:
        """Return the state in which a node is held to a shape."""
        if shape not in self._entries:
            entry = self._entries[shape] = self._automaton.state()
            path = self.shapes.value(shape, SH.path)
            values = entry
            if path is not None:
                values = self._automaton.follow(read_path(self.shapes, path), entry)
            for _, term, value in self.shapes.triples((shape, None, None)):
                self._constrain(shape, term, value, entry=entry, values=values)
        return self._entries[shape]

    def _constrain(
        self, shape: RdflibNode, term: RdflibNode, value: RdflibNode, *, entry: int, values: int
    ) -> None:
        if term in _ASIDE or term in _OF_VALUES or not str(term).startswith(str(SH)):
            return  # it asks nothing of other things
        elif term == SH["class"]:
            self._automaton.skip(values, self._class_of())
        elif term in _COMPARING:
            self._automaton.step(entry, ox.NamedNode(str(value)), self._end)
        elif term == SH.closed:
            self._automaton.step(entry, None, self._end)
        elif term in (*NESTING, SH.property):
            self._automaton.skip(values, self._enter(value))
        elif term in LISTING:
            for one in self.shapes.items(value):
                self._automaton.skip(values, self._enter(one))
        else:
            raise _refused(self.shapes, shape, f"it uses {term.n3(self.shapes.namespace_manager)}")

    def _class_of(self) -> int:
        """Return the state in which a node is asked for its class."""
        if RDF.type not in self._entries:
            state = self._entries[RDF.type] = self._automaton.state()
            self._automaton.step(state, TYPE, self._class)
        return self._entries[RDF.type]

    # --- a change ---------------------------------------------------------------------------------

    def extract(self, overlay: Overlay) -> Extract:
        """Return the nodes that a change can affect, and what their verdicts rest on after it."""
        focus = self.focus(overlay)
        touched: dict[object, None] = {}
        self._automaton.walk(
            ((node, [self._start]) for node in focus),
            overlay.after.projected,
            lambda one: touched.setdefault(one),
        )
        quads = [ox.Quad(one.subject, one.predicate, one.object) for one in touched]  # type: ignore[attr-defined]
        return Extract(to_rdflib(quads), frozenset(one.value for one in focus))

    def focus(self, overlay: Overlay) -> set[Node]:
        """Return the nodes whose verdicts a change can affect."""
        starts: dict[tuple[Node, int], None] = {}
        for triple in overlay.triples():
            for edge in self._automaton.edges:
                if edge.predicate is None or edge.predicate == triple.predicate:
                    node = triple.object if edge.is_inverse else triple.subject
                    assert not isinstance(node, ox.Triple)
                    starts[node, edge.source] = None
        reached = self._backwards.walk(((node, [state]) for node, state in starts), overlay.either.projected)
        return {node for node, states in reached.items() if self._start in states}

    def results(self, overlay: Overlay) -> list[Result]:
        """Return what the shapes find of the nodes that a change can affect, after it."""
        extract = self.extract(overlay)
        return validate(extract.data, self._aim.at(extract.data, extract.focus), focus=extract.focus)


def read_path(graph: rdflib.Graph, node: RdflibNode) -> paths.Path | rdflib.URIRef:
    """
    Return a path as a shape writes it, as a path of rdflib.

    Source: SHACL, section 2.3.1, https://www.w3.org/TR/shacl/#property-paths
    """
    if isinstance(node, rdflib.URIRef):
        return node
    inverse, choice = graph.value(node, SH.inversePath), graph.value(node, SH.alternativePath)
    if inverse is not None:
        return paths.InvPath(read_path(graph, inverse))
    if choice is not None:
        return paths.AlternativePath(*(read_path(graph, one) for one in graph.items(choice)))
    for term, sign in _REPEATED.items():
        repeated = graph.value(node, term)
        if repeated is not None:
            return paths.MulPath(read_path(graph, repeated), sign)  # type: ignore[arg-type]
    parts = [read_path(graph, one) for one in graph.items(node)]
    if not parts:
        raise _refused(graph, node, "its path is none that SHACL knows")
    return paths.SequencePath(*parts)


def _refused(shapes: rdflib.Graph, shape: RdflibNode, why: str) -> DataError:
    name = shape.n3(shapes.namespace_manager)
    return DataError([Problem(f"this shape cannot be analysed: {name}: {why}.", fix="see affected.py")])
