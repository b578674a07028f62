"""First and last words to a passage; where no copy is at hand, a section, a footnote or a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyoxigraph as ox

from kg import names
from kg.errors import NotFoundError, UsageError
from kg.evidence import Section, Span, anchor, digest, digest_file_text, load_sections, words
from kg.evidence.citing import locators
from kg.evidence.sections import find_section, locate_sections
from kg.turtle import Term
from kg.validation import Published

_DIGEST = ox.NamedNode(names.LAT + "referenceDigest")
_MOST_WORDS = 4  # design.md, section 5
_XSD_INTEGER = names.XSD + "integer"


@dataclass(frozen=True)
class Text:
    """A text of a document; `is_reference` if positions are counted in it."""

    content: str
    is_reference: bool


@dataclass(frozen=True)
class Place:
    """Where a row says that its passage stands."""

    document: str
    first: str = ""
    last: str = ""
    section: str = ""
    footnote: str = ""
    page: str = ""


@dataclass(frozen=True)
class Miss:
    """Why there is no passage; `column` names the cell."""

    column: str
    code: str
    message: str
    fix: str
    found: str = ""


@dataclass
class Passages:
    """
    The documents that rows speak of, and their texts.

    Args:
        published: What there is; it knows the reference texts.
        copies: Texts that came with the table: document IRI to text.
        new: The documents that the table brings.
    """

    published: Published
    copies: Mapping[str, str]
    new: set[str] = field(default_factory=set)
    _texts: dict[str, Text | None] = field(default_factory=dict)
    _sections: dict[str, Sequence[Section]] = field(default_factory=dict)

    def text(self, document: str) -> Text | None:
        """Return the text of a document that is at hand: the reference text before a copy."""
        if document not in self._texts:
            self._texts[document] = self._find_text(document)
        return self._texts[document]

    def _find_text(self, document: str) -> Text | None:
        reference = self.published.reference_text(document)
        if reference is not None:
            return Text(reference, True)
        copy = self.copies.get(document)
        if copy is None:
            return None
        found = self.published.store.quads_for_pattern(ox.NamedNode(document), _DIGEST, None, None)
        digests = {one.object.value for one in found if isinstance(one.object, ox.Literal)}
        return Text(copy, document in self.new or digest_file_text(copy) in digests)

    def describe(self, place: Place, headings: Mapping[str, str]) -> list[tuple[str, Term]] | Miss:
        """
        Return what is said of a passage, as pairs of property and value; `oa:start` and `oa:end` are of its
        selector.

        Args:
            place: Where it stands; a section as an IRI.
            headings: The headings of new sections that the table names, to search within them.
        """
        text = self.text(place.document)
        if not place.first:
            return self._located(place, self._missing_locator(place))
        if text is None:
            wording = [
                (names.LAT + "firstWords", Term("literal", " ".join(place.first.split()[:_MOST_WORDS]))),
                (names.LAT + "lastWords", Term("literal", " ".join(place.last.split()[-_MOST_WORDS:]))),
            ]
            return self._located(place, self._missing_locator(place), wording)
        span = self._anchor(place, headings, text)
        if isinstance(span, Miss):
            return span
        section = place.section or self._holding(place.document, text, span)
        held = Place(place.document, place.first, place.last, section, place.footnote, place.page)
        miss = self._missing_locator(held)
        found = words(text.content[span.start : span.end])
        first, last = locators(text.content, span)
        said = [
            (names.LAT + "firstWords", Term("literal", first)),
            (names.LAT + "lastWords", Term("literal", last)),
            (names.LAT + "digest", Term("literal", digest(found))),
            (names.LAT + "wordCount", Term("literal", str(len(found)), _XSD_INTEGER)),
        ]
        if not text.is_reference:
            return self._located(held, miss, said)
        said += [
            (names.OA + "start", Term("literal", str(span.start), _XSD_INTEGER)),
            (names.OA + "end", Term("literal", str(span.end), _XSD_INTEGER)),
        ]
        return miss or said + _locators(held)

    def _located(
        self, place: Place, miss: Miss | None, said: Sequence[tuple[str, Term]] = ()
    ) -> list[tuple[str, Term]] | Miss:
        """Return a passage without positions."""
        marked = (names.LAT + "locatorOnly", Term("literal", "true", names.XSD + "boolean"))
        return miss or [*said, marked, *_locators(place)]

    def _missing_locator(self, place: Place) -> Miss | None:
        if place.section or place.footnote or place.page:
            return None
        return Miss(
            "document",
            "missing-locator",
            "it is not said where in the document this stands: expected a section, a footnote or a page.",
            "fill one of these columns" + ("." if place.first else ", or first and last words."),
        )

    def _anchor(self, place: Place, headings: Mapping[str, str], text: Text) -> Span | Miss:
        within = self._within(place, headings, text)
        try:
            return anchor(text.content, place.first, place.last, within=within)
        except NotFoundError as error:
            return self._not_found(error, place, within)
        except UsageError as error:
            return self._unusable(error, place)

    def _not_found(self, error: NotFoundError, place: Place, within: Span | None) -> Miss:
        column = "last-words" if error.fields.get("name") == place.last != place.first else "first-words"
        where = " in that section" if within else ""
        near = error.fields.get("near")
        written = place.last if column == "last-words" else place.first
        if near is None:
            message = f"“{written}” is not found{where}: {error.message}"
            return Miss(column, "unfound-words", message, "give the words as they stand there.", written)
        return Miss(
            column,
            "unfound-words",
            f"“{written}” is not in the copy{where}. Nearest: “{_short(str(near))}”, "
            f"line {error.fields.get('line')} of its text.",
            "give the words as they stand there" + (", or another section." if within else "."),
            written,
        )

    def _unusable(self, error: UsageError, place: Place) -> Miss:
        lines = error.fields.get("lines")
        if lines:
            listed = ", ".join(map(str, lines[:6])) + (", …" if len(lines) > 6 else "")
            return Miss(
                "first-words",
                "ambiguous-words",
                f"{len(lines)} passages begin and end with these words (lines {listed} of its text).",
                "give more first words" + ("." if place.section else ", or the section."),
                place.first,
            )
        if "length" in error.fields:
            return Miss(
                "last-words",
                "long-passage",
                f"the passage would have {error.fields['length']} characters: expected at most 600.",
                "choose a shorter one, or use two rows with the same word under “claim”.",
                place.last,
            )
        return Miss("first-words", "unfound-words", error.message, "give words, not marks.", place.first)

    def _within(self, place: Place, headings: Mapping[str, str], text: Text) -> Span | None:
        """Return where a section stands, if its heading is found."""
        if not place.section:
            return None
        sections = self._known(place.document, text)
        if place.document in self.new:
            own = [one for one in headings.items() if one[0].startswith(f"{place.document}/")]
            sections = locate_sections(text.content, own)
        return next((one.span for one in sections if one.iri == place.section), None)

    def _holding(self, document: str, text: Text, span: Span) -> str:
        holding = find_section(self._known(document, text), span.start)
        return holding.iri if holding else ""

    def _known(self, document: str, text: Text) -> Sequence[Section]:
        if document not in self._sections:
            self._sections[document] = load_sections(self.published.store, document, text.content)
        return self._sections[document]


def _short(text: str) -> str:
    found = text.split()
    return " ".join(found[:8]) + (" …" if len(found) > 8 else "")


def _locators(place: Place) -> list[tuple[str, Term]]:
    found = []
    if place.section:
        found.append((names.LAT + "inSection", Term("iri", place.section)))
    if place.footnote:
        found.append((names.LAT + "footnoteNumber", Term("literal", place.footnote, _XSD_INTEGER)))
    if place.page:
        found.append((names.LAT + "page", Term("literal", place.page)))
    return found
