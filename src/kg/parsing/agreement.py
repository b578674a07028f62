"""What we read held against what the standard parser reads: it is the authority, we know the places."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import pyoxigraph as ox

from kg.turtle import Places, Statement, Term

_XSD_STRING = "http://www.w3.org/2001/XMLSchema#string"
_ROUNDS = 8
_Key = tuple[object, ...]


def agree(ours: Sequence[Statement], theirs: Sequence[ox.Quad], whole: Places) -> list[Statement]:
    """
    Return the statements of the standard parser, each with its place.

    Where both read the same, up to the names of blank nodes, ours are returned. Else each of theirs takes the
    place of the one of ours that is nearest: the same, or of its subject and property, or of its subject.

    Args:
        ours: What was read with places.
        theirs: What the parser read.
        whole: The place of what nothing of ours is near.
    """
    converted = list(map(from_quad, theirs))
    if is_same(ours, converted):
        return list(ours)
    names: dict[str, str] = {}
    near: dict[_Key, Places] = {}
    for one in reversed(ours):
        if one.places is not None:
            near.update(dict.fromkeys(_keys(one), one.places))
    placed = []
    for one in converted:
        places = next((near[key] for key in _keys(one) if key in near), whole)
        graph, *terms = (
            term and (_renamed(term, names) if term.kind == "blank" else term)
            for term in (one.graph, one.subject, one.predicate, one.object)
        )
        lines = places.predicate.line, places.subject.line
        placed.append(Statement(graph, *terms, *lines, places))  # type: ignore[arg-type, call-arg]
    return sorted(placed, key=lambda one: one.places.predicate[:2] if one.places else (0, 0))


def _keys(one: Statement) -> tuple[_Key, ...]:
    return (
        tuple(one[:4]),
        (one.subject, one.predicate, one.object.value),
        (one.subject, one.predicate),
        (one.predicate, one.object),
        (one.subject,),
    )


def _renamed(term: Term, names: dict[str, str]) -> Term:
    if not re.fullmatch("_:[0-9a-f]{20,32}", term.value):
        return term
    return Term("blank", names.setdefault(term.value, f"_:[{len(names) + 1}]"))


def from_quad(quad: ox.Quad) -> Statement:
    """Return a quad as a statement without a place."""
    graph = None if isinstance(quad.graph_name, ox.DefaultGraph) else _term(quad.graph_name)
    return Statement(graph, _term(quad.subject), _term(quad.predicate), _term(quad.object), 0, 0)


def _term(term: object) -> Term:
    if isinstance(term, ox.NamedNode):
        return Term("iri", term.value)
    if isinstance(term, ox.BlankNode):
        return Term("blank", f"_:{term.value}")
    if isinstance(term, ox.Literal):
        if term.language:
            return Term("literal", term.value, language=term.language)
        datatype = term.datatype.value
        return Term("literal", term.value, "" if datatype == _XSD_STRING else datatype)
    return Term("other", str(term))


def is_same(ours: Iterable[Statement], theirs: Iterable[Statement]) -> bool:
    """
    Tell whether two readings say the same, whatever their blank nodes are called.

    Blank nodes are told apart by what is said of them, some steps far: enough for two parsers of one text.
    """
    return _meaning(ours) == _meaning(theirs)


def _meaning(statements: Iterable[Statement]) -> Counter[_Key]:
    quads = {tuple(_plain(term) for term in one[:4]) for one in statements}
    blanks = {term for quad in quads for term in quad if term and term[0] == "blank"}
    colours: dict[object, int] = dict.fromkeys(blanks, 0)
    for _ in range(_ROUNDS if blanks else 0):
        seen: dict[object, list[int]] = {one: [] for one in blanks}
        for quad in quads:
            coloured = tuple(colours.get(term, term) for term in quad)
            for position, term in enumerate(quad):
                if term in seen:
                    others = tuple("" if quad[n] == term else one for n, one in enumerate(coloured))
                    seen[term].append(hash((position, others)))
        fresh: dict[object, int] = {
            one: hash((colours[one], tuple(sorted(found)))) for one, found in seen.items()
        }
        is_stable = len(set(fresh.values())) == len(set(colours.values())) == len(blanks)
        colours = fresh
        if is_stable:
            break
    return Counter(tuple(colours.get(term, term) for term in quad) for quad in quads)


def _plain(term: object) -> tuple[str, ...] | None:
    if not isinstance(term, Term):
        return None
    return (term.kind, term.value, term.datatype, term.language.lower())
