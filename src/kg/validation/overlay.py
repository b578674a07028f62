"""
A change laid over what is published: the graph before it, after it, and both at once; nothing is copied.

The published store is only read. (Adding the change to it and taking it out again was rejected: it is
shared, it holds what is inferred, and a process that dies in between would leave the change there.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyoxigraph as ox

from kg import names
from kg.errors import DataError, Problem

Node = ox.NamedNode | ox.BlankNode | ox.Literal
Object = ox.NamedNode | ox.BlankNode | ox.Literal | ox.Triple

TYPE = ox.NamedNode(names.RDF + "type")
SUBCLASS = ox.NamedNode(names.RDFS + "subClassOf")
ASSERTION_GRAPH = ox.NamedNode(names.LAT + "AssertionGraph")
SHAPES = ox.NamedNode(names.SHAPES_GRAPH)
DEFAULT = ox.DefaultGraph()
MERGE, EACH = object(), object()  # in place of a graph: the merge of all; every named graph
_STRAY = names.GRAPH + "default"
_ONTOLOGY = ox.NamedNode(names.ONTOLOGY_GRAPH)
# Made when a version is published, after it was checked: neither shapes nor checks ever see them.
_MADE = {names.INFERRED_GRAPH, names.VOID_GRAPH, names.EXAMPLES_GRAPH}
_NOT_DATA = _MADE | {names.ONTOLOGY_GRAPH, names.SHAPES_GRAPH, names.CATALOG_GRAPH}


class View:
    """
    What is checked of one state of the graph: named graphs, and their merge.

    Args:
        base: What is published; its default graph, if any, is the merge and never read.
        more: What lies over it and is not in it.
        without: What is taken out of it.
    """

    def __init__(self, base: ox.Store, more: ox.Store | None, without: frozenset[ox.Quad]) -> None:
        self.base, self.more, self.without = base, more, without

    def quads(
        self, s: Node | None, p: ox.NamedNode | None, o: Object | None, graph: object = MERGE
    ) -> Iterator[ox.Quad]:
        """
        Yield the quads of a pattern; from the merge each comes with the graph that it stands in.

        Args:
            s: The subject, or None for any; a literal has none.
            p: The predicate, or None.
            o: The object, or None.
            graph: `MERGE` (all but the shapes), `EACH` (every named graph), or one named graph.
        """
        if isinstance(s, ox.Literal) or isinstance(p, (ox.Literal, ox.BlankNode)):
            return
        named = graph if isinstance(graph, ox.NamedNode) else None
        if isinstance(graph, ox.NamedNode) and graph.value in _MADE:
            return
        for quad in self.base.quads_for_pattern(s, p, o, named):
            name = quad.graph_name
            if not isinstance(name, ox.NamedNode) or name.value in _MADE or quad in self.without:
                continue
            if graph is not MERGE or name != SHAPES:
                yield quad
        if self.more is not None:
            for quad in self.more.quads_for_pattern(s, p, o, named):
                if quad.graph_name != (SHAPES if graph is MERGE else DEFAULT):
                    yield quad

    def has(self, quad: ox.Quad) -> bool:
        """Tell whether a quad is there."""
        if self.more is not None and quad in self.more:
            return True
        return quad.graph_name != DEFAULT and quad in self.base and quad not in self.without

    def projected(
        self, s: Node | None, p: ox.NamedNode | None, o: Object | None
    ) -> Iterator[ox.Quad | ox.Triple]:
        """Yield the triples of a pattern that are held to the shapes, as `shacl.project` merges them."""
        for quad in self.quads(s, p, o):
            if is_data(quad):
                yield quad
        if (p is None or p == TYPE) and (o is None or o == ASSERTION_GRAPH):
            for name in self._graphs() if s is None else [s]:
                if isinstance(name, ox.NamedNode) and self.asserts(name):
                    yield ox.Triple(name, TYPE, ASSERTION_GRAPH)

    def asserts(self, name: ox.NamedNode) -> bool:
        """Tell whether an IRI names a graph with triples that is not one of the project's own."""
        if name.value == _STRAY:
            return self.more is not None and any(self.more.quads_for_pattern(None, None, None, DEFAULT))
        return not name.value.startswith(names.GRAPH) and any(self.quads(None, None, None, name))

    def _graphs(self) -> Iterator[ox.NamedNode]:
        found = {*self.base.named_graphs(), *(self.more.named_graphs() if self.more else ())}
        yield from (one for one in [*found, ox.NamedNode(_STRAY)] if isinstance(one, ox.NamedNode))


def is_data(quad: ox.Quad) -> bool:
    """Tell whether a quad is held to the shapes: it is data, or a link of the class tree."""
    name = quad.graph_name
    if not isinstance(name, ox.NamedNode) or name.value not in _NOT_DATA:
        return True
    return name == _ONTOLOGY and quad.predicate == SUBCLASS


@dataclass(frozen=True)
class Overlay:
    """
    A change over what is published.

    Args:
        before: The graph without the change.
        after: The graph with it.
        either: What is in one of them.
        changed: The quads that are in one of them only.
    """

    before: View
    after: View
    either: View
    changed: tuple[ox.Quad, ...]

    @classmethod
    def of(cls, published: ox.Store, added: Iterable[ox.Quad], removed: Iterable[ox.Quad] = ()) -> Overlay:
        """
        Lay quads over a store; what is added and removed stays.

        Raises:
            DataError: The change is one of the shapes: what it can affect is everything.
        """
        before = View(published, None, frozenset())
        coming, going, more = ox.Store(), ox.Store(), ox.Store()  # stores write literals all one way
        coming.extend(added)
        going.extend(removed)
        more.extend(one for one in coming if not before.has(one))
        without = frozenset(one for one in going if before.has(one) and one not in coming)
        changed = tuple(one for one in (*more, *without) if not _is_made(one))
        if any(one.graph_name == SHAPES for one in changed):
            raise DataError([Problem("the shapes change: expected data.", fix="kg check")])
        return cls(before, View(published, more, without), View(published, more, frozenset()), changed)

    def triples(self) -> Iterator[ox.Triple]:
        """Yield the triples that are held to the shapes before or after, but not both."""
        seen: set[object] = set()
        for quad in self.changed:
            triple = quad.triple
            if is_data(quad) and triple not in seen:
                seen.add(triple)
                if not (self._holds(self.before, triple) and self._holds(self.after, triple)):
                    yield triple
            name = quad.graph_name if isinstance(quad.graph_name, ox.NamedNode) else ox.NamedNode(_STRAY)
            if name not in seen:
                seen.add(name)
                if self.before.asserts(name) != self.after.asserts(name):
                    yield ox.Triple(name, TYPE, ASSERTION_GRAPH)

    @staticmethod
    def _holds(view: View, triple: ox.Triple) -> bool:
        subject, predicate, value = triple.subject, triple.predicate, triple.object
        assert isinstance(subject, (ox.NamedNode, ox.BlankNode))
        return any(is_data(one) for one in view.quads(subject, predicate, value))


def _is_made(quad: ox.Quad) -> bool:
    return isinstance(quad.graph_name, ox.NamedNode) and quad.graph_name.value in _MADE
