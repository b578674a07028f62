"""Recalled responses: the same bytes as before, never another request's, never a version's that has gone."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest

from kg.api.recall import Kept, Recall, is_plain_get

QUERY = "SELECT ?s WHERE { ?s ?p ?o } ORDER BY ?s LIMIT 3"


def request(query: str, *headers: str) -> bytes:
    """Return the bytes of a GET request."""
    head = f"GET /sparql?query={quote(query)} HTTP/1.1\r\nHost: test\r\nAccept: application/json\r\n"
    return (head + "".join(f"{one}\r\n" for one in headers) + "\r\n").encode()


@pytest.fixture
def connection(client: httpx.Client) -> Iterator[socket.socket]:
    """Connect to the service, without a client's own handling."""
    address = (client.base_url.host, client.base_url.port)
    with socket.create_connection(address, timeout=5) as one:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield one


def receive(connection: socket.socket) -> tuple[bytes, bytes]:
    """Read one response: its head without the date, and its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65_536)
        assert piece, data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    while length and len(body) < int(length.group(1)):
        body += connection.recv(65_536)
    return re.sub(rb"date: [^\r]*\r\n", b"", head), body


def ask(connection: socket.socket, data: bytes) -> tuple[bytes, bytes]:
    """Send a request and read its response."""
    connection.sendall(data)
    return receive(connection)


def counted(client: httpx.Client, what: str) -> int:
    """Return what the service has counted so far."""
    return int(client.get("/health").json()["counts"].get(what, 0))


def recalled(client: httpx.Client) -> int:
    """Return how many responses were recalled so far."""
    return counted(client, "recalled")


def is_silent(connection: socket.socket) -> bool:
    """Say whether nothing more comes."""
    connection.settimeout(0.3)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return True


def test_the_same_bytes_get_the_same_response(client: httpx.Client, connection: socket.socket) -> None:
    """From the third time on it is recalled: the cache of results comes first."""
    before, queries = recalled(client), counted(client, "queries")
    data = request(QUERY)
    answers = [ask(connection, data) for _ in range(5)]
    assert answers[0][0].startswith(b"HTTP/1.1 200 OK")
    assert b'"bindings":[{' in answers[0][1]
    assert len(set(answers)) == 1
    assert (recalled(client) - before, counted(client, "queries") - queries) == (3, 5)


def test_a_held_response_is_recalled_as_304(client: httpx.Client, connection: socket.socket) -> None:
    """A conditional request is another request."""
    head, body = ask(connection, request(QUERY))
    tag = re.search(rb"etag: ([^\r]*)", head)
    assert body and tag
    data = request(QUERY, f"If-None-Match: {tag.group(1).decode()}")
    before = recalled(client)
    answers = [ask(connection, data) for _ in range(4)]
    assert {answer[0][:12] for answer in answers} == {b"HTTP/1.1 304"}
    assert {answer[1] for answer in answers} == {b""}
    assert recalled(client) > before


def test_a_request_inside_a_body_is_not_answered(connection: socket.socket) -> None:
    """What a client sends as the body of a POST is no request, even if it came before as one."""
    data = request(QUERY)
    for _ in range(3):
        ask(connection, data)
    post = "POST /sparql HTTP/1.1\r\nHost: test\r\nContent-Type: application/sparql-query\r\n"
    connection.sendall(f"{post}Content-Length: {len(data)}\r\n\r\n".encode())
    head, body = ask(connection, data)
    assert head.startswith(b"HTTP/1.1 400"), body
    assert is_silent(connection)


def test_a_request_inside_a_header_is_not_answered(connection: socket.socket) -> None:
    """What follows half a head belongs to that head."""
    data = request(QUERY)
    for _ in range(3):
        ask(connection, data)
    connection.sendall(b"GET /health HTTP/1.1\r\nX-Piece: ")
    assert is_silent(connection)
    connection.settimeout(5)
    head, body = ask(connection, data)
    assert b"bindings" not in body
    assert is_silent(connection), head


def test_pipelined_requests_are_answered_in_order(connection: socket.socket) -> None:
    """Two requests at once: neither overtakes the other."""
    first, second = request(QUERY), request("ASK {}")
    for data in (first, second) * 3:
        ask(connection, data)
    connection.sendall(first + second)
    assert b"bindings" in receive(connection)[1]


def test_what_may_differ_each_time_is_not_recalled(client: httpx.Client, connection: socket.socket) -> None:
    """A query that asks for the time runs each time."""
    before = recalled(client)
    data = request("SELECT (NOW() AS ?now) {}")
    assert len({ask(connection, data)[1] for _ in range(4)}) == 4
    assert recalled(client) == before


def test_what_no_longer_holds_is_dropped() -> None:
    """Another version is served: the response is gone."""
    recall = Recall(1_000_000)
    recall.keep(b"old", Kept(b"", b"", b"body", lambda: False))
    recall.keep(b"new", Kept(b"", b"", b"body", lambda: True))
    assert recall.find(b"old") is None
    assert recall.find(b"new") is not None
    assert len(recall) == 1


def test_the_least_recently_used_leaves_first() -> None:
    """The bound in bytes holds; a response that is too large is not kept at all."""
    recall = Recall(20_000)
    for number in range(20):
        recall.keep(b"%d" % number, Kept(b"", b"", b"x" * 1_000, lambda: True))
        recall.find(b"0")
    assert recall.used_bytes <= 20_000
    assert recall.find(b"0") is not None
    assert recall.find(b"1") is None
    recall.keep(b"large", Kept(b"", b"", b"x" * 10_000, lambda: True))
    assert recall.find(b"large") is None


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"POST / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\n\nGET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
    ],
)
def test_only_whole_plain_requests_are_known(data: bytes) -> None:
    """Anything that is not exactly one GET without a body is left to the server."""
    assert not is_plain_get(data)
