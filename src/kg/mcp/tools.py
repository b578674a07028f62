"""Tools: what each is called, what it takes and what it returns; the questions that are kept among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mcp.types import Tool, ToolAnnotations

from kg.names import Prefixes
from kg.templates import Parameter, Template

PAGE = {"type": "integer", "minimum": 1, "default": 1, "description": "Which page of the answer"}
_READ_ONLY = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
_PASSAGE = {
    "type": "object",
    "properties": {
        name: {"type": kind}
        for name, kind in {
            "passage": "string",
            "document": "string",
            "section": "string",
            "page": "string",
            "footnote": "string",
            "first_words": "string",
            "last_words": "string",
            "word_count": "integer",
            "link": "string",
        }.items()
    },
    "required": ["passage", "document"],
}
_CLAIM = {
    "type": "object",
    "properties": {
        "claim": {"type": "string"},
        "iri": {"type": "string"},
        "status": {"type": "string", "description": "How the document says it"},
        "curator": {"type": "string"},
        "curated_on": {"type": "string"},
        "says": {"type": "array", "description": "Its triples", "items": {"type": "array"}},
        "passages": {"type": "array", "items": _PASSAGE},
    },
    "required": ["claim", "iri", "passages"],
}
_CLAIMS = {"type": "array", "items": _CLAIM}
_TEXTS = {"type": "array", "items": {"type": "string"}}
_NUMBER = {"type": "integer", "minimum": 0}


def _object(properties: Mapping[str, Any], required: Iterable[str] | None = None) -> dict[str, Any]:
    needed = list(properties if required is None else required)
    return {"type": "object", "properties": dict(properties), "required": needed}


def _answer(claim: Mapping[str, Any]) -> dict[str, Any]:
    row = _object({"cells": {"type": "object"}, "basis": {"type": "string"}, "claims": _TEXTS})
    return _object(
        {
            "version": {"type": "string"},
            "columns": _TEXTS,
            "total_rows": _NUMBER,
            "page": _NUMBER,
            "pages": _NUMBER,
            "rows": {"type": "array", "items": row},
            "bases": {"type": "object", "description": "What each basis means"},
            "claims": {"type": "array", "items": claim},
        }
    )


ANSWER = _answer(_CLAIM)
# Each question's tool repeats its schema: what a claim holds is told once, by the tool `query`.
BRIEF_ANSWER = _answer({"type": "object", "required": ["claim", "iri", "passages"]})
PORTRAIT = _object(
    {
        "name": {"type": "string"},
        "iri": {"type": "string"},
        "label": {"type": "string"},
        "kinds": _TEXTS,
        "aliases": _TEXTS,
        "texts": _TEXTS,
        "replaced_by": {"type": "string"},
        "note": {"type": "string"},
        "total_statements": _NUMBER,
        "page": _NUMBER,
        "pages": _NUMBER,
        "statements": {"type": "array", "items": {"type": "object"}},
        "claims": _CLAIMS,
        "version": {"type": "string"},
    },
    ["name", "iri", "label", "kinds", "statements", "claims", "version"],
)
RECEIPTS = _object(
    {
        "note": {"type": "string"},
        "total_claims": _NUMBER,
        "page": _NUMBER,
        "pages": _NUMBER,
        "claims": _CLAIMS,
        "version": {"type": "string"},
    },
    ["total_claims", "page", "pages", "claims", "version"],
)
MATCHES = _object(
    {
        "things": {
            "type": "array",
            "items": _object({name: {"type": "string"} for name in ("name", "iri", "label")}),
        },
        "questions": {
            "type": "array",
            "items": _object({name: {"type": "string"} for name in ("template", "tool", "question")}),
        },
        "version": {"type": "string"},
    }
)
_THING = {"type": "string", "description": "Its name, slug, prefixed name or IRI"}


def tool_name(key: str) -> str:
    """
    Return the name of a question's tool.

    Source: MCP 2025-11-25, server/tools, tool names; clients take letters, digits, `_`, `-`, 64 at most.

    >>> tool_name("actors/whole-record")
    'ask_actors_whole_record'
    """
    return "ask_" + key.replace("/", "_").replace("-", "_")


def question_tool(template: Template) -> Tool:
    """Describe the tool of one question."""
    properties = {one.name: _parameter(one, template.prefixes) for one in template.parameters.values()}
    needed = [one.name for one in template.parameters.values() if one.required and one.default is None]
    return Tool(
        name=tool_name(template.key),
        title=template.title,
        description=f"{template.sentence()} {template.description}",
        input_schema={
            **_object({**properties, **({} if "page" in properties else {"page": PAGE})}, needed),
            "additionalProperties": False,
        },
        output_schema=BRIEF_ANSWER,
        annotations=_READ_ONLY,
    )


def _parameter(one: Parameter, prefixes: Prefixes) -> dict[str, Any]:
    """Describe one parameter in JSON Schema."""
    kinds = {"gYear": "integer", "integer": "integer"}
    told: dict[str, Any] = {"type": kinds.get(one.type, "string"), "description": _meaning(one, prefixes)}
    if one.values:
        told["enum"] = list(one.values)
    if one.type == "date":
        told["format"] = "date"
    for name, value in (("default", one.default), ("examples", one.example)):
        if value is not None:
            typed: Any = int(value) if told["type"] == "integer" else value
            told[name] = [typed] if name == "examples" else typed
    return told


def _meaning(one: Parameter, prefixes: Prefixes) -> str:
    if one.type == "gYear":
        return f"{one.description}. A year."
    if one.type != "iri":
        return f"{one.description}."
    kind = (
        prefixes.compress(one.class_iri)
        if one.class_iri
        else f"concept ({one.scheme})"
        if one.scheme
        else "thing"
    )
    return f"{one.description}. Name, slug or IRI of a {kind}."


def general_tools() -> list[Tool]:
    """Describe the tools that are there whatever questions are kept."""
    return [
        _tool(
            "search",
            "Find things by name",
            "Find actors, instruments, occurrences, concepts, works and questions by a name or part of one, "
            "forgiving spelling and accents.",
            {"text": {"type": "string", "description": "A name or a part of one"}, "limit": _limit(50, 10)},
            ["text"],
            MATCHES,
        ),
        _tool(
            "describe",
            "What the graph says of a thing",
            "Every statement about one thing (actor, instrument, concept, claim, document, term), "
            "with the claims and passages that make it.",
            {"thing": _THING, "page": PAGE},
            ["thing"],
            PORTRAIT,
        ),
        _tool(
            "receipt",
            "The passages behind a claim or a statement",
            "Give a claim, or a statement by subject, predicate and object (two of the three are enough): "
            "the claims that state it, what each says, and the passages it rests on.",
            {
                "claim": {"type": "string", "description": "A claim, e.g. ipi-claim:0123"},
                "subject": _THING,
                "predicate": {"type": "string", "description": "Label, prefixed name or IRI of a property"},
                "object": {"type": "string", "description": "Name or IRI of a thing, or a value"},
                "page": PAGE,
            },
            [],
            RECEIPTS,
        ),
        _tool(
            "query",
            "SPARQL",
            "Run SPARQL 1.1: SELECT, ASK, CONSTRUCT or DESCRIBE, read-only, bounded in time and size. "
            "The default graph is the merge of all; GRAPH ?claim { … } gives the claim that states a triple.",
            {"sparql": {"type": "string", "description": "The query"}, "page": PAGE},
            ["sparql"],
            ANSWER,
        ),
    ]


def few_tools(keys: Iterable[str]) -> list[Tool]:
    """Describe the two tools that stand in for one per question."""
    return [
        _tool(
            "list_questions",
            "The questions that can be asked",
            "List the questions that are kept, with their parameters.",
            {"topic": {"type": "string", "description": "Only those of this topic"}},
            [],
            _object(
                {"questions": {"type": "array", "items": {"type": "object"}}, "version": {"type": "string"}}
            ),
        ),
        _tool(
            "ask",
            "Ask a question that is kept",
            "Ask one of the questions of list_questions.",
            {
                "question": {"type": "string", "enum": list(keys)},
                "values": {
                    "type": "object",
                    "description": "A value by parameter: names, slugs, IRIs, years",
                },
                "page": PAGE,
            },
            ["question"],
            ANSWER,
        ),
    ]


def _limit(most: int, default: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1, "maximum": most, "default": default}


def _tool(
    name: str,
    title: str,
    description: str,
    properties: Mapping[str, Any],
    required: list[str],
    output: dict[str, Any],
) -> Tool:
    return Tool(
        name=name,
        title=title,
        description=description,
        input_schema={**_object(properties, required), "additionalProperties": False},
        output_schema=output,
        annotations=_READ_ONLY,
    )
