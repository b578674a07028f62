"""
Checks over a change: which culprits it can affect, and what their rows rest on; the rest is not looked at.

From each pattern of a check that a changed quad matches, however deep inside it, the patterns around it lead
to the culprits whose rows may change. From these the patterns lead on to every quad that their rows
rest on. The check then runs as it stands over these quads alone; rows about other culprits are dropped.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyoxigraph as ox

from kg.validation.checks import run_checks
from kg.validation.matching import Binding, Matcher, Texts
from kg.validation.overlay import EACH, Node, Overlay, View
from kg.validation.patterns import Group, Nested, Pattern, Reader, UnanalysableError


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
        matcher = Matcher(overlay.either, texts or Texts(overlay.either))
        return {one.path.stem: _find(one, overlay, matcher) for one in self.checks if not one.refusal}

    def rows(
        self,
        view: View,
        culprits: Mapping[str, set[Node]],
        texts: Texts | None = None,
    ) -> Iterator[tuple[Path, dict[str, str]]]:
        """Yield the rows of the checks about some culprits, in one state of the graph."""
        touched: dict[ox.Quad, None] = {}
        matcher = Matcher(view, texts or Texts(view), touched)
        for one in self.checks:
            for culprit in culprits.get(one.path.stem, ()):
                _gather(one, culprit, matcher)
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
        self, overlay: Overlay, texts: Texts | None = None, *, leave_out: Collection[str] = ()
    ) -> Iterator[tuple[Path, dict[str, str]]]:
        """Yield the rows that a change can have brought, as they are after it, but those of some checks."""
        found = self.culprits(overlay, texts)
        kept = {name: culprits for name, culprits in found.items() if name not in leave_out}
        yield from self.rows(overlay.after, kept, texts)


def _find(check: Check, overlay: Overlay, matcher: Matcher) -> set[Node]:
    """Return the culprits of a check whose rows a change can affect."""
    found: set[Node] = set()
    for branch in check.branches:
        for around, pattern in _places(branch):
            seen = set()
            for quad in overlay.changed:
                for binding in matcher.match_quad(pattern, quad):
                    key = frozenset(binding.items())
                    if key in seen:
                        continue
                    seen.add(key)
                    known = binding.get(check.culprit)
                    if isinstance(known, Node) and known in found:
                        continue
                    for solution in matcher.solve(around, binding, stop_at=check.culprit):
                        culprit = solution[check.culprit]
                        assert isinstance(culprit, Node)
                        found.add(culprit)
    return found


def _gather(check: Check, culprit: Node, matcher: Matcher) -> None:
    """Touch every quad that the rows of a check about one culprit rest on."""
    for branch in check.branches:
        for solution in matcher.solve(branch, {check.culprit: culprit}):
            for nested in branch.nested:
                _gather_nested(nested, solution, matcher)


def _gather_nested(nested: Nested, binding: Binding, matcher: Matcher) -> None:
    for branch in nested.branches:
        for solution in matcher.solve(branch, binding):
            if nested.is_exact and nested.shared <= binding.keys():
                return  # one match decides
            for deeper in branch.nested:
                _gather_nested(deeper, solution, matcher)


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
