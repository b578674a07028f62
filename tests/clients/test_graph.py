"""`kg.Graph` gives equal answers over a started service and over the folder that it serves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kg import Graph
from kg.client import Rows
from kg.errors import KGError
from kg.names import load_prefixes
from kg.templates import load_templates

ROOT = Path(__file__).parents[2]
TEMPLATES = load_templates(ROOT, load_prefixes(ROOT / "ontology" / "prefixes.ttl"))


@pytest.fixture(scope="module")
def remote(real: str) -> Graph:
    """Return the graph as the service has it, in small pages."""
    return Graph(real, page_size=100)


@pytest.fixture(scope="module")
def local(real: str) -> Graph:
    """Return the graph as the folder has it."""
    assert real
    return Graph(ROOT)


def spelt(rows: Rows) -> Iterator[list[Any]]:
    """Yield each row with all that is known of its values."""
    for row in rows:
        yield [
            (one, type(one), *(getattr(one, name, None) for name in ("label", "language", "datatype")))
            for one in row.values()
        ]


@pytest.mark.parametrize("key", TEMPLATES)
def test_question_has_equal_answers(key: str, remote: Graph, local: Graph) -> None:
    """Rows, order, types, labels, languages, columns, version: over HTTP and by path; and there are rows."""
    values = {
        one.name: one.example for one in TEMPLATES[key].parameters.values() if one.required and one.example
    }
    over_http, by_path = remote.ask(key, **values), local.ask(key, **values)
    assert over_http.columns == by_path.columns == TEMPLATES[key].columns
    assert list(spelt(over_http)) == list(spelt(by_path))
    assert (over_http.version, over_http.query) == (by_path.version, by_path.query)
    assert len(over_http) > 0


def test_questions_are_the_same(remote: Graph, local: Graph) -> None:
    """Keys, words, parameters, columns, and none is left out."""
    assert remote.questions() == local.questions()
    assert {one.key for one in remote.questions()} == set(TEMPLATES)


def test_the_example_of_the_readers_works(remote: Graph, local: Graph) -> None:
    """The name alone, a label as value."""
    for graph in (remote, local):
        found = graph.ask("who-chaired", actor="Singapore")
        assert {one["actorLabel"] for one in found} == {"Singapore", "Tommy Koh"}


@pytest.mark.parametrize("text", ["Estnia", "chair", "cote d'ivoire", "who mediated", "", "xyzzy"])
def test_search_finds_the_same(text: str, remote: Graph, local: Graph) -> None:
    """Things, concepts and questions, in the same order."""
    assert list(spelt(remote.search(text))) == list(spelt(local.search(text)))


@pytest.mark.parametrize("name", ["Singapore", "role:chair", "tommy-koh", "nobody at all"])
def test_describe_says_the_same(name: str, remote: Graph, local: Graph) -> None:
    """Every statement with its graph, or the same refusal."""
    told: list[Any] = []
    for graph in (remote, local):
        try:
            told.append(list(spelt(graph.describe(name))))
        except KGError as error:
            told.append([error.as_problem()])
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("question", "values"),
    [
        ("who-chaired", {"actor": "Singapoor", "since": "soon"}),
        ("who-chaired", {"actr": "Singapore"}),
        ("who-chaired", {"actor": "id:nobody", "body": "https://example.org/> ?x"}),
        ("who-chairs", {}),
        ("record", {}),
        ("timeline/occurrences", {"since": "1\u0000"}),
    ],
)
def test_errors_are_equal(question: str, values: dict[str, str], remote: Graph, local: Graph) -> None:
    """Class, message and every field."""
    problems = []
    for graph in (remote, local):
        with pytest.raises(KGError) as raised:
            graph.ask(question, **values)
        problems.append((type(raised.value), raised.value.as_problem()))
    assert problems[0] == problems[1]
