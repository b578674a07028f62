"""Write the passage block of a span, ready to paste into a TriG file."""

from __future__ import annotations

from collections.abc import Sequence

from pyoxigraph import Store

from kg.errors import NotFoundError, UsageError
from kg.evidence.anchor import anchor
from kg.evidence.canon import Word, digest, words
from kg.evidence.passages import MAX_LOCATOR_WORDS, Span, document_iri, load_passages
from kg.evidence.sections import Section, find_section, load_sections
from kg.names import DOCUMENT, LAT, OA, PASSAGE, PASSAGES_GRAPH, RDF, XSD, Prefixes
from kg.turtle import Statement, Term, write

_EMPHASIS = str.maketrans("", "", "*_\u00ad")


def cite(
    document: str,
    text: str,
    first: str,
    last: str,
    *,
    prefixes: Prefixes,
    store: Store | None = None,
    section: str | None = None,
    number: int | None = None,
    footnote: int | None = None,
    page: str | None = None,
    after: str | None = None,
    nth: int | None = None,
) -> str:
    """
    Return the block that describes a passage, in the layout of `kg format`.

    Args:
        document: The document, by IRI or slug.
        text: Its reference text.
        first: The words that the passage begins with.
        last: The words that it ends with.
        prefixes: The prefix map.
        store: The dataset, to propose the next free number and the section.
        section: The section, by IRI or slug; it also settles which of several hits is meant.
        number: The passage's number; 1 if there is no store to ask.
        footnote: The number of the footnote, if the passage stands in one.
        page: The page, as printed.
        after: Words that stand before the passage.
        nth: Which of several hits is meant, from 1.

    Raises:
        NotFoundError: The words, or the section, are not there.
        UsageError: Several passages fit, or it is too long.
    """
    iri = document_iri(document)
    known = load_sections(store, iri, text) if store is not None else []
    wanted = _find_wanted(known, iri, section) if section else None
    within = wanted.span if wanted and nth is None else None
    span = anchor(text, first, last, after=after, nth=nth, within=within)
    holding = wanted or find_section(known, span.start)
    section_iri = _section_iri(iri, section) if section else holding.iri if holding else None
    chosen = number or (_next_number(store, iri) if store is not None else 1)
    passage = f"{PASSAGE}{iri.removeprefix(DOCUMENT)}/{chosen:04d}"
    statements = _describe(passage, iri, text, span)
    statements += _locate(passage, section_iri, footnote, page)
    block = write(statements, prefixes)
    return "".join(line for line in block.splitlines(keepends=True) if not line.startswith("@prefix")).lstrip(
        "\n"
    )


def locators(text: str, span: Span) -> tuple[str, str]:
    """
    Return the first and last words of a span as the text has them: at most four each, never all of the span.

    >>> locators("A well-kept gate, said the otter, keeps ducks in.", Span(0, 49))
    ('A well-kept', 'keeps ducks in')
    """
    found = words(text[span.start : span.end])
    if not found:
        raise UsageError("the passage holds no word: choose other first and last words.")
    most = min(MAX_LOCATOR_WORDS, max(1, len(found) // 3))
    piece = text[span.start : span.end]
    first, last = found[:1], found[-1:]
    for size in range(2, most + 1):
        first = found[:size] if _fits(piece, found[:size]) else first
        last = found[-size:] if _fits(piece, found[-size:]) else last
    return _wording(piece, _whole(piece, first, found)), _wording(piece, _whole(piece, last, found))


def _fits(piece: str, some: Sequence[Word]) -> bool:
    return len(_wording(piece, some).split()) <= MAX_LOCATOR_WORDS


def _whole(piece: str, some: Sequence[Word], found: Sequence[Word]) -> Sequence[Word]:
    """Shorten some words so that a hyphenated one is not cut, where more than one word stays."""
    is_first = some[0] is found[0]
    while len(some) > 1:
        edge = some[-1].end if is_first else some[0].start - 1
        if not 0 <= edge < len(piece) or piece[edge] not in "-‐":
            break
        some = some[:-1] if is_first else some[1:]
    return some


def _wording(piece: str, some: Sequence[Word]) -> str:
    """Return words as the text has them, on one line, hyphens at a line's end and emphasis marks left out."""
    pieces = []
    for at, word in enumerate(some):
        if at:
            gap = piece[some[at - 1].end : word.start]
            pieces.append(gap if not any(mark in gap for mark in "⁰¹²³⁴⁵⁶⁷⁸⁹\n") else " ")
        raw = piece[word.start : word.end]
        pieces.append(word.text if "\n" in raw or "\r" in raw else raw)
    return " ".join("".join(pieces).translate(_EMPHASIS).split())


def _find_wanted(known: Sequence[Section], document: str, section: str) -> Section | None:
    iri = _section_iri(document, section)
    found = next((one for one in known if one.iri == iri), None)
    if known and found is None:
        names = ", ".join(one.iri.rpartition("/")[2] for one in known)
        raise NotFoundError(f"{section!r} is no section of {document}. Known: {names}.", name=section)
    return found


def _section_iri(document: str, section: str) -> str:
    return section if section.startswith(DOCUMENT) else f"{document}/{section}"


def _next_number(store: Store, document: str) -> int:
    numbers = [one.iri.rpartition("/")[2] for one in load_passages(store, document)]
    return max((int(one) for one in numbers if one.isdecimal()), default=0) + 1


def _describe(passage: str, document: str, text: str, span: Span) -> list[Statement]:
    found = words(text[span.start : span.end])
    first, last = locators(text, span)
    selector = passage + "#selector"
    return [
        _state(passage, RDF + "type", _iri(LAT + "Passage")),
        _state(passage, OA + "hasSource", _iri(document)),
        _state(passage, OA + "hasSelector", _iri(selector)),
        _state(passage, LAT + "firstWords", Term("literal", first)),
        _state(passage, LAT + "lastWords", Term("literal", last)),
        _state(passage, LAT + "digest", Term("literal", digest(found))),
        _state(passage, LAT + "wordCount", _integer(len(found))),
        _state(selector, RDF + "type", _iri(OA + "TextPositionSelector")),
        _state(selector, OA + "start", _integer(span.start)),
        _state(selector, OA + "end", _integer(span.end)),
    ]


def _locate(passage: str, section: str | None, footnote: int | None, page: str | None) -> list[Statement]:
    statements = []
    if section is not None:
        statements.append(_state(passage, LAT + "inSection", _iri(section)))
    if footnote is not None:
        statements.append(_state(passage, LAT + "footnoteNumber", _integer(footnote)))
    if page is not None:
        statements.append(_state(passage, LAT + "page", Term("literal", page)))
    return statements


def _state(subject: str, predicate: str, value: Term) -> Statement:
    return Statement(_iri(PASSAGES_GRAPH), _iri(subject), _iri(predicate), value, 0, 0)


def _iri(value: str) -> Term:
    return Term("iri", value)


def _integer(value: int) -> Term:
    return Term("literal", str(value), XSD + "integer")
