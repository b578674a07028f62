"""
Formats of answers: name, media type, file suffix, and the query forms that each can carry.

Source: SPARQL 1.1 Protocol, section 2.1.5; https://www.w3.org/ns/formats/.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from kg.errors import NotAcceptableError

SELECT, ASK, CONSTRUCT, DESCRIBE = "SELECT", "ASK", "CONSTRUCT", "DESCRIBE"
FORMS = (SELECT, ASK, CONSTRUCT, DESCRIBE)
_ROWS, _TABLES, _GRAPHS = (SELECT, ASK), (SELECT,), (CONSTRUCT, DESCRIBE)


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write an answer."""

    name: str
    media_type: str
    suffix: str
    forms: tuple[str, ...]


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        one.name: one
        for one in (
            Format("json", "application/sparql-results+json", ".srj", _ROWS),
            Format("xml", "application/sparql-results+xml", ".srx", _ROWS),
            Format("csv", "text/csv", ".csv", _TABLES),
            Format("tsv", "text/tab-separated-values", ".tsv", _TABLES),
            Format("ttl", "text/turtle", ".ttl", _GRAPHS),
            Format("nt", "application/n-triples", ".nt", _GRAPHS),
            Format("nq", "application/n-quads", ".nq", _GRAPHS),
            Format("trig", "application/trig", ".trig", _GRAPHS),
            Format("rdf", "application/rdf+xml", ".rdf", _GRAPHS),
            Format("jsonld", "application/ld+json", ".jsonld", _GRAPHS),
        )
    }
)


def formats_for(form: str) -> list[str]:
    """
    List the names of the formats that can carry the answer of a query form.

    >>> formats_for("ASK")
    ['json', 'xml']
    """
    return [one.name for one in FORMATS.values() if form in one.forms]


def choose_format(name: str, form: str) -> Format:
    """
    Return a format by its name, if it can carry the answer of this query form.

    Raises:
        NotAcceptableError: No such format, or not for this form; `available` lists those that fit.

    >>> choose_format("ttl", "CONSTRUCT").media_type
    'text/turtle'
    """
    available = formats_for(form)
    if name not in available:
        known = f"cannot carry the answer of {form}" if name in FORMATS else "is not a format"
        raise NotAcceptableError(
            f"{name!r} {known}. Expected one of: {', '.join(available)}.", available=available, form=form
        )
    return FORMATS[name]
