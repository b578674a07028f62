"""
A worker process: one store, one query at a time. It is forked from the loader (`zygote`).

Frames come on its channel and go back on it: the lengths of a JSON header and of a body, then both. A large
answer leaves in parts, a frame each, before the frame that says how it ended. Before the first job it gives
up what it does not need: network and privileges are gone already, new files and memory past its bound go
here. When the channel closes it ends, in the middle of a query too.

Source: setrlimit(2), poll(2), proc(5) on smaps_rollup.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import resource
import select
import struct
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO

import pyoxigraph as ox

from kg.engine.rewriting import Tables
from kg.engine.serialisation import GRAPHS, ROWS, NotCarriedError, TooLargeError, answer, change

FRAME = struct.Struct(">IQ")
OWN_SHARE, LEFT_OVER_SHARE = 2, 4
_PRIVATE = re.compile(rb"Private_\w+:\s+(\d+) kB")
_NO_TRIPLE_TERMS = "JSON-LD does not support RDF 1.2"


def read_frame(stream: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """Read one frame; return `None` at the end of the stream."""
    head = stream.read(FRAME.size)
    if len(head) < FRAME.size:
        return None
    header_bytes, body_bytes = FRAME.unpack(head)
    return json.loads(stream.read(header_bytes)), stream.read(body_bytes)


def frame(header: dict[str, Any], body: bytes = b"") -> bytes:
    """Return the bytes before the body: both lengths and the header."""
    text = json.dumps(header).encode()
    return FRAME.pack(len(text), len(body)) + text


class Worker:
    """One store, bounded; answers frames until there are no more. Made in the loader, run in a fork of it."""

    def __init__(self, store: ox.Store, setup: dict[str, Any]) -> None:
        self.store, self.setup = store, setup
        self.tables = Tables(store)
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.statm = self.rollup = -1
        self.faulted_bytes = self.private_bytes = 0

    def warm_up(self) -> None:
        """Make the tables, and run each path once, so that nothing needs a file later."""
        with contextlib.suppress(Exception):  # without tables queries are as they were written
            self.tables.fill()
        job: dict[str, Any] = {
            key: [] for key in ("default_graphs", "named_graphs", "from_default", "from_named")
        }
        for name in (*ROWS, *GRAPHS):
            query = "SELECT * {}" if name in ROWS else "CONSTRUCT {} {}"
            self._answer({**job, "query": query, "prologue": "", "base": None, "format": name})
        self._answer({**job, "query": "?", "prologue": "", "base": None, "format": "json"})

    def run(self, source: BinaryIO, target: BinaryIO) -> None:
        """Bound this process, then answer until the source closes."""
        self.source, self.target = source, target
        self._bound()
        threading.Thread(target=self._watch, daemon=True).start()
        while (read := read_frame(source)) is not None:
            self._serve(read[0])

    def _bound(self) -> None:
        if sys.platform == "linux":
            self.statm = os.open("/proc/self/statm", os.O_RDONLY)
            with contextlib.suppress(OSError):  # not every kernel and container has it
                self.rollup = os.open("/proc/self/smaps_rollup", os.O_RDONLY)
            with contextlib.suppress(OSError):  # where memory runs out: this process before the service
                Path("/proc/self/oom_score_adj").write_text("1000")
        self.start_bytes = self._size_bytes()
        self.faulted_bytes = _faulted_bytes()
        limit(resource.RLIMIT_AS, self.start_bytes + self.setup["max_memory_bytes"])
        # None is left: the channel is number 0. Not 0 of them, since poll(2) may not ask for more than these.
        limit(resource.RLIMIT_NOFILE, 1)

    def _watch(self) -> None:
        """End this process, in the middle of a query too, when its channel closes; jobs do not wake this."""
        closed = select.poll()
        closed.register(self.source.fileno(), 0)
        closed.poll()
        os._exit(0)

    def _serve(self, job: dict[str, Any]) -> None:
        header, body = self._answer(job)
        self._send({**header, **self._condition(header)}, body)

    def _answer(self, job: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        try:
            if "update" in job:
                change(self.store, job, leave=self._send_part)
                return {"ok": True}, b""
            bound = {"prefixes": self.setup["prefixes"], "max_bytes": self.setup["max_answer_bytes"]}
            return {"ok": True}, answer(self.store, job, **bound, leave=self._send_part, tables=self.tables)
        except TooLargeError:
            return {"error": "too_large"}, b""
        except NotCarriedError as error:
            return {"error": "not_carried", "message": str(error)}, b""
        except SyntaxError as error:
            return {"error": "syntax", "message": str(error)}, b""
        except MemoryError:
            return {"error": "memory"}, b""
        except Exception as error:
            kind = "not_carried" if _NO_TRIPLE_TERMS in str(error) else "evaluation"
            return {"error": kind, "message": str(error)}, b""

    def _send_part(self, body: bytes) -> None:
        self._send({"part": True}, body)

    def _send(self, header: dict[str, Any], body: bytes = b"") -> None:
        self.target.write(frame(header, body))
        self.target.write(body)
        self.target.flush()

    def _condition(self, header: dict[str, Any]) -> dict[str, Any]:
        """Say how much memory is this worker's own, in bytes, and whether another should take its place."""
        limit_bytes = self.setup["max_memory_bytes"]
        if self._size_bytes() - self.start_bytes > limit_bytes // LEFT_OVER_SHARE:
            self.trim()
        own = self._own_bytes()
        left_over = self._size_bytes() - self.start_bytes
        is_grown = own > limit_bytes // OWN_SHARE or left_over > limit_bytes // LEFT_OVER_SHARE
        return {"memory_bytes": own, "recycle": is_grown or header.get("error") == "memory"}

    def _own_bytes(self) -> int:
        """
        Return the memory that this process shares with no other, in bytes.

        The kernel's own count walks all pages: it is asked for after enough page faults, whose count is free.
        """
        since = _faulted_bytes() - self.faulted_bytes
        if self.rollup >= 0 and since > max(16_000_000, self.start_bytes // 16):
            self.faulted_bytes, since = self.faulted_bytes + since, 0
            self.private_bytes = sum(
                int(number) * 1024 for number in _PRIVATE.findall(os.pread(self.rollup, 4096, 0))
            )
        return self.private_bytes + since

    def trim(self) -> None:
        """Give memory that is free back to the system."""
        if hasattr(self.libc, "malloc_trim"):
            self.libc.malloc_trim(0)

    def _size_bytes(self) -> int:
        return 0 if self.statm < 0 else int(os.pread(self.statm, 200, 0).split()[0]) * resource.getpagesize()

    def resident_bytes(self) -> int:
        """Return the memory that this process has now, in bytes; its peak where the system does not say."""
        if sys.platform == "linux":
            return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _faulted_bytes() -> int:
    """Return how much memory this process has been given page by page since it was forked, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt * resource.getpagesize()


def limit(kind: int, value: int) -> None:
    """Bound a resource of this process for good."""
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def load(path: Path) -> ox.Store:
    """Load N-Quads into a new store in memory."""
    store = ox.Store()
    with path.open("rb") as stream:
        store.bulk_load(stream, ox.RdfFormat.N_QUADS)
    return store
