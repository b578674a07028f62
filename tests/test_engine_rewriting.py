"""Rewritten queries: the same answers as the queries that were written, for any data and any bound."""

from __future__ import annotations

from typing import Any

import pyoxigraph as ox
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.engine.rewriting import MOST_VALUES, Tables, rewrite

P = "http://example.org/"
XSD = "http://www.w3.org/2001/XMLSchema#"
PREFIXES = f"PREFIX e: <{P}> PREFIX xsd: <{XSD}> "

THINGS = st.sampled_from([ox.NamedNode(f"{P}thing{number}") for number in range(6)])
DATES = st.dates().map(lambda day: ox.Literal(day.isoformat(), datatype=ox.NamedNode(f"{XSD}date")))
WORDS = st.text(alphabet="abAB İıſßΣσς'\\\"\n", max_size=6)
TEXTS = st.builds(ox.Literal, WORDS) | st.builds(lambda text: ox.Literal(text, language="en"), WORDS)
OTHERS = THINGS | st.integers(-3, 3).map(ox.Literal) | st.booleans().map(ox.Literal)
PAIRS = st.lists(st.tuples(THINGS, DATES | TEXTS | OTHERS), max_size=25)
FILTERS = st.one_of(
    st.tuples(st.sampled_from(["<", "<=", ">", ">=", "=", "!="]), DATES).map(
        lambda pair: f"?v {pair[0]} {pair[1]}"
    ),
    st.tuples(DATES, DATES).map(lambda pair: f"?v >= {pair[0]} && ?v < {pair[1]}"),
    st.sampled_from(["a", "ab", "b", "s", "i", " "]).map(lambda text: f'CONTAINS(LCASE(STR(?v)), "{text}")'),
    st.sampled_from(["A", "ß", "σ"]).map(lambda text: f'CONTAINS(STR(?v), "{text}")'),
    st.sampled_from(
        ['STRSTARTS(?v, "a")', "YEAR(?v) > 1990", 'REGEX(?v, "^a", "i")', 'LANG(?v) = "en"', "?v > 0"]
    ),
)
SHAPES = st.sampled_from(
    [
        "SELECT ?s ?v WHERE { ?s e:p ?v FILTER(%s) }",
        "SELECT ?s ?v WHERE { ?s e:q ?o ; e:p ?v . FILTER(%s) } ORDER BY ?v ?s",
        "SELECT (COUNT(DISTINCT ?s) AS ?n) WHERE { ?s e:p ?v . FILTER(%s) OPTIONAL { ?s e:q ?o } }",
        "SELECT ?s ?v ?o WHERE { OPTIONAL { ?a e:q ?v } ?s e:p ?v FILTER(%s) }",
        "SELECT ?s ?v ?z WHERE { BIND(STR(?v) AS ?z) ?s e:p ?v FILTER(%s) }",
        "SELECT ?s ?v WHERE { GRAPH ?g { ?s e:p ?v FILTER(%s) } }",
        "SELECT ?s ?v WHERE { ?s e:p ?v MINUS { ?s e:q ?v } FILTER(%s) }",
        "SELECT ?s ?v WHERE { ?s ?v ?o . ?o e:p ?x FILTER(%s) }",
        "ASK WHERE { ?s e:p ?v FILTER(%s) }",
    ]
)
COUNTS = st.sampled_from(["COUNT(?s)", "COUNT(*)", "COUNT(DISTINCT ?s)"])
TAILS = st.sampled_from(
    [
        "ORDER BY DESC(?n) ?v LIMIT 2",
        "HAVING (COUNT(?s) > 1) ORDER BY ?v",
        "HAVING (COUNT(*) >= 2) ORDER BY DESC(?n) ?v LIMIT 1",
        "ORDER BY ?n ?v LIMIT 3",
        "ORDER BY ?v",
        "",
    ]
)


def make_store(pairs: list[tuple[Any, Any]], others: list[tuple[Any, Any]]) -> ox.Store:
    """Make a dataset: two properties in the default graph, other values of the first in a named graph."""
    store = ox.Store()
    store.extend(ox.Quad(one, ox.NamedNode(f"{P}p"), value) for one, value in pairs)
    store.extend(ox.Quad(one, ox.NamedNode(f"{P}q"), value) for one, value in others)
    graph = ox.NamedNode(f"{P}graph")
    store.extend(ox.Quad(one, ox.NamedNode(f"{P}p"), value, graph) for one, value in others)
    return store


def ask(store: ox.Store, query: str) -> Any:
    """Return the answer as plain data, rows in any order."""
    answer: Any = store.query(query)
    return bool(answer) if isinstance(answer, ox.QueryBoolean) else sorted(str(row) for row in answer)


@given(PAIRS, PAIRS, SHAPES, FILTERS)
def test_a_filter_from_a_table_answers_alike(
    pairs: list[tuple[Any, Any]], others: list[tuple[Any, Any]], shape: str, condition: str
) -> None:
    """Whatever a query filters, rewriting changes no answer."""
    store = make_store(pairs, others)
    query = PREFIXES + shape % condition
    assert ask(store, rewrite(query, Tables(store))) == ask(store, query)


@given(PAIRS, PAIRS, COUNTS, TAILS)
def test_a_count_from_a_table_answers_alike(
    pairs: list[tuple[Any, Any]], others: list[tuple[Any, Any]], count: str, tail: str
) -> None:
    """Whatever a query counts by group, rewriting changes no answer."""
    store = make_store(pairs, others)
    query = f"{PREFIXES}SELECT ?v ({count} AS ?n) WHERE {{ ?s e:p ?v }} GROUP BY ?v {tail}"
    assert ask(store, rewrite(query, Tables(store))) == ask(store, query)


@pytest.mark.parametrize(
    "body",
    [
        'WHERE { ?s e:p ?v FILTER(CONTAINS(LCASE(STR(?v)), "x1")) }',
        'WHERE { ?s e:p ?v . FILTER(?v > "x2") FILTER(BOUND(?s)) } ORDER BY ?v',
    ],
)
def test_a_selective_filter_is_rewritten(body: str) -> None:
    """A filter that few values pass becomes VALUES."""
    store = make_store([(ox.NamedNode(f"{P}s"), ox.Literal(f"x{number}")) for number in range(30)], [])
    query = f"{PREFIXES}SELECT ?v {body}"
    rewritten = rewrite(query, Tables(store))
    assert "VALUES ?v" in rewritten
    assert ask(store, rewritten) == ask(store, query) != []


def test_a_filter_that_many_values_pass_stays() -> None:
    """Where more values pass than VALUES is good for, the query stays as it is."""
    many = [(ox.NamedNode(f"{P}s"), ox.Literal(f"x{number}")) for number in range(MOST_VALUES + 1)]
    query = f'{PREFIXES}SELECT ?v WHERE {{ ?s e:p ?v FILTER(CONTAINS(LCASE(STR(?v)), "x")) }}'
    assert rewrite(query, Tables(make_store(many, []))) == query


@pytest.mark.parametrize(
    "tail", ["GROUP BY ?v ORDER BY ?s", "GROUP BY ?s", "GROUP BY ?v ORDER BY DESC(?n) OFFSET 1"]
)
def test_other_counts_stay(tail: str) -> None:
    """A count that is no plain count by value stays as it is, its errors too."""
    query = f"{PREFIXES}SELECT ?v (COUNT(?s) AS ?n) WHERE {{ ?s e:p ?v }} {tail}"
    store = make_store([(ox.NamedNode(f"{P}s"), ox.Literal("x"))], [])
    assert rewrite(query, Tables(store)) == query


@pytest.mark.parametrize(
    "clause", ["FROM <http://example.org/graph>", "FROM NAMED <http://example.org/graph>"]
)
def test_a_query_over_graphs_of_its_own_stays(clause: str) -> None:
    """The tables are those of the default graph, so a query that names another is not rewritten."""
    query = f'{PREFIXES}SELECT ?v {clause} WHERE {{ ?s e:p ?v FILTER(?v > "x2") }}'
    store = make_store([(ox.NamedNode(f"{P}s"), ox.Literal("x3"))], [])
    assert rewrite(query, Tables(store)) == query
