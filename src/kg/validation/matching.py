"""Patterns matched in a view of the graph: in a quad that changes, and together, the most selective first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import pyoxigraph as ox

from kg.validation.automata import Look
from kg.validation.overlay import DEFAULT, EACH, MERGE, SHAPES, TYPE, Node, View
from kg.validation.patterns import Equation, Group, Pattern, Route, Table

Binding = dict[str, object]  # a node, or the folded text of one
_LOOKED = 40  # matches counted to tell which of two patterns has fewer


@dataclass
class Texts:
    """
    Which quads have an object of some text, whatever its case; for joins on a text in lower case.

    Args:
        view: What is looked up; made once for a version, since each predicate is read whole at first.
    """

    view: View
    _found: dict[ox.NamedNode, dict[str, list[ox.Quad]]] = field(default_factory=dict)

    def find(self, predicate: ox.NamedNode, text: str) -> list[ox.Quad]:
        """Return the quads of a predicate whose object has a text, once folded."""
        if predicate not in self._found:
            index: dict[str, list[ox.Quad]] = {}
            for quad in self.view.quads(None, predicate, None, EACH):
                index.setdefault(fold_text(quad.object), []).append(quad)
            self._found[predicate] = index
        return self._found[predicate].get(text, [])


def fold_text(node: object) -> str:
    """Return a text in lower case, so that what SPARQL's LCASE makes equal is equal."""
    return str(getattr(node, "value", "")).lower().casefold()


@dataclass
class Matcher:
    """
    Matches patterns in a view.

    Args:
        view: What is matched.
        texts: An index of texts; what it finds that is not in the view is left out.
        touched: Takes each quad that a match looked at.
    """

    view: View
    texts: Texts
    touched: dict[ox.Quad, None] = field(default_factory=dict)

    def match_quad(self, pattern: Pattern, quad: ox.Quad) -> Iterator[Binding]:
        """Yield what a pattern binds where a quad is a match of it, or a step of its path."""
        if not _is_in(quad, pattern.graph):
            return
        if isinstance(pattern.predicate, Route):
            yield from self._routed(pattern, pattern.predicate, quad)
        else:
            binding = _bind(pattern, quad, {})
            if binding is not None:
                yield binding

    def _routed(self, pattern: Pattern, route: Route, quad: ox.Quad) -> Iterator[Binding]:
        look = self._look(pattern.graph)
        for edge in route.forwards.edges:
            if edge.predicate is not None and edge.predicate != quad.predicate:
                continue
            first, last = quad.subject, quad.object
            if edge.is_inverse:
                first, last = last, first  # type: ignore[assignment]
            assert not isinstance(first, ox.Triple) and not isinstance(last, ox.Triple)
            starts = _reached(route.backwards.walk([(first, [edge.source])], look), route.start)
            ends = _reached(route.forwards.walk([(last, [edge.target])], look), route.end)
            if pattern.subject == pattern.value:
                starts = ends = starts & ends
                for one in starts:
                    yield {str(pattern.subject): one}
                continue
            for start in starts if isinstance(pattern.subject, str) else starts & {pattern.subject}:
                for end in ends if isinstance(pattern.value, str) else ends & {pattern.value}:
                    ends_of = ((pattern.subject, start), (pattern.value, end))
                    yield {name: node for name, node in ends_of if isinstance(name, str)}

    def solve(self, group: Group, binding: Binding, *, stop_at: str | None = None) -> Iterator[Binding]:
        """
        Yield the bindings under which all of a group matches.

        Args:
            group: Its nested patterns are left out.
            binding: What is bound already.
            stop_at: A variable of which each value is yielded once at most, where it was bound last.
        """
        parts: list[Pattern | Table] = [*group.patterns, *group.tables]
        return self._solve(parts, group.equations, binding, stop_at)

    def _solve(
        self,
        parts: list[Pattern | Table],
        equations: tuple[Equation, ...],
        binding: Binding,
        stop_at: str | None,
    ) -> Iterator[Binding]:
        known = _equate(equations, binding)
        if known is None:
            return
        if not parts:
            yield known
            return
        part = self._choose(parts, equations, known)
        rest = [one for one in parts if one is not part]
        for more in self._match(part, equations, known):
            is_bound = stop_at is not None and stop_at in known
            for solution in self._solve(rest, equations, more, stop_at):
                yield solution
                if is_bound:
                    return  # one is enough to know that the culprit is one

    def _choose(
        self, parts: list[Pattern | Table], equations: tuple[Equation, ...], binding: Binding
    ) -> Pattern | Table:
        ranks = [_rank(one, equations, binding) for one in parts]
        best = min(ranks)
        tied = [one for one, rank in zip(parts, ranks, strict=True) if rank == best]
        if len(tied) == 1 or best < 3 or not all(isinstance(one, Pattern) for one in tied):
            return tied[0]
        return min(tied, key=lambda one: self._count(one, equations, binding))

    def _count(self, part: Pattern | Table, equations: tuple[Equation, ...], binding: Binding) -> int:
        kept, self.touched = self.touched, {}
        count = 0
        for _ in self._match(part, equations, binding):
            count += 1
            if count == _LOOKED:
                break
        self.touched = kept
        return count

    def _match(
        self, part: Pattern | Table, equations: tuple[Equation, ...], binding: Binding
    ) -> Iterator[Binding]:
        if isinstance(part, Table):
            for row in part.rows:
                if all(binding.get(name, node) == node for name, node in row.items()):
                    yield {**binding, **row}
        elif isinstance(part.predicate, Route):
            yield from self._match_route(part, part.predicate, binding)
        else:
            for quad in self._quads(part, equations, binding):
                more = _bind(part, quad, binding)
                if more is not None:
                    self.touched[quad] = None
                    yield more

    def _quads(self, part: Pattern, equations: tuple[Equation, ...], binding: Binding) -> Iterable[ox.Quad]:
        terms = [_resolve(one, binding) for one in (part.subject, part.predicate, part.value)]
        folded = _folded(part, equations, binding)
        if folded is not None and terms[0] is None and terms[2] is None:
            assert isinstance(part.predicate, ox.NamedNode)
            return self._by_text(part, part.predicate, folded)
        graph = _resolve(part.graph, binding) if isinstance(part.graph, str) else part.graph
        subject, predicate, value = terms
        return self.view.quads(subject, predicate, value, EACH if graph is None else graph)  # type: ignore[arg-type]

    def _by_text(self, part: Pattern, predicate: ox.NamedNode, text: str) -> Iterator[ox.Quad]:
        for quad in self.texts.find(predicate, text):
            if _is_in(quad, part.graph) and self.view.has(quad):
                yield quad
        if self.view is not self.texts.view and self.view.more is not None:
            for quad in self.view.more.quads_for_pattern(None, predicate, None, None):
                if fold_text(quad.object) == text and _is_in(quad, part.graph):
                    yield quad

    def _match_route(self, part: Pattern, route: Route, binding: Binding) -> Iterator[Binding]:
        look, touch = self._look(part.graph), lambda one: self.touched.setdefault(one)
        start, end = _resolve(part.subject, binding), _resolve(part.value, binding)
        if start is None and end is not None:
            for one in _reached(route.backwards.walk([(end, [route.end])], look, touch), route.start):
                yield {**binding, str(part.subject): one}
            return
        for first in self._beginnings(route, look) if start is None else [start]:
            for one in _reached(route.forwards.walk([(first, [route.start])], look, touch), route.end):
                if part.subject == part.value and one != first:
                    continue
                if end is None or one == end:
                    bound = ((part.subject, first), (part.value, one))
                    yield {**binding, **{name: node for name, node in bound if isinstance(name, str)}}

    @staticmethod
    def _beginnings(route: Route, look: Look) -> set[Node]:
        first = route.forwards.close([route.start])
        found: set[Node] = set()
        for edge in route.forwards.edges:
            if edge.source in first:
                for one in look(None, edge.predicate, None):
                    node = one.object if edge.is_inverse else one.subject
                    assert not isinstance(node, ox.Triple)
                    found.add(node)
        return found

    def _look(self, graph: object) -> Callable[..., Iterator[ox.Quad]]:
        return lambda s, p, o: self.view.quads(s, p, o, graph)


def _is_in(quad: ox.Quad, graph: object) -> bool:
    if graph is MERGE:
        return quad.graph_name != SHAPES
    if isinstance(graph, str):
        return quad.graph_name != DEFAULT
    return quad.graph_name == graph


def _bind(pattern: Pattern, quad: ox.Quad, binding: Binding) -> Binding | None:
    """Return a binding with what a quad binds; None where it does not match."""
    more = dict(binding)
    parts = [
        (pattern.subject, quad.subject),
        (pattern.predicate, quad.predicate),
        (pattern.value, quad.object),
    ]
    if pattern.graph is not MERGE:
        parts.append((pattern.graph, quad.graph_name))  # type: ignore[arg-type]
    for term, node in parts:
        if isinstance(term, str):
            if more.setdefault(term, node) != node:
                return None
        elif term != node:
            return None
    return more


def _resolve(term: object, binding: Binding) -> Node | None:
    node = binding.get(term) if isinstance(term, str) else term
    return node if isinstance(node, Node) else None


def _equate(equations: tuple[Equation, ...], binding: Binding) -> Binding | None:
    """Return a binding with what follows from equations; None where they do not hold."""
    known = dict(binding)
    for one in equations:
        name = _name(one)
        if one.argument in known:
            value = fold_text(known[one.argument]) if one.is_folded else known[one.argument]
            if known.setdefault(name, value) != value:
                return None
        elif name in known and not one.is_folded:
            known[one.argument] = known[name]
    return known


def _name(equation: Equation) -> str:
    """Return the name under which the value of an equation is bound: a folded text is not the term itself."""
    return f"lower({equation.name})" if equation.is_folded else equation.name


def _folded(part: Pattern, equations: tuple[Equation, ...], binding: Binding) -> str | None:
    """Return the folded text that the object of a pattern must have."""
    for one in equations if isinstance(part.predicate, ox.NamedNode) else ():
        if one.is_folded and one.argument == part.value:
            text = binding.get(_name(one))
            return text if isinstance(text, str) else None
    return None


def _rank(part: Pattern | Table, equations: tuple[Equation, ...], binding: Binding) -> int:
    """Guess how many matches a part has: the lower, the fewer."""
    if isinstance(part, Table):
        return 1 if part.variables & binding.keys() else 6
    has_subject = _resolve(part.subject, binding) is not None
    has_object = _resolve(part.value, binding) is not None
    if has_subject:
        return 0 if has_object else 2
    if isinstance(part.graph, str) and part.graph in binding:
        return 2  # one claim
    if _folded(part, equations, binding) is not None:
        return 2
    if has_object:
        return 5 if part.predicate == TYPE or isinstance(part.predicate, Route) else 3
    return 8 if isinstance(part.predicate, Route | str) else 7


def _reached(reached: Mapping[Node, set[int]], state: int) -> set[Node]:
    return {node for node, states in reached.items() if state in states}
