"""Rewritten queries: the same answers as the queries that were written, for any data and any bound."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pyoxigraph as ox
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.config import Settings
from kg.engine import QueryRequest, run_query, serialisation
from kg.engine.rewriting import LEAST, MOST_VALUES, Tables, rewrite
from kg.names import Prefixes

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


def run(store: ox.Store, query: str, tables: Tables | None, **more: Any) -> list[Any] | bool:
    """Answer a query as a worker does; rows in any order."""
    job = {"query": query, "prologue": "", "base": None, "format": "json", **dict.fromkeys(_GRAPHS, ())}
    bounds: dict[str, Any] = {"prefixes": {}, "max_bytes": 10**7, "leave": print}
    told = json.loads(serialisation.answer(store, {**job, **more}, tables=tables, **bounds))
    if "boolean" in told:
        return bool(told["boolean"])
    return sorted(told["results"]["bindings"], key=repr)


_GRAPHS = ("default_graphs", "named_graphs", "from_default", "from_named")


@given(PAIRS, PAIRS, SHAPES, FILTERS, st.sampled_from([{}, {"default_graphs": [f"{P}graph"]}]))
def test_a_worker_answers_alike_with_tables(
    pairs: list[tuple[Any, Any]],
    others: list[tuple[Any, Any]],
    shape: str,
    condition: str,
    more: dict[str, Any],
) -> None:
    """With tables and without, over the whole dataset and over a graph that the request names."""
    store = make_store(pairs, others)
    query = PREFIXES + shape % condition
    assert run(store, query, Tables(store), **more) == run(store, query, None, **more)


@pytest.mark.parametrize("fault", [RuntimeError("a fault"), "SELECT {", "SELECT ?v { FILTER(e:f(1) }"])
def test_a_fault_of_the_rewriting_changes_no_answer(monkeypatch: pytest.MonkeyPatch, fault: Any) -> None:
    """What raises, or writes what is no query, is as if it had not been."""

    def faulty(query: str, tables: Tables) -> str:
        if isinstance(fault, Exception):
            raise fault
        return str(fault)

    store = make_store([(ox.NamedNode(f"{P}s"), ox.Literal("x3"))], [])
    query = f'{PREFIXES}SELECT ?v WHERE {{ ?s e:p ?v FILTER(?v > "x2") }}'
    expected = run(store, query, None)
    monkeypatch.setattr(serialisation, "rewrite", faulty)
    assert run(store, query, Tables(store)) == expected != []


def test_tables_are_of_properties_that_many_things_have() -> None:
    """Of labels, dates and values that stand often; blank nodes and values of their own have none."""
    store = ox.Store()
    label = "http://www.w3.org/2000/01/rdf-schema#label"
    for number in range(LEAST):
        thing = ox.NamedNode(f"{P}{number}")
        values: dict[str, Any] = {
            label: ox.Literal(f"name {number}"),
            f"{P}own": ox.Literal(f"value {number}"),
            f"{P}often": ox.Literal(number % 7),
            f"{P}blank": ox.BlankNode(f"b{number % 7}"),
            f"{P}date": ox.Literal(f"2001-01-{number % 28 + 1:02}", datatype=ox.NamedNode(f"{XSD}date")),
        }
        if number:
            values[f"{P}few"] = ox.Literal(number % 7)
        store.extend(ox.Quad(thing, ox.NamedNode(name), value) for name, value in values.items())
    tables = Tables(store)
    tables.fill()
    names = (label, f"{P}often", f"{P}date", f"{P}own", f"{P}blank", f"{P}few")
    found = [tables.find(name) is not None for name in names]
    assert found == [True, True, True, False, False, False]


def test_the_engine_counts_from_tables(tmp_path: Any) -> None:
    """A count that is answered from a table is the count that a pattern in a group of its own gives."""
    quads = tmp_path / "dataset.nq"
    lines = [f'<{P}{number}> <{P}p> "{number % 9}" .' for number in range(LEAST)]
    quads.write_text("\n".join(lines) + "\n", encoding="utf-8")
    snapshot: Any = SimpleNamespace(version="1", quads_path=quads, prefixes=Prefixes({}))
    store = ox.Store()
    store.bulk_load(path=str(quads), format=ox.RdfFormat.N_QUADS)
    tail = "GROUP BY ?v ORDER BY DESC(?n) ?v LIMIT 3"
    query = f"{PREFIXES}SELECT ?v (COUNT(?s) AS ?n) WHERE {{ ?s e:p ?v }} {tail}"
    tables = Tables(store)
    tables.fill()
    assert rewrite(query, tables) != query
    answers = [
        json.loads(run_query(snapshot, Settings(), QueryRequest(one)).body)
        for one in (query, query.replace("?s e:p ?v", "{ ?s e:p ?v }"))
    ]
    assert answers[0] == answers[1] and len(answers[0]["results"]["bindings"]) == 3
