"""The one way in which data files are written, and what it refuses to lose."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from kg import turtle
from kg.dataset.syntax import FORMATS, parse
from kg.errors import DataError, NotFoundError, Problem
from kg.names import Prefixes, load_prefixes


def format_text(text: str, suffix: str, prefixes: Prefixes) -> str:
    """
    Write Turtle (`.ttl`) or TriG (`.trig`) the one way; lexical forms stay as they are.

    Raises:
        DataError: The text does not parse, or holds what would be lost: comments, empty graphs, blank nodes.

    >>> print(format_text("<urn:b> <urn:p> 01 . <urn:a> a <urn:C> .", ".ttl", Prefixes({})), end="")
    <urn:a> a <urn:C> .
    <BLANKLINE>
    <urn:b> <urn:p> "01"^^<http://www.w3.org/2001/XMLSchema#integer> .
    """
    problems = parse(text.encode(), Path("text" + suffix), prefixes).problems
    if problems:
        raise DataError(replace(one, path=None) for one in problems)
    document = turtle.read(text)
    problems = list(_lost(document))
    if problems:
        raise DataError(problems)
    return turtle.write(document.statements, prefixes)


def format_files(paths: Iterable[Path], *, check: bool, prefixes: Prefixes) -> list[Path]:
    """
    Write files the one way; a folder means every Turtle and TriG file in it that is not hidden.

    Args:
        paths: Files and folders.
        check: Write nothing, only say which files would change.
        prefixes: The prefix map to write with.

    Returns:
        The files that changed, or would.

    Raises:
        NotFoundError: A path is not there.
        DataError: Problems of all files; then no file is written.
    """
    changed: dict[Path, bytes] = {}
    problems: list[Problem] = []
    for path in _files(paths):
        old = path.read_bytes()
        try:
            new = format_text(old.decode("utf-8"), path.suffix, prefixes).encode()
        except UnicodeDecodeError:
            problems += parse(old, path, prefixes).problems
        except DataError as error:
            problems += (replace(one, path=path) for one in error.problems)
        else:
            if new != old:
                changed[path] = new
    if problems:
        raise DataError(problems)
    if not check:
        for path, content in changed.items():
            _replace(path, content)
    return list(changed)


def find_prefixes(root: Path) -> Prefixes:
    """Return the prefix map of a project."""
    return load_prefixes(root / "ontology" / "prefixes.ttl")


def _lost(document: turtle.Document) -> Iterator[Problem]:
    """Tell what the canonical form could not hold."""
    for line in document.comments:
        message = "a comment stands here: expected none, since no writer keeps it."
        yield Problem(message, line=line, fix='say it with skos:editorialNote "…"@en, or delete the line.')
    filled = {one.graph.value for one in document.statements if one.graph}
    for name, line in document.blocks:
        if name not in filled:
            yield Problem(
                f"graph <{name}> is empty: expected triples.", line=line, fix="fill it or delete it."
            )


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            found = (one for one in path.rglob("*") if one.suffix in FORMATS)
            yield from sorted(one for one in found if not _is_hidden(one, path))
        elif not path.is_file():
            raise NotFoundError(
                f"{path} is not there: expected a file or a folder to format.", name=str(path)
            )
        elif path.suffix not in FORMATS:
            raise NotFoundError(f"{path} is not Turtle or TriG: expected .ttl or .trig.", name=str(path))
        else:
            yield path


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _replace(path: Path, content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".format-")
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    Path(name).chmod(path.stat().st_mode)
    Path(name).replace(path)
