"""
A worker process: one store, one query at a time. It is forked from the loader (`zygote`).

Frames come on its channel and go back on it: the lengths of a JSON header and of a body, then both. Before
the first it gives up what it does not need: network and privileges are gone already, new files and memory
past its bound go here. When the channel closes it ends, in the middle of a query too.

Source: setrlimit(2), proc(5) on smaps_rollup.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import queue
import re
import resource
import struct
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO

import pyoxigraph as ox

FRAME = struct.Struct(">IQ")
OWN_SHARE, LEFT_OVER_SHARE = 2, 4
_ROWS = {
    "json": ox.QueryResultsFormat.JSON,
    "xml": ox.QueryResultsFormat.XML,
    "csv": ox.QueryResultsFormat.CSV,
    "tsv": ox.QueryResultsFormat.TSV,
}
_GRAPHS = {
    "ttl": ox.RdfFormat.TURTLE,
    "nt": ox.RdfFormat.N_TRIPLES,
    "nq": ox.RdfFormat.N_QUADS,
    "trig": ox.RdfFormat.TRIG,
    "rdf": ox.RdfFormat.RDF_XML,
    "jsonld": ox.RdfFormat.JSON_LD,
}
_PRIVATE = re.compile(rb"Private_\w+:\s+(\d+) kB")
_NOT_XML = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]")
_NO_TRIPLE_TERMS = "JSON-LD does not support RDF 1.2"
_ROOT = re.compile(rb"<rdf:RDF( [^>]*)?>")
_XMLNS = re.compile(rb"( xmlns:([^=]+)=\"[^\"]*\")")
_PREFIX_LINE = re.compile(rb"@prefix ([^:\s]*): <[^>]*> \.\n")


class TooLargeError(Exception):
    """The answer passed its bound."""


class NotCarriedError(Exception):
    """The format cannot carry this answer."""


class BoundedWriter:
    """Keep what is written, up to a bound in bytes."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.size = 0
        self.chunks: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Keep a piece; raise when the bound is passed."""
        self.size += len(data)
        if self.size > self.max_bytes:
            raise TooLargeError
        self.chunks.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: there is nowhere to flush to."""


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


def answer(store: ox.Store, job: dict[str, Any], *, prefixes: dict[str, str], max_bytes: int) -> bytes:
    """Run one query and serialise its answer, on one thread, in one call."""
    arguments: dict[str, Any] = {"base_iri": job["base"]}
    defaults, named = job["default_graphs"], job["named_graphs"]
    if not (defaults or named) and len(job["from_default"]) > 1:
        defaults = _resolve(store, job, job["from_default"])
        named = _resolve(store, job, job["from_named"])
    if len(defaults) > 1:
        store = _merge(store, defaults, named)
        arguments["default_graph"] = ox.DefaultGraph()
        arguments["named_graphs"] = [ox.NamedNode(one) for one in named]
    elif defaults or named:
        arguments["default_graph"] = [ox.NamedNode(one) for one in defaults]
        arguments["named_graphs"] = [ox.NamedNode(one) for one in named]
    results: Any = store.query(job["query"], **arguments)
    output: Any = BoundedWriter(max_bytes)
    name = job["format"]
    if name in _ROWS and not isinstance(results, ox.QueryTriples):
        results.serialize(output, _ROWS[name])
    elif name in ("ttl", "trig", "rdf"):
        ox.serialize(results, output, _GRAPHS[name], prefixes=prefixes)
    else:
        results.serialize(output, _GRAPHS[name])
    return _mended(b"".join(output.chunks), name)


def _resolve(store: ox.Store, job: dict[str, Any], names: list[str]) -> list[str]:
    """Turn graph names, as the query writes them, into IRIs, by the query's own prologue."""
    if not names:
        return []
    columns = " ".join(f"({name} AS ?g{number})" for number, name in enumerate(names))
    rows: Any = store.query(f"{job['prologue']}\nSELECT {columns} {{}}", base_iri=job["base"])
    return [term.value for term in next(iter(rows))]


def _merge(store: ox.Store, defaults: list[str], named: list[str]) -> ox.Store:
    """Return a dataset whose default graph holds each triple of several graphs once."""
    merged = ox.Store()
    for name in dict.fromkeys(defaults):
        merged.extend(
            ox.Quad(quad.subject, quad.predicate, quad.object)
            for quad in store.quads_for_pattern(None, None, None, ox.NamedNode(name))
        )
    for name in dict.fromkeys(named):
        merged.extend(store.quads_for_pattern(None, None, None, ox.NamedNode(name)))
    return merged


def _mended(body: bytes, name: str) -> bytes:
    """Correct what pyoxigraph 0.5 writes: carriage returns in XML, prefixes unused and in any order."""
    if name in ("xml", "rdf"):
        if b"<oxprefix: " in body:
            raise NotCarriedError("RDF/XML cannot write a predicate whose IRI does not end in a name")
        if _NOT_XML.search(body):
            raise NotCarriedError("XML cannot write a control character that the answer holds")
        body = body.replace(b"\r", b"&#13;")
        return body if name == "xml" else _tidy_namespaces(body)
    if name in ("ttl", "trig"):
        return _tidy_prefixes(body)
    return body


def _tidy_prefixes(body: bytes) -> bytes:
    lines: list[bytes] = []
    end = 0
    while match := _PREFIX_LINE.match(body, end):
        lines.append(match.group())
        end = match.end()
    used = [line for line in lines if _is_used(line.split(b" ", 2)[1], body, end)]
    return b"".join(sorted(used)) + body[end:]


def _is_used(prefix: bytes, body: bytes, start: int) -> bool:
    """Say whether a prefix stands somewhere, not as the end of a longer one."""
    if body.find(prefix, start) < 0:
        return False
    return re.compile(rb"(?<![\w.-])" + re.escape(prefix)).search(body, start) is not None


def _tidy_namespaces(body: bytes) -> bytes:
    """Keep the namespaces that an element of RDF/XML uses, in the order of their names."""
    root = _ROOT.search(body)
    if root is None:
        return body
    declared = _XMLNS.findall(root.group())
    used = [
        whole
        for whole, prefix in declared
        if prefix == b"rdf" or body.find(b"<" + prefix + b":", root.end()) >= 0
    ]
    return body[: root.start()] + b"<rdf:RDF" + b"".join(sorted(used)) + b">" + body[root.end() :]


class Worker:
    """One store, bounded; answers frames until there are no more. Made in the loader, run in a fork of it."""

    def __init__(self, store: ox.Store, setup: dict[str, Any]) -> None:
        self.store, self.setup = store, setup
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.statm = self.rollup = -1
        self.faulted_bytes = self.private_bytes = 0

    def warm_up(self) -> None:
        """Run each path once, so that nothing needs a file later."""
        job: dict[str, Any] = {
            key: [] for key in ("default_graphs", "named_graphs", "from_default", "from_named")
        }
        for name in (*_ROWS, *_GRAPHS):
            query = "SELECT * {}" if name in _ROWS else "CONSTRUCT {} {}"
            self._answer({**job, "query": query, "prologue": "", "base": None, "format": name})
        self._answer({**job, "query": "?", "prologue": "", "base": None, "format": "json"})

    def run(self, source: BinaryIO, target: BinaryIO) -> None:
        """Bound this process, then answer until the source closes."""
        self.source, self.target = source, target
        self.jobs: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._bound()
        threading.Thread(target=self._listen, daemon=True).start()
        while True:
            self._serve(self.jobs.get())

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
        limit(resource.RLIMIT_NOFILE, 0)

    def _listen(self) -> None:
        try:
            while (read := read_frame(self.source)) is not None:
                self.jobs.put(read[0])
        finally:
            os._exit(0)

    def _serve(self, job: dict[str, Any]) -> None:
        header, body = self._answer(job)
        self._send({**header, **self._condition(header)}, body)

    def _answer(self, job: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        try:
            bound = {"prefixes": self.setup["prefixes"], "max_bytes": self.setup["max_answer_bytes"]}
            return {"ok": True}, answer(self.store, job, **bound)
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
