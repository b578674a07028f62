"""What a contribution says, arranged into graphs as the published files are, with each triple's place."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

import pyoxigraph as ox

from kg import names
from kg.errors import Edit, Problem
from kg.parsing import Reading
from kg.turtle import Span, Statement, Term
from kg.validation.published import Published

Part = Literal["graph", "subject", "predicate", "object"]

TYPE = names.RDF + "type"
LABEL = names.RDFS + "label"
ALIAS = names.SKOS + "altLabel"
CLAIM = names.LAT + "Claim"
PASSAGE = names.LAT + "Passage"
SELECTOR = names.OA + "TextPositionSelector"
DRAFT_CLAIM = names.CLAIM + "draft/"
DRAFT_PASSAGE = names.PASSAGE + "draft/"
_ODD = re.compile("[^A-Za-z0-9]")


class Placed(NamedTuple):
    """A statement and the graph that it belongs to."""

    statement: Statement
    graph: str

    @property
    def triple(self) -> tuple[Term, Term, Term]:
        """Its three terms."""
        return self.statement.subject, self.statement.predicate, self.statement.object


@dataclass
class Candidate:
    """
    A contribution in graphs.

    Args:
        reading: What was read.
        published: What it is held against.
        placed: Each statement with its graph, in the order of the text; those without one are left out.
        problems: What cannot be arranged, or is not for a contributor to say.
        is_whole: Whether it can be told what each claim says; if not, little more can be judged.
    """

    reading: Reading
    published: Published
    placed: list[Placed] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    is_whole: bool = True

    @cached_property
    def types(self) -> dict[str, set[str]]:
        """What the contribution gives as the classes of each thing."""
        found: dict[str, set[str]] = defaultdict(set)
        for one in self.reading.statements:
            if one.predicate.value == TYPE and one.object.kind == "iri":
                found[one.subject.value].add(one.object.value)
        return found

    @cached_property
    def labels(self) -> dict[str, str]:
        """The labels that it gives."""
        return {
            one.subject.value: one.object.value
            for one in reversed(self.reading.statements)
            if one.predicate.value == LABEL
        }

    def find_label(self, iri: str) -> str | None:
        """Return the label of a thing, as sent or as published."""
        return self.labels.get(iri) or self.published.find_label(iri)

    def short(self, iri: str) -> str:
        """Return an IRI as a prefixed name, as the text would write it."""
        return self.published.prefixes.compress(iri)

    def name(self, iri: str) -> str:
        """Return the prefixed name of a thing, with its label behind it."""
        label = self.find_label(iri)
        return f"{self.short(iri)} (“{label}”)" if label else self.short(iri)

    def kinds(self, iri: str) -> set[str]:
        """Return the classes of a thing, as sent and as published."""
        return self.types.get(iri, set()) | self.published.types(iri)

    def at(
        self,
        statement: Statement,
        part: Part,
        code: str,
        message: str,
        *,
        level: str = "error",
        fix: str | None = None,
        subject: str | None = None,
        found: str | None = None,
        expected: str | None = None,
        edits: Iterable[Edit] = (),
    ) -> Problem:
        """Make a problem that stands where one part of a statement stands."""
        about = subject or statement.subject.value
        return Problem(
            message,
            self.reading.path,
            fix=fix,
            subject=about,
            code=code,
            level=level,
            label=self.find_label(about),
            found=found,
            expected=expected,
            edits=tuple(edits),
            **_property(statement, part, about),  # type: ignore[arg-type]
            **_place(statement, part),  # type: ignore[arg-type]
        )

    def quads(self, placed: Iterable[Placed] | None = None) -> list[ox.Quad]:
        """Return the quads of the arranged statements."""
        chosen = self.placed if placed is None else placed
        return [
            ox.Quad(to_ox(s), to_ox(p), to_ox(o), ox.NamedNode(graph))  # type: ignore[arg-type]
            for (s, p, o), graph in ((one.triple, one.graph) for one in chosen)
        ]


def _property(statement: Statement, part: Part, about: str) -> dict[str, str]:
    """Return the property that a problem is about, and its value where that is what is wrong."""
    if part in ("graph", "subject") or about != statement.subject.value:
        return {}
    told = {"predicate": statement.predicate.value}
    return told | ({"value": str(to_ox(statement.object))} if part == "object" else {})


def _place(statement: Statement, part: Part) -> dict[str, int | str | None]:
    span: Span | None = getattr(statement.places, part) if statement.places else None
    if span is None:
        line = statement.subject_line if part in ("graph", "subject") else statement.line
        return {"line": line}
    place: dict[str, int | str | None] = {
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }
    return place | ({"cell": span.cell} if span.cell else {})


def to_ox(term: Term) -> ox.NamedNode | ox.BlankNode | ox.Literal:
    """Return a term as the store has it."""
    if term.kind == "iri":
        return ox.NamedNode(term.value)
    if term.kind == "blank":
        # no two labels become one, whatever characters set them apart: _:1 was written, _:[1] is of brackets
        return ox.BlankNode("b" + _ODD.sub(lambda found: f"_{ord(found[0]):x}_", term.value))
    if term.language:
        return ox.Literal(term.value, language=term.language)
    return ox.Literal(term.value, datatype=ox.NamedNode(term.datatype or names.XSD + "string"))
