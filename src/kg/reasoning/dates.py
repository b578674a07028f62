"""
Date bounds: `lat:earliest` and `lat:latest`, whole days, from dates as given.

A date as given is as precise as its source (`xsd:gYear`, `xsd:gYearMonth`, `xsd:date`); comparing such values
fails silently in some engines, so queries filter on the bounds.
"""

from __future__ import annotations

import calendar
import re
from typing import cast

from pyoxigraph import Literal, NamedNode, Quad, QuerySolutions, Store

from kg.errors import DataError, Problem
from kg.names import INFERRED_GRAPH, LAT, XSD

EARLIEST, LATEST = NamedNode(LAT + "earliest"), NamedNode(LAT + "latest")
_DATE = NamedNode(XSD + "date")
_SHAPES = {
    XSD + "gYear": re.compile(r"(-?\d{4,})(?:Z|[+-]\d\d:\d\d)?\Z"),
    XSD + "gYearMonth": re.compile(r"(-?\d{4,})-(\d\d)(?:Z|[+-]\d\d:\d\d)?\Z"),
    XSD + "date": re.compile(r"(-?\d{4,})-(\d\d)-(\d\d)(?:Z|[+-]\d\d:\d\d)?\Z"),
    XSD + "dateTime": re.compile(r"(-?\d{4,})-(\d\d)-(\d\d)T[\d:.]+(?:Z|[+-]\d\d:\d\d)?\Z"),
}
_QUERY = f"""
SELECT DISTINCT ?subject ?property ?value WHERE {{
  VALUES ?property {{ <{LAT}date> <{LAT}startDate> <{LAT}endDate> <{LAT}asOf> }}
  ?subject ?property ?value
}}"""


def bounds_of(lexical: str, datatype: str) -> tuple[str, str]:
    """
    Return the first and last day of a date as given, as `xsd:date` texts; a time zone is dropped.

    Args:
        lexical: The text of the literal.
        datatype: IRI of xsd:gYear, xsd:gYearMonth, xsd:date or xsd:dateTime.

    Raises:
        ValueError: It is not a date of that datatype.

    Source: XML Schema 1.1 part 2, sections 3.3.9 to 3.3.12.

    >>> bounds_of("2024-02", XSD + "gYearMonth")
    ('2024-02-01', '2024-02-29')
    """
    shape = _SHAPES.get(datatype)
    match = shape.match(lexical.strip()) if shape else None
    if match is None:
        raise ValueError(f"{lexical!r} is not a gYear, gYearMonth or date of its datatype")
    groups: list[str | None] = [*match.groups(), None, None]
    year, month, day = str(groups[0]), groups[1], groups[2]
    if month is None:
        return f"{year}-01-01", f"{year}-12-31"
    last = _days_in(int(year), int(month))
    if day is None:
        return f"{year}-{month}-01", f"{year}-{month}-{last}"
    if not 1 <= int(day) <= last:
        raise ValueError(f"{lexical!r}: that month has {last} days")
    return f"{year}-{month}-{day}", f"{year}-{month}-{day}"


def _days_in(year: int, month: int) -> int:
    if not 1 <= month <= 12:
        raise ValueError(f"month {month} is not one of 01 to 12")
    if month == 2:
        return 29 if calendar.isleap(year) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def date_bounds(store: Store) -> int:
    """
    Add `lat:earliest` and `lat:latest` to `graph:inferred` for subjects with a date; run it after `infer`.

    `lat:startDate` bounds below, `lat:endDate` above, `lat:date` both; `lat:asOf` both, and only where the
    subject has no other date (it says when something was known to hold, not when it began or ended). A side
    that no date bounds stays open. Of several dates for one side the bound is the tightest that leaves an
    interval, else the widest. A bound that is asserted stands.

    Returns:
        How many triples were added, in triples.

    Raises:
        DataError: Dates that do not read as their datatype; all of them.
    """
    given = _read_dates(store)
    fresh: list[Quad] = []
    for subject, days in given.items():
        for predicate, day in zip((EARLIEST, LATEST), _narrow(days), strict=True):
            if day and next(store.quads_for_pattern(subject, predicate, None, None), None) is None:
                fresh.append(
                    Quad(subject, predicate, Literal(day, datatype=_DATE), NamedNode(INFERRED_GRAPH))
                )
    store.bulk_extend(fresh)
    return len(fresh)


def _read_dates(store: Store) -> dict[NamedNode, dict[str, list[tuple[str, str]]]]:
    """Return subject → local name of the property → (first, last) days."""
    given: dict[NamedNode, dict[str, list[tuple[str, str]]]] = {}
    problems: list[Problem] = []
    for row in cast(QuerySolutions, store.query(_QUERY, use_default_graph_as_union=True)):
        subject, name = cast(NamedNode, row["subject"]), cast(NamedNode, row["property"]).value[len(LAT) :]
        try:
            value = row["value"]
            if not isinstance(value, Literal):
                raise ValueError(f"{value} is not a literal")
            days = bounds_of(value.value, value.datatype.value)
        except ValueError as error:
            fix = 'write e.g. "2024"^^xsd:gYear, "2024-02"^^xsd:gYearMonth or "2024-02-29"^^xsd:date'
            problems.append(Problem(f"lat:{name}: {error}", subject=subject.value, fix=fix))
            continue
        given.setdefault(subject, {}).setdefault(name, []).append(days)
    if problems:
        raise DataError(sorted(problems, key=str))
    return given


def _narrow(days: dict[str, list[tuple[str, str]]]) -> tuple[str | None, str | None]:
    """
    Combine the dates of one subject into its bounds.

    >>> _narrow({"startDate": [("2020-01-01", "2020-12-31")], "asOf": [("2024-09-01", "2024-09-30")]})
    ('2020-01-01', None)
    """
    dated = {name: spans for name, spans in days.items() if name != "asOf"} or days
    below = [first for name, spans in dated.items() if name != "endDate" for first, _ in spans]
    above = [last for name, spans in dated.items() if name != "startDate" for _, last in spans]
    if below and above and max(below, key=_order) > min(above, key=_order):
        return min(below, key=_order), max(above, key=_order)
    return max(below, key=_order, default=None), min(above, key=_order, default=None)


def _order(day: str) -> tuple[int, str]:
    """Sort key of an xsd:date text; years before 1 sort first."""
    year, rest = day[:-6], day[-6:]
    return int(year), rest
