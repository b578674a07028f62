"""`/.well-known/void` and `/.well-known/sparql-examples`: where clients look, in what they read."""

from __future__ import annotations

import httpx
import pyoxigraph as ox
import pyshacl
import pytest
from rdflib import RDF, Graph, Literal, Namespace, URIRef

from kg import names

SH = Namespace(names.SH)
SCHEMA = Namespace("https://schema.org/")
VOID = Namespace("http://rdfs.org/ns/void#")
PATHS = ["/.well-known/void", "/.well-known/sparql-examples", "/.well-known/sparql-examples/meetings/chairs"]
TYPES = {
    "text/turtle": ox.RdfFormat.TURTLE,
    "application/ld+json": ox.RdfFormat.JSON_LD,
    "application/n-triples": ox.RdfFormat.N_TRIPLES,
    "application/rdf+xml": ox.RdfFormat.RDF_XML,
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("media_type", TYPES)
def test_description_is_there_in_every_format(client: httpx.Client, path: str, media_type: str) -> None:
    """Negotiated, the same graph each time, and the service named as it was asked."""
    answer = client.get(path, headers={"Accept": media_type})
    assert answer.status_code == 200
    assert answer.headers["content-type"].split(";")[0] == media_type
    assert "Accept" in answer.headers["vary"]
    said = [quad.triple for quad in ox.parse(answer.content, format=TYPES[media_type])]
    nodes = {node for one in said for node in (one.subject, one.object)}
    assert ox.NamedNode(str(client.base_url).rstrip("/") + "/sparql") in nodes
    assert ox.NamedNode(names.SERVICE) not in nodes
    assert (
        client.get(path, headers={"If-None-Match": answer.headers["etag"], "Accept": media_type}).status_code
        == 304
    )


def test_void_names_the_endpoint_and_the_examples_their_target(client: httpx.Client) -> None:
    """A client that reads these can ask."""
    void = Graph().parse(data=client.get(PATHS[0]).text, format="turtle")
    endpoint = void.value(URIRef(names.DATASET), VOID.sparqlEndpoint)
    assert client.get(str(endpoint), params={"query": "ASK {}"}).json()["boolean"] is True
    examples = Graph().parse(data=client.get(PATHS[1]).text, format="turtle")
    [example] = examples.subjects(RDF.type, SH.SPARQLExecutable)
    assert str(example) == names.EXAMPLES + "meetings/chairs"
    answer = client.get(
        str(examples.value(example, SCHEMA.target)), params={"query": str(examples.value(example, SH.select))}
    )
    assert answer.status_code == 200


# What collections of examples ask for, in our words: one query, a comment in a language, a target, a declared
# prefix map, keywords without spaces at the ends, and none under another name of the property.
SHAPE = """
@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix schema: <https://schema.org/> .
@prefix sh: <http://www.w3.org/ns/shacl#> .
@prefix spex: <https://purl.expasy.org/sparql-examples/ontology#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
<urn:x:example> sh:targetClass sh:SPARQLExecutable ; sh:nodeKind sh:IRI ; sh:property
  [ sh:path [ sh:alternativePath (sh:select sh:ask sh:construct spex:describe) ] ;
    sh:minCount 1 ; sh:maxCount 1 ; sh:datatype xsd:string ] ,
  [ sh:path rdfs:comment ; sh:minCount 1 ;
    sh:or ([ sh:datatype rdf:langString ] [ sh:datatype rdf:HTML ]) ] ,
  [ sh:path schema:target ; sh:minCount 1 ; sh:nodeKind sh:IRI ; sh:hasValue <%s> ] ,
  [ sh:path schema:keywords ; sh:minCount 1 ; sh:datatype xsd:string ; sh:pattern "^\\\\S(.*\\\\S)?$" ] ,
  [ sh:path schema:keyword ; sh:maxCount 0 ] ,
  [ sh:path sh:prefixes ; sh:minCount 1 ; sh:node <urn:x:prefixes> ] .
<urn:x:prefixes> sh:property [ sh:path sh:declare ; sh:minCount 1 ; sh:node <urn:x:declaration> ] .
<urn:x:declaration> sh:property
  [ sh:path sh:prefix ; sh:minCount 1 ; sh:maxCount 1 ; sh:datatype xsd:string ] ,
  [ sh:path sh:namespace ; sh:minCount 1 ; sh:maxCount 1 ; sh:datatype xsd:anyURI ] .
"""


def test_examples_conform_to_the_shape_of_collections(client: httpx.Client) -> None:
    """The document alone is enough: its prefixes are declared in it, and its target is the endpoint asked."""
    endpoint = str(client.base_url.join("/sparql"))
    shapes = Graph().parse(data=SHAPE % endpoint, format="turtle")
    examples = Graph().parse(data=client.get(PATHS[1]).text, format="turtle")
    conforms, _, report = pyshacl.validate(examples, shacl_graph=shapes, advanced=False)
    assert conforms, report
    [example] = examples.subjects(RDF.type, SH.SPARQLExecutable)
    for wrong in ((example, SCHEMA.keywords, Literal(" x ")), (example, SH.ask, Literal("ASK {}"))):
        examples.add(wrong)
        assert not pyshacl.validate(examples, shacl_graph=shapes)[0], wrong
        examples.remove(wrong)


def test_turtle_says_each_subject_once(client: httpx.Client) -> None:
    """It is written for people too."""
    lines = client.get(PATHS[2]).text.splitlines()
    assert len([line for line in lines if line and line[0] not in "@\t "]) == 1


@pytest.mark.parametrize(
    "query",
    [
        "SELECT DISTINCT ?prefix ?namespace WHERE { [] sh:namespace ?namespace ; sh:prefix ?prefix }",
        "SELECT DISTINCT ?sq ?comment ?query WHERE { ?sq a sh:SPARQLExecutable ; rdfs:comment ?comment ; "
        "sh:select|sh:ask|sh:construct|<https://purl.expasy.org/sparql-examples/ontology#describe> ?query }",
        "SELECT DISTINCT ?class ?property WHERE { ?s sd:graph ?graph . ?graph void:classPartition ?cp . "
        "?cp void:class ?class ; void:propertyPartition [ void:property ?property ; void:triples ?n ] }",
    ],
)
def test_queries_of_sib_clients_find_something(client: httpx.Client, query: str) -> None:
    """As the SIB's editor sends them: a parameter of its own, JSON, from another origin."""
    prefixes = (
        "PREFIX sh: <http://www.w3.org/ns/shacl#> PREFIX void: <http://rdfs.org/ns/void#> "
        "PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#> "
        "PREFIX sd: <http://www.w3.org/ns/sparql-service-description#> "
    )
    headers = {"Accept": "application/sparql-results+json", "Origin": "https://sib-swiss.github.io"}
    answer = client.get("/sparql", params={"ac": "1", "query": prefixes + query}, headers=headers)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.json()["results"]["bindings"]


def test_browser_is_led_from_an_example_to_its_page(client: httpx.Client) -> None:
    """People see the question."""
    answer = client.get(PATHS[2], headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/queries/meetings/chairs")
    assert client.get("/.well-known/sparql-examples/meetings/none").status_code == 404


def test_addresses_of_dataset_and_catalogue_lead_to_the_description(client: httpx.Client) -> None:
    """The IRIs that the description gives the whole are answered here."""
    for path in ("/dataset", "/catalog", "/project"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/.well-known/void")


def test_wrong_type_is_406_and_head_has_no_body(client: httpx.Client) -> None:
    """As everywhere."""
    assert client.get(PATHS[0], headers={"Accept": "image/png"}).status_code == 406
    assert client.head(PATHS[0]).content == b""


def test_odd_host_names_do_not_reach_the_query(client: httpx.Client) -> None:
    """A Host header that is no host leaves the permanent address, or is refused."""
    answer = client.get(PATHS[0], headers={"Host": "a> } # b"})
    assert answer.status_code in (200, 400)
