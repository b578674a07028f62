"""What was found in some texts, before it has a form."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import rdflib

from kg.errors import Problem
from kg.turtle import Statement

LEVELS = ("error", "warning", "note")


@dataclass(frozen=True)
class Report:
    """
    What was found in some texts.

    Args:
        problems: In the order of the texts, causes before consequences.
        texts: The texts by path, to show lines of.
        statements: What the texts say by path, to tell which property and value a problem is about.
        graph: A report that a SHACL engine wrote, with its results; without one it is written from problems.
        about: What else to say of the validation: profile, version.
        focus: What a problem is about that is about nothing in a text: the IRI of what was sent, by path.
        places: What says in words where a problem of a spreadsheet stands, by path.
    """

    problems: tuple[Problem, ...]
    texts: Mapping[Path, str] = field(default_factory=dict)
    statements: Mapping[Path, tuple[Statement, ...]] = field(default_factory=dict)
    graph: rdflib.Graph | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    focus: Mapping[Path, str] = field(default_factory=dict)
    places: Mapping[Path, Callable[[Problem], str]] = field(default_factory=dict)

    @classmethod
    def join(cls, reports: Iterable[Report], **about: Any) -> Report:
        """Return one report of several texts, in their order."""
        found = list(reports)
        return cls(
            tuple(one for each in found for one in each.problems),
            {path: text for each in found for path, text in each.texts.items()},
            {path: statements for each in found for path, statements in each.statements.items()},
            None,
            about,
            {path: iri for each in found for path, iri in each.focus.items()},
            {path: tell for each in found for path, tell in each.places.items()},
        )

    @property
    def counts(self) -> dict[str, int]:
        """How many problems there are of each level."""
        counted = Counter(one.level for one in self.problems)
        return {level: counted[level] for level in LEVELS}

    @property
    def conforms(self) -> bool:
        """Whether nothing is refused."""
        return self.counts["error"] == 0

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "conforms": self.conforms,
            **self.about,
            "counts": self.counts,
            "problems": [self._as_json(one) for one in self.problems],
        }

    def _as_json(self, problem: Problem) -> dict[str, Any]:
        place = self.place(problem)
        return {**problem.as_json(), **({"place": place} if place else {})}

    def place(self, problem: Problem) -> str:
        """Say in words where a problem of a spreadsheet stands; nothing of other texts."""
        tell = self.places.get(problem.path) if problem.path else None
        return tell(problem) if tell else ""

    @cached_property
    def _by_place(self) -> dict[tuple[Path, int, int, str], list[tuple[Statement, str]]]:
        found: dict[tuple[Path, int, int, str], list[tuple[Statement, str]]] = defaultdict(list)
        for path, statements in self.statements.items():
            for one in statements:
                for part in ("object", "predicate", "subject") if one.places else ():
                    span = getattr(one.places, part)
                    found[path, span.line, span.column, span.cell].append((one, part))
        return found

    def find_statement(self, problem: Problem) -> tuple[Statement, str] | None:
        """Return the statement at the place of a problem, and which part of it stands there."""
        if problem.path is None or problem.line is None or problem.column is None:
            return None
        found = self._by_place.get((problem.path, problem.line, problem.column, problem.cell or ""), [])
        about = (one for one in found if problem.subject in (None, one[0].subject.value))
        return next(about, found[0] if found else None)
