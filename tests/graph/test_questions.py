"""
Competency questions: what a reader of the documents may ask gets its whole answer, and nothing more.

`tests/cases/questions.yaml` is a list of questions with these keys and no others: `id`; `kind`, one of
`KINDS`; `question`, in words; `template` with `values`, or `query`, a SELECT without its prefixes; `columns`,
those compared; `answer`, the rows, cell by cell, as prefixed names and lexical forms, an empty cell as an
empty text. Answers were written from the text of the documents, not from what the graph gives.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyoxigraph as ox
import pytest
import yaml

from kg.names import Prefixes, load_prefixes
from kg.templates import load_templates

ROOT = Path(__file__).parents[2]
PREFIXES: Prefixes = load_prefixes(ROOT / "ontology" / "prefixes.ttl")
TEMPLATES = load_templates(ROOT, PREFIXES)
KINDS = {"one-hop", "several-hops", "counting", "time", "provenance", "comparison", "absence"}
KEYS = {"id", "kind", "question", "template", "values", "query", "columns", "answer"}
QUESTIONS: list[dict[str, Any]] = yaml.load(
    (ROOT / "tests" / "cases" / "questions.yaml").read_text(encoding="utf-8"),
    Loader=yaml.BaseLoader,  # all texts
)


def query_of(question: dict[str, Any]) -> str:
    """Return the SPARQL text of a question."""
    if "template" in question:
        return TEMPLATES[question["template"]].bind(question["values"])
    opening = "".join(f"PREFIX {name}: <{iri}>\n" for name, iri in PREFIXES.items())
    return opening + str(question["query"])


def cell(term: ox.NamedNode | ox.BlankNode | ox.Literal | ox.Triple | None) -> str:
    """Write one value as the file does."""
    if term is None:
        return ""
    value = str(getattr(term, "value", term))
    return PREFIXES.compress(value) if isinstance(term, ox.NamedNode) else value


def ask(store: ox.Store, question: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the answer in the columns of the question, each row once, sorted."""
    found = store.query(query_of(question))
    assert isinstance(found, ox.QuerySolutions)
    return sorted({tuple(cell(one[name]) for name in question["columns"]) for one in found})


def test_there_are_questions_of_every_kind() -> None:
    """At least eighty questions, each kind among them, no id and no wording twice, no unknown key."""
    assert len(QUESTIONS) >= 80
    kinds = Counter(one["kind"] for one in QUESTIONS)
    assert set(kinds) == KINDS and min(kinds.values()) >= 5
    for key in ("id", "question"):
        assert [text for text, times in Counter(one[key] for one in QUESTIONS).items() if times > 1] == []
    for one in QUESTIONS:
        assert set(one) <= KEYS and ("template" in one) != ("query" in one)
        assert all(len(row) == len(one["columns"]) for row in one["answer"])


@pytest.mark.parametrize("question", QUESTIONS, ids=[one["id"] for one in QUESTIONS])
def test_question_gets_its_whole_answer(question: dict[str, Any], published: ox.Store) -> None:
    """The rows that the text gives, all of them and no other."""
    assert ask(published, question) == sorted(tuple(row) for row in question["answer"])
