"""Calls: what each tool does: one result as values and as text, with the passages behind it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rdflib import Literal

from kg import names
from kg.api.contents import QUESTION, Row, parse_rows, select
from kg.api.portraits import MAX_STATEMENTS, read_graph, read_portrait, read_receipts
from kg.api.state import State
from kg.api.templates import Page, shown_columns
from kg.engine import QueryRequest, query_form
from kg.errors import KGError, NotFoundError, ParameterError
from kg.mcp import naming, results, texts
from kg.mcp.support import Support, find_support
from kg.mcp.tools import tool_name
from kg.paging import count_rows, cut_page
from kg.templates import Template

ROWS_PER_PAGE = 20
STATEMENTS_PER_PAGE = 30
CLAIMS_PER_PAGE = 10
MAX_GRAPH_TEXT = 20_000
_TRIPLES_PER_CLAIM = 40
_MAX_PAGE = 1_000_000


@dataclass(frozen=True, slots=True)
class Told:
    """One result: as JSON values and as Markdown."""

    values: dict[str, Any]
    text: str


Arguments = Mapping[str, Any]
Call = Callable[[State, Arguments], Awaitable[Told]]


async def ask(state: State, template: Template, arguments: Arguments) -> Told:
    """
    Ask a question that is kept.

    Raises:
        KGError: Some values are wrong, or the engine's reasons.
    """
    contents, bound = state.contents, dict[str, str]()
    number = 1 if "page" in template.parameters else _page(arguments)
    values = {
        name: _written(name, value)
        for name, value in arguments.items()
        if value is not None and (name in template.parameters or name != "page")
    }
    resolve = await naming.resolver_of(state.engine, contents, template, bound)
    query = template.bind(values, resolve=resolve)
    [row] = await select(state.engine, count_rows(query))
    [count] = row.values()
    page = _turn(number, ROWS_PER_PAGE, int(count.value))
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
    template = naming.find_question(contents.templates, contents, _text(arguments, "question"))
    values = arguments.get("values") or {}
    if not isinstance(values, Mapping):
        raise _wrong("values", values, "an object: a value by parameter")
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
    text = _text(arguments, "sparql")
    if query_form(text) in ("CONSTRUCT", "DESCRIBE"):
        return await _query_graph(state, text)
    answer = await state.engine.query(QueryRequest(query=text, format="json"))
    content = json.loads(answer.body)
    if "boolean" in content:
        told = {**_no_rows(answer.version), "text": json.dumps(content["boolean"])}
        return Told(told, f"{told['text']}\n\nVersion {answer.version}.")
    every = parse_rows(answer.body)
    page = _turn(_page(arguments), ROWS_PER_PAGE, len(every))
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


async def search(state: State, arguments: Arguments) -> Told:
    """Find things and questions by name."""
    contents = state.contents
    text = _text(arguments, "text")[:400]
    limit = _whole(arguments, "limit", default=10, most=50)
    found = contents.index.find(text, limit=2 * limit)
    told = {
        "things": [
            {
                "name": contents.prefixes.compress(one.iri),
                "iri": one.iri,
                "label": one.label,
                "kind": contents.kind_label(one.iri),
                "score": one.score,
            }
            for one in found
            if one.kind != QUESTION
        ][:limit],
        "questions": [
            {"template": one.iri, "tool": tool_name(one.iri), "question": one.label}
            for one in found
            if one.kind == QUESTION
        ][:limit],
        "version": contents.version,
    }
    return Told(told, texts.matches(told))


async def describe(state: State, arguments: Arguments) -> Told:
    """Tell what the graph says of one thing, statement by statement, with the claims of each."""
    contents = state.contents
    iri = await naming.find_thing(state.engine, contents, _text(arguments, "thing"))
    if iri.startswith(names.CLAIM):
        return await _describe_claim(state, iri)
    portrait = await read_portrait(state.engine, contents, iri)
    if portrait is None:
        raise NotFoundError(f"the graph says nothing of {iri}.", name=iri, near=[])
    groups = [*portrait.outgoing, *portrait.incoming, *portrait.inferred]
    # from its side and from the other's an inference reads the same
    found = {
        (group.heading, one.node): (group, one) for group in reversed(groups) for one in group.statements
    }
    statements = sorted(found.values(), key=lambda pair: groups.index(pair[0]))
    page = _turn(_page(arguments), STATEMENTS_PER_PAGE, len(statements))
    shown = statements[page.offset : page.offset + page.size]
    claims = {receipt.claim: receipt for _, one in shown for receipt in one.receipts}
    told = {
        "name": contents.prefixes.compress(iri),
        "iri": iri,
        "label": portrait.label,
        "kinds": [contents.label(one) for one in portrait.types]
        or list(filter(None, [contents.kind_label(iri)])),
        "aliases": portrait.aliases,
        "texts": [one.value for one in portrait.texts],
        "total_statements": page.rows,
        "page": page.number,
        "pages": page.last,
        "statements": [
            {
                "heading": group.heading,
                "predicate": contents.prefixes.compress(group.predicate),
                "direction": "from it" if group.is_outgoing else "to it",
                "value": results.tell_term(one.node, contents),
                "is_inferred": one.is_inferred,
                "claims": [contents.prefixes.compress(each.claim) for each in one.receipts],
            }
            for group, one in shown
        ],
        "claims": [results.tell_receipt(one, contents) for one in claims.values()],
        "version": contents.version,
    }
    if portrait.is_cut:
        told["note"] = f"Of so much said of it, {MAX_STATEMENTS} statements are read; query gives the others."
    if portrait.successor:
        told["replaced_by"] = contents.prefixes.compress(portrait.successor)
    return Told(told, texts.portrait(told))


async def _describe_claim(state: State, iri: str) -> Told:
    """Describe a claim by what it says and what it rests on."""
    contents = state.contents
    [claim] = await _tell_claims(state, [iri])
    statements = [
        {
            "heading": " · ".join(texts.cell(one) for one in triple[:2]),
            "predicate": contents.prefixes.compress(triple[1]["iri"]),
            "direction": "in it",
            "value": triple[2],
            "is_inferred": False,
            "claims": [claim["claim"]],
        }
        for triple in claim["says"]
    ]
    told = {
        "name": contents.prefixes.compress(iri),
        "iri": iri,
        "label": contents.label(iri),
        "kinds": ["claim"],
        "aliases": [],
        "texts": [],
        "total_statements": len(statements),
        "page": 1,
        "pages": 1,
        "statements": statements,
        "claims": [claim],
        "version": contents.version,
    }
    return Told(told, texts.portrait(told))


async def receipt(state: State, arguments: Arguments) -> Told:
    """Tell the claims behind a claim's name or a statement, and the passages that they rest on."""
    contents = state.contents
    wanted = {
        name: _text(arguments, name)
        for name in ("claim", "subject", "predicate", "object")
        if arguments.get(name)
    }
    if "claim" in wanted:
        iri = await naming.find_thing(state.engine, contents, wanted["claim"])
        if not iri.startswith(names.CLAIM):
            raise NotFoundError(
                f"{wanted['claim']!r} is no claim: expected e.g. ipi-claim:0123.", name=iri, near=[]
            )
        claims, note = [iri], ""
    elif len(wanted) < 2:
        raise _wrong("claim", None, "a claim, or two of subject, predicate and object")
    else:
        claims, note = await _find_claims(state, wanted)
    page = _turn(_page(arguments), CLAIMS_PER_PAGE, len(claims))
    told = {
        "total_claims": page.rows,
        "page": page.number,
        "pages": page.last,
        "claims": await _tell_claims(state, claims[page.offset : page.offset + page.size]),
        "version": contents.version,
    }
    if note:
        told["note"] = note
    return Told(told, texts.receipts(told))


async def _find_claims(state: State, wanted: Mapping[str, str]) -> tuple[list[str], str]:
    """Find the claims whose graph holds a statement, or else those that speak of both its ends."""
    contents, engine = state.contents, state.engine
    terms = {"subject": "?s", "predicate": "?p", "object": "?o"}
    iris: dict[str, str] = {}
    condition = ""
    for name in ("subject", "object"):
        if name not in wanted:
            continue
        try:
            iris[name] = await naming.find_thing(engine, contents, wanted[name])
        except KGError:
            if name == "subject":
                raise
            condition = f"FILTER(STR(?o) = {Literal(wanted[name]).n3()})"
    if "predicate" in wanted:
        iris["predicate"] = naming.find_property(contents, wanted["predicate"])
    terms |= {name: f"<{iri}>" for name, iri in iris.items()}
    pattern = f"{terms['subject']} {terms['predicate']} {terms['object']} {condition}"
    rows = await select(
        engine,
        f"SELECT DISTINCT ?graph WHERE {{ GRAPH ?graph {{ {pattern} }} "
        f"FILTER(?graph NOT IN (<{names.VOID_GRAPH}>, <{names.EXAMPLES_GRAPH}>, <{names.SHAPES_GRAPH}>)) }} "
        "ORDER BY ?graph",
    )
    graphs = [row["graph"].value for row in rows]
    claims = [one for one in graphs if one.startswith(names.CLAIM)]
    if claims:
        return claims, ""
    return await _find_near_claims(state, graphs, iris)


async def _find_near_claims(
    state: State, graphs: Sequence[str], iris: Mapping[str, str]
) -> tuple[list[str], str]:
    if not graphs:
        said = "The graph does not hold this statement."
    elif graphs == [names.INFERRED_GRAPH]:
        said = "No claim states this: it is inferred."
    else:
        said = f"No claim states this: it stands in {', '.join(map(state.contents.label, graphs))}."
    ends = [iris[name] for name in ("subject", "object") if name in iris]
    if len(ends) < 2:
        return [], said
    values = " ".join(f"<{one}>" for one in ends)
    rows = await select(
        state.engine,
        f"""SELECT ?claim WHERE {{
  VALUES ?end {{ {values} }}
  {{ GRAPH ?claim {{ ?end ?p ?o }} }} UNION {{ GRAPH ?claim {{ ?s ?p ?end }} }}
  FILTER(STRSTARTS(STR(?claim), "{names.CLAIM}"))
}}
GROUP BY ?claim
HAVING (COUNT(DISTINCT ?end) = 2)
ORDER BY ?claim""",
    )
    found = [row["claim"].value for row in rows]
    return (
        found,
        f"{said} These claims speak of both things." if found else f"{said} No claim speaks of both things.",
    )


async def _tell_claims(state: State, claims: Sequence[str]) -> list[dict[str, Any]]:
    """Return claims with what they say."""
    contents = state.contents
    receipts = await read_receipts(state.engine, claims) if claims else {}
    told = []
    for one in claims:
        rows = await read_graph(state.engine, one, limit=_TRIPLES_PER_CLAIM)
        says = [
            [results.tell_term(row[name], contents) for name in ("subject", "predicate", "object")]
            for row in rows
        ]
        told.append({**results.tell_receipt(receipts[one], contents), "says": says})
    return told


CALLS: Mapping[str, Call] = {
    "search": search,
    "describe": describe,
    "receipt": receipt,
    "query": query,
    "list_questions": list_questions,
    "ask": ask_by_key,
}


def _turn(number: int, size: int, rows: int) -> Page:
    page = Page(number, size, rows)
    if number > page.last:
        raise ParameterError(
            f"page: {number} is past the last page, {page.last}.",
            parameter="page",
            value=str(number),
            near=[str(page.last)],
        )
    return page


def _page(arguments: Arguments) -> int:
    return _whole(arguments, "page", default=1, most=_MAX_PAGE)


def _whole(arguments: Arguments, name: str, *, default: int, most: int) -> int:
    given = arguments.get(name)
    if given is None:
        return default
    text = str(given)
    if isinstance(given, bool) or not (text.isascii() and text.isdigit() and 1 <= int(text[:12]) <= most):
        raise _wrong(name, given, f"a whole number from 1 to {most}")
    return int(text)


def _text(arguments: Arguments, name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value.strip():
        raise _wrong(name, value, "a text")
    return value


def _written(name: str, value: Any) -> str:
    """Write a value of JSON as a person would type it."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _wrong(name, value, "a text or a whole number")
    return str(value)


def _wrong(name: str, value: Any, expected: str) -> ParameterError:
    told = "is missing" if value is None else f"{str(value)[:40]!r} is not what it takes"
    return ParameterError(f"{name} {told}: expected {expected}.", parameter=name, value=value, near=[])
