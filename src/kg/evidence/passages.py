"""Passages: where a document supports a claim, read from a store, and checked against the reference text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pyoxigraph import Literal, NamedNode, QuerySolutions, Store

from kg.errors import NotFoundError, Problem
from kg.evidence.canon import digest, words
from kg.names import CLAIMS_GRAPH, DOCUMENT, ENTITIES_GRAPH, LAT, OA, PASSAGE, PASSAGES_GRAPH, RDFS

MAX_CODE_POINTS = 600  # design.md, section 5
MAX_LOCATOR_WORDS = 4  # design.md, section 5


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a text: offsets in code points, half-open."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage of a source document, as `graph:passages` describes it; offsets in code points."""

    iri: str
    document: str
    start: int
    end: int
    first_words: str
    last_words: str
    digest: str
    word_count: int
    section: str | None = None
    footnote: int | None = None
    page: str | None = None


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """What the name authority says of a source document's reference text."""

    iri: str
    label: str
    reference_file: str
    reference_digest: str
    code_points: int


_PASSAGES = f"""
SELECT ?passage ?start ?end ?first ?last ?digest ?count ?section ?footnote ?page
WHERE {{
  GRAPH <{PASSAGES_GRAPH}> {{
    ?passage <{OA}hasSource> ?document ;
             <{OA}hasSelector> ?selector ;
             <{LAT}firstWords> ?first ;
             <{LAT}lastWords> ?last ;
             <{LAT}digest> ?digest ;
             <{LAT}wordCount> ?count .
    ?selector <{OA}start> ?start ;
              <{OA}end> ?end .
    OPTIONAL {{ ?passage <{LAT}inSection> ?section }}
    OPTIONAL {{ ?passage <{LAT}footnoteNumber> ?footnote }}
    OPTIONAL {{ ?passage <{LAT}page> ?page }}
  }}
  FILTER(?document = DOCUMENT)
}}
ORDER BY ?start ?end ?passage
"""

_LOCATED = f"""
SELECT ?passage
WHERE {{
  GRAPH <{PASSAGES_GRAPH}> {{
    ?passage <{OA}hasSource> DOCUMENT ;
             <{LAT}locatorOnly> true .
  }}
}}
ORDER BY ?passage
"""

_CLAIMS = f"""
SELECT ?claim ?passage
WHERE {{
  GRAPH <{CLAIMS_GRAPH}> {{ ?claim <{LAT}evidence> ?passage }}
  GRAPH <{PASSAGES_GRAPH}> {{ ?passage <{OA}hasSource> DOCUMENT }}
}}
ORDER BY ?passage ?claim
"""

_DOCUMENT = f"""
SELECT ?label ?file ?digest ?length
WHERE {{
  GRAPH <{ENTITIES_GRAPH}> {{
    DOCUMENT <{LAT}referenceFile> ?file ;
             <{LAT}referenceDigest> ?digest ;
             <{LAT}codePoints> ?length .
    OPTIONAL {{ DOCUMENT <{RDFS}label> ?label }}
  }}
}}
ORDER BY ?label
"""


def document_iri(document: str) -> str:
    """
    Return the IRI of a document that is named by slug or by IRI.

    >>> document_iri("wef-2026")
    'https://w3id.org/lateral/document/wef-2026'
    """
    return document if document.startswith(DOCUMENT) else DOCUMENT + document


def load_passages(store: Store, document: str) -> list[Passage]:
    """
    List the passages of one document, in text order.

    Args:
        store: The dataset, with its named graphs.
        document: The document, by IRI or slug.
    """
    iri = document_iri(document)
    by_iri: dict[str, Passage] = {}
    for row in select(store, _PASSAGES.replace("DOCUMENT", f"<{iri}>")):
        passage = Passage(
            iri=row["passage"],
            document=iri,
            start=int(row["start"]),
            end=int(row["end"]),
            first_words=row["first"],
            last_words=row["last"],
            digest=row["digest"],
            word_count=int(row["count"]),
            section=row.get("section"),
            footnote=int(row["footnote"]) if "footnote" in row else None,
            page=row.get("page"),
        )
        by_iri.setdefault(passage.iri, passage)
    return list(by_iri.values())


def load_located(store: Store, document: str) -> list[str]:
    """Return the passages of a document that are kept by section, footnote or page, without positions."""
    query = _LOCATED.replace("DOCUMENT", f"<{document_iri(document)}>")
    return [row["passage"] for row in select(store, query)]


def load_claims(store: Store, document: str) -> dict[str, list[str]]:
    """Return the claims that rest on each passage of a document: claim IRIs by passage IRI."""
    found: dict[str, list[str]] = {}
    for row in select(store, _CLAIMS.replace("DOCUMENT", f"<{document_iri(document)}>")):
        found.setdefault(row["passage"], []).append(row["claim"])
    return found


def load_document(store: Store, document: str) -> DocumentRecord:
    """
    Read what the name authority says of a document's reference text.

    Raises:
        NotFoundError: No document has that name, or its record lacks file, digest or length.
    """
    iri = document_iri(document)
    for row in select(store, _DOCUMENT.replace("DOCUMENT", f"<{iri}>")):
        label = row.get("label", iri)
        return DocumentRecord(iri, label, row["file"], row["digest"], int(row["length"]))
    raise NotFoundError(
        f"{document}: no document of that name has lat:referenceFile, lat:referenceDigest and lat:codePoints "
        "in data/entities/source-document.ttl.",
        name=document,
    )


def select(store: Store, query: str) -> list[dict[str, str]]:
    """Run a SELECT query and return its rows as lexical values, unbound ones left out."""
    solutions = store.query(query)
    assert isinstance(solutions, QuerySolutions)
    names = [one.value for one in solutions.variables]
    return [
        {
            name: value.value
            for name, value in zip(names, row, strict=True)
            if isinstance(value, NamedNode | Literal)
        }
        for row in solutions
    ]


def check_passages(passages: Iterable[Passage], text: str) -> list[Problem]:
    """
    Hold every passage against the reference text: bounds, length, first and last words, digest, count.

    A passage gives one problem, which names every fault.

    Args:
        passages: Passages of one document.
        text: Its reference text, as it is on disk.
    """
    return [_told(one, faults) for one in passages if (faults := _faults(one, text))]


def _told(passage: Passage, faults: Iterable[str]) -> Problem:
    """Put all that is wrong with one passage into one problem: it has one mending."""
    name = passage.iri.removeprefix(PASSAGE)
    return Problem(
        f"passage {name}: {' '.join(faults)} Usual cause: it was written by hand, not by kg cite.",
        fix=f"cite it again: kg cite {passage.document.removeprefix(DOCUMENT)} "
        f'"{passage.first_words}" "{passage.last_words}"',
        subject=passage.iri,
    )


def _faults(passage: Passage, text: str) -> list[str]:
    if not 0 <= passage.start < passage.end <= len(text):
        return [f"offsets {passage.start}-{passage.end} are outside the text of {len(text)} code points."]
    faults = []
    if passage.end - passage.start > MAX_CODE_POINTS:
        faults.append(
            f"{passage.end - passage.start} code points: expected at most {MAX_CODE_POINTS}; use several."
        )
    found = words(text[passage.start : passage.end])
    texts = [one.text for one in found]
    if len(found) != passage.word_count:
        faults.append(f"lat:wordCount is {passage.word_count}, the text has {len(found)} words there.")
    if digest(found) != passage.digest:
        faults.append(f"lat:digest is not that of the words at {passage.start}-{passage.end}.")
    first = [one.text for one in words(passage.first_words)]
    last = [one.text for one in words(passage.last_words)]
    if not first or texts[: len(first)] != first:
        faults.append("lat:firstWords are not the first words at the offsets.")
    if not last or texts[-len(last) :] != last:
        faults.append("lat:lastWords are not the last words at the offsets.")
    faults += [f"{name} has more than {MAX_LOCATOR_WORDS} words." for name in _long_locators(passage)]
    return faults


def _long_locators(passage: Passage) -> list[str]:
    locators: Sequence[tuple[str, str]] = (
        ("lat:firstWords", passage.first_words),
        ("lat:lastWords", passage.last_words),
    )
    return [name for name, value in locators if len(value.split()) > MAX_LOCATOR_WORDS]
