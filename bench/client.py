"""
The load: so many connections that are kept alive, each sending its next request when its answer is there.

A process of its own, so that it does not share an interpreter with what it measures; it imports the standard
library only. One thread and one selector: about 20 microseconds a request, far below any engine here. Each
connection comes from a loopback address of its own, as clients do. Standard input: a JSON object with `host`,
`port`, `requests` (pairs of text, a number goes between), `serial` (the first number, or null for none),
`connections`, `duration_s`, `timeout_s`; standard output: what was measured, as JSON.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import sys
import time
from collections import Counter
from typing import Any

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_END = b"\r\n0\r\n\r\n"


class Connection:
    """One connection: what it sent, and what came back so far."""

    def __init__(self, host: str, port: int, number: int) -> None:
        self.address, self.source = (host, port), (f"127.0.1.{number % 250 + 1}", 0)
        self.open()

    def open(self) -> None:
        """Connect (again)."""
        self.socket = socket.create_connection(self.address, timeout=10, source_address=self.source)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, request: bytes) -> None:
        """Send one request."""
        self.chunks: list[bytes] = []
        self.size, self.expected = 0, -1
        self.status, self.is_closing = 0, False
        self.started = time.perf_counter()
        self.socket.sendall(request)

    def take(self) -> bool:
        """Read what came; say whether the answer is whole."""
        data = self.socket.recv(1 << 20)
        if not data:
            self.status = self.status if self.expected == -2 else -1
            self.is_closing = True
            return True
        self.chunks.append(data)
        self.size += len(data)
        if self.expected == -1 and not self._read_head():
            return False
        if self.expected >= 0:
            return self.size >= self.expected
        return self.expected == -3 and b"".join(self.chunks[-2:]).endswith(_END)

    def _read_head(self) -> bool:
        whole = b"".join(self.chunks)
        end = whole.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = whole[: end + 2]
        self.status = int(head[9:12])
        self.is_closing = bool(_CLOSE.search(head))
        if self.status in (204, 304):
            self.expected = end + 4
        elif found := _LENGTH.search(head):
            self.expected = end + 4 + int(found.group(1))
        else:  # -3: in chunks; -2: until the connection closes
            self.expected = -3 if _CHUNKED.search(head) else -2
        return True


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Send the requests in turn, over and over, for the duration; each connection ends its last one."""
    pairs = [(before.encode(), after.encode()) for before, after in job["requests"]]
    serial = job["serial"]

    def request(number: int) -> bytes:
        before, after = pairs[number % len(pairs)]
        return before + after if serial is None else b"%b%d%b" % (before, serial + number, after)

    selector = selectors.DefaultSelector()
    connections = [Connection(job["host"], job["port"], number) for number in range(job["connections"])]
    statuses: Counter[int] = Counter()
    latencies: list[float] = []
    size = sent = 0
    started = time.perf_counter()
    deadline, last = started + job["duration_s"], started + job["duration_s"] + job["timeout_s"]
    for one in connections:
        selector.register(one.socket, selectors.EVENT_READ, one)
        one.send(request(sent))
        sent += 1
    open_ones = len(connections)
    while open_ones and time.perf_counter() < last:
        for key, _ in selector.select(1.0):
            one = key.data
            try:
                is_whole = one.take()
            except OSError:
                one.status, one.is_closing, is_whole = -1, True, True
            if not is_whole:
                continue
            now = time.perf_counter()
            latencies.append(now - one.started)
            statuses[one.status] += 1
            size += one.size
            if one.is_closing or now >= deadline:
                selector.unregister(one.socket)
                one.socket.close()
                if now >= deadline:
                    open_ones -= 1
                    continue
                one.open()
                selector.register(one.socket, selectors.EVENT_READ, one)
            one.send(request(sent))
            sent += 1
    elapsed = time.perf_counter() - started
    return {
        "elapsed_s": elapsed,
        "unanswered": open_ones,
        "statuses": dict(statuses),
        "bytes": size,
        "latencies_s": latencies,
    }


if __name__ == "__main__":
    json.dump(run(json.load(sys.stdin)), sys.stdout)
