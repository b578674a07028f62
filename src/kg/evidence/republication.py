"""Runs of words that a file shares with a source document: the documents may not be republished."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kg.evidence.canon import Lines, Word, words

MAX_RUN_WORDS = 11

_PLAIN = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class SharedRun:
    """A run of words that a source holds too: the line of the file, from 1, and the words."""

    line: int
    words: str


def plain_words(text: str) -> list[Word]:
    """
    List the words as the hook before a stop reads them: runs of a-z and 0-9 in lower case.

    >>> [one.text for one in plain_words("Côte d'Ivoire 2026")]
    ['c', 'te', 'd', 'ivoire', '2026']
    """
    return [Word(found.group(), found.start(), found.end()) for found in _PLAIN.finditer(text.lower())]


class SourceRuns:
    """
    The runs of words of some source texts, to hold other texts against.

    Args:
        sources: The texts that may not be republished.
        length: How many words in a row are too many.
    """

    def __init__(self, sources: Iterable[str], *, length: int = MAX_RUN_WORDS + 1) -> None:
        self._length = length
        texts = list(sources)
        self._runs = {reader: self._index(texts, reader) for reader in (words, plain_words)}

    def find_runs(self, text: str) -> list[SharedRun]:
        """
        List the runs that a text shares with the sources, read both as canonical and as plain words.

        >>> runs = SourceRuns(["one two three four"], length=3)
        >>> runs.find_runs("zero\\nTwo, three - FOUR five")
        [SharedRun(line=2, words='two three four')]
        """
        found: dict[tuple[int, str], SharedRun] = {}
        for reader, runs in self._runs.items():
            for run in self._compare(text, reader, runs):
                found.setdefault((run.line, run.words), run)
        return list(found.values())

    def _index(self, texts: list[str], reader: Callable[[str], list[Word]]) -> set[tuple[str, ...]]:
        listed = ([one.text for one in reader(text)] for text in texts)
        return {
            tuple(one[at : at + self._length]) for one in listed for at in range(len(one) - self._length + 1)
        }

    def _compare(
        self, text: str, reader: Callable[[str], list[Word]], runs: set[tuple[str, ...]]
    ) -> Iterable[SharedRun]:
        read = reader(text)
        lines = Lines(text)
        at = 0
        while at <= len(read) - self._length:
            window = tuple(one.text for one in read[at : at + self._length])
            if window in runs:
                yield SharedRun(lines.number(read[at].start), " ".join(window))
                at += self._length
            else:
                at += 1
