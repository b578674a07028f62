"""
The W3C's 34 tests of the SPARQL 1.1 Protocol, over HTTP against the started service.

Their requests are in `protocol.yaml`; bench/protocol.py sends them, to other services too. Their names are
compared with the W3C's list. This service takes no updates: the seven tests that need one to succeed cannot
apply, and get 403.

Source: SPARQL 1.1 Protocol, sections 2.1, 2.2 and 4; https://www.w3.org/2009/sparql/docs/tests/
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from rdflib import Graph

D1, D2, D3 = (f"http://kasei.us/2009/09/sparql/data/data{number}.rdf" for number in (1, 2, 3))
DEFAULT, NAMED = "default-graph-uri", "named-graph-uri"
ROOT = Path(__file__).parents[2]


def load_bench() -> ModuleType:
    """Load bench/protocol.py, which puts the same requests to other services."""
    spec = importlib.util.spec_from_file_location("bench_protocol", ROOT / "bench" / "protocol.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


BENCH = load_bench()
TESTS: dict[str, list[dict[str, Any]]] = BENCH.load_tests()
TYPES = {"boolean": "application/sparql-results+json", "table": "application/sparql-results+json"}


@pytest.fixture(scope="module")
def client(serve_quads: Callable[[bytes], AbstractContextManager[httpx.Client]]) -> Iterator[httpx.Client]:
    """Serve the three graphs of the tests: each says that it is a document."""
    kind = "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <http://xmlns.com/foaf/0.1/Document>"
    with serve_quads("".join(f"<{one}> {kind} <{one}> .\n" for one in (D1, D2, D3)).encode()) as started:
        yield started


@pytest.mark.parametrize("name", TESTS)
def test_protocol(client: httpx.Client, name: str) -> None:
    """The answer has the status, the type and the truth that the protocol asks for, or refuses an update."""
    for asked in TESTS[name]:
        answer = BENCH.send(client, "/sparql", asked)
        if "here" in asked:
            assert answer.status_code == asked["here"]
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["detail"]
        if asked["answer"] == "2xx" and "here" in asked:
            assert "no updates" in answer.json()["detail"]
            return
        assert f"{answer.status_code // 100}xx" == asked["answer"]
        if "kind" in asked:
            check_kind(answer, asked["kind"])
        if "boolean" in asked:
            assert answer.json()["boolean"] is asked["boolean"]


def check_kind(answer: httpx.Response, kind: str) -> None:
    """Check that a body is what its media type says, of the kind that the form of the query asks for."""
    media_type = answer.headers["content-type"].split(";")[0]
    assert media_type == TYPES.get(kind, "text/turtle")
    if kind == "graph":
        Graph().parse(data=answer.content, format="turtle")
    else:
        assert ("boolean" if kind == "boolean" else "results") in answer.json()


def test_dataset_parameters_leave_out_other_graphs(client: httpx.Client) -> None:
    """What the parameters do not name is not there, whatever the query says with FROM."""
    for clause in ("", f"FROM <{D2}> ", f"FROM NAMED <{D2}> ", f"FROM <{D2}> FROM <{D3}> FROM NAMED <{D2}> "):
        for params in ([(DEFAULT, D1)], [(NAMED, D1)], [(DEFAULT, D1), (DEFAULT, D3), (NAMED, D3)]):
            query = f"ASK {clause}{{ {{ <{D2}> ?p ?o }} UNION {{ GRAPH ?g {{ <{D2}> ?p ?o }} }} }}"
            answer = client.get("/sparql", params=[("query", query), *params])
            assert answer.json()["boolean"] is False, (clause, params)


def test_table_beside_the_peers_says_what_this_service_does(client: httpx.Client) -> None:
    """The column of this service in docs/conformance.md is what the same tester finds now."""
    page = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
    table = page.partition(f"<!-- {BENCH.MARK} -->\n")[2].partition(f"<!-- /{BENCH.MARK} -->")[0]
    told = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", table, re.MULTILINE))
    ours = BENCH.Engine("Lateral", "", (), "/sparql", "/sparql", takes_updates=False)
    assert told == {name: BENCH.run(ours, client, name, requests) for name, requests in TESTS.items()}
    assert list(told.values()).count("pass") == 27
    assert list(told.values()).count("refused") == 7


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
    assert sum(one[0]["answer"] == "2xx" and "here" in one[0] for one in TESTS.values()) == 7
    assert all("here" in one[0] for one in TESTS.values() if one[0]["answer"] == "4xx")
