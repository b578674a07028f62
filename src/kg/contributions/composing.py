"""The file of an accepted contribution: drafts get their names, history is told in PROV, claims go."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import pyoxigraph as ox

from kg import names, turtle
from kg.contributions.people import person_iri
from kg.contributions.records import Contribution, Event
from kg.names import Prefixes
from kg.turtle import Statement, Term

_TYPE = names.RDF + "type"
_LABEL = names.RDFS + "label"
_DATE, _TIME = names.XSD + "date", names.XSD + "dateTime"
_EVIDENCE = names.LAT + "evidence"
_CURATED = (names.LAT + "curatedBy", names.LAT + "curatedOn")
_SELECTOR = "#selector"
_CONTRIBUTOR = "Contributes to this graph or reviews what others contribute."
_BASES = (names.CLAIM, names.PASSAGE)
_NUMBER = re.compile(r"[0-9]{1,4}\Z")


def published_names(quads: Iterable[ox.Quad], contribution: str) -> dict[str, str]:
    """
    Map the draft names of claims and passages to those that they get: their number, or the next that is free.

    >>> claim = ox.NamedNode(names.CLAIM + "draft/7")
    >>> list(published_names([ox.Quad(claim, claim, claim)], "0a1b2c3d4e5f").values())
    ['https://w3id.org/lateral/claim/contribution/0a1b2c3d4e5f/0007']
    """
    found = {
        node.value.removesuffix(_SELECTOR)
        for quad in quads
        for node in (quad.graph_name, quad.subject, quad.object)
        if isinstance(node, ox.NamedNode) and node.value.startswith(tuple(f"{one}draft/" for one in _BASES))
    }
    given: dict[str, str] = {}
    for base in _BASES:
        drafts = sorted(one.removeprefix(f"{base}draft/") for one in found if one.startswith(base))
        numbered = {int(one): one for one in reversed(drafts) if _NUMBER.match(one)}
        numbers = {local: number for number, local in numbered.items()}
        free = max(numbered, default=0)
        for local in drafts:
            if local not in numbers:
                free += 1
                numbers[local] = free
        for local, number in numbers.items():
            given[f"{base}draft/{local}"] = f"{base}contribution/{contribution}/{number:04d}"
    return given


def to_published(quads: Iterable[ox.Quad], contribution: Contribution) -> list[Statement]:
    """Return what a contribution says under the names that it gets, with its contributor and day."""
    found = list(quads)
    given = published_names(found, contribution.id)

    def named(iri: str) -> str:
        stem, mark, tail = iri.partition("#")
        return given.get(stem, stem) + mark + tail

    statements, claims = [], set()
    for quad in found:
        graph = named(_iri(quad.graph_name))
        if graph == names.CLAIMS_GRAPH and quad.predicate.value in _CURATED:
            continue
        subject, value = _term(quad.subject, named), _term(quad.object, named)
        statements.append(_statement(graph, subject, quad.predicate.value, value))
        if graph.startswith(names.CLAIM):
            claims.add(graph)
    day = Term("literal", contribution.current.on[:10], _DATE)
    for claim in claims:
        about = Term("iri", claim)
        curator = Term("iri", person_iri(contribution.contributor))
        statements.append(_statement(names.CLAIMS_GRAPH, about, _CURATED[0], curator))
        statements.append(_statement(names.CLAIMS_GRAPH, about, _CURATED[1], day))
    return statements


def claims_of(statements: Iterable[Statement]) -> tuple[str, ...]:
    """Return the claims whose graphs some statements make, in order."""
    graphs = {one.graph.value for one in statements if one.graph}
    return tuple(sorted(one for one in graphs if one.startswith(names.CLAIM)))


def compose(statements: Iterable[Statement], contribution: Contribution, prefixes: Prefixes) -> bytes:
    """Write the file of an accepted contribution: what it says, and its history."""
    said = (one for one in statements if one.graph and one.graph.value != names.CONTRIBUTIONS_GRAPH)
    return turtle.write([*said, *tell_history(contribution)], prefixes).encode()


def tell_history(contribution: Contribution) -> list[Statement]:
    """Return the life of a contribution in PROV; what was said in a remark is a comment on its step."""
    about = names.CONTRIBUTION + contribution.id
    told = [
        _told(about, _TYPE, Term("iri", names.PROV + "Entity")),
        _told(about, _LABEL, _text(f"Contribution {contribution.id}")),
        _told(about, names.PROV + "wasAttributedTo", Term("iri", person_iri(contribution.contributor))),
        _told(about, names.PROV + "wasGeneratedBy", Term("iri", f"{about}/1")),
    ]
    for old in sorted({one.rsplit("/", 2)[1] for one in contribution.replaces}):
        told.append(_told(about, names.PROV + "wasRevisionOf", Term("iri", names.CONTRIBUTION + old)))
    for event in contribution.history:
        told += _tell_event(event, about)
    return told


def _tell_event(event: Event, about: str) -> list[Statement]:
    step = f"{about}/{event.number}"
    time = Term("literal", event.on, _TIME)
    told = [
        _told(step, _TYPE, Term("iri", names.PROV + "Activity")),
        _told(step, _LABEL, _text(f"Contribution {about.rpartition('/')[2]} {event.step}")),
        _told(step, names.PROV + "used", Term("iri", about)),
        _told(step, names.PROV + "endedAtTime", time),
        _told(step, names.PROV + "wasAssociatedWith", Term("iri", person_iri(event.by))),
    ]
    if event.number == 1:
        told = [one for one in told if one.predicate.value != names.PROV + "used"]
    if event.remark:
        told.append(_told(step, names.RDFS + "comment", Term("literal", event.remark)))
    for claim in event.claims:
        told.append(_told(claim, _TYPE, Term("iri", names.PROV + "Entity")))
        told.append(_told(claim, names.PROV + "wasInvalidatedBy", Term("iri", step)))
        told.append(_told(claim, names.PROV + "invalidatedAtTime", time))
        if event.corrected_by:
            corrected = Term("iri", names.CONTRIBUTION + event.corrected_by)
            told.append(_told(claim, names.DCTERMS + "isReplacedBy", corrected))
    return told


def take_out(
    statements: Iterable[Statement], claims: Iterable[str], mentioned: Iterable[str]
) -> list[Statement]:
    """
    Return what a contribution says without some claims, and without what then nothing speaks of.

    Args:
        statements: Those of its file.
        claims: Which to take out.
        mentioned: What the rest of the graph speaks of; it stays.
    """
    gone = set(claims)
    kept = [one for one in statements if _graph(one) not in gone and one.subject.value not in gone]
    used = {one.object.value for one in kept if one.predicate.value == _EVIDENCE}
    kept = [one for one in kept if _graph(one) != names.PASSAGES_GRAPH or _stem(one.subject.value) in used]
    named = [one for one in kept if _graph(one) == names.ENTITIES_GRAPH]
    rest = [one for one in kept if _graph(one) not in (names.ENTITIES_GRAPH, names.CONTRIBUTIONS_GRAPH)]
    reached = {*mentioned, *mentions(rest)}
    described: dict[str, set[str]] = {}
    for one in named:
        described.setdefault(one.subject.value, set()).add(one.object.value)
    left = [one for one in described if one in reached]
    while left:
        fresh = described.pop(left.pop(), set()) - reached
        reached |= fresh
        left += [one for one in fresh if one in described]
    return [*rest, *(one for one in named if one.subject.value in reached)]


def mentions(statements: Iterable[Statement]) -> set[str]:
    """Return the IRIs that statements speak of."""
    return {term.value for one in statements for term in (one.subject, one.object) if term.kind == "iri"}


def mentions_elsewhere(store: ox.Store, contribution: str, statements: Iterable[Statement]) -> set[str]:
    """Return the IRIs that the graph speaks of outside the file of a contribution."""
    own = tuple(f"{base}contribution/{contribution}/" for base in _BASES)
    named = {one.subject.value for one in statements if _graph(one) == names.ENTITIES_GRAPH}
    found: set[str] = set()
    for quad in store:
        graph, subject = _iri(quad.graph_name), _iri(quad.subject)
        is_own = graph.startswith(own) or subject.startswith(own)
        is_history = graph == names.CONTRIBUTIONS_GRAPH
        if is_own or is_history or (graph == names.ENTITIES_GRAPH and subject in named):
            continue
        found |= {subject, _iri(quad.object)}
    return found


def name_people(text: str | None, people: Mapping[str, str], prefixes: Prefixes) -> bytes:
    """
    Write the file of contributors with some people in it.

    Args:
        text: The file as it is, if there is one.
        people: IRI to name; who is in the file already keeps the name that stands there.
        prefixes: To write with.
    """
    statements = turtle.read(text).statements if text else []
    known = {one.subject.value for one in statements}
    for iri, name in people.items():
        if iri not in known:
            about = Term("iri", iri)
            statements.append(_plain(about, _TYPE, Term("iri", names.LAT + "Curator")))
            statements.append(_plain(about, _LABEL, _text(name)))
            statements.append(_plain(about, names.DCTERMS + "description", _text(_CONTRIBUTOR)))
    return turtle.write(statements, prefixes).encode()


def _graph(one: Statement) -> str:
    return one.graph.value if one.graph else ""


def _stem(iri: str) -> str:
    return iri.removesuffix(_SELECTOR)


def _iri(node: object) -> str:
    return node.value if isinstance(node, ox.NamedNode) else ""


def _term(node: object, named: object) -> Term:
    assert callable(named)
    match node:
        case ox.NamedNode():
            return Term("iri", named(node.value))
        case ox.Literal() if node.language:
            return Term("literal", node.value, language=node.language)
        case ox.Literal():
            datatype = node.datatype.value
            return Term("literal", node.value, "" if datatype == names.XSD + "string" else datatype)
    return Term("blank", str(node))


def _statement(graph: str, subject: Term, predicate: str, value: Term) -> Statement:
    return Statement(Term("iri", graph), subject, Term("iri", predicate), value, 0, 0)


def _plain(subject: Term, predicate: str, value: Term) -> Statement:
    return Statement(None, subject, Term("iri", predicate), value, 0, 0)


def _told(subject: str, predicate: str, value: Term) -> Statement:
    return _statement(names.CONTRIBUTIONS_GRAPH, Term("iri", subject), predicate, value)


def _text(text: str) -> Term:
    return Term("literal", text, language="en")
