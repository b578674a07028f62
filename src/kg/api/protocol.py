"""
Protocol: `/sparql`, the SPARQL 1.1 Protocol for queries, its service description, the editor for browsers.

Source: SPARQL 1.1 Protocol, https://www.w3.org/TR/sparql11-protocol/
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl

from fastapi import FastAPI
from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import Response

from kg.api import negotiation, updates
from kg.api.pages import render
from kg.api.responses import add_get, respond
from kg.api.service_description import DESCRIBED, serialize, service_description
from kg.api.state import State
from kg.api.transfers import give
from kg.contents import parse_rows
from kg.engine import FORMATS, QueryRequest, UpdateRequest, query_form
from kg.errors import (
    BodyTooLargeError,
    KGError,
    NotAcceptableError,
    UnsupportedMediaError,
    UsageError,
)
from kg.templates import is_iri

FORM = "application/x-www-form-urlencoded"
QUERY = "application/sparql-query"
UPDATE = "application/sparql-update"
HTML = negotiation.HTML
# What clients write who want these and know no better name.
_ALIASES = {
    "json": ("application/json",),
    "xml": ("application/xml", "text/xml"),
    "ttl": ("application/x-turtle",),
    "nt": ("text/plain",),
    "rdf": ("application/xml",),
    "jsonld": ("application/json",),
}
# What clients send as `format=` for these, SPARQLWrapper among them; for triples, xml and json are RDF's own.
_FORMAT_ALIASES = {
    "turtle": "ttl",
    "n3": "ttl",
    "ntriples": "nt",
    "rdf+xml": "rdf",
    "rdfxml": "rdf",
    "xml": "rdf",
    "json-ld": "jsonld",
    "json": "jsonld",
}
_ORDER = ("json", "xml", "csv", "tsv", "ttl", "nt", "rdf", "jsonld", "trig", "nq")
GRAPH_FORMATS = ("ttl", "jsonld", "nt", "rdf")
_MAX_FIELDS = 200
REMEMBERED = 128
_MAX_SHOWN = 200
_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
# Source: RFC 10008, section 3 (Accept-Query).
ACCEPT_QUERY = {"Accept-Query": f'"{QUERY}", "{FORM}"'}

DEFAULT_QUERY = """PREFIX lat: <https://w3id.org/lateral/ontology#>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>

SELECT ?kind ?thing ?label
WHERE {
  GRAPH <https://w3id.org/lateral/graph/entities> { ?thing a ?kind }
  ?thing rdfs:label ?label .
}
ORDER BY ?kind ?label ?thing
LIMIT 50
"""


@dataclass(frozen=True, slots=True)
class Operation:
    """One query operation, as it came over HTTP."""

    query: str
    default_graphs: tuple[str, ...]
    named_graphs: tuple[str, ...]
    format: str | None


def add_routes(app: FastAPI) -> None:
    """Add the routes of the protocol."""
    add_get(app, "/sparql", ask_by_get, summary="Query, or describe the service")
    app.add_api_route("/sparql", ask_by_post, methods=["POST"], summary="Query")
    app.add_api_route("/sparql", ask_by_post, methods=["QUERY"], include_in_schema=False)


async def ask_by_get(request: Request) -> Response:
    """Answer a query in the address; without any query string, describe the service."""
    if not request.url.query:
        response = await describe_service(request)
        response.headers.update(ACCEPT_QUERY)
        return response
    return await carry_out(request, read_fields(request.scope["query_string"]))


async def ask_by_post(request: Request) -> Response:
    """Answer a query in the body, by POST or by QUERY; carry out an update by POST."""
    in_address = read_fields(request.scope["query_string"])
    kind = content_type(request, [FORM, QUERY])
    if kind == UPDATE:
        updates.admit(request)
    body = await read_body(request)
    if kind == FORM:
        return await carry_out(request, [*in_address, *read_fields(body)])
    return await carry_out(request, [*in_address, ("update" if kind == UPDATE else "query", decode(body))])


async def carry_out(request: Request, fields: Sequence[tuple[str, str]]) -> Response:
    """Answer the query, or carry out the update, that the fields of an address and a body hold."""
    if any(name == "update" for name, _ in fields):
        updates.admit(request)
        return await updates.carry_out(request, read_update(fields, endpoint(request)))
    return await answer(request, read_operation(fields))


async def answer(request: Request, operation: Operation) -> Response:
    """Run an operation and answer in the format that the client wants most."""
    form = query_form(operation.query, State.of(request).engine.settings)
    format_name, media_type = choose_format(request.headers.get("accept"), operation.format, form)
    wanted = QueryRequest(
        query=operation.query,
        format=("json" if form in ("SELECT", "ASK") else "ttl") if format_name == "html" else format_name,
        default_graphs=operation.default_graphs,
        named_graphs=operation.named_graphs,
        base=endpoint(request),
        client=request.client.host if request.client else "",
    )
    if format_name == "html":
        return await editor(request, operation.query, wanted, form)
    return await give(request, wanted, media_type, is_recallable=True)


@lru_cache(maxsize=REMEMBERED)
def choose_format(accept: str | None, wanted: str | None, form: str) -> tuple[str, str]:
    """
    Choose (format, media type): `format=` wins over Accept.

    Raises:
        NotAcceptableError: There is no such format for this form of query; field `available`.
    """
    fitting = [name for name in _ORDER if form in FORMATS[name].forms]
    offered = {FORMATS[name].media_type: name for name in fitting}
    if wanted:
        by_name = {name: name for name in [*fitting, "html"]} | offered | {HTML: "html"}
        aliases = {alias: name for alias, name in _FORMAT_ALIASES.items() if name in fitting}
        name = (aliases | by_name).get(wanted)
        if name is None:
            available = [*fitting, "html"]
            raise NotAcceptableError(
                f"{form} has no format {wanted!r}. Available: {', '.join(available)}.",
                available=available,
            )
        return name, HTML if name == "html" else FORMATS[name].media_type
    offered |= {HTML: "html"}
    for name in fitting:
        for alias in _ALIASES.get(name, ()):
            offered.setdefault(alias, name)
    media_type = negotiation.require(accept, list(offered))
    return offered[media_type], media_type


def read_operation(fields: Sequence[tuple[str, str]]) -> Operation:
    """
    Read one query operation from the fields of an address and a body; other fields are passed over.

    Raises:
        UsageError: There is not exactly one query, or the IRI of a graph is none.
    """
    given = _group(fields)
    queries = given.get("query", [])
    if len(queries) != 1:
        raise UsageError(f"{len(queries)} parameters named query; expected exactly one", parameter="query")
    return Operation(
        query=queries[0],
        default_graphs=_read_iris(given, "default-graph-uri"),
        named_graphs=_read_iris(given, "named-graph-uri"),
        format=next(iter(given.get("format", ())), None) or None,
    )


def read_update(fields: Sequence[tuple[str, str]], base: str) -> UpdateRequest:
    """
    Read one update operation from the fields of an address and a body; other fields are passed over.

    Raises:
        UsageError: There is not exactly one update, or a query too, or the IRI of a graph is none.
    """
    given = _group(fields)
    if len(given["update"]) != 1 or "query" in given:
        found = len(given["update"]) + len(given.get("query", ()))
        raise UsageError(f"{found} parameters named update or query; expected one", parameter="update")
    return UpdateRequest(
        given["update"][0],
        _read_iris(given, "using-graph-uri"),
        _read_iris(given, "using-named-graph-uri"),
        base,
    )


def _group(fields: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    given: dict[str, list[str]] = {}
    for name, value in fields:
        given.setdefault(name, []).append(value)
    return given


def _read_iris(given: Mapping[str, Sequence[str]], parameter: str) -> tuple[str, ...]:
    return tuple(read_iri(parameter, value) for value in given.get(parameter, ()))


def read_iri(parameter: str, value: str) -> str:
    """
    Return the value of a parameter that names a graph.

    Raises:
        UsageError: It is no absolute IRI; an empty one is none, and is not passed over.

    >>> read_iri("named-graph-uri", "urn:x:g")
    'urn:x:g'
    """
    if is_iri(value) and not _BARE_PERCENT.search(value):
        return value
    shown = value if len(value) <= _MAX_SHOWN else value[:_MAX_SHOWN] + "…"
    raise UsageError(
        f"{parameter}={shown!r} is not the IRI of a graph; expected an absolute IRI",
        parameter=parameter,
        value=shown,
    )


def read_fields(encoded: bytes) -> list[tuple[str, str]]:
    """
    Decode the fields of an address or of a form.

    Raises:
        UsageError: They are not UTF-8, or too many.
    """
    try:
        text = encoded.decode("utf-8")
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except UnicodeDecodeError as error:
        raise UsageError("the parameters are not UTF-8") from error
    except ValueError as error:
        raise UsageError(f"more than {_MAX_FIELDS} parameters", limit=_MAX_FIELDS) from error


def content_type(request: Request, accepted: Sequence[str]) -> str:
    """
    Return the media type of a body.

    Raises:
        UnsupportedMediaError: The type or its charset is none that is taken; field `accepted`.
    """
    header = request.headers.get("content-type", "")
    kind, *parameters = (part.strip().lower() for part in header.split(";"))
    charset = next((one.partition("=")[2].strip('" ') for one in parameters if one.startswith("charset")), "")
    if kind not in [*accepted, UPDATE]:
        raise UnsupportedMediaError(
            f"a body of type {header or 'unknown'!r} is not taken. Accepted: {', '.join(accepted)}.",
            accepted=list(accepted),
        )
    if charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaError(f"charset {charset!r} is not taken; send UTF-8", accepted=["utf-8"])
    return kind


async def read_body(request: Request, *, limit: int | None = None) -> bytes:
    """
    Read a body up to a limit in bytes, that of the settings where none is given.

    Raises:
        BodyTooLargeError: It is longer.
    """
    limit = State.of(request).settings.max_body_bytes if limit is None else limit
    body = bytearray()
    announced = request.headers.get("content-length", "")
    length = int(announced) if announced.isascii() and announced.isdecimal() else 0
    if length <= limit:
        async for chunk in request.stream():
            body += chunk
            length = max(length, len(body))
            if length > limit:
                break
    if length > limit:
        raise BodyTooLargeError(f"the body is longer than {limit} bytes", max_body_bytes=limit)
    return bytes(body)


def decode(body: bytes) -> str:
    """
    Decode a body as UTF-8.

    Raises:
        UsageError: It is not UTF-8.
    """
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"the body is not UTF-8, at byte {error.start}") from error


def endpoint(request: Request) -> str:
    """Return the address of the endpoint, which is the base IRI of queries."""
    scope = request.scope
    return _endpoint(scope["scheme"], scope.get("server"), request.headers.get("host"))


@lru_cache(maxsize=REMEMBERED)
def _endpoint(scheme: str, server: tuple[str, int | None] | None, host: str | None) -> str:
    headers = [(b"host", host.encode("latin-1"))] if host is not None else []
    scope = {"scheme": scheme, "server": server, "path": "/sparql", "query_string": b"", "headers": headers}
    return str(URL(scope=scope).replace(path="/sparql", query="", fragment=""))


async def editor(request: Request, query: str, wanted: QueryRequest | None, form: str = "") -> Response:
    """Show the editor, with the answer to a query or with what is wrong with it."""
    result = problem = None
    status = 200
    if wanted is not None:
        try:
            result = await State.of(request).engine.query(wanted)
        except KGError as error:
            problem, status = error.as_problem(), error.outcome.status
    return render(
        request,
        "editor.html",
        status=status,
        query=query,
        form=form,
        problem=problem,
        result=result,
        columns=_columns(result.body) if result and form == "SELECT" else [],
        rows=parse_rows(result.body) if result and form == "SELECT" else [],
        text=result.body.decode() if result and form != "SELECT" else "",
        formats=[name for name in _ORDER if not form or form in FORMATS[name].forms],
    )


def _columns(body: bytes) -> list[str]:
    return [str(name) for name in json.loads(body)["head"]["vars"]]


async def describe_service(request: Request) -> Response:
    """Describe the service in RDF, or show the editor to a browser."""
    types = {FORMATS[name].media_type: name for name in GRAPH_FORMATS}
    media_type = negotiation.require(request.headers.get("accept"), [*types, HTML])
    if media_type == HTML:
        return await editor(request, DEFAULT_QUERY, None)
    engine = State.of(request).engine
    told = await engine.query(QueryRequest(query=DESCRIBED, format="nt"))
    settings = engine.settings
    graph = service_description(
        endpoint(request), told.body, federates=bool(settings.endpoints), updates=settings.scratch
    )
    headers = {"KG-Version": told.version, "Link": '</.well-known/void>; rel="describedby"'}
    return respond(request, serialize(graph, types[media_type]), media_type, headers=headers)
