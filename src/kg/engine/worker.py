"""
The worker process: this file run as a script (it imports nothing of ours), one store, one query at a time.

Frames come on standard input and go to standard output: the lengths of a JSON header and of a body, then
both. The first frame sets the worker up; the worker then gives up what it does not need: network, new files,
memory past its bound. A large answer leaves in parts, a frame each, before the frame that says how it ended.
When standard input closes, or its parent dies, it ends, in the middle of a query too.

Source: prctl(2), unshare(2), setrlimit(2).
"""

from __future__ import annotations

import ctypes
import json
import os
import queue
import re
import resource
import signal
import struct
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pyoxigraph as ox

FRAME = struct.Struct(">IQ")
CLONE_NEWUSER, CLONE_NEWNET, PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 0x10000000, 0x40000000, 1, 38
MINIMUM_HEADROOM_BYTES = 200_000_000
PART_BYTES = 256_000
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
# Their first bytes depend on the last: which prefixes are used, whether XML can carry the answer at all.
_WHOLE = ("xml", "rdf", "ttl", "trig")
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
    """
    Keep what is written, up to a bound; past another bound, let it leave in parts.

    Args:
        max_bytes: All that may be written, in bytes.
        hold_bytes: What is held before the first part leaves, in bytes; `None` holds all.
        leave: Takes a part.
    """

    def __init__(
        self, max_bytes: int, hold_bytes: int | None = None, leave: Callable[[bytes], None] | None = None
    ) -> None:
        self.max_bytes, self.hold_bytes, self.leave = max_bytes, hold_bytes, leave
        self.size = self.held = 0
        self.chunks: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Keep a piece; raise when the bound is passed."""
        self.size += len(data)
        self.held += len(data)
        if self.size > self.max_bytes:
            raise TooLargeError
        self.chunks.append(bytes(data))
        if self.hold_bytes is not None and self.held > self.hold_bytes:
            self.hold_bytes = PART_BYTES
            self.send(self.take())
        return len(data)

    def take(self) -> bytes:
        """Return what is held, and hold it no more."""
        held = b"".join(self.chunks)
        self.chunks, self.held = [], 0
        return held

    def send(self, body: bytes) -> None:
        """Let something leave, in parts."""
        assert self.leave is not None
        for start in range(0, len(body), PART_BYTES):
            self.leave(body[start : start + PART_BYTES])

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


def answer(
    store: ox.Store,
    job: dict[str, Any],
    *,
    prefixes: dict[str, str],
    max_bytes: int,
    leave: Callable[[bytes], None],
) -> bytes:
    """
    Run one query and serialise its answer, on one thread, in one call.

    An answer longer than `job["large_bytes"]`, where that is set, leaves in parts and nothing is returned.
    """
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
    name, large_bytes = job["format"], job.get("large_bytes")
    output: Any = BoundedWriter(max_bytes, None if name in _WHOLE else large_bytes, leave)
    if name in _ROWS and not isinstance(results, ox.QueryTriples):
        results.serialize(output, _ROWS[name])
    elif name in ("ttl", "trig", "rdf"):
        ox.serialize(results, output, _GRAPHS[name], prefixes=prefixes)
    else:
        results.serialize(output, _GRAPHS[name])
    held = output.take()
    body, is_all = _mended(held, name), len(held) == output.size
    if large_bytes is None or (is_all and len(body) <= large_bytes):
        return body
    output.send(body)
    return b""


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
    """One store, bounded; answers frames until there are no more."""

    def __init__(self, source: BinaryIO, target: BinaryIO) -> None:
        self.source, self.target = source, target
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.jobs: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()

    def run(self) -> None:
        """Set up, then answer until standard input closes."""
        setup = read_frame(self.source)
        if setup is None:
            return
        self.setup = setup[0]
        self._leave_network()
        try:
            self.store = load(Path(self.setup["quads_path"]))
        except (OSError, SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None)
            self._send({"error": "load", "kind": type(error).__name__, "message": str(error), "line": line})
            return
        self._warm_up()
        if self._bound():
            self._send({"ready": True, "quads": len(self.store), "memory_bytes": self._memory()[1]})
            threading.Thread(target=self._listen, daemon=True).start()
            while (job := self.jobs.get()) is not None:
                self._serve(job)

    def _leave_network(self) -> None:
        if sys.platform != "linux":
            return
        if self.libc.unshare(CLONE_NEWNET) != 0:
            self.libc.unshare(CLONE_NEWUSER | CLONE_NEWNET)
        self.libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        self.libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != self.setup["parent"]:
            os._exit(0)

    def _warm_up(self) -> None:
        """Run each path once, so that nothing needs a file later."""
        self.statm = os.open("/proc/self/statm", os.O_RDONLY) if sys.platform == "linux" else -1
        job: dict[str, Any] = {
            key: [] for key in ("default_graphs", "named_graphs", "from_default", "from_named")
        }
        for name in (*_ROWS, *_GRAPHS):
            query = "SELECT * {}" if name in _ROWS else "CONSTRUCT {} {}"
            self._answer({**job, "query": query, "prologue": "", "base": None, "format": name})
        self._answer({**job, "query": "?", "prologue": "", "base": None, "format": "json"})

    def _bound(self) -> bool:
        limit = self.setup["max_memory_bytes"]
        self.start_bytes = self._memory()[0]
        if self.start_bytes + MINIMUM_HEADROOM_BYTES > limit:
            self._send({"error": "too_small", "needed_bytes": self.start_bytes + MINIMUM_HEADROOM_BYTES})
            return False
        wanted = [(resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_AS, limit)]
        for kind, value in [*wanted, (resource.RLIMIT_NOFILE, 0)]:
            hard = resource.getrlimit(kind)[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(kind, (value, value))
        return True

    def _listen(self) -> None:
        while (read := read_frame(self.source)) is not None:
            self.jobs.put(read[0])
        os._exit(0)

    def _serve(self, job: dict[str, Any]) -> None:
        header, body = self._answer(job)
        size, resident = self._memory()
        is_grown = size - self.start_bytes > (self.setup["max_memory_bytes"] - self.start_bytes) // 4
        if is_grown:
            self._trim()
            size, resident = self._memory()
            is_grown = size - self.start_bytes > (self.setup["max_memory_bytes"] - self.start_bytes) // 4
        self._send(
            {**header, "memory_bytes": resident, "recycle": is_grown or header.get("error") == "memory"}, body
        )

    def _answer(self, job: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        try:
            bound = {"prefixes": self.setup["prefixes"], "max_bytes": self.setup["max_answer_bytes"]}
            return {"ok": True}, answer(self.store, job, **bound, leave=self._send_part)
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

    def _trim(self) -> None:
        if hasattr(self.libc, "malloc_trim"):
            self.libc.malloc_trim(0)

    def _memory(self) -> tuple[int, int]:
        """Return address space and resident memory, in bytes."""
        if self.statm < 0:
            return 0, 0
        size, resident = os.pread(self.statm, 200, 0).split()[:2]
        page = resource.getpagesize()
        return int(size) * page, int(resident) * page


def load(path: Path) -> ox.Store:
    """Load N-Quads into a new store in memory."""
    store = ox.Store()
    with path.open("rb") as stream:
        store.bulk_load(stream, ox.RdfFormat.N_QUADS)
    return store


if __name__ == "__main__":
    with os.fdopen(os.dup(1), "wb") as target:
        os.dup2(2, 1)
        Worker(sys.stdin.buffer, target).run()
