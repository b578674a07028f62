"""A contribution to a verdict: all that is wrong with it, each at its place, causes before consequences."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import pyoxigraph as ox

from kg import names
from kg.errors import Problem
from kg.parsing import Reading
from kg.turtle import Statement
from kg.validation.arrangement import arrange
from kg.validation.candidate import Candidate, Placed
from kg.validation.codes import CODES
from kg.validation.conformity import Conformity
from kg.validation.consistency import Consistency
from kg.validation.fixes import Mend, prove
from kg.validation.likeness import Likeness
from kg.validation.oddity import Oddity
from kg.validation.proposals import Proposals
from kg.validation.published import Published
from kg.validation.receipts import Receipts
from kg.validation.vocabulary import Vocabulary

_TURNED = ("wrong-direction", "derived-property")
# A check that says no more than a problem of one of these codes about the same thing.
_SAID_BY = {
    "two-types": ("disjoint-classes",),
    "long-passage": ("wrong-passage", "reversed-values"),
    "repeated-situation": ("similar-record",),
    "reversed-dates": ("wrong-class", "wrong-datatype", "wrong-kind"),
    "cyclic-parts": ("self-relation",),
    "other-document": ("not-a-draft",),
}


@dataclass(frozen=True)
class Verdict:
    """
    What is said of a contribution.

    Args:
        problems: In the order of the text; at one place the cause before what follows from it.
        quads: What it says, in draft graphs; none if it does not parse.
    """

    problems: tuple[Problem, ...]
    quads: tuple[ox.Quad, ...]

    @property
    def is_accepted(self) -> bool:
        """Whether nothing refuses it."""
        return all(one.level != "error" for one in self.problems)


def judge(
    reading: Reading,
    published: Published,
    *,
    documents: Mapping[str, str] | None = None,
    today: datetime.date | None = None,
    mend: Mend | None = None,
) -> Verdict:
    """
    Return all that is wrong with a contribution, and what it says.

    Args:
        reading: What was sent, read.
        published: What it is held against.
        documents: Copies of documents that its passages are proved in: slug to text.
        today: The day on which it is judged, to tell what is still to come.
        mend: What applies edits to a reading, to prove them; that of texts where it is not given.
    """
    day = today or datetime.date.today()

    def examine(one: Reading) -> tuple[list[Problem], list[ox.Quad]]:
        return _examine(one, published, documents or {}, day)

    problems, quads = examine(reading)
    proved = prove(reading, problems, lambda one: examine(one)[0], prefixes=published.prefixes, mend=mend)
    return Verdict(_in_order(map(_with_fix, proved)), tuple(quads))


def _examine(
    reading: Reading, published: Published, documents: Mapping[str, str], today: datetime.date
) -> tuple[list[Problem], list[ox.Quad]]:
    """Look for problems stage by stage; a later stage leaves out what an earlier one told."""
    # what a context does not define is not read: of a contribution nothing may be lost silently
    problems = [
        replace(one, level="error") if one.code == "ignored-name" else one for one in reading.problems
    ]
    if any(one.level == "error" for one in reading.problems):
        return problems, []
    candidate = arrange(reading, published)
    proposals = Proposals(candidate)
    vocabulary = Vocabulary(candidate)
    vocabulary.run()
    problems += [proposals.for_problem(one) for one in candidate.problems]
    problems += vocabulary.problems
    placed = vocabulary.placed
    if not candidate.is_whole:
        return problems, candidate.quads()
    consistency = Consistency(candidate, placed, _told(problems, placed))
    problems += consistency.type_problems()
    muted = vocabulary.muted | {(one, "") for one in consistency.settled if one}
    conformity = Conformity(candidate, placed, muted)
    found = [
        (proposals.for_result(problem, result, statement), statement)
        for problem, result, statement in conformity.problems()
    ]
    problems += _without_turned(found, candidate)
    problems += conformity.class_problems()
    consistency.settled |= {*conformity.misclassed, *(one.subject for one in problems if one.code in _TURNED)}
    consistency.told = _told(problems, placed)
    problems += consistency.problems()
    problems += Receipts(candidate, placed, _told(problems, placed), documents).problems()
    rows = (one for one in conformity.check_rows() if not _only_follows(one, candidate, problems))
    problems += [proposals.for_problem(one) for one in _news(rows, problems)]
    problems += Likeness(candidate, placed, _told(problems, placed)).problems()
    problems += Oddity(candidate, placed, _told(problems, placed), today).problems()
    return list(dict.fromkeys(problems)), candidate.quads()


def _without_turned(
    found: Iterable[tuple[Problem, Statement | None]], candidate: Candidate
) -> Iterator[Problem]:
    """Leave out what only follows from a statement that stands the wrong way round."""
    pairs = list(found)
    turned = {
        (one.subject.value, one.object.value)
        for problem, one in pairs
        if problem.code in _TURNED and one is not None
    }
    values = {value for _, value in turned}
    for problem, one in pairs:
        if problem.code == "missing-value" and problem.subject in values:
            continue
        if problem.code == "misplaced-property" and one is not None:
            others = [value for subject, value in turned if subject == one.subject.value]
            lexicon = candidate.published.lexicon
            if any(lexicon.allows(candidate.kinds(value), one.predicate.value) for value in others):
                continue
        yield problem


def _told(problems: Iterable[Problem], placed: Iterable[Placed]) -> set[Statement]:
    """Return the statements on which a problem stands."""
    places = {(one.cell or "", one.line, one.column) for one in problems if one.column is not None}
    found = set()
    for one in placed:
        spans = one.statement.places[1:] if one.statement.places else ()
        if any((span.cell, span.line, span.column) in places for span in spans[1:]):
            found.add(one.statement)
    return found


def _only_follows(row: Problem, candidate: Candidate, problems: Iterable[Problem]) -> bool:
    """Tell whether a check finds something unused only because what uses it is wrong, and told of."""
    if row.code not in ("unmentioned-entity", "unused-passage"):
        return False
    uses = [one.statement for one in candidate.placed if one.graph.startswith(names.CLAIM)]
    if row.code == "unused-passage":
        uses = [one.statement for one in candidate.placed if one.graph == names.CLAIMS_GRAPH]
    placed = {id(one.statement) for one in candidate.placed}
    uses += [one for one in candidate.reading.statements if id(one) not in placed]
    is_named = any(row.subject in (one.object.value, one.subject.value) for one in uses)
    lacks_evidence = any(one.code == "missing-value" and "lat:evidence" in one.message for one in problems)
    return is_named or (row.code == "unused-passage" and lacks_evidence)


def _news(rows: Iterable[Problem], problems: Iterable[Problem]) -> Iterator[Problem]:
    """Yield the rows of checks that say more than what was told of the same thing."""
    found = list(rows)
    told = {(one.code, one.subject) for one in problems}
    told_here = {(one.code, one.subject) for one in found}
    for one in found:
        said = {(code, one.subject) for code in _SAID_BY.get(one.code or "", ())}
        if not said & (told | told_here) and (one.code, one.subject) not in told:
            told.add((one.code, one.subject))
            if one.code == "cyclic-parts":  # each thing on the way round has its row
                told |= {(one.code, other.subject) for other in found}
            yield one


def _with_fix(problem: Problem) -> Problem:
    """Return a problem with what mends its kind, where nothing better is known."""
    known = CODES.get(problem.code or "")
    return replace(problem, fix=known.mending) if known and known.mending and not problem.fix else problem


def _in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Order problems by place; those of one place stay in the order of the stages that found them."""
    return tuple(sorted(problems, key=lambda one: (one.line or 0, one.column or 0)))
