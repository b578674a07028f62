"""Which format bytes are in, and the text that they hold."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from kg.errors import Problem
from kg.parsing.reading import MAX_BYTES, Source

SUFFIXES = {
    ".ttl": "turtle",
    ".trig": "trig",
    ".nq": "nquads",
    ".nt": "ntriples",
    ".jsonld": "jsonld",
    ".json": "jsonld",
    ".rdf": "rdfxml",
    ".xml": "rdfxml",
    ".owl": "rdfxml",
}
MEDIA_TYPES = {
    "text/turtle": "turtle",
    "application/x-turtle": "turtle",
    "application/trig": "trig",
    "application/x-trig": "trig",
    "application/n-quads": "nquads",
    "text/x-nquads": "nquads",
    "application/n-triples": "ntriples",
    "application/ld+json": "jsonld",
    "application/json": "jsonld",
    "application/rdf+xml": "rdfxml",
    "application/xml": "rdfxml",
    "text/xml": "rdfxml",
}
NAMES = {
    "trig": "TriG",
    "turtle": "Turtle",
    "nquads": "N-Quads",
    "ntriples": "N-Triples",
    "jsonld": "JSON-LD",
    "rdfxml": "RDF/XML",
}
_NO_TYPE = {"", "application/octet-stream", "text/plain", "binary/octet-stream"}
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_TERM = r"(?:<[^<>\"{}|^`\\\s]*>|_:\S+)"
_QUAD = re.compile(
    rf"{_TERM}[ \t]+{_TERM}[ \t]+(?:{_TERM}|\"[^\n]*\"\S*)[ \t]+({_TERM}[ \t]*)?\.[ \t]*(?:#.*)?\r?$"
)


def find_format(content: bytes, *, path: Path, media_type: str | None) -> str | None:
    """
    Return the format of a content: what its media type says, else its suffix, else how it begins.

    >>> find_format(b"", path=Path("a.nq"), media_type=None)
    'nquads'
    >>> find_format(b'{"@id": "urn:a"}', path=Path("a"), media_type="text/plain")
    'jsonld'
    """
    named = (media_type or "").split(";")[0].strip().lower()
    if named not in _NO_TYPE:
        return MEDIA_TYPES.get(named)
    if path.suffix.lower() in SUFFIXES:
        return SUFFIXES[path.suffix.lower()]
    return None if path.suffix and named != "text/plain" and path.suffix != ".txt" else _sniff(content)


def _sniff(content: bytes) -> str | None:
    start = content[:4096].removeprefix(codecs.BOM_UTF8).decode("utf-8", errors="replace").lstrip()
    if start[:1] in ("{", "[") and re.match(r"[{\[]\s*[\"{\[\]}]", start):
        return "trig" if re.match(r"\[\s*\]", start) else "jsonld"
    if re.match(r"<(?:\?xml|!DOCTYPE|!--|rdf:RDF)\b", start):
        return "rdfxml"
    lines = [line.strip() for line in start.split("\n")]
    for line in lines[: max(1, len(lines) - 1)]:
        if line and not line.startswith("#"):
            match = _QUAD.match(line)
            if match:
                return "nquads"
            break
    if re.search(
        r"(?im)^\s*(?:@?prefix|@?base)\b|^\s*(?:[\w-]*:[\w/-]*|<[^>\s]+>|\[|_:\w+)\s*(?:\{|\s\S+\s+\S)", start
    ):
        return "trig"
    return None


def unknown(path: Path, media_type: str | None) -> Problem:
    """Return the problem of a content whose format cannot be told, with all that are taken."""
    taken = ", ".join(
        f"{name} ({' '.join(suffix for suffix, one in SUFFIXES.items() if one == key)};"
        f" {next(kind for kind, one in MEDIA_TYPES.items() if one == key)})"
        for key, name in NAMES.items()
    )
    said = f"the media type {media_type!r}" if media_type else f"the name {path.name!r}"
    return Problem(
        f"{said} does not tell a format that is taken: expected one of {taken}.",
        path,
        fix="name the file by its format, or send its media type.",
        code="unknown-format",
        found=media_type or path.suffix or path.name,
        expected=", ".join(NAMES.values()),
    )


def decode(content: bytes, path: Path) -> tuple[Source | None, list[Problem]]:
    """Return the text of a content, or why there is none: too large, or not UTF-8."""
    if len(content) > MAX_BYTES:
        return None, [
            Problem(
                f"this is {len(content):,} bytes: expected at most {MAX_BYTES:,}.",
                path,
                fix="send it in parts.",
                code="too-large",
            )
        ]
    notes = []
    body = content.removeprefix(codecs.BOM_UTF8)
    if body is not content and len(body) < len(content):
        notes.append(
            Problem(
                "a byte order mark stands before the text; it is passed over.",
                path,
                1,
                1,
                "save the file as UTF-8 without BOM.",
                code="byte-order-mark",
                level="note",
            )
        )
    try:
        return Source(body.decode("utf-8"), path, notes), []
    except UnicodeDecodeError as error:
        return None, [_not_utf8(body, error, len(content) - len(body), path)]


def _not_utf8(body: bytes, error: UnicodeDecodeError, shift: int, path: Path) -> Problem:
    before = body[: error.start].decode("utf-8")
    line = before.count("\n") + 1
    column = len(before) - (before.rfind("\n") + 1) + 1
    name, meant = _likely(body, error.start)
    byte = f"0x{body[error.start]:02X}"
    return Problem(
        f"this is not UTF-8: byte {error.start + shift:,} ({byte}, line {line}) is part of no character"
        + (f"; the text is likely in {name}" + (f", where it is {meant!r}" if meant else "") if name else "")
        + ": expected UTF-8.",
        path,
        line,
        column,
        f"save the file again as UTF-8{f' (iconv -f {name} -t UTF-8)' if name else ''}.",
        code="not-utf8",
        found=byte,
        expected="UTF-8",
    )


def _likely(body: bytes, at: int) -> tuple[str | None, str | None]:
    """Return the encoding that bytes are likely in, and the character that one byte is in it."""
    for mark, name in _MARKS:
        if body.startswith(mark):
            return name, None
    if body[:400].count(0) * 3 > len(body[:400]):
        return "UTF-16", None
    if (
        body[at : at + 1] in (b"\xed",)
        and body[at + 1 : at + 2] >= b"\xa0"
        and body[at + 2 : at + 3] >= b"\x80"
    ):
        return None, None  # half of a surrogate pair: damaged UTF-8
    try:
        character = body[at : at + 1].decode("cp1252")
        body.decode("cp1252")
    except UnicodeDecodeError:
        return None, None
    return "Windows-1252", character
