"""
Templates over HTTP: the questions listed, each with its form, its answer as a page or as data.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from kg import names
from kg.api import negotiation, tables
from kg.api.pages import by_topic, render
from kg.api.protocol import read_fields
from kg.api.responses import add_get, respond
from kg.api.state import State
from kg.api.transfers import give
from kg.contents import Contents, parse_rows, select
from kg.engine import FORMATS, QueryRequest
from kg.errors import KGError, NotAcceptableError, NotFoundError, ParameterError
from kg.paging import count_rows, cut_page, order_rows
from kg.templates import Parameter, Template

_RESULT_FORMATS = ("json", "csv", "tsv", "xml")
# Every format of an answer, the likeliest first: of equals in Accept the first is taken.
MEDIA_TYPES = {
    **{name: FORMATS[name].media_type for name in _RESULT_FORMATS},
    **tables.MEDIA_TYPES,
    "html": negotiation.HTML,
}
DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 10_000
LICENCE = "https://creativecommons.org/licenses/by/4.0/"
_MAX_CHOICES = 400


@dataclass(frozen=True, slots=True)
class Page:
    """One page of an answer: its number from 1, its size and the size of the whole, in rows."""

    number: int
    size: int
    rows: int

    @property
    def offset(self) -> int:
        """Return how many rows come before it."""
        return (self.number - 1) * self.size

    @property
    def last(self) -> int:
        """Return the number of the last page; there is always one."""
        return max(1, -(-self.rows // self.size))

    def neighbours(self) -> dict[str, int]:
        """Return the pages that one may go to, by link relation."""
        found = {"first": 1, "prev": self.number - 1, "next": self.number + 1, "last": self.last}
        return {name: number for name, number in found.items() if 1 <= number <= self.last}


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for: the values, the format, the page."""

    values: Mapping[str, str]
    format: str | None
    page: tuple[int, int] | None

    def address(self, key: str, *, page: int | None = None) -> str:
        """Return the address of this, or of another page of it."""
        fields = list(self.values.items())
        if self.page and page:
            fields += [("page", str(page)), ("page_size", str(self.page[1]))]
        if self.format:
            fields.append(("format", self.format))
        return f"/queries/{key}?{urlencode(fields)}" if fields else f"/queries/{key}"


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
    asked = read_values(template, read_fields(request.scope["query_string"]))
    format_name, media_type = choose_format(request.headers.get("accept"), asked.format)
    if format_name == "html":
        return await _show(request, template, asked)
    query = template.bind(asked.values, resolve=await state.contents.resolver(state.engine, template))
    query, page = await _turn_to(state, template, query, asked)
    client = request.client.host if request.client else ""
    links = [f'<{Asked(asked.values, None, None).address(template.key)}>; rel="canonical"']
    links += _page_links(template, asked, page)
    headers = {"Link": ", ".join(links)}
    if format_name in _RESULT_FORMATS:
        wanted = QueryRequest(query=query, format=format_name, client=client)
        return await give(request, wanted, media_type, headers=headers)
    answer = await state.engine.query(QueryRequest(query=query, format="json", client=client))
    headers["KG-Version"] = answer.version
    table = tables.Table(
        key=template.key,
        address=names.BASE.rstrip("/") + Asked(asked.values, None, None).address(template.key),
        columns=template.columns,
        rows=parse_rows(answer.body),
        first=page.offset + 1 if page else 1,
        about=[
            ("question", template.sentence(asked.values)),
            ("each row", template.description),
            ("version", answer.version),
            ("licence", LICENCE),
        ],
    )
    body = await asyncio.to_thread(tables.write, table, format_name, state.contents.prefixes)
    if format_name == "xlsx":
        name = template.key.replace("/", "-")
        headers["Content-Disposition"] = f'attachment; filename="{name}.xlsx"'
    return respond(request, body, media_type, headers=headers)


async def _turn_to(state: State, template: Template, query: str, asked: Asked) -> tuple[str, Page | None]:
    """
    Return the query for the page that is asked for, and the page; the whole where none is.

    Raises:
        ParameterError: There is no such page; field `near` holds the last.
    """
    if asked.page is None:
        return order_rows(query, template.columns), None
    [row] = await select(state.engine, count_rows(query))
    [count] = row.values()
    number, size = asked.page
    page = Page(number, size, int(count.value))
    if number > page.last:
        raise ParameterError(
            f"page: {number} is past the last page, {page.last}.",
            parameter="page",
            value=str(number),
            near=[str(page.last)],
        )
    return cut_page(query, template.columns, limit=size, offset=page.offset), page


def _page_links(template: Template, asked: Asked, page: Page | None) -> list[str]:
    """
    Write the links to the other pages.

    Source: RFC 8288, section 3; relation types: https://www.iana.org/assignments/link-relations
    """
    if page is None:
        return []
    pages = page.neighbours().items()
    return [f'<{asked.address(template.key, page=number)}>; rel="{name}"' for name, number in pages]


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


def read_values(template: Template, fields: Sequence[tuple[str, str]]) -> Asked:
    """
    Read the fields of an address.

    Raises:
        ParameterError: A parameter stands twice, or a page is none.
    """
    values: dict[str, str] = {}
    wanted = None
    for name, value in fields:
        if name == "format" and (name not in template.parameters or value in MEDIA_TYPES):
            wanted = value or None
        elif name in values:
            raise ParameterError(f"{name} stands twice; give one value", parameter=name, value=value, near=[])
        else:
            values[name] = value
    given = {name: value for name, value in values.items() if value.strip()}
    return Asked(given, wanted, _take_page(template, given))


def _take_page(template: Template, given: dict[str, str]) -> tuple[int, int] | None:
    """Take the number and the size of a page out of the values, where the question has no such parameter."""
    limits = {"page": 1_000_000_000, "page_size": MAX_PAGE_SIZE}
    taken: dict[str, int] = {}
    for name in sorted((limits.keys() & given.keys()) - template.parameters.keys()):
        text = given.pop(name).strip()
        most = limits[name]
        if not (text.isascii() and text.isdigit() and len(text) < 12 and 1 <= int(text) <= most):
            message = f"{name}: {text[:40]!r} is not a whole number from 1 to {most}."
            raise ParameterError(message, parameter=name, value=text[:40], near=[])
        taken[name] = int(text)
    return (taken.get("page", 1), taken.get("page_size", DEFAULT_PAGE_SIZE)) if taken else None


def choose_format(accept: str | None, wanted: str | None) -> tuple[str, str]:
    """
    Choose (format, media type): `format=` wins over Accept.

    Raises:
        NotAcceptableError: There is no such format; field `available`.
    """
    offered = {kind: name for name, kind in MEDIA_TYPES.items()}
    if wanted:
        name = wanted if wanted in MEDIA_TYPES else offered.get(wanted)
        if name is None:
            available = list(MEDIA_TYPES)
            message = f"no format {wanted!r}. Available: {', '.join(available)}."
            raise NotAcceptableError(message, available=available)
        return name, MEDIA_TYPES[name]
    media_type = negotiation.require(accept, [*offered, "application/json"])
    return offered.get(media_type, "json"), media_type


async def _show(request: Request, template: Template, asked: Asked) -> Response:
    """Show the form, and the answer or what is wrong."""
    state = State.of(request)
    contents = state.contents
    values = asked.values
    used = dict(values)
    needed = [one for one in template.parameters.values() if one.required and one.default is None]
    is_example = not values and all(one.example for one in needed) and bool(needed)
    if is_example:
        used = {one.name: one.example or "" for one in needed}
    problem = result = page = None
    errors: dict[str, Any] = {}
    status = 200
    query = template.text
    try:
        query = template.bind(used, resolve=await contents.resolver(state.engine, template))
        cut, page = await _turn_to(state, template, query, asked)
        result = await state.engine.query(QueryRequest(query=cut, format="json"))
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
            (one, Asked(used, one, None).address(template.key)) for one in MEDIA_TYPES if one != "html"
        ],
        page=page,
        turns={
            name: asked.address(template.key, page=number)
            for name, number in (page.neighbours() if page else {}).items()
        },
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
