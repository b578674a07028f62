"""Which kinds of statement a table may hold, and the columns of each: read from the shapes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import pyoxigraph as ox
import rdflib
from rdflib import SH

from kg import names
from kg.errors import NotFoundError
from kg.search import fold
from kg.tables.columns import Column, is_description_required, labels_of, properties_of
from kg.validation import Published

ENTITY, DOCUMENT = "entity", "document"
_CONCEPT = names.SKOS + "Concept"
_NOT_KINDS = {names.LAT + one for one in ("AssertionGraph", "Claim", "Curator", "Passage", "Section")}
_RECORDS = ("Occurrence", "Situation", "InformationRecord")


@dataclass(frozen=True)
class Kind:
    """
    A kind of statement: the first column names the thing, the others say something of it.

    Args:
        slug: As the command line has it.
        name: For machines: the prefixed class, or `entity`, `document`.
        header: For people: the header of the first column.
        iri: The class; empty for entities of any class.
        columns: All of them, the first included.
        is_record: Whether its things come to be by being stated (an action, a situation, a record), so that a
            name that nothing has makes a new one.
    """

    slug: str
    name: str
    header: str
    iri: str
    columns: tuple[Column, ...]
    is_record: bool = False

    @property
    def is_of_claims(self) -> bool:
        """Whether its rows are claims; those of entities and documents only name."""
        return self.slug not in (ENTITY, DOCUMENT)

    def shown(self, *, with_all: bool = False) -> list[Column]:
        """Return the columns of its form: those that are required or in use, or all."""
        is_used = any(one.usage for one in self.columns)
        return [
            one
            for one in self.columns
            if with_all or not (self.is_of_claims and is_used) or not one.path or one.is_required or one.usage
        ]

    def as_json(self, *, with_all: bool = False) -> dict[str, Any]:
        """Return the kind as JSON values."""
        columns = [asdict(one) for one in self.shown(with_all=with_all)]
        return {"kind": self.slug, "class": self.iri, "columns": columns}

    def find(self, written: str) -> Column | None:
        """Return the column of a header or a machine name as somebody wrote it."""
        bare = written.strip().rstrip("*").strip()
        for one in self.columns:
            if bare == one.name or fold(bare) == fold(one.header):
                return one
        return None


def _evidence(statuses: tuple[str, ...]) -> tuple[Column, ...]:
    """Return the columns that say where it stands."""
    document = (names.LAT + "SourceDocument",)
    return (
        Column(
            "document",
            "document",
            "name",
            classes=document,
            is_required=True,
            help="Title or slug of the document that says it; a new one stands on the sheet “document”.",
        ),
        Column(
            "first-words",
            "first words",
            "string",
            help="The words that the passage begins with, as many as it takes to find it.",
        ),
        Column("last-words", "last words", "string", help="The words that the passage ends with."),
        Column("section", "section", "string", help="The heading under which it stands."),
        Column("footnote", "footnote", "integer", help="The number of the footnote in which it stands."),
        Column("page", "page", "string", help="The page, as printed."),
        Column(
            "status",
            "status",
            "choice",
            classes=(names.LAT + "EpistemicStatus",),
            choices=statuses,
            help="How the document says it; left empty it is “stated”.",
        ),
        Column("note", "note", "text", help="A remark for the reviewer; it is published with the claim."),
        Column(
            "claim",
            "claim",
            "string",
            help="Rows with the same word here make one claim; left empty each row is a claim of its own.",
        ),
    )


def _naming(header: str, *, is_described: bool = False) -> tuple[Column, ...]:
    return (
        Column(
            "label",
            header,
            "string",
            is_required=True,
            help="What it is called. The name of something "
            "published means that thing; else a new one is made.",
        ),
        Column(
            "also-known-as", "also known as", "text", help="Other names of something new, with | between."
        ),
        Column(
            "description",
            "description",
            "text",
            is_required=is_described,
            help="One line on something new, in your own words.",
        ),
    )


def load_kinds(published: Published) -> dict[str, Kind]:
    """Return every kind by its slug: one for each class that claims are made of, then entity and document."""
    shapes, lexicon = published.shapes, published.lexicon
    statuses = labels_of(published, names.LAT + "EpistemicStatus")
    records = {below for one in _RECORDS for below in lexicon.below(names.LAT + one)}
    works = lexicon.below(names.LAT + "Work")
    concepts = lexicon.below(_CONCEPT)
    found: dict[str, Kind] = {}
    for node, target in shapes.subject_objects(SH.targetClass):
        iri = str(target)
        if iri in _NOT_KINDS or iri in concepts or not iri.startswith(names.LAT):
            continue
        label = lexicon.label(iri) or iri.removeprefix(names.LAT)
        properties = properties_of(published, node)
        naming = _naming(label, is_described=is_description_required(published, node))
        fixed = (*naming[1:], *_evidence(statuses))
        taken = {fold(one.header) for one in fixed} | {fold(label)}
        own = tuple(
            replace(one, header=f"{one.header} ({one.name})") if fold(one.header) in taken else one
            for one in properties
        )
        ordered = sorted(own, key=lambda one: (not one.is_required, one.header))
        slug = names.slugify(label)
        columns = (naming[0], *ordered, *fixed)
        is_record = iri in records and iri not in works
        found[slug] = Kind(slug, published.prefixes.compress(iri), label, iri, columns, is_record)
    kinds = dict(sorted(found.items()))
    kinds[ENTITY] = _entity(kinds)
    kinds[DOCUMENT] = _document(published)
    return kinds


_KINDS: WeakKeyDictionary[rdflib.Graph, dict[str, Kind]] = WeakKeyDictionary()  # by a version's shapes


def kinds_of(published: Published) -> dict[str, Kind]:
    """Return every kind by its slug, loaded once for a version."""
    found = _KINDS.get(published.shapes)
    if found is None:
        found = _KINDS[published.shapes] = load_kinds(published)
    return found


def find_kind(kinds: Mapping[str, Kind], written: str) -> Kind | None:
    """Return the kind that a slug, a label, a prefixed class or a first header names."""
    bare = written.strip().rstrip("*").strip()
    for one in kinds.values():
        if bare in (one.slug, one.name) or fold(bare) == fold(one.header):
            return one
    return None


def require_kind(kinds: Mapping[str, Kind], written: str) -> Kind:
    """
    Return the kind of a name.

    Raises:
        NotFoundError: There is none; field `near`.
    """
    found = find_kind(kinds, written)
    if found is None:
        from rapidfuzz import process

        near = [one for one, _, _ in process.extract(written, list(kinds), limit=3)]
        raise NotFoundError(
            f"{written!r} is no kind of statement: expected one of {', '.join(kinds)}.",
            name=written,
            near=near,
        )
    return found


def order_by_usage(published: Published, kinds: Iterable[Kind]) -> dict[str, Kind]:
    """Return kinds whose columns stand in the order of their use in the claims: required ones first."""
    usage: Counter[tuple[str, str]] = Counter()
    for quad in published.store.quads_for_pattern(None, None, None, None):
        graph, subject = quad.graph_name, quad.subject
        is_claimed = isinstance(graph, ox.NamedNode) and graph.value.startswith(names.CLAIM)
        if is_claimed and isinstance(subject, ox.NamedNode):
            usage[published.known.get(subject.value, ""), quad.predicate.value] += 1
    found = {}
    for kind in kinds:
        counted = [replace(one, usage=usage[kind.iri, one.path] if one.path else 0) for one in kind.columns]
        own = sorted(
            (one for one in counted if one.path),
            key=lambda one: (not one.is_required, -one.usage, one.header),
        )
        rest = [one for one in counted if not one.path]
        found[kind.slug] = replace(kind, columns=(rest[0], *own, *rest[1:]))
    return found


def _entity(kinds: Mapping[str, Kind]) -> Kind:
    classes = tuple(one.header for one in kinds.values() if not one.is_record)
    columns = _naming("name", is_described=True)
    kind = Column(
        "class", "class", "choice", is_required=True, choices=classes, help="What kind of thing it is."
    )
    return Kind(ENTITY, ENTITY, "name", "", (columns[0], kind, *columns[1:]))


def _document(published: Published) -> Kind:
    lat = names.LAT
    actor = (lat + "Actor",)
    properties = {
        one.path: one for one in properties_of(published, rdflib.URIRef(names.SHAPES + "SourceDocument"))
    }
    columns = (
        _naming("title")[0],
        Column(
            "lat:authoredBy",
            "authors",
            "name",
            lat + "authoredBy",
            actor,
            True,
            "Who wrote it, with | between.",
        ),
        Column("lat:publishedBy", "publisher", "name", lat + "publishedBy", actor, True, "Who published it."),
        replace(properties[lat + "date"], header="date"),
        replace(properties[lat + "url"], header="address"),
        Column(
            "file",
            "file",
            "string",
            is_required=True,
            help="The file name of your copy, which you send with "
            "the table: its text is what passages are found in.",
        ),
        *_naming("title")[1:],
    )
    return Kind(DOCUMENT, DOCUMENT, "title", lat + "SourceDocument", columns)
