"""Check queries to problems: a check must return no rows."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

import pyoxigraph as ox

from kg import names
from kg.errors import DataError, Problem
from kg.validation.telling import Teller

_SHAPES_GRAPH = ox.NamedNode(names.SHAPES_GRAPH)
_PLACE = re.compile(r"error at ([0-9]+):([0-9]+)")
_COLUMNS = ("property", "term", "fix", "message")


def run_checks(
    store: ox.Store, folder: Path, *, leave_out: Collection[str] = ()
) -> Iterator[tuple[Path, dict[str, str]]]:
    """
    Run every check of a folder over the named graphs and their merge.

    Args:
        store: What is checked.
        folder: The checks.
        leave_out: Names of checks that are not run.

    Yields:
        The check and one row: `culprit`, perhaps `property` (which one of it), `term` (the thing
        misspelt) and `fix`, and `message`.

    Raises:
        DataError: A check does not parse, or its columns are others.
    """
    merged = merge(store)
    for path in sorted(folder.glob("*.rq")):
        if path.stem in leave_out:
            continue
        try:
            rows = merged.query(path.read_text(encoding="utf-8"))
        except SyntaxError as error:
            place = _PLACE.search(str(error))  # what it expected there is a page of token classes
            line, column = (int(place[1]), int(place[2])) if place else (None, None)
            message = "the check does not parse: expected a SPARQL query."
            fix = f"kg query {path} says what is wrong there."
            raise DataError([Problem(message, path, line, column, fix)]) from error
        columns = [one.value for one in rows.variables] if isinstance(rows, ox.QuerySolutions) else []
        if len(columns) < 2 or columns[-1] != "message" or not set(columns[1:]) <= set(_COLUMNS):
            expected = "the culprit first, then any of ?property ?term ?fix, and ?message last"
            raise DataError([Problem(f"the check selects {columns}: expected {expected}.", path)])
        assert isinstance(rows, ox.QuerySolutions)
        names_of = ["culprit", *columns[1:]]
        for row in rows:
            values = [row[one] for one in columns]
            yield path, {name: value.value for name, value in zip(names_of, values, strict=True) if value}


def check_queries(teller: Teller, store: ox.Store, folder: Path) -> list[Problem]:
    """Return each row of each check as a problem; its code is the name of the check."""
    return [teller.tell_row(row, path.stem) for path, row in run_checks(store, folder)]


def merge(store: ox.Store) -> ox.Store:
    """Return the named graphs with, as default graph, every triple of them once, but for the shapes."""
    merged = ox.Store()
    merged.bulk_extend(store)
    merged.bulk_extend(
        ox.Quad(quad.subject, quad.predicate, quad.object)
        for quad in store
        if quad.graph_name != _SHAPES_GRAPH
    )
    return merged
