"""RDF text to quads, with every syntax error told as a reader wants it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyoxigraph as ox

from kg.errors import Problem
from kg.names import Prefixes

FORMATS = {".ttl": ox.RdfFormat.TURTLE, ".trig": ox.RdfFormat.TRIG}
_MAX_PROBLEMS = 20
_MAX_ERRORS = 200  # of the parser: most follow from others, and are not told
_PLACE = re.compile(
    r"^Parser error (?:at|between) line .*?columns? [0-9]+(?: and (?:line [0-9]+ column )?[0-9]+)?: "
)
_CODES = {
    "merge": "merge-conflict",
    "mark": "byte-order-mark",
    "string": "unclosed-string",
    "end": "unexpected-end",
    "dot": "missing-dot",
    "bytes": "not-utf8",
    "iri": "not-an-iri",
}
_UNDECLARED = re.compile(r"The prefix (.*): has not been declared")


@dataclass
class Parsed:
    """What one text gave: quads in its order, the prefixes it declares, what is wrong with it."""

    quads: list[ox.Quad] = field(default_factory=list)
    prefixes: Mapping[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def parse(content: bytes, path: Path, prefixes: Prefixes) -> Parsed:
    """
    Parse Turtle or TriG (the suffix decides), going on after an error so that all are found.

    An undeclared prefix is reported once; after an unclosed string nothing more is: it could not be trusted.
    What only echoes an earlier error (a graph's closing brace) is not reported.

    >>> bad = parse(b"<urn:a> <urn:b> lat:C .", Path("a.ttl"), Prefixes({"lat": "http://e/"}))
    >>> print(bad.problems[0])
    a.ttl:1:17: prefix 'lat' is not declared in this file. Fix: add at the top: @prefix lat: <http://e/> .
    """
    found = Parsed()
    parser = ox.parse(content, format=FORMATS[path.suffix])
    explained: list[tuple[str, Problem]] = []
    lines: list[str] = []
    while len(explained) < _MAX_ERRORS:
        try:
            found.quads.append(next(parser))
        except StopIteration:
            break
        except SyntaxError as error:
            lines = lines or re.split(r"\r\n|\r|\n", content.decode("utf-8", errors="replace"))
            explained.append(_explain(error, lines, path, prefixes))
    found.prefixes = parser.prefixes
    found.problems = list(_worth_telling(explained))
    found.problems += _other_bindings(found.prefixes, content, path, prefixes)
    return found


def _worth_telling(explained: list[tuple[str, Problem]]) -> Iterator[Problem]:
    """Drop what only follows from an earlier error."""
    seen: set[str] = set()
    last_line: int | None = None
    told = 0
    for kind, problem in explained:
        is_prefix = kind.startswith("prefix ")
        # After an error in a graph, the parser no longer knows that it is in one: every } would be told.
        is_echo = kind == "brace" and told > 0
        if is_echo or kind in seen or (not is_prefix and problem.line == last_line):
            continue
        yield problem
        told += 1
        if is_prefix:
            seen.add(kind)
        else:
            last_line = problem.line
        if kind in ("string", "mark") or told == _MAX_PROBLEMS:
            return


def _explain(error: SyntaxError, lines: list[str], path: Path, prefixes: Prefixes) -> tuple[str, Problem]:
    reason = _PLACE.sub("", str(error.msg))
    line, column = error.lineno or 1, error.offset or 1
    token = _token(error, lines)

    def told(kind: str, message: str, fix: str | None = None) -> tuple[str, Problem]:
        code = "undeclared-prefix" if kind.startswith("prefix ") else _CODES.get(kind, "syntax")
        return kind, Problem(message, path, line, column, fix, code=code)

    if lines[line - 1].startswith(("<<<<<<<", "=======", ">>>>>>>")):
        return told(
            "merge", "a merge conflict stands here.", "settle it: keep one side and delete the marker lines."
        )
    if line == 1 and lines[0].startswith("\ufeff"):
        return told(
            "mark",
            "a byte order mark stands before the text: expected UTF-8 without one.",
            "save the file again as UTF-8, without BOM.",
        )
    undeclared = _UNDECLARED.search(reason)
    if undeclared:
        return told("prefix " + undeclared[1], *_undeclared(undeclared[1], token, prefixes))
    if reason.startswith("Line jumps") or (reason == "Unexpected end of file" and token[:1] in ("'", '"')):
        column = _opening(lines[line - 1], column)
        return told(
            "string",
            "the string that opens here is not closed: expected a closing quotation mark.",
            'close it on this line with "; a line break inside it is written \\n.',
        )
    if reason.startswith("Unexpected end"):
        return told(
            "end",
            "the file ends inside a statement"
            + (" or a graph" if path.suffix == ".trig" else "")
            + ": expected ' .'"
            + (" or '}'." if path.suffix == ".trig" else "."),
            f"end line {_line_before(lines, line, column)} with {_ending(lines, (line, column), path)}.",
        )
    if "dot is expected" in reason or "is expected at the end of a graph" in reason:
        return told(
            "dot",
            f"the statement before {token!r} is not ended: expected ' .', ' ;' or ' ,'.",
            f"end line {_line_before(lines, line, column)} with ' .', or ' ;' to go on about its subject.",
        )
    if reason.startswith("Invalid UTF-8"):
        return told(
            "bytes", "this is not UTF-8: expected text saved in UTF-8.", "save the file again as UTF-8."
        )
    if "No scheme found" in reason or "Invalid IRI" in reason:
        return told(
            "iri",
            f"{token} is not a whole IRI: expected <scheme:…> without spaces ({reason}).",
            "write a prefixed name (id:malta), or the IRI in full.",
        )
    return told(
        "brace" if token.startswith("}") else "other",
        f"{reason[0].lower()}{reason[1:]}: expected {_expected(reason)}.",
        _repair(reason, token, path),
    )


def _undeclared(prefix: str, token: str, prefixes: Prefixes) -> tuple[str, str]:
    message = f"prefix {prefix!r} is not declared in this file"
    if prefix in prefixes:
        return message + ".", f"add at the top: @prefix {prefix}: <{prefixes[prefix]}> ."
    near = difflib.get_close_matches(prefix, list(prefixes), n=1, cutoff=0.5)
    if not near:
        return (
            message + ", nor in ontology/prefixes.ttl.",
            "write the IRI in full, or declare the prefix there first.",
        )
    meant = token.replace(f"{prefix}:", f"{near[0]}:", 1)
    return (
        f"{message}, nor in ontology/prefixes.ttl; the nearest there is {near[0]!r}.",
        f"write {meant} with @prefix {near[0]}: <{prefixes[near[0]]}> .",
    )


def _expected(reason: str) -> str:
    if "RDF object" in reason:
        return 'an IRI, a prefixed name, a number or a "string"'
    if "predicate" in reason:
        return "a property (lat:memberOf, or a)"
    if "subject or graph" in reason:
        return "a subject (id:malta), @prefix or a graph's name"
    if "escape" in reason:
        return r"one of \n \t \" \\ \uXXXX"
    return "Turtle 1.1"


def _repair(reason: str, written: str, path: Path) -> str | None:
    if "RDF object" in reason and written == ".":
        return "delete the ' ,' before it, or write the missing value."
    if "RDF object" in reason and written[:1].isalpha():
        return f'write "{written}"@en if it is text, or id:{written} if it is a thing.'
    if written == "{" and path.suffix == ".ttl":
        return "only .trig files hold graphs: leave out the name and the braces."
    if written == "{":
        return "close the graph before with '}'."
    if written == "}":
        return "delete it: no graph is open here, or the statement before it is cut short."
    if written.startswith("@"):
        return "write @prefix." if "pre" in written else None
    return None


def _other_bindings(
    found: Mapping[str, str], content: bytes, path: Path, prefixes: Prefixes
) -> Iterator[Problem]:
    for prefix, namespace in found.items():
        expected = prefixes.get(prefix)
        if expected is not None and expected != namespace:
            line = content[: _declaration(content, prefix)].count(b"\n") + 1
            yield Problem(
                f"prefix {prefix!r} is bound to <{namespace}>: expected <{expected}>, as in prefixes.ttl.",
                path,
                line,
                1,
                f"@prefix {prefix}: <{expected}> .",
                code="other-prefix",
            )


def _declaration(content: bytes, prefix: str) -> int:
    match = re.search(rb"(?im)^\s*@?prefix\s+" + re.escape(prefix.encode()) + rb":", content)
    return match.end() if match else 0


def _token(error: SyntaxError, lines: list[str]) -> str:
    start, end = (error.offset or 1) - 1, (error.end_offset or 1) - 1
    line = lines[(error.lineno or 1) - 1]
    return line[start:end] if error.end_lineno == error.lineno and end > start else line[start:]


def _opening(line: str, column: int) -> int:
    """Return the column of the quotation mark that opens the string still open at `column`."""
    marks = [match.start() for match in re.finditer(r'"(?:[^"\\]|\\.)*("|$)', line[:column])]
    return marks[-1] + 1 if marks else column


def _line_before(lines: list[str], line: int, column: int = 1) -> int:
    """Return the number of the line where the text before a place ends."""
    if lines[line - 1][: column - 1].strip():
        return line
    return next((number for number in range(line - 1, 0, -1) if lines[number - 1].strip()), line)


def _ending(lines: list[str], place: tuple[int, int], path: Path) -> str:
    last = lines[_line_before(lines, *place) - 1].rstrip()
    return "' }'" if path.suffix == ".trig" and last.endswith(".") else "' .'"
