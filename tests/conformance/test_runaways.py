"""Light queries stay quick while eight runaways of another client run; measured by `make conformance`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import httpx
import pytest

RUNAWAYS = [
    "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }",
    "SELECT * { ?a ?b ?c . ?d ?e ?f } ORDER BY ?f ?a",
    "ASK { ?a (!<a:b>)+ ?d . ?c (!<a:b>)+ ?e . FILTER (?a = 5) }",
    "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f FILTER REGEX(STR(?c), CONCAT(STR(?f), '.*x')) }",
]
LIGHT = "SELECT ?o { <http://example.org/7> ?p ?o } # "
BUSY_S, TIMEOUT_S = 9.0, 6.0


def ask_light(client: httpx.Client, number: int) -> float:
    """Ask something that no cache holds, and return the seconds that it took."""
    started = time.perf_counter()
    answer = client.get("/sparql", params={"query": f"{LIGHT}{number}"})
    assert answer.status_code == 200
    return time.perf_counter() - started


def run_away(address: httpx.URL, number: int) -> tuple[int, float]:
    """Ask for too much from another address, and return the status and the seconds that it took."""
    transport = httpx.HTTPTransport(local_address="127.0.0.2")
    query = f"{RUNAWAYS[number % len(RUNAWAYS)]} # {number}"
    started = time.perf_counter()
    with httpx.Client(base_url=address, transport=transport, trust_env=False, timeout=60) as other:
        status = other.post("/sparql", data={"query": query}).status_code
    return status, time.perf_counter() - started


@pytest.mark.conformance
@pytest.mark.skipif(sys.platform != "linux", reason="needs a second loopback address")
def test_light_queries_when_eight_run_away(
    serve_quads: Callable[..., AbstractContextManager[httpx.Client]],
) -> None:
    """Nothing fails, and of a hundred light queries ninety-nine take less than 100 ms."""
    lines = (
        f'<http://example.org/{n}> <http://example.org/p{n % 7}> "{n}" .\n'
        f"<http://example.org/{n}> <http://example.org/q> <http://example.org/{n * 31 % 20_000}> .\n"
        for n in range(20_000)
    )
    wanted = {"quick_workers": 2, "slow_workers": 2, "timeout_s": TIMEOUT_S}
    with serve_quads("".join(lines).encode(), **wanted) as client, ThreadPoolExecutor(8) as threads:
        time.sleep(2)
        idle = sorted(ask_light(client, n) for n in range(100))
        ended = [threads.submit(run_away, client.base_url, n) for n in range(8)]
        taken: list[float] = []
        until = time.perf_counter() + BUSY_S
        while time.perf_counter() < until:
            taken.append(ask_light(client, 100 + len(taken)))
            time.sleep(0.01)
        statuses = [one.result() for one in ended]
    taken.sort()
    p99 = taken[int(len(taken) * 0.99)]
    print(
        f"\nlight queries, ms: alone median {idle[50] * 1000:.1f}; beside eight runaways ({len(taken)}): "
        f"median {taken[len(taken) // 2] * 1000:.1f}, p99 {p99 * 1000:.1f}, max {taken[-1] * 1000:.0f}\n"
        f"runaways: {', '.join(f'{status} after {seconds:.1f} s' for status, seconds in statuses)}"
    )
    assert p99 < 0.1
    assert all(status in (413, 503, 507) for status, _ in statuses)
