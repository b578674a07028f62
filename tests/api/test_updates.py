"""Tests of `kg.api.updates`: who may update a scratch copy, and what everybody sees then."""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from kg.api import state
from kg.config import Settings
from kg.engine import updating

FORM = "application/x-www-form-urlencoded"
UPDATE = "application/sparql-update"
RUNAWAY = "INSERT { ?a <urn:x> ?f } WHERE { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l FILTER(?c = ?k) }"
DOUBLED = "".join(f"BIND(CONCAT(?s{n}, ?s{n}) AS ?s{n + 1}) " for n in range(30))
GREEDY = f"INSERT {{ <urn:a> <urn:b> ?s30 }} WHERE {{ BIND('0123456789' AS ?s0) {DOUBLED} }}"


@pytest.fixture(scope="module")
def scratch(
    served: Settings, serve: Callable[[Settings], AbstractContextManager[httpx.Client]]
) -> Iterator[httpx.Client]:
    """Serve a scratch copy of the small project, with a short deadline."""
    with serve(replace(served, scratch=True, timeout_s=2.0, max_memory_bytes=300_000_000)) as started:
        yield started


def update(client: httpx.Client, text: str, **params: str) -> httpx.Response:
    """Send an update as the body."""
    return client.post("/sparql", content=text.encode(), params=params, headers={"Content-Type": UPDATE})


def values(client: httpx.Client, query: str) -> list[str]:
    """Ask a query of one column and return its values."""
    answer = client.get("/sparql", params={"query": query}, headers={"Accept": "text/csv"})
    assert answer.status_code == 200, answer.text
    return answer.text.splitlines()[1:]


def version(client: httpx.Client) -> str:
    """Return the version that is served."""
    return str(client.get("/health").json()["version"])


def test_an_update_is_seen_by_whoever_asks_next(scratch: httpx.Client) -> None:
    """The answer comes after the switch: cached answers, the search, the names are those of the copy."""
    before, asked = version(scratch), "SELECT ?o { <https://w3id.org/lateral/id/novelty> ?p ?o }"
    assert values(scratch, asked) == values(scratch, asked) == []
    label = "<http://www.w3.org/2000/01/rdf-schema#label> 'Zyzzyva'@en"
    answer = update(scratch, f"INSERT DATA {{ <https://w3id.org/lateral/id/novelty> {label} }}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["kg-version"] == version(scratch) != before
    assert version(scratch).partition("~")[0] == before.partition("~")[0]
    assert values(scratch, asked) == ["Zyzzyva"]
    assert "id/novelty" in scratch.get("/search", params={"q": "zyzzyva"}).text


def test_an_update_acts_on_the_graphs_that_it_names_alone(scratch: httpx.Client) -> None:
    """The default graph was filled as a merge; afterwards it and the named graphs go their own ways."""
    update(scratch, "INSERT DATA { GRAPH <urn:g> { <urn:named> <urn:p> 1 } <urn:default> <urn:p> 1 }")
    assert values(scratch, "SELECT ?s { ?s <urn:p> 1 }") == ["urn:default"]
    assert values(scratch, "SELECT ?s { GRAPH ?g { ?s <urn:p> 1 } }") == ["urn:named"]
    update(scratch, "DELETE WHERE { ?s <urn:p> 1 }")
    assert values(scratch, "SELECT ?s { { ?s <urn:p> 1 } UNION { GRAPH ?g { ?s <urn:p> 1 } } }") == [
        "urn:named"
    ]
    # DELETE WHERE has no place for USING: it is written out
    assert update(scratch, "DELETE WHERE { ?s <urn:p> 1 }", **{"using-graph-uri": "urn:g"}).status_code == 204
    assert update(scratch, "DROP GRAPH <urn:g>").status_code == 204


def test_an_update_is_all_or_nothing(scratch: httpx.Client) -> None:
    """One operation that fails leaves nothing of the others; the version stays."""
    before = version(scratch)
    answer = update(scratch, "INSERT DATA { <urn:half> <urn:p> 1 } ; CLEAR GRAPH <urn:no-such-graph>")
    assert answer.status_code == 400
    assert "urn:no-such-graph" in answer.json()["detail"] and "nothing was changed" in answer.json()["detail"]
    assert (version(scratch), values(scratch, "SELECT ?o { <urn:half> ?p ?o }")) == (before, [])


@pytest.mark.parametrize(
    ("method", "params", "body", "kind", "status"),
    [
        ("GET", {"update": "CLEAR ALL"}, "", None, 400),
        ("GET", {"query": "CLEAR ALL"}, "", None, 403),
        ("QUERY", {}, "update=CLEAR+ALL", FORM, 400),
        ("QUERY", {}, "CLEAR ALL", UPDATE, 400),
        ("PUT", {}, "CLEAR ALL", UPDATE, 405),
        ("POST", {}, "update=CLEAR+ALL&update=CLEAR+ALL", FORM, 400),
        ("POST", {"update": "CLEAR ALL"}, "CLEAR ALL", UPDATE, 400),
        ("POST", {}, "update=CLEAR+ALL&query=ASK+%7B%7D", FORM, 400),
        ("POST", {"using-graph-uri": "no iri"}, "CLEAR ALL", UPDATE, 400),
        ("POST", {"using-graph-uri": "urn:a> USING <urn:b"}, "CLEAR ALL", UPDATE, 400),
        ("POST", {"using-named-graph-uri": "urn:g"}, "DELETE {} USING <urn:h> WHERE {}", UPDATE, 400),
        ("POST", {"using-graph-uri": "urn:g"}, "with<urn:h>DELETE {} WHERE {}", UPDATE, 400),
        ("POST", {}, "CLEAR ALL", "text/plain", 415),
        ("POST", {}, "CLEAR ALL", f"{UPDATE}; charset=UTF-16", 415),
        ("POST", {}, "#" * 60_000, UPDATE, 413),
        ("POST", {}, "SELECT * {}", UPDATE, 400),
    ],
)
def test_a_bad_update_is_a_problem_and_changes_nothing(
    scratch: httpx.Client, method: str, params: dict[str, str], body: str, kind: str | None, status: int
) -> None:
    """Each gets its status and a reason; the version stays."""
    before = version(scratch)
    headers = {"Content-Type": kind} if kind else {}
    answer = scratch.request(method, "/sparql", params=params, content=body.encode(), headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]
    assert version(scratch) == before


@pytest.mark.parametrize(
    ("text", "line", "column", "said"),
    [
        ("INSRT DATA {}", 1, 1, "write INSERT"),
        ("CLEAR ALL ;\nINSERT DATA { <urn:a> un:b 1 }", 2, 23, "is not declared"),
        ("INSERT { } WHERE { } ; CLEAR ALL CLEAR ALL", 1, 37, "'CLEAR' was not expected"),
        ("CLEAR ALL } ;", 1, 11, "closes nothing"),
        ("LOAD <http://127.0.0.1/x>", 1, 1, "LOAD is refused"),
        ("CLEAR ALL;load silent <x>", 1, 11, "LOAD is refused"),
        ("PREFIX x: <http://127.0.0.1/> LOADx:y", 1, 31, "LOAD is refused"),
        ("\\u004cOAD <file:///etc/passwd> INTO GRAPH <urn:g>", 1, 1, "LOAD is refused"),
        ("INSERT {} WHERE { SERVICE <http://127.0.0.1/> {} }", 1, 19, "SERVICE is refused"),
        ("INSERT {} WHERE { service silent ?x {} }", 1, 19, "SERVICE is refused"),
    ],
)
@pytest.mark.parametrize("using", [{}, {"using-graph-uri": "urn:g"}])
def test_what_is_wrong_is_told_with_its_place(
    scratch: httpx.Client, text: str, line: int, column: int, said: str, using: dict[str, str]
) -> None:
    """Line and column are those of the text that was sent, whatever the dataset of the request adds to it."""
    answer = update(scratch, text, **using)
    assert answer.status_code == 400
    problem = answer.json()
    assert (problem["line"], problem["column"]) == (line, column)
    assert said in problem["detail"]


@pytest.mark.parametrize("how", ["LOAD {}", "INSERT {{ ?s ?p ?o }} WHERE {{ SERVICE {} {{ ?s ?p ?o }} }}"])
def test_nothing_is_opened_even_where_the_refusal_fails(
    scratch: httpx.Client, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A worker has no network: an address that the lexer missed is never called."""
    monkeypatch.setattr(updating, "_refuse_far", lambda *_: None)
    before = version(scratch)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        answer = update(scratch, how.format(f"<http://127.0.0.1:{listener.getsockname()[1]}/>"))
        with pytest.raises(TimeoutError):
            listener.accept()
    assert answer.status_code == 400
    assert version(scratch) == before


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://[bad"},
        {"Host": "rebound.example"},
        {"X-Forwarded-For": "203.0.113.7"},
    ],
)
def test_updates_come_from_this_machine_alone(scratch: httpx.Client, headers: dict[str, str]) -> None:
    """No page of another site, no name that was made to lead here, nobody behind a proxy can change it."""
    before = version(scratch)
    answer = scratch.post("/sparql", data={"update": "CLEAR ALL"}, headers=headers)
    assert answer.status_code == 403
    assert "its own machine" in answer.json()["detail"]
    assert version(scratch) == before


def test_a_page_of_this_machine_may_update(scratch: httpx.Client) -> None:
    """An editor on another port of this machine is no stranger."""
    headers = {"Origin": "http://localhost:3000"}
    answer = scratch.post("/sparql", data={"update": "INSERT DATA {}"}, headers=headers)
    assert answer.status_code == 204


def test_a_runaway_update_ends_at_the_deadline(scratch: httpx.Client) -> None:
    """The old version is served on meanwhile and afterwards, and takes the next update."""
    before, ended = version(scratch), threading.Event()
    took: list[float] = []

    def read() -> None:
        while not ended.is_set():
            start = time.monotonic()
            answer = scratch.get("/sparql", params={"query": f"ASK {{ ?s ?p 'x{len(took)}' }}"})
            took.append(time.monotonic() - start)
            assert answer.headers["kg-version"] == before

    with ThreadPoolExecutor() as threads:
        reading = threads.submit(read)
        start = time.monotonic()
        answer = update(scratch, RUNAWAY)
        ended.set()
        reading.result()
    assert answer.status_code == 503 and "KG_TIMEOUT_S" in answer.json()["detail"]
    assert int(answer.headers["retry-after"]) >= 1
    assert 1.9 < time.monotonic() - start < 4
    assert len(took) > 10 and max(took) < 1.5
    assert version(scratch) == before
    assert update(scratch, "INSERT DATA {}").status_code == 204


def test_a_greedy_update_ends_at_its_memory(scratch: httpx.Client) -> None:
    """The worker dies, not the service."""
    before = version(scratch)
    answer = update(scratch, GREEDY)
    assert answer.status_code == 503 and "memory" in answer.json()["detail"]
    assert version(scratch) == before


def until_taken(client: httpx.Client, text: str) -> httpx.Response:
    """Send an update again while the service is too busy for it: its deadline is short here."""
    while (answer := update(client, text)).status_code == 503:
        time.sleep(0.1)
    return answer


def test_updates_at_once_go_one_after_the_other(scratch: httpx.Client) -> None:
    """Each starts from what the one before made; a reader never sees a half."""
    count = "SELECT ?v { <urn:count> <urn:is> ?v }"
    next_one = (
        "DELETE { ?s ?p ?v } INSERT { ?s ?p ?w } WHERE { ?s ?p ?v BIND(?v + 1 AS ?w) FILTER(?p = <urn:is>) }"
    )
    assert update(scratch, "INSERT DATA { <urn:count> <urn:is> 0 }").status_code == 204
    with ThreadPoolExecutor(6) as threads:
        sent = [threads.submit(until_taken, scratch, next_one) for _ in range(5)]
        while not all(one.done() for one in sent):
            assert len(values(scratch, count)) == 1
    assert [one.result().status_code for one in sent] == [204] * 5
    assert len({one.result().headers["kg-version"] for one in sent}) == 5
    assert values(scratch, count) == ["5"]


def test_the_description_says_that_updates_are_taken(scratch: httpx.Client, client: httpx.Client) -> None:
    """Only what is true."""
    for one, is_said in ((scratch, True), (client, False)):
        described = one.get("/sparql", headers={"Accept": "application/n-triples"}).text
        assert ("SPARQL11Update" in described) is is_said


def test_the_copy_goes_its_own_way_and_is_forgotten(
    served: Settings,
    serve: Callable[[Settings], AbstractContextManager[httpx.Client]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No look for a new version takes it back; one file holds it; none is left; the next start is clean."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(state, "WATCH_EVERY_S", 0.02)
    current = (served.build_path / "current").read_text()
    with serve(replace(served, scratch=True)) as started:
        for number in range(2):
            assert (
                update(started, f"CLEAR ALL ; INSERT DATA {{ <urn:a> <urn:b> {number} }}").status_code == 204
            )
        time.sleep(0.3)
        assert values(started, "SELECT ?o { ?s ?p ?o }") == ["1"]
        assert [one.name for one in tmp_path.glob("*/*")] == [version(started)]
    assert not list(tmp_path.iterdir())
    with serve(replace(served, scratch=True)) as started:
        assert version(started) == current.strip() == (served.build_path / "current").read_text().strip()
        assert len(values(started, "SELECT ?o { ?s ?p ?o }")) > 1
