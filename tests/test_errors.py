"""Tests of `kg.errors`: one tree, each class with its HTTP status and exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kg import errors
from kg.errors import DataError, KGError, NotFoundError, Problem, from_problem


def below(kind: type[KGError]) -> Iterator[type[KGError]]:
    """Yield every class below one."""
    for one in kind.__subclasses__():
        yield one
        yield from below(one)


ALL = sorted(
    (one for one in below(KGError) if one.__module__ == errors.__name__), key=lambda one: one.__name__
)


@pytest.mark.parametrize("kind", ALL, ids=lambda one: one.__name__)
def test_every_error_is_drawn_in_the_tree_as_it_is(kind: type[KGError]) -> None:
    """The docstring's tree holds the class with its exit code and status."""
    (line,) = (one for one in str(errors.__doc__).splitlines() if f" {kind.__name__} " in one)
    assert line.split()[-3:] == ["exit", str(kind.outcome.exit_code), str(kind.outcome.status)]
    assert kind.title and kind.title != KGError.title


def test_problem_documents_hold_the_fields() -> None:
    """RFC 9457 members and our own, ready for JSON."""
    found = NotFoundError("nothing is named x", name="x", near=["y"]).as_problem()
    assert found == {
        "type": "about:blank",
        "title": "Not found",
        "status": 404,
        "detail": "nothing is named x",
        "name": "x",
        "near": ["y"],
    }


def test_data_error_tells_every_problem() -> None:
    """The message has a line for each; the document has their fields, empty ones left out."""
    error = DataError([Problem("bad", Path("a.ttl"), 3), Problem("worse", fix="mend it")])
    assert str(error) == "a.ttl:3: bad\nworse. Fix: mend it"
    assert json.loads(json.dumps(error.as_problem()))["problems"] == [
        {"message": "bad", "path": "a.ttl", "line": 3},
        {"message": "worse", "fix": "mend it"},
    ]


@pytest.mark.parametrize("kind", ALL, ids=lambda one: one.__name__)
def test_problem_document_becomes_its_error_again(kind: type[KGError]) -> None:
    """Class, message and fields come back from JSON; where it happened is no field."""
    error = (
        DataError([Problem("bad", Path("a.ttl"), 3, fix="mend it")])
        if kind is DataError
        else kind("what is wrong", name="x", near=["y"])
    )
    told = json.loads(json.dumps({**error.as_problem(), "instance": "/sparql"}))
    again = from_problem(told)
    assert type(again) is kind
    assert again.as_problem() == json.loads(json.dumps(error.as_problem()))


def test_problem_of_another_kind_is_an_error_of_ours() -> None:
    """An unknown title keeps its detail; hardly anything is enough."""
    assert (
        type(from_problem({"title": "Teapot", "detail": "short"})),
        str(from_problem({"detail": "short"})),
    ) == (
        KGError,
        "short",
    )
    assert str(from_problem({})) == KGError.title
