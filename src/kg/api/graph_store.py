"""
Graph store: `/graph-store`, each graph of the dataset by its name, to read.

A graph's own IRI leads to its contents too (`linked_data`); here the graph alone is given, in every RDF type.

Source: SPARQL 1.1 Graph Store HTTP Protocol, sections 4.2 and 5.2, https://www.w3.org/TR/sparql11-http-rdf-update/
"""

from __future__ import annotations

import json
from urllib.parse import quote

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from kg import names
from kg.api import negotiation
from kg.api.protocol import Operation, answer, read_fields, read_iri
from kg.api.responses import add_get
from kg.api.state import State
from kg.engine import FORMATS, QueryRequest
from kg.errors import NotAcceptableError, NotFoundError, UsageError

PATH = "/graph-store"
READ_ONLY = "The graph store is read only: what is served is built from the project's files."
_TYPES = {FORMATS[name].media_type: name for name in ("ttl", "jsonld", "nt", "rdf", "trig", "nq")}
_MAX_SHOWN = 200
_RESERVED = ":/?#[]@!$&'()*+,;=%"


def add_routes(app: FastAPI) -> None:
    """Add the route of the graph store."""
    add_get(app, PATH, give_graph, summary="One graph: ?default, or ?graph= with its IRI")


async def give_graph(request: Request) -> Response:
    """Give the default graph or a named graph, in the RDF type that the client wants most."""
    fields = read_fields(request.scope["query_string"])
    iri = chosen_graph(fields)
    format_name = choose_format(request, next((value for name, value in fields if name == "format"), ""))
    if iri and not await is_there(State.of(request), iri):
        raise missing(State.of(request), iri)
    pattern = f"GRAPH <{iri}> {{ ?s ?p ?o }}" if iri else "?s ?p ?o"
    query = f"CONSTRUCT {{ ?s ?p ?o }} WHERE {{ {pattern} }}"
    response = await answer(request, Operation(query, (), (), format_name))
    links = ['</.well-known/void>; rel="describedby"']
    if iri:
        links.append(f'<{quote(iri, safe=_RESERVED)}>; rel="canonical"')
    response.headers["Link"] = ", ".join(links)
    return response


def address_of(iri: str) -> str:
    """
    Return the path of a named graph in the graph store.

    >>> address_of("https://w3id.org/lateral/graph/claims")
    '/graph-store?graph=https%3A%2F%2Fw3id.org%2Flateral%2Fgraph%2Fclaims'
    """
    return f"{PATH}?graph={quote(iri, safe='')}"


def chosen_graph(fields: list[tuple[str, str]]) -> str:
    """
    Return the IRI of the graph that is asked for; empty is the default graph.

    Raises:
        UsageError: Neither `default` nor `graph`, both, or two; or a graph that is no absolute IRI.

    >>> chosen_graph([("default", "")]), chosen_graph([("graph", "urn:x:g")])
    ('', 'urn:x:g')
    """
    asked = [(name, value) for name, value in fields if name in ("default", "graph")]
    if len(asked) != 1:
        told = " and ".join(name for name, _ in asked[:2]) or "neither"
        raise UsageError(
            f"expected either ?default or one ?graph= with the IRI of a graph; found {told}",
            parameter="graph",
        )
    name, iri = asked[0]
    return "" if name == "default" else read_iri("graph", iri)


def choose_format(request: Request, wanted: str) -> str:
    """
    Choose the format of a graph: `format=`, a name or a media type, wins over Accept.

    Raises:
        NotAcceptableError: A graph has no such format; field `available`.
    """
    if not wanted:
        return _TYPES[negotiation.require(request.headers.get("accept"), list(_TYPES))]
    name = _TYPES.get(wanted, wanted)
    if name not in _TYPES.values():
        available = list(_TYPES.values())
        raise NotAcceptableError(
            f"a graph has no format {wanted[:_MAX_SHOWN]!r}. Available: {', '.join(available)}.",
            available=available,
        )
    return name


async def is_there(state: State, iri: str) -> bool:
    """Say whether the dataset has a named graph."""
    query = f"ASK {{ GRAPH <{iri}> {{ ?s ?p ?o }} }}"
    found = await state.engine.query(QueryRequest(query=query, format="json"))
    return bool(json.loads(found.body)["boolean"])


def missing(state: State, iri: str) -> NotFoundError:
    """Make the error that lists the graphs that there are, but for those of single claims."""
    available = sorted(one for one in state.contents.sizes if not one.startswith(names.CLAIM))
    shown = iri if len(iri) <= _MAX_SHOWN else iri[:_MAX_SHOWN] + "…"
    return NotFoundError(
        f"no graph is named {shown}. Named graphs: {', '.join(available)}; and one for each claim.",
        name=shown,
        available=available,
    )
