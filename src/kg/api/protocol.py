"""
Protocol: `/sparql`, the SPARQL 1.1 Protocol for queries, its service description, the editor for browsers.

Source: SPARQL 1.1 Protocol, https://www.w3.org/TR/sparql11-protocol/
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from fastapi import FastAPI
from rdflib import RDF, Graph, Namespace, URIRef
from starlette.requests import Request
from starlette.responses import Response

from kg import names
from kg.api import negotiation
from kg.api.contents import parse_rows
from kg.api.pages import render
from kg.api.responses import add_get, respond
from kg.api.state import State
from kg.api.transfers import give
from kg.engine import FORMATS, QueryRequest, query_form
from kg.errors import (
    BodyTooLargeError,
    KGError,
    NotAcceptableError,
    UnsupportedMediaError,
    UpdateRefusedError,
    UsageError,
)

FORM = "application/x-www-form-urlencoded"
QUERY = "application/sparql-query"
UPDATE = "application/sparql-update"
HTML = negotiation.HTML
SD = Namespace("http://www.w3.org/ns/sparql-service-description#")
_W3C_FORMATS = {
    "json": "SPARQL_Results_JSON",
    "xml": "SPARQL_Results_XML",
    "csv": "SPARQL_Results_CSV",
    "tsv": "SPARQL_Results_TSV",
    "ttl": "Turtle",
    "nt": "N-Triples",
    "nq": "N-Quads",
    "trig": "TriG",
    "rdf": "RDF_XML",
    "jsonld": "JSON-LD",
}
# What clients write who want these and know no better name.
_ALIASES = {
    "json": ("application/json",),
    "xml": ("application/xml", "text/xml"),
    "ttl": ("application/x-turtle",),
    "nt": ("text/plain",),
    "rdf": ("application/xml",),
    "jsonld": ("application/json",),
}
_ORDER = ("json", "xml", "csv", "tsv", "ttl", "nt", "rdf", "jsonld", "trig", "nq")
GRAPH_FORMATS = ("ttl", "jsonld", "nt", "rdf")
_MAX_FIELDS = 200

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


async def ask_by_get(request: Request) -> Response:
    """Answer a query in the address; without any query string, describe the service."""
    if not request.url.query:
        return await describe_service(request)
    return await answer(request, read_operation(read_fields(request.scope["query_string"])))


async def ask_by_post(request: Request) -> Response:
    """Answer a query in the body."""
    in_address = read_fields(request.scope["query_string"])
    kind = content_type(request, [FORM, QUERY])
    if kind == UPDATE:
        raise UpdateRefusedError("this service answers queries and takes no updates")
    body = await read_body(request)
    if kind == FORM:
        return await answer(request, read_operation([*in_address, *read_fields(body)]))
    return await answer(request, read_operation([*in_address, ("query", decode(body))]))


async def answer(request: Request, operation: Operation) -> Response:
    """Run an operation and answer in the format that the client wants most."""
    form = query_form(operation.query)
    format_name, media_type = choose_format(request, operation, form)
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
    return await give(request, wanted, media_type)


def choose_format(request: Request, operation: Operation, form: str) -> tuple[str, str]:
    """
    Choose (format, media type): `format=` wins over Accept.

    Raises:
        NotAcceptableError: There is no such format for this form of query; field `available`.
    """
    fitting = [name for name in _ORDER if form in FORMATS[name].forms]
    offered = {FORMATS[name].media_type: name for name in fitting}
    if operation.format:
        by_name = {name: name for name in [*fitting, "html"]} | offered | {HTML: "html"}
        name = by_name.get(operation.format)
        if name is None:
            available = [*fitting, "html"]
            raise NotAcceptableError(
                f"{form} has no format {operation.format!r}. Available: {', '.join(available)}.",
                available=available,
            )
        return name, HTML if name == "html" else FORMATS[name].media_type
    offered |= {HTML: "html"}
    for name in fitting:
        for alias in _ALIASES.get(name, ()):
            offered.setdefault(alias, name)
    media_type = negotiation.require(request.headers.get("accept"), list(offered))
    return offered[media_type], media_type


def read_operation(fields: Sequence[tuple[str, str]]) -> Operation:
    """
    Read one query operation from the fields of an address and a body; other fields are passed over.

    Raises:
        UsageError: There is not exactly one query.
        UpdateRefusedError: There is an update.
    """
    given: dict[str, list[str]] = {}
    for name, value in fields:
        given.setdefault(name, []).append(value)
    if "update" in given:
        raise UpdateRefusedError("this service answers queries and takes no updates")
    queries = given.get("query", [])
    if len(queries) != 1:
        raise UsageError(f"{len(queries)} parameters named query; expected exactly one", parameter="query")
    return Operation(
        query=queries[0],
        default_graphs=tuple(given.get("default-graph-uri", ())),
        named_graphs=tuple(given.get("named-graph-uri", ())),
        format=next(iter(given.get("format", ())), None) or None,
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


async def read_body(request: Request) -> bytes:
    """
    Read a body up to the limit of the settings.

    Raises:
        BodyTooLargeError: It is longer.
    """
    limit = State.of(request).settings.max_body_bytes
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
    return str(request.url.replace(path="/sparql", query="", fragment=""))


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
    graph = service_description(endpoint(request), State.of(request).contents.sizes)
    return respond(request, serialize(graph, types[media_type]), media_type)


def service_description(address: str, graphs: Iterable[str]) -> Graph:
    """
    Describe the service: only what is true.

    Source: SPARQL 1.1 Service Description, https://www.w3.org/TR/sparql11-service-description/
    """
    graph = Graph()
    graph.bind("sd", SD)
    service, dataset, default = URIRef(address), URIRef(address + "#dataset"), URIRef(address + "#default")
    graph.add((service, RDF.type, SD.Service))
    graph.add((service, SD.endpoint, service))
    graph.add((service, SD.supportedLanguage, SD.SPARQL11Query))
    for local in _W3C_FORMATS.values():
        graph.add((service, SD.resultFormat, URIRef(f"http://www.w3.org/ns/formats/{local}")))
    graph.add((service, SD.defaultDataset, dataset))
    graph.add((dataset, RDF.type, SD.Dataset))
    graph.add((dataset, SD.defaultGraph, default))
    graph.add((default, RDF.type, SD.Graph))
    for iri in sorted(graphs):
        if not iri.startswith(names.CLAIM):
            named = URIRef(f"{address}#{iri.removeprefix(names.BASE)}")  # so that the ETag stays
            graph.add((dataset, SD.namedGraph, named))
            graph.add((named, RDF.type, SD.NamedGraph))
            graph.add((named, SD.name, URIRef(iri)))
    return graph


def serialize(graph: Graph, format_name: str) -> bytes:
    """Write a small graph of our own in one of the formats."""
    names_of = {"ttl": "turtle", "nt": "nt", "rdf": "pretty-xml", "jsonld": "json-ld"}
    return graph.serialize(format=names_of[format_name], encoding="utf-8")
