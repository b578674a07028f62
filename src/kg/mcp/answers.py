"""Answers: questions that are kept, and SPARQL: rows in pages, with the claims behind them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from kg.api.portraits import read_receipts
from kg.api.state import State
from kg.api.templates import Page, shown_columns
from kg.contents import Row, parse_rows, select
from kg.engine import QueryRequest, query_form
from kg.errors import NotFoundError
from kg.mcp import naming, results, texts
from kg.mcp.arguments import Arguments, read_page, read_text, turn, write, wrong
from kg.mcp.results import Told
from kg.mcp.support import Support, find_support
from kg.paging import count_rows, cut_page
from kg.templates import Template

ROWS_PER_PAGE = 20
MAX_GRAPH_TEXT = 20_000


async def ask(state: State, template: Template, arguments: Arguments) -> Told:
    """
    Ask a question that is kept.

    Raises:
        KGError: Some values are wrong, or the engine's reasons.
    """
    contents, bound = state.contents, dict[str, str]()
    number = 1 if "page" in template.parameters else read_page(arguments)
    values = {
        name: write(name, value)
        for name, value in arguments.items()
        if value is not None and (name in template.parameters or name != "page")
    }
    resolve = await naming.resolver_of(state.engine, contents, template, bound)
    query = template.bind(values, resolve=resolve)
    [row] = await select(state.engine, count_rows(query))
    [count] = row.values()
    page = turn(number, ROWS_PER_PAGE, int(count.value))
    rows = await select(state.engine, cut_page(query, template.columns, limit=page.size, offset=page.offset))
    spoken = {name: contents.label(bound[name]) if name in bound else value for name, value in values.items()}
    told = await _tell_rows(state, shown_columns(template.columns), rows, page, about=list(bound.values()))
    told = {
        "question": template.sentence(spoken),
        "title": template.title,
        "template": template.key,
        "values": spoken,
        **told,
    }
    return Told(told, texts.answer(told))


async def ask_by_key(state: State, arguments: Arguments) -> Told:
    """Ask the question that an argument names, with the values of another."""
    contents = state.contents
    template = naming.find_question(contents.templates, contents, read_text(arguments, "question"))
    values = arguments.get("values") or {}
    if not isinstance(values, Mapping):
        raise wrong("values", values, "an object: a value by parameter")
    return await ask(state, template, {"page": arguments.get("page"), **values})


async def list_questions(state: State, arguments: Arguments) -> Told:
    """List the questions that are kept, of one topic or all."""
    topic = arguments.get("topic")
    known = state.contents.templates
    found = [one for one in known.values() if not topic or one.topic == topic]
    if not found:
        topics = sorted({one.topic for one in known.values()})
        raise NotFoundError(f"no topic {topic!r}: expected one of {', '.join(topics)}.", name=topic, near=[])
    told = {
        "questions": [
            {
                "template": one.key,
                "question": one.sentence(),
                "parameters": {each.name: each.description for each in one.parameters.values()},
            }
            for one in found
        ],
        "version": state.contents.version,
    }
    rows = [[one.key, one.sentence(), ", ".join(one.parameters)] for one in found]
    return Told(told, texts.table(["template", "question", "parameters"], rows))


async def query(state: State, arguments: Arguments) -> Told:
    """Run SPARQL; rows come in pages, with the claims that speak of what stands in them."""
    text = read_text(arguments, "sparql")
    if query_form(text, state.engine.settings) in ("CONSTRUCT", "DESCRIBE"):
        return await _query_graph(state, text)
    answer = await state.engine.query(QueryRequest(query=text, format="json"))
    content = json.loads(answer.body)
    if "boolean" in content:
        told = {**_no_rows(answer.version), "text": json.dumps(content["boolean"])}
        return Told(told, f"{told['text']}\n\nVersion {answer.version}.")
    every = parse_rows(answer.body)
    page = turn(read_page(arguments), ROWS_PER_PAGE, len(every))
    rows = every[page.offset : page.offset + page.size]
    told = await _tell_rows(state, shown_columns(content["head"]["vars"]), rows, page)
    return Told(told, texts.answer(told))


async def _query_graph(state: State, text: str) -> Told:
    answer = await state.engine.query(QueryRequest(query=text, format="ttl"))
    turtle = answer.body.decode()
    cut = turtle[:MAX_GRAPH_TEXT]
    note = "" if cut == turtle else f"\n# cut here: {len(turtle)} characters in all; ask for less"
    told = {**_no_rows(answer.version), "text": cut + note}
    return Told(told, f"```turtle\n{cut}{note}\n```\n\nVersion {answer.version}.")


def _no_rows(version: str) -> dict[str, Any]:
    counts = {"total_rows": 0, "page": 1, "pages": 1}
    return {"version": version, "columns": [], **counts, "rows": [], "bases": {}, "claims": []}


async def _tell_rows(
    state: State, columns: Sequence[str], rows: Sequence[Row], page: Page, *, about: Sequence[str] = ()
) -> dict[str, Any]:
    contents = state.contents
    supports = await find_support(state.engine, rows, about)
    return {
        "version": contents.version,
        "columns": list(columns),
        "total_rows": page.rows,
        "page": page.number,
        "pages": page.last,
        "rows": [
            results.tell_row(row, columns, contents, one) for row, one in zip(rows, supports, strict=True)
        ],
        **await _tell_evidence(state, supports),
    }


async def _tell_evidence(state: State, supports: Sequence[Support]) -> dict[str, Any]:
    claims = sorted({claim for one in supports for claim in one.claims})
    receipts = await read_receipts(state.engine, claims)
    return results.tell_evidence(supports, receipts, state.contents)
