"""
OpenAPI: the routes, and in place of the one for questions an operation for each question.

Source: OpenAPI 3.1.1, https://spec.openapis.org/oas/v3.1.1
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from kg.api import negotiation
from kg.api.responses import add_get, respond
from kg.api.state import State
from kg.api.templates import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, MEDIA_TYPES, choices
from kg.engine import FORMATS
from kg.templates import Parameter, Template

_GENERIC = "/queries/{topic}/{name}"
_MAX_CHOICES = 60
_PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem details.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "parameter": {"type": "string", "description": "The parameter whose value is wrong."},
        "near": {"type": "array", "items": {"type": "string"}, "description": "Values near the one given."},
    },
}
_RESULTS = {
    "type": "object",
    "description": "SPARQL 1.1 Query Results JSON Format.",
    "required": ["head", "results"],
    "properties": {
        "head": {
            "type": "object",
            "properties": {"vars": {"type": "array", "items": {"type": "string"}}},
        },
        "results": {
            "type": "object",
            "properties": {"bindings": {"type": "array", "items": {"type": "object"}}},
        },
    },
}
_WRONG = {
    404: "There is no such question.",
    406: "There is no such format; the problem lists those there are.",
    422: "A value is wrong; the problem names the parameter and near values.",
    503: "The query passed a limit, or the service is busy; Retry-After says when to come back.",
}


def add_routes(app: FastAPI) -> None:
    """Add the route of the description."""
    add_get(app, "/openapi.json", describe)


async def describe(request: Request) -> Response:
    """Describe every route, and every question with its parameters."""
    state = State.of(request)
    document = json.loads(json.dumps(request.app.openapi()))
    document["paths"].pop(_GENERIC, None)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas |= {"Problem": _PROBLEM, "Results": _RESULTS}
    document["paths"] |= _protocols()
    for template in state.contents.templates.values():
        document["paths"][f"/queries/{template.key}"] = {"get": await _operation(state, template)}
    body = json.dumps(document, ensure_ascii=False, indent=1).encode()
    return respond(request, body, "application/json")


def _protocols() -> dict[str, Any]:
    """Describe the SPARQL Protocol and the Graph Store Protocol, whose types are not JSON alone."""
    every = [one.media_type for one in FORMATS.values()]
    graphs = [one.media_type for one in FORMATS.values() if "CONSTRUCT" in one.forms]
    iris = {"type": "array", "items": {"type": "string", "format": "iri"}}
    fields = {
        "query": {"type": "string", "description": "SPARQL 1.1 Query; exactly one."},
        "default-graph-uri": {**iris, "description": "Graphs that make the default graph, in place of FROM."},
        "named-graph-uri": {**iris, "description": "Named graphs, in place of FROM NAMED."},
        "format": {"enum": list(FORMATS), "description": "How to write the answer; wins over Accept."},
    }
    graph = {
        "default": {"type": "string", "maxLength": 0, "description": "The default graph; without a value."},
        "graph": {"type": "string", "format": "iri", "description": "A named graph, in place of default."},
        "format": {"enum": [name for name, one in FORMATS.items() if one.media_type in graphs]},
    }
    form = {"schema": {"type": "object", "required": ["query"], "properties": fields}}
    by_post = _protocol("ask_by_post", "Query", fields, every)
    by_post["requestBody"] = {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": form,
            "application/sparql-query": {"schema": {"type": "string"}},
        },
    }
    by_post["parameters"] = [one for one in by_post["parameters"] if one["name"] != "query"]
    return {
        "/sparql": {
            "get": _protocol(
                "ask_by_get", "Query; without any parameter, describe the service", fields, every
            ),
            "post": by_post,
        },
        "/graph-store": {
            "get": _protocol("give_graph", "One graph, the default graph or a named one", graph, graphs)
        },
    }


def _protocol(name: str, summary: str, fields: dict[str, Any], kinds: Sequence[str]) -> dict[str, Any]:
    told = _responses()
    told["200"]["headers"].pop("Link")
    told["200"]["content"] = {kind: {} for kind in kinds}
    told |= {"400": told.pop("422") | {"description": "The query or a parameter is not fine, or not there."}}
    told["404"]["description"] = "There is no such graph."
    return {
        "operationId": name,
        "summary": summary,
        "parameters": [
            {
                "name": field,
                "in": "query",
                "required": False,
                "description": schema.get("description", "How to write it; wins over Accept."),
                "schema": {key: value for key, value in schema.items() if key != "description"},
            }
            for field, schema in fields.items()
        ],
        "responses": told if "graph" in fields else {k: v for k, v in told.items() if k != "404"},
    }


async def _operation(state: State, template: Template) -> dict[str, Any]:
    told = [
        _parameter(one, await choices(state, one), _kind(state, one)) for one in template.parameters.values()
    ]
    columns = ", ".join(template.columns)
    return {
        "operationId": template.key.replace("/", "_").replace("-", "_"),
        "summary": template.title,
        "description": f"{template.sentence()}\n\n{template.description}\n\nColumns: {columns}.",
        "tags": [template.topic],
        "parameters": [*told, *_common()],
        "responses": _responses(),
    }


def _kind(state: State, one: Parameter) -> str:
    """Say in words what an IRI must be of."""
    if one.class_iri:
        return f"{state.contents.label(one.class_iri)} ({state.contents.prefixes.compress(one.class_iri)})"
    return f"concept of the scheme {one.scheme}" if one.scheme else "thing"


def _parameter(one: Parameter, choice: Sequence[tuple[str, str]], kind: str) -> dict[str, Any]:
    return {
        "name": one.name,
        "in": "query",
        "required": one.required and one.default is None,
        "description": one.description + ".",
        "schema": _schema(one, choice, kind),
    }


def _schema(one: Parameter, choice: Sequence[tuple[str, str]], kind: str) -> dict[str, Any]:
    """Describe the values of a parameter; a label beside each where they are few."""
    schema: dict[str, Any] = {"type": "string", "maxLength": 1000}
    listed = [{"const": value, "title": label} for value, label in choice]
    if one.type == "enum":
        schema = {"type": "string", "oneOf": listed or [{"const": value} for value in one.values]}
    elif one.type == "iri":
        open_text = {**schema, "description": f"The IRI, prefixed name, slug or label of one {kind}."}
        is_few = 0 < len(listed) <= _MAX_CHOICES
        schema = {"anyOf": [{"type": "string", "oneOf": listed}, open_text]} if is_few else open_text
    elif one.type == "gYear":
        schema |= {"pattern": "^-?[0-9]{4,}$"}
    elif one.type == "date":
        schema |= {"format": "date"}
    elif one.type == "integer":
        schema = {"type": "integer"}
    if one.default is not None:
        schema["default"] = _typed(one, one.default)
    if one.example is not None:
        schema["examples"] = [_typed(one, one.example)]
    return schema


def _typed(one: Parameter, value: str) -> str | int:
    return int(value) if one.type == "integer" else value


def _common() -> list[dict[str, Any]]:
    """Describe what every question takes."""
    size = {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE, "default": DEFAULT_PAGE_SIZE}
    common: dict[str, tuple[str, dict[str, Any]]] = {
        "format": ("How to write the answer; without it Accept decides.", {"enum": list(MEDIA_TYPES)}),
        "page": ("The page, from 1; without it and page_size the whole answer.", {"minimum": 1}),
        "page_size": ("Rows on a page.", size),
    }
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": text,
            "schema": {"type": "string" if name == "format" else "integer", **schema},
        }
        for name, (text, schema) in common.items()
    ]


def _responses() -> dict[str, Any]:
    results = {"schema": {"$ref": "#/components/schemas/Results"}}
    content = {kind: results if name == "json" else {} for name, kind in MEDIA_TYPES.items()}
    text = {"schema": {"type": "string"}}
    problem = {negotiation.PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        "200": {
            "description": "The answer.",
            "headers": {
                "Link": {"description": "canonical; first, prev, next, last for pages.", **text},
                "KG-Version": {"description": "The version of the data.", **text},
            },
            "content": content,
        },
        "304": {"description": "The answer is the one that the client holds."},
        **{str(code): {"description": text, "content": problem} for code, text in _WRONG.items()},
    }
