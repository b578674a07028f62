"""N-Quads and N-Triples: one statement a line, so that every line that is not one is told."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pyoxigraph as ox

from kg.names import Prefixes
from kg.parsing.mending import tell
from kg.parsing.reading import Change, Fault, Reading, Source
from kg.turtle import Places, Span, Statement, Term, unescape

_XSD_STRING = "http://www.w3.org/2001/XMLSchema#string"
_IRI = r"<(?:[^\x00-\x20<>\"{}|^`\\]|\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8})*>"
_BLANK = r"_:[^\s<>\"{}|^`\\@.]+(?:\.+[^\s<>\"{}|^`\\@.]+)*"
_STRING = r"\"(?:[^\"\\\n\r]|\\.)*\""
_PART = re.compile(
    rf"[ \t]*(?:(?P<iri>{_IRI})|(?P<blank>{_BLANK})"
    rf"|(?P<literal>(?P<string>{_STRING})(?:@(?P<tag>[A-Za-z]+(?:-[A-Za-z0-9]+)*)|\^\^(?P<type>{_IRI}))?)"
    r"|(?P<dot>\.)|(?P<rest>\#.*)|(?P<other>\^\^\S*|[^\s]+))"
)
_PLACE = re.compile(
    r"^Parser error (?:at|between) line .*?columns? [0-9]+(?: and (?:line [0-9]+ column )?[0-9]+)?: "
)
_NAME = re.compile(r"([A-Za-z][\w-]*):([\w./%#-]*[\w/#-]|)")
_LINE = re.compile(r"[^\r]+")  # a lone CR ends a statement as well
_ROLES = ("subject", "property", "value", "graph")
_MAX_FAULTS = 50


def read_quads(source: Source, prefixes: Prefixes) -> Reading:
    """Read N-Quads."""
    return _read(source, ox.RdfFormat.N_QUADS, prefixes)


def read_triples(source: Source, prefixes: Prefixes) -> Reading:
    """Read N-Triples, which has no graphs."""
    return _read(source, ox.RdfFormat.N_TRIPLES, prefixes)


def _read(source: Source, kind: ox.RdfFormat, prefixes: Prefixes) -> Reading:
    try:
        quads = list(ox.parse(source.text.encode("utf-8"), format=kind))
    except SyntaxError:
        return source.reading(problems=tell(source.text, source.path, _diagnosis(kind, prefixes)))
    statements = list(_statements(source.text))
    if len(statements) != len(quads) or any(map(_is_newer, quads)):
        faults = _newer(source.text) or [
            Fault(0, 0, "where its statements stand cannot be told: expected one a line.")
        ]
        return source.reading(problems=tell(source.text, source.path, lambda _: faults))
    return source.reading(statements)


def _statements(text: str) -> Iterator[Statement]:
    known: dict[str, Term] = {}
    pieces = (
        (number, match)
        for number, line in enumerate(text.split("\n"), start=1)
        for match in _LINE.finditer(line)
    )
    for number, piece in pieces:
        parts = []
        for match in _PART.finditer(piece.string, piece.start(), piece.end()):
            kind = match.lastgroup
            if kind == "dot" or kind == "rest":
                break
            kind = "iri" if match["iri"] else "blank" if match["blank"] else "literal"
            written = match[kind]
            if written is None:
                break
            term = known.get(written)
            if term is None:
                term = known[written] = _term(kind, match)
            parts.append((term, Span(number, match.start(kind) + 1, number, match.end(kind) + 1)))
        if len(parts) >= 3:
            (s, at_s), (p, at_p), (o, at_o) = parts[:3]
            graph, at_graph = parts[3] if len(parts) > 3 else (None, None)
            yield Statement(graph, s, p, o, number, number, Places(at_graph, at_s, at_p, at_o))


def _term(kind: str, match: re.Match[str]) -> Term:
    if kind == "iri":
        return Term("iri", unescape(match["iri"][1:-1]))
    if kind == "blank":
        return Term("blank", match["blank"])
    datatype = unescape(match["type"][1:-1]) if match["type"] else ""
    return Term(
        "literal",
        unescape(match["string"][1:-1]),
        "" if datatype == _XSD_STRING else datatype,
        match["tag"] or "",
    )


def _is_newer(quad: ox.Quad) -> bool:
    value = quad.object
    return isinstance(value, ox.Triple) or (isinstance(value, ox.Literal) and value.direction is not None)


def _newer(text: str) -> list[Fault]:
    """Return what the standard parser takes and this graph does not."""
    return [
        Fault(
            one.start(),
            one.end(),
            f"{one.group()!r} is of RDF 1.2, which is not taken: expected RDF 1.1.",
            "not-rdf-1.1",
            "say it with statements of their own.",
        )
        for one in re.finditer(
            r"<<\(?|@[A-Za-z]+(?:-[A-Za-z0-9]+)*--[a-z]+|^[ \t]*VERSION\b", text, re.MULTILINE
        )
    ][:_MAX_FAULTS]


def _diagnosis(kind: ox.RdfFormat, prefixes: Prefixes) -> Callable[[str], list[Fault]]:
    def diagnose(text: str) -> list[Fault]:
        faults: list[Fault] = []
        start = 0
        for line in text.split("\n"):
            if len(faults) < _MAX_FAULTS and _is_wrong(line, kind):
                faults.append(_fault(line, start, kind, prefixes))
            start += len(line) + 1
        return faults

    wrong: dict[str, bool] = {}

    def _is_wrong(line: str, kind: ox.RdfFormat) -> bool:
        if line not in wrong:
            wrong[line] = _refusal(line, kind) is not None
        return wrong[line]

    return diagnose


def _refusal(line: str, kind: ox.RdfFormat) -> SyntaxError | None:
    try:
        for _ in ox.parse(line.encode("utf-8"), format=kind):
            pass
    except SyntaxError as error:
        return error
    return None


def _fault(line: str, start: int, kind: ox.RdfFormat, prefixes: Prefixes) -> Fault:
    """Tell what is wrong with one line: the first part that is none, or what the parser says."""
    taken = 3 if kind == ox.RdfFormat.N_TRIPLES else 4
    number, end = 0, 0
    for match in _PART.finditer(line):
        at = match.end() - len(match.group().lstrip(" \t"))
        if match["other"]:
            return _other(match["other"], start + at, number, line[at:], prefixes)
        if match["dot"] or match["rest"] is not None:
            break
        if number == taken:
            if kind == ox.RdfFormat.N_TRIPLES and match["iri"]:
                return Fault(
                    start + at,
                    start + match.end(),
                    "a fourth term stands here, and N-Triples has no graphs: expected ' .'.",
                    fix="name the file .nq (N-Quads), or leave the graph out.",
                    expected=" .",
                )
            break
        number, end = number + 1, match.end()
    if 3 <= number <= taken and not _rest(line[end:]).startswith("."):
        return Fault(
            start + end,
            start + end,
            "the line is not ended: expected ' .'.",
            "missing-dot",
            "end the line with ' .'.",
            " .",
            ((Change(start + end, start + end, " ."),),),
        )
    error = _refusal(line, kind)
    assert error is not None, "only refused lines come here"
    return _told(error, line, start, number)


def _rest(text: str) -> str:
    return text.lstrip(" \t")


def _other(written: str, at: int, number: int, rest: str, prefixes: Prefixes) -> Fault:
    role = _ROLES[min(number, 3)]
    name = _NAME.match(written)
    if name and name[1] in prefixes:
        iri = f"<{prefixes[name[1]]}{name[2]}>"
        return Fault(
            at,
            at + name.end(),
            f"{name.group()} is a prefixed name, and this format has no prefixes: expected a whole IRI.",
            "prefixed-name",
            f"write {iri}, or name the file .trig and declare the prefix.",
            iri,
            ((Change(at, at + name.end(), iri),),),
        )
    if written.startswith('"'):
        body = rest.rstrip()
        tail = re.search(r"\s*\.\Z", body)
        stops = [len(body)] if tail is None else [tail.start(), len(body)]
        return Fault(
            at,
            at + len(body),
            "the string that opens here is not closed: expected a closing quotation mark.",
            "unclosed-string",
            'close it on this line with "; a line break inside it is written \\n.',
            '"',
            tuple((Change(at + one, at + one, '"' if one != len(body) else '" .'),) for one in stops),
        )
    if written[0] in "“”„«»":
        closing = re.search('[“”«»"]', rest[1:])
        changes: tuple[Change, ...] = (Change(at, at + 1, '"'),)
        if closing:
            changes += (Change(at + 1 + closing.start(), at + 2 + closing.start(), '"'),)
        return Fault(
            at,
            at + 1,
            f"{written[0]} does not open a string: expected a straight quotation mark.",
            "smart-quotes",
            'write straight quotation marks: "text".',
            '"',
            (changes,),
        )
    number_like = re.fullmatch(r"([+-]?[0-9]+(?:\.[0-9]+)?)\.?", written)
    if number_like and number == 2:
        kind = "decimal" if "." in number_like[1] else "integer"
        full = f'"{number_like[1]}"^^<http://www.w3.org/2001/XMLSchema#{kind}>'
        return Fault(
            at,
            at + len(number_like[1]),
            f"{number_like[1]} is a bare number: expected a string with its datatype.",
            fix=f"write {full}.",
            expected=full,
            repairs=((Change(at, at + len(number_like[1]), full),),),
        )
    return Fault(
        at,
        at + len(written),
        f"{written[:40]!r} is no {role}: expected "
        + (
            '<an IRI>, _:label or "a string"'
            if number == 2
            else "<an IRI>" + (" or _:label" if number != 1 else "")
        )
        + ".",
        fix="write the whole IRI between < and >."
        if not written.startswith("<")
        else "an IRI has no spaces.",
        code="not-an-iri" if written.startswith("<") else "syntax",
    )


def _told(error: SyntaxError, line: str, start: int, number: int) -> Fault:
    reason = _PLACE.sub("", str(error.msg))
    at = min((error.offset or 1) - 1, len(line))
    stop = (error.end_offset or 1) - 1
    code = "not-an-iri" if "IRI" in reason and "must be" not in reason else "syntax"
    expected = "a subject, a property, a value and ' .'" if number < 3 else "one statement and ' .'"
    return Fault(
        start + at,
        start + (stop if at < stop <= len(line) else len(line)),
        f"{reason[:1].lower()}{reason[1:]}: expected {expected}.",
        code,
        "write the IRI in full, with its scheme." if code == "not-an-iri" else None,
        expected,
    )
