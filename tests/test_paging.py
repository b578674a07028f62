"""Tests of `kg.paging`: pages of a query make its whole answer, each row once, in one order."""

from __future__ import annotations

from pathlib import Path

import pyoxigraph as ox
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.names import load_prefixes
from kg.paging import count_rows, cut_page, order_rows
from kg.templates import load_templates

ROOT = Path(__file__).parents[1]
STORE = ox.Store()
STORE.extend(
    ox.Quad(
        ox.NamedNode(f"urn:s{n % 7}"), ox.NamedNode("urn:p"), ox.Literal(n % 3), ox.NamedNode(f"urn:g{n}")
    )
    for n in range(40)
)
QUERIES = [
    "SELECT ?s ?o { GRAPH ?g { ?s ?p ?o } }",
    "SELECT ?s ?o { GRAPH ?g { ?s ?p ?o } } ORDER BY DESC(?o)",
    "PREFIX a: <urn:limit> SELECT ?s ?o { GRAPH ?g { ?s ?p ?o } } ORDER BY ?o LIMIT 11 OFFSET 3 # LIMIT 2",
    "SELECT ?s (COUNT(?g) AS ?o) WHERE { { SELECT * { GRAPH ?g { ?s ?p ?x } } LIMIT 30 } } GROUP BY ?s",
    'SELECT ?s ?o { GRAPH ?g { ?s ?p ?o } FILTER(?o != "} ORDER BY ?x LIMIT 1") } # } LIMIT',
    "select ?s ?o { graph ?g { ?s ?p ?o } } order by ?s offset 5",
]


def rows(query: str) -> list[tuple[str, ...]]:
    """Run a SELECT and return its rows as texts."""
    found = STORE.query(query)
    assert isinstance(found, ox.QuerySolutions)
    return [tuple(str(one[name]) for name in found.variables) for one in found]


@given(query=st.sampled_from(QUERIES), size=st.integers(1, 50))
def test_pages_make_the_whole(query: str, size: int) -> None:
    """Whatever their size."""
    whole = rows(order_rows(query, ["s", "o"]))
    pages = [
        rows(cut_page(query, ["s", "o"], limit=size, offset=start))
        for start in range(0, len(whole) + 1, size)
    ]
    assert [row for page in pages for row in page] == whole
    assert len(whole) == len(rows(query))
    [(count,)] = rows(count_rows(query))
    assert ox.Literal(len(whole)).value == count.split('"')[1]


def test_own_order_goes_first() -> None:
    """The columns only decide between rows that the query leaves in any order."""
    found = [row[1] for row in rows(order_rows(QUERIES[1], ["s", "o"]))]
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize(
    "template", load_templates(ROOT, load_prefixes(ROOT / "ontology/prefixes.ttl")).values()
)
def test_every_question_can_be_paged(template: object) -> None:
    """What is written parses."""
    text, columns = template.text, template.columns  # type: ignore[attr-defined]
    for query in (order_rows(text, columns), cut_page(text, columns, limit=5, offset=5), count_rows(text)):
        STORE.query(query)
