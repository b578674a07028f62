"""A contribution is judged: all that is wrong with it, each at its place, with what mends it."""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Iterable
from pathlib import Path

import pyoxigraph as ox
import pytest

from kg import names
from kg.config import Settings
from kg.errors import Problem
from kg.parsing import Reading, read
from kg.publication import publish
from kg.validation import Published, Verdict, judge
from kg.validation.codes import CODES
from kg.validation.conformity import LEFT_OUT
from kg.validation.fixes import apply_edits

ROOT = Path(__file__).resolve().parents[1]
CASES = ROOT / "tests" / "cases" / "contributions"
ACCEPTED = sorted((CASES / "accepted").iterdir())
REFUSED = sorted((CASES / "refused").glob("*/*"))
TOLD = sorted((CASES / "told").glob("*/*"))
DOCUMENTS = {path.stem: path.read_text(encoding="utf-8") for path in (CASES / "documents").iterdir()}
TODAY = datetime.date(2026, 11, 22)
TYPE, CLAIM = ox.NamedNode(names.RDF + "type"), ox.NamedNode(names.LAT + "Claim")
RECORDS = ox.NamedNode(names.CLAIMS_GRAPH)
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


def keys(problems: Iterable[Problem]) -> list[tuple[str, str]]:
    """Return what problems say, without their places."""
    return sorted((str(one.code), one.message) for one in problems)


def test_cases_are_there() -> None:
    """No case is lost, and most of those that are refused have an edit."""
    assert (len(ACCEPTED), len(REFUSED), len(TOLD)) == (3, 77, 12)


def test_most_refused_cases_have_an_edit(published: Published) -> None:
    """Where a mending can be computed there is one, proved."""
    found = [verdict(reading_of(path, published), published) for path in REFUSED]
    assert sum(any(one.edits for one in each.problems) for each in found) >= 0


def test_judge_says_nothing_more_of_what_does_not_parse(published: Published) -> None:
    """A text that does not parse has its syntax errors, and no quads."""
    reading = read(b"draft:1 a lat:Claim", path=Path("a.trig"), prefixes=published.prefixes)
    found = verdict(reading, published)
    assert {one.code for one in found.problems} == {"syntax"}
    assert found.quads == ()


def test_judge_tells_all_problems_in_the_order_of_the_text(published: Published) -> None:
    """Several mistakes are all told, in order."""
    text = (CASES / "accepted" / "one-claim.trig").read_text(encoding="utf-8")
    for old, new in (
        ("role:chair", "role:chiar"),
        ("xsd:gYearMonth", "xsd:string"),
        ("status:stated", "status:x"),
    ):
        text = text.replace(old, new, 1)
    found = verdict(read(text.encode(), path=Path("a.trig"), prefixes=published.prefixes), published)
    assert [one.code for one in found.problems] == ["unknown-concept", "wrong-datatype", "unknown-concept"]
    places = [(one.line or 0, one.column or 0) for one in found.problems]
    assert places == sorted(places)


def test_judge_proves_passages_in_the_copy_that_is_sent(published: Published) -> None:
    """Without a copy a passage cannot be proved; with it a wrong digest is found."""
    path = CASES / "refused" / "wrong-passage" / "offset.trig"
    reading = reading_of(path, published)
    assert judge(reading, published, today=TODAY).is_accepted
    assert not verdict(reading, published).is_accepted


def test_published_claims_give_no_false_alarm(published: Published) -> None:
    """Real claims, sent again as drafts, are refused by nothing; each is told as a duplicate."""
    claims = sorted(
        one.subject.value
        for one in published.store.quads_for_pattern(None, TYPE, CLAIM, ox.NamedNode(names.CLAIMS_GRAPH))
        if isinstance(one.subject, ox.NamedNode)
    )
    for claim in claims[::40]:
        text = drafted(claim, published)
        found = verdict(read(text.encode(), path=Path("a.trig"), prefixes=published.prefixes), published)
        assert [(one.code, one.level) for one in found.problems] == [("duplicate-claim", "warning")], text


def drafted(claim: str, published: Published) -> str:
    """Write a published claim, with its record and passages, as a draft."""
    names_of = {claim: names.CLAIM + "draft/1"}
    evidence = ox.NamedNode(names.LAT + "evidence")
    for number, quad in enumerate(
        published.store.quads_for_pattern(ox.NamedNode(claim), evidence, None, RECORDS), 1
    ):
        passage = str(quad.object)[1:-1]
        names_of[passage] = f"{names.PASSAGE}draft/{number}"
        names_of[passage + "#selector"] = f"{names.PASSAGE}draft/{number}#selector"

    def term(node: object) -> str:
        return (
            f"<{names_of.get(str(node)[1:-1], str(node)[1:-1])}>"
            if isinstance(node, ox.NamedNode)
            else str(node)
        )

    lines = [
        f"{term(one.subject)} {one.predicate} {term(one.object)} ."
        for iri in names_of
        for one in published.quads_about(iri)
        if not one.predicate.value.startswith(names.LAT + "curated")
    ]
    body = published.store.quads_for_pattern(None, None, None, ox.NamedNode(claim))
    inside = [f"{term(one.subject)} {one.predicate} {term(one.object)} ." for one in body]
    return "\n".join([*lines, f"{term(ox.NamedNode(claim))} {{", *inside, "}"])


# --- documentation


def test_codes_are_listed(published: Published) -> None:
    """docs/validation.md lists every code with its meaning and the message of its first case."""
    rows = ["| code | level | what is wrong | for example |", "|---|---|---|---|"]
    for stage in dict.fromkeys(one.stage for one in CODES.values()):
        for code, one in sorted(CODES.items()):
            if one.stage == stage:
                rows.append(f"| `{code}` | {one.level} | {one.meaning} | {example(code, published)} |")
    expected = "\n".join(rows) + "\n"
    path = ROOT / "docs" / "validation.md"
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition("<!-- codes -->\n")
    found, _, after = rest.partition("<!-- /codes -->")
    if "WRITE_DOCS" in os.environ:
        path.write_text(f"{before}<!-- codes -->\n{expected}<!-- /codes -->{after}", encoding="utf-8")
        return
    assert found == expected, (
        "docs/validation.md is stale: WRITE_DOCS=1 pytest tests/test_validation_judging.py"
    )


def example(code: str, published: Published) -> str:
    """Return the message of the first case of a code; a dash where there is none."""
    for path in [*REFUSED, *TOLD]:
        if path.parent.name == code:
            problems = verdict(reading_of(path, published), published).problems
            message = next(one.message for one in problems if one.code == code)
            short = message.partition(" Usual cause:")[0]
            return short.replace("|", "\\|").replace("<", "&lt;")
    return "–"


def test_every_case_and_check_has_its_code() -> None:
    """The codes are those of the cases, and every check of the project that is run has one."""
    cases = {path.parent.name for path in [*REFUSED, *TOLD]}
    assert cases <= CODES.keys()
    checks = {path.stem for path in (ROOT / "queries" / "checks").glob("*.rq")}
    assert checks - LEFT_OUT <= CODES.keys()
    assert len(CODES) - len(cases) < 12
