"""Texts: results as Markdown, labels first, each row with the numbers of its claims."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_MAX_CELL = 300
_SPECIAL = re.compile(r"([\\|`*_\[\]<>])")


def escape(text: str) -> str:
    r"""
    Write a text so that Markdown shows it as it is, on one line.

    >>> print(escape("a | b\n<c>"))
    a \| b \<c\>
    """
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def cell(value: Any) -> str:
    """Return a cell: the label of a thing, else the value."""
    text = str(value["label"]) if isinstance(value, Mapping) else "" if value is None else str(value)
    return escape(text if len(text) <= _MAX_CELL else text[:_MAX_CELL] + "…")


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(cell(one) for one in row) + " |" for row in rows]
    return "\n".join(lines)


def answer(told: Mapping[str, Any]) -> str:
    """Return the rows of an answer, and the claims behind them."""
    numbers = {one["claim"]: number for number, one in enumerate(told["claims"], start=1)}
    columns = told["columns"]
    rows = [[*(row["cells"].get(name) for name in columns), _marks(row, numbers)] for row in told["rows"]]
    values = "; ".join(f"{name}: {value}" for name, value in told.get("values", {}).items())
    head = (
        [f"**{escape(told['title'])}**" + (f" ({escape(values)})" if values else "")]
        if "title" in told
        else []
    )
    body = [_count(told), table([*columns, "claims"], rows)] if rows else ["No rows."]
    return "\n\n".join([*head, *body, *evidence(told), f"Version {told['version']}."])


def _count(told: Mapping[str, Any]) -> str:
    number, pages = told["total_rows"], told["pages"]
    more = f" Page {told['page']} of {pages}; ask for the others with page." if pages > 1 else ""
    return f"{number} row{'s' if number != 1 else ''}.{more}"


def _marks(row: Mapping[str, Any], numbers: Mapping[str, int]) -> str:
    marks = " ".join(f"({numbers[one]})" for one in row["claims"] if one in numbers)
    return f"{marks} and {row['more_claims']} more" if row.get("more_claims") else marks


def evidence(told: Mapping[str, Any]) -> list[str]:
    """Return the claims that rows bear the numbers of, with their passages."""
    parts = [f"No mark: {told['bases']['none']}."] if "none" in told["bases"] else []
    if "speaks" in told["bases"]:
        parts.append(f"Marks: {told['bases']['speaks']}.")
    if told["claims"]:
        lines = [f"({number}) {receipt(one)}" for number, one in enumerate(told["claims"], start=1)]
        parts.append("Claims and their passages:\n" + "\n".join(lines))
    return parts


def receipt(one: Mapping[str, Any]) -> str:
    """
    Return a claim on one line: name, status, where it stands.

    >>> passage = {"document": "A report", "page": "4", "first_words": "The", "last_words": "end"}
    >>> receipt({"claim": "a:1", "status": "stated", "passages": [passage]})
    'a:1, stated: A report, p. 4, “The … end”'
    """
    return (
        ", ".join(filter(None, [one["claim"], one.get("status")]))
        + ": "
        + "; ".join(passage(each) for each in one["passages"])
    )


def passage(one: Mapping[str, Any]) -> str:
    """Return where a passage stands."""
    first, last = one.get("first_words"), one.get("last_words")
    words = f"“{first} … {last}”" if first and last else f"“{first or last}”" if first or last else None
    if words and one.get("link"):
        words = f"[{words}]({one['link']})"
    said = [
        one["document"],
        f"section {one['section']}" if "section" in one else None,
        f"p. {one['page']}" if "page" in one else None,
        f"footnote {one['footnote']}" if "footnote" in one else None,
        words,
    ]
    return ", ".join(filter(None, said))


def portrait(told: Mapping[str, Any]) -> str:
    """Return what the graph says of a thing."""
    head = [f"**{escape(told['label'])}** ({', '.join(told['kinds']) or 'of no class'}), `{told['name']}`"]
    if told["aliases"]:
        head.append("Also called: " + "; ".join(told["aliases"]) + ".")
    if told.get("replaced_by"):
        head.append(f"Withdrawn; replaced by {told['replaced_by']}.")
    numbers = {one["claim"]: number for number, one in enumerate(told["claims"], start=1)}
    lines = [f"- {_statement(one, numbers)}" for one in told["statements"]]
    pages = f" Page {told['page']} of {told['pages']}." if told["pages"] > 1 else ""
    note = f" {told['note']}" if "note" in told else ""
    count = f"{told['total_statements']} statements.{pages}{note}"
    body = [count, "\n".join(lines)] if lines else ["Nothing more is said of it."]
    parts = ["\n".join(head), *told["texts"], *body, *evidence({"bases": {}, **told})]
    return "\n\n".join([*parts, f"Version {told['version']}."])


def _statement(one: Mapping[str, Any], numbers: Mapping[str, int]) -> str:
    inferred = " (inferred)" if one["is_inferred"] else ""
    return f"{one['heading']}: {cell(one['value'])}{inferred} {_marks(one, numbers)}".rstrip()


def receipts(told: Mapping[str, Any]) -> str:
    """Return claims with what they say."""
    parts = [told["note"]] if told.get("note") else []
    for one in told["claims"]:
        curated = " ".join(filter(None, [one.get("curator"), one.get("curated_on")]))
        lines = [receipt(one) + (f" (curated: {curated})" if curated else "")]
        lines += [f"- {' · '.join(cell(term) for term in triple)}" for triple in one.get("says", ())]
        parts.append("\n".join(lines))
    if told["pages"] > 1:
        parts.append(f"{told['total_claims']} claims. Page {told['page']} of {told['pages']}.")
    return "\n\n".join([*parts, f"Version {told['version']}."])


def matches(told: Mapping[str, Any]) -> str:
    """Return what a search found."""
    things = [[one["label"], one["kind"], one["name"]] for one in told["things"]]
    questions = [[one["question"], one["tool"]] for one in told["questions"]]
    parts = [table(["label", "kind", "name"], things)] if things else ["No thing has such a name."]
    parts += [table(["question", "tool"], questions)] if questions else []
    return "\n\n".join(parts)


def problem(told: Mapping[str, Any]) -> str:
    """Return an error: what is wrong, what is near, what mends it."""
    lines = [f"{told['title']}: {told['detail']}"]
    for name in ("near", "fix", "line", "column"):
        value = told.get(name)
        if value and f"{name.title()}: " not in told["detail"]:
            lines.append(
                f"{name.title()}: {value if isinstance(value, str | int) else '; '.join(map(str, value))}"
            )
    return "\n".join(lines)
