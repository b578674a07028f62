"""What was meant by a name that nothing has, and how it is written where the slip stands."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from rapidfuzz import fuzz, process

from kg import names
from kg.errors import Edit
from kg.parsing import Reading
from kg.turtle import Span, Term
from kg.validation.published import Published

_TURTLE = (".ttl", ".trig", ".n3")
_LINES = (".nq", ".nt")
_LEAST = 70.0
_SURE = 80.0
_MARGIN = 4.0
_CORE = re.compile(r"\A(?:has|is)(?=[A-Z])|(?<=[a-z])(?:By|Of|In|To)\Z")
_SHORT = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_\-]*[A-Za-z0-9_])?\Z")
_BARE = {
    names.XSD + "integer": re.compile(r"[+-]?[0-9]+\Z"),
    names.XSD + "decimal": re.compile(r"[+-]?[0-9]*\.[0-9]+\Z"),
}


class Guess(NamedTuple):
    """What may be meant, best first, and whether the first is sure enough to go on with."""

    iris: tuple[str, ...]
    is_sure: bool

    @property
    def meant(self) -> str | None:
        """The one that is meant, if that is sure."""
        return self.iris[0] if self.is_sure else None


def guess_term(iri: str, choices: Iterable[str]) -> Guess:
    """
    Say which of some terms a misspelt one is most like, by its local name.

    >>> guess_term("x#mediator", ["x#hasMediator", "x#hosts"]).meant
    'x#hasMediator'
    """
    local = _local(iri)
    scored = sorted((-_likeness(local, _local(one)), one) for one in set(choices))
    return _guess([(one, -score) for score, one in scored[:4]])


def guess_thing(
    iri: str, published: Published, *, own: Collection[str] = (), among: Collection[str] | None = None
) -> Guess:
    """
    Say which thing a name that nothing has may mean: by spelling, then by label.

    Args:
        iri: The name.
        published: What there is.
        own: What the contribution brings.
        among: Only these are likely.
    """
    base = iri[: len(iri) - len(_local(iri))]
    brought = {one: one[len(base) :] for one in own if one.startswith(base)}
    scored = sorted(
        {
            (key, score)
            for choices in (published.by_namespace.get(base, {}), brought)
            for _, score, key in process.extract(
                _local(iri), choices, scorer=fuzz.ratio, score_cutoff=_LEAST, limit=8
            )
        },
        key=lambda one: (-one[1], one[0]),
    )
    if among is not None and any(one in among for one, _ in scored):
        scored = [(one, score) for one, score in scored if one in among]
    guess = _guess(scored)
    if guess.meant:
        return guess
    named = guess_label(_local(iri).replace("-", " "), published, among=among)
    return named if named.meant or not guess.iris else guess


def guess_label(text: str, published: Published, *, among: Collection[str] | None = None) -> Guess:
    """Say which thing a text may name."""
    found = published.find(text, among=among)
    return _guess([(one.iri, one.score) for one in found], sure=90.0)


def _guess(scored: list[tuple[str, float]], sure: float = _SURE) -> Guess:
    near = [(one, score) for one, score in scored if score >= _LEAST]
    is_sure = bool(near) and near[0][1] >= sure and (len(near) == 1 or near[0][1] - near[1][1] >= _MARGIN)
    return Guess(tuple(one for one, _ in near[:3]), is_sure)


def _local(iri: str) -> str:
    return iri[max(iri.rfind("/"), iri.rfind("#")) + 1 :]


def _likeness(one: str, other: str) -> float:
    whole = fuzz.ratio(one.lower(), other.lower())
    core = fuzz.ratio(_CORE.sub("", one).lower(), _CORE.sub("", other).lower()) - 2.0
    return max(whole, core)


# --- edits ------------------------------------------------------------------------------------------


@lru_cache(maxsize=4)
def lines_of(text: str) -> list[str]:
    """Return the lines of a text, as its places count them; not to be changed."""
    return text.split("\n")


def text_at(reading: Reading, span: Span) -> str:
    """Return what stands at a place of a text; nothing for a cell."""
    if span.cell:
        return ""
    lines = lines_of(reading.text)
    if not 0 < span.line <= span.end_line <= len(lines):
        return ""
    chosen = lines[span.line - 1 : span.end_line]
    chosen[-1] = chosen[-1][: span.end_column - 1]
    chosen[0] = chosen[0][span.column - 1 :]
    return "\n".join(chosen)


def replace_span(span: Span, text: str) -> Edit:
    """Return the edit that writes a text in a place."""
    return Edit(span.line, span.column, span.end_line, span.end_column, text, span.cell)


def respell(reading: Reading, span: Span | None, old: str, new: str) -> Edit | None:
    """
    Return the edit that writes another name where one stands, in the way it is written there.

    In formats other than Turtle only the local name is replaced, where it stands once.
    """
    if span is None:
        return None
    if span.cell:
        return replace_span(span, write_iri(new, reading.prefixes))
    written = text_at(reading, span)
    if reading.path.suffix in _TURTLE:
        return replace_span(span, write_iri(new, reading.prefixes)) if written else None
    if reading.path.suffix in _LINES:
        return replace_span(span, f"<{new}>") if written.startswith("<") else None
    local, base = _local(old), old[: len(old) - len(_local(old))]
    if not local or not new.startswith(base) or written.count(local) != 1:
        return None
    return replace_span(span, written.replace(local, new[len(base) :]))


def rewrite(reading: Reading, span: Span | None, term: Term) -> Edit | None:
    """Return the edit that writes a term where another stands; none in formats other than Turtle's."""
    if span is None:
        return None
    if span.cell:
        return replace_span(
            span, term.value if term.kind == "literal" else write_iri(term.value, reading.prefixes)
        )
    if not text_at(reading, span):
        return None
    if reading.path.suffix in _TURTLE:
        return replace_span(span, write_term(term, reading.prefixes))
    if reading.path.suffix in _LINES:
        return replace_span(span, write_term(term, {}))
    return None


def write_iri(iri: str, prefixes: Mapping[str, str]) -> str:
    """
    Write an IRI as Turtle does, with a prefix where the text has one.

    >>> write_iri("http://e/a-b", {"e": "http://e/"}), write_iri("http://e/a-b", {})
    ('e:a-b', '<http://e/a-b>')
    """
    fitting = [
        (len(space), prefix)
        for prefix, space in prefixes.items()
        if iri.startswith(space) and _SHORT.match(iri[len(space) :])
    ]
    if not fitting:
        return f"<{iri}>"
    length, prefix = max(fitting)
    return f"{prefix}:{iri[length:]}"


def write_term(term: Term, prefixes: Mapping[str, str]) -> str:
    """
    Write a term as Turtle does.

    >>> write_term(Term("literal", "2024", names.XSD + "gYear"), {"xsd": names.XSD})
    '"2024"^^xsd:gYear'
    """
    if term.kind == "iri":
        return write_iri(term.value, prefixes)
    if prefixes and term.datatype in _BARE and _BARE[term.datatype].match(term.value):
        return term.value
    escaped = term.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    if term.language:
        return f'"{escaped}"@{term.language}'
    return f'"{escaped}"^^{write_iri(term.datatype, prefixes)}' if term.datatype else f'"{escaped}"'
