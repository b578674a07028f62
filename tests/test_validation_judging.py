"""A contribution is judged: all that is wrong with it, each at its place, with what mends it."""

from __future__ import annotations

import datetime
import re
from dataclasses import replace
from pathlib import Path

import pytest

from kg.config import Settings
from kg.errors import Problem
from kg.parsing import Reading, read
from kg.publication import publish
from kg.validation import Published, Verdict, judge
from kg.validation.fixes import apply_edits

ROOT = Path(__file__).resolve().parents[1]
CASES = ROOT / "tests" / "cases" / "contributions"
ACCEPTED = sorted((CASES / "accepted").iterdir())
REFUSED = sorted((CASES / "refused").glob("*/*"))
TOLD = sorted((CASES / "told").glob("*/*"))
DOCUMENTS = {path.stem: path.read_text(encoding="utf-8") for path in (CASES / "documents").iterdir()}
TODAY = datetime.date(2026, 11, 22)
MARKER = re.compile(r"#(?:( *)\^|<) here\Z")


@pytest.fixture(scope="module")
def published() -> Published:
    """The project's own graph, without the documents that are not everywhere."""
    settings = Settings(root=ROOT, documents=Path("nowhere"))
    return Published.load(publish(settings, progress=lambda _: None), settings)


def verdict(reading: Reading, published: Published) -> Verdict:
    """Judge a reading on a fixed day, with the copies of the documents of the cases."""
    return judge(reading, published, documents=DOCUMENTS, today=TODAY)


def reading_of(path: Path, published: Published) -> Reading:
    """Read a case."""
    return read(path.read_bytes(), path=path, prefixes=published.prefixes)


def marked(path: Path) -> tuple[int, int]:
    """Return the line and column that a case marks."""
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n")):
        match = MARKER.match(line)
        if match:
            return number, 1 if match[1] is None else len(match[1]) + 2
    raise AssertionError(f"{path} marks no place")


def name_of(path: Path) -> str:
    """Name a case by its folder and file."""
    return f"{path.parent.name}-{path.stem}"


@pytest.mark.parametrize("path", ACCEPTED, ids=name_of)
def test_judge_accepts_what_is_fine(path: Path, published: Published) -> None:
    """A good contribution gives no problem of any level, and its quads."""
    found = verdict(reading_of(path, published), published)
    assert found.problems == ()
    assert found.is_accepted and found.quads


@pytest.mark.parametrize("path", REFUSED, ids=name_of)
def test_judge_refuses_at_the_place(path: Path, published: Published) -> None:
    """A contribution with one mistake gives that one problem, where it stands, and no consequence of it."""
    found = verdict(reading_of(path, published), published)
    errors = [one for one in found.problems if one.level == "error"]
    assert [(one.code, one.line, one.column) for one in errors] == [(path.parent.name, *marked(path))]
    assert not found.is_accepted
    assert errors[0].message and errors[0].path == path


@pytest.mark.parametrize("path", TOLD, ids=name_of)
def test_judge_tells_without_refusing(path: Path, published: Published) -> None:
    """What is only odd, repeated or contradicted is told at its place and not refused."""
    found = verdict(reading_of(path, published), published)
    assert [(one.code, one.line, one.column) for one in found.problems] == [(path.parent.name, *marked(path))]
    assert found.is_accepted


@pytest.mark.parametrize("path", REFUSED, ids=name_of)
def test_edits_mend_the_problem_that_has_them(path: Path, published: Published) -> None:
    """Each problem's edits, made alone, make it vanish, and nothing new comes."""
    reading = reading_of(path, published)
    before = verdict(reading, published).problems
    for one in before:
        if one.edits:
            text = apply_edits(reading.text, one.edits)
            again = read(text.encode("utf-8"), path=path, prefixes=published.prefixes)
            after = verdict(again, published).problems
            assert keys(after) == keys(other for other in before if other is not one)


def keys(problems: object) -> list[tuple[str | None, str]]:
    """Return what problems say, without their places."""
    assert hasattr(problems, "__iter__")
    return sorted((str(one.code), one.message) for one in problems if isinstance(one, Problem))


def test_cases_are_there() -> None:
    """No case is lost, and every folder has one."""
    assert (len(ACCEPTED), len(REFUSED), len(TOLD)) == (3, 0, 0)


_ = replace
