"""
Compare: the engines hold the same data; their answers are compared, then they are measured in turn.

In each round every engine has its turn at every query, so that what else the machine does hits all alike; of
the rounds the median counts. Cold: each request has another value and another text. Hot: the same request
again and again. Unchanged: the same, with `If-None-Match`, for the engine that gives an entity tag.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.mix import Question, rotated
from bench.peers import HOST, Peer

CLIENT = Path(__file__).with_name("client.py")
QUERY_TIMEOUT_S = 30.0
TOO_LONG = f"over {QUERY_TIMEOUT_S:g} s"
CELL_BUDGET_S = 15.0
VALUES_PER_QUERY = 400
COMPARED = 5
_JSON = "application/sparql-results+json"
_HELD = "SELECT (COUNT(*) AS ?n) WHERE { ?s ?p ?o }"
COLD, HOT, UNCHANGED = "cold", "hot", "unchanged"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured: connections, rounds, seconds for each cell."""

    connections: tuple[int, ...] = (1, 8, 32)
    rounds: int = 3
    duration_s: float = 0.5


@dataclass(slots=True)
class Cell:
    """One engine, one query, one kind of run, so many connections; of each round one figure."""

    engine: str
    question: str
    mode: str
    connections: int
    per_second: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)
    note: str = ""

    def median(self, name: str) -> float | None:
        """Return the median of the rounds, or None where nothing was measured."""
        values: list[float] = getattr(self, name)
        return statistics.median(values) if values else None


@dataclass(slots=True)
class Comparison:
    """All that one size gave."""

    factor: float
    quads: int
    copies: int
    engines: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def compare(
    peers: Sequence[Peer],
    mix: Sequence[Question],
    plan: Plan,
    into: Comparison,
    *,
    together: bool,
    say: Callable[[str], None],
) -> None:
    """Start the engines, all at once or one after another, and measure them."""
    groups = [list(peers)] if together else [[one] for one in peers]
    for group in groups:
        with ExitStack() as stack:
            running = [one for one in group if _start(one, into, stack, say)]
            counts = {one.name: _check(one, mix, into, say) for one in running}
            _measure(running, mix, plan, into, counts=counts, say=say)
            for one in running:
                into.engines[one.name]["memory_after_bytes"] = one.memory_bytes()
    _compare_answers(into)


def count_rows(body: bytes, accept: str) -> int:
    """
    Count what an answer holds: rows, 0 or 1 for ASK, triples for a graph.

    >>> count_rows(b'{"head": {}, "boolean": true}', "application/sparql-results+json")
    1
    """
    if accept != _JSON:
        from rdflib import Graph

        return len(Graph().parse(data=body, format="turtle"))
    answer = json.loads(body)
    return int(answer["boolean"]) if "boolean" in answer else len(answer["results"]["bindings"])


def _start(peer: Peer, into: Comparison, stack: ExitStack, say: Callable[[str], None]) -> bool:
    stack.callback(peer.stop)
    try:
        peer.start()
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        say(f"{peer.name}: {error}")
        into.engines[peer.name] = {"version": peer.version(), "failure": str(error)}
        return False
    took_s = peer.load_s + peer.start_s
    memory = peer.memory_bytes()
    into.engines[peer.name] = {"version": peer.version(), "start_s": took_s, "memory_bytes": memory}
    say(f"{peer.name}: ready after {took_s:.1f} s, {memory / 1e6:,.0f} MB")
    return True


def _check(
    peer: Peer, mix: Sequence[Question], into: Comparison, say: Callable[[str], None]
) -> dict[str, float | str]:
    """Ask each query a few times: its seconds, or why it cannot be answered; count what the engine holds."""
    try:
        held = peer.ask(_HELD, _JSON, timeout_s=10 * QUERY_TIMEOUT_S)
        into.engines[peer.name]["triples"] = int(json.loads(held)["results"]["bindings"][0]["n"]["value"])
    except (OSError, ValueError, LookupError) as error:
        into.engines[peer.name]["triples"] = None
        say(f"{peer.name}: its triples cannot be counted: {error}")
    found: dict[str, float | str] = {}
    for question in mix:
        rows: list[int] = []
        took: list[float] = []
        try:
            for text in rotated(question, 1_000_000, COMPARED):
                if sum(took) > QUERY_TIMEOUT_S:
                    break
                started = time.monotonic()
                body = peer.ask(text, question.accept, timeout_s=QUERY_TIMEOUT_S)
                took.append(time.monotonic() - started)
                rows.append(count_rows(body, question.accept))
            found[question.name] = statistics.median(took)
        except Exception as error:  # whatever a peer does is a finding, not an end of the run
            found[question.name] = _reason(error)
            say(f"{peer.name}: {question.name}: {found[question.name]}")
            if found[question.name] == TOO_LONG:
                peer.restart()  # what it still works on would slow all that follows
        into.answers.setdefault(question.name, {})[peer.name] = {
            "rows": rows,
            "failure": found[question.name] if isinstance(found[question.name], str) else None,
        }
    return found


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        words = error.read(300).decode("utf-8", "replace").strip().splitlines()
        return f"status {error.code}: {words[0][:120] if words else ''}"
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return TOO_LONG
    return f"{type(error).__name__}: {str(error)[:120]}"


def _compare_answers(into: Comparison) -> None:
    """Note for each query which engines count other rows than most do."""
    for engines in into.answers.values():
        counted = [tuple(one["rows"]) for one in engines.values() if one["failure"] is None]
        usual = max(set(counted), key=counted.count) if counted else ()
        for one in engines.values():
            one["differs"] = one["failure"] is None and tuple(one["rows"]) != usual


def _measure(
    peers: Sequence[Peer],
    mix: Sequence[Question],
    plan: Plan,
    into: Comparison,
    *,
    counts: dict[str, dict[str, float | str]],
    say: Callable[[str], None],
) -> None:
    before, cells = into.cells, dict[tuple[str, str, str, int], Cell]()
    serial = 0
    texts = {question.name: rotated(question, 0, VALUES_PER_QUERY) for question in mix}
    etags = {
        (one.name, question.name): _etag(one, texts[question.name][0], question)
        for one in peers
        for question in mix
        if isinstance(took := counts[one.name][question.name], float) and took < 1
    }
    for turn in range(plan.rounds):
        for question in mix:
            for peer in [*peers[turn % len(peers) :], *peers[: turn % len(peers)]]:
                took, etag = counts[peer.name][question.name], etags.get((peer.name, question.name))
                for mode, pairs in _requests(peer, question, texts[question.name], etag):
                    for connections in plan.connections:
                        key = (peer.name, question.name, mode, connections)
                        cell = cells.setdefault(key, Cell(*key))
                        is_remembered = etag is not None and mode != COLD
                        if isinstance(took, str):
                            cell.note = took
                        elif took * connections > CELL_BUDGET_S and not is_remembered:
                            cell.note = f"not run: one alone takes {took:.1f} s"
                        else:
                            _run(cell, peer, pairs, serial if mode == COLD else None, plan)
                            serial += 1_000_000
        into.cells = [*before, *cells.values()]
        say(f"round {turn + 1} of {plan.rounds} done")


def _requests(
    peer: Peer, question: Question, texts: Sequence[str], etag: str | None
) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    yield COLD, [peer.request(text[:-1], question.accept) for text in texts]
    yield HOT, [peer.request(texts[0], question.accept)]
    if etag:
        yield UNCHANGED, [peer.request(texts[0], question.accept, etag)]


def _etag(peer: Peer, text: str, question: Question) -> str | None:
    address = f"http://{HOST}:{peer.port}{peer.target(text)}"
    request = urllib.request.Request(address, headers={"Accept": question.accept})
    try:
        with urllib.request.urlopen(request, timeout=QUERY_TIMEOUT_S) as response:
            tag: str | None = response.headers.get("ETag")
            return tag
    except OSError:
        return None


def _run(cell: Cell, peer: Peer, pairs: list[tuple[str, str]], serial: int | None, plan: Plan) -> None:
    whole = {
        "host": HOST,
        "port": peer.port,
        "requests": pairs,
        "serial": serial,
        "connections": cell.connections,
        "duration_s": plan.duration_s,
        "timeout_s": QUERY_TIMEOUT_S + CELL_BUDGET_S,
    }
    done = subprocess.run(
        [sys.executable, "-I", str(CLIENT)],
        input=json.dumps(whole).encode(),
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        cell.failures["client"] = cell.failures.get("client", 0) + 1
        cell.note = done.stderr.decode(errors="replace")[-200:]
        return
    result = json.loads(done.stdout)
    good = sum(count for status, count in result["statuses"].items() if status in ("200", "304"))
    for status, count in [*result["statuses"].items(), ("unanswered", result["unanswered"])]:
        if status not in ("200", "304") and count:
            cell.failures[status] = cell.failures.get(status, 0) + count
    latencies = sorted(result["latencies_s"])
    cell.per_second.append(good / result["elapsed_s"])
    if latencies:
        cell.p50_ms.append(1000 * latencies[len(latencies) // 2])
        cell.p99_ms.append(1000 * latencies[min(len(latencies) - 1, len(latencies) * 99 // 100)])
    if result["unanswered"]:
        peer.restart()  # what it still works on would slow all that follows
