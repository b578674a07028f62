"""
Find passages again in any copy of their document, and prove them by their digests.

A match is always a run of the copy's own words, in order, whose digest is the passage's. What may be
left out of the run is only what a copy adds: note numbers, and lines that stand between (a running
header, a figure's caption).
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice, product
from typing import Literal

from kg.evidence.anchor import Letters, strip_notes
from kg.evidence.canon import (
    Lines,
    Link,
    Part,
    Word,
    digest,
    digest_file_text,
    digest_texts,
    join_parts,
    parts,
    words,
)
from kg.evidence.passages import Passage, Span

Outcome = Literal["exact", "moved", "ambiguous", "missing"]

MAX_FOREIGN_WORDS = 400
MAX_EXTRA_PARTS = 12
# The shorter the piece beside a cut, the likelier that it only happens to stand there.
MAX_HEADER_LINES = 4
MIN_WORDS_BESIDE_HEADER = 3
MIN_WORDS_BESIDE_BLOCK = 5
MAX_SINGLE_CHANGES = 4
MAX_TRIES = 20_000

_LINE_END_HYPHEN = re.compile(r"[-‐\u00ad][^\S\r\n]*[\r\n]")
_NOTE_PLACE = re.compile(r"(?:\A|[\r\n]\s*|[^\w\s][\"”’')\]*_]*|[.!?][\"”’')\]*_]*[^\S\r\n]+)\Z")
_DECIMAL_POINT = re.compile(r"\d[.,]\Z")
_SENTENCE_BEGIN = re.compile(r"\s*(?:\Z|[\r\n]|\s[\"“‘'(\[*_]*[^\W\d_a-z])")
_SENTENCE_END = re.compile(r"[.!?][\"”’')\]*_]*(?:\s|\Z)")
_SUPERSCRIPTS = re.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_MAX_NOTE_NUMBER = 199


@dataclass(frozen=True, slots=True)
class Finding:
    """
    What became of a passage in a copy; `start` and `end` in code points of the copy.

    Args:
        passage: The passage sought.
        outcome: "exact": at its own offsets; "moved": found once, elsewhere; "ambiguous": found more
            than once, the likeliest place given; "missing".
        start: Where it begins, or None.
        end: Where it ends, or None.
        note: What had to be left out or joined to find it.
        others: The other places, if ambiguous.
    """

    passage: Passage
    outcome: Outcome
    start: int | None = None
    end: int | None = None
    note: str = ""
    others: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class _Hit:
    span: Span
    note: str = ""


def verify(
    passages: Sequence[Passage],
    text: str,
    *,
    exact_digest: str | None = None,
    code_points: int | None = None,
) -> list[Finding]:
    """
    Look for every passage in a copy of its document.

    Args:
        passages: The passages, all of one document.
        text: The copy, as `read_copy` gives it.
        exact_digest: Digest of the reference file; a copy with the same bytes must hold each passage at
            its offsets.
        code_points: Length of the reference text, to tell the likeliest of several places.

    Returns:
        One finding a passage, in the order given.
    """
    is_reference = exact_digest is not None and digest_file_text(text) == exact_digest
    copy = None if is_reference else Copy(text)
    hits = [[] if copy is None or _stands(one, text) else copy.find(one) for one in passages]
    expect = _Expectation(passages, hits, len(text), code_points)
    return [_judge(one, text, found, expect) for one, found in zip(passages, hits, strict=True)]


def _stands(passage: Passage, text: str) -> bool:
    found = words(text[passage.start : passage.end])
    return len(found) == passage.word_count and digest(found) == passage.digest


def _judge(passage: Passage, text: str, hits: list[_Hit], expect: _Expectation) -> Finding:
    if not hits:
        if _stands(passage, text):
            return Finding(passage, "exact", passage.start, passage.end)
        return Finding(passage, "missing")
    wanted = expect.offset(passage) if len(hits) > 1 else 0.0
    best, *others = sorted(hits, key=lambda one: (abs(one.span.start - wanted), one.span.start))
    outcome: Outcome = "ambiguous" if others else "moved"
    rest = tuple(sorted((one.span for one in others), key=lambda one: one.start))
    return Finding(passage, outcome, best.span.start, best.span.end, best.note, rest)


class _Expectation:
    """Where a passage should be, from the passages found once, or else from its share of the whole text."""

    def __init__(
        self, passages: Sequence[Passage], hits: Sequence[list[_Hit]], length: int, code_points: int | None
    ) -> None:
        pairs = zip(passages, hits, strict=True)
        self._known = sorted((one.start, found[0].span.start) for one, found in pairs if len(found) == 1)
        self._scale = length / code_points if code_points else 1.0

    def offset(self, passage: Passage) -> float:
        """Return the likely offset of a passage in the copy."""
        if not self._known:
            return passage.start * self._scale
        after = bisect_left(self._known, (passage.start, 0))
        around = self._known[max(0, after - 1) : after + 1]
        start, found = min(around, key=lambda pair: abs(pair[0] - passage.start))
        return found + (passage.start - start) * self._scale


class Copy:
    """A copy of a document, indexed to find passages in it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.parts = parts(text)
        self.words = join_parts(self.parts)
        self.texts = [one.text for one in self.words]
        self._letters = [Letters(self.parts), Letters(self.parts, without_notes=True)]
        lines = Lines(text)
        self._lines = [lines.number(one.start) for one in self.parts]
        self._first: dict[str, list[int]] = {}
        for position, one in enumerate(self.texts):
            self._first.setdefault(one, []).append(position)
        self._places: dict[str, list[tuple[int, int]]] = {}

    def find(self, passage: Passage) -> list[_Hit]:
        """Return every place of a passage: as it stands, or else with the liberties that copies take."""
        return self._find_windows(passage) or self._find_tolerantly(passage)

    def _find_windows(self, passage: Passage) -> list[_Hit]:
        """Slide a window of the passage's word count over the canonical words; hash where both ends agree."""
        first = [one.text for one in words(passage.first_words)]
        last = [one.text for one in words(passage.last_words)]
        count = passage.word_count
        if not first or not last:
            return []
        hits = []
        for begin in self._first.get(first[0], ()):
            window = self.texts[begin : begin + count]
            is_like = window[: len(first)] == first and window[-len(last) :] == last
            if is_like and len(window) == count and digest_texts(window) == passage.digest:
                hits.append(_Hit(_span(self.words[begin : begin + count])))
        return hits

    def _find_tolerantly(self, passage: Passage) -> list[_Hit]:
        found: dict[Span, str] = {}
        tries = _Tries(passage)
        for begin, end in self._candidates(passage):
            for pieces, is_cut in self._cuts(begin, end, passage.word_count):
                if tries.has_match(self.text, pieces):
                    note = "lines between left out" if is_cut else "note numbers or hyphens differ"
                    found.setdefault(Span(pieces[0].start, pieces[-1].end), note)
        return [_Hit(span, note) for span, note in found.items()]

    def _candidates(self, passage: Passage) -> Iterator[tuple[int, int]]:
        """Yield where it may stand, as (first part, last): one locator whole, the other by a word."""
        first, last = passage.first_words, passage.last_words
        begins, ends = self._find_phrase(first), self._find_phrase(last)
        seen: set[tuple[int, int]] = set()
        loose_ends = self._find_phrase(last.split()[-1]) if begins and last.split() else []
        loose_begins = self._find_phrase(first.split()[0]) if ends and first.split() else []
        for some, others in ((begins, ends), (begins, loose_ends), (loose_begins, ends)):
            for (begin, _), (_, end) in product(some, others):
                size = end - begin + 1
                is_near = passage.word_count - 1 <= size <= passage.word_count + MAX_FOREIGN_WORDS
                if is_near and size > 0 and (begin, end) not in seen:
                    seen.add((begin, end))
                    yield begin, end

    def _find_phrase(self, phrase: str) -> list[tuple[int, int]]:
        if phrase not in self._places:
            found = {hit for letters in self._letters for hit in letters.find_all(phrase)}
            self._places[phrase] = sorted(found)
        return self._places[phrase]

    def _cuts(self, begin: int, end: int, count: int) -> Iterator[tuple[list[Part], bool]]:
        """Yield the parts between two places, whole or without a run of whole lines."""
        least, most = count - 1, count + MAX_EXTRA_PARTS
        size = end - begin + 1
        if least <= size <= most:
            yield self.parts[begin : end + 1], False
        starts = [at for at in range(begin + 1, end + 1) if self._lines[at] != self._lines[at - 1]]
        for number, cut in enumerate(starts):
            for resume in starts[number + 1 :]:
                if size - (resume - cut) < least:
                    break
                if size - (resume - cut) <= most and self._is_clear_cut(begin, end, cut, resume):
                    before = self.parts[begin:cut]
                    before[-1] = self._relink(before[-1], self.parts[resume])
                    yield before + self.parts[resume : end + 1], True

    def _is_clear_cut(self, begin: int, end: int, cut: int, resume: int) -> bool:
        """Tell whether enough words stand on both sides of the lines left out."""
        is_short = self._lines[resume] - self._lines[cut] <= MAX_HEADER_LINES
        side = MIN_WORDS_BESIDE_HEADER if is_short else MIN_WORDS_BESIDE_BLOCK
        return min(cut - begin, end + 1 - resume) >= side

    def _relink(self, last: Part, following: Part) -> Part:
        is_broken = bool(_LINE_END_HYPHEN.match(self.text, last.end)) and self.text[following.start].islower()
        return last._replace(link="break" if is_broken else "")


class _Tries:
    """The ways of reading some parts as the passage's words, tried within a budget, cheapest first."""

    def __init__(self, passage: Passage) -> None:
        self._count = passage.word_count
        self._digest = passage.digest
        self._left = MAX_TRIES

    def has_match(self, text: str, pieces: list[Part]) -> bool:
        """Tell whether some reading of the parts has the passage's digest."""
        options = _list_options(text, pieces)
        readings = islice(_list_choices(options, self._count - len(join_parts(pieces))), MAX_TRIES)
        if any(self._agrees(_read(pieces, chosen)) for chosen in readings):
            return True
        plain = _read(pieces, ())
        return len(plain) == self._count - 1 and any(map(self._agrees, _add_note(text, plain)))

    def _agrees(self, found: list[Word]) -> bool:
        self._left -= 1
        return self._left > 0 and len(found) == self._count and digest(found) == self._digest


_Change = Literal["split", "join", "mend", "drop", "strip"]
_CHANGES: dict[Link, _Change] = {"break": "split", "hyphen": "join", "gap": "mend"}


@dataclass(frozen=True, slots=True)
class _Option:
    """A change at one part: "split", "join" or "mend" what follows it, "drop" it, "strip" its digits."""

    at: int
    kind: _Change

    @property
    def delta(self) -> int:
        return {"split": 1, "join": -1, "mend": -1, "drop": -1, "strip": 0}[self.kind]


def _list_options(text: str, pieces: Sequence[Part]) -> list[_Option]:
    options = []
    for at, piece in enumerate(pieces):
        stripped = strip_notes(piece.text)
        if not stripped and _is_note_place(text, piece):
            options.append(_Option(at, "drop"))
        elif stripped and stripped != piece.text:
            options.append(_Option(at, "strip"))
        if at + 1 < len(pieces) and piece.link:
            options.append(_Option(at, _CHANGES[piece.link]))
    return options


def _is_note_place(text: str, piece: Part) -> bool:
    """Tell whether a number may be a note's: glued to a mark, after a stop, opening a line; no decimal."""
    before = text[max(0, piece.start - 12) : piece.start]
    if _DECIMAL_POINT.search(before):
        return bool(_SENTENCE_BEGIN.match(text, piece.end))
    return bool(_NOTE_PLACE.search(before))


def _list_choices(options: Sequence[_Option], delta: int) -> Iterator[tuple[_Option, ...]]:
    """Yield the choices that change the count by `delta`: all options of some kinds, and few others."""
    kinds = sorted({one.kind for one in options})
    wholes = [some for size in range(len(kinds) + 1) for some in combinations(kinds, size)]
    for size in range(MAX_SINGLE_CHANGES + 1):
        for some in wholes:
            whole = tuple(one for one in options if one.kind in some)
            others = [one for one in options if one.kind not in some]
            missing = delta - sum(one.delta for one in whole)
            for chosen in combinations(others, size):
                if sum(one.delta for one in chosen) == missing:
                    yield whole + chosen


def _read(pieces: Sequence[Part], chosen: Iterable[_Option]) -> list[Word]:
    changed = list(pieces)
    dropped = set()
    for one in chosen:
        piece = changed[one.at]
        if one.kind == "drop":
            dropped.add(one.at)
        elif one.kind == "strip":
            changed[one.at] = piece._replace(text=strip_notes(piece.text))
        else:
            changed[one.at] = piece._replace(link="" if one.kind == "split" else "break")
    return join_parts(piece for at, piece in enumerate(changed) if at not in dropped)


def _add_note(text: str, found: list[Word]) -> Iterator[list[Word]]:
    """Yield the words with one note number put in, where the copy has a superscript or a sentence ends."""
    for at, word in enumerate(found[:-1]):
        gap = text[word.end : found[at + 1].start]
        superscript = _SUPERSCRIPTS.search(gap)
        numbers: Iterable[str] = ()
        if superscript:
            numbers = [unicodedata.normalize("NFKC", superscript.group())]
        elif _SENTENCE_END.search(gap):
            numbers = map(str, range(1, _MAX_NOTE_NUMBER + 1))
        for number in numbers:
            yield [*found[: at + 1], Word(number, word.end, word.end), *found[at + 1 :]]


def _span(found: Sequence[Word]) -> Span:
    return Span(found[0].start, found[-1].end)
