"""Serialisation: one query or update run and its outcome written, in parts or whole, on the one thread."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import Any

import pyoxigraph as ox

from kg.engine.rewriting import Tables, rewrite

PART_BYTES = 256_000
ROWS = {
    "json": ox.QueryResultsFormat.JSON,
    "xml": ox.QueryResultsFormat.XML,
    "csv": ox.QueryResultsFormat.CSV,
    "tsv": ox.QueryResultsFormat.TSV,
}
GRAPHS = {
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


def answer(
    store: ox.Store,
    job: dict[str, Any],
    *,
    prefixes: dict[str, str],
    max_bytes: int,
    leave: Callable[[bytes], None],
    tables: Tables | None = None,
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
    is_over_all = not (defaults or named or job["from_default"] or job["from_named"])
    results = _run(store, job["query"], arguments, tables if is_over_all else None)
    name, large_bytes = job["format"], job.get("large_bytes")
    output: Any = BoundedWriter(max_bytes, None if name in _WHOLE else large_bytes, leave)
    if name in ROWS and not isinstance(results, ox.QueryTriples):
        results.serialize(output, ROWS[name])
    elif name in ("ttl", "trig", "rdf"):
        ox.serialize(results, output, GRAPHS[name], prefixes=prefixes)
    else:
        results.serialize(output, GRAPHS[name])
    held = output.take()
    body, is_all = _mended(held, name), len(held) == output.size
    if large_bytes is None or (is_all and len(body) <= large_bytes):
        return body
    output.send(body)
    return b""


def _run(store: ox.Store, query: str, arguments: dict[str, Any], tables: Tables | None) -> Any:
    """Run a query, rewritten where that is of use; whatever goes wrong with that, the query itself is run."""
    if tables is not None:
        with contextlib.suppress(Exception):
            rewritten = rewrite(query, tables)
            if rewritten is not query:
                return store.query(rewritten, **arguments)
    return store.query(query, **arguments)


def change(store: ox.Store, job: dict[str, Any], *, leave: Callable[[bytes], None]) -> None:
    """Change a store by one update, all of it or nothing; all that it then holds leaves as N-Quads."""
    try:
        store.update(job["update"], base_iri=job["base"])
    except SyntaxError:
        # the place of the fault in what the person wrote, into which USING may have been put
        ox.Store().update(job["written"], base_iri=job["base"])
        raise
    output: Any = BoundedWriter(job["max_bytes"], PART_BYTES, leave)
    store.dump(output, ox.RdfFormat.N_QUADS)
    output.send(output.take())


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
