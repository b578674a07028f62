"""A contribution to a verdict: all that is wrong with it, each at its place, causes before consequences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import pyoxigraph as ox

from kg.errors import Problem
from kg.parsing import Reading
from kg.validation.candidate import arrange
from kg.validation.conformity import Conformity
from kg.validation.published import Published
from kg.validation.vocabulary import Vocabulary


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


def judge(reading: Reading, published: Published, *, documents: Mapping[str, str] | None = None) -> Verdict:
    """
    Return all that is wrong with a contribution, and what it says.

    Args:
        reading: What was sent, read.
        published: What it is held against.
        documents: Copies of documents that its passages are proved in: slug to text.
    """
    problems, quads = _examine(reading, published, documents or {})
    return Verdict(_in_order(problems), tuple(quads))


def _examine(
    reading: Reading, published: Published, documents: Mapping[str, str]
) -> tuple[list[Problem], list[ox.Quad]]:
    problems = list(reading.problems)
    if any(one.level == "error" for one in problems):
        return problems, []
    candidate = arrange(reading, published)
    problems += candidate.problems
    vocabulary = Vocabulary(candidate)
    vocabulary.run()
    problems += vocabulary.problems
    conformity = Conformity(candidate, vocabulary.placed, vocabulary.muted)
    problems += [problem for problem, _, _ in conformity.problems()]
    problems += conformity.check_rows()
    return problems, candidate.quads()


def _in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Order problems by place; those of one place stay in the order of the stages that found them."""
    unique = list(dict.fromkeys(replace(one) for one in problems))
    return tuple(sorted(unique, key=lambda one: (one.line or 0, one.column or 0)))
