"""
Search: labels to IRIs, forgiving of case, accents, punctuation and spelling.

The index holds what it is given and asks nothing: rows come from wherever the labels are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from rapidfuzz import fuzz

_MINIMUM_SCORE = 72.0
_MINIMUM_SCORE_AMONG = 59.0  # among the few things of one kind, less likely ones are worth telling
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"})
_NOT_WORD = re.compile(r"[\W_]+")


def fold(text: str) -> str:
    """
    Reduce a text to what is compared: letters and digits without case or accents.

    >>> fold("  Côte d’Ivoire: the G-20 ")
    'cote d ivoire the g 20'
    """
    plain = unicodedata.normalize("NFKD", text).casefold().translate(_LETTERS)
    bare = "".join(one for one in plain if not unicodedata.combining(one))
    return _NOT_WORD.sub(" ", bare).strip()


@dataclass(frozen=True, slots=True)
class Match:
    """One thing that a text may mean; `score` runs from 0 to 100, and 100 is the exact preferred label."""

    iri: str
    label: str
    kind: str
    score: float


@dataclass(frozen=True, slots=True)
class _Entry:
    iri: str
    label: str
    kind: str
    is_alias: bool


class Index:
    """
    Labels of things, in memory.

    >>> index = Index.from_rows([("id:fr", "Île de Ré", "Place", False), ("id:no", "Tromsø", "Place", False)])
    >>> index.find("ile de re")[0].iri
    'id:fr'
    >>> [match.iri for match in index.find("tromso")]
    ['id:no']
    """

    def __init__(self, entries: Iterable[tuple[str, str, str, bool]]) -> None:
        self._entries = [_Entry(*one) for one in entries]
        self._folded = [fold(one.label) for one in self._entries]
        self._preferred: dict[str, str] = {}
        for one in self._entries:
            if not one.is_alias:
                self._preferred.setdefault(one.iri, one.label)

    @classmethod
    def from_rows(cls, rows: Iterable[tuple[str, str, str, bool]]) -> Index:
        """Make an index of rows (IRI, label, kind, whether the label is an alias)."""
        return cls(rows)

    def __len__(self) -> int:
        """Return how many labels are held, in labels."""
        return len(self._entries)

    def find(
        self,
        text: str,
        *,
        kinds: Collection[str] | None = None,
        among: Collection[str] | None = None,
        limit: int = 10,
    ) -> list[Match]:
        """
        List what a text may mean, best first, each thing once.

        Args:
            text: A name as somebody types it.
            kinds: Only things of these kinds.
            among: Only these IRIs.
            limit: How many matches at most, in matches.
        """
        wanted = fold(text)
        if not wanted or limit < 1:
            return []
        best: dict[str, tuple[float, _Entry]] = {}
        least = _MINIMUM_SCORE if among is None else _MINIMUM_SCORE_AMONG
        for score, entry in self._scored(wanted, least):
            if kinds is not None and entry.kind not in kinds:
                continue
            if among is not None and entry.iri not in among:
                continue
            if entry.iri not in best or best[entry.iri][0] < score:
                best[entry.iri] = (score, entry)
        ranked = sorted(best.values(), key=lambda one: (-one[0], len(one[1].label), one[1].label, one[1].iri))
        return [
            Match(entry.iri, self._preferred.get(entry.iri, entry.label), entry.kind, round(score, 1))
            for score, entry in ranked[:limit]
        ]

    def _scored(self, wanted: str, least: float) -> Iterable[tuple[float, _Entry]]:
        """Score every label that is near enough."""
        for entry, label in zip(self._entries, self._folded, strict=True):
            score = _score(wanted, label, least)
            if score >= least:
                yield (score - 1.0 if entry.is_alias else score), entry


def _score(wanted: str, label: str, least: float) -> float:
    """
    Score a folded label for a folded text: equal, then begins with, then holds the words, then spelt alike.

    >>> _score("malta", "malta", 60), _score("mal", "malta", 60) > _score("lta", "malta", 60)
    (100.0, True)
    """
    if wanted == label:
        return 100.0
    if len(wanted) > 1 and label.startswith(wanted):
        return 90.0 + 8.0 * len(wanted) / len(label)
    if len(wanted) > 1 and f" {wanted}" in f" {label}":
        return 82.0 + 8.0 * len(wanted) / len(label)
    words, others = wanted.split(), label.split()
    if len(wanted) > 1 and all(any(other.startswith(word) for other in others) for word in words):
        return 76.0 + 8.0 * min(1.0, len(wanted) / len(label))
    if len(wanted) > 3 or least < _MINIMUM_SCORE:
        return 0.9 * fuzz.ratio(wanted, label, score_cutoff=least)
    return 0.0
