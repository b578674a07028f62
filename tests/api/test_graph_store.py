"""`/graph-store` obeys the SPARQL 1.1 Graph Store Protocol, as far as it reads."""

from __future__ import annotations

import httpx
import pyoxigraph as ox
import pytest

from kg import names

TYPES = {
    "text/turtle": ox.RdfFormat.TURTLE,
    "application/ld+json": ox.RdfFormat.JSON_LD,
    "application/n-triples": ox.RdfFormat.N_TRIPLES,
    "application/rdf+xml": ox.RdfFormat.RDF_XML,
    "application/trig": ox.RdfFormat.TRIG,
    "application/n-quads": ox.RdfFormat.N_QUADS,
}
ENTITIES = {"graph": names.ENTITIES_GRAPH}
DEFAULT = {"default": ""}


def count(client: httpx.Client, pattern: str) -> int:
    """Count by a query what a graph holds."""
    query = f"SELECT (COUNT(*) AS ?n) WHERE {{ {pattern} }}"
    rows = client.get("/sparql", params={"query": query}).json()["results"]["bindings"]
    return int(rows[0]["n"]["value"])


@pytest.mark.parametrize("media_type", TYPES)
def test_graph_is_given_whole_in_every_type(client: httpx.Client, media_type: str) -> None:
    """A named graph and the default graph hold what a query finds in them, and nothing more."""
    for params, pattern in (
        (ENTITIES, f"GRAPH <{names.ENTITIES_GRAPH}> {{ ?s ?p ?o }}"),
        (DEFAULT, "?s ?p ?o"),
    ):
        answer = client.get("/graph-store", params=params, headers={"Accept": media_type})
        assert (answer.status_code, answer.headers["vary"]) == (200, "Accept")
        assert answer.headers["content-type"].split(";")[0] == media_type
        assert answer.headers["kg-version"]
        triples = {quad.triple for quad in ox.parse(answer.content, format=TYPES[media_type])}
        assert len(triples) == count(client, pattern) > 10


def test_format_wins_over_accept(client: httpx.Client) -> None:
    """`format=` takes a name or a media type."""
    for wanted in ("nt", "application/n-triples"):
        answer = client.get(
            "/graph-store", params=ENTITIES | {"format": wanted}, headers={"Accept": "text/turtle"}
        )
        assert answer.headers["content-type"] == "application/n-triples"


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("", {}, 400),
        ("?format=ttl", {}, 400),
        (f"?default&graph={names.ENTITIES_GRAPH}", {}, 400),
        ("?graph=urn:x:a&graph=urn:x:b", {}, 400),
        ("?graph=", {}, 400),
        ("?graph=entities", {}, 400),
        ("?graph=http://example.org/%25zz", {}, 400),
        ("?graph=http://example.org/%3E%20", {}, 400),
        ("?graph=http://example.org/none", {}, 404),
        (f"?graph={names.ENTITIES_GRAPH}", {"Accept": "image/png"}, 406),
        (f"?graph={names.ENTITIES_GRAPH}&format=csv", {}, 406),
        (f"?graph={names.ENTITIES_GRAPH}&format=html", {}, 406),
    ],
)
def test_refusals_are_problems(
    client: httpx.Client, query: str, headers: dict[str, str], status: int
) -> None:
    """Neither graph or both, no IRI, an unknown graph, no such type: each with its status and its reason."""
    answer = client.get(f"/graph-store{query}", headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["detail"]
    if status == 400:
        assert document["parameter"] == "graph"
    if status == 404:
        assert names.ENTITIES_GRAPH in document["available"]
    if status == 406:
        assert any(one in document["available"] for one in ("ttl", "text/turtle"))


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
def test_writing_is_405_with_the_reason(client: httpx.Client, method: str) -> None:
    """What may be done is named, and why not more."""
    answer = client.request(method, "/graph-store", params=DEFAULT)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert "read only" in answer.json()["detail"]


def test_head_and_conditional_requests(client: httpx.Client) -> None:
    """HEAD gives the headers of GET; a held graph is not sent again."""
    got = client.get("/graph-store", params=ENTITIES)
    headed = client.head("/graph-store", params=ENTITIES)
    assert (headed.status_code, headed.content) == (200, b"")
    for name in ("etag", "content-type", "content-length"):
        assert headed.headers[name] == got.headers[name]
    assert client.head("/graph-store", params={"graph": "urn:x:none"}).status_code == 404
    again = client.get("/graph-store", params=ENTITIES, headers={"If-None-Match": got.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_graph_and_what_is_said_of_it_lead_to_each_other(client: httpx.Client) -> None:
    """The IRI of a graph leads to its contents, and from there to the graph store and back."""
    answer = client.get("/graph-store", params=ENTITIES)
    assert f'<{names.ENTITIES_GRAPH}>; rel="canonical"' in answer.headers["link"]
    direct = client.get("/graph/entities", headers={"Accept": "text/turtle"}, follow_redirects=True)
    assert direct.status_code == 200
    related = direct.links["related"]["url"]
    assert client.get(related).content == answer.content
    assert "canonical" not in client.get("/graph-store", params=DEFAULT).headers["link"]
