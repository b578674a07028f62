"""
Linked data: every IRI of ours leads to a page or to data, and every thing is there in four RDF formats.

Source: Cool URIs for the Semantic Web, section 4.2 (303), https://www.w3.org/TR/cooluris/
"""

from __future__ import annotations

from urllib.parse import quote

from fastapi import FastAPI
from rdflib import RDFS, Graph, Literal, URIRef
from starlette.requests import Request
from starlette.responses import Response

from kg import names
from kg.api import graph_store, negotiation, pages, portraits
from kg.api.pages import SUFFIXES, data_path, iri_of, not_found
from kg.api.responses import add_get, respond
from kg.api.service_description import serialize
from kg.api.state import State
from kg.engine import QueryRequest

LICENCE = "https://creativecommons.org/licenses/by/4.0/"
_HUB = 5000


def add_routes(app: FastAPI) -> None:
    """Add the routes of linked data."""
    add_get(app, "/id/{slug}", lead_on, summary="A thing: to its page or its data")
    for kind in pages.KINDS:
        add_get(app, f"/{kind}/{{rest:path}}", lead_on, summary=f"A {kind}: to its page or its data")
    add_get(app, "/data/{path:path}", data, summary="What the graph says of a thing")
    add_get(app, "/ontology", vocabulary, summary="The ontology")
    add_get(app, "/shapes", vocabulary, summary="The shapes")
    for suffix in SUFFIXES:
        for name in ("ontology", "shapes"):
            add_get(app, f"/{name}.{suffix}", vocabulary)


async def lead_on(request: Request) -> Response:
    """Lead from the IRI of a thing to its page or to its data: 303, by Accept."""
    state = State.of(request)
    path = request.url.path
    iri = iri_of(path.removeprefix("/id/") if path.startswith("/id/") else _decoded(request))
    media_type = negotiation.require(request.headers.get("accept"), [*SUFFIXES.values(), negotiation.HTML])
    if not await portraits.is_known(state.engine, iri):
        if media_type in SUFFIXES.values():
            return missing(request, iri, media_type)
        raise not_found(state.contents, iri)
    if media_type == negotiation.HTML:
        location = pages.local_path(iri) or "/"
    else:
        location = f"{data_path(iri)}.{_suffix_of(media_type)}"
    return Response(status_code=303, headers={"Location": location, "Vary": "Accept"})


def _decoded(request: Request) -> str:
    return str(request.scope["path"]).removeprefix("/")


def _suffix_of(media_type: str) -> str:
    return next(suffix for suffix, kind in SUFFIXES.items() if kind == media_type)


async def data(request: Request, path: str) -> Response:
    """Give what the graph says of a thing, as RDF; a suffix wins over Accept."""
    state = State.of(request)
    stem, dot, suffix = path.rpartition(".")
    if dot and suffix in SUFFIXES:
        path, media_type = stem, SUFFIXES[suffix]
    else:
        media_type = negotiation.require(request.headers.get("accept"), list(SUFFIXES.values()))
        suffix = _suffix_of(media_type)
    iri = iri_of(path)
    if not await portraits.is_known(state.engine, iri):
        return missing(request, iri, media_type)
    answer = await state.engine.query(QueryRequest(query=description_query(iri), format=suffix))
    stem = data_path(iri)
    links = [f'<{stem}.{one}>; rel="alternate"; type="{kind}"' for one, kind in SUFFIXES.items()]
    page = pages.local_path(iri)
    links += [
        f'<{page}>; rel="alternate"; type="text/html"',
        f'<{quote(iri, safe=":/#%")}>; rel="canonical"',
        f'<{LICENCE}>; rel="license"',
    ]
    if iri.startswith((names.GRAPH, names.CLAIM)):
        links.append(f'<{graph_store.address_of(iri)}>; rel="related"; title="the named graph alone"')
    headers = {"Content-Location": f"{stem}.{suffix}", "Link": ", ".join(links)}
    return respond(request, answer.body, media_type, etag=answer.etag, headers=headers)


def description_query(iri: str) -> str:
    """Write the query for what the graph says of an IRI: with a named graph, the triples in it too."""
    if iri.startswith(names.GRAPH):
        return f"CONSTRUCT {{ ?s ?p ?o }} WHERE {{ GRAPH <{iri}> {{ ?s ?p ?o }} }}"
    if iri.startswith(names.CLAIM):
        return (
            f"CONSTRUCT {{ ?s ?p ?o . <{iri}> ?q ?v . ?passage ?r ?w . ?selector ?t ?x }} WHERE {{ "
            f"{{ GRAPH <{iri}> {{ ?s ?p ?o }} }} UNION {{ <{iri}> ?q ?v }} UNION "
            f"{{ <{iri}> <{names.LAT}evidence> ?passage . ?passage ?r ?w }} UNION "
            f"{{ <{iri}> <{names.LAT}evidence>/<{names.OA}hasSelector> ?selector . ?selector ?t ?x }} }}"
        )
    return (
        f"CONSTRUCT {{ <{iri}> ?p ?o . ?s ?q <{iri}> . ?other <{names.RDFS}label> ?label }} WHERE {{ "
        f"{{ <{iri}> ?p ?o }} UNION {{ SELECT ?s ?q WHERE {{ ?s ?q <{iri}> }} LIMIT {_HUB} }} UNION "
        f"{{ {{ <{iri}> ?any ?other }} UNION {{ ?other ?any <{iri}> }} "
        f"?other <{names.RDFS}label> ?label }} }}"
    )


def missing(request: Request, iri: str, media_type: str) -> Response:
    """Say in RDF that nothing is known, and what is near."""
    error = not_found(State.of(request).contents, iri)
    graph = Graph()
    graph.add((URIRef(iri), RDFS.comment, Literal(error.message, lang="en")))
    for near in error.fields["near"]:
        graph.add((URIRef(iri), RDFS.seeAlso, URIRef(near)))
    return respond(request, serialize(graph, _suffix_of(media_type)), media_type, status=404)


async def vocabulary(request: Request) -> Response:
    """Give the ontology or the shapes: RDF by suffix or Accept, a page for browsers."""
    state = State.of(request)
    name, _, suffix = request.url.path.removeprefix("/").partition(".")
    iri = names.ONTOLOGY_GRAPH if name == "ontology" else names.SHAPES_GRAPH
    if not suffix:
        media_type = negotiation.require(
            request.headers.get("accept"), [*SUFFIXES.values(), negotiation.HTML]
        )
        if media_type == negotiation.HTML:
            return await (
                pages.ontology(request) if name == "ontology" else pages.thing(request, "graph/shapes")
            )
        suffix = _suffix_of(media_type)
    answer = await state.engine.query(QueryRequest(query=description_query(iri), format=suffix))
    headers = {"Content-Location": f"/{name}.{suffix}", "Link": f'<{LICENCE}>; rel="license"'}
    return respond(request, answer.body, SUFFIXES[suffix], etag=answer.etag, headers=headers)
