"""What the ontology says cannot be, over what a contribution touches: told in words, not in axioms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import pyoxigraph as ox

from kg import names
from kg.errors import Problem
from kg.turtle import Statement, Term
from kg.validation.candidate import TYPE, Candidate, Placed


class Consistency:
    """
    One pass over the things that a contribution speaks of.

    The kinds of axioms that the ontology uses to forbid are looked at: disjoint classes (of what a thing is
    called, and of what follows from domains and ranges), disjoint properties, functional properties. The
    shapes tell of most of it already; what they told is left out here.

    Args:
        candidate: The arranged contribution.
        placed: Its statements to look at.
        told: The statements that an earlier problem stands on.

    `settled` are the things whose class is told of: add those that others tell of.
    """

    def __init__(
        self,
        candidate: Candidate,
        placed: Iterable[Placed],
        told: set[Statement],
    ) -> None:
        self.candidate, self.told = candidate, told
        self.settled: set[str | None] = set()
        self.statements = [
            one.statement for one in placed if one.graph.startswith((names.CLAIM, names.GRAPH))
        ]
        self.types: dict[str, list[Statement]] = defaultdict(list)
        for one in self.statements:
            if one.predicate.value == TYPE:
                self.types[one.subject.value].append(one)
        self.published, self.lexicon = candidate.published, candidate.published.lexicon

    def type_problems(self) -> Iterator[Problem]:
        """Yield the things that are called two things which nothing is both; note them as settled."""
        yield from self._classes(one for one in self._follows() if one[0].predicate.value == TYPE)

    def problems(self) -> Iterator[Problem]:
        """Yield what else cannot be."""
        yield from self._classes(self._follows())
        yield from self._opposed()
        yield from self._functional()

    def _classes(self, given: Iterable[tuple[Statement, str, str, str]]) -> Iterator[Problem]:
        """Tell of a thing that would be of two classes that share nothing."""
        for one, thing, kind, why in given:
            if thing in self.settled or one in self.told:
                continue
            for other, source in self._known(thing, one):
                clash = self._clash(kind, other)
                if clash is None:
                    continue
                self.settled.add(thing)
                part = "subject" if thing == one.subject.value else "object"
                if one.predicate.value == TYPE:
                    part = "object"
                name, short = self.candidate.name(thing), self.candidate.short
                yield self.candidate.at(
                    one,
                    part,  # type: ignore[arg-type]
                    "disjoint-classes",
                    f"{name} would be a {short(kind)} and a {short(other)}, and nothing is both: "
                    f"{why}; {source}.",
                    fix=f"leave out what makes it a {short(kind)}, or name the {short(kind)} that was meant.",
                    subject=thing,
                    found=short(kind),
                    expected=short(other),
                )
                break

    def _follows(self) -> Iterator[tuple[Statement, str, str, str]]:
        """Yield the class that each statement gives a thing, and why."""
        for one in self.statements:
            short = self.candidate.short(one.predicate.value)
            if one.predicate.value == TYPE:
                yield one, one.subject.value, one.object.value, "it is called so here"
                continue
            domains = self.lexicon.domains(one.predicate.value)
            if len(domains) == 1:
                yield one, one.subject.value, next(iter(domains)), f"only such a thing has {short}"
            ranges = self.lexicon.ranges(one.predicate.value)
            if len(ranges) == 1 and one.object.kind == "iri":
                yield one, one.object.value, next(iter(ranges)), f"only such a thing is the value of {short}"

    def _known(self, thing: str, but: Statement) -> Iterator[tuple[str, str]]:
        """Yield the classes of a thing, each with who says so; one statement is left out."""
        for kind in sorted(self.published.types(thing)):
            yield kind, "it is published as one"
        for one in self.types[thing]:
            if one is not but and one.object.value != but.object.value:
                yield one.object.value, f"line {one.line} calls it one"

    def _clash(self, kind: str, other: str) -> tuple[str, str] | None:
        """Return the two classes above, or equal to, two classes that are disjoint."""
        if kind == other:
            return None
        disjoint = self.lexicon.disjoint
        for one in self.lexicon.above(kind):
            for two in self.lexicon.above(other):
                if (one, two) in disjoint:
                    return one, two
        return None

    def _opposed(self) -> Iterator[Problem]:
        """Tell of two things related by two properties that exclude each other."""
        said: set[tuple[Term, str, Term]] = set()
        for one in self.statements:
            for other in self.lexicon.opposed.get(one.predicate.value, ()):
                quad = (ox.NamedNode(one.subject.value), ox.NamedNode(other))
                is_said = one.object.kind == "iri" and (
                    (one.subject, other, one.object) in said
                    or any(
                        self.published.store.quads_for_pattern(*quad, ox.NamedNode(one.object.value), None)
                    )
                )
                if is_said and one not in self.told:
                    yield self.candidate.at(
                        one,
                        "object",
                        "opposed-roles",
                        f"{self.candidate.name(one.object.value)} would be on both sides of "
                        f"{self.candidate.name(one.subject.value)}: "
                        f"{self.candidate.short(one.predicate.value)} and {self.candidate.short(other)} "
                        "exclude each other.",
                        fix="leave one of the two out.",
                    )

            said.add((one.subject, one.predicate.value, one.object))

    def _functional(self) -> Iterator[Problem]:
        """Tell of a second value where the ontology lets there be one."""
        values: dict[tuple[str, str], set[str]] = defaultdict(set)
        for one in self.statements:
            subject, predicate = one.subject.value, one.predicate.value
            if predicate not in self.lexicon.functional or one in self.told:
                continue
            known = values[subject, predicate]
            if not known:
                known |= {value.value for value, _ in self.published.values(subject, predicate)}
            if known and one.object.value not in known:
                yield self.candidate.at(
                    one,
                    "object",
                    "too-many-values",
                    f"{self.candidate.name(subject)} has one {self.candidate.short(predicate)}, not two: "
                    f"{', '.join(map(self.candidate.short, sorted(known)))} is said already.",
                    fix="if both are said, make a record of your own for what your document says.",
                    found=self.candidate.short(one.object.value),
                )
            known.add(one.object.value)
