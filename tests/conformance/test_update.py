"""
The W3C's SPARQL 1.1 tests of update, over HTTP against a started scratch service.

Each evaluation test is one request: operations that leave the data that it starts from, then its own, behind
its own prologue. What the dataset then holds is asked for and compared. What fails is listed by name with its
reason in `failures.yaml`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pyoxigraph as ox
import pytest

from .test_query import (
    BASE,
    MF,
    RDF,
    UPDATE_FOLDERS,
    Manifest,
    Node,
    canonical,
    expected_failures,
    parse_graph,
)

UT = "http://www.w3.org/2009/sparql/tests/test-update#"
LABEL = "http://www.w3.org/2000/01/rdf-schema#label"
COUNT = 157
SYNTAX = {"PositiveUpdateSyntaxTest11": 2, "NegativeUpdateSyntaxTest11": 4, "NegativeSyntaxTest11": 4}
PROLOGUE = re.compile(r"(\s+|#.*|PREFIX\s+\S*\s*<[^>]*>|BASE\s*<[^>]*>)*", re.IGNORECASE)
EVERYTHING = "SELECT ?g ?s ?p ?o { { ?s ?p ?o } UNION { GRAPH ?g { ?s ?p ?o } } }"


@dataclass(frozen=True)
class Case:
    """One test: a dataset before, a request, a dataset after; graphs by name, the default graph without."""

    name: str
    kind: str
    request: str
    before: tuple[tuple[str, str], ...] = ()
    after: tuple[tuple[str, str], ...] = ()


def read_cases(suite: Path) -> Iterator[Case]:
    """Yield the tests of all folders."""
    for folder in UPDATE_FOLDERS:
        manifest = Manifest(suite / "sparql11" / folder / "manifest.ttl", suite)
        (node,) = (q.object for q in manifest.triples if q.predicate.value == MF + "entries")
        while not isinstance(node, ox.Triple) and node.value != RDF + "nil":
            (entry,) = manifest.objects(node, RDF + "first")
            (node,) = manifest.objects(node, RDF + "rest")
            (kind,) = (one.value.removeprefix(MF) for one in manifest.objects(entry, RDF + "type"))
            (action,) = manifest.objects(entry, MF + "action")
            name = f"{manifest.folder}#{entry.value.partition('#')[2]}"
            if isinstance(action, ox.NamedNode):
                yield Case(name, kind, action.value.removeprefix(BASE))
            else:
                (result,) = manifest.objects(entry, MF + "result")
                (request,) = manifest.files(action, UT + "request")
                yield Case(
                    name, kind, request, read_dataset(manifest, action), read_dataset(manifest, result)
                )


def read_dataset(manifest: Manifest, node: Node) -> tuple[tuple[str, str], ...]:
    """Read (name of a graph, its file); the name of the default graph is empty."""
    found = [("", one) for one in manifest.files(node, UT + "data")]
    for graph in manifest.objects(node, UT + "graphData"):
        (name,) = manifest.objects(graph, LABEL)
        (file,) = manifest.files(graph, UT + "graph")
        found.append((name.value, file))
    return tuple(found)


def load(suite: Path, dataset: tuple[tuple[str, str], ...]) -> list[ox.Quad]:
    """Parse the files of a dataset; a blank node of one name is one node in all of them."""
    return [
        ox.Quad(one.subject, one.predicate, one.object, ox.NamedNode(name) if name else ox.DefaultGraph())
        for name, file in dataset
        for one in parse_graph(suite / file, suite)
    ]


def set_up(quads: list[ox.Quad]) -> str:
    """Write operations that leave these quads and no other; no blank node shares a label with the test's."""
    written: dict[object, list[str]] = {}
    for one in quads:
        written.setdefault(one.graph_name, []).append(f"{one.triple} .".replace("_:", "_:data-"))
    parts = [
        f"GRAPH {graph} {{ {' '.join(lines)} }}" if isinstance(graph, ox.NamedNode) else " ".join(lines)
        for graph, lines in written.items()
    ]
    return f"DROP ALL ; INSERT DATA {{ {' '.join(parts)} }} ;"


def read_everything(client: httpx.Client) -> list[ox.Quad]:
    """Ask for all quads of the service, as the media type writes them."""
    body = client.get("/sparql", params={"query": EVERYTHING}).content
    rows = ox.parse_query_results(body, format=ox.QueryResultsFormat.JSON)
    assert isinstance(rows, ox.QuerySolutions)
    return [ox.Quad(one["s"], one["p"], one["o"], one["g"] or ox.DefaultGraph()) for one in rows]


def run(client: httpx.Client, suite: Path, case: Case) -> str:
    """Run one test and say how it ended: "" is passed."""
    text = (suite / case.request).read_bytes().decode()
    before = ""
    if case.kind not in SYNTAX:
        before = set_up(load(suite, case.before))
    elif re.search("(CLEAR|DROP) GRAPH <graph>", text):
        before = "INSERT DATA { GRAPH <graph> { <s> <p> <o> } } ;"
    prologue = PROLOGUE.match(text)
    assert prologue
    text = f"{prologue[0]}\n{before}\n{text[prologue.end() :]}"
    answer = client.post("/sparql", data={"update": text})
    if answer.status_code // 100 != SYNTAX.get(case.kind, 2):
        return f"status {answer.status_code}"
    if case.kind in SYNTAX or canonical(read_everything(client)) == canonical(load(suite, case.after)):
        return ""
    return "answer"


@pytest.fixture(scope="module")
def client(
    serve_quads: Callable[..., AbstractContextManager[httpx.Client]], suite: Path
) -> Iterator[httpx.Client]:
    """Serve a scratch copy of nothing."""
    with serve_quads(b"", scratch=True) as started:
        yield started


def test_w3c_tests_of_update_end_as_listed(client: httpx.Client, suite: Path) -> None:
    """All pass but those in `failures.yaml`; one that passes and is listed there fails."""
    cases = list(read_cases(suite))
    outcomes = {case.name: run(client, suite, case) for case in cases}
    expected = expected_failures(*(f"sparql11/{one}#" for one in UPDATE_FOLDERS))
    assert {name: how for name, how in outcomes.items() if how} == expected
    assert len(outcomes) == COUNT
