"""
A sample, as a new user makes it: from a PDF to published claims; and in Turtle, with five mistakes.

What the commands print stands in docs/contributing-data.md; `WRITE_DOCS=1` writes it anew.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import openpyxl
import pytest
from click.testing import CliRunner, Result

from kg.cli import main
from kg.errors import Edit
from kg.validation.fixes import apply_edits
from tests.pdf import write_pdf

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "tests" / "cases" / "contributions" / "sample"
PAGE = ROOT / "docs" / "contributing-data.md"
WRITE = "WRITE_DOCS" in os.environ
Run = Callable[..., Result]
_ASKED = """PREFIX lat: <https://w3id.org/lateral/ontology#>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
SELECT ?chair ?contributor ?document ?first ?last
WHERE {
  GRAPH ?claim { ?meeting lat:chairedBy ?who }
  ?meeting rdfs:label "Sandbar Conference"@en .
  ?who rdfs:label ?chair .
  ?claim lat:curatedBy/rdfs:label ?contributor ; lat:statedIn/rdfs:label ?document ; lat:evidence ?passage .
  ?passage lat:firstWords ?first ; lat:lastWords ?last .
}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Copy the project and lay the sample beside it; it is where the user works."""
    folder = tmp_path_factory.mktemp("sample")
    for name in ("ontology", "shapes", "data", "queries"):
        shutil.copytree(
            ROOT / name, folder / "lateral" / name, ignore=shutil.ignore_patterns("contributions")
        )
    lines = (SAMPLE / "report.txt").read_text(encoding="utf-8").splitlines()
    write_pdf(folder / "report.pdf", lines)
    shutil.copy(SAMPLE / "sheet.csv", folder)
    shutil.copy(SAMPLE / "five-mistakes.ttl", folder)
    (folder / "who-chaired.rq").write_text(_ASKED, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    """Return what calls `kg` as the user does, on the copy of the project."""

    def call(*arguments: str) -> Result:
        environment = {"KG_DOCUMENTS": "documents", "KG_ROOT": str(folder / "lateral")}
        return CliRunner(env=environment).invoke(main, arguments)

    return call


@pytest.fixture(scope="module")
def told(run: Run) -> list[tuple[str, str]]:
    """Go the way from the PDF to published claims; return what each command printed."""
    tokens = {
        role: run("token", "make", name, "--role", role).stdout.strip()
        for name, role in (("Anna Teller", "contributor"), ("Bo Reader", "reviewer"))
    }
    found: list[tuple[str, str]] = []

    def step(line: str, *, code: int = 0) -> str:
        words = [one.strip("'") for one in re.findall(r"'[^']*'|\S+", line)]
        done = run(*(tokens.get(one.removeprefix("$").lower(), one) for one in words[1:]))
        assert done.exit_code == code, done.output
        found.append((line, done.stdout))
        return done.stdout

    step("kg template conference")
    id = re.findall(
        "[0-9a-f]{12}", step("kg contribute sheet.csv --document report.pdf --token $CONTRIBUTOR")
    )[0]
    step(f"kg review {id}")
    step(f"kg review {id} --accept --token $REVIEWER")
    step("kg query who-chaired.rq")
    step("kg ask actors/who-chaired --param 'body=Sandbar Conference' --format csv")
    step("kg contribute sheet.csv --document report.pdf --token $CONTRIBUTOR")
    step("kg contribute five-mistakes.ttl --token $CONTRIBUTOR", code=1)
    return found


def shown(told: list[tuple[str, str]]) -> str:
    """Write the commands and what they printed, as the page has it; days are of no matter."""
    parts = []
    for line, text in told:
        lines = text.splitlines()
        if line.startswith("kg template"):
            lines = [one[:100] + " …" for one in lines]
        if "Answers that change:" in lines:
            lines = [*lines[: lines.index("Answers that change:") + 3], "  …"]
        parts.append(f"```text\n$ {line}\n" + "".join(f"{one}\n" for one in lines) + "```\n\n")
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    whole = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "2026-05-04T09:30:00Z", "".join(parts))
    return whole.replace(today, "2026-05-04")


def test_from_a_pdf_to_published_claims(told: list[tuple[str, str]]) -> None:
    """Nobody sees RDF; the graph answers with the chair, the contributor's name and the passage."""
    (answer,) = (text for line, text in told if line.startswith("kg query"))
    assert answer.splitlines()[-1].split("  ")[0] == "Malta"
    assert all(
        one in answer for one in ("Anna Teller", "The Sandbar Buoys", "In March 2026 Malta", "one table")
    )
    told_to_people = "".join(text for line, text in told if "ttl" not in line and "template" not in line)
    assert "lat:" not in told_to_people and "sh:" not in told_to_people


def test_five_mistakes_are_told_and_mended(told: list[tuple[str, str]], run: Run, folder: Path) -> None:
    """Each at its line and column; four edits are proved and made, one is made by hand; then it is taken."""
    text = (folder / "five-mistakes.ttl").read_text(encoding="utf-8")
    done = run("contribute", "five-mistakes.ttl", "--dry-run", "--json")
    problems = json.loads(done.stdout)
    assert [(one["code"], one["line"], one["column"]) for one in problems] == [
        ("unknown-term", 11, 23),
        ("unknown-entity", 11, 41),
        ("wrong-datatype", 12, 15),
        ("wrong-language", 13, 12),
        ("unknown-concept", 17, 23),
    ]
    edits = [Edit(**one) for problem in problems for one in problem.get("edits", ())]
    assert len(edits) == 4
    mended = apply_edits(text, edits).replace('"March 2026"', '"2026-03"')
    (folder / "mended.ttl").write_text(mended, encoding="utf-8")
    sent = run("contribute", "mended.ttl", "--as", "Anna Teller")
    assert sent.exit_code == 0 and "is in the queue" in sent.stdout, sent.output


def test_the_same_in_a_workbook(told: list[tuple[str, str]], run: Run, folder: Path) -> None:
    """A workbook that is filled and saved by another program is read: told is only that it is published."""
    run("template", "participation", "--xlsx", str(folder / "form.xlsx"))
    book = openpyxl.load_workbook(folder / "form.xlsx")
    sheet = book["participation"]
    at = {str(one.value).rstrip(" *"): number for number, one in enumerate(sheet[1], start=1)}
    row = {
        "participation": "Norway at the Sandbar Conference",
        "participation in": "Sandbar Conference",
        "participation of": "Norwai",
        "document": "The Sandbar Buoys",
        "first words": "Norway and Singapore",
        "last words": "harbour masters",
    }
    for name, value in row.items():
        sheet.cell(3, at[name], value)
    book.save(folder / "filled.xlsx")
    done = run("contribute", "filled.xlsx", "--as", "Anna Teller")
    assert done.exit_code == 1
    assert "filled.xlsx: row 3, column C (participation of): “Norwai” is not sure" in done.stdout
    assert "Norway [id:norway], state" in done.stdout
    sheet.cell(3, at["participation of"], "Norway")
    book.save(folder / "filled.xlsx")
    again = run("contribute", "filled.xlsx", "--as", "Anna Teller", "--json")
    assert again.exit_code == 0, again.output
    id = json.loads(again.stdout)["id"]
    assert run("contributions", id, "--original").stdout_bytes == (folder / "filled.xlsx").read_bytes()
    kept = folder / "lateral" / "data" / "contributions" / ".kept" / id / "says-1.nq"
    assert "oa#start> " in kept.read_text(encoding="utf-8"), (
        "the copy kept of the document proves the passage"
    )


def test_page_shows_what_the_commands_print(told: list[tuple[str, str]]) -> None:
    """docs/contributing-data.md holds the commands with their real output."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition("<!-- sample -->\n")
    found, _, after = rest.partition("<!-- /sample -->")
    expected = "\n" + shown(told)
    if WRITE:
        PAGE.write_text(f"{before}<!-- sample -->\n{expected}<!-- /sample -->{after}", encoding="utf-8")
        return
    assert found == expected, "stale: WRITE_DOCS=1 pytest tests/test_sample_contribution.py"
