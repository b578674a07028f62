"""What one text says, and what parsers tell of it before it is a reading."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from kg.errors import Problem
from kg.turtle import Span, Statement

# Bounds on what one contribution may be; a larger one is sent in parts.
MAX_BYTES = 10_000_000
MAX_STATEMENTS = 200_000
MAX_DEPTH = 100


@dataclass(frozen=True)
class Reading:
    """
    What one text says.

    Args:
        statements: In the order of the text, each with its places; none if it does not parse.
        prefixes: Those that the text declares.
        problems: Why it does not parse, or what is odd in its form.
        text: As it was sent, without a byte order mark.
        path: Its name, with a suffix of its format.
    """

    statements: tuple[Statement, ...]
    prefixes: Mapping[str, str]
    problems: tuple[Problem, ...]
    text: str
    path: Path


class Change(NamedTuple):
    """What stands between two offsets is replaced."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Fault:
    """
    One thing wrong in a text, by offsets, with what might mend it.

    Args:
        start: Where it begins, from 0, in code points.
        end: Where it ends.
        message: What is wrong and what was expected.
        code: What kind of problem it is.
        fix: How to mend it, in words.
        expected: What was expected, in a few words.
        repairs: Ways to mend it, the likeliest first; none is told that does not parse.
        is_last: Nothing behind it can be trusted, unless it is mended.
        level: As in a problem.
        is_guess: Its repairs are guesses: one must leave less, or nothing in the line.
        is_late: The parser noticed it late: it stands where what mends it is written.
    """

    start: int
    end: int
    message: str
    code: str = "syntax"
    fix: str | None = None
    expected: str | None = None
    repairs: tuple[tuple[Change, ...], ...] = ()
    is_last: bool = False
    level: str = "error"
    is_guess: bool = False
    is_late: bool = False


class Lines:
    """
    Offsets of a text as lines and columns.

    >>> Lines("ab\\ncd").span(3, 5)
    Span(line=2, column=1, end_line=2, end_column=3, cell='')
    """

    def __init__(self, text: str) -> None:
        self.starts = [0]
        at = text.find("\n")
        while at >= 0:
            self.starts.append(at + 1)
            at = text.find("\n", at + 1)

    def place(self, offset: int) -> tuple[int, int]:
        """Return line and column, from 1."""
        line = bisect_right(self.starts, offset)
        return line, offset - self.starts[line - 1] + 1

    def span(self, start: int, end: int) -> Span:
        """Return the span between two offsets."""
        return Span(*self.place(start), *self.place(end))

    def offset(self, line: int, column: int) -> int:
        """Return the offset of a place."""
        return self.starts[min(line, len(self.starts)) - 1] + column - 1


@dataclass(frozen=True)
class Source:
    """A decoded text with the name it came under, and what is noted of its bytes."""

    text: str
    path: Path
    notes: Sequence[Problem] = ()

    def reading(
        self,
        statements: Sequence[Statement] = (),
        prefixes: Mapping[str, str] | None = None,
        problems: Sequence[Problem] = (),
    ) -> Reading:
        """Return a reading of this text; with an error in it, nothing is stated."""
        told = sorted([*self.notes, *problems], key=lambda one: (one.line or 0, one.column or 0))
        if any(one.level == "error" for one in told):
            statements = ()
        elif len(statements) > MAX_STATEMENTS:
            statements = ()
            told.append(
                Problem(
                    f"this says more than {MAX_STATEMENTS:,} statements: expected fewer in one contribution.",
                    self.path,
                    fix="send it in parts.",
                    code="too-large",
                )
            )
        elif not statements:
            told.append(
                Problem(
                    "nothing is stated here: expected statements.",
                    self.path,
                    code="empty",
                    level="warning",
                )
            )
        return Reading(tuple(statements), dict(prefixes or {}), tuple(told), self.text, self.path)
