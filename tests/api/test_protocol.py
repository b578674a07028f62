"""`/sparql` obeys the SPARQL 1.1 Protocol."""

from __future__ import annotations

import logging
import socket
import time
from urllib.parse import quote

import httpx
import pytest
from rdflib import RDF, Graph, Namespace, URIRef

from kg.config import Settings

SD = Namespace("http://www.w3.org/ns/sparql-service-description#")
VOID = Namespace("http://rdfs.org/ns/void#")
SELECT = "SELECT ?s WHERE { ?s a <https://w3id.org/lateral/ontology#Gathering> } ORDER BY ?s"
ASK = "ASK { ?s ?p ?o }"
CONSTRUCT = "CONSTRUCT { ?s a ?c } WHERE { ?s a ?c } ORDER BY ?s LIMIT 3"
FORM = "application/x-www-form-urlencoded"
GULL = "https://w3id.org/lateral/id/gull-rock-meeting"
GRAPHS = "https://w3id.org/lateral/graph/"


@pytest.mark.parametrize(
    ("query", "accept", "media_type"),
    [
        (SELECT, None, "application/sparql-results+json"),
        (SELECT, "*/*", "application/sparql-results+json"),
        (SELECT, "application/sparql-results+xml", "application/sparql-results+xml"),
        (SELECT, "text/csv", "text/csv; charset=utf-8"),
        (SELECT, "text/tab-separated-values", "text/tab-separated-values; charset=utf-8"),
        (SELECT, "application/json", "application/json"),
        (SELECT, "text/html", "text/html; charset=utf-8"),
        (ASK, "application/sparql-results+xml", "application/sparql-results+xml"),
        (CONSTRUCT, None, "text/turtle; charset=utf-8"),
        (CONSTRUCT, "application/n-triples", "application/n-triples"),
        (CONSTRUCT, "application/rdf+xml", "application/rdf+xml"),
        (CONSTRUCT, "application/ld+json", "application/ld+json"),
        (CONSTRUCT, "application/n-quads", "application/n-quads"),
        (CONSTRUCT, "application/trig", "application/trig"),
        (f"DESCRIBE <{GULL}>", "text/turtle", "text/turtle; charset=utf-8"),
    ],
)
def test_get_answers_in_the_type_when_accepted(
    client: httpx.Client, query: str, accept: str | None, media_type: str
) -> None:
    """Each query form comes in each of its types."""
    headers = {"Accept": accept} if accept else {}
    answer = client.get("/sparql", params={"query": query}, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    assert answer.headers["vary"] == "Accept"
    assert answer.content


def test_post_of_a_form_answers_as_get_does(client: httpx.Client) -> None:
    """All three ways of asking give the same answer."""
    by_get = client.get("/sparql", params={"query": SELECT}).content
    by_form = client.post("/sparql", data={"query": SELECT}).content
    by_body = client.post(
        "/sparql", content=SELECT.encode(), headers={"Content-Type": "application/sparql-query"}
    ).content
    assert by_get == by_form == by_body
    assert GULL.encode() in by_get


def test_format_wins_over_accept_when_both_are_given(client: httpx.Client) -> None:
    """`format=` takes a name or a media type."""
    for wanted in ("csv", "text/csv"):
        answer = client.get(
            "/sparql",
            params={"query": SELECT, "format": wanted},
            headers={"Accept": "application/sparql-results+json"},
        )
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"


def test_graph_parameters_override_from_when_given(client: httpx.Client) -> None:
    """default-graph-uri and named-graph-uri replace what the query says."""
    query = (
        f"SELECT ?s FROM <{GRAPHS}concepts> WHERE {{ ?s a <https://w3id.org/lateral/ontology#Gathering> }}"
    )
    without = client.get("/sparql", params={"query": query}).json()
    given = client.get("/sparql", params={"query": query, "default-graph-uri": f"{GRAPHS}entities"}).json()
    named = client.post(
        "/sparql",
        params={"named-graph-uri": f"{GRAPHS}entities"},
        content=b"SELECT DISTINCT ?g WHERE { GRAPH ?g { ?s ?p ?o } }",
        headers={"Content-Type": "application/sparql-query"},
    ).json()
    assert without["results"]["bindings"] == []
    assert [row["s"]["value"] for row in given["results"]["bindings"]] == [GULL]
    assert [row["g"]["value"] for row in named["results"]["bindings"]] == [f"{GRAPHS}entities"]


@pytest.mark.parametrize("parameter", ["default-graph-uri", "named-graph-uri"])
@pytest.mark.parametrize(
    "value", ["", "entities", "http://example.org/%zz", "http://example.org/>", "x" * 999]
)
def test_graph_parameter_that_is_no_iri_is_named(client: httpx.Client, parameter: str, value: str) -> None:
    """It is refused with its name and what was given, an empty one too: no dataset is passed over."""
    answer = client.get("/sparql", params={"query": ASK, parameter: value})
    assert answer.status_code == 400
    document = answer.json()
    assert document["parameter"] == parameter
    assert document["value"][:200] == value[:200]
    assert parameter in document["detail"]
    assert len(answer.content) < 1200


def test_graph_parameters_add_up_and_prefixed_names_are_read_in_from(client: httpx.Client) -> None:
    """Two default graphs are merged, by parameter and by FROM with prefixed names alike."""
    count = "SELECT (COUNT(*) AS ?n) {} WHERE {{ ?s ?p ?o }}"

    def number(query: str, **params: list[str]) -> int:
        answer = client.get("/sparql", params={"query": query, **params}).json()
        return int(answer["results"]["bindings"][0]["n"]["value"])

    graphs = [f"{GRAPHS}entities", f"{GRAPHS}claims"]
    given = number(count.format(""), **{"default-graph-uri": graphs})
    alone = [number(count.format(""), **{"default-graph-uri": [one]}) for one in graphs]
    assert given == sum(alone) and min(alone) > 0
    assert given == number(f"PREFIX g: <{GRAPHS}> " + count.format("FROM g:entities FROM g:claims"))
    named = f"PREFIX g: <{GRAPHS}> SELECT DISTINCT ?g FROM NAMED g:claims WHERE {{ GRAPH ?g {{ ?s ?p ?o }} }}"
    rows = client.get("/sparql", params={"query": named}).json()["results"]["bindings"]
    assert [row["g"]["value"] for row in rows] == [graphs[1]]


def test_query_method_answers_as_post_does(client: httpx.Client) -> None:
    """QUERY is a POST that changes nothing; its media types are announced."""
    kinds = ((SELECT.encode(), "application/sparql-query"), (f"query={quote(SELECT)}".encode(), FORM))
    for body, kind in kinds:
        headers = {"Content-Type": kind}
        asked, posted = (
            client.request(method, "/sparql", content=body, headers=headers) for method in ("QUERY", "POST")
        )
        assert (asked.status_code, asked.content) == (200, posted.content)
        assert kind in client.get("/sparql").headers["accept-query"]


def test_base_is_the_endpoint_when_the_query_gives_none(client: httpx.Client) -> None:
    """Relative IRIs are resolved against the address of the endpoint."""
    answer = client.get("/sparql", params={"query": "SELECT (<x> AS ?iri) WHERE {}"}).json()
    assert answer["results"]["bindings"][0]["iri"]["value"] == f"{client.base_url}/x".replace("//x", "/x")


def test_unknown_parameters_are_passed_over(client: httpx.Client) -> None:
    """Other clients send parameters of their own."""
    params = {"query": ASK, "ac": "1", "version": "1.2", "timeout": "x", "should-sponge": ""}
    assert client.get("/sparql", params=params).json()["boolean"] is True


@pytest.mark.parametrize(
    ("method", "params", "body", "kind", "status"),
    [
        ("GET", {"query": "SELEC * WHERE {}"}, b"", None, 400),
        ("GET", {"query": ""}, b"", None, 400),
        ("GET", {"x": "1"}, b"", None, 400),
        ("GET", {"query": [ASK, ASK]}, b"", None, 400),
        ("GET", {"update": "CLEAR ALL"}, b"", None, 403),
        ("GET", {"query": "CLEAR ALL"}, b"", None, 403),
        ("GET", {"query": ASK, "format": "csv"}, b"", None, 406),
        ("GET", {"query": SELECT, "format": "pdf"}, b"", None, 406),
        ("POST", {}, b"query=ASK%7B%7D&query=ASK%7B%7D", FORM, 400),
        ("POST", {"query": ASK}, ASK.encode(), "application/sparql-query", 400),
        ("POST", {}, b"", FORM, 400),
        ("POST", {}, b"update=CLEAR+ALL", FORM, 403),
        ("POST", {}, b"%75pdate=CLEAR+ALL", FORM, 403),
        ("POST", {"update": "CLEAR ALL"}, b"", FORM, 403),
        ("POST", {"update": "CLEAR ALL"}, ASK.encode(), "application/sparql-query", 403),
        ("POST", {}, b"CLEAR ALL", "application/sparql-update", 403),
        ("POST", {"query": ASK}, b"CLEAR ALL", "Application/SPARQL-Update; charset=utf-8", 403),
        ("POST", {}, b"CLEAR ALL", "application/sparql-query", 403),
        ("QUERY", {}, b"CLEAR ALL", "application/sparql-update", 403),
        ("POST", {}, ASK.encode(), "text/plain", 415),
        ("POST", {}, ASK.encode(), None, 415),
        ("POST", {}, ASK.encode("utf-16"), "application/sparql-query; charset=UTF-16", 415),
        ("POST", {}, b"ASK { ?s ?p '\xff' }", "application/sparql-query", 400),
        ("POST", {}, b"query=ASK%FF", FORM, 400),
        ("POST", {}, b"#" * 60_000, "application/sparql-query", 413),
        ("QUERY", {}, b"update=CLEAR+ALL", FORM, 403),
        ("QUERY", {}, ASK.encode(), None, 415),
        ("PUT", {}, b"x", "application/sparql-query", 405),
        ("DELETE", {}, b"", None, 405),
    ],
)
def test_bad_requests_are_problems_with_their_status(
    client: httpx.Client,
    method: str,
    params: dict[str, str | list[str]],
    body: bytes,
    kind: str | None,
    status: int,
) -> None:
    """Every refusal is a problem document that says what was expected."""
    headers = {"Content-Type": kind} if kind else {}
    answer = client.request(method, "/sparql", params=params, content=body, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["status"] == status
    assert document["title"] and document["detail"]
    assert document["instance"] == "/sparql"
    if status == 405:
        assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST, QUERY"


def test_syntax_problem_names_line_and_column(client: httpx.Client) -> None:
    """A person can find the place."""
    document = client.get("/sparql", params={"query": "SELECT ?s\nWHERE { ?s ?p }"}).json()
    assert document["line"] == 2
    assert document["column"] >= 1


def test_not_acceptable_lists_the_types(client: httpx.Client) -> None:
    """406 says what there is."""
    answer = client.get("/sparql", params={"query": SELECT}, headers={"Accept": "image/png"})
    assert answer.status_code == 406
    assert "text/csv" in answer.json()["available"]


def test_problem_is_a_page_when_a_browser_asks(client: httpx.Client) -> None:
    """Browsers see the editor with the mistake, under the same status."""
    answer = client.get(
        "/sparql", params={"query": "SELECT ?s WHERE { ?s ?p }"}, headers={"Accept": "text/html"}
    )
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert "<textarea" in answer.text


def test_description_is_given_when_there_is_no_query_string(client: httpx.Client) -> None:
    """The service describes itself in RDF, and only what is true."""
    for accept, parser in (("text/turtle", "turtle"), ("application/rdf+xml", "xml"), ("*/*", "turtle")):
        answer = client.get("/sparql", headers={"Accept": accept})
        graph = Graph().parse(data=answer.content, format=parser)
        service = URIRef(str(client.base_url.join("/sparql")))
        assert (service, RDF.type, SD.Service) in graph
        assert (service, SD.endpoint, service) in graph
        assert (service, SD.supportedLanguage, SD.SPARQL11Query) in graph
        assert (None, SD.feature, SD.BasicFederatedQuery) not in graph
        [entailment] = graph.objects(service, SD.defaultEntailmentRegime)
        assert str(entailment) == "http://www.w3.org/ns/entailment/Simple"
        assert answer.headers["kg-version"]


def test_description_counts_what_the_graphs_hold(client: httpx.Client) -> None:
    """Each named graph of the description is there with its number of triples, the default graph too."""
    graph = Graph().parse(data=client.get("/sparql").content, format="turtle")
    [dataset] = graph.objects(None, SD.defaultDataset)
    [default] = graph.objects(dataset, SD.defaultGraph)
    told = {"": int(str(graph.value(default, VOID.triples)))}
    for named in graph.objects(dataset, SD.namedGraph):
        size = graph.value(graph.value(named, SD.graph), VOID.triples)
        told[str(graph.value(named, SD.name))] = int(str(size))
    assert len(told) > 5
    for iri, number in told.items():
        params = {"graph": iri} if iri else {"default": ""}
        lines = client.get("/graph-store", params=params | {"format": "nt"}).text.splitlines()
        assert len(lines) == number, iri
    assert (default, VOID.classPartition, None) in graph


def test_browsers_get_the_editor_when_there_is_no_query_string(client: httpx.Client) -> None:
    """The same address is a page for people."""
    answer = client.get("/sparql", headers={"Accept": "text/html"})
    assert "<textarea" in answer.text


def test_held_answers_are_not_sent_again(client: httpx.Client) -> None:
    """ETag and If-None-Match give 304 with no body."""
    first = client.get("/sparql", params={"query": SELECT})
    tag = first.headers["etag"]
    again = client.get("/sparql", params={"query": SELECT}, headers={"If-None-Match": f'"x", W/{tag}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == tag
    other = client.get("/sparql", params={"query": SELECT, "format": "csv"}, headers={"If-None-Match": tag})
    assert other.status_code == 200


def test_head_answers_as_get_without_a_body(client: httpx.Client) -> None:
    """HEAD gives the headers of GET."""
    got = client.get("/sparql", params={"query": SELECT})
    headed = client.head("/sparql", params={"query": SELECT})
    assert (headed.status_code, headed.content) == (200, b"")
    assert headed.headers["content-type"] == got.headers["content-type"]
    assert headed.headers["etag"] == got.headers["etag"]
    assert headed.headers["content-length"] == got.headers["content-length"]


def test_preflight_allows_what_clients_send(client: httpx.Client) -> None:
    """CORS: any origin, no credentials, Accept and Content-Type."""
    answer = client.options(
        "/sparql",
        headers={"Origin": "https://example.org", "Access-Control-Request-Method": "POST"},
    )
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "Content-Type" in answer.headers["access-control-allow-headers"]
    exposed = client.get("/sparql", params={"query": ASK}).headers["access-control-expose-headers"]
    assert {"Link", "ETag", "Content-Location"} <= set(exposed.split(", "))


def test_csv_and_tsv_have_their_headers(client: httpx.Client) -> None:
    """CSV names columns bare and ends lines with CRLF, TSV with a question mark."""
    assert client.get("/sparql", params={"query": SELECT, "format": "csv"}).text.startswith("s\r\n")
    assert client.get("/sparql", params={"query": SELECT, "format": "tsv"}).text.startswith("?s\n")


def test_description_is_the_same_bytes_each_time(client: httpx.Client) -> None:
    """So a client that has it gets 304."""
    first, second = (client.get("/sparql", headers={"Accept": "text/turtle"}) for _ in range(2))
    assert first.headers["ETag"] == second.headers["ETag"]


def test_a_body_announced_too_long_is_413_before_it_is_sent(
    client: httpx.Client, served: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """The length in the header is enough to refuse it; a client that goes before its end is no fault."""
    head = "POST /sparql HTTP/1.1\r\nHost: x\r\nContent-Type: application/sparql-query\r\n"
    for length in (served.max_body_bytes + 1, 100):
        with socket.create_connection((client.base_url.host, client.base_url.port or 80), 5) as raw:
            raw.sendall(f"{head}Content-Length: {length}\r\n\r\nASK {{}}".encode())
            if length > served.max_body_bytes:
                assert raw.recv(12) == b"HTTP/1.1 413"
            time.sleep(0.2)
    assert client.get("/health").json()["status"] == "ok"
    assert [one for one in caplog.records if one.levelno >= logging.ERROR] == []
