"""
The documentation is held true: every verb, setting and question is in it, and every query in it runs.

What is generated is compared; `WRITE_DOCS=1 pytest tests/test_docs.py` writes it anew.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pyoxigraph as ox
import pytest
from click.testing import CliRunner

from kg.cli import main
from kg.config import describe
from kg.engine.clauses import Clauses
from kg.names import load_prefixes
from kg.templates import load_templates

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
WRITE = "WRITE_DOCS" in os.environ


def verbs(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """Yield every verb with its words, groups before what they hold."""
    yield path, command
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from verbs(command.commands[name], f"{path} {name}")


def reference() -> str:
    """Write the reference of the command line from the commands themselves."""
    parts = ["# The commands\n\nGenerated from `kg --help`; compared by a test.\n"]
    for path, command in verbs(main, "kg"):
        context = click.Context(command, info_name=path, terminal_width=100)
        parts.append(f"\n## {path}\n\n```text\n{command.get_help(context)}\n```\n")
    return "".join(parts)


def settings_table() -> str:
    """Write the table of settings from the settings themselves."""
    rows = "".join(f"| `{name}` | `{default}` | {text} |\n" for name, default, text in describe())
    return f"| variable | default | what |\n|---|---|---|\n{rows}"


def question_list() -> str:
    """Write the list of questions from their headers."""
    templates = load_templates(ROOT, load_prefixes(ROOT / "ontology" / "prefixes.ttl"))
    rows = "".join(f"| `{key}` | {one.question} |\n" for key, one in sorted(templates.items()))
    return f"| name | question |\n|---|---|\n{rows}"


def check_block(path: Path, mark: str, expected: str) -> None:
    """Compare what stands between two marks of a page with what was generated."""
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition(f"<!-- {mark} -->\n")
    found, _, after = rest.partition(f"<!-- /{mark} -->")
    if WRITE:
        path.write_text(f"{before}<!-- {mark} -->\n{expected}<!-- /{mark} -->{after}", encoding="utf-8")
        return
    assert found == expected, f"{path.name} is stale: WRITE_DOCS=1 pytest tests/test_docs.py"


def test_command_reference_is_current() -> None:
    """docs/commands.md is what the commands say of themselves."""
    path = ROOT / "docs" / "commands.md"
    if WRITE:
        path.write_text(reference(), encoding="utf-8")
    assert path.read_text(encoding="utf-8") == reference()


def test_settings_are_listed() -> None:
    """docs/running.md lists every setting with its default."""
    check_block(ROOT / "docs" / "running.md", "settings", settings_table())


def test_questions_are_listed() -> None:
    """docs/queries.md lists every question."""
    check_block(ROOT / "docs" / "queries.md", "questions", question_list())


def blocks(language: str) -> list[tuple[str, str]]:
    """Collect the fenced blocks of one language from every page."""
    fence = re.compile(rf"^( *)```{language}\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
    return [
        (page.name, text) for page in PAGES for _, text in fence.findall(page.read_text(encoding="utf-8"))
    ]


QUERIES = blocks("sparql")


@pytest.mark.parametrize(
    ("page", "query"), QUERIES, ids=[f"{page}-{n}" for n, (page, _) in enumerate(QUERIES)]
)
def test_query_of_the_documentation_answers(page: str, query: str, published: ox.Store) -> None:
    """Every query in the documentation runs on the real graph and gives rows."""
    found = published.query(query)
    assert isinstance(found, ox.QuerySolutions)
    assert list(found)


ANSWERED = re.compile(r"```sparql\n(?P<query>.*?)```\n\n```text\n(?P<answer>.*?)```", re.DOTALL)


def test_answers_of_the_findings_are_current(published: ox.Store) -> None:
    """Each query of docs/findings.md gives the answer that stands below it."""
    path = ROOT / "docs" / "findings.md"

    def answer(found: re.Match[str]) -> str:
        rows = published.query(found["query"])
        assert isinstance(rows, ox.QuerySolutions)
        csv = rows.serialize(format=ox.QueryResultsFormat.CSV)
        assert csv
        text = csv.decode().replace("\r\n", "\n")
        return f"```sparql\n{found['query']}```\n\n```text\n{text}```"

    text = path.read_text(encoding="utf-8")
    current = ANSWERED.sub(answer, text)
    if WRITE:
        path.write_text(current, encoding="utf-8")
    assert len(ANSWERED.findall(text)) == 5
    assert WRITE or text == current, "docs/findings.md is stale: WRITE_DOCS=1 pytest tests/test_docs.py"


COMMANDS = [
    line.strip().removeprefix(".venv/bin/")
    for _, text in blocks("sh")
    for line in text.splitlines()
    if line.strip().startswith(".venv/bin/kg ask")
]


@pytest.mark.parametrize("line", COMMANDS)
def test_command_of_the_documentation_works(line: str, published: ox.Store) -> None:
    """Every `kg ask` in the documentation gives rows on the real graph."""
    done = CliRunner().invoke(main, ["--root", str(ROOT), *shlex.split(line)[1:], "--format", "csv"])
    assert done.exit_code == 0, done.output
    assert len(done.stdout.splitlines()) > 1


def test_federated_query_of_the_documentation_joins(published: ox.Store) -> None:
    """The query of docs/federation.md parses, and the labels that it would send along are there."""
    (text,) = re.findall(r"```text\n(PREFIX.*?)```", (ROOT / "docs" / "federation.md").read_text(), re.DOTALL)
    clauses = Clauses(text)
    published.query(clauses.outline())
    (clause,) = clauses.found
    pattern, variables = clauses.narrowing(clause)
    assert clauses.bound_in(clause) & variables == {"label"}
    prologue = text.partition("SELECT")[0]
    assert len(list(published.query(f"{prologue} SELECT DISTINCT ?label {{ {pattern} }}"))) > 20  # type: ignore[arg-type]


def test_documentation_was_collected() -> None:
    """No page, query or command was passed over."""
    assert len(PAGES) >= 8
    assert len(QUERIES) >= 2
    assert COMMANDS


def test_links_lead_somewhere() -> None:
    """Every relative link of the documentation leads to a file."""
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
