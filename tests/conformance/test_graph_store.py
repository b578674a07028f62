"""
The W3C's tests of the Graph Store Protocol, as far as they read, over HTTP against the started service.

This service takes no writes. The two tests that only read run whole; of those that write and then read, the
reading is asked for, over graphs that were loaded beforehand. The others are listed in `not-run.yaml`.

Source: SPARQL 1.1 Graph Store HTTP Protocol, sections 4.2, 5.2 and 5.7
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pyoxigraph as ox
import pytest
import yaml
from rdflib import Graph, Namespace

NOT_RUN = Path(__file__).with_name("not-run.yaml")
MF = Namespace("http://www.w3.org/2001/sw/DataAccess/tests/test-manifest#")
PERSON = "http://www.example/gsp/person/"
TURTLE = "text/turtle; charset=utf-8"
LOADED = {"": "Alice", PERSON + "1.ttl": "John Doe", PERSON + "%31.ttl": "Jane Doe"}
INDIRECT, DIRECT = "graph-store-protocol/indirect#", "graph-store-protocol/direct#"
# The query string as it is sent, and whose name the graph holds.
READ = {
    "put_get_repeat_indirect": ("graph=http%3A%2F%2Fwww.example%2Fgsp%2Fperson%2F1.ttl", "John Doe"),
    "put_get_default": ("default", "Alice"),
    "head_existing_indirect": ("graph=http%3A%2F%2Fwww.example%2Fgsp%2Fperson%2F1.ttl", ""),
    "put_get_uri_pct_encoded_indirect": ("graph=http://www.example/gsp/person/1.ttl", "John Doe"),
    "put_get_uri_pct_encoded_twice": ("graph=http://www.example/gsp/person/%2531.ttl", "Jane Doe"),
}


@pytest.fixture(scope="module")
def client(serve_quads: Callable[[bytes], AbstractContextManager[httpx.Client]]) -> Iterator[httpx.Client]:
    """Serve the graphs that the tests would have written."""
    lines = (
        f'<{PERSON}1> <http://www.w3.org/2006/vcard/ns#fn> "{name}" {f"<{graph}>" if graph else ""} .\n'
        for graph, name in LOADED.items()
    )
    with serve_quads("".join(lines).encode()) as started:
        yield started


@pytest.mark.parametrize("name", READ)
def test_reading_after_a_write(client: httpx.Client, name: str) -> None:
    """The graph that is named is given whole, its name decoded once and not twice."""
    query, person = READ[name]
    method = "GET" if person else "HEAD"
    answer = client.request(method, f"/graph-store?{query}", headers={"Accept": "text/turtle"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, TURTLE)
    if not person:
        assert answer.content == b""
        return
    [quad] = ox.parse(answer.content, ox.RdfFormat.TURTLE)
    assert isinstance(quad.object, ox.Literal) and quad.object.value == person


@pytest.mark.parametrize(
    "path", ["/graph-store?graph=http%3A%2F%2Fwww.example%2Fgsp%2Fperson%2F4.ttl", "/graph/4"]
)
def test_head_of_no_graph_is_404(client: httpx.Client, path: str) -> None:
    """W3C: head_non_existing_indirect and head_non_existing_direct."""
    answer = client.head(path, headers={"Accept": TURTLE})
    assert (answer.status_code, answer.content) == (404, b"")


def test_every_test_of_the_w3c_is_run_or_listed(suite: Path) -> None:
    """What is run, read in part or not run is the W3C's lists, each test once."""
    groups = yaml.safe_load(NOT_RUN.read_text(encoding="utf-8"))
    assert all(group["reason"] for group in groups)
    listed = [(name, how) for group in groups for name, how in group["tests"].items()]
    assert {name for name, how in listed if how == "read"} == {INDIRECT + name for name in READ}
    run = {INDIRECT + "head_non_existing_indirect", DIRECT + "head_non_existing_direct"}
    run.add("http-rdf-update#head_on_a_nonexisting_graph")
    folder = suite / "sparql11"
    found = {
        kind + str(test).partition("#")[2]
        for kind, path in (
            (INDIRECT, "graph-store-protocol/manifest-indirect.ttl"),
            (DIRECT, "graph-store-protocol/manifest-direct.ttl"),
            ("http-rdf-update#", "http-rdf-update/manifest.ttl"),
        )
        for test in Graph().parse(folder / path).subjects(predicate=None, object=MF.GraphStoreProtocolTest)
    }
    assert found == {name for name, _ in listed} | run
    assert len(listed) + len(run) == len(found) == 32
