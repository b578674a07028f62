"""
Templates over HTTP: the questions listed, each with its form, its answer as a page or as data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from kg.api import negotiation
from kg.api.contents import Contents, parse_rows
from kg.api.pages import by_topic, render
from kg.api.protocol import read_fields
from kg.api.responses import add_get, respond
from kg.api.state import State
from kg.engine import FORMATS, QueryRequest
from kg.errors import KGError, NotAcceptableError, NotFoundError, ParameterError
from kg.templates import Parameter, Template

_RESULT_FORMATS = ("json", "csv", "tsv", "xml")
_MAX_CHOICES = 400


def add_routes(app: FastAPI) -> None:
    """Add the routes of the templates."""
    add_get(app, "/queries", list_questions, summary="The questions")
    add_get(app, "/queries/{topic}/{name}", run, summary="Ask a question")


async def list_questions(request: Request) -> Response:
    """List the questions, as a page or as JSON."""
    contents = State.of(request).contents
    offered = ["application/json", negotiation.HTML]
    wanted = {"json": offered[0], "html": offered[1]}.get(request.query_params.get("format", ""))
    if (wanted or negotiation.require(request.headers.get("accept"), offered)) == negotiation.HTML:
        return render(request, "queries.html", topics=by_topic(contents))
    listed = [describe(one) for one in contents.templates.values()]
    return respond(request, json.dumps(listed, ensure_ascii=False, indent=1).encode(), offered[0])


def describe(template: Template) -> dict[str, Any]:
    """Return what a client must know to ask a question."""
    return {
        "template": template.key,
        "path": f"/queries/{template.key}",
        "title": template.title,
        "question": template.sentence(),
        "description": template.description,
        "tags": list(template.tags),
        "parameters": [_describe_parameter(one) for one in template.parameters.values()],
        "columns": list(template.columns),
    }


def _describe_parameter(one: Parameter) -> dict[str, Any]:
    told = {
        "name": one.name,
        "type": one.type,
        "class": one.class_iri,
        "scheme": one.scheme,
        "required": one.required,
        "description": one.description,
        "values": list(one.values) or None,
        "example": one.example,
    }
    return {name: value for name, value in told.items() if value is not None}


async def run(request: Request, topic: str, name: str) -> Response:
    """Ask a question with the values of the address; answer as a page or as data."""
    state = State.of(request)
    template = find_template(state.contents, f"{topic}/{name}")
    values, wanted = read_values(template, read_fields(request.scope["query_string"]))
    format_name, media_type = choose_format(request.headers.get("accept"), wanted)
    if format_name == "html":
        return await _show(request, template, values)
    query = template.bind(values, resolve=await state.contents.resolver(state.engine, template))
    client = request.client.host if request.client else ""
    answer = await state.engine.query(QueryRequest(query=query, format=format_name, client=client))
    link = f'</queries/{template.key}?{urlencode(values)}>; rel="canonical"'
    headers = {"Link": link, "KG-Version": answer.version}
    return respond(request, answer.body, media_type, etag=answer.etag, headers=headers)


def find_template(contents: Contents, key: str) -> Template:
    """
    Return a template.

    Raises:
        NotFoundError: There is none; field `near`.
    """
    if key in contents.templates:
        return contents.templates[key]
    words = key.split("/")[-1].replace("-", " ")
    near = [one.iri for one in contents.index.find(words, kinds={"question"}, limit=5)]
    tail = f" Near: {', '.join(near)}." if near else " The list is at /queries."
    raise NotFoundError(f"no question is kept as {key!r}.{tail}", name=key, near=near)


def read_values(template: Template, fields: Sequence[tuple[str, str]]) -> tuple[dict[str, str], str | None]:
    """
    Read (values, format) from the fields of an address.

    Raises:
        ParameterError: A parameter stands twice.
    """
    values: dict[str, str] = {}
    wanted = None
    for name, value in fields:
        if name == "format" and (name not in template.parameters or value in (*_RESULT_FORMATS, "html")):
            wanted = value or None
        elif name in values:
            raise ParameterError(f"{name} stands twice; give one value", parameter=name, value=value, near=[])
        else:
            values[name] = value
    return {name: value for name, value in values.items() if value.strip()}, wanted


def choose_format(accept: str | None, wanted: str | None) -> tuple[str, str]:
    """
    Choose (format, media type): `format=` wins over Accept.

    Raises:
        NotAcceptableError: There is no such format; field `available`.
    """
    offered = {FORMATS[name].media_type: name for name in _RESULT_FORMATS} | {negotiation.HTML: "html"}
    if wanted:
        by_name = {name: kind for kind, name in offered.items()} | {kind: kind for kind in offered}
        if wanted not in by_name:
            available = [*_RESULT_FORMATS, "html"]
            message = f"no format {wanted!r}. Available: {', '.join(available)}."
            raise NotAcceptableError(message, available=available)
        return offered[by_name[wanted]], by_name[wanted]
    media_type = negotiation.require(accept, [*offered, "application/json"])
    return offered.get(media_type, "json"), media_type


async def _show(request: Request, template: Template, values: Mapping[str, str]) -> Response:
    """Show the form, and the answer or what is wrong."""
    state = State.of(request)
    contents = state.contents
    used = dict(values)
    needed = [one for one in template.parameters.values() if one.required and one.default is None]
    is_example = not values and all(one.example for one in needed) and bool(needed)
    if is_example:
        used = {one.name: one.example or "" for one in needed}
    problem = result = None
    errors: dict[str, Any] = {}
    status = 200
    query = template.text
    try:
        query = template.bind(used, resolve=await contents.resolver(state.engine, template))
        result = await state.engine.query(QueryRequest(query=query, format="json"))
    except KGError as error:
        problem, status = error.as_problem(), error.outcome.status
        errors = {str(one["parameter"]): one for one in problem.get("errors", [])}
    rows = parse_rows(result.body) if result else []
    return render(
        request,
        "query.html",
        status=status,
        template=template,
        values=used,
        spoken={
            name: await spoken(state, template.parameters.get(name), value) for name, value in used.items()
        },
        choices={one.name: await choices(state, one) for one in template.parameters.values()},
        is_example=is_example,
        problem=problem,
        errors=errors,
        query=query,
        rows=rows,
        columns=shown_columns(template.columns),
        result=result,
        elapsed_ms=round(result.elapsed_s * 1000) if result else 0,
        downloads=[
            (one, f"/queries/{template.key}?{urlencode([*used.items(), ('format', one)])}")
            for one in _RESULT_FORMATS
        ],
        topics=by_topic(contents),
    )


def shown_columns(columns: Sequence[str]) -> list[str]:
    """
    Leave out the label columns of columns that are there themselves.

    >>> shown_columns(["actor", "actorLabel", "start"])
    ['actor', 'start']
    """
    return [one for one in columns if not (one.endswith("Label") and one.removesuffix("Label") in columns)]


async def spoken(state: State, parameter: Parameter | None, value: str) -> str:
    """Write a value as a person would say it."""
    if parameter is None or parameter.type not in ("iri", "enum"):
        return value
    contents = state.contents
    prefix = value.split(":")[0]
    iri = contents.prefixes.expand(value) if ":" in value and prefix in contents.prefixes else value
    if iri not in contents.labels:
        members = await contents.members(state.engine, parameter) or frozenset()
        iri = next((one for one in members if one.rpartition("/")[2] == value), iri)
    return contents.labels.get(iri, value)


async def choices(state: State, parameter: Parameter) -> list[tuple[str, str]]:
    """List what may be chosen for a parameter, as (value, label), where that is not too much."""
    contents = state.contents
    if parameter.type == "enum":
        return [(one, await spoken(state, parameter, one)) for one in parameter.values]
    if parameter.type != "iri":
        return []
    members = await contents.members(state.engine, parameter)
    if not members or len(members) > _MAX_CHOICES:
        return []
    named = [
        (contents.prefixes.compress(one), contents.label(one)) for one in members if one in contents.labels
    ]
    return sorted(named, key=lambda one: one[1].casefold())
