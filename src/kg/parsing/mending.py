"""
Faults of a text to problems: every one at once, each repair proved by parsing again.

Where a repair leads further, it is made in a draft and the draft is parsed; what is found there is told at
its place in the text as sent. So one pass tells what a writer would else meet one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from kg.errors import Edit, Problem
from kg.parsing.reading import Change, Fault, Lines

MAX_PROBLEMS = 50
_MAX_PARSED = 4_000_000  # characters parsed to prove repairs of one text: some seconds
_MAX_TRIALS = 150
Diagnose = Callable[[str], list[Fault]]


def tell(text: str, path: Path, diagnose: Diagnose) -> list[Problem]:
    """
    Return all that is wrong with a text, in its order, with edits where parsing again proves them.

    Args:
        text: As sent.
        path: Its name.
        diagnose: What finds faults in a text: all of them, or the first.
    """
    return _Teller(text, path, diagnose).tell()


def apply_changes(text: str, changes: Sequence[Change]) -> str | None:
    """
    Return a text with changes made, or None where two of them meet.

    >>> apply_changes("a b", [Change(1, 2, " . "), Change(3, 3, " .")])
    'a . b .'
    """
    parts = []
    at = 0
    for one in sorted(changes):
        if one.start < at:
            return None
        parts += [text[at : one.start], one.text]
        at = one.end
    return "".join([*parts, text[at:]])


class _Teller:
    def __init__(self, text: str, path: Path, diagnose: Diagnose) -> None:
        self.text = text
        self.path = path
        self.diagnose = diagnose
        self.lines = Lines(text)
        self.changes: list[Change] = []
        self.told: list[Problem] = []
        self.seen: set[tuple[int, str]] = set()
        self.parsed = 0
        self.trials = 0
        self.unmended = -1  # the line of the last fault that stayed: what follows at once may be its echo

    def tell(self) -> list[Problem]:
        """Go from fault to fault."""
        faults = self._find(self.changes)
        while faults and len(self.told) < MAX_PROBLEMS:
            fault = faults[0]
            mended = self._mend(fault, len(faults))
            self.seen.add((self._sent(fault.start), fault.message))
            if mended is None:
                self._say(fault, ())
                self.unmended = self.lines.place(self._sent(fault.start))[0]
                if fault.is_last:
                    break
                faults = faults[1:]
            else:
                made, faults = mended
                self._say(fault, made)
                self.changes += made
        return self.told

    def _find(self, changes: Sequence[Change]) -> list[Fault]:
        """Return the faults of the draft that were not told yet, errors only once it is changed."""
        draft = apply_changes(self.text, changes) if changes else self.text
        if draft is None:
            return []
        self.parsed += len(draft)
        before, self.changes = self.changes, list(changes)
        found = [one for one in self.diagnose(draft) if (self._sent(one.start), one.message) not in self.seen]
        self.changes = before
        return found

    def _mend(self, fault: Fault, count: int) -> tuple[tuple[Change, ...], list[Fault]] | None:
        """Return the repair that leaves least, the likelier before, with the faults that stay; or None."""
        best: tuple[int, tuple[Change, ...], list[Fault]] | None = None
        line = self.lines.place(self._sent(fault.start))[0]
        for repair in () if fault.is_guess and line - self.unmended <= 1 else fault.repairs:
            if self.parsed > _MAX_PARSED or self.trials > _MAX_TRIALS or (best is not None and best[0] == 0):
                break
            made = tuple(Change(self._sent(one.start), self._sent(one.end), one.text) for one in repair)
            trial = [*self.changes, *made]
            if apply_changes(self.text, trial) is None:
                continue
            self.trials += 1
            left = self._find(trial)
            if self._is_better(fault, count, left, trial) and (best is None or len(left) < best[0]):
                best = (len(left), made, left)
        return None if best is None else best[1:]

    def _is_better(self, fault: Fault, count: int, left: list[Fault], trial: list[Change]) -> bool:
        """Tell whether a repair leads on: to what stands later; a guess past its line, or to less."""
        if not left:
            return True
        here = self._sent(fault.start)
        before, self.changes = self.changes, trial
        first = min(self._sent(one.start) for one in left)
        self.changes = before
        if not fault.is_guess:
            return first > here or not any(one.code == fault.code for one in left)
        is_behind = self.lines.place(first)[0] > self.lines.place(here)[0]
        is_other = not next(one for one in left).is_guess
        return first > here and (len(left) < count or is_behind or is_other)

    def _sent(self, offset: int) -> int:
        """Return where a place of the draft stands in the text as sent."""
        shift = 0
        for one in sorted(self.changes):
            if offset < one.start + shift:
                break
            if offset < one.start + shift + len(one.text):
                return one.start
            shift += len(one.text) - (one.end - one.start)
        return min(offset - shift, len(self.text))

    def _say(self, fault: Fault, made: Sequence[Change]) -> None:
        start, end, message = self._sent(fault.start), self._sent(fault.end), fault.message
        # a comma for a semicolon is told at the value: what is missing may as well be its property
        if fault.is_late and len(made) == 1 and made[0].end <= start and made[0].text != ",":
            [one] = made
            start, end = one.start, one.end
            if end > start and one.text:
                message = f"{self.text[start:end]!r} stands here: expected {one.text!r}."
        span = self.lines.span(start, max(start, end))
        edits = tuple(
            Edit(*self.lines.place(one.start), *self.lines.place(one.end), one.text) for one in made
        )
        self.told.append(
            Problem(
                message,
                self.path,
                span.line,
                span.column,
                fault.fix,
                code=fault.code,
                level=fault.level,
                end_line=span.end_line,
                end_column=span.end_column,
                found=self.text[start:end][:80] or None,
                expected=fault.expected,
                edits=edits,
            )
        )
