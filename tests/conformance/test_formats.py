"""Every format is right to the byte for a small answer, and brings every odd value back in a large one."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from xml.etree import ElementTree

import httpx
import pyoxigraph as ox
import pytest
from rdflib import Graph, Literal, URIRef
from rdflib.compare import isomorphic

S, P = "http://example.org/s", "http://example.org/p"
XSD = "http://www.w3.org/2001/XMLSchema#"
VALUES = [
    "",
    " ",
    "a,b",
    'say "so"',
    "back\\slash",
    "two\nlines",
    "tab\there",
    "return\r",
    "<&>]]>",
    "é\U0001f600\u2028",
]
ROWS = f'SELECT ?o ?none {{ VALUES ?o {{ "a,\\"b\\"" 1 <{S}> "x"@en }} }}'
TRIPLES = (
    f'CONSTRUCT {{ <{S}> <{P}> ?o }} {{ VALUES (?n ?o) {{ (1 "a\\"b") (2 1) (3 "x"@en) }} }} ORDER BY ?n'
)
ROW_BYTES = {
    "json": (
        '{"head":{"vars":["o","none"]},"results":{"bindings":['
        '{"o":{"type":"literal","value":"a,\\"b\\""}},'
        f'{{"o":{{"type":"literal","value":"1","datatype":"{XSD}integer"}}}},'
        f'{{"o":{{"type":"uri","value":"{S}"}}}},'
        '{"o":{"type":"literal","value":"x","xml:lang":"en"}}]}}'
    ),
    "xml": (
        '<?xml version="1.0"?><sparql xmlns="http://www.w3.org/2005/sparql-results#"><head>'
        '<variable name="o"/><variable name="none"/></head><results>'
        '<result><binding name="o"><literal>a,&quot;b&quot;</literal></binding></result>'
        f'<result><binding name="o"><literal datatype="{XSD}integer">1</literal></binding></result>'
        f'<result><binding name="o"><uri>{S}</uri></binding></result>'
        '<result><binding name="o"><literal xml:lang="en">x</literal></binding></result></results></sparql>'
    ),
    "csv": f'o,none\r\n"a,""b""",\r\n1,\r\n{S},\r\nx,\r\n',
    "tsv": f'?o\t?none\n"a,\\"b\\""\t\n1\t\n<{S}>\t\n"x"@en\t\n',
}
LINES = f'<{S}> <{P}> "a\\"b" .\n<{S}> <{P}> "1"^^<{XSD}integer> .\n<{S}> <{P}> "x"@en .\n'
GRAPH_BYTES = {
    "ttl": f'<{S}> <{P}> "a\\"b" , 1 , "x"@en .\n',
    "trig": f'<{S}> <{P}> "a\\"b" , 1 , "x"@en .\n',
    "nt": LINES,
    "nq": LINES,
    "rdf": (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        f'\t<rdf:Description rdf:about="{S}">\n'
        '\t\t<p xmlns="http://example.org/">a&quot;b</p>\n'
        f'\t\t<p xmlns="http://example.org/" rdf:datatype="{XSD}integer">1</p>\n'
        '\t\t<p xmlns="http://example.org/" xml:lang="en">x</p>\n'
        "\t</rdf:Description>\n</rdf:RDF>"
    ),
    "jsonld": (
        f'[{{"@id":"{S}","{P}":[{{"@value":"a\\"b"}},'
        f'{{"@type":"{XSD}integer","@value":"1"}},{{"@language":"en","@value":"x"}}]}}]'
    ),
}
PARSERS = {"ttl": "turtle", "nt": "nt", "rdf": "xml", "jsonld": "json-ld", "trig": "trig", "nq": "nquads"}


@pytest.fixture(scope="module")
def client(serve_quads: Callable[[bytes], AbstractContextManager[httpx.Client]]) -> Iterator[httpx.Client]:
    """Serve the odd values, each of one property."""
    graph = Graph()
    for value in VALUES:
        graph.add((URIRef(S), URIRef(P), Literal(value)))
    with serve_quads(graph.serialize(format="nt", encoding="utf-8")) as started:
        yield started


def ask(client: httpx.Client, query: str, name: str) -> bytes:
    """Ask in one format."""
    answer = client.get("/sparql", params={"query": query, "format": name})
    assert answer.status_code == 200, answer.text
    return answer.content


@pytest.mark.parametrize("name", ROW_BYTES)
def test_rows_are_these_bytes(client: httpx.Client, name: str) -> None:
    """JSON, XML, CSV with CRLF and bare names, TSV with terms in Turtle; unbound is left out or empty."""
    assert ask(client, ROWS, name).decode() == ROW_BYTES[name]


@pytest.mark.parametrize("name", GRAPH_BYTES)
def test_triples_are_these_bytes(client: httpx.Client, name: str) -> None:
    """Turtle, TriG, N-Triples, N-Quads, RDF/XML and JSON-LD, without a prefix that is not used."""
    assert ask(client, TRIPLES, name).decode() == GRAPH_BYTES[name]


def test_booleans_are_these_bytes(client: httpx.Client) -> None:
    """ASK comes in JSON and XML."""
    assert ask(client, "ASK {}", "json") == b'{"head":{},"boolean":true}'
    assert b"<head></head><boolean>true</boolean></sparql>" in ask(client, "ASK {}", "xml")


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated")
@pytest.mark.parametrize("name", PARSERS)
def test_triples_come_back_when_another_library_reads_them(client: httpx.Client, name: str) -> None:
    """rdflib reads each format and finds the same values."""
    body = ask(client, "CONSTRUCT { ?s ?p ?o } { ?s ?p ?o }", name)
    expected = Graph()
    for value in VALUES:
        expected.add((URIRef(S), URIRef(P), Literal(value)))
    found = Graph()
    if name in ("trig", "nq"):
        for quad in ox.parse(body, ox.RdfFormat.TRIG if name == "trig" else ox.RdfFormat.N_QUADS):
            found.add((URIRef(S), URIRef(P), Literal(quad.object.value)))
    else:
        found.parse(data=body, format=PARSERS[name])
    assert isomorphic(found, expected)


def test_rows_come_back_when_another_library_reads_them(client: httpx.Client) -> None:
    """Python's own readers of JSON, XML and CSV find the same values."""
    query = "SELECT ?o { ?s ?p ?o }"
    rows = json.loads(ask(client, query, "json"))["results"]["bindings"]
    assert {row["o"]["value"] for row in rows} == set(VALUES)
    root = ElementTree.fromstring(ask(client, query, "xml"))
    literals = root.iter("{http://www.w3.org/2005/sparql-results#}literal")
    assert {one.text or "" for one in literals} == set(VALUES)
    text = ask(client, query.replace("?o {", "?o ?s {"), "csv").decode()
    assert {row["o"] for row in csv.DictReader(io.StringIO(text, newline=""))} == set(VALUES)
    lines = ask(client, query, "tsv").decode().removesuffix("\n").split("\n")
    assert lines[0] == "?o"
    assert len(lines) == 1 + len(VALUES)
    assert {str(_from_turtle(one)) for one in lines[1:]} == set(VALUES)


def _from_turtle(term: str) -> object:
    return next(Graph().parse(data=f"<a:a> <a:a> {term} .", format="turtle").objects())


def test_triple_terms_are_refused_when_the_format_has_none(client: httpx.Client) -> None:
    """JSON-LD has no triple terms: 406 with the formats that do."""
    query = f"CONSTRUCT {{ <{S}> <{P}> ?o }} {{ BIND(TRIPLE(<{S}>, <{P}>, 1) AS ?o) }}"
    answer = client.get("/sparql", params={"query": query, "format": "jsonld"})
    assert answer.status_code == 406
    assert "ttl" in answer.json()["available"]
