"""Values that are well formed and yet odd: outside a life, in the future, a thousand times too large."""

from __future__ import annotations

import datetime
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from itertools import islice

import pyoxigraph as ox

from kg import names
from kg.errors import Problem
from kg.turtle import Statement
from kg.validation.candidate import Candidate, Placed, to_ox

_DATE = re.compile(r"(-?[0-9]{4,})(-[0-9]{2})?(-[0-9]{2})?\Z")
_EARLIEST_YEAR = 1200
_MAX_FIGURES = 200
_HAPPENED = {names.LAT + one for one in ("date", "startDate", "asOf", "startTime")}
_DATED = _HAPPENED | {names.LAT + "endDate"}
_VALUE, _METRIC, _UNIT = (names.LAT + one for one in ("value", "metric", "hasUnit"))
_ABOUT = {names.LAT + one for one in ("about", "aboutCategory", "heldBy")}
_MEASURES = names.CONCEPT + "measure/"
_LIMITS = {_MEASURES + "percent": Decimal(100), _MEASURES + "fraction": Decimal(1)}
_LIVING = {
    names.LAT + one
    for one in (
        "tenureHolder",
        "tenureIn",
        "membershipOf",
        "membershipIn",
        "participationOf",
        "participationIn",
        "performedBy",
        "chairedBy",
        "hasParticipant",
        "hasMediator",
        "adoptedBy",
        "hostedBy",
        "initiatedBy",
        "ledBy",
    )
}
_FACTORS = ((Decimal(500), Decimal(2000), "a thousand"), (Decimal(500_000), Decimal(2_000_000), "a million"))


class Oddity:
    """
    One pass over the dates and numbers of a contribution.

    Args:
        candidate: The arranged contribution.
        placed: Its statements to look at.
        told: The statements that an earlier problem stands on.
        today: The day on which it is judged.
    """

    def __init__(
        self, candidate: Candidate, placed: Iterable[Placed], told: set[Statement], today: datetime.date
    ) -> None:
        self.candidate, self.published, self.today = candidate, candidate.published, today
        self.placed = [
            one for one in placed if one.graph.startswith(names.CLAIM) and one.statement not in told
        ]
        self.about: dict[str, list[Statement]] = defaultdict(list)
        for one in self.placed:
            self.about[one.statement.subject.value].append(one.statement)
        self.dates: dict[str, list[str]] = defaultdict(list)
        for one in candidate.placed:
            if one.statement.predicate.value == names.LAT + "date":
                self.dates[one.statement.subject.value].append(one.statement.object.value)
        self.documents = {
            one.statement.subject.value: one.statement.object.value
            for one in candidate.placed
            if one.statement.predicate.value == names.LAT + "statedIn"
        }

    def problems(self) -> Iterator[Problem]:
        """Yield what is odd."""
        for placed in self.placed:
            one = placed.statement
            if one.predicate.value in _DATED and _DATE.match(one.object.value):
                yield from islice(self._date(one, placed.graph), 1)
        for statements in self.about.values():
            yield from self._figure(statements)

    def _odd(self, one: Statement, message: str, fix: str, expected: str | None = None) -> Problem:
        return self.candidate.at(
            one,
            "object",
            "odd-value",
            message,
            level="warning",
            fix=fix,
            found=one.object.value,
            expected=expected,
        )

    # --- dates --------------------------------------------------------------------------------------------

    def _date(self, one: Statement, claim: str) -> Iterator[Problem]:
        date = one.object.value
        name = self.candidate.name(one.subject.value)
        said = f"{self.candidate.short(one.predicate.value)} of {name} is {date}"
        if int(date.split("-")[0] or 0) < _EARLIEST_YEAR:
            yield self._odd(
                one, f"{said}: a year so long ago is most often a slip.", "look at its digits again."
            )
        if one.predicate.value in _HAPPENED:
            if _is_after(date, self.today.isoformat()):
                yield self._odd(
                    one, f"{said}, which is still to come.", "write lat:targetDate for what is planned."
                )
            written = self._published_on(self.documents.get(claim, ""))
            if written and _is_after(date, written):
                document = self.candidate.name(self.documents[claim])
                yield self._odd(
                    one,
                    f"{said}, after its source was published: {document} is of {written}.",
                    "look at the passage again; what is foretold has the status predicted.",
                )
        for other in self.about[one.subject.value]:
            if other.predicate.value in _LIVING and other.object.kind == "iri":
                yield from self._life(one, other, said)

    def _published_on(self, document: str) -> str | None:
        values = [value for value, _ in self._values(document, names.LAT + "date")]
        values += self.dates[document]
        return max(values, default=None)

    def _life(self, one: Statement, other: Statement, said: str) -> Iterator[Problem]:
        """Tell of a date before something began that took part, or after it ended."""
        actor = other.object.value
        begun, ended = self._begun(actor), self._ended(actor)
        name = self.candidate.name(actor)
        if begun and _is_after(begun[0], one.object.value):
            yield self._odd(
                one,
                f"{said}, before {name} began, in {begun[0]} (claim {self.candidate.short(begun[1])}).",
                "look at both dates again, and whether this is the body that is meant.",
            )
        if ended and _is_after(one.object.value, ended[0]):
            yield self._odd(
                one,
                f"{said}, after {name} ended, in {ended[0]} (claim {self.candidate.short(ended[1])}).",
                "look at both dates again, and whether this is the one that is meant.",
            )

    def _begun(self, thing: str) -> tuple[str, str] | None:
        """Return the earliest date from which a thing is known to be, with its claim."""
        found = list(self._values(thing, names.LAT + "startDate"))
        founded = ox.NamedNode(names.LAT + "foundingOf")
        for quad in self.published.store.quads_for_pattern(None, founded, ox.NamedNode(thing), None):
            if isinstance(quad.subject, ox.NamedNode):
                found += self._values(quad.subject.value, names.LAT + "date")
        return min(found, default=None)

    def _ended(self, thing: str) -> tuple[str, str] | None:
        return max(self._values(thing, names.LAT + "endDate"), default=None)

    def _values(self, thing: str, predicate: str) -> Iterator[tuple[str, str]]:
        if thing:
            for value, claim in self.published.values(thing, predicate):
                if isinstance(value, ox.Literal):
                    yield value.value, claim

    # --- figures ------------------------------------------------------------------------------------------

    def _figure(self, statements: list[Statement]) -> Iterator[Problem]:
        by = {one.predicate.value: one for one in statements}
        one = by.get(_VALUE)
        number = _number(one.object.value) if one else None
        if one is None or number is None:
            return
        limit = _LIMITS.get(by[_UNIT].object.value) if _UNIT in by else None
        if limit is not None and abs(number) > limit:
            unit = self.candidate.name(by[_UNIT].object.value)
            yield self._odd(
                one,
                f"lat:value is {number} and its unit {unit}: more than {limit} of it is most often a slip.",
                f"write at most {limit}, or the unit that was meant.",
                f"at most {limit}",
            )
            return
        yield from islice(self._factors(one, number, statements), 1)

    def _factors(self, one: Statement, number: Decimal, statements: list[Statement]) -> Iterator[Problem]:
        for value, other, claim in self._alike(statements):
            if not value or not number:
                continue
            ratio = max(number / value, value / number)
            for least, most, word in _FACTORS:
                if least <= ratio <= most:
                    yield self._odd(
                        one,
                        f"lat:value is {number}, and {value} of {self.candidate.name(other)} in claim "
                        f"{self.candidate.short(claim)}: about {word} times as much or as little.",
                        "look at the unit and at the thousands again.",
                        f"about {value}",
                    )

    def _alike(self, statements: list[Statement]) -> Iterator[tuple[Decimal, str, str]]:
        """Yield the values of published figures of the same metric, unit and thing."""
        metric = next((one for one in statements if one.predicate.value == _METRIC), None)
        wanted = {
            (one.predicate.value, one.object.value) for one in statements if one.predicate.value in _ABOUT
        }
        unit = {one.object.value for one in statements if one.predicate.value == _UNIT}
        if metric is None:
            return
        quads = self.published.store.quads_for_pattern(
            None, ox.NamedNode(_METRIC), to_ox(metric.object), None
        )
        for figure in sorted({str(one.subject)[1:-1] for one in islice(quads, _MAX_FIGURES)}):
            about = list(self.published.quads_about(figure))
            theirs = {(q.predicate.value, str(q.object)[1:-1]) for q in about if q.predicate.value in _ABOUT}
            units = {str(q.object)[1:-1] for q in about if q.predicate.value == _UNIT}
            if theirs != wanted or units != unit or figure == metric.subject.value:
                continue
            for value, claim in self.published.values(figure, _VALUE):
                number = _number(value.value)
                if number is not None:
                    yield number, figure, claim


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _is_after(one: str, other: str) -> bool:
    """
    Tell whether a date is later than another, as far as both are precise.

    >>> _is_after("2025", "2024-12-31"), _is_after("2024", "2024-12-31"), _is_after("2024-12", "2024")
    (True, False, False)
    """
    shared = min(len(one), len(other))
    return one[:shared] > other[:shared]
