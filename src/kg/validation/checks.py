"""Check queries to problems: a check must return no rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pyoxigraph as ox
import rdflib

from kg import names
from kg.errors import DataError, Problem
from kg.validation.telling import Teller

_SHAPES_GRAPH = ox.NamedNode(names.SHAPES_GRAPH)
_PLACE = re.compile(r"error at ([0-9]+):([0-9]+)")
_COLUMNS = ("property", "term", "fix", "message")


def run_checks(store: ox.Store, folder: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """
    Run every check of a folder over the named graphs and their merge.

    Yields:
        The check and one row: `culprit`, perhaps `property` (which one of it), `term` (the thing
        misspelt) and `fix`, and `message`.

    Raises:
        DataError: A check does not parse, or its columns are others.
    """
    merged = merge(store)
    for path in sorted(folder.glob("*.rq")):
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


def check_queries(teller: Teller, folder: Path) -> list[Problem]:
    """Return each row of each check as a problem."""
    return [_tell(teller, row) for _, row in run_checks(teller.dataset.store, folder)]


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


def _tell(teller: Teller, row: dict[str, str]) -> Problem:
    culprit = row["culprit"]
    path, line = teller.place(culprit, row.get("property"))
    fix = row.get("fix")
    if "term" in row:
        near = teller.nearest(rdflib.URIRef(row["term"]), teller.terms)
        fix = f"write {near}, or add the record." if near else fix
    name = teller.name(rdflib.URIRef(culprit))
    message = f"{name}: {_shorten(teller, row['message'])}"
    return Problem(message, path, line, fix=fix and _shorten(teller, fix), subject=culprit)


def _shorten(teller: Teller, text: str) -> str:
    """Write each <IRI> in a text as a prefixed name."""
    return re.sub(r"<([^<>\s]+)>", lambda found: teller.short(rdflib.URIRef(found[1])), text)
