"""
Recall: a request that comes again, byte for byte, gets the bytes that answered it, before anything is parsed.

Below the application: a protocol class for uvicorn. It keeps the response to a GET only if the application
says that it may, which it does for an answer out of the cache of results; each use asks whether that still
holds, so that a new version of the data forgets all. A connection on which anything but whole GET requests
came is left to uvicorn for good: where a piece of a body or of a head could pass for a request, nothing is
recalled.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.types import Message, Scope
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from kg.config import Settings

KEY = "kg.recall"
LONGEST_REQUEST = 8_000
ENTRY_OVERHEAD_BYTES = 1_000
SHARE = 4
LARGEST_SHARE = 8
JOINED_BELOW = 32_000
_NEVER = (
    b"\r\ncontent-length:",
    b"\r\ntransfer-encoding:",
    b"\r\nexpect:",
    b"\r\nupgrade:",
    b"\r\nconnection: close",
)


@dataclass(frozen=True, slots=True)
class Kept:
    """
    A response: status line, then headers and body, each as bytes; `use` says whether it still holds.
    """

    start: bytes
    headers: bytes
    body: bytes
    use: Callable[[], bool]


class Recall:
    """
    Responses by the bytes of their requests, bounded in bytes; the least recently used leave first.

    Args:
        max_bytes: All of them together, in bytes.

    >>> recall = Recall(100_000)
    >>> recall.keep(b"GET / HTTP/1.1", Kept(b"HTTP/1.1 200 OK", b"", b"{}", lambda: True))
    >>> recall.find(b"GET / HTTP/1.1").body
    b'{}'
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.used_bytes = 0
        self._entries: OrderedDict[bytes, Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, request: bytes) -> Kept | None:
        """Return the response to a request if it still holds."""
        kept = self._entries.get(request)
        if kept is None:
            return None
        if not kept.use():
            self._drop(request)
            return None
        self._entries.move_to_end(request)
        return kept

    def keep(self, request: bytes, kept: Kept) -> None:
        """Keep a response, unless it alone would take an eighth of the bound; let the oldest go."""
        size = _size(request, kept)
        if size > self.max_bytes // LARGEST_SHARE:
            return
        self._drop(request)
        self._entries[request] = kept
        self.used_bytes += size
        while self.used_bytes > self.max_bytes:
            self._drop(next(iter(self._entries)))

    def _drop(self, request: bytes) -> None:
        kept = self._entries.pop(request, None)
        if kept is not None:
            self.used_bytes -= _size(request, kept)


class Recorder:
    """Takes one response on its way out, if the application allows it, and keeps it under its request."""

    def __init__(self, recall: Recall, request: bytes) -> None:
        self._recall, self._request = recall, request
        self._use: Callable[[], bool] | None = None
        self._start = self._headers = b""

    @classmethod
    def of(cls, scope: Scope) -> Recorder | None:
        """Return the recorder of a request; None where the server has none."""
        found = scope.get(KEY)
        return found if isinstance(found, Recorder) else None

    def allow(self, use: Callable[[], bool]) -> None:
        """Let this response be kept, as long as `use` says that it holds."""
        self._use = use

    def take(self, message: Message) -> None:
        """Look at one message of the response."""
        if self._use is None:
            return
        if message["type"] == "http.response.start":
            status = HTTPStatus(message["status"])
            self._start = b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode())
            self._headers = b"".join(b"%b: %b\r\n" % pair for pair in message["headers"]) + b"\r\n"
        elif message.get("more_body"):
            self._use = None
        else:
            kept = Kept(self._start, self._headers, message.get("body", b""), self._use)
            self._recall.keep(self._request, kept)


def recalling_protocol(settings: Settings) -> type[asyncio.Protocol]:
    """Return a protocol class for uvicorn whose connections share one memory of responses."""
    recall = Recall(settings.cache_bytes // SHARE)
    base: Any = AutoHTTPProtocol

    class RecallingProtocol(base):  # type: ignore[misc]
        """One connection: known requests are answered at once, others go their way."""

        is_plain = True
        used_at = 0.0

        def data_received(self, data: bytes) -> None:
            """Answer a request that is known; hand everything else to uvicorn."""
            if self.is_plain and (self.cycle is None or self.cycle.response_complete):
                kept = recall.find(data)
                if kept is not None and self._is_writable():
                    self._answer(kept)
                    return
                self.is_plain = is_plain_get(data)
                super().data_received(data)
                if self.is_plain and self.scope is not None and len(data) <= LONGEST_REQUEST:
                    self.scope[KEY] = Recorder(recall, data)
                return
            self.is_plain = False
            super().data_received(data)

        def _is_writable(self) -> bool:
            transport = self.transport
            return not transport.is_closing() and transport.get_write_buffer_size() == 0

        def _answer(self, kept: Kept) -> None:
            """Write a response; headers of the server's own, such as the date, are those of now."""
            own = b"".join(b"%b: %b\r\n" % pair for pair in self.server_state.default_headers)
            self.server_state.total_requests += 1
            self.used_at = self.loop.time()
            head = kept.start + own + kept.headers
            if len(kept.body) < JOINED_BELOW:
                self.transport.write(head + kept.body)
            else:
                self.transport.write(head)
                self.transport.write(kept.body)

        def timeout_keep_alive_handler(self) -> None:
            """Close an idle connection; one that had recalled answers since is not idle."""
            left_s = self.used_at + self.timeout_keep_alive - self.loop.time()
            if self.used_at and left_s > 0:
                again = self.timeout_keep_alive_handler
                self.timeout_keep_alive_task = self.loop.call_later(left_s, again)
                return
            super().timeout_keep_alive_handler()

    return RecallingProtocol


def is_plain_get(data: bytes) -> bool:
    """
    Say whether these bytes are the head of one whole GET request that has no body and keeps the connection.

    >>> is_plain_get(b"GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n"), is_plain_get(b"GET / HTTP/1.1\\r\\nHost: a")
    (True, False)
    """
    if not (data.startswith(b"GET /") and data.endswith(b"\r\n\r\n") and b" HTTP/1.1\r\n" in data):
        return False
    lines = data.replace(b"\r\n", b"")
    if data.find(b"\r\n\r\n") != len(data) - 4 or b"\n" in lines or b"\r" in lines:
        return False
    lower = data.lower()
    return not any(one in lower for one in _NEVER)


def _size(request: bytes, kept: Kept) -> int:
    return len(request) + len(kept.headers) + len(kept.body) + ENTRY_OVERHEAD_BYTES
