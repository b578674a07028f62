"""Parsing gives statements with places, or problems."""

from __future__ import annotations

from pathlib import Path

from kg import names
from kg.names import Prefixes
from kg.parsing import read

PREFIXES = Prefixes({"lat": names.LAT})


def test_read_gives_statements_with_places() -> None:
    """A triple is read with where its parts stand."""
    reading = read(b"<x:a> <x:b> <x:c> .", path=Path("a.ttl"), prefixes=PREFIXES)
    (one,) = reading.statements
    assert one.places is not None and one.places.object.column == 13
    assert reading.problems == ()


def test_read_gives_problems_when_the_text_does_not_parse() -> None:
    """A syntax error is a problem with a code, and nothing is read."""
    reading = read(b"<x:a> <x:b> .", path=Path("a.ttl"), prefixes=PREFIXES)
    assert reading.statements == ()
    assert [(one.code, one.line) for one in reading.problems] == [("syntax", 1)]
