"""What stands in a cell to a literal: dates, numbers, texts, addresses; or why not, and what may be meant."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass

from kg import names
from kg.tables.columns import Form
from kg.turtle import Term

_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTH = r"([A-Za-z]{3,9})\.?"
_YEAR = r"([0-9]{4})"
_DAY = r"([0-9]{1,2})(?:st|nd|rd|th)?"
_ISO = re.compile(rf"{_YEAR}(?:-([0-9]{{2}})(?:-([0-9]{{2}}))?)?\Z")
_DAY_FIRST = re.compile(rf"{_DAY}\s+{_MONTH},?\s+{_YEAR}\Z")
_MONTH_FIRST = re.compile(rf"{_MONTH}\s+{_DAY},?\s+{_YEAR}\Z")
_MONTH_ONLY = re.compile(rf"{_MONTH},?\s+{_YEAR}\Z")
_SLASHED = re.compile(rf"([0-9]{{1,2}})[/.\-]([0-9]{{1,2}})[/.\-]{_YEAR}\Z")
_YEAR_FIRST = re.compile(rf"{_YEAR}[/.]([0-9]{{1,2}})[/.]([0-9]{{1,2}})\Z")
_MONTH_NUMBER = re.compile(rf"([0-9]{{1,2}})[/.\-]{_YEAR}\Z")
_SHORT = re.compile(r"([A-Za-z]{3,9})[-\s'’]([0-9]{2})\Z")
_FIRST_DAY = datetime.date(1899, 12, 30)  # Source: ECMA-376, part 1, 18.17.4.1: the day with the number 0
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?\Z")
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}(?:([, \u00a0\u202f'’.])[0-9]{3})(?:\1[0-9]{3})*(?:[.,][0-9]+)?\Z")
_WEB = re.compile(r"https?://\S+\Z")


@dataclass(frozen=True)
class Fault:
    """
    Why a text is no value.

    Args:
        code: The problem's code.
        message: What is wrong.
        expected: What was expected, in a few words.
        fix: What to do.
        text: What to write instead, where that is certain.
    """

    code: str
    message: str
    expected: str
    fix: str
    text: str | None = None


def read_value(text: str, form: Form) -> Term | Fault:
    """
    Return the literal of a text.

    >>> read_value("17 May 2024", "date").value, read_value("1,234", "integer").text
    ('2024-05-17', '1234')
    """
    if form == "date":
        return _read_date(text)
    if form in ("number", "integer"):
        return _read_number(text, form)
    if form == "address":
        return _read_address(text)
    if form == "text":
        return Term("literal", " ".join(text.split()), language="en")
    return Term("literal", " ".join(text.split()))


def _date(year: str, month: int | None = None, day: int | None = None) -> Term | None:
    if month is None:
        return Term("literal", year, names.XSD + "gYear")
    if not 1 <= month <= 12:
        return None
    if day is None:
        return Term("literal", f"{year}-{month:02d}", names.XSD + "gYearMonth")
    try:
        found = datetime.date(int(year), month, day)
    except ValueError:
        return None
    return Term("literal", found.isoformat(), names.XSD + "date")


def _month(name: str) -> int:
    """
    Return the number of a month, 0 for none.

    >>> _month("Sept"), _month("MAY"), _month("Mayor")
    (9, 5, 0)
    """
    low = name.lower()
    return next((n for n, one in enumerate(_MONTHS, 1) if one.startswith(low) and len(low) >= 3), 0)


def _read_date(text: str) -> Term | Fault:
    text = " ".join(text.split())
    found: Term | None = None
    if match := _ISO.match(text):
        year, month, day = match.groups()
        found = _date(year, int(month) if month else None, int(day) if day else None)
    elif match := _DAY_FIRST.match(text):
        found = _date(match[3], _month(match[2]), int(match[1]))
    elif match := _MONTH_FIRST.match(text):
        found = _date(match[3], _month(match[1]), int(match[2]))
    elif match := _MONTH_ONLY.match(text):
        found = _date(match[2], _month(match[1]))
    elif match := _SLASHED.match(text):
        return _slashed(text, match[3], int(match[1]), int(match[2]))
    elif match := _YEAR_FIRST.match(text):
        meant = _date(match[1], int(match[2]), int(match[3]))
        return _bad_date(text, meant.value if meant else None)
    elif match := _MONTH_NUMBER.match(text):
        meant = _date(match[2], int(match[1]))
        return _bad_date(text, meant.value if meant else None)
    elif match := _SHORT.match(text):
        return _short_date(text, match)
    elif re.fullmatch("[2-7][0-9]{4}", text):
        return _serial(text)
    return found or _bad_date(text, None)


def _short_date(text: str, match: re.Match[str]) -> Fault:
    """Say what a month with two digits may mean: a spreadsheet shows May 2026 as May-26."""
    month, number = _month(match[1]), int(match[2])
    if not month:
        return _bad_date(text, None)
    name = _MONTHS[month - 1].title()
    return Fault(
        "ambiguous-date",
        f"“{text}” may mean {name} 20{number:02d} or {number} {name}, as a spreadsheet shortens it.",
        "a date that has one reading",
        f"write 20{number:02d}-{month:02d}, or the day with its year.",
    )


def _serial(text: str) -> Fault:
    """Say which day a spreadsheet's number of a day is."""
    day = _FIRST_DAY + datetime.timedelta(days=int(text))
    return Fault(
        "bad-date",
        f"“{text}” is a number; as a spreadsheet counts days it is {day.isoformat()}.",
        "2024, 2024-05 or 2024-05-17, as precise as the document",
        f"write {day.isoformat()}, or {day.isoformat()[:7]} if the document names no day.",
    )


def _bad_date(text: str, meant: str | None) -> Fault:
    return Fault(
        "bad-date",
        f"“{text}” is not a date that is there or that can be read.",
        "2024, 2024-05, 2024-05-17 or 17 May 2024, as precise as the document",
        f"write {meant}." if meant else "write 2024, 2024-05 or 2024-05-17.",
        meant,
    )


def _slashed(text: str, year: str, first: int, second: int) -> Fault:
    """Say which days a date with two numbers before the year may mean."""
    readings = [_date(year, second, first), _date(year, first, second)]
    values = list(dict.fromkeys(one.value for one in readings if one))
    if len(values) == 2:
        days = [datetime.date.fromisoformat(one) for one in values]
        told = " or ".join(f"{one.day} {_MONTHS[one.month - 1].title()} {one.year}" for one in days)
        return Fault(
            "ambiguous-date",
            f"“{text}” may mean {told}.",
            "a date that has one reading",
            f"write {values[0]} or {values[1]}.",
        )
    return _bad_date(text, values[0] if values else None)


def _read_number(text: str, form: Form) -> Term | Fault:
    if _NUMBER.match(text):
        bare = text.removeprefix("+")
        if "." not in bare:
            return Term("literal", str(int(bare)), names.XSD + "integer")
        if form == "number":
            return Term("literal", bare, names.XSD + "decimal")
        whole = bare.partition(".")[0] if not bare.partition(".")[2].strip("0") else None
        return _bad_number(text, form, whole)
    return _bad_number(text, form, _ungrouped(text))


def _ungrouped(text: str) -> str | None:
    """
    Return a number without the marks between its thousands, where one reading is left.

    >>> _ungrouped("1,234,567"), _ungrouped("1 234,5"), _ungrouped("1.234"), _ungrouped("4,5")
    ('1234567', '1234.5', None, '4.5')
    """
    match = _GROUPED.match(text)
    if match is None:
        return text.replace(",", ".") if re.fullmatch(r"[+-]?[0-9]+,[0-9]+", text) else None
    mark = match[1]
    bare = text.replace(mark, "").replace(",", ".")
    is_plain = mark not in ".," or text.count(mark) > 1 or ("," in text and "." in text) or mark == ","
    return bare if is_plain and _NUMBER.match(bare) else None


def _bad_number(text: str, form: Form, meant: str | None) -> Fault:
    expected = "digits, with a point before decimals" if form == "number" else "a whole number in digits"
    return Fault(
        "bad-number",
        f"“{text}” is not a number as it is written here.",
        expected,
        f"write {meant}, if that is meant." if meant else f"write {expected}; a unit has its own column.",
        meant,
    )


def _read_address(text: str) -> Term | Fault:
    if _WEB.match(text):
        return Term("literal", text, names.XSD + "anyURI")
    is_bare = re.match(r"(?:www\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)+(?:/\S*)?\Z", text, re.IGNORECASE)
    meant = f"https://{text}" if is_bare else None
    return Fault(
        "bad-address",
        f"“{text}” is not a web address.",
        "https://… without spaces",
        f"write {meant}." if meant else "write the whole address.",
        meant,
    )
