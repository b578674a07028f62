"""What is asked of a person: a name that may mean several things, or comes near to some."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rapidfuzz import process

from kg import names
from kg.errors import Edit, Problem
from kg.tables.blocks import join
from kg.tables.columns import labels_of
from kg.tables.naming import Answer, Naming
from kg.tables.sheets import Cell

_MOST_LISTED = 8


@dataclass(frozen=True)
class Candidate:
    """
    One thing that a name may mean.

    Args:
        iri: The thing.
        label: Its label.
        kind: Its class, in words.
        score: How near the name comes, from 0 to 100.
        edit: What makes the cell mean it.
    """

    iri: str
    label: str
    kind: str
    score: float
    edit: Edit


@dataclass(frozen=True)
class Question:
    """A cell whose name may mean several things, for a person to answer; nothing guesses."""

    cell: str
    text: str
    header: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True)
class Asked:
    """One of the values of a cell, in a column with a header."""

    cell: Cell
    pieces: tuple[str, ...]
    at: int
    header: str

    @property
    def text(self) -> str:
        """The value."""
        return self.pieces[self.at]

    def written(self, text: str) -> str:
        """Return the whole cell with another text for the value."""
        return join([*self.pieces[: self.at], text, *self.pieces[self.at + 1 :]])


def ask(
    naming: Naming, path: Path, asked: Asked, answer: Answer, classes: Iterable[str]
) -> tuple[Problem, Question | None]:
    """
    Make a problem of a name that means nothing sure, and a question where it may mean something.

    The problem has no edits: nothing may answer for the contributor.
    """
    text, label = asked.text, naming.published.lexicon.label
    candidates = []
    for one in answer.near:
        written = asked.written(naming.write(one.iri))
        kind = naming.kind(one.iri)
        shown = label(kind) or naming.published.prefixes.compress(kind)
        candidates.append(
            Candidate(one.iri, naming.label(one.iri), shown, one.score, asked.cell.edit(written))
        )
    listed = "; ".join(f"{naming.write(one.iri)}, {one.kind}, {one.score:.0f} %" for one in candidates)
    wanted = " or ".join(label(one) or one for one in classes) or "the name of something"
    is_known = answer.code in ("wrong-kind", "other-name")
    if answer.code == "wrong-kind":
        kind = label(naming.kind(answer.iri)) or ""
        message = f"“{text}” is {_article(kind)}: expected {_article(wanted)}."
    elif answer.code == "other-name":
        message = f"“{text}”: the name in brackets is not that of the thing before it."
    elif answer.code == "doubtful-name":
        message = f"“{text}” is not sure to mean one thing."
    else:
        message = f"“{text}” is not the name of {_article(wanted)} that is known."
    fix = _mending(naming, text, tuple(classes), bool(candidates))
    problem = asked.cell.problem(
        path,
        answer.code if candidates or is_known else "unknown-name",
        message + (f" It may be: {listed}." if listed else ""),
        fix=fix,
        found=text,
        expected=wanted,
    )
    question = Question(asked.cell.address, text, asked.header, tuple(candidates)) if candidates else None
    return problem, question


def _mending(naming: Naming, text: str, classes: tuple[str, ...], has_candidates: bool) -> str:
    """Say what to do: choose, or correct, or add; concepts are not for a contribution to add."""
    if has_candidates:
        return "write one of these names as it stands here, brackets and all."
    lexicon = naming.published.lexicon
    concepts = lexicon.below(names.SKOS + "Concept")
    if not classes or not all(one in concepts for one in classes):
        return "correct it, or add it with the form “entity” (kg template entity)."
    known = [label for one in classes for label in labels_of(naming.published, one)]
    ranked = process.extract(text, known, limit=_MOST_LISTED)
    listed = ", ".join(f"“{label}”" for label, _, _ in ranked)
    more = len(known) - len(ranked)
    rest = (
        f" or one of {more} more: kg template --xlsx FILE has them as a list to choose from" if more else ""
    )
    return f"write {listed}{rest}."


def _article(words: str) -> str:
    """
    Put an article before words.

    >>> _article("actor"), _article("unit"), _article("the name of something")
    ('an actor', 'a unit', 'the name of something')
    """
    if words.startswith("the "):
        return words
    is_open = words[:1].lower() in "aeiou" and not words.startswith("uni")
    return f"an {words}" if is_open else f"a {words}"
