"""
What states no fact: the stretches of a document that need no claim, each with its reason.

    reasons:
      furniture: navigation, credits and addresses of the page
    exceptions:
      - {first: Sign up today, last: by email, reason: furniture}

Each entry may also hold `after` (words that stand before it) and `nth` (which of several hits); `last`
may be left out where `first` is the whole. First and last words are at most five, as everywhere: the
file holds no sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from kg.errors import DataError, KGError, MissingPartError, Problem
from kg.evidence.anchor import anchor
from kg.evidence.passages import Span

MAX_WORDS = 5
MAX_CODE_POINTS = 20_000  # a page's furniture may be long

_KEYS = {"first", "last", "reason", "after", "nth"}


@dataclass(frozen=True, slots=True)
class NotFact:
    """One stretch that states no fact, as the file names it."""

    first: str
    last: str
    reason: str
    after: str | None = None
    nth: int | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Exceptions:
    """The stretches of one document that state no fact, with the closed list of reasons."""

    path: Path | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    entries: tuple[NotFact, ...] = ()

    def locate(self, text: str) -> tuple[list[tuple[NotFact, Span]], list[Problem]]:
        """Find every entry in the reference text; what does not anchor is a problem."""
        found, problems = [], []
        for one in self.entries:
            try:
                span = anchor(
                    text, one.first, one.last, after=one.after, nth=one.nth, max_code_points=MAX_CODE_POINTS
                )
                found.append((one, span))
            except KGError as error:
                problems.append(self.problem(one, f"this exception does not anchor: {error.message}"))
        return found, problems

    def problem(self, entry: NotFact, message: str, fix: str | None = None) -> Problem:
        """Return a problem at an entry's line."""
        return Problem(message, self.path, entry.line, fix=fix)


def load_exceptions(path: Path) -> Exceptions:
    """
    Read a `not-facts.yaml`.

    Raises:
        MissingPartError: There is no such file.
        DataError: Something in it is not as expected; all problems at once.
    """
    if not path.is_file():
        raise MissingPartError(f"{path} is not there.", part=str(path))
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise DataError(
            [Problem(f"not YAML: {error.problem}", path, mark.line + 1 if mark else None)]
        ) from error
    reader = _Reader(path)
    found = reader.read(root)
    if reader.problems:
        raise DataError(reader.problems)
    return found


class _Reader:
    """Turns the YAML nodes into entries, keeping lines, collecting every problem."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[Problem] = []

    def read(self, root: yaml.Node | None) -> Exceptions:
        top = self._mapping(root, {"reasons", "exceptions"})
        reasons = {name: str(value.value) for name, value in self._mapping(top.get("reasons"), None).items()}
        listed = top.get("exceptions")
        if not reasons:
            self._fault(root, "no reasons: expected `reasons:` with a name and an explanation each")
        if listed is not None and not isinstance(listed, yaml.SequenceNode):
            self._fault(listed, "exceptions: expected a list of {first, last, reason}")
            listed = None
        nodes = listed.value if isinstance(listed, yaml.SequenceNode) else []
        entries = tuple(entry for node in nodes for entry in self._entry(node, reasons))
        return Exceptions(self.path, reasons, entries)

    def _entry(self, node: yaml.Node, reasons: Mapping[str, str]) -> Iterator[NotFact]:
        values = {name: str(one.value) for name, one in self._mapping(node, _KEYS).items()}
        before = len(self.problems)
        for name in ("first", "reason"):
            if not values.get(name):
                self._fault(node, f"no {name}: expected {{first, last, reason}}")
        reason, nth = values.get("reason", ""), values.get("nth", "1")
        if reason and reason not in reasons:
            self._fault(node, f"{reason!r} is no reason: expected one of {', '.join(sorted(reasons))}")
        for name in ("first", "last", "after"):
            if len(values.get(name, "").split()) > MAX_WORDS:
                self._fault(
                    node, f"{name} has more than {MAX_WORDS} words; use `after` or `nth` to tell hits apart"
                )
        if not nth.isdecimal() or nth == "0":
            self._fault(node, f"nth is {nth!r}: expected a number from 1")
        if len(self.problems) == before:
            first = values["first"]
            number = int(nth) if "nth" in values else None
            line = node.start_mark.line + 1
            yield NotFact(first, values.get("last", first), reason, values.get("after"), number, line)

    def _mapping(self, node: yaml.Node | None, known: set[str] | None) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            if node is not None:
                self._fault(node, "expected names with values")
            return {}
        found = {str(key.value): value for key, value in node.value}
        for name in found:
            if known is not None and name not in known:
                self._fault(node, f"{name!r} is not known here: expected {', '.join(sorted(known))}")
        return found

    def _fault(self, node: yaml.Node | None, message: str) -> None:
        self.problems.append(Problem(message + ".", self.path, node.start_mark.line + 1 if node else 1))
