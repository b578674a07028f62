"""A contribution is judged: all that is wrong with it, each at its place, with what mends it."""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pyoxigraph as ox
import pytest

from kg import names
from kg.config import Settings
from kg.errors import Edit, Problem, UsageError
from kg.names import Prefixes
from kg.parsing import Reading, read
from kg.publication import publish
from kg.turtle import Term
from kg.validation import Published, Verdict, judge
from kg.validation.arrangement import arrange
from kg.validation.candidate import to_ox
from kg.validation.codes import CODES
from kg.validation.conformity import LEFT_OUT, Conformity
from kg.validation.fixes import apply_edits, prove
from kg.validation.spelling import guess_thing

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
    """No case is lost."""
    assert (len(ACCEPTED), len(REFUSED), len(TOLD)) == (3, 77, 12)


def test_many_refused_cases_have_an_edit(published: Published) -> None:
    """Where a mending can be computed there is one, proved."""
    found = [verdict(reading_of(path, published), published) for path in REFUSED]
    assert sum(any(one.edits for one in each.problems) for each in found) >= 32


def test_judge_says_nothing_more_of_what_does_not_parse(published: Published) -> None:
    """A text that does not parse has its syntax errors, and no quads."""
    reading = read(b"draft:1 a lat:Claim", path=Path("a.trig"), prefixes=published.prefixes)
    found = verdict(reading, published)
    assert {one.code for one in found.problems} == {"undeclared-prefix", "unexpected-end"}
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


def test_judge_costs_the_same_whatever_is_published(published: Published) -> None:
    """What is looked at is what the contribution touches: the store is asked by node, never as a whole."""
    path = CASES / "accepted" / "one-claim.trig"
    conformity = Conformity(arrange(reading_of(path, published), published), [], set())
    assert conformity.around == []
    candidate = arrange(reading_of(path, published), published)
    around = Conformity(candidate, candidate.placed, set()).around
    assert 0 < len(around) < 100


def test_judge_never_proposes_what_it_did_not_prove(published: Published) -> None:
    """Where an edit makes another problem, the words stay and the edit goes."""
    text = (CASES / "accepted" / "mediation.ttl").read_text(encoding="utf-8")
    text = text.replace("lat:hasMediator id:norway", "lat:hasMediater id:geneva", 1)
    reading = read(text.encode(), path=Path("a.ttl"), prefixes=published.prefixes)
    found = verdict(reading, published).problems
    assert [one.code for one in found] == ["unknown-term", "wrong-class"]
    assert found[0].edits  # the other problem was there before: only it stays


def test_prove_drops_edits_that_mend_nothing() -> None:
    """An edit after which the problem is still there is not kept; its words are."""
    reading = Reading((), {}, (), "a b", Path("a.ttl"))
    problem = Problem("b is wrong", fix="write c", edits=(Edit(1, 3, 1, 4, "c"),))
    kept = prove(
        reading, [problem], lambda one: [problem], prefixes=Prefixes({}), mend=lambda one, edits: one
    )
    assert kept == [replace(problem, edits=())]
    assert kept[0].fix == "write c"


def test_prove_tries_each_alone_when_all_together_do_not_do() -> None:
    """One bad edit does not take the good ones with it."""
    good = Problem("b is wrong", edits=(Edit(1, 1, 1, 2, "x"),))
    bad = Problem("c is wrong", edits=(Edit(1, 3, 1, 4, "y"),))

    def examine(reading: Reading) -> list[Problem]:
        return [bad] if reading.text.startswith("x") else [good, bad]

    def mend(reading: Reading, edits: Sequence[Edit]) -> Reading:
        return replace(reading, text=apply_edits(reading.text, edits))

    reading = Reading((), {}, (), "a b", Path("a.ttl"))
    kept = prove(reading, [good, bad], examine, prefixes=Prefixes({}), mend=mend)
    assert [bool(one.edits) for one in kept] == [True, False]


def test_prove_leaves_cells_to_who_knows_tables() -> None:
    """Edits of cells cannot be tried on a text: without a way to mend tables they are dropped."""
    reading = Reading((), {}, (), "", Path("a.csv"))
    problem = Problem("wrong", edits=(Edit(2, 3, 2, 3, "x", "A!C2"),))
    (kept,) = prove(reading, [problem], lambda one: [], prefixes=Prefixes({}))
    assert kept.edits == ()


def test_apply_edits_refuses_overlaps_and_places_outside() -> None:
    """Edits that cannot both be made, or stand nowhere, are an error."""
    with pytest.raises(UsageError, match="overlap"):
        apply_edits("abcd", [Edit(1, 1, 1, 3, "x"), Edit(1, 2, 1, 4, "y")])
    with pytest.raises(UsageError, match="not in the text"):
        apply_edits("abcd", [Edit(3, 1, 3, 2, "x")])
    assert apply_edits("añ\nb", [Edit(1, 2, 1, 3, "n"), Edit(2, 1, 2, 1, ">")]) == "an\n>b"


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("id/mlata", "id/malta"),
        ("id/republic-of-singapore", "id/singapore"),
        ("id/un-security-counsil", "id/un-security-council"),
        ("id/zzzzzz", None),
    ],
)
def test_guess_thing_finds_by_spelling_and_by_label(
    slip: str, meant: str | None, published: Published
) -> None:
    """A slip of the pen is found by its letters, another name by the aliases."""
    found = guess_thing(names.BASE + slip, published).meant
    assert found == (meant and names.BASE + meant)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("lat:statedIn document:harbour-notes-2025", "lat:statedIn 440"),
        ("oa:hasSource document:harbour-notes-2025", 'oa:hasSource "NaN"^^xsd:decimal'),
        ("lat:lastWords", "lat:wordCount id:malta ;\n  lat:lastWords"),
        ("id:malta ;\n    lat:tenureIn", "_:malta ;\n    lat:tenureIn"),
    ],
)
def test_judge_takes_any_term_anywhere(old: str, new: str, published: Published) -> None:
    """A literal or a blank node where an IRI belongs is a problem, not a failure."""
    text = (CASES / "accepted" / "one-claim.trig").read_text(encoding="utf-8")
    assert old in text
    reading = read(text.replace(old, new, 1).encode(), path=Path("a.trig"), prefixes=published.prefixes)
    assert not verdict(reading, published).is_accepted


def test_blank_nodes_of_several_labels_stay_several() -> None:
    """What was written, what stands in brackets and what differs in a mark alone are different nodes."""
    labels = ["_:1", "_:[1]", "_:a-b", "_:a.b", "_:ab", "_:a_2e_b"]
    assert len({str(to_ox(Term("blank", one))) for one in labels}) == len(labels)


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
    judged = {code for code, one in CODES.items() if one.stage != "reading"}
    assert len(judged - cases) < 12
