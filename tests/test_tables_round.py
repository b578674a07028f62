"""Every claim of ours, written as rows and read back, says what it said."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pyoxigraph as ox
import pytest

from kg import names
from kg.evidence import load_passages
from kg.names import load_prefixes
from kg.tables import Kind, load_kinds, read
from kg.tables.blocks import join
from kg.tables.naming import Naming
from kg.tables.passages import Miss, Passages, Place
from kg.turtle import Statement
from kg.validation import Published

ROOT = Path(__file__).resolve().parents[1]
LEAST_CLAIMS = 1_000  # measured: 1,048 of 1,052
TYPE, LABEL = names.RDF + "type", names.RDFS + "label"
Triple = tuple[str, str, str, str]


@dataclass(frozen=True)
class Claim:
    """What one claim says."""

    iri: str
    quads: tuple[ox.Quad, ...]

    @cached_property
    def subjects(self) -> list[str]:
        """What it speaks of."""
        return sorted({str(one.subject.value) for one in self.quads})  # type: ignore[union-attr]

    @cached_property
    def typed(self) -> dict[str, str]:
        """The things whose class it says."""
        return {
            one.subject.value: one.object.value  # type: ignore[union-attr]
            for one in self.quads
            if one.predicate.value == TYPE
        }

    @cached_property
    def triples(self) -> set[Triple]:
        """Its triples, as they are compared."""
        return {
            (one.subject.value, one.predicate.value, *term(one.object))  # type: ignore[union-attr]
            for one in self.quads
        }


def term(value: object) -> tuple[str, str]:
    """Return a term's value and its type or language."""
    if isinstance(value, ox.Literal):
        return value.value, value.language or value.datatype.value
    assert isinstance(value, ox.NamedNode)
    return value.value, "iri"


def triple(one: Statement) -> Triple:
    """Return the triple of a statement that was read, as it is compared."""
    value = one.object
    kind = "iri" if value.kind == "iri" else value.language or value.datatype or names.XSD + "string"
    return one.subject.value, one.predicate.value, value.value, kind


class Writer:
    """Writes claims as rows."""

    def __init__(self, store: ox.Store) -> None:
        self.published = Published(store, load_prefixes(ROOT / "ontology" / "prefixes.ttl"))
        self.kinds = load_kinds(self.published)
        self.naming = Naming(self.published)
        self.by_class = {
            one.iri: one for one in self.kinds.values() if one.slug not in ("entity", "document")
        }

    def claims(self) -> list[Claim]:
        """Return the claims of the graph."""
        found: dict[str, list[ox.Quad]] = defaultdict(list)
        for quad in self.published.store.quads_for_pattern(None, None, None, None):
            if isinstance(quad.graph_name, ox.NamedNode) and quad.graph_name.value.startswith(names.CLAIM):
                found[quad.graph_name.value].append(quad)
        return [Claim(iri, tuple(quads)) for iri, quads in sorted(found.items())]

    def value(self, subject: str, predicate: str) -> list[str]:
        """Return the texts that the name authority or the records give."""
        graphs = (names.ENTITIES_GRAPH, names.CLAIMS_GRAPH, names.PASSAGES_GRAPH)
        pattern = (ox.NamedNode(subject), ox.NamedNode(predicate), None)
        found = [q for g in graphs for q in self.published.store.quads_for_pattern(*pattern, ox.NamedNode(g))]
        return sorted(str(one.object.value) for one in found)  # type: ignore[union-attr]

    def name(self, iri: str, classes: tuple[str, ...]) -> str:
        """Write a thing by its label where that means it, else with its IRI."""
        label = self.naming.label(iri)
        return label if self.naming.resolve(label, classes).iri == iri else self.naming.write(iri)

    def is_expressible(self, claim: Claim) -> bool:
        """Tell whether each thing has a kind whose form has a column for all that is said."""
        for quad in claim.quads:
            subject = str(quad.subject.value)  # type: ignore[union-attr]
            kind = self.by_class.get(self.published.known.get(subject, ""))
            if kind is None or (subject in claim.typed and not subject.startswith(names.ID)):
                return False
            path = quad.predicate.value
            if path not in {one.path for one in kind.columns} | {TYPE}:
                return False
        return True

    def is_complete(self, claim: Claim) -> bool:
        """Tell whether a claim that makes a thing says all that a new one needs; else other claims do."""
        said = {(str(one.subject.value), one.predicate.value) for one in claim.quads}  # type: ignore[union-attr]
        return all(
            (subject, column.path) in said
            for subject, kind in claim.typed.items()
            for column in self.by_class[kind].columns
            if column.path and column.is_required
        )

    def row(self, claim: Claim, subject: str, kind: Kind) -> dict[str, str]:
        """Write what a claim says of one thing as a row."""
        said: dict[str, list[str]] = defaultdict(list)
        for quad in claim.quads:
            column = next((one for one in kind.columns if one.path == quad.predicate.value), None)
            if quad.subject == ox.NamedNode(subject) and column and quad.predicate.value != TYPE:
                value, form = term(quad.object)
                said[column.name].append(self.name(value, column.classes) if form == "iri" else value)
        row = {name: join(values) for name, values in said.items()}
        row["label"] = self.name(subject, (kind.iri,))
        if subject in claim.typed:
            label = self.naming.label(subject)
            is_short = names.ID + names.slugify(label) == subject
            row["label"] = label if is_short else self.naming.write(subject)
            row["also-known-as"] = join(self.value(subject, names.SKOS + "altLabel"))
            row["description"] = "".join(self.value(subject, names.DCTERMS + "description"))
        return row | self.evidence(claim)

    def evidence(self, claim: Claim) -> dict[str, str]:
        """Write where a claim is said, without a copy."""
        passage = self.value(claim.iri, names.LAT + "evidence")[0]
        section = self.value(passage, names.LAT + "inSection")
        status = self.value(claim.iri, names.LAT + "epistemicStatus")[0]
        return {
            "claim": claim.iri,
            "note": claim.iri,
            "document": self.value(claim.iri, names.LAT + "statedIn")[0].rpartition("/")[2],
            "section": section[0].rpartition("/")[2] if section else "",
            "footnote": "".join(self.value(passage, names.LAT + "footnoteNumber")[:1]),
            "status": self.naming.label(status),
        }

    def table(self, claims: Iterable[Claim]) -> str:
        """Write claims as CSV: one block for each kind."""
        rows: dict[str, list[dict[str, str]]] = defaultdict(list)
        for claim in claims:
            for subject in claim.subjects:
                kind = self.by_class[self.published.known[subject]]
                rows[kind.slug].append(self.row(claim, subject, kind))
        text = io.StringIO()
        writer = csv.writer(text)
        for slug, block in rows.items():
            columns = self.kinds[slug].columns
            writer.writerow([one.title for one in columns])
            writer.writerow([self.kinds[slug].name, *(one.name for one in columns[1:])])
            writer.writerows([[row.get(one.name, "") for one in columns] for row in block])
            writer.writerow([])
        return text.getvalue()

    def without(self, hidden: set[str]) -> Published:
        """Return what is published as if some things had not been named yet."""
        published = Published(self.published.store, self.published.prefixes)
        for name in ("shapes", "ontology", "lexicon"):
            published.__dict__[name] = getattr(self.published, name)
        published.__dict__["known"] = {k: v for k, v in self.published.known.items() if k not in hidden}
        published.__dict__["by_name"] = {
            key: [one for one in bearers if one[0] not in hidden]
            for key, bearers in self.published.by_name.items()
        }
        return published


def lenient(kinds: Mapping[str, Kind]) -> dict[str, Kind]:
    """Return kinds of which nothing but the name is required."""
    return {
        slug: replace(
            kind,
            columns=tuple(replace(one, is_required=one.is_required and not one.path) for one in kind.columns),
        )
        for slug, kind in kinds.items()
    }


def batches(claims: Iterable[Claim]) -> Iterator[list[Claim]]:
    """Put claims into batches in which no thing that is named anew stands in two."""
    waiting = list(claims)
    while waiting:
        batch: list[Claim] = []
        later: list[Claim] = []
        fresh: set[str] = set()
        used: set[str] = set()
        for one in waiting:
            if set(one.typed) & used or set(one.subjects) & fresh:
                later.append(one)
                continue
            batch.append(one)
            fresh |= set(one.typed)
            used |= set(one.subjects)
        yield batch
        waiting = later


@pytest.fixture(scope="module")
def writer(published: ox.Store) -> Writer:
    """Return what writes the claims of the real graph."""
    return Writer(published)


def test_our_claims_survive_as_rows(writer: Writer) -> None:
    """Each claim that a form can hold is read back as it was: its triples, its naming, its record."""
    claims = [one for one in writer.claims() if writer.is_expressible(one)]
    complete = [one for one in claims if writer.is_complete(one)]
    others = [one for one in claims if not writer.is_complete(one)]
    assert len(complete) > 800
    kinds, compared = set(), 0
    work = [(one, writer.kinds) for one in batches(complete)]
    work += [(one, lenient(writer.kinds)) for one in batches(others)]
    for batch, forms in work:
        fresh = {subject for one in batch for subject in one.typed}
        text = writer.table(batch)
        reading = read(text.encode(), path=Path("claims.csv"), published=writer.without(fresh), kinds=forms)
        errors = [str(one) for one in reading.problems if one.level == "error"]
        assert errors == []
        claimed: dict[str, set[Triple]] = defaultdict(set)
        records: dict[str, dict[str, str]] = defaultdict(dict)
        named: set[Triple] = set()
        for one in reading.statements:
            if one.graph is not None:
                claimed[one.graph.value].add(triple(one))
            elif one.subject.value.startswith(names.CLAIM):
                records[one.subject.value][one.predicate.value] = one.object.value
            elif one.subject.value.startswith(names.ID):
                named.add(triple(one))
        found = {record[names.SKOS + "editorialNote"]: (draft, record) for draft, record in records.items()}
        for claim in batch:
            draft, record = found[claim.iri]
            assert claimed[draft] == claim.triples, claim.iri
            for predicate in ("statedIn", "epistemicStatus"):
                assert [record[names.LAT + predicate]] == writer.value(claim.iri, names.LAT + predicate)
            compared += 1
            kinds |= {writer.published.known[subject] for subject in claim.subjects}
        for subject in fresh:
            for predicate in (TYPE, LABEL, names.SKOS + "altLabel", names.DCTERMS + "description"):
                values = sorted(value for s, p, value, _ in named if (s, p) == (subject, predicate))
                assert values == writer.value(subject, predicate), (subject, predicate)
    assert compared >= LEAST_CLAIMS
    assert len(kinds) >= 55


DOCUMENTS = ROOT.parent / "shared" / "documents"


@pytest.mark.skipif(not DOCUMENTS.is_dir(), reason="the documents may not be republished")
@pytest.mark.parametrize("document", ["wef-2026", "ipi-2024"])
def test_our_passages_are_computed_anew(document: str, published: ox.Store) -> None:
    """From first and last words, in a section where they stand twice, each passage of ours is found again."""
    graph = Published(published, load_prefixes(ROOT / "ontology" / "prefixes.ttl"), ROOT, DOCUMENTS)
    passages = Passages(graph, {})
    text = passages.text(names.DOCUMENT + document)
    assert text is not None and text.is_reference
    exact = asked = 0
    known = load_passages(published, document)
    for one in known[:: max(1, len(known) // 180)]:  # a fifth of the longer document's: each takes 0.1 s
        words = text.content[one.start : one.end].split()
        first, last = " ".join(words[:10]), " ".join(words[-10:])
        place = Place(names.DOCUMENT + document, first, last, one.section or "", str(one.footnote or ""))
        said = passages.describe(place, {})
        if isinstance(said, Miss):
            assert said.code == "ambiguous-words", (one.iri, said)
            asked += 1
            continue
        values = {predicate: value.value for predicate, value in said}
        assert values[names.LAT + "digest"] == one.digest, one.iri
        assert int(values[names.OA + "end"]) - int(values[names.OA + "start"]) == one.end - one.start, one.iri
        exact += 1
    assert exact > 100
    assert asked <= exact / 10  # short ones that stand twice in a section
