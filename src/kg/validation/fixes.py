"""Edits to a text: applied, and proved by judging the edited text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from kg.errors import Edit, Problem, UsageError
from kg.names import Prefixes
from kg.parsing import Reading, read

Examine = Callable[[Reading], Sequence[Problem]]
Mend = Callable[[Reading, Sequence[Edit]], Reading]
MAX_TRIALS = 12
_Key = tuple[str | None, str | None, str]


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """
    Return a text with edits made; each names places of the text as it was.

    Raises:
        UsageError: Two edits overlap, or one lies outside the text.

    >>> apply_edits("a lat:Stat .", [Edit(1, 3, 1, 11, "lat:State")])
    'a lat:State .'
    """
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    spans = []
    for one in dict.fromkeys(edits):
        if not (0 < one.line <= one.end_line < len(starts)):
            raise UsageError(f"line {one.line} is not in the text")
        start = starts[one.line - 1] + one.column - 1
        spans.append((start, starts[one.end_line - 1] + one.end_column - 1, one.text))
    found = text
    before = len(text) + 1
    for start, end, new in sorted(spans, reverse=True):
        if not start <= end <= before:
            raise UsageError("two edits overlap")
        found = found[:start] + new + found[end:]
        before = start
    return found


def mend_text(prefixes: Prefixes) -> Mend:
    """Return what applies edits to a reading's text and reads it again."""

    def mend(reading: Reading, edits: Sequence[Edit]) -> Reading:
        text = apply_edits(reading.text, edits)
        return read(text.encode("utf-8"), path=reading.path, prefixes=prefixes)

    return mend


def prove(
    reading: Reading,
    problems: Sequence[Problem],
    examine: Examine,
    *,
    prefixes: Prefixes,
    mend: Mend | None = None,
) -> list[Problem]:
    """
    Keep the edits by which a problem vanishes while nothing new appears; the others keep their words.

    All edits are tried together first; where that does not do, each on its own, a bounded number of times.

    Args:
        reading: What was judged.
        problems: What was found; those with edits are tried.
        examine: What judges a reading, without trying edits.
        prefixes: The project's.
        mend: What applies edits to a reading; that of texts where it is not given. Cells have no other.
    """
    tried = [one for one in problems if one.edits]
    if not tried:
        return list(problems)
    if mend is None:
        if any(edit.cell for one in tried for edit in one.edits):
            return [replace(one, edits=()) for one in problems]
        mend = mend_text(prefixes)
    before = _keys(problems)
    if _is_mended(tried, reading, before, examine, mend):
        return list(problems)
    kept = set()
    if len(tried) > 1:
        for one in tried[:MAX_TRIALS]:
            if _is_mended([one], reading, before, examine, mend):
                kept.add(one)
    return [one if not one.edits or one in kept else replace(one, edits=()) for one in problems]


def _is_mended(
    tried: Sequence[Problem], reading: Reading, before: Counter[_Key], examine: Examine, mend: Mend
) -> bool:
    try:
        mended = mend(reading, [edit for one in tried for edit in one.edits])
    except UsageError:
        return False
    after = _keys(examine(mended))
    gone = _keys(tried)
    return not (after - before) and all(after[key] <= before[key] - count for key, count in gone.items())


def _keys(problems: Iterable[Problem]) -> Counter[_Key]:
    """Count problems by what they say: an edit may move them."""
    return Counter((one.code, one.subject, one.message) for one in problems if one.level != "note")
