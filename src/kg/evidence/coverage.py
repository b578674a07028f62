"""
Coverage: which sentences of a document no claim's passage covers yet.

A sentence is covered when passages hold at least half of its words: a passage is as short as still
supports its claim, so asking for all would be asking for padding, while less than half is most often a
name in passing. A sentence of fewer than eight words, where one word weighs much, is covered from a
third on; and any sentence is once all its content words are held. The share stands beside the verdict,
so that a sentence with a second fact in its other half can be seen.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from kg.errors import Problem
from kg.evidence.canon import Lines, Word, words
from kg.evidence.citing import locators
from kg.evidence.coverage_page import PageSentence, write_page
from kg.evidence.exceptions import Exceptions, load_exceptions
from kg.evidence.passages import Passage, Span
from kg.evidence.sections import Section, find_section
from kg.evidence.sentences import split_sentences

__all__ = ["Coverage", "Exceptions", "SentenceState", "coverage", "load_exceptions"]

Status = Literal["covered", "uncovered", "excepted"]
STATUSES: tuple[Status, ...] = ("covered", "uncovered", "excepted")

COVERED_SHARE = 0.5
SHORT_SHARE = 1 / 3
SHORT_WORDS = 8
EXCEPTED_SHARE = 0.5
HEADING = "heading"
NO_SECTION = "before the first heading"

_FUNCTION_WORD_LIST = (
    "a about above after again all also although an and any are as at be because been before "
    "being between both but by can could did do does during each even for from further had has "
    "have having he her here his how however i if in including indeed into is it its itself may "
    "might more moreover most much must nonetheless nor not of off on once only or other our "
    "out over own same shall she should similarly since so some such than that the their them "
    "then there these they this those though through thus to too under until up upon us very "
    "was we were what when where whether which while who whom whose why will with within "
    "without would yet you your"
)
_FUNCTION_WORDS = frozenset(_FUNCTION_WORD_LIST.split())


@dataclass(frozen=True, slots=True)
class SentenceState:
    """
    One sentence and what becomes of it.

    Args:
        span: Where it stands.
        line: Its line, from 1.
        section: Label of its section.
        status: Whether passages cover it, or an exception excuses it.
        share: How much of its words passages hold, from 0 to 1.
        word_count: Its length in canonical words.
        passages: The passages that touch it.
        reason: Why it needs no claim.
        first_words: At most four words to find it by.
    """

    span: Span
    line: int
    section: str
    status: Status
    share: float
    word_count: int
    passages: tuple[str, ...] = ()
    reason: str | None = None
    first_words: str = ""


@dataclass(frozen=True, slots=True)
class Coverage:
    """The sentences of one document, with the problems of its exceptions."""

    sentences: tuple[SentenceState, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def uncovered(self) -> list[SentenceState]:
        """The sentences that need a claim or an exception."""
        return [one for one in self.sentences if one.status == "uncovered"]

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how many sentences of each section have each status, sections in text order."""
        found: dict[str, Counter[str]] = {}
        for one in self.sentences:
            found.setdefault(one.section, Counter())[one.status] += 1
        return {
            section: {status: counted[status] for status in STATUSES} for section, counted in found.items()
        }

    def totals(self) -> dict[str, int]:
        """Return how many sentences have each status."""
        counted = Counter(one.status for one in self.sentences)
        return {status: counted[status] for status in STATUSES}

    def as_json(self) -> dict[str, Any]:
        """Return counts and sentences as JSON: places and at most four words each, never a text."""
        return {
            "totals": self.totals(),
            "sections": [{"section": name, **counted} for name, counted in self.counts().items()],
            "sentences": [_sentence_json(one) for one in self.sentences],
            "problems": [one.as_json() for one in self.problems],
        }

    def as_html(self, text: str, *, title: str, claims: dict[str, list[str]] | None = None) -> str:
        """
        Return a page of the whole text, covered sentences tinted, claim numbers in the margin.

        The page holds the text: show it to the person who holds it too; write it to build/, never into
        the project.

        Args:
            text: The reference text.
            title: The document's title.
            claims: Claims by passage IRI; without, passages' numbers stand in the margin.
        """
        rows = []
        for one in self.sentences:
            named = [claim for passage in one.passages for claim in (claims or {}).get(passage, [passage])]
            numbers = sorted({name.rpartition("/")[2] for name in named})
            label = one.reason or f"{one.share:.0%} of its words"
            rows.append(PageSentence(one.span, one.status, tuple(numbers), label))
        return write_page(text, rows, title=title, counts=self.counts(), totals=self.totals())


def _sentence_json(one: SentenceState) -> dict[str, Any]:
    values: dict[str, Any] = {
        "start": one.span.start,
        "end": one.span.end,
        "line": one.line,
        "section": one.section,
        "status": one.status,
        "share": round(one.share, 3),
        "words": one.word_count,
        "firstWords": one.first_words,
        "passages": list(one.passages),
    }
    return {**values, "reason": one.reason} if one.reason else values


def coverage(
    text: str,
    passages: Sequence[Passage],
    exceptions: Exceptions | None = None,
    *,
    sections: Sequence[Section] = (),
) -> Coverage:
    """
    Tell which sentences of a reference text passages cover.

    Args:
        text: The reference text.
        passages: Its passages.
        exceptions: What states no fact.
        sections: Its sections; their headings need no claim.

    Returns:
        Every sentence with its status. An exception that does not anchor, excuses nothing, or excuses
        what a passage covers, is among the problems.
    """
    exceptions = exceptions or Exceptions()
    stretches, problems = exceptions.locate(text)
    excused = [(span, entry.reason) for entry, span in stretches] + [
        (one.heading, HEADING) for one in sections
    ]
    stream = _Stream(text)
    states = [
        state
        for span in split_sentences(text)
        if (state := stream.judge(span, passages, excused, find_section(sections, span.start))) is not None
    ]
    for entry, span in stretches:
        problems += _exception_problems(exceptions, entry, span, states)
    return Coverage(tuple(states), tuple(problems))


class _Stream:
    """The canonical words of a text by offset."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._words = words(text)
        self._starts = [one.start for one in self._words]
        self._lines = Lines(text)

    def inside(self, span: Span) -> list[Word]:
        """Return the words that begin within a span."""
        return self._words[bisect_left(self._starts, span.start) : bisect_left(self._starts, span.end)]

    def judge(
        self,
        span: Span,
        passages: Sequence[Passage],
        excused: Sequence[tuple[Span, str]],
        section: Section | None,
    ) -> SentenceState | None:
        """Return what becomes of one sentence, or None if it holds no word."""
        found = self.inside(span)
        if not found:
            return None
        touching = [one for one in passages if one.start < span.end and span.start < one.end]
        touching = [one for one in touching if any(_holds(one.start, one.end, word) for word in found)]
        held = [any(_holds(one.start, one.end, word) for one in touching) for word in found]
        share = sum(held) / len(found)
        reason = _find_reason(found, excused)
        status: Status = "excepted" if reason else "uncovered"
        if _is_covered(found, held, share):
            status, reason = "covered", None
        return SentenceState(
            span=span,
            line=self._lines.number(span.start),
            section=section.label if section else NO_SECTION,
            status=status,
            share=share,
            word_count=len(found),
            passages=tuple(one.iri for one in touching),
            reason=reason,
            first_words=locators(self._text, span)[0],
        )


def _holds(start: int, end: int, word: Word) -> bool:
    return start < word.end and word.start < end


def _is_covered(found: Sequence[Word], held: Sequence[bool], share: float) -> bool:
    wanted = SHORT_SHARE if len(found) < SHORT_WORDS else COVERED_SHARE
    content = [is_held for word, is_held in zip(found, held, strict=True) if word.text not in _FUNCTION_WORDS]
    return share >= wanted or (bool(content) and all(content))


def _find_reason(found: Sequence[Word], excused: Iterable[tuple[Span, str]]) -> str | None:
    for span, reason in excused:
        inside = sum(_holds(span.start, span.end, word) for word in found)
        if inside / len(found) >= EXCEPTED_SHARE:
            return reason
    return None


def _exception_problems(
    exceptions: Exceptions, entry: Any, span: Span, states: Sequence[SentenceState]
) -> list[Problem]:
    inside = [
        one
        for one in states
        if min(one.span.end, span.end) - max(one.span.start, span.start)
        >= EXCEPTED_SHARE * (one.span.end - one.span.start)
    ]
    covered = [one for one in inside if one.status == "covered"]
    if covered:
        places = ", ".join(f"line {one.line} by {', '.join(one.passages)}" for one in covered)
        message = f"this exception excuses what a passage covers ({places})."
        return [exceptions.problem(entry, message, "shorten the exception, or take it out")]
    if not inside:
        message = "this exception excuses no sentence: it holds less than half of any."
        return [exceptions.problem(entry, message, "give the sentence's own first and last words")]
    return []
