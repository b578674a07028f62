"""Large answers over HTTP: sent while they are written, never half as if whole, at no one else's cost."""

from __future__ import annotations

import json
import logging
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from kg.config import Settings

Serve = Callable[[Settings], AbstractContextManager[httpx.Client]]
TRIPLES = "GRAPH <https://w3id.org/lateral/graph/entities> { ?a ?b ?c }"
PRODUCT = "SELECT * { ?a ?b ?c . ?d ?e ?f } LIMIT 20000"
ENDLESS = "SELECT * { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }"
RUNAWAY = "SELECT (COUNT(*) AS ?n) WHERE { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l }"
TIMEOUT_S = 1.0
needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads /proc (Linux)")


@pytest.fixture(scope="module")
def large(served: Settings, serve: Serve) -> Iterator[httpx.Client]:
    """Serve the small project, where all but the smallest answers are large."""
    settings = replace(
        served,
        large_answer_bytes=200,
        client_timeout_s=TIMEOUT_S,
        timeout_s=20.0,
        max_answer_bytes=70_000_000,
    )
    with serve(settings) as client:
        wait_until(client, lambda status: len(status["workers"]) == status["wanted_workers"])
        yield client


def wait_until(
    client: httpx.Client, holds: Callable[[dict[str, Any]], bool], *, within_s: float = 5.0
) -> None:
    """Wait until the status of the service is as wanted."""
    deadline = time.monotonic() + within_s
    while not holds(status := client.get("/health").json()):
        assert time.monotonic() < deadline, status
        time.sleep(0.02)


def is_free(status: dict[str, Any]) -> bool:
    """Say whether no place, no worker and no room is held."""
    return (
        not any(lane["running"] for lane in status["lanes"].values())
        and not any(one["busy"] for one in status["workers"])
        and len(status["workers"]) == status["wanted_workers"]
        and status["spools"]["used_bytes"] == 0
    )


@contextmanager
def asked(
    client: httpx.Client, query: str, *, version: str = "1.1", method: str = "GET"
) -> Iterator[socket.socket]:
    """Ask over a socket of one's own, with little room for what comes."""
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 10_000)
        raw.settimeout(20)
        raw.connect((client.base_url.host, client.base_url.port or 80))
        raw.sendall(
            f"{method} /sparql?{urlencode({'query': query})} HTTP/{version}\r\nHost: x\r\n\r\n".encode()
        )
        yield raw


def read_all(raw: socket.socket) -> bytes:
    """Read until the other side closes, gently or not."""
    found = bytearray()
    with suppress(ConnectionResetError):
        while part := raw.recv(100_000):
            found += part
    return bytes(found)


def open_files() -> int:
    """Count the open files and sockets of this process, which is the service too."""
    return len(list(Path("/proc/self/fd").iterdir()))


def wait_for_files(most: int) -> None:
    """Wait until no more files are open than that."""
    deadline = time.monotonic() + TIMEOUT_S + 2
    while open_files() > most:
        assert time.monotonic() < deadline, f"{open_files()} files are open, not {most}"
        time.sleep(0.02)


def memory_bytes() -> int:
    """Return the resident memory of this process, which is the service too."""
    found = re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found.group(1)) * 1024


def test_large_answer_has_the_headers_of_a_small_one(large: httpx.Client, client: httpx.Client) -> None:
    """It comes in chunks, in the same bytes, with a weak tag."""
    query = f"SELECT * {{ {TRIPLES} }} ORDER BY ?a ?b ?c"
    whole, parts = (one.get("/sparql", params={"query": query}) for one in (client, large))
    assert parts.content == whole.content
    assert parts.headers["transfer-encoding"] == "chunked" and "transfer-encoding" not in whole.headers
    names = set(whole.headers) - {"content-length", "date", "etag"}
    assert "kg-version" in names and "access-control-allow-origin" in names
    assert {name: parts.headers[name] for name in names} == {name: whole.headers[name] for name in names}
    assert parts.headers["etag"].startswith('W/"') and whole.headers["etag"].startswith('"')


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/sparql", {"query": "CONSTRUCT { ?a ?b ?c } WHERE { ?a ?b ?c }"}),
        ("/.well-known/sparql-examples", {}),
        ("/.well-known/void", {"format": "nt"}),
    ],
)
def test_held_large_answer_is_not_asked_for_again(
    large: httpx.Client, path: str, params: dict[str, str]
) -> None:
    """A client that sends its weak tag gets 304, and no worker is asked; another format is another answer."""
    first = large.get(path, params=params)
    tag = first.headers["etag"]
    before = large.get("/health").json()["counts"]["queries"]
    again = large.get(path, params=params, headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert again.headers["kg-version"] == first.headers["kg-version"]
    assert large.get("/health").json()["counts"]["queries"] == before
    other = large.get(path, params={**params, "format": "jsonld"}, headers={"If-None-Match": tag})
    assert other.status_code == 200


def test_template_answers_large_too(large: httpx.Client) -> None:
    """The answer of a question is sent in chunks where it is large, with its links."""
    keys = [one["template"] for one in large.get("/queries", params={"format": "json"}).json()]
    answers = [large.get(f"/queries/{key}", params={"format": "json"}) for key in keys]
    chunked = [one for one in answers if one.headers.get("transfer-encoding") == "chunked"]
    assert chunked and all(one.json()["results"]["bindings"] and one.headers["link"] for one in chunked)


def test_head_of_a_large_answer_ends_its_query(large: httpx.Client) -> None:
    """HEAD gives the headers of GET, but for the length, and leaves nothing running."""
    started = time.monotonic()
    answer = large.head("/sparql", params={"query": ENDLESS})
    assert (answer.status_code, answer.content) == (200, b"")
    assert "content-length" not in answer.headers and answer.headers["etag"].startswith('W/"')
    wait_until(large, is_free)
    assert time.monotonic() - started < 3.0


def test_answer_that_fails_after_its_first_bytes_is_broken_off(
    large: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    """The chunks do not end as they should, and the log says why."""
    with (
        pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"),
        large.stream("GET", "/sparql", params={"query": ENDLESS}) as answer,
    ):
        assert answer.status_code == 200
        for _ in answer.iter_raw():
            pass
    assert [
        one for one in caplog.messages if "/sparql: broken off after" in one and "KG_MAX_ANSWER_BYTES" in one
    ]
    wait_until(large, is_free)


def test_old_client_gets_the_whole_or_a_problem(large: httpx.Client) -> None:
    """HTTP/1.0 has no chunks: the answer waits until its length is known, and an error is still a problem."""
    query = f"SELECT * {{ {TRIPLES} }}"
    with asked(large, query, version="1.0") as raw:
        head, _, body = read_all(raw).partition(b"\r\n\r\n")
    assert b" 200 " in head and f"content-length: {len(body)}".encode() in head.lower()
    assert json.loads(body)["results"]["bindings"]
    with asked(large, ENDLESS, version="1.0") as raw:
        head, _, body = read_all(raw).partition(b"\r\n\r\n")
    assert b" 413 " in head and json.loads(body)["status"] == 413
    wait_until(large, is_free)


@needs_proc
def test_slow_reader_holds_nothing_but_disk_and_is_cut_off(
    large: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    """While a client does not read, its worker is free and others are served; then all it held is free."""
    before = open_files()
    with asked(large, PRODUCT) as raw:
        assert raw.recv(15) == b"HTTP/1.1 200 OK"
        wait_until(large, lambda status: not status["lanes"]["slow"]["running"])
        status = large.get("/health").json()
        assert status["spools"]["used_bytes"] > 5_000_000
        assert not any(one["busy"] for one in status["workers"])
        assert large.get("/sparql", params={"query": "ASK {}"}).json()["boolean"] is True
        wait_until(large, is_free, within_s=TIMEOUT_S + 2)
        wait_for_files(before + 1)  # the client's own end of the connection
        assert b"\r\n0\r\n\r\n" not in read_all(raw)
    assert [one for one in caplog.messages if "cut off after" in one]


@needs_proc
@pytest.mark.parametrize(("query", "reads"), [(ENDLESS, True), (RUNAWAY, False)])
def test_client_that_leaves_ends_its_query(large: httpx.Client, query: str, reads: bool) -> None:
    """In the middle of the answer or before it, what it held is free at once."""
    wait_until(large, is_free)
    before = open_files()
    with asked(large, query) as raw:
        if reads:
            assert raw.recv(15) == b"HTTP/1.1 200 OK"
        wait_until(large, lambda status: any(lane["running"] for lane in status["lanes"].values()))
    started = time.monotonic()
    wait_until(large, is_free)
    assert time.monotonic() - started < 3.0
    wait_for_files(before)


@needs_proc
def test_memory_stays_flat_when_an_answer_is_large(large: httpx.Client) -> None:
    """Sixty megabytes go through the service, and it grows by less than twenty."""
    large.get("/sparql", params={"query": PRODUCT})
    before = most = memory_bytes()
    size = 0
    with (
        suppress(httpx.RemoteProtocolError),
        large.stream("GET", "/sparql", params={"query": ENDLESS}) as answer,
    ):
        for number, part in enumerate(answer.iter_raw()):
            size += len(part)
            if number % 20 == 0:
                most = max(most, memory_bytes())
    assert size > 60_000_000
    assert most - before < 20_000_000


def test_full_spool_is_a_problem_when_nothing_was_sent(served: Settings, serve: Serve) -> None:
    """There is no room for large answers: 503 with Retry-After, and small ones are answered."""
    settings = replace(served, large_answer_bytes=1_000, spool_bytes=500)
    with serve(settings) as client:
        answer = client.get("/sparql", params={"query": f"SELECT * {{ {TRIPLES} }}"})
        assert answer.status_code == 503 and int(answer.headers["retry-after"]) > 0
        assert "KG_SPOOL_BYTES" in answer.json()["detail"]
        assert client.get("/sparql", params={"query": "ASK {}"}).status_code == 200


def test_log_is_quiet_when_all_is_well(large: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    """A large answer that is read to its end logs nothing."""
    assert large.get("/sparql", params={"query": PRODUCT}).status_code == 200
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []
