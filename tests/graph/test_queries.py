"""
Every question and every check runs on the graph as it is published, and each question has its case.

A case, `tests/cases/queries/<topic>/<name>.yaml`, is one or more YAML documents with these keys and no
others: `values` (by parameter; left out: the file as it stands), `columns`, `rows` (how many,
exactly), `appear` (rows that must be among them: by column a prefixed name or a lexical form).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyoxigraph as ox
import pytest
import yaml

from kg.names import Prefixes, load_prefixes
from kg.templates import Template, load_templates, projection

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "cases" / "queries"
PREFIXES: Prefixes = load_prefixes(ROOT / "ontology" / "prefixes.ttl")
TEMPLATES: Mapping[str, Template] = load_templates(ROOT, PREFIXES)
CHECKS = sorted((ROOT / "queries" / "checks").glob("*.rq"))
KEYS = {"values", "columns", "rows", "appear"}


def cases() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every case with the key of its template."""
    for path in sorted(CASES.rglob("*.yaml")):
        key = path.relative_to(CASES).with_suffix("").as_posix()
        for case in yaml.load_all(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader):  # all texts
            yield key, case


ALL_CASES = list(cases())


def run(store: ox.Store, query: str) -> tuple[list[str], list[dict[str, str]]]:
    """Run a SELECT; return columns and rows, IRIs as prefixed names, literals by lexical form."""
    found = store.query(query)
    assert isinstance(found, ox.QuerySolutions)
    columns = [one.value for one in found.variables]
    rows = []
    for solution in found:
        row = {}
        for column in columns:
            term = solution[column]
            if term is not None:
                value = str(getattr(term, "value", term))
                row[column] = PREFIXES.compress(value) if isinstance(term, ox.NamedNode) else value
        rows.append(row)
    return columns, rows


def test_questions_and_cases_mirror_each_other() -> None:
    """No question without a case, no case without a question, no file passed over."""
    files = list((ROOT / "queries").rglob("*.rq"))
    assert len(TEMPLATES) + len(CHECKS) + len(list((ROOT / "queries" / "rules").glob("*.rq"))) == len(files)
    assert len(files) > 0
    assert {key for key, _ in ALL_CASES} == set(TEMPLATES)


@pytest.mark.parametrize(("key", "case"), ALL_CASES, ids=[key for key, _ in ALL_CASES])
def test_question_gives_what_its_case_says(key: str, case: dict[str, Any], published: ox.Store) -> None:
    """Columns, number of rows, and the rows that must be there."""
    assert set(case) <= KEYS
    template = TEMPLATES[key]
    query = template.bind(case["values"]) if "values" in case else template.text
    columns, rows = run(published, query)
    assert columns == case["columns"] == list(template.columns)
    assert len(rows) == int(case["rows"])
    for wanted in case.get("appear", []):
        assert any(wanted.items() <= row.items() for row in rows), f"{wanted} is not among {rows[:20]}"
    assert len({tuple(sorted(row.items())) for row in rows}) == len(rows), "a row stands twice"


@pytest.mark.parametrize("key", TEMPLATES)
def test_question_obeys_the_conventions(key: str) -> None:
    """Ordered, without federation, its title and sentence in shape."""
    template = TEMPLATES[key]
    query = "\n".join(line for line in template.text.splitlines() if not line.startswith("#+"))
    assert "ORDER BY" in query
    assert "SERVICE" not in query
    assert template.question.endswith("?")
    assert template.description.endswith(".")


@pytest.mark.parametrize("key", TEMPLATES)
def test_question_answers_with_its_examples(key: str, published: ox.Store) -> None:
    """What the page shows first is not empty."""
    template = TEMPLATES[key]
    needed = {one.name: one.example or "" for one in template.parameters.values() if one.required}
    assert run(published, template.bind(needed))[1]


@pytest.mark.parametrize("path", CHECKS, ids=[path.stem for path in CHECKS])
def test_check_finds_nothing(path: Path, published: ox.Store) -> None:
    """No culprit; and the check selects the message last."""
    text = path.read_text(encoding="utf-8")
    columns = projection(text)
    assert columns
    assert columns[-1] == "message"
    assert run(published, text)[1] == []
