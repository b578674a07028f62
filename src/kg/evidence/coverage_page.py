"""The coverage of a document as a page to read: for the person who holds the text, never for the project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from kg.evidence.passages import Span

_STYLE = """
:root { color-scheme: light dark; --page: #fff; --ink: #1b1b1b; --quiet: #595959; --line: #d0d0d0;
  --covered: #d9f0dd; --uncovered: #ffe1d6; --excepted: #ececec; }
@media (prefers-color-scheme: dark) {
  :root { --page: #16181b; --ink: #ececec; --quiet: #a8a8a8; --line: #3c4046;
    --covered: #1d4227; --uncovered: #5a2a1b; --excepted: #2b2e33; } }
body { background: var(--page); color: var(--ink); font: 1rem/1.6 Georgia, serif; margin: 2rem auto;
  max-width: 60rem; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; }
table { border-collapse: collapse; font: 0.875rem/1.4 system-ui, sans-serif; }
th, td { border-bottom: 1px solid var(--line); padding: 0.2rem 0.8rem 0.2rem 0; text-align: right; }
th:first-child { text-align: left; font-weight: normal; }
.line { display: grid; grid-template-columns: 7rem 1fr; gap: 1rem; margin: 0.6rem 0; }
.line p { margin: 0; white-space: pre-wrap; }
.numbers { color: var(--quiet); font: 0.75rem/1.9 ui-monospace, monospace; text-align: right; }
.covered { background: var(--covered); }
.uncovered { background: var(--uncovered); text-decoration: underline dotted; text-underline-offset: 0.2em; }
.excepted { background: var(--excepted); }
@media (max-width: 40rem) { .line { grid-template-columns: 1fr; gap: 0; } .numbers { text-align: left; } }
"""

_WARNING = "This page holds the document's text. It is for you, who hold the document; do not publish it."


@dataclass(frozen=True, slots=True)
class PageSentence:
    """A sentence as the page shows it: its tint, the numbers in the margin, what a pointer over it tells."""

    span: Span
    status: str
    numbers: tuple[str, ...]
    hint: str


def write_page(
    text: str,
    sentences: Sequence[PageSentence],
    *,
    title: str,
    counts: Mapping[str, Mapping[str, int]],
    totals: Mapping[str, int],
) -> str:
    """
    Write the page: counts by section, then the text line by line; one file, nothing fetched.

    >>> page = write_page("Ducks & otters.", [PageSentence(Span(0, 15), "covered", ("0007",), "")], title="T",
    ...     counts={"S": {"covered": 1}}, totals={"covered": 1})
    >>> '<span class="covered" title="covered">Ducks &amp; otters.</span>' in page, ">0007<" in page
    (True, True)
    """
    heading = escape(title)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="robots" content="noindex">\n<title>Coverage: {heading}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>Coverage: {heading}</h1>\n"
        f"<p><strong>{_WARNING}</strong></p>\n{_legend(totals)}{_table(counts)}"
        f"{''.join(_lines(text, sentences))}</main>\n</body>\n</html>\n"
    )


def _legend(totals: Mapping[str, int]) -> str:
    listed = ", ".join(f'<span class="{name}">{number} {name}</span>' for name, number in totals.items())
    return f"<p>Sentences: {listed}. In the margin: the claims that stand on them.</p>\n"


def _table(counts: Mapping[str, Mapping[str, int]]) -> str:
    statuses = list(next(iter(counts.values()), {}))
    head = "".join(f'<th scope="col">{name}</th>' for name in statuses)
    rows = "".join(
        f'<tr><th scope="row">{escape(section)}</th>'
        + "".join(f"<td>{counted[name]}</td>" for name in statuses)
        + "</tr>\n"
        for section, counted in counts.items()
    )
    header = f'<thead><tr><th scope="col">Section</th>{head}</tr></thead>'
    return f"<table>\n{header}\n<tbody>\n{rows}</tbody>\n</table>\n"


def _lines(text: str, sentences: Sequence[PageSentence]) -> list[str]:
    """Return one row a paragraph: its numbers and its text, every code point of it shown."""
    rows: list[str] = []
    pieces: list[str] = []
    numbers: dict[str, None] = {}
    position = 0
    for one in sentences:
        gap = text[position : one.span.start]
        if "\n" in gap and pieces:
            rows.append(_row(numbers, pieces))
            pieces, numbers = [], {}
        pieces.append(escape(gap.strip("\n") if not pieces else gap))
        hint = escape(": ".join(filter(None, (one.status, one.hint))))
        inside = escape(text[one.span.start : one.span.end])
        pieces.append(f'<span class="{one.status}" title="{hint}">{inside}</span>')
        numbers.update(dict.fromkeys(one.numbers))
        position = one.span.end
    pieces.append(escape(text[position:].rstrip()))
    rows.append(_row(numbers, pieces))
    return rows


def _row(numbers: Mapping[str, None], pieces: Sequence[str]) -> str:
    margin = f'<div class="numbers">{escape(" ".join(numbers))}</div>'
    return f'<div class="line">{margin}<p>{"".join(pieces)}</p></div>\n'
