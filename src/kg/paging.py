"""
Paging: one page of the answer of a SELECT, in an order that every run keeps, and how many rows there are.

The query may end in ORDER BY, LIMIT and OFFSET of its own; nothing of its pattern is touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kg.engine.lexer import scan

_COUNT = "numberOfRows"


@dataclass(frozen=True, slots=True)
class _Shape:
    """Where a query's SELECT begins and its solution modifiers end, and what LIMIT and OFFSET it has."""

    select: int
    end: int
    is_ordered: bool
    limit: int | None
    offset: int


def order_rows(query: str, columns: Sequence[str]) -> str:
    """
    Complete the order of a query by all its columns, so that no two runs differ.

    >>> print(order_rows("SELECT ?a ?b { ?a ?p ?b } ORDER BY ?b", ["a", "b"]))
    SELECT ?a ?b { ?a ?p ?b } ORDER BY ?b
    ?a ?b
    """
    shape = _read(query)
    return _ordered(query, columns, shape) + _slice(shape.limit, shape.offset)


def cut_page(query: str, columns: Sequence[str], *, limit: int, offset: int) -> str:
    """
    Write the query for some rows of an answer, in its completed order.

    Args:
        query: A SELECT.
        columns: Its columns.
        limit: How many rows at most.
        offset: How many rows to pass over.

    >>> print(cut_page("SELECT ?a { ?a ?p ?o } LIMIT 25", ["a"], limit=20, offset=20))
    SELECT ?a { ?a ?p ?o }
    ORDER BY
    ?a
    LIMIT 5
    OFFSET 20
    """
    shape = _read(query)
    rows = limit if shape.limit is None else max(0, min(limit, shape.limit - offset))
    return _ordered(query, columns, shape) + _slice(rows, shape.offset + offset)


def count_rows(query: str) -> str:
    """
    Write the query that counts the rows of a SELECT.

    >>> print(count_rows("PREFIX a: <urn:a>\\nSELECT ?a { ?a a:b ?o }"))
    PREFIX a: <urn:a>
    SELECT (COUNT(*) AS ?numberOfRows) WHERE { {
    SELECT ?a { ?a a:b ?o }
    } }
    """
    start = _read(query).select
    return f"{query[:start]}SELECT (COUNT(*) AS ?{_COUNT}) WHERE {{ {{\n{query[start:]}\n}} }}"


def _ordered(query: str, columns: Sequence[str], shape: _Shape) -> str:
    by = "" if shape.is_ordered else "\nORDER BY"
    return f"{query[: shape.end].rstrip()}{by}\n{' '.join('?' + one for one in columns)}"


def _slice(limit: int | None, offset: int) -> str:
    return (f"\nLIMIT {limit}" if limit is not None else "") + (f"\nOFFSET {offset}" if offset else "")


def _read(query: str) -> _Shape:
    """Read the outline of a query by its tokens outside braces."""
    depth, select, end, word = 0, None, len(query), ""
    found: dict[str, int] = {}
    for token in scan(query):
        depth += (token.text == "{") - (token.text == "}")
        if token.kind == "symbol" and token.text == "}":
            found, end = {}, len(query)
        elif depth == 0 and token.kind == "word":
            word = token.text.upper()
            if word == "SELECT" and select is None:
                select = token.start
            if word in ("ORDER", "LIMIT", "OFFSET"):
                found[word] = 0
            if word in ("LIMIT", "OFFSET"):
                end = min(end, token.start)
        elif depth == 0 and token.kind == "number" and word in ("LIMIT", "OFFSET"):
            found[word] = int(token.text)
    return _Shape(select or 0, end, "ORDER" in found, found.get("LIMIT"), found.get("OFFSET", 0))
