"""SPARQLWrapper and rdflib's SPARQLStore against a started service."""

from __future__ import annotations

from typing import Any, cast
from xml.dom.minidom import Document

import pytest
from rdflib import RDF, RDFS, Graph, Literal, Namespace, URIRef
from rdflib.plugins.stores.sparqlstore import SPARQLStore
from rdflib.query import ResultRow
from SPARQLWrapper import CSV, GET, JSON, JSONLD, N3, POST, POSTDIRECTLY, RDFXML, TURTLE, XML, SPARQLWrapper
from SPARQLWrapper.SPARQLExceptions import QueryBadFormed

ID = Namespace("https://w3id.org/lateral/id/")
LAT = Namespace("https://w3id.org/lateral/ontology#")
ENTITIES = URIRef("https://w3id.org/lateral/graph/entities")
LABEL = f"SELECT ?label WHERE {{ <{ID.malta}> <{RDFS.label}> ?label }}"


def ask(address: str, query: str, form: str, method: str = GET) -> Any:
    """Ask through SPARQLWrapper, and return what it makes of the answer."""
    endpoint = SPARQLWrapper(f"{address}/sparql", returnFormat=form)
    endpoint.setMethod(method)
    endpoint.setQuery(query)
    return endpoint.queryAndConvert()


@pytest.mark.parametrize("method", [GET, POST])
def test_sparqlwrapper_reads_rows_in_every_format(real: str, method: str) -> None:
    """SELECT comes back as JSON, XML and CSV, by GET and by POST."""
    found = ask(real, LABEL, JSON, method)
    assert [one["label"]["value"] for one in found["results"]["bindings"]] == ["Malta"]
    document = ask(real, LABEL, XML, method)
    assert isinstance(document, Document)
    [literal] = document.getElementsByTagName("literal")
    assert literal.toxml() == '<literal xml:lang="en">Malta</literal>'
    assert ask(real, LABEL, CSV, method) == b"label\r\nMalta\r\n"


def test_sparqlwrapper_posts_the_query_itself(real: str) -> None:
    """POST with the query as the body."""
    endpoint = SPARQLWrapper(f"{real}/sparql", returnFormat=JSON)
    endpoint.setMethod(POST)
    endpoint.setRequestMethod(POSTDIRECTLY)
    endpoint.setQuery(LABEL)
    found: Any = endpoint.queryAndConvert()
    assert found["results"]["bindings"][0]["label"]["value"] == "Malta"


def test_sparqlwrapper_asks(real: str) -> None:
    """ASK gives a truth value."""
    assert ask(real, f"ASK {{ <{ID.malta}> a <{LAT.SmallState}> }}", JSON)["boolean"] is True
    assert ask(real, f"ASK {{ <{ID.malta}> a <{LAT.Fund}> }}", JSON)["boolean"] is False


# SPARQLWrapper 2.0 reads RDF/XML and JSON-LD into a class that rdflib 7 has put away
@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Dataset.default_context is deprecated:DeprecationWarning")
@pytest.mark.parametrize("form", [XML, RDFXML, TURTLE, N3, JSONLD])
def test_sparqlwrapper_constructs(real: str, form: str) -> None:
    """CONSTRUCT gives triples that rdflib reads, also in XML, which SPARQLWrapper takes when told nothing."""
    query = (
        f"CONSTRUCT {{ <{ID.malta}> <{RDFS.label}> ?label }} WHERE {{ <{ID.malta}> <{RDFS.label}> ?label }}"
    )
    found = ask(real, query, form)
    graph = found if isinstance(found, Graph) else Graph().parse(data=found, format="turtle")
    assert set(graph) == {(ID.malta, RDFS.label, Literal("Malta", lang="en"))}


def test_sparqlwrapper_knows_a_query_that_is_not_fine(real: str) -> None:
    """400 is QueryBadFormed, with our line and column in it."""
    with pytest.raises(QueryBadFormed, match="Line 1, column"):
        ask(real, "SELECT ?a WHERE { ?a ?b }", JSON)


def test_sparqlstore_queries(real: str) -> None:
    """A query through the store, with prefixes and values given beside it."""
    graph = Graph(SPARQLStore(f"{real}/sparql"))
    found = graph.query(
        "SELECT ?label WHERE { ?thing rdfs:label ?label }",
        initNs={"rdfs": RDFS},
        initBindings={"thing": ID.malta},
    )
    assert [cast(ResultRow, one)["label"] for one in found] == [Literal("Malta", lang="en")]
    assert graph.query(f"ASK {{ <{ID.malta}> a <{LAT.State}> }}").askAnswer is True


def test_sparqlstore_matches_triples(real: str) -> None:
    """A pattern with nothing, one term and all terms open."""
    graph = Graph(SPARQLStore(f"{real}/sparql"))
    assert set(graph.triples((ID.malta, RDFS.label, None))) == {
        (ID.malta, RDFS.label, Literal("Malta", lang="en"))
    }
    assert (ID.malta, RDF.type, LAT.SmallState) in graph
    assert (ID.malta, RDF.type, LAT.Fund) not in graph
    assert LAT.SmallState in set(graph.objects(ID.malta, RDF.type))


def test_sparqlstore_asks_one_named_graph(real: str) -> None:
    """
    A graph of the store with a name is that named graph of the service; GRAPH works too.

    Not through Dataset: rdflib 7.6 cannot put it over a store that is read only.
    """
    store = SPARQLStore(f"{real}/sparql", context_aware=True)
    entities = Graph(store, identifier=ENTITIES)
    assert entities.value(ID.malta, RDFS.label) == Literal("Malta", lang="en")
    elsewhere = Graph(store, identifier=URIRef("https://w3id.org/lateral/graph/claims"))
    assert elsewhere.value(ID.malta, RDFS.label) is None
    found = Graph(store).query(f"SELECT ?graph {{ GRAPH ?graph {{ <{ID.malta}> <{RDFS.label}> ?label }} }}")
    assert {cast(ResultRow, one)["graph"] for one in found} == {ENTITIES}
