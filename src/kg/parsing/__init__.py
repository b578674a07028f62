"""Parsing: what somebody sends, in any format, to statements with their places, or to problems."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from kg.errors import Problem
from kg.names import Prefixes
from kg.parsing import jsonld, lines, rdfxml, trig
from kg.parsing.formats import NAMES, SUFFIXES, decode, find_format, unknown
from kg.parsing.reading import MAX_BYTES, MAX_DEPTH, MAX_STATEMENTS, Reading, Source

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_STATEMENTS", "NAMES", "Reading", "read"]

_READERS: dict[str, Callable[[Source, Prefixes], Reading]] = {
    "turtle": trig.read_turtle,
    "trig": trig.read_trig,
    "nquads": lines.read_quads,
    "ntriples": lines.read_triples,
    "jsonld": jsonld.read_jsonld,
    "rdfxml": rdfxml.read_rdfxml,
}


def read(content: bytes, *, path: Path, media_type: str | None = None, prefixes: Prefixes) -> Reading:
    """
    Read TriG, Turtle, N-Quads, N-Triples, JSON-LD or RDF/XML.

    Nothing is fetched, and no content makes this raise: what cannot be read is told in `problems`.

    Args:
        content: The bytes as sent.
        path: The file's name; its suffix tells the format where the media type does not.
        media_type: As sent with it, if it was; it goes before the suffix.
        prefixes: The project's, to name those that are not declared.
    """
    kind = find_format(content, path=path, media_type=media_type)
    if kind is not None and SUFFIXES.get(path.suffix.lower()) != kind:
        suffix = next(suffix for suffix, one in SUFFIXES.items() if one == kind)
        path = path.with_name(path.name + suffix)  # those who look at the suffix later see what it is
    source, problems = decode(content, path)
    if source is None:
        text = content[:MAX_BYTES].decode("utf-8", errors="replace")
        return Reading((), {}, tuple(problems), text, path)
    if kind is None:
        return source.reading(problems=[unknown(path, media_type)])
    try:
        reading = _READERS[kind](source, prefixes)
    except MemoryError:  # of the parser, which bounds how long one token may be
        reading = source.reading(problems=[_too_long(path)])
    return replace(reading, problems=tuple(replace(one, path=path) for one in reading.problems))


def _too_long(path: Path) -> Problem:
    return Problem(
        "one value is too long to be read: expected shorter ones.",
        path,
        fix="a passage holds no text; a description is a few sentences.",
        code="too-large",
    )
