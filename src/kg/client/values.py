"""
Values: the RDF terms of a SPARQL result in JSON as Python values.

A literal whose text is not of its datatype, or is more than Python's type can hold, stays a text.

Source: SPARQL 1.1 Query Results JSON Format, section 3.2.2; XML Schema Part 2, section 3.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

_XSD = "http://www.w3.org/2001/XMLSchema#"
_INTEGERS = (
    *("integer", "long", "int", "short", "byte"),
    *("nonNegativeInteger", "positiveInteger", "nonPositiveInteger", "negativeInteger"),
    *("unsignedLong", "unsignedInt", "unsignedShort", "unsignedByte"),
)
_MAX_DIGITS = 4000  # Source: sys.int_info.default_max_str_digits is 4300
_FLOATS = {"INF": "inf", "+INF": "inf", "-INF": "-inf", "NaN": "nan"}


class Iri(str):
    """
    An IRI.

    Args:
        iri: The IRI.
        label: What the answer calls it, where a column `…Label` stands beside it.

    >>> malta = Iri("https://w3id.org/lateral/id/malta", "Malta")
    >>> malta == "https://w3id.org/lateral/id/malta", malta.label
    (True, 'Malta')
    """

    __slots__ = ("label",)
    label: str | None

    def __new__(cls, iri: str, label: str | None = None) -> Iri:
        made = super().__new__(cls, iri)
        made.label = label
        return made

    def __getnewargs__(self) -> tuple[str, str | None]:  # type: ignore[override]
        """Return what a copy is made of, so that copies and pickles keep the label."""
        return str(self), self.label


class Blank(str):
    """A blank node; its name means nothing outside its answer."""

    __slots__ = ()


class Text(str):
    """
    A text that says more than itself: in a language, or of a datatype that Python has no value for.

    >>> year = Text("2024", datatype="http://www.w3.org/2001/XMLSchema#gYear")
    >>> year == "2024", year.language
    (True, None)
    """

    __slots__ = ("datatype", "language")
    language: str | None
    datatype: str | None

    def __new__(cls, text: str, language: str | None = None, datatype: str | None = None) -> Text:
        made = super().__new__(cls, text)
        made.language = language
        made.datatype = datatype
        return made

    def __getnewargs__(self) -> tuple[str, str | None, str | None]:  # type: ignore[override]
        """Return what a copy is made of, so that copies and pickles keep language and datatype."""
        return str(self), self.language, self.datatype


Value = (
    Iri
    | Blank
    | Text
    | str
    | bool
    | int
    | float
    | Decimal
    | datetime.date
    | datetime.datetime
    | tuple[Any, Any, Any]
    | None
)


def read_value(term: Mapping[str, Any]) -> Value:
    """
    Turn one term of a result in JSON into a value.

    >>> read_value({"type": "literal", "value": "12", "datatype": "http://www.w3.org/2001/XMLSchema#integer"})
    12
    >>> read_value({"type": "literal", "value": "2024-05-31", "datatype": _XSD + "date"})
    datetime.date(2024, 5, 31)
    """
    kind, value = term["type"], term["value"]
    if kind == "uri":
        return Iri(value)
    if kind == "bnode":
        return Blank("_:" + value)
    if kind == "triple":
        return (
            read_value(value["subject"]),
            read_value(value["predicate"]),
            read_value(value["object"]),
        )
    if "xml:lang" in term:
        return Text(value, language=term["xml:lang"])
    datatype = term.get("datatype", _XSD + "string")
    if datatype == _XSD + "string":
        return str(value)
    return _typed(value, datatype)


def _typed(text: str, datatype: str) -> Value:
    form, read = _READERS.get(datatype.removeprefix(_XSD), (None, None))
    if form is not None and read is not None and form.fullmatch(text) and len(text) < _MAX_DIGITS:
        try:
            return read(text)
        except ValueError:  # the 31st of April, the year 12024
            pass
    return Text(text, datatype=datatype)


def _read_float(text: str) -> float:
    return float(_FLOATS.get(text, text))


_NUMBER = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)"
_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_Reader = tuple[re.Pattern[str], Callable[[str], Value]]
_READERS: dict[str, _Reader] = {
    **{one: (re.compile(r"[+-]?[0-9]+"), int) for one in _INTEGERS},
    **{
        one: (re.compile(rf"{_NUMBER}([eE][+-]?[0-9]+)?|[+-]?INF|NaN"), _read_float)
        for one in ("double", "float")
    },
    "decimal": (re.compile(_NUMBER), Decimal),
    "boolean": (re.compile(r"true|false|1|0"), lambda text: text in ("true", "1")),
    "date": (re.compile(_DAY), datetime.date.fromisoformat),
    "dateTime": (
        re.compile(
            rf"{_DAY}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(\.[0-9]{{1,6}})?(Z|[+-][0-9]{{2}}:[0-9]{{2}})?"
        ),
        datetime.datetime.fromisoformat,
    ),
}
