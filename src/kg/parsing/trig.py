"""Turtle and TriG: read with places; slips of punctuation, quotes and prefixes found with what mends them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from kg import turtle
from kg.dataset.syntax import parse
from kg.errors import DataError, Edit, Problem
from kg.names import Prefixes
from kg.parsing.mending import tell
from kg.parsing.reading import Change, Fault, Lines, Reading, Source

_SMART = "“”„‟«»"
_LAST = {"unclosed-string", "byte-order-mark", "not-utf8", "merge-conflict"}
_NEWER = re.compile(r"<<|\{\||\|\}|VERSION\b|@version\b|@[A-Za-z]+(?:-[A-Za-z0-9]+)*--", re.IGNORECASE)
_BOUND = "other-prefix"
_Repair = tuple[Change, ...]


def read_turtle(source: Source, prefixes: Prefixes) -> Reading:
    """Read Turtle, which has no graphs."""
    return _read(source, Path("a.ttl"), prefixes)


def read_trig(source: Source, prefixes: Prefixes) -> Reading:
    """Read TriG."""
    return _read(source, Path("a.trig"), prefixes)


def _read(source: Source, kind: Path, prefixes: Prefixes) -> Reading:
    parsed = parse(source.text.encode("utf-8"), kind, prefixes)
    bound = [_warn(one, source, prefixes) for one in parsed.problems if one.code == _BOUND]
    if len(bound) < len(parsed.problems):
        told = tell(source.text, source.path, _diagnosis(kind, prefixes))
        return source.reading((), parsed.prefixes, [*told, *bound])
    try:
        document = turtle.read(source.text)
    except DataError as error:
        return source.reading((), parsed.prefixes, [_newer(one, source) for one in error.problems])
    return source.reading(document.statements, document.prefixes, bound)


def _warn(problem: Problem, source: Source, prefixes: Prefixes) -> Problem:
    """Make of a prefix that is bound otherwise than ours a warning: the text means what it declares."""
    line, edits = problem.line or 1, []
    written = source.text.split("\n")[line - 1]
    match = re.search(r"prefix\s+([^\s:]*):\s*<([^>]*)>", written, re.IGNORECASE)
    if match and match[1] in prefixes:
        edits = [Edit(line, match.start(2) + 1, line, match.end(2) + 1, prefixes[match[1]])]
    return replace(problem, path=source.path, level="warning", edits=tuple(edits))


def _newer(problem: Problem, source: Source) -> Problem:
    """Tell what the standard parser takes and this graph does not."""
    lines = Lines(source.text)
    at = lines.offset(problem.line or 1, problem.column or 1)
    at -= source.text[at - 1 : at + 1] == "{|"
    if _NEWER.match(source.text, at):
        return replace(
            problem,
            path=source.path,
            code="not-rdf-1.1",
            message=f"{source.text[at : at + 12]!r} is of RDF 1.2, which is not taken: expected RDF 1.1.",
            fix="say it with statements of their own; a claim's source stands in its record.",
        )
    return replace(problem, path=source.path, code="too-deep" if "at most" in problem.message else "syntax")


def _diagnosis(kind: Path, prefixes: Prefixes) -> Callable[[str], list[Fault]]:
    def diagnose(text: str) -> list[Fault]:
        text = re.sub(r"\r(?!\n)", "\n", text)  # the parser counts lines so
        parsed = parse(text.encode("utf-8"), kind, prefixes)
        problems = [one for one in parsed.problems if one.code != _BOUND]
        if not problems:
            return []
        lines = Lines(text)
        tokens = _Tokens(text)
        return [_fault(one, text, lines, tokens, prefixes) for one in problems]

    return diagnose


class _Tokens:
    """The tokens of a text up to where they were asked for."""

    def __init__(self, text: str) -> None:
        self.source = turtle.tokens(text)
        self.found: list[tuple[str, int, int]] = []

    def around(self, at: int) -> tuple[list[tuple[str, int, int]], tuple[str, int, int]]:
        """Return the three tokens before an offset and the one at it."""
        while not self.found or self.found[-1][1] < at:
            one = next(self.source, None)
            if one is None:
                break
            self.found.append(one)
        number = len(self.found)
        while number and self.found[number - 1][1] >= at:
            number -= 1
        before = self.found[max(0, number - 3) : number]
        here = self.found[number] if number < len(self.found) else ("", at, at)
        return [("", 0, 0)] * (3 - len(before)) + before, here


def _fault(problem: Problem, text: str, lines: Lines, tokens: _Tokens, prefixes: Prefixes) -> Fault:
    at = min(lines.offset(problem.line or 1, problem.column or 1), len(text))
    code = problem.code or "syntax"
    before, here = tokens.around(at)
    end = here[2] if here[1] <= at < here[2] else at
    fault = Fault(at, end, problem.message, code, problem.fix, is_last=code in _LAST)
    if code == "undeclared-prefix":
        return replace(fault, repairs=tuple(_declare(text[at:], prefixes)))
    if code == "unclosed-string":
        return replace(fault, repairs=tuple(_close(text, at)))
    if code == "unexpected-end":
        ends = len(text.rstrip()) if not text.rstrip().rpartition("\n")[2].count("#") else before[2][2]
        endings = (" .", "\n}", " .\n}", " ] .", " ] .\n}", " ) .")
        return replace(fault, repairs=tuple((Change(ends, ends, one),) for one in endings), is_late=True)
    if text[at : at + 1] and text[at] in _SMART:
        return replace(
            fault,
            message=f"{text[at]} does not open a string: expected a straight quotation mark.",
            code="smart-quotes",
            fix='write straight quotation marks: "text".',
            expected='"',
            repairs=tuple(_straighten(text, at)),
        )
    return replace(fault, repairs=tuple(_punctuate(before, here, text, at)), is_guess=True, is_late=True)


def _declare(rest: str, prefixes: Prefixes) -> Iterator[_Repair]:
    prefix = rest.partition(":")[0].removeprefix("^^")
    if prefix in prefixes:
        yield (Change(0, 0, f"@prefix {prefix}: <{prefixes[prefix]}> .\n"),)


def _close(text: str, at: int) -> Iterator[_Repair]:
    """Close a string before the punctuation that ends its line, or at the end of the line."""
    end = text.find("\n", at)
    line = text[at : end if end >= 0 else len(text)].rstrip()
    mark = '"' if line.startswith('"') else "'"
    smart = max(line.rfind(one) for one in _SMART)
    if smart > 0:
        yield (Change(at + smart, at + smart + 1, mark),)
    tail = re.search(r"[ \t]*[.;,][ \t]*[}\]]?\Z|[ \t]*[}\]]\Z", line)
    if tail and tail.start() > 0:
        yield (Change(at + tail.start(), at + tail.start(), mark),)
        if tail.group()[:1] in ".;,":
            stop = at + tail.start() + 1
            yield (Change(stop, stop, mark + (" " if stop < at + len(line) else "")),)
    yield (Change(at + len(line), at + len(line), mark),)
    yield (Change(at + len(line), at + len(line), mark + " ."),)


def _straighten(text: str, at: int) -> Iterator[_Repair]:
    end = text.find("\n", at)
    line = text[at : end if end >= 0 else len(text)]
    for closing in re.finditer(rf"[{_SMART}\"]", line[1:]):
        offset = at + 1 + closing.start()
        inner = [Change(at, at + 1, '"')]
        inner += [
            Change(at + 1 + quote.start(), at + 2 + quote.start(), '\\"')
            for quote in re.finditer('"', line[1 : closing.start() + 1])
        ]
        yield (*inner, Change(offset, offset + 1, '"'))


def _punctuate(
    before: list[tuple[str, int, int]], here: tuple[str, int, int], text: str, at: int
) -> Iterator[_Repair]:
    """Offer the mark that may be missing, wrong or too much."""
    earlier, last = before[1], before[2]
    value = text[here[1] : here[2]]
    held = text[last[1] : last[2]]
    second = text[earlier[1] : earlier[2]]
    if text[at : at + 1] == "\\":
        yield (Change(at, at, "\\"),)
    if value.startswith("@"):
        for meant in get_close_matches(value.lower(), ("@prefix", "@base"), n=1):
            yield (Change(here[1], here[2], meant),)
    if held in (",", ";") and value in (".", ";", ",", "]", "}"):
        yield (Change(last[1], last[2], ""),)
    if held == ";":
        yield (Change(last[1], last[2], ","),)
    if second == ",":
        yield (Change(earlier[1], earlier[2], ";"),)
    if second == ";" and value in (".", ";", ",", "]", "}"):
        yield (Change(earlier[1], earlier[2], ","),)
    for one in (earlier, before[0]):
        if text[one[1] : one[2]] == ".":
            yield (Change(one[1], one[2], ";"),)
    if last[2] and value not in (".", ";", ","):
        for mark in (" .", " ;", " ,"):
            yield (Change(last[2], last[2], mark),)
        if value == "{" or held == "{":
            yield (Change(last[1], last[1], "}\n"),)
    if before[0][2] and "\n" in text[before[0][2] : earlier[1]]:
        yield (Change(before[0][2], before[0][2], " {"),)
    is_directive = text[before[0][1] : before[0][2]].lower() in ("prefix", "base")
    if value in ("]", ")") or (value and value in ".;,}" and (held in (".", ";", ",", "}") or is_directive)):
        yield (Change(here[1], here[2], ""),)
