"""
Descriptions over HTTP: VoID, DCAT and the example queries where clients look for them.

The graphs name the service by its permanent address; here it is named by the one that was asked.
"""

from __future__ import annotations

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from kg import names
from kg.api import negotiation
from kg.api.pages import SUFFIXES
from kg.api.protocol import endpoint
from kg.api.responses import add_get
from kg.api.state import State
from kg.api.templates import find_template
from kg.api.transfers import give
from kg.engine import QueryRequest
from kg.templates import is_iri


def add_routes(app: FastAPI) -> None:
    """Add the routes of the descriptions."""
    add_get(app, "/.well-known/void", void, summary="VoID and DCAT: what is in here, counted")
    add_get(app, "/.well-known/sparql-examples", examples, summary="The questions as executable examples")
    add_get(app, "/.well-known/sparql-examples/{topic}/{name}", example)
    for path in ("/dataset", "/catalog", "/project"):
        add_get(app, path, lead_on)


async def lead_on(_: Request) -> Response:
    """Lead from the IRI of the dataset, of the catalogue or of its publisher to what is said of it."""
    return Response(status_code=303, headers={"Location": "/.well-known/void"})


async def void(request: Request) -> Response:
    """Give the description of the dataset and its catalogue."""
    return await _give(request, names.VOID_GRAPH)


async def examples(request: Request) -> Response:
    """Give every question as an executable example."""
    return await _give(request, names.EXAMPLES_GRAPH)


async def example(request: Request, topic: str, name: str) -> Response:
    """Give one example; lead a browser to the page of the question."""
    template = find_template(State.of(request).contents, f"{topic}/{name}")
    offered = [*SUFFIXES.values(), negotiation.HTML]
    if negotiation.require(request.headers.get("accept"), offered) == negotiation.HTML:
        headers = {"Location": f"/queries/{template.key}", "Vary": "Accept"}
        return Response(status_code=303, headers=headers)
    return await _give(request, names.EXAMPLES_GRAPH, only=names.EXAMPLES + template.key)


async def _give(request: Request, graph: str, *, only: str | None = None) -> Response:
    """Answer with a graph in the format that the client wants most; `format=` wins."""
    wanted = SUFFIXES.get(request.query_params.get("format", ""))
    media_type = wanted or negotiation.require(request.headers.get("accept"), list(SUFFIXES.values()))
    suffix = next(one for one, kind in SUFFIXES.items() if kind == media_type)
    query = _query(graph, endpoint(request), only)
    headers = {"Link": f'<{names.DATASET}>; rel="describes"'}
    return await give(request, QueryRequest(query=query, format=suffix), media_type, headers=headers)


def _query(graph: str, address: str, only: str | None) -> str:
    """
    Write the query for a graph in which the service has another address.

    >>> "http://127.0.0.1/sparql" in _query(names.VOID_GRAPH, "http://127.0.0.1/sparql", None)
    True
    """
    here = address if is_iri(address) else names.SERVICE
    narrowed = f"VALUES ?one {{ <{only}> }} " if only else ""
    return (
        "CONSTRUCT { ?subject ?predicate ?object } WHERE { "
        f"{narrowed}GRAPH <{graph}> {{ ?one ?predicate ?other }} "
        f"BIND(IF(?one = <{names.SERVICE}>, <{here}>, ?one) AS ?subject) "
        f"BIND(IF(?other = <{names.SERVICE}>, <{here}>, ?other) AS ?object) }} "
        "ORDER BY ?subject ?predicate ?object"  # so that writers say each subject once
    )
