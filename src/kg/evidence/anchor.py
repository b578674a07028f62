"""Find the passage that begins with some words and ends with others, as a person points at it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence

from rapidfuzz import fuzz

from kg.errors import NotFoundError, UsageError
from kg.evidence.canon import Lines, Part, parts
from kg.evidence.passages import MAX_CODE_POINTS, Span

_NOTE = re.compile(r"\d{1,3}\Z")
_GLUED_NOTE = re.compile(r"(?<=[^\W\d_]{2})\d{1,3}\Z")


def strip_notes(word: str) -> str:
    """
    Return a word without a note number: nothing for "12", "peace" for "peace12".

    >>> strip_notes("12"), strip_notes("peace12"), strip_notes("g20"), strip_notes("2026")
    ('', 'peace', 'g20', '2026')
    """
    return "" if _NOTE.match(word) else _GLUED_NOTE.sub("", word)


class Letters:
    """
    The letters of a text run together, to find words in whatever way they are spaced or hyphenated.

    Args:
        pieces: The parts of the text.
        without_notes: Whether to leave out what may be note numbers.
    """

    def __init__(self, pieces: Sequence[Part], *, without_notes: bool = False) -> None:
        self.without_notes = without_notes
        texts = [strip_notes(one.text) if without_notes else one.text for one in pieces]
        self.run = "".join(texts)
        self._starts: list[int] = []
        position = 0
        for text in texts:
            self._starts.append(position)
            position += len(text)
        self._texts = texts

    def key(self, phrase: str) -> str:
        """Return the letters of a phrase, to search for; none if it is all notes."""
        pieces = parts(phrase)
        return "".join(strip_notes(one.text) if self.without_notes else one.text for one in pieces)

    def find_all(self, phrase: str) -> list[tuple[int, int]]:
        """Return where a phrase stands: (first part, last part), both included, whole parts only."""
        lead, trail = self._count_edges(phrase)
        hits = [(first - lead, last + trail) for first, last in self._find_key(self.key(phrase))]
        return [(first, last) for first, last in hits if first >= 0 and last < len(self._texts)]

    def _count_edges(self, phrase: str) -> tuple[int, int]:
        """Count the numbers at the edges of a phrase that are left out as notes might be."""
        kept = [bool(strip_notes(one.text)) or not self.without_notes for one in parts(phrase)]
        return (kept.index(True), kept[::-1].index(True)) if any(kept) else (0, 0)

    def _find_key(self, key: str) -> list[tuple[int, int]]:
        hits = []
        at = self.run.find(key) if key else -1
        while at >= 0:
            first = bisect_right(self._starts, at) - 1
            last = bisect_right(self._starts, at + len(key) - 1) - 1
            is_whole = self._starts[first] == at and self._starts[last] + len(self._texts[last]) == at + len(
                key
            )
            if is_whole:
                hits.append((first, last))
            at = self.run.find(key, at + 1)
        return hits


def anchor(
    text: str,
    first: str,
    last: str,
    *,
    after: str | None = None,
    nth: int | None = None,
    within: Span | None = None,
    max_code_points: int = MAX_CODE_POINTS,
) -> Span:
    """
    Find the span from some first words to the nearest following last words.

    White space, case, quotes, hyphens and note calls need not agree with the text.

    Args:
        text: The reference text.
        first: The words that the passage begins with.
        last: The words that it ends with.
        after: Words that stand somewhere before the passage; only what follows them is searched.
        nth: Which of several hits is meant, from 1.
        within: Where to search, such as one section.
        max_code_points: How long the span may be, in code points.

    Returns:
        The span, in code points, from the first letter to the last.

    Raises:
        NotFoundError: The words are not there; fields `name`, `near`, `line`.
        UsageError: Several spans fit (field `lines`), or the span is too long (field `length`).

    >>> anchor("Ducks swim. Ducks also fly south.", "ducks also", "south")
    Span(start=12, end=32)
    """
    scope = within or Span(0, len(text))
    if after is not None:
        scope = Span(max(scope.start, _require(text, after, scope)[0].end), scope.end)
    begins = _require(text, first, scope)
    ends = _require(text, last, scope)
    spans = [Span(one.start, end) for one in begins if (end := _nearest_end(one, ends)) is not None]
    if not spans:
        raise NotFoundError(
            f"{last!r} stands only before {first!r} (line {Lines(text).number(ends[-1].start)} "
            f"and line {Lines(text).number(begins[0].start)}): expected first words, then last words.",
            name=last,
        )
    return _choose(text, spans, nth, max_code_points)


def _require(text: str, phrase: str, scope: Span) -> list[Span]:
    """Return every place of a phrase within the scope, or say what comes nearest."""
    pieces = [one for one in parts(text) if scope.start <= one.start and one.end <= scope.end]
    if not parts(phrase):
        raise UsageError(f"{phrase!r} holds no word: expected the first or last words of the passage.")
    for without_notes in (False, True):
        hits = Letters(pieces, without_notes=without_notes).find_all(phrase)
        if hits:
            return [Span(pieces[a].start, pieces[b].end) for a, b in hits]
    raise _not_found(text, phrase, scope)


def _not_found(text: str, phrase: str, scope: Span) -> NotFoundError:
    best = fuzz.partial_ratio_alignment(phrase.lower(), text[scope.start : scope.end].lower())
    if best is None or best.dest_end <= best.dest_start:
        return NotFoundError(f"{phrase!r} is not in the text.", name=phrase)
    start, end = scope.start + best.dest_start, scope.start + best.dest_end
    while start > scope.start and not text[start - 1].isspace():
        start -= 1
    while end < scope.end and not text[end].isspace():
        end += 1
    line = Lines(text).number(start)
    near = " ".join(text[start:end].split())
    return NotFoundError(
        f"{phrase!r} is not in the text. Nearest: {near!r}, line {line}, code point {start} "
        f"({best.score:.0f} % alike). Give the words as they stand there.",
        name=phrase,
        near=near,
        line=line,
        offset=start,
    )


def _nearest_end(begin: Span, ends: Iterable[Span]) -> int | None:
    return next((one.end for one in ends if one.start >= begin.start and one.end >= begin.end), None)


def _choose(text: str, spans: list[Span], nth: int | None, limit: int) -> Span:
    short = [one for one in spans if one.end - one.start <= limit]
    if not short:
        length = min(one.end - one.start for one in spans)
        raise UsageError(
            f"the nearest last words make a passage of {length} code points: expected at most "
            f"{limit}. Use several passages, each as short as still supports the claim.",
            length=length,
        )
    if nth is not None:
        if not 1 <= nth <= len(short):
            raise UsageError(f"nth is {nth}, but {len(short)} passages fit: expected 1 to {len(short)}.")
        return short[nth - 1]
    if len(short) > 1:
        numbers = Lines(text)
        lines = [numbers.number(one.start) for one in short]
        listed = ", ".join(f"{n}: line {line}" for n, line in enumerate(lines, 1))
        raise UsageError(
            f"{len(short)} passages fit ({listed}). Choose one: give nth (1 to {len(short)}), the section, "
            "words that stand before it (after), or more first words.",
            lines=lines,
        )
    return short[0]
