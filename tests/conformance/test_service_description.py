"""
The W3C's three tests of the Service Description, over HTTP against the started service.

The vocabulary's classes, domains and ranges are written here from the specification.

Source: SPARQL 1.1 Service Description, sections 2 and 3; https://www.w3.org/TR/sparql11-service-description/
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from rdflib import RDF, Graph, Literal, Namespace, URIRef
from rdflib.term import Node

SD = Namespace("http://www.w3.org/ns/sparql-service-description#")
MF = Namespace("http://www.w3.org/2001/sw/DataAccess/tests/test-manifest#")
# Each property: the class of what has it, and the class of its value (None: any IRI).
SCHEMA: dict[str, tuple[str, str | None]] = {
    "endpoint": ("Service", None),
    "feature": ("Service", "Feature"),
    "defaultEntailmentRegime": ("Service", None),
    "entailmentRegime": ("NamedGraph", None),
    "supportedEntailmentProfile": ("NamedGraph", None),
    "defaultSupportedEntailmentProfile": ("Service", None),
    "extensionFunction": ("Service", "Function"),
    "extensionAggregate": ("Service", "Aggregate"),
    "languageExtension": ("Service", "Feature"),
    "supportedLanguage": ("Service", "Language"),
    "propertyFeature": ("Service", "Feature"),
    "defaultDataset": ("Service", "Dataset"),
    "availableGraphs": ("Service", "GraphCollection"),
    "resultFormat": ("Service", None),
    "inputFormat": ("Service", None),
    "defaultGraph": ("Dataset", "Graph"),
    "namedGraph": ("GraphCollection", "NamedGraph"),
    "name": ("NamedGraph", None),
    "graph": ("NamedGraph", "Graph"),
}
LANGUAGES = {SD.SPARQL10Query, SD.SPARQL11Query, SD.SPARQL11Update}
SUBCLASSES = {"Dataset": "GraphCollection"}


@pytest.fixture(scope="module", params=["text/turtle", "application/rdf+xml", "application/n-triples", None])
def description(request: pytest.FixtureRequest, client: httpx.Client) -> Iterator[tuple[str, Graph]]:
    """Ask the endpoint without a query, in each type of RDF and without asking for one."""
    headers = {"Accept": request.param} if request.param else {}
    answer = client.get("/sparql", headers=headers)
    media_type = answer.headers["content-type"].split(";")[0]
    assert (answer.status_code, media_type) == (200, request.param or "text/turtle")
    formats = {"text/turtle": "turtle", "application/rdf+xml": "xml", "application/n-triples": "nt"}
    yield str(client.base_url.join("/sparql")), Graph().parse(data=answer.content, format=formats[media_type])


def test_returns_rdf(description: tuple[str, Graph]) -> None:
    """W3C: returns-rdf."""
    assert len(description[1]) > 20


def test_has_endpoint_triple(description: tuple[str, Graph]) -> None:
    """W3C: has-endpoint-triple; the one endpoint is the address that was asked."""
    address, graph = description
    assert [str(one) for one in graph.objects(None, SD.endpoint)] == [address]


def is_a(graph: Graph, node: Node, kind: str) -> bool:
    """Say whether a node has a class, by its type or that of a subclass; languages are known by name."""
    if node in LANGUAGES:
        return kind == "Language"
    types = set(graph.objects(node, RDF.type))
    return SD[kind] in types or any(SD[sub] in types for sub, over in SUBCLASSES.items() if over == kind)


def test_conforms_to_schema(description: tuple[str, Graph]) -> None:
    """W3C: conforms-to-schema; only terms of the vocabulary, each between the classes that it is for."""
    _, graph = description
    used = 0
    for subject, predicate, value in graph:
        if not str(predicate).startswith(str(SD)):
            continue
        used += 1
        domain, kind = SCHEMA[str(predicate).removeprefix(str(SD))]
        assert is_a(graph, subject, domain), (subject, predicate)
        assert not isinstance(value, Literal)
        assert kind is None or is_a(graph, value, kind), (predicate, value)
    assert used > 20
    [service] = graph.subjects(RDF.type, SD.Service)
    [dataset] = graph.objects(service, SD.defaultDataset)
    assert len(list(graph.objects(dataset, SD.defaultGraph))) == 1
    for named in graph.objects(dataset, SD.namedGraph):
        assert len(list(graph.objects(named, SD.name))) == 1
        assert isinstance(named, URIRef)


def test_every_test_of_the_w3c_is_here(suite: Path) -> None:
    """The three names are the W3C's."""
    manifest = Graph().parse(suite / "sparql11" / "service-description" / "manifest.ttl")
    found = {str(one).partition("#")[2] for one in manifest.subjects(RDF.type, MF.ServiceDescriptionTest)}
    assert found == {"returns-rdf", "has-endpoint-triple", "conforms-to-schema"}
    assert all(f"test_{one.replace('-', '_')}" in globals() for one in found)
