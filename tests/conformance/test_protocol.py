"""
The W3C's 34 tests of the SPARQL 1.1 Protocol, over HTTP against the started service.

The requests are written here from the specification; their names are compared with the W3C's list.
This service takes no updates: the seven tests that need one to succeed cannot apply, and get 403.

Source: SPARQL 1.1 Protocol, sections 2.1, 2.2 and 4; https://www.w3.org/2009/sparql/docs/tests/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from rdflib import Graph

D = "http://kasei.us/2009/09/sparql/data/data"
D0, D1, D2, D3 = (f"{D}{number}.rdf" for number in range(4))
FORM = "application/x-www-form-urlencoded"
QUERY = "application/sparql-query"
UPDATE = "application/sparql-update"
DEFAULT, NAMED = "default-graph-uri", "named-graph-uri"
DOCUMENTS = f"INSERT DATA {{ GRAPH <{D1}> {{ <{D1}> a <http://xmlns.com/foaf/0.1/Document> }} }} ;"
COPY = "INSERT { GRAPH <http://example.org/copy> { ?s a <http://example.org/Copy> } } WHERE"


@dataclass(frozen=True)
class Asked:
    """One request and what must come back: a status, a boolean, a kind of answer."""

    method: str = "POST"
    params: Sequence[tuple[str, str]] = ()
    body: bytes = b""
    type: str | None = None
    status: int = 200
    boolean: bool | None = None
    kind: str | None = None
    needs_update: bool = False


def get(*params: tuple[str, str], status: int = 200, boolean: bool | None = None) -> Asked:
    """Ask by GET."""
    return Asked("GET", params, status=status, boolean=boolean, kind="boolean" if status == 200 else None)


def post(query: str, *params: tuple[str, str], boolean: bool | None = None, kind: str = "boolean") -> Asked:
    """Ask with the query as the body."""
    return Asked("POST", params, query.encode(), QUERY, boolean=boolean, kind=kind)


def update(text: str, *params: tuple[str, str], kind: str = UPDATE) -> Asked:
    """Ask for an update that the protocol wants to succeed; here it is refused."""
    return Asked("POST", params, text.encode(), kind, status=403, needs_update=True)


def bad(body: str, kind: str | None, status: int, *params: tuple[str, str], encoding: str = "utf-8") -> Asked:
    """Ask wrongly."""
    return Asked("POST", params, body.encode(encoding), kind, status=status)


BOTH = f"ASK {{ <{D1}> a ?type . <{D2}> a ?type . }}"
IN_NAMED = f"GRAPH ?g1 {{ <{D1}> a ?type }} GRAPH ?g2 {{ <{D2}> a ?type }}"
DATASETS = {
    "default": [(DEFAULT, D1), (DEFAULT, D2)],
    "named": [(NAMED, D1), (NAMED, D2)],
    "full": [(DEFAULT, D3), (NAMED, D1), (NAMED, D2)],
}
TESTS: dict[str, Asked] = {
    "query_post_form": Asked(
        "POST", [(DEFAULT, D0)], b"query=ASK%20%7B%7D", FORM, boolean=True, kind="boolean"
    ),
    "query_dataset_default_graphs_get": get(("query", BOTH), *DATASETS["default"], boolean=True),
    "query_dataset_default_graphs_post": post(BOTH, *DATASETS["default"], boolean=True),
    "query_dataset_named_graphs_post": post(f"ASK {{ {IN_NAMED} }}", *DATASETS["named"], boolean=True),
    "query_dataset_named_graphs_get": get(
        ("query", f"ASK {{ {IN_NAMED} }}"), *DATASETS["named"], boolean=True
    ),
    "query_dataset_full": post(f"ASK {{ <{D3}> a ?type {IN_NAMED} }}", *DATASETS["full"], boolean=True),
    "query_multiple_dataset": post(f"ASK FROM <{D3}> {{ {IN_NAMED} }}", *DATASETS["named"], boolean=True),
    "query_get": get(("query", "ASK {}"), (DEFAULT, D0), boolean=True),
    "query_content_type_select": post("SELECT (1 AS ?value) {}", (DEFAULT, D0), kind="tabular"),
    "query_content_type_ask": post("ASK {}", (DEFAULT, D0)),
    "query_content_type_describe": post("DESCRIBE <http://example.org/>", (DEFAULT, D0), kind="RDF"),
    "query_content_type_construct": post("CONSTRUCT { <s> <p> 1 } WHERE {}", (DEFAULT, D0), kind="RDF"),
    "update_dataset_default_graph": update(
        f"CLEAR ALL ; {DOCUMENTS} {COPY} {{ ?s a ?type }}", ("using-graph-uri", D1)
    ),
    "update_dataset_default_graphs": update(
        f"DROP ALL ; {DOCUMENTS} {COPY} {{ ?s a ?type }}", ("using-graph-uri", D1), ("using-graph-uri", D2)
    ),
    "update_dataset_named_graphs": update(
        f"DROP ALL ; {DOCUMENTS} {COPY} {{ GRAPH ?g {{ ?s a ?type }} }}",
        ("using-named-graph-uri", D1),
        ("using-named-graph-uri", D2),
    ),
    "update_dataset_full": update(
        f"DROP ALL ; {DOCUMENTS} {COPY} {{ ?s a ?type GRAPH ?g {{ ?other a ?type }} }}",
        ("using-graph-uri", D1),
        ("using-named-graph-uri", D2),
    ),
    "update_post_form": update("update=CLEAR+ALL", kind=FORM),
    "update_post_direct": update("CLEAR ALL"),
    "update_base_uri": update(
        "INSERT DATA { GRAPH <http://example.org/g> { <http://example.org/s> a <test> } }"
    ),
    "query_post_direct": post("ASK {}", boolean=True),
    "bad_query_method": Asked("PUT", [("query", "ASK {}"), (DEFAULT, D0)], b"", FORM, status=405),
    "bad_multiple_queries": get(("query", "ASK {}"), ("query", "SELECT * {}"), status=400),
    "bad_query_wrong_media_type": bad("ASK {}", "text/plain", 415),
    "bad_query_missing_form_type": bad("query=ASK%20%7B%7D", None, 415),
    "bad_query_missing_direct_type": bad("ASK {}", None, 415),
    "bad_query_non_utf8": bad("ASK {}", f"{QUERY}; charset=UTF-16", 415, encoding="utf-16"),
    "bad_query_syntax": get(("query", "ASK {"), status=400),
    "bad_update_get": get(("update", "CLEAR ALL"), status=403),
    "bad_multiple_updates": bad("update=CLEAR%20NAMED&update=CLEAR%20DEFAULT", FORM, 403),
    "bad_update_wrong_media_type": bad("CLEAR NAMED", "text/plain", 415),
    "bad_update_missing_form_type": bad("update=CLEAR%20NAMED", None, 415),
    "bad_update_non_utf8": bad("CLEAR NAMED", f"{UPDATE}; charset=UTF-16", 415, encoding="utf-16"),
    "bad_update_syntax": bad("update=CLEAR%20XYZ", FORM, 403),
    "bad_update_dataset_conflict": bad(
        "WITH <http://example/a> DELETE { ?s ?p 'Bill' } INSERT { ?s ?p 'William' } WHERE { ?s ?p 'Bill' }",
        UPDATE,
        403,
        ("using-named-graph-uri", "http://example/people"),
    ),
}


@pytest.fixture(scope="module")
def client(serve_quads: Callable[[bytes], AbstractContextManager[httpx.Client]]) -> Iterator[httpx.Client]:
    """Serve the three graphs of the tests: each says that it is a document."""
    kind = "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <http://xmlns.com/foaf/0.1/Document>"
    with serve_quads("".join(f"<{one}> {kind} <{one}> .\n" for one in (D1, D2, D3)).encode()) as started:
        yield started


@pytest.mark.parametrize("name", TESTS)
def test_protocol(client: httpx.Client, name: str) -> None:
    """The answer has the status, the type and the truth that the protocol asks for."""
    asked = TESTS[name]
    headers = {"Content-Type": asked.type} if asked.type else {}
    answer = client.request(
        asked.method, "/sparql", params=list(asked.params), content=asked.body, headers=headers
    )
    assert answer.status_code == asked.status
    if asked.kind:
        check_kind(answer, asked.kind)
    if asked.boolean is not None:
        assert answer.json()["boolean"] is asked.boolean
    if asked.status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]
    if asked.needs_update:
        assert "no updates" in answer.json()["detail"]


def check_kind(answer: httpx.Response, kind: str) -> None:
    """Check that a body is what its media type says, of the kind that the form of the query asks for."""
    media_type = answer.headers["content-type"].split(";")[0]
    if kind == "RDF":
        assert media_type == "text/turtle"
        Graph().parse(data=answer.content, format="turtle")
        return
    assert media_type == "application/sparql-results+json"
    assert ("boolean" if kind == "boolean" else "results") in answer.json()


def test_dataset_parameters_leave_out_other_graphs(client: httpx.Client) -> None:
    """What the parameters do not name is not there, whatever the query says with FROM."""
    for clause in ("", f"FROM <{D2}> ", f"FROM NAMED <{D2}> ", f"FROM <{D2}> FROM <{D3}> FROM NAMED <{D2}> "):
        for params in ([(DEFAULT, D1)], [(NAMED, D1)], [(DEFAULT, D1), (DEFAULT, D3), (NAMED, D3)]):
            query = f"ASK {clause}{{ {{ <{D2}> ?p ?o }} UNION {{ GRAPH ?g {{ <{D2}> ?p ?o }} }} }}"
            answer = client.get("/sparql", params=[("query", query), *params])
            assert answer.json()["boolean"] is False, (clause, params)


def test_every_test_of_the_w3c_is_here(suite: Path) -> None:
    """The 34 names are the W3C's; seven of them need an update to succeed."""
    manifest = Graph().parse(suite / "sparql11" / "protocol" / "manifest.ttl")
    names = {
        str(one).partition("#")[2]
        for one in manifest.subjects()
        if str(one).partition("#")[2].startswith(("query_", "update_", "bad_"))
    }
    assert names == set(TESTS)
    assert len(names) == 34
    assert sum(one.needs_update for one in TESTS.values()) == 7
