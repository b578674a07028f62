"""
The W3C's 34 tests of the SPARQL 1.1 Protocol, over HTTP against the started service.

Their requests are in `protocol.yaml`; bench/protocol.py sends them, to other services too. Their names are
compared with the W3C's list. They run twice: against the service as it is for the public, which takes no
updates, so that the seven tests that need one to succeed cannot apply, and get 403; and against a scratch
service, where all 34 pass.

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


KIND = "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <http://xmlns.com/foaf/0.1/Document>"
# Three graphs: each says that it is a document.
QUADS = "".join(f"<{one}> {KIND} <{one}> .\n" for one in (D1, D2, D3)).encode()
Serve = Callable[..., AbstractContextManager[httpx.Client]]


@pytest.fixture(scope="module")
def client(serve_quads: Serve) -> Iterator[httpx.Client]:
    """Serve the three graphs as the public is served."""
    with serve_quads(QUADS) as started:
        yield started


@pytest.fixture(scope="module")
def scratch(serve_quads: Serve) -> Iterator[httpx.Client]:
    """Serve a scratch copy of the three graphs."""
    with serve_quads(QUADS, scratch=True) as started:
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


def test_protocol_with_updates(scratch: httpx.Client) -> None:
    """All 34 pass where updates are taken; those that ask for a refusal get 4xx and a problem document."""
    ours = BENCH.Engine("Lateral --scratch", "", (), "/sparql", "/sparql")
    found = {name: BENCH.run(ours, scratch, name, requests) for name, requests in TESTS.items()}
    assert found == dict.fromkeys(TESTS, "pass")
    assert len(found) == 34
    for name in (one for one in TESTS if one.startswith("bad_")):
        answer = BENCH.send(scratch, "/sparql", TESTS[name][0])
        assert answer.status_code in (400, 405, 415), name
        assert answer.headers["content-type"] == "application/problem+json"


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
    """The columns of this service in docs/conformance.md are what the same tester finds now."""
    page = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
    table = page.partition(f"<!-- {BENCH.MARK} -->\n")[2].partition(f"<!-- /{BENCH.MARK} -->")[0]
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (\w+) \|", table, re.MULTILINE)
    told = {name: public for name, public, _ in rows}
    ours = BENCH.Engine("Lateral", "", (), "/sparql", "/sparql", takes_updates=False)
    assert told == {name: BENCH.run(ours, client, name, requests) for name, requests in TESTS.items()}
    assert list(told.values()).count("pass") == 27
    assert list(told.values()).count("refused") == 7
    assert {name: scratch for name, _, scratch in rows} == dict.fromkeys(TESTS, "pass")


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
