"""Plain words: what shapes and checks say, as somebody reads it who fills in a table."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from kg import names
from kg.errors import Problem
from kg.names import Prefixes

Label = Callable[[str], str | None]

# What only matters to who writes RDF: a hint that holds it is left out.
_OF_RDF = re.compile(
    r"\.ttl|data/entities|language tag|@en|xsd:|QUDT|\bIRI\b|record\b|typed|mailto:|as text\b"
)
_HINT = re.compile(r"\s*Usual cause(?: of trouble)?: (.*)\Z", re.DOTALL)
_PHRASES = (
    (re.compile(r"\bthe IRI of a thing or concept\b"), "the name of a thing"),
    (re.compile(r"\ba gYear, gYearMonth or date\b"), "a year, a month or a day"),
    (re.compile(r"\s*\((?:@en|xsd:anyURI)\)"), ""),
    (re.compile(r"\ba plain string\b"), "a text"),
    (re.compile(r"\b(at least|at most|exactly) (one|two) values?, (?=(?:an?|the) )"), r"\1 \2: "),
    (re.compile(r"\bhas no record\b"), "is not known"),
    (re.compile(r", or add the record\b"), ", or add it with the form “entity”"),
    (re.compile(r"\^\^xsd:\w+|@en\b"), ""),
)
_NAMED = re.compile(r"(?<!\[)(?P<name>\b[a-z][\w-]*:[A-Za-z0-9][\w/#-]*)(?: \(“(?P<label>[^”]*)”\))?")
_TERM = re.compile(r"(?<![\w:“/])(?:[a-z]+(?:[A-Z][a-z]+)+|[A-Z][a-z]+(?:[A-Z][a-z]+)+)\b")

_TWICE = re.compile(r"\A(“[^”]*”): (?=\1)(?:\1)")


def plain(text: str, prefixes: Prefixes, label: Label) -> str:
    """
    Return a text with labels in the place of names for machines, without hints on RDF.

    >>> plain("Expected a gYear, gYearMonth or date.", Prefixes({}), lambda _: None)
    'Expected a year, a month or a day.'
    """
    hint = _HINT.search(text)
    if hint and _OF_RDF.search(hint[1]):
        text = text[: hint.start()]
    for pattern, words in _PHRASES:
        text = pattern.sub(words, text)

    def named(found: re.Match[str]) -> str:
        iri = prefixes.expand(found["name"]) if found["name"].partition(":")[0] in prefixes else ""
        if not iri:
            return found[0]
        told = found["label"] or label(iri)
        return f"“{told}”" if told else _local(found["name"])

    def term(found: re.Match[str]) -> str:
        told = label(names.LAT + found[0])
        return f"“{told}”" if told else found[0]

    return _TWICE.sub(r"\1", _TERM.sub(term, _NAMED.sub(named, text)))


def plain_problem(problem: Problem, prefixes: Prefixes, label: Label) -> Problem:
    """Return a problem of a table in plain words; its code and what it is about stay."""

    def told(text: str | None) -> str | None:
        return plain(text, prefixes, label) if text else text

    return replace(
        problem,
        message=plain(problem.message, prefixes, label),
        fix=told(problem.fix),
        found=told(problem.found),
        expected=told(problem.expected),
    )


def _local(name: str) -> str:
    return name.rpartition(":")[2].rpartition("/")[2]
