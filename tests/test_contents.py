"""Tests of `kg.contents`: what is known of one version, read by SPARQL alone."""

from __future__ import annotations

import asyncio

import pyoxigraph as ox
import pytest

from kg import names
from kg.contents import Contents, Term, parse_rows
from kg.engine import Answer, QueryRequest
from kg.names import Prefixes

TRIG = """
@prefix id: <https://w3id.org/lateral/id/> .
@prefix lat: <https://w3id.org/lateral/ontology#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix ex: <https://example.org/> .
<https://w3id.org/lateral/graph/entities> {
  id:isle a lat:State ; rdfs:label "L'île"@fr , "The Isle"@en ; skos:altLabel "Island"@en .
  ex:elsewhere rdfs:label "Isle elsewhere" .
  <https://w3id.org/lateral/concept/role/islander> a skos:Concept ; skos:prefLabel "islander"@en .
}
"""


class Store:
    """Runs queries over a few triples, in the named graph and merged."""

    def __init__(self) -> None:
        self.store = ox.Store()
        self.store.load(TRIG.encode(), format=ox.RdfFormat.TRIG)
        self.store.extend([ox.Quad(*one.triple) for one in self.store])

    async def query(self, request: QueryRequest) -> Answer:
        """Run one SELECT."""
        found = self.store.query(request.query)
        assert isinstance(found, ox.QuerySolutions)
        body = found.serialize(format=ox.QueryResultsFormat.JSON) or b""
        return Answer(body, "", "SELECT", "v1", "", 0.0, cached=False)


@pytest.fixture
def contents() -> Contents:
    """Read the contents of those triples."""
    prefixes = Prefixes({"id": names.ID, "lat": names.LAT})
    return asyncio.run(Contents.load(Store(), version="v1", prefixes=prefixes, templates={}))


def test_label_is_the_english_one_or_the_shortest_name(contents: Contents) -> None:
    """English before French, an alias never; without a label the prefixed name."""
    assert contents.label(names.ID + "isle") == "The Isle"
    assert contents.label(names.ID + "nothing") == "id:nothing"
    assert contents.kind_label(names.ID + "isle") == "lat:State"


def test_search_groups_what_is_ours(contents: Contents) -> None:
    """Things and concepts apart, aliases find too, and what is not ours is not found."""
    found = contents.search("isl")
    assert [one.iri for one in found["things"]] == [names.ID + "isle"]
    assert [one.iri for one in found["concepts"]] == [names.CONCEPT + "role/islander"]
    assert found["questions"] == []
    assert contents.search("Island")["things"][0].iri == names.ID + "isle"


def test_search_takes_no_endless_text(contents: Contents) -> None:
    """A text is cut, not refused, and what lies past the cut finds nothing."""
    assert contents.search("x" * 200 + " isle") == {"things": [], "concepts": [], "questions": []}


def test_rows_keep_kind_datatype_and_language() -> None:
    """Terms as SPARQL's JSON has them."""
    body = b'{"results":{"bindings":[{"a":{"type":"literal","value":"x","xml:lang":"en"}}]}}'
    assert parse_rows(body) == [{"a": Term("literal", "x", None, "en")}]
