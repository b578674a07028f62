"""
Source: what a client asks, be it a service or a folder, and what it tells of its questions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from kg.client.rows import Rows


@dataclass(frozen=True, slots=True)
class QuestionParameter:
    """One parameter of a question; `values` are all it takes, where it takes only some."""

    name: str
    type: str
    description: str
    required: bool
    values: tuple[str, ...] = ()
    example: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """
    A question that is kept.

    Args:
        key: `topic/name`.
        title: A short name.
        question: The question as a sentence.
        description: What one row is.
        tags: Words to find it by.
        parameters: What may be given.
        columns: The columns of the answer.
    """

    key: str
    title: str
    question: str
    description: str
    tags: tuple[str, ...]
    parameters: tuple[QuestionParameter, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to SPARQL: a result, decoded from JSON, or triples in Turtle."""

    version: str
    result: Mapping[str, Any] | None = None
    triples: bytes = b""


@dataclass(frozen=True, slots=True)
class Found:
    """Something found by name: its IRI (the key of a question), label, type, and a score from 0 to 100."""

    name: str
    label: str
    type: str
    score: float


class Source(Protocol):
    """What answers."""

    def query(self, text: str) -> Answer:
        """Answer SPARQL."""
        ...

    def ask(self, question: Question, values: Mapping[str, str]) -> Rows:
        """Answer a question."""
        ...

    def questions(self) -> tuple[Question, ...]:
        """List the questions."""
        ...

    def search(self, text: str) -> list[Found]:
        """Find things, concepts and questions by name, group after group."""
        ...


def question_path(question: Question, values: Mapping[str, str]) -> str:
    """
    Write where a service is asked a question with some values.

    >>> question = Question("actors/who-chaired", "", "", "", (), (), ())
    >>> question_path(question, {"actor": "Saint Lucia"})
    '/queries/actors/who-chaired?actor=Saint+Lucia'
    """
    return f"/queries/{quote(question.key)}" + (f"?{urlencode(values)}" if values else "")
