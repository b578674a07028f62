"""
Checks over a change: which culprits it can affect, and what their rows rest on; the rest is not looked at.

From each pattern of a check that a changed quad matches, however deep inside it, the patterns around it lead
to the culprits whose rows may change. From these the patterns lead on to every quad that their rows
rest on. The check then runs as it stands over these quads alone; rows about other culprits are dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pyoxigraph as ox

from kg.validation.automata import Look, Start
from kg.validation.checks import run_checks
from kg.validation.overlay import DEFAULT, EACH, MERGE, SHAPES, TYPE, Node, Overlay, View
from kg.validation.patterns import Equation, Group, Nested, Pattern, Reader, Route, Table, UnanalysableError

Binding = dict[str, object]  # a node, or the folded text of one
_LOOKED = 40  # matches counted to tell which of two patterns has fewer


@dataclass(frozen=True)
class Check:
    """
    A check query.

    Args:
        path: Its file.
        culprit: Its first column.
        branches: Its alternatives; none where it cannot be analysed.
        refusal: Why it cannot be analysed; it is run whole then.
    """

    path: Path
    culprit: str
    branches: tuple[Group, ...]
    refusal: str | None = None

    @classmethod
    def read(cls, path: Path) -> Check:
        """Read and analyse a check."""
        try:
            culprit, branches = Reader().read(path.read_text(encoding="utf-8"))
        except UnanalysableError as error:
            return cls(path, "", (), str(error))
        return cls(path, culprit, tuple(branches))


class Checks:
    """
    The checks of a folder, analysed.

    Args:
        folder: Where they are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checks = [Check.read(path) for path in sorted(folder.glob("*.rq"))]

    @cached_property
    def whole(self) -> list[Check]:
        """The checks that cannot be analysed: each of them is run over everything."""
        return [one for one in self.checks if one.refusal]

    def culprits(self, overlay: Overlay, texts: Texts | None = None) -> dict[str, set[Node]]:
        """Map the name of each check to the culprits whose rows a change can affect."""
        finder = Finder(overlay.either, texts or Texts(overlay.either))
        return {one.path.stem: finder.culprits(one, overlay) for one in self.checks if not one.refusal}

    def rows(
        self,
        view: View,
        culprits: Mapping[str, set[Node]],
        texts: Texts | None = None,
    ) -> Iterator[tuple[Path, dict[str, str]]]:
        """Yield the rows of the checks about some culprits, in one state of the graph."""
        touched: dict[ox.Quad, None] = {}
        finder = Finder(view, texts or Texts(view), touched)
        for one in self.checks:
            for culprit in culprits.get(one.path.stem, ()):
                finder.gather(one, culprit)
        extract = ox.Store()
        extract.extend(touched)
        idle = {one.path.stem for one in self.checks if not culprits.get(one.path.stem)}
        for path, row in run_checks(extract, self.folder, leave_out=idle):
            if row["culprit"] in {one.value for one in culprits[path.stem]}:
                yield path, row
        if self.whole:
            everything = ox.Store()
            everything.extend(view.quads(None, None, None, EACH))
            others = {one.path.stem for one in self.checks} - {one.path.stem for one in self.whole}
            yield from run_checks(everything, self.folder, leave_out=others)

    def changed_rows(
        self, overlay: Overlay, texts: Texts | None = None
    ) -> Iterator[tuple[Path, dict[str, str]]]:
        """Yield the rows that a change can have brought, as they are after it."""
        yield from self.rows(overlay.after, self.culprits(overlay, texts), texts)


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
class Finder:
    """
    Matches patterns in a view, the most selective first.

    Args:
        view: What is matched.
        texts: An index of texts; what it finds that is not in the view is left out.
        touched: Takes each quad that a match looked at.
    """

    view: View
    texts: Texts
    touched: dict[ox.Quad, None] = field(default_factory=dict)

    # --- backwards, from a change to culprits ---------------------------------------------------------

    def culprits(self, check: Check, overlay: Overlay) -> set[Node]:
        """Return the culprits of a check whose rows a change can affect."""
        found: set[Node] = set()
        for branch in check.branches:
            for around, pattern in _places(branch):
                seen = set()
                for quad in overlay.changed:
                    for binding in self._matched(pattern, quad):
                        key = frozenset(binding.items())
                        if key in seen:
                            continue
                        seen.add(key)
                        known = binding.get(check.culprit)
                        if isinstance(known, Node) and known in found:
                            continue
                        for solution in self.solve(around, binding, stop_at=check.culprit):
                            culprit = solution[check.culprit]
                            assert isinstance(culprit, Node)
                            found.add(culprit)
        return found

    def _matched(self, pattern: Pattern, quad: ox.Quad) -> Iterator[Binding]:
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
            if pattern.subject == pattern.object:
                starts = ends = starts & ends
                yield from ({str(pattern.subject): one} for one in starts)
                continue
            for start in starts if isinstance(pattern.subject, str) else starts & {pattern.subject}:
                for end in ends if isinstance(pattern.object, str) else ends & {pattern.object}:
                    ends_of = ((pattern.subject, start), (pattern.object, end))
                    yield {name: node for name, node in ends_of if isinstance(name, str)}

    # --- forwards, from a culprit to what its rows rest on ------------------------------------------------

    def gather(self, check: Check, culprit: Node) -> None:
        """Touch every quad that the rows of a check about one culprit rest on."""
        for branch in check.branches:
            for solution in self.solve(branch, {check.culprit: culprit}):
                for nested in branch.nested:
                    self._gather_nested(nested, solution)

    def _gather_nested(self, nested: Nested, binding: Binding) -> None:
        for branch in nested.branches:
            for solution in self.solve(branch, binding):
                if nested.is_exact and nested.shared <= binding.keys():
                    return  # one match decides
                for deeper in branch.nested:
                    self._gather_nested(deeper, solution)

    # --- matching ---------------------------------------------------------------------------------------------

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

    def _quads(
        self, part: Pattern, equations: tuple[Equation, ...], binding: Binding
    ) -> Iterable[ox.Quad]:
        terms = [_resolve(one, binding) for one in (part.subject, part.predicate, part.object)]
        folded = _folded(part, equations, binding)
        if folded is not None and terms[0] is None and terms[2] is None:
            assert isinstance(part.predicate, ox.NamedNode)
            return self._by_text(part, part.predicate, folded)
        graph = _resolve(part.graph, binding) if isinstance(part.graph, str) else part.graph
        return self.view.quads(*terms, EACH if graph is None else graph)  # type: ignore[arg-type]

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
        start, end = _resolve(part.subject, binding), _resolve(part.object, binding)
        if start is None and end is not None:
            for one in _reached(route.backwards.walk([(end, [route.end])], look, touch), route.start):
                yield {**binding, str(part.subject): one}
            return
        for first in self._beginnings(route, look) if start is None else [start]:
            for one in _reached(route.forwards.walk([(first, [route.start])], look, touch), route.end):
                if part.subject == part.object and one != first:
                    continue
                if end is None or one == end:
                    bound = ((part.subject, first), (part.object, one))
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


def _places(branch: Group) -> Iterator[tuple[Group, Pattern]]:
    """Yield each pattern of a branch, with all that must match beside it."""
    for number, one in enumerate(branch.patterns):
        rest = branch.patterns[:number] + branch.patterns[number + 1 :]
        yield Group(rest, branch.tables, branch.equations), one
    outer = Group(branch.patterns, branch.tables, branch.equations)
    for nested in branch.nested:
        for inner in nested.branches:
            for around, one in _places(inner):
                yield outer.beside(around), one


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
        (pattern.object, quad.object),
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
        if one.is_folded and one.argument == part.object:
            text = binding.get(_name(one))
            return text if isinstance(text, str) else None
    return None


def _rank(part: Pattern | Table, equations: tuple[Equation, ...], binding: Binding) -> int:
    """Guess how many matches a part has: the lower, the fewer."""
    if isinstance(part, Table):
        return 1 if part.variables & binding.keys() else 6
    has_subject = _resolve(part.subject, binding) is not None
    has_object = _resolve(part.object, binding) is not None
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


__all__ = ["Check", "Checks", "Start", "Texts"]
