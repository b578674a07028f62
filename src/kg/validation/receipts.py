"""The passages of a contribution, proved in the texts at hand; texts that repeat a document's words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import pyoxigraph as ox

from kg import names
from kg.errors import Edit, NotFoundError, Problem, UsageError
from kg.evidence import (
    Passage,
    SourceRuns,
    Span,
    Word,
    anchor,
    check_passages,
    digest,
    digest_file_text,
    load_passages,
    verify,
)
from kg.evidence import words as words_of
from kg.evidence.citing import locators
from kg.turtle import Statement, Term
from kg.validation.candidate import Candidate, Part, Placed
from kg.validation.spelling import rewrite

_DIGEST = names.LAT + "referenceDigest"
_LENGTH = names.LAT + "codePoints"
_NO_TEXT = {names.XSD + one for one in ("anyURI", "integer", "decimal", "gYear", "gYearMonth", "date")}
_INTEGER = names.XSD + "integer"


@dataclass(frozen=True)
class Text:
    """A text of a document; `is_reference` if positions are counted in it."""

    content: str
    is_reference: bool


class Receipts:
    """
    One pass over the passages and the texts of a contribution.

    Args:
        candidate: The arranged contribution.
        placed: Its statements to look at.
        told: The statements that an earlier problem stands on.
        documents: Copies that the contributor sent: slug to text.
    """

    def __init__(
        self,
        candidate: Candidate,
        placed: Iterable[Placed],
        told: set[Statement],
        documents: Mapping[str, str],
    ) -> None:
        self.candidate, self.placed, self.told = candidate, list(placed), told
        self.published, self.documents = candidate.published, documents
        self.store = ox.Store()
        self.store.extend(candidate.quads(one for one in self.placed if one.statement not in told))
        self._texts: dict[str, Text | None] = {}
        self.said: dict[tuple[str, str], Statement] = {}
        for one in self.placed:
            key = (one.statement.subject.value, one.statement.predicate.value)
            self.said.setdefault(key, one.statement)

    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong with the passages, then the texts that are not the contributor's own words."""
        documents = sorted(
            {
                one.statement.object.value
                for one in self.placed
                if one.statement.predicate.value == names.OA + "hasSource"
                and one.statement.object.kind == "iri"
            }
        )
        for document in documents:
            text = self.text(document)
            if text is None:
                continue
            yield from self._check_document(document, text)
            passages = self._passages(document)
            if text.is_reference:
                yield from self._prove(passages, text.content)
            else:
                yield from self._seek(passages, text.content)
            yield from self._check_wording(document, text.content)

    def _passages(self, document: str) -> list[Passage]:
        """Return the passages of a document; none where numbers are none, which the shapes tell of."""
        try:
            return load_passages(self.store, document)
        except ValueError:
            return []

    def text(self, document: str) -> Text | None:
        """Return the text of a document that is at hand: the reference text before a copy."""
        if document not in self._texts:
            self._texts[document] = self._find_text(document)
        return self._texts[document]

    def _find_text(self, document: str) -> Text | None:
        copy = self.documents.get(document.removeprefix(names.DOCUMENT))
        reference = self.published.reference_text(document)
        if reference is not None:
            return Text(reference, True)
        if copy is None:
            return None
        node = ox.NamedNode(document)
        found = self.published.store.quads_for_pattern(node, ox.NamedNode(_DIGEST), None, None)
        digests = {one.object.value for one in found if isinstance(one.object, ox.Literal)}
        return Text(copy, not digests or digest_file_text(copy) in digests)

    def _check_document(self, document: str, text: Text) -> Iterator[Problem]:
        """Hold the digest and the length of a new document to the text that came with it."""
        if not text.is_reference:
            return
        wanted = {
            _DIGEST: Term("literal", digest_file_text(text.content)),
            _LENGTH: Term("literal", str(len(text.content)), _INTEGER),
        }
        for predicate, term in wanted.items():
            one = self.said.get((document, predicate))
            if one is None or one in self.told or one.object.value == term.value:
                continue
            yield self.candidate.at(
                one,
                "object",
                "wrong-document",
                f"{self.candidate.short(predicate)} of {self.candidate.name(document)} is not that of the "
                "copy at hand: expected it of just that text.",
                fix=f"write {term.value}, or send the copy that was meant.",
                found=one.object.value,
                expected=term.value,
                edits=self._edits([(one, term)]),
            )

    # --- passages -----------------------------------------------------------------------------------

    def _prove(self, passages: list[Passage], text: str) -> Iterator[Problem]:
        for passage in passages:
            for found in check_passages([passage], text):
                wanted = self._right(passage, text)
                wrong = [(one, term) for one, term in wanted if one.object.value != term.value]
                one, part = self._place(passage, found.message, wrong)
                if one is None or one in self.told or any(that in self.told for that, _ in wrong):
                    continue
                yield self.candidate.at(
                    one,
                    part,
                    "wrong-passage",
                    found.message,
                    fix=found.fix,
                    subject=passage.iri,
                    found=one.object.value[:80] if part == "object" else None,
                    expected=next((term.value for that, term in wrong if that is one), None),
                    edits=self._edits(wrong),
                )

    def _right(self, passage: Passage, text: str) -> list[tuple[Statement, Term]]:
        """Return what the passage should say, by its first and last words, or else by its offsets."""
        start, end = passage.start, passage.end
        first, last = passage.first_words, passage.last_words
        inside = words_of(text[start:end]) if 0 <= start < end <= len(text) else []
        if not inside or not (digest(inside) == passage.digest or self._frames(passage, inside)):
            try:
                span = anchor(text, first, last)
            except (NotFoundError, UsageError):
                return []
            start, end = span.start, span.end
        else:
            texts = [one.text for one in inside]
            right_first, right_last = locators(text, Span(start, end))
            is_first = texts[: len(words_of(first))] == [one.text for one in words_of(first)]
            is_last = texts[-len(words_of(last)) :] == [one.text for one in words_of(last)]
            first, last = first if is_first else right_first, last if is_last else right_last
        found = words_of(text[start:end])
        selector = f"{passage.iri}#selector"
        wanted = [
            (selector, names.OA + "start", Term("literal", str(start), _INTEGER)),
            (selector, names.OA + "end", Term("literal", str(end), _INTEGER)),
            (passage.iri, names.LAT + "digest", Term("literal", digest(found))),
            (passage.iri, names.LAT + "wordCount", Term("literal", str(len(found)), _INTEGER)),
            (passage.iri, names.LAT + "firstWords", Term("literal", first)),
            (passage.iri, names.LAT + "lastWords", Term("literal", last)),
        ]
        return [(self.said[s, p], term) for s, p, term in wanted if (s, p) in self.said]

    def _frames(self, passage: Passage, inside: list[Word]) -> bool:
        """Tell whether all but the digest fits the words at the offsets: then the digest is the slip."""
        texts = [one.text for one in inside]
        first, last = (
            [one.text for one in words_of(part)] for part in (passage.first_words, passage.last_words)
        )
        is_framed = texts[: len(first)] == first and texts[-len(last) :] == last
        return len(inside) == passage.word_count and is_framed

    def _place(
        self, passage: Passage, message: str, wrong: list[tuple[Statement, Term]]
    ) -> tuple[Statement | None, Part]:
        """Find the statement that is wrong: the one that alone would mend it, or the first fault told."""
        if wrong:
            return wrong[0][0], "object"
        for name in ("offsets", "code points", "wordCount", "digest", "firstWords", "lastWords"):
            if name in message:
                is_place = name in ("offsets", "code points")
                key = (
                    (f"{passage.iri}#selector", names.OA + "end")
                    if is_place
                    else (passage.iri, names.LAT + name)
                )
                if key in self.said:
                    return self.said[key], "object"
        return self.said.get((passage.iri, names.RDF + "type")), "subject"

    def _seek(self, passages: list[Passage], text: str) -> Iterator[Problem]:
        """Look for passages in a copy whose positions are not those of the reference text."""
        for found in verify(passages, text):
            one = self.said.get((found.passage.iri, names.LAT + "digest"))
            if found.outcome == "missing" and one is not None:
                yield self.candidate.at(
                    one,
                    "object",
                    "unfound-passage",
                    f"{self.candidate.short(found.passage.iri)} is not in the copy that was sent: "
                    "expected words with this digest.",
                    level="warning",
                    fix="cite it again from the reference text: kg cite.",
                    subject=found.passage.iri,
                )

    # --- wording ------------------------------------------------------------------------------------

    def _check_wording(self, document: str, text: str) -> Iterator[Problem]:
        literals = [
            one.statement
            for one in self.placed
            if one.statement.object.kind == "literal"
            and one.statement.object.datatype not in _NO_TEXT
            and len(one.statement.object.value) > 30
        ]
        runs = self._runs(text) if literals else None
        for one in literals if runs else ():
            assert runs is not None
            for shared in runs.find_runs(one.object.value)[:1]:
                name, short = self.candidate.name, self.candidate.short
                yield self.candidate.at(
                    one,
                    "object",
                    "repeats-document",
                    f"{short(one.predicate.value)} of {name(one.subject.value)} repeats "
                    f"{len(shared.words.split())} words of {name(document)} in a row: expected your own "
                    "words, since the document is not ours to republish.",
                    fix="say it in other words, shorter.",
                    found=f"“{' '.join(shared.words.split()[:3])} …”",
                    expected="your own words",
                )

    def _runs(self, text: str) -> SourceRuns:
        cache = self.published.runs
        key = hash(text)
        if key not in cache:
            cache[key] = SourceRuns([text])
        return cache[key]

    def _edits(self, wrong: Iterable[tuple[Statement, Term]]) -> list[Edit]:
        found = []
        for one, term in wrong:
            edit = rewrite(self.candidate.reading, one.places.object if one.places else None, term)
            if edit:
                found.append(edit)
        return found
