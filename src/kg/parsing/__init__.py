"""Parsing: what somebody sends, in any format, to statements with their places, or to problems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from kg import turtle
from kg.dataset.syntax import parse
from kg.errors import DataError, Problem
from kg.names import Prefixes


@dataclass(frozen=True)
class Reading:
    """
    What one text says.

    Args:
        statements: In the order of the text, each with its places; none if it does not parse.
        prefixes: Those that the text declares.
        problems: Why it does not parse, or what is odd in its form.
        text: As it was sent.
        path: Its name; the suffix tells the format.
    """

    statements: tuple[turtle.Statement, ...]
    prefixes: Mapping[str, str]
    problems: tuple[Problem, ...]
    text: str
    path: Path


def read(content: bytes, *, path: Path, media_type: str | None = None, prefixes: Prefixes) -> Reading:
    """
    Read Turtle or TriG.

    Args:
        content: The bytes as sent.
        path: The file's name; its suffix tells the format where the media type does not.
        media_type: Not looked at yet.
        prefixes: The project's, to name those that are not declared.
    """
    text = content.decode("utf-8", errors="replace")
    parsed = parse(content, path, prefixes)
    problems = [replace(one, code=one.code or "syntax") for one in parsed.problems]
    if problems:
        return Reading((), dict(parsed.prefixes), tuple(problems), text, path)
    try:
        document = turtle.read(text)
    except DataError as error:
        problems = [replace(one, path=path, code="syntax") for one in error.problems]
        return Reading((), dict(parsed.prefixes), tuple(problems), text, path)
    return Reading(tuple(document.statements), document.prefixes, (), text, path)
