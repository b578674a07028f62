"""Things: found by name, and described statement by statement, with the claims of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kg import names
from kg.api.portraits import MAX_STATEMENTS, Group, Portrait, Statement, read_portrait
from kg.api.state import State
from kg.contents import QUESTION, Contents
from kg.errors import NotFoundError
from kg.mcp import naming, results, texts
from kg.mcp.arguments import Arguments, read_page, read_text, read_whole, turn
from kg.mcp.receipts import tell_claims
from kg.mcp.results import Told
from kg.mcp.tools import tool_name

STATEMENTS_PER_PAGE = 30


async def search(state: State, arguments: Arguments) -> Told:
    """Find things and questions by name."""
    contents = state.contents
    text = read_text(arguments, "text")[:400]
    limit = read_whole(arguments, "limit", default=10, most=50)
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
    iri = await naming.find_thing(state.engine, contents, read_text(arguments, "thing"))
    if iri.startswith(names.CLAIM):
        return await _describe_claim(state, iri)
    portrait = await read_portrait(state.engine, contents, iri)
    if portrait is None:
        raise NotFoundError(f"the graph says nothing of {iri}.", name=iri, near=[])
    statements = _list_statements(portrait)
    page = turn(read_page(arguments), STATEMENTS_PER_PAGE, len(statements))
    shown = statements[page.offset : page.offset + page.size]
    claims = {receipt.claim: receipt for _, one in shown for receipt in one.receipts}
    told = {
        **_tell_head(portrait, contents),
        "total_statements": page.rows,
        "page": page.number,
        "pages": page.last,
        "statements": [_tell_statement(group, one, contents) for group, one in shown],
        "claims": [results.tell_receipt(one, contents) for one in claims.values()],
        "version": contents.version,
    }
    return Told(told, texts.portrait(told))


def _list_statements(portrait: Portrait) -> Sequence[tuple[Group, Statement]]:
    """List what is said of a thing, once: from its side and from the other's an inference reads the same."""
    groups = [*portrait.outgoing, *portrait.incoming, *portrait.inferred]
    found = {
        (group.heading, one.node): (group, one) for group in reversed(groups) for one in group.statements
    }
    return sorted(found.values(), key=lambda pair: groups.index(pair[0]))


def _tell_head(portrait: Portrait, contents: Contents) -> dict[str, Any]:
    told = {
        "name": contents.prefixes.compress(portrait.iri),
        "iri": portrait.iri,
        "label": portrait.label,
        "kinds": [contents.label(one) for one in portrait.types]
        or list(filter(None, [contents.kind_label(portrait.iri)])),
        "aliases": portrait.aliases,
        "texts": [one.value for one in portrait.texts],
    }
    if portrait.is_cut:
        told["note"] = f"Of so much said of it, {MAX_STATEMENTS} statements are read; query gives the others."
    if portrait.successor:
        told["replaced_by"] = contents.prefixes.compress(portrait.successor)
    return told


def _tell_statement(group: Group, one: Statement, contents: Contents) -> dict[str, Any]:
    return {
        "heading": group.heading,
        "predicate": contents.prefixes.compress(group.predicate),
        "direction": "from it" if group.is_outgoing else "to it",
        "value": results.tell_term(one.node, contents),
        "is_inferred": one.is_inferred,
        "claims": [contents.prefixes.compress(each.claim) for each in one.receipts],
    }


async def _describe_claim(state: State, iri: str) -> Told:
    """Describe a claim by what it says and what it rests on."""
    contents = state.contents
    [claim] = await tell_claims(state, [iri])
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
