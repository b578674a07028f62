"""Problems as a person reads them: by file, the offending line, a caret below it, the fix."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import groupby

from kg.errors import Problem
from kg.reporting.report import Report

_WIDTH = 100
_MAX_PLACES = 12
# What would steer a terminal, or turn a line round: text of others is shown, never obeyed.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def write_text(report: Report) -> str:
    """
    Write problems by file, in file order; the same problem at many places once, with its places.

    >>> write_text(Report(()))
    'Nothing is wrong.\\n'
    """
    if not report.problems:
        return "Nothing is wrong.\n"
    parts: list[str] = []
    for path, found in groupby(report.problems, key=lambda one: one.path):
        text = report.texts.get(path, "") if path else ""
        parts += _write_file(report, list(found), text.split("\n"))
    parts.append(_tally(report.counts))
    return "\n".join(parts) + "\n"


def _write_file(report: Report, problems: Sequence[Problem], lines: Sequence[str]) -> list[str]:
    same: dict[tuple[object, ...], list[Problem]] = {}
    for one in problems:
        same.setdefault((one.code, one.level, one.message, one.fix), []).append(one)
    return [_write(report, found, lines) for found in same.values()]


def _write(report: Report, same: Sequence[Problem], lines: Sequence[str]) -> str:
    one, *others = same
    code = f" {one.code}" if one.code else ""
    told = [
        f"{_place(report, one)}: {one.level}{code}",
        *(f"  {line}" for line in _plain(one.message).split("\n")),
    ]
    told += _excerpt(one, lines)
    if one.fix:
        told.append(f"  Fix: {_plain(one.fix)}")
    if one.edits:
        told += [f"  Write: {_plain(edit.text) or '(nothing)'}" for edit in one.edits[:3]]
    if others:
        places = ("; " if report.place(one) else ", ").join(
            _numbers(report, other) for other in others[:_MAX_PLACES]
        )
        more = f" and {len(others) - _MAX_PLACES} more" if len(others) > _MAX_PLACES else ""
        told.append(f"  The same at {places}{more}.")
    return "\n".join(told) + "\n"


def _place(report: Report, one: Problem) -> str:
    numbers = _numbers(report, one)
    path = _plain(str(one.path)) if one.path else ""
    is_spaced = one.cell or report.place(one)
    return (
        f"{path}{' ' if is_spaced and path and numbers else ':' if path and numbers else ''}{numbers}"
        or "all of it"
    )


def _numbers(report: Report, one: Problem) -> str:
    place = report.place(one) or one.cell
    if place:
        return _plain(place)
    return ":".join(str(number) for number in (one.line, one.column) if number is not None)


def _excerpt(one: Problem, lines: Sequence[str]) -> list[str]:
    """Return the line that a problem stands on, and carets below the offending text."""
    if one.cell or one.line is None or not 0 < one.line <= len(lines) or list(lines) == [""]:
        return []
    line = lines[one.line - 1].rstrip("\r")
    column = one.column
    start = (column or 1) - 1
    is_one_line = one.end_line == one.line and one.end_column is not None
    end = one.end_column - 1 if is_one_line and one.end_column is not None else len(line.rstrip())
    if one.end_line is None:
        end = start + 1
    offset = max(0, start - _WIDTH // 2) if len(line) > _WIDTH else 0
    shown = _plain(line[offset : offset + _WIDTH])
    gutter = f"{one.line:>6} | "
    told = [gutter + ("…" if offset else "") + shown + ("…" if len(line) > offset + _WIDTH else "")]
    if column is not None and start <= len(line):
        before = shown[: start - offset]
        under = shown[start - offset : max(start + 1, end) - offset]
        blank = "".join("\t" if one == "\t" else " " * _cells(one) for one in before)
        carets = "^" * max(1, sum(map(_cells, under)))
        told.append(" " * 6 + " | " + (" " if offset else "") + blank + carets)
    return told


def _cells(character: str) -> int:
    """
    Return how many cells of a terminal a character takes.

    Source: Unicode Standard Annex 11, East Asian Width.
    """
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _plain(text: str) -> str:
    return _STEERING.sub("\N{REPLACEMENT CHARACTER}", text)


def _tally(counts: dict[str, int]) -> str:
    told = [f"{count} {level}{'s' if count != 1 else ''}" for level, count in counts.items() if count]
    return ", ".join(told) + "."
