"""Paths as automata: walked over a graph forwards to what they touch, backwards to where they began."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol

import pyoxigraph as ox
import rdflib
from rdflib import paths

from kg.validation.overlay import Node, Object

States = frozenset[int]
Start = tuple[Node, Iterable[int]]
_MANY = 6  # so many predicates and more: one look at all of a node's triples is cheaper than one for each


class Triple(Protocol):
    """What has a subject, a predicate and an object: a triple or a quad."""

    @property
    def subject(self) -> ox.NamedNode | ox.BlankNode | ox.Triple: ...
    @property
    def predicate(self) -> ox.NamedNode: ...
    @property
    def object(self) -> Object: ...


Look = Callable[[Node | None, ox.NamedNode | None, Object | None], Iterable[Triple]]


class Edge(NamedTuple):
    """One step: along a predicate, or any where it is None; from object to subject where it is inverse."""

    source: int
    predicate: ox.NamedNode | None
    is_inverse: bool
    target: int


class _Moves(NamedTuple):
    along: Mapping[ox.NamedNode, States]
    along_any: States
    against: Mapping[ox.NamedNode, States]
    against_any: States


class Automaton:
    """Steps between numbered states; more may be added until it is first walked."""

    def __init__(self) -> None:
        self.size = 0
        self.edges: list[Edge] = []
        self._leaving: dict[int, list[Edge]] = defaultdict(list)
        self._skips: dict[int, set[int]] = defaultdict(set)
        self._closures: dict[int, States] = {}
        self._moves: dict[States, _Moves] = {}

    def state(self) -> int:
        """Make a new state."""
        self.size += 1
        return self.size - 1

    def skip(self, source: int, target: int) -> None:
        """Let one state be another as well."""
        self._skips[source].add(target)

    def step(
        self, source: int, predicate: ox.NamedNode | None, target: int, *, is_inverse: bool = False
    ) -> None:
        """Add a step along a predicate; along any, where it is None."""
        edge = Edge(source, predicate, is_inverse, target)
        self.edges.append(edge)
        self._leaving[source].append(edge)

    def follow(self, path: paths.Path | rdflib.URIRef, source: int, *, is_inverse: bool = False) -> int:
        """
        Add a property path that begins at a state; return the state in which it ends.

        Source: SPARQL 1.1 Query Language, section 9.1, https://www.w3.org/TR/sparql11-query/#pp-language
        """
        match path:
            case rdflib.URIRef():
                target = self.state()
                self.step(source, ox.NamedNode(str(path)), target, is_inverse=is_inverse)
            case paths.InvPath():
                target = self.follow(path.arg, source, is_inverse=not is_inverse)
            case paths.SequencePath():
                target = source
                for part in reversed(path.args) if is_inverse else path.args:
                    target = self.follow(part, target, is_inverse=is_inverse)
            case paths.AlternativePath():
                target = self.state()
                for part in path.args:
                    self.skip(self.follow(part, source, is_inverse=is_inverse), target)
            case paths.MulPath():
                first, target = self.state(), self.state()
                self.skip(source, first)
                last = self.follow(path.path, first, is_inverse=is_inverse)
                self.skip(last, target)
                if path.more:
                    self.skip(last, first)
                if path.zero:
                    self.skip(first, target)
            case paths.NegatedPath():  # any step may be one of them: more than needed, never less
                target = self.state()
                self.step(source, None, target, is_inverse=is_inverse)
                self.step(source, None, target, is_inverse=not is_inverse)
            case _:
                raise TypeError(f"{path!r} is not a property path")
        return target

    def reverse(self) -> Automaton:
        """Return the automaton that walks every step the other way."""
        other = Automaton()
        other.size = self.size
        for edge in self.edges:
            other.step(edge.target, edge.predicate, edge.source, is_inverse=not edge.is_inverse)
        for source, targets in self._skips.items():
            for target in targets:
                other.skip(target, source)
        return other

    def close(self, states: Iterable[int]) -> States:
        """Return some states and all that they are as well."""
        return frozenset().union(*(self._close(one) for one in states))

    def _close(self, state: int) -> States:
        if state not in self._closures:
            found, left = {state}, [state]
            while left:
                new = self._skips.get(left.pop(), set()) - found
                found |= new
                left += new
            self._closures[state] = frozenset(found)
        return self._closures[state]

    def _moves_from(self, states: States) -> _Moves:
        if states not in self._moves:
            targets: dict[tuple[ox.NamedNode | None, bool], set[int]] = defaultdict(set)
            for state in states:
                for edge in self._leaving.get(state, ()):
                    targets[edge.predicate, edge.is_inverse].add(edge.target)
            closed = {key: self.close(found) for key, found in targets.items()}
            self._moves[states] = _Moves(
                {key: found for (key, is_inverse), found in closed.items() if key and not is_inverse},
                closed.get((None, False), frozenset()),
                {key: found for (key, is_inverse), found in closed.items() if key and is_inverse},
                closed.get((None, True), frozenset()),
            )
        return self._moves[states]

    def walk(
        self, starts: Iterable[Start], look: Look, touched: Callable[[Triple], object] | None = None
    ) -> dict[Node, set[int]]:
        """
        Walk a graph; return the nodes that were reached, each with the states in which it was.

        Args:
            starts: Nodes, each with the states that it starts in.
            look: Yields the triples of a pattern.
            touched: Told of each triple that a step went along.
        """
        reached: dict[Node, set[int]] = defaultdict(set)
        left = [(node, self.close(states)) for node, states in starts]
        while left:
            node, states = left.pop()
            if states <= reached[node]:
                continue
            states = frozenset(reached[node] | states)
            reached[node] |= states
            for triple, there, targets in self._steps(node, self._moves_from(states), look):
                if touched is not None:
                    touched(triple)
                if isinstance(there, (ox.NamedNode, ox.BlankNode, ox.Literal)):
                    left.append((there, targets))
        return reached

    @staticmethod
    def _steps(node: Node, moves: _Moves, look: Look) -> Iterator[tuple[Triple, object, States]]:
        for predicate in _asked(moves.along, moves.along_any):
            for one in look(node, predicate, None):
                targets = moves.along.get(one.predicate, frozenset()) | moves.along_any
                if targets:
                    yield one, one.object, targets
        for predicate in _asked(moves.against, moves.against_any):
            for one in look(None, predicate, node):
                targets = moves.against.get(one.predicate, frozenset()) | moves.against_any
                if targets:
                    yield one, one.subject, targets


def _asked(by_predicate: Collection[ox.NamedNode], is_any: States) -> Collection[ox.NamedNode | None]:
    return [None] if is_any or len(by_predicate) >= _MANY else by_predicate
