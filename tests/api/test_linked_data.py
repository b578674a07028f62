"""Every IRI leads on, by Accept, to a page or to data."""

from __future__ import annotations

import httpx
import pyoxigraph as ox
import pytest
from rdflib import Graph, URIRef

BASE = "https://w3id.org/lateral/"
PARSERS = {
    "ttl": ox.RdfFormat.TURTLE,
    "jsonld": ox.RdfFormat.JSON_LD,
    "nt": ox.RdfFormat.N_TRIPLES,
    "rdf": ox.RdfFormat.RDF_XML,
}
TYPES = {
    "ttl": "text/turtle",
    "jsonld": "application/ld+json",
    "nt": "application/n-triples",
    "rdf": "application/rdf+xml",
}
PATHS = {
    "/id/gull-rock-meeting": "gull-rock-meeting",
    "/concept/status/stated": "concept/status/stated",
    "/claim/demo/0002": "claim/demo/0002",
    "/passage/demo/0002": "passage/demo/0002",
    "/document/demo": "document/demo",
    "/document/demo/meetings": "document/demo/meetings",
    "/graph/entities": "graph/entities",
    "/graph/open/almanac": "graph/open/almanac",
}


@pytest.mark.parametrize(("path", "rest"), PATHS.items())
def test_iri_leads_to_page_and_data_when_asked(client: httpx.Client, path: str, rest: str) -> None:
    """303 with Vary: to the page for browsers, to the suffix of the type for machines; both are there."""
    to_page = client.get(path, headers={"Accept": "text/html"})
    assert (to_page.status_code, to_page.headers["location"]) == (303, f"/page/{rest}")
    assert to_page.headers["vary"] == "Accept"
    page = client.get(to_page.headers["location"])
    assert page.status_code == 200
    for suffix, media_type in TYPES.items():
        assert f'type="{media_type}" href="/data/{rest}.{suffix}"' in page.text
        answer = client.get(path, headers={"Accept": media_type})
        assert (answer.status_code, answer.headers["location"]) == (303, f"/data/{rest}.{suffix}")


@pytest.mark.parametrize("suffix", PARSERS)
@pytest.mark.parametrize(("path", "rest"), PATHS.items())
def test_data_parses_and_is_about_the_thing_in_every_format(
    client: httpx.Client, path: str, rest: str, suffix: str
) -> None:
    """Written, read back: each format holds triples of the thing."""
    answer = client.get(f"/data/{rest}.{suffix}")
    assert answer.headers["content-type"].startswith(TYPES[suffix])
    assert answer.headers["content-location"] == f"/data/{rest}.{suffix}"
    assert answer.headers["etag"]
    subjects = {str(one.subject.value) for one in ox.parse(answer.content, format=PARSERS[suffix])}
    assert subjects
    assert path.startswith("/graph") or BASE + path.removeprefix("/") in subjects


def test_data_negotiates_when_there_is_no_suffix(client: httpx.Client) -> None:
    """Without suffix Accept decides, and Content-Location tells."""
    answer = client.get("/data/gull-rock-meeting", headers={"Accept": "application/rdf+xml"})
    assert answer.headers["content-location"] == "/data/gull-rock-meeting.rdf"
    assert client.get("/data/gull-rock-meeting", headers={"Accept": "image/png"}).status_code == 406


def test_unknown_is_404_in_the_negotiated_type(client: httpx.Client) -> None:
    """Nothing there: said in RDF, in JSON or as a page, each with what is near."""
    as_turtle = client.get("/id/gull-rock-meting", headers={"Accept": "text/turtle"})
    assert as_turtle.status_code == 404
    graph = Graph().parse(data=as_turtle.content, format="turtle")
    assert URIRef(BASE + "id/gull-rock-meeting") in set(graph.objects())
    as_page = client.get("/id/gull-rock-meting", headers={"Accept": "text/html"})
    assert as_page.status_code == 404
    assert "/page/gull-rock-meeting" in as_page.text
    assert client.get("/data/nothing.ttl").status_code == 404
    assert client.get("/id/gull-rock-meeting", headers={"Accept": "image/png"}).status_code == 406


@pytest.mark.parametrize("slug", ["%3E%20%7D", "a%22b", "x%0Ay", "%00", "a%7Cb", "%5C"])
def test_names_that_no_iri_has_are_404(client: httpx.Client, slug: str) -> None:
    """What could break out of an IRI never reaches a query."""
    for path in ("/id/", "/page/", "/data/", "/claim/demo/"):
        answer = client.get(path + slug, headers={"Accept": "*/*"})
        assert answer.status_code == 404, path


def test_ontology_is_a_page_and_data(client: httpx.Client) -> None:
    """Hash IRIs: 200 at the same address, by Accept or suffix."""
    page = client.get("/ontology", headers={"Accept": "text/html"})
    assert 'id="Gathering"' in page.text
    for suffix, parser in PARSERS.items():
        by_accept = client.get("/ontology", headers={"Accept": TYPES[suffix]})
        assert by_accept.headers["content-location"] == f"/ontology.{suffix}"
        assert by_accept.content == client.get(f"/ontology.{suffix}").content
        subjects = {str(one.subject.value) for one in ox.parse(by_accept.content, format=parser)}
        assert BASE + "ontology#Gathering" in subjects
