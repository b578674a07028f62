"""The engine: real worker processes over a tiny dataset."""

from __future__ import annotations

import asyncio
import csv
import io
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar
from xml.etree import ElementTree

import pyoxigraph as ox
import pytest
from uvicorn.loops.auto import auto_loop_factory

import kg
from kg.config import Settings
from kg.engine import FORMATS, Answer, Engine, LargeAnswer, QueryRequest, formats_for, run_query
from kg.engine import pool as pool_module
from kg.engine import spool as spool_module
from kg.engine.cache import AnswerCache
from kg.engine.lanes import Lane
from kg.engine.process import LOW_PRIORITY
from kg.errors import (
    AnswerTooLargeError,
    BusyError,
    DataError,
    KGError,
    MissingPartError,
    NotAcceptableError,
    QueryError,
    QueryMemoryError,
    QuerySyntaxError,
    QueryTimeoutError,
    QueryTooDeepError,
    UpdateRefusedError,
    UsageError,
)
from kg.names import Prefixes

EX = "http://example.org/"
XSD = "http://www.w3.org/2001/XMLSchema#"
ONE, TWO, THREE = f"{EX}graph/1", f"{EX}graph/2", f"{EX}graph/3"
LITERALS = [
    '"plain"',
    '"comma, \\"quote\\"\\nline\\ttab"@en',
    '"return\\rhere"',
    '"markup <b> & é"',
    f'"5"^^<{XSD}integer>',
    f'"1.5"^^<{XSD}decimal>',
    f'"2001"^^<{XSD}gYear>',
]
LIGHT = f"SELECT ?o WHERE {{ <{EX}id/0> <{EX}order> ?o }}"
RUNAWAY = "SELECT (COUNT(*) AS ?n) WHERE { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l }"
BOMB = "SELECT * WHERE { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i } ORDER BY ?c ?f ?i"
SETTINGS = Settings(
    quick_workers=2,
    slow_workers=1,
    quick_timeout_s=0.4,
    timeout_s=1.5,
    queue_length=8,
    queue_per_client=2,
    max_answer_bytes=400_000,
)


@dataclass(frozen=True)
class Tiny:
    """A snapshot as the engine sees one."""

    path: Path
    version: str
    prefixes: Prefixes

    @property
    def quads_path(self) -> Path:
        """Where the quads are."""
        return self.path / "dataset.nq"


def make_snapshot(folder: Path, version: str = "v1") -> Tiny:
    """Write a dataset of three graphs and their merge."""
    triples = {
        ONE: [f"<{EX}id/a> <{EX}says> {literal}" for literal in LITERALS]
        + [f"<{EX}id/a> <{EX}in> <{EX}id/b>"],
        TWO: [f"<{EX}id/a> <{EX}in> <{EX}id/b>", f"<{EX}id/b> <{EX}in> <{EX}id/c>"],
        THREE: [f'<{EX}id/{n}> <{EX}order> "{n}"^^<{XSD}integer>' for n in range(200)]
        + [f'<{EX}version> <{EX}is> "{version}"'],
    }
    lines = [f"{triple} <{graph}> ." for graph, all_of_it in triples.items() for triple in all_of_it]
    lines += [f"{triple} ." for triple in dict.fromkeys(itertools.chain(*triples.values()))]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset.nq").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Tiny(folder, version, Prefixes({"ex": EX, "id": f"{EX}id/", "unused": "http://unused.example/"}))


@pytest.fixture
def snapshot(tmp_path: Path) -> Tiny:
    """The first version."""
    return make_snapshot(tmp_path / "v1")


T = TypeVar("T")


# The service runs on uvloop where it is installed; `kg query` and others run on asyncio's own loop.
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop] | None] = {
    "service": auto_loop_factory(),
    "plain": None,
}


def with_engine(
    snapshot: Tiny,
    work: Callable[[Engine], Awaitable[T]],
    settings: Settings = SETTINGS,
    *,
    loop: str = "service",
) -> T:
    """Run some work against a started engine, all workers ready; none is left afterwards."""

    async def whole() -> T:
        engine = Engine(settings)
        await engine.start(snapshot)
        await all_ready(engine)
        pids = pids_of(engine)
        try:
            return await work(engine)
        finally:
            pids += pids_of(engine)
            await engine.close()
            assert not [pid for pid in pids if is_running(pid)]

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        return runner.run(whole())


async def all_ready(engine: Engine) -> None:
    """Wait until every worker is there and idle."""
    for _ in range(1000):
        status = engine.status()
        if len(status["workers"]) == status["wanted_workers"] and not any(
            w["busy"] for w in status["workers"]
        ):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"not ready: {engine.status()}")


def pids_of(engine: Engine) -> list[int]:
    """Return the processes of an engine: its loader first, then its workers."""
    status = engine.status()
    return [status["loader"]["pid"], *(one["pid"] for one in status["workers"])]


def is_running(pid: int) -> bool:
    """Say whether a process exists, a zombie too, but not one that another process is to take note of."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z" or int(parent) == os.getpid()


def ask(snapshot: Tiny, query: str, **more: Any) -> Answer:
    """Answer one query with one worker."""
    settings = more.pop("settings", SETTINGS)
    return run_query(snapshot, settings, QueryRequest(query, **more))


def values(answer: Answer) -> list[tuple[str, ...]]:
    """Return the rows of a JSON answer, sorted."""
    found = json.loads(answer.body)
    return sorted(
        tuple(row[name]["value"] for name in found["head"]["vars"] if name in row)
        for row in found["results"]["bindings"]
    )


@pytest.mark.parametrize("loop", LOOPS)
def test_the_engine_on_either_event_loop(snapshot: Tiny, loop: str) -> None:
    """It answers, ends what runs away, and replaces the dead."""

    async def work(engine: Engine) -> list[Answer]:
        with pytest.raises(QueryTimeoutError):
            await engine.query(QueryRequest(RUNAWAY))
        for pid in pids_of(engine):
            os.kill(pid, signal.SIGKILL)
        answers = [await engine.query(QueryRequest(LIGHT))]
        await all_ready(engine)
        return [*answers, await engine.query(QueryRequest(LIGHT + "#"))]

    assert [values(one) for one in with_engine(snapshot, work, loop=loop)] == [[("0",)]] * 2


class TestFormats:
    """What answers look like, byte by byte."""

    SAYS = f"SELECT ?o ?none WHERE {{ <{EX}id/a> <{EX}says> ?o }} ORDER BY STR(?o)"

    def test_json_when_selecting(self, snapshot: Tiny) -> None:
        """JSON holds every value, its type and its language."""
        answer = ask(snapshot, self.SAYS)
        rows = json.loads(answer.body)["results"]["bindings"]
        assert {row["o"]["value"] for row in rows} == {
            "plain", 'comma, "quote"\nline\ttab', "return\rhere", "markup <b> & é", "5", "1.5", "2001",
        }  # fmt: skip
        assert [row["o"]["xml:lang"] for row in rows if "xml:lang" in row["o"]] == ["en"]
        assert (answer.form, answer.media_type, answer.version) == (
            "SELECT", "application/sparql-results+json", "v1",
        )  # fmt: skip

    def test_csv_when_selecting(self, snapshot: Tiny) -> None:
        """CSV has CRLF, no question mark, plain values, nothing for unbound."""
        body = ask(snapshot, self.SAYS, format="csv").body
        assert body.startswith(b"o,none\r\n1.5,\r\n2001,\r\n5,\r\n")
        rows = list(csv.reader(io.StringIO(body.decode(), newline="")))
        assert ['comma, "quote"\nline\ttab', ""] in rows and ["return\rhere", ""] in rows
        assert len(rows) == len(LITERALS) + 1

    def test_tsv_when_selecting(self, snapshot: Tiny) -> None:
        """TSV has question marks, terms as Turtle, one line a row."""
        lines = ask(snapshot, self.SAYS, format="tsv").body.decode().split("\n")
        assert lines[0] == "?o\t?none" and lines[-1] == "" and len(lines) == len(LITERALS) + 2
        assert {line.split("\t")[0] for line in lines[1:-1]} == {
            '"plain"', '"comma, \\"quote\\"\\nline\\ttab"@en', '"return\\rhere"', '"markup <b> & é"',
            "5", "1.5", f'"2001"^^<{XSD}gYear>',
        }  # fmt: skip

    def test_xml_when_a_value_holds_a_carriage_return(self, snapshot: Tiny) -> None:
        """XML parsers give back the carriage return that pyoxigraph writes bare."""
        root = ElementTree.fromstring(ask(snapshot, self.SAYS, format="xml").body)
        found = {one.text for one in root.iter("{http://www.w3.org/2005/sparql-results#}literal")}
        assert "return\rhere" in found and "markup <b> & é" in found and len(found) == len(LITERALS)

    @pytest.mark.parametrize(("name", "expected"), [("json", b'"boolean":true'), ("xml", b"<boolean>true")])
    def test_ask_when_true(self, snapshot: Tiny, name: str, expected: bytes) -> None:
        """ASK answers in JSON and XML."""
        assert expected in ask(snapshot, "ASK { ?s ?p ?o }", format=name).body

    @pytest.mark.parametrize("name", formats_for("CONSTRUCT"))
    @pytest.mark.parametrize("form", ["CONSTRUCT", "DESCRIBE"])
    def test_graph_formats_when_read_back(self, snapshot: Tiny, name: str, form: str) -> None:
        """Every graph format, parsed again, gives the same triples."""
        query = f"DESCRIBE <{EX}id/a>" if form == "DESCRIBE" else (
            f"CONSTRUCT WHERE {{ <{EX}id/a> ?p ?o }}"
        )  # fmt: skip
        answer = ask(snapshot, query, format=name)
        formats = {"jsonld": ox.RdfFormat.JSON_LD, "rdf": ox.RdfFormat.RDF_XML}
        read = formats.get(name) or ox.RdfFormat.from_extension(name)
        assert read is not None
        triples = {str(quad.triple) for quad in ox.parse(answer.body, format=read)}
        expected = [f"<{EX}id/a> <{EX}says> {one} ." for one in LITERALS] + [
            f"<{EX}id/a> <{EX}in> <{EX}id/b> ."
        ]
        known = {str(quad.triple) for quad in ox.parse("\n".join(expected), format=ox.RdfFormat.N_TRIPLES)}
        assert triples == known and answer.form == form and answer.media_type == FORMATS[name].media_type

    def test_turtle_when_prefixes_are_known(self, snapshot: Tiny) -> None:
        """Turtle opens with the prefixes that it uses, sorted, and no others."""
        body = ask(
            snapshot, f"CONSTRUCT {{ ?s <{EX}in> ?o }} {{ ?s <{EX}in> ?o }}", format="ttl"
        ).body.decode()
        assert body.startswith(f"@prefix ex: <{EX}> .\n@prefix id: <{EX}id/> .\nid:")
        assert "unused" not in body

    @pytest.mark.parametrize(
        ("query", "name", "available"),
        [
            ("ASK {}", "csv", ["json", "xml"]),
            ("SELECT * {}", "ttl", ["json", "xml", "csv", "tsv"]),
            ("CONSTRUCT {} {}", "json", ["ttl", "nt", "nq", "trig", "rdf", "jsonld"]),
            ("ASK {}", "pdf", ["json", "xml"]),
        ],
    )
    def test_format_when_it_does_not_fit(
        self, snapshot: Tiny, query: str, name: str, available: list[str]
    ) -> None:
        """A format that cannot carry the answer is refused with those that can."""
        with pytest.raises(NotAcceptableError) as caught:
            ask(snapshot, query, format=name)
        assert caught.value.fields["available"] == available

    @pytest.mark.parametrize(
        ("query", "name"),
        [
            (f"CONSTRUCT {{ <{EX}a> <{EX}123> 1 }} {{}}", "rdf"),
            (f"CONSTRUCT {{ <{EX}a> <{EX}p> '\\u0001' }} {{}}", "rdf"),
            ("SELECT ('\\u0001' AS ?x) {}", "xml"),
        ],
    )
    def test_xml_when_it_cannot_carry_the_answer(self, snapshot: Tiny, query: str, name: str) -> None:
        """What XML cannot write is an error that names other formats, not broken XML."""
        with pytest.raises(NotAcceptableError) as caught:
            ask(snapshot, query, format=name)
        assert name not in caught.value.fields["available"]


class TestDataset:
    """Which graphs a query sees."""

    EDGES = f"SELECT ?s ?o WHERE {{ ?s <{EX}in> ?o }}"
    GRAPHS = f"SELECT DISTINCT ?g WHERE {{ GRAPH ?g {{ ?s <{EX}in> ?o }} }}"
    A_TO_B, B_TO_C = (f"{EX}id/a", f"{EX}id/b"), (f"{EX}id/b", f"{EX}id/c")

    def test_default_graph_when_nothing_is_said(self, snapshot: Tiny) -> None:
        """The default graph holds each triple once."""
        assert values(ask(snapshot, self.EDGES)) == [self.A_TO_B, self.B_TO_C]

    @pytest.mark.parametrize(
        ("defaults", "named", "edges", "graphs"),
        [
            ((ONE,), (), 1, []),
            ((ONE, TWO), (), 2, []),
            ((), (TWO,), 0, [(TWO,)]),
            ((ONE,), (TWO,), 1, [(TWO,)]),
            ((ONE, TWO), (ONE, TWO), 2, [(ONE,), (TWO,)]),
            ((f"{EX}nowhere",), (), 0, []),
        ],
    )
    @pytest.mark.parametrize("clause", ["", f"FROM <{THREE}> FROM NAMED <{THREE}>"])
    def test_parameters_when_given(
        self,
        snapshot: Tiny,
        defaults: tuple[str, ...],
        named: tuple[str, ...],
        edges: int,
        graphs: list[Any],
        clause: str,
    ) -> None:
        """Dataset parameters say the whole dataset, and override FROM and FROM NAMED."""

        async def both(engine: Engine) -> tuple[Answer, Answer]:
            edge_query = self.EDGES.replace("WHERE", f"{clause} WHERE")
            graph_query = self.GRAPHS.replace("WHERE", f"{clause} WHERE")
            return (
                await engine.query(QueryRequest(edge_query, default_graphs=defaults, named_graphs=named)),
                await engine.query(QueryRequest(graph_query, default_graphs=defaults, named_graphs=named)),
            )

        first, second = with_engine(snapshot, both)
        assert (len(values(first)), values(second)) == (edges, graphs)

    def test_from_when_several_graphs_hold_a_triple(self, snapshot: Tiny) -> None:
        """FROM merges: a triple of two graphs comes once, with prefixed and relative names too."""
        query = f"PREFIX g: <{EX}graph/> SELECT ?s ?o FROM g:1 FROM <graph/2> FROM NAMED g:3 " + (
            f"WHERE {{ ?s <{EX}in> ?o . GRAPH ?g {{ <{EX}version> ?p ?v }} }}"
        )
        assert values(ask(snapshot, query, base=EX)) == [self.A_TO_B, self.B_TO_C]

    def test_base_when_given(self, snapshot: Tiny) -> None:
        """Relative IRIs are resolved against the base."""
        assert values(ask(snapshot, "SELECT ?o { <id/0> <order> ?o }", base=EX)) == [("0",)]

    def test_base_when_it_is_no_iri(self, snapshot: Tiny) -> None:
        """A wrong base is the asker's error."""
        with pytest.raises(QueryError):
            ask(snapshot, "ASK {}", base="no base")


class TestBounds:
    """Queries that ask too much end; the others go on."""

    def test_runaway_when_light_queries_go_on(self, snapshot: Tiny) -> None:
        """Runaways end within a second of their deadline; light queries beside them succeed."""

        async def work(engine: Engine) -> tuple[list[Any], list[float], float]:
            started = time.monotonic()
            heavy = [
                asyncio.create_task(engine.query(QueryRequest(RUNAWAY, client="one"))),
                asyncio.create_task(engine.query(QueryRequest(RUNAWAY + " ", client="two"))),
            ]
            light: list[float] = []
            while not all(task.done() for task in heavy):
                begun = time.monotonic()
                request = QueryRequest(LIGHT + f" # {len(light)}", client="three")
                assert values(await engine.query(request)) == [("0",)]
                light.append(time.monotonic() - begun)
                await asyncio.sleep(0.01)
            return [task.exception() for task in heavy], light, time.monotonic() - started

        errors, light, elapsed_s = with_engine(snapshot, work)
        assert [type(error) for error in errors] == [QueryTimeoutError] * 2
        assert errors[0].fields["timeout_s"] == SETTINGS.timeout_s
        assert len(light) > 5
        # One slow place: the second runs after the first.
        assert elapsed_s < 2 * (SETTINGS.timeout_s + 1)

    def test_deadline_when_eight_run_away_at_once(self, snapshot: Tiny) -> None:
        """Waiting counts: each has its error within a second of the deadline, one that never ran as busy."""
        settings = replace(SETTINGS, queue_length=64, queue_per_client=64)

        async def ended(engine: Engine, number: int) -> tuple[KGError, float]:
            started = time.monotonic()
            with pytest.raises((QueryTimeoutError, BusyError)) as caught:
                await engine.query(QueryRequest(RUNAWAY + " " * number, client="one"))
            return caught.value, time.monotonic() - started

        async def work(engine: Engine) -> list[list[tuple[KGError, float]]]:
            rounds = []
            for _ in range(2):  # in the second they are known as slow: they only wait
                rounds.append(list(await asyncio.gather(*(ended(engine, n) for n in range(8)))))
                await all_ready(engine)
            return rounds

        first, second = with_engine(snapshot, work, settings)
        for error, elapsed_s in [*first, *second]:
            assert SETTINGS.timeout_s <= elapsed_s < SETTINGS.timeout_s + 1
            assert "KG_TIMEOUT_S" in error.message
        assert {type(error) for error, _ in first} == {QueryTimeoutError}
        busy = [error for error, _ in second if isinstance(error, BusyError)]
        assert len(busy) == 7 and all("did not run" in one.message for one in busy)
        assert all(one.fields["retry_after_s"] >= 1 for one in busy)

    def test_deadline_when_the_request_sets_it(self, snapshot: Tiny) -> None:
        """A request may ask for less time than the setting, not for more."""

        async def work(engine: Engine) -> list[float]:
            times = []
            for wanted in (0.2, 100.0):
                started = time.monotonic()
                with pytest.raises(QueryTimeoutError):
                    await engine.query(QueryRequest(RUNAWAY, timeout_s=wanted))
                times.append(time.monotonic() - started)
            return times

        short, long = with_engine(snapshot, work)
        assert 0.2 <= short < 1.2 and SETTINGS.timeout_s <= long < SETTINGS.timeout_s + 1

    def test_slow_query_when_it_ends_in_time(self, snapshot: Tiny) -> None:
        """A query that passes the quick deadline is answered from the slow lane."""
        settings = replace(SETTINGS, quick_timeout_s=0.0, timeout_s=20.0)
        query = "SELECT (COUNT(*) AS ?n) WHERE { ?a ?b ?c . ?d ?e ?f }"

        async def work(engine: Engine) -> tuple[Answer, dict[str, Any]]:
            return await engine.query(QueryRequest(query)), engine.status()

        answer, status = with_engine(snapshot, work, settings)
        assert int(values(answer)[0][0]) > 40_000 and status["counts"]["slow"] == 1

    def test_memory_when_a_query_wants_more(self, snapshot: Tiny) -> None:
        """A query at its memory limit gets an error; the service goes on."""
        settings = replace(SETTINGS, max_memory_bytes=400_000_000, quick_timeout_s=15.0, timeout_s=30.0)

        async def work(engine: Engine) -> Answer:
            with pytest.raises(QueryMemoryError) as caught:
                await engine.query(QueryRequest(BOMB))
            assert caught.value.fields["max_memory_bytes"] == 400_000_000
            assert "KG_MAX_MEMORY_BYTES" in caught.value.message
            return await engine.query(QueryRequest(LIGHT))

        assert values(with_engine(snapshot, work, settings)) == [("0",)]

    def test_answer_when_it_passes_the_cap(self, snapshot: Tiny) -> None:
        """An answer past its bound is refused while it is written, in rows and in triples."""
        rows = "SELECT * WHERE { ?a ?b ?c . ?d ?e ?f }"
        triples = f"CONSTRUCT {{ ?a <{EX}with> ?d }} WHERE {{ ?a ?b ?c . ?d ?e ?f }}"

        async def work(engine: Engine) -> dict[str, Any]:
            for query, name in ((rows, "csv"), (triples, "ttl"), (triples, "nt")):
                with pytest.raises(AnswerTooLargeError) as caught:
                    await engine.query(QueryRequest(query, format=name))
                assert caught.value.fields["max_answer_bytes"] == SETTINGS.max_answer_bytes
            return engine.status()

        status = with_engine(snapshot, work, replace(SETTINGS, quick_timeout_s=5.0, timeout_s=10.0))
        assert status["restarts"] == 0

    def test_nesting_when_too_deep(self, snapshot: Tiny) -> None:
        """Deep nesting is refused before a worker sees it."""

        async def work(engine: Engine) -> dict[str, Any]:
            with pytest.raises(QueryTooDeepError):
                await engine.query(QueryRequest("SELECT * " + "{" * 3_000 + "}" * 3_000))
            return engine.status()

        assert with_engine(snapshot, work)["restarts"] == 0

    def test_worker_when_killed_in_a_query(self, snapshot: Tiny) -> None:
        """A query whose worker is killed from outside runs once more, and no third time."""

        async def work(engine: Engine) -> tuple[set[int], set[int], int]:
            before = set(pids_of(engine))
            task = asyncio.create_task(engine.query(QueryRequest(RUNAWAY)))
            killed: set[int] = set()
            while len(killed) < 2:
                await asyncio.sleep(0.1)
                (busy,) = [one["pid"] for one in engine.status()["workers"] if one["busy"]]
                os.kill(busy, signal.SIGKILL)
                killed.add(busy)
            with pytest.raises(QueryMemoryError, match="SIGKILL"):
                await task
            assert values(await engine.query(QueryRequest(LIGHT))) == [("0",)]
            await all_ready(engine)
            return before - killed, set(pids_of(engine)), engine.status()["counts"]["tried again"]

        left, after, again = with_engine(snapshot, work)
        assert left < after and len(after) == 6 and again == 1

    def test_answer_when_its_first_worker_is_killed(self, snapshot: Tiny) -> None:
        """The second run of a query gives its answer."""
        settings = replace(SETTINGS, quick_timeout_s=20.0, timeout_s=20.0)
        query = "SELECT (COUNT(*) AS ?n) WHERE { ?a ?b ?c . ?d ?e ?f . ?g <http://example.org/in> ?h }"

        async def work(engine: Engine) -> tuple[Answer, int]:
            task = asyncio.create_task(engine.query(QueryRequest(query)))
            while not (busy := [one["pid"] for one in engine.status()["workers"] if one["busy"]]):
                await asyncio.sleep(0)
            await asyncio.sleep(0.005)
            os.kill(busy[0], signal.SIGKILL)
            return await task, engine.status()["counts"]["tried again"]

        answer, again = with_engine(snapshot, work, settings)
        assert int(values(answer)[0][0]) > 80_000 and again == 1

    def test_query_when_it_kills_its_worker(self, snapshot: Tiny) -> None:
        """A worker that falls by its query is not followed by a second one."""

        async def work(engine: Engine) -> dict[str, Any]:
            task = asyncio.create_task(engine.query(QueryRequest(RUNAWAY)))
            await asyncio.sleep(0.1)
            (busy,) = [one["pid"] for one in engine.status()["workers"] if one["busy"]]
            os.kill(busy, signal.SIGSEGV)
            with pytest.raises(QueryMemoryError, match="SIGSEGV"):
                await task
            return engine.status()

        assert "tried again" not in with_engine(snapshot, work)["counts"]

    def test_workers_when_killed_while_idle(self, snapshot: Tiny) -> None:
        """All idle workers die: the next query is answered."""

        async def work(engine: Engine) -> list[Answer]:
            answers = []
            for number in range(3):
                for pid in pids_of(engine)[1:]:
                    with suppress(ProcessLookupError):  # died in the turn before, not seen yet
                        os.kill(pid, signal.SIGKILL)
                answers.append(await engine.query(QueryRequest(f"{LIGHT} # {number}")))
                await all_ready(engine)
            return answers

        assert [values(one) for one in with_engine(snapshot, work)] == [[("0",)]] * 3

    def test_workers_when_idle_ones_die_and_nobody_asks(self, snapshot: Tiny) -> None:
        """Each is replaced before it is needed."""

        async def work(engine: Engine) -> None:
            before = pids_of(engine)[1:]
            for pid in before[:-1]:
                os.kill(pid, signal.SIGKILL)
            while set(pids_of(engine)[1:]) & set(before[:-1]):
                await asyncio.sleep(0.01)
            await all_ready(engine)
            assert before[-1] in pids_of(engine) and len(pids_of(engine)) == len(before) + 1

        with_engine(snapshot, work)

    def test_workers_when_the_loader_is_killed(self, snapshot: Tiny) -> None:
        """The workers that are there go on, queries that run too; another loader comes by itself."""
        settings = replace(SETTINGS, timeout_s=5.0, quick_timeout_s=0.1)

        async def work(engine: Engine) -> None:
            before = pids_of(engine)
            slow = asyncio.create_task(engine.query(QueryRequest(RUNAWAY)))
            await asyncio.sleep(0.1)
            os.kill(before[0], signal.SIGKILL)
            assert values(await engine.query(QueryRequest(LIGHT))) == [("0",)]
            while (after := pids_of(engine))[0] == before[0]:
                assert values(await engine.query(QueryRequest(LIGHT))) == [("0",)]
                await asyncio.sleep(0.01)
            assert set(after[1:]) == set(before[1:]) and not slow.done()
            os.kill(before[-1], signal.SIGKILL)
            with pytest.raises(QueryTimeoutError):
                await slow
            await all_ready(engine)
            assert len(pids_of(engine)) == len(before)

        with_engine(snapshot, work, settings)

    def test_memory_when_workers_share_it(self, snapshot: Tiny) -> None:
        """What the processes share is counted once."""
        with snapshot.quads_path.open("a", encoding="utf-8") as stream:
            stream.writelines(f"<{EX}id/{n}> <{EX}order> <{EX}more/{n}> .\n" for n in range(100_000))

        async def work(engine: Engine) -> dict[str, Any]:
            await asyncio.gather(*(engine.query(QueryRequest(f"{LIGHT} # {n}")) for n in range(10)))
            return engine.status()

        status = with_engine(snapshot, work)
        loader_bytes = status["loader"]["memory_bytes"]
        assert loader_bytes < status["memory_bytes"] < 2 * loader_bytes


class SlowToEnd:
    """Stands for a worker process that takes a while to end."""

    def __init__(self) -> None:
        self.is_alive = True
        self.is_ended = False

    async def close(self) -> None:
        """End after a while."""
        await asyncio.sleep(0.05)
        self.is_ended = True

    def kill(self) -> None:
        """Ask it to end."""


def test_worker_when_it_is_ready_after_its_pool_retired(
    snapshot: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that comes too late is ended, and the pool waits for it even when its start is cancelled."""

    async def work() -> bool:
        late, ready = SlowToEnd(), asyncio.Event()

        class SlowToFork(SlowToEnd):
            async def fork(self) -> SlowToEnd:
                await ready.wait()
                return late

            async def wait(self) -> None:
                while not self.is_ended:
                    await asyncio.sleep(0.01)

        async def start(*_: Any) -> SlowToFork:
            return SlowToFork()

        monkeypatch.setattr(pool_module, "start_loader", start)
        pool = pool_module.Pool(snapshot, SETTINGS, size=1)
        pool.fill_later()
        await asyncio.sleep(0.01)
        await pool.retire()
        ready.set()
        await asyncio.sleep(0.01)
        await pool.close()
        return late.is_ended

    assert asyncio.run(work())


class TestQueue:
    """Places are few; who comes too much waits or is sent away."""

    def test_queue_when_full(self, snapshot: Tiny) -> None:
        """Past the queue's length a query is sent away at once, with the time to come back."""
        settings = replace(SETTINGS, quick_workers=1, queue_length=1, quick_timeout_s=1.0)

        async def work(engine: Engine) -> None:
            heavy = [
                asyncio.create_task(engine.query(QueryRequest(RUNAWAY + " " * number, client=str(number))))
                for number in range(2)
            ]
            await asyncio.sleep(0)
            with pytest.raises(BusyError) as caught:
                await engine.query(QueryRequest(LIGHT))
            assert caught.value.fields["retry_after_s"] >= 1
            for task in heavy:
                task.cancel()
            await asyncio.gather(*heavy, return_exceptions=True)
            assert values(await engine.query(QueryRequest(LIGHT))) == [("0",)]

        with_engine(snapshot, work, settings)

    def test_queue_when_one_client_floods_it(self, snapshot: Tiny) -> None:
        """One client holds its share of the queue at most; another is let in after that."""

        async def work(engine: Engine) -> list[Any]:
            asked = [
                asyncio.create_task(engine.query(QueryRequest(f"{LIGHT} # {number}", client="flood")))
                for number in range(20)
            ]
            await asyncio.sleep(0)
            assert values(await engine.query(QueryRequest(LIGHT, client="other"))) == [("0",)]
            return await asyncio.gather(*asked, return_exceptions=True)

        found = with_engine(snapshot, work)
        assert {type(one) for one in found} == {Answer, BusyError}

    def test_client_when_it_has_a_long_query(self, snapshot: Tiny) -> None:
        """One client runs one long query at a time; another client's runs beside it."""
        settings = replace(SETTINGS, slow_workers=2, quick_timeout_s=0.1, timeout_s=3.0)

        async def work(engine: Engine) -> list[str]:
            tasks = [
                asyncio.create_task(engine.query(QueryRequest(RUNAWAY + " " * number, client=client)))
                for number, client in enumerate(("greedy", "greedy", "other"))
            ]
            await asyncio.sleep(1.5)
            running = sorted(engine.dispatcher.slow.running)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            return running

        assert with_engine(snapshot, work, settings) == ["greedy", "other"]

    def test_share_when_the_setting_is_larger(self, snapshot: Tiny) -> None:
        """One client has as many long queries at a time as the setting says."""
        settings = replace(SETTINGS, slow_workers=2, slow_per_client=2, quick_timeout_s=0.1, timeout_s=3.0)

        async def work(engine: Engine) -> list[str]:
            tasks = [
                asyncio.create_task(engine.query(QueryRequest(RUNAWAY + " " * number, client="greedy")))
                for number in range(3)
            ]
            await asyncio.sleep(1)
            running = list(engine.dispatcher.slow.running)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            return running

        assert with_engine(snapshot, work, settings) == ["greedy", "greedy"]

    @pytest.mark.skipif(sys.platform != "linux", reason="processor time of others is known on Linux")
    def test_patience_when_the_machine_is_busy(self, snapshot: Tiny) -> None:
        """A query that was hardly given the processor is not ended for those that wait."""
        settings = replace(SETTINGS, quick_workers=1, quick_timeout_s=2.0, timeout_s=5.0)

        async def work(engine: Engine) -> dict[str, Any]:
            await all_ready(engine)
            await engine.dispatcher.slow.acquire("other", timeout_s=1)
            for pid in pids_of(engine):
                os.kill(pid, signal.SIGSTOP)
            tasks = [
                asyncio.create_task(engine.query(QueryRequest(LIGHT + " " * number))) for number in range(2)
            ]
            await asyncio.sleep(0.35)
            for pid in pids_of(engine):
                os.kill(pid, signal.SIGCONT)
            assert [values(one) for one in await asyncio.gather(*tasks)] == [[("0",)]] * 2
            engine.dispatcher.slow.release("other")
            return engine.status()

        assert with_engine(snapshot, work, settings)["restarts"] == 0

    @pytest.mark.skipif(sys.platform != "linux", reason="sessions share the processor out on Linux")
    def test_session_when_a_worker_is_forked(self, snapshot: Tiny) -> None:
        """Each worker has a session, so that as many queries as run have as many shares of the machine."""

        async def work(engine: Engine) -> None:
            await all_ready(engine)
            until = time.monotonic() + 5
            while any(os.getsid(pid) != pid for pid in pids_of(engine)):  # it may be about to make it
                assert time.monotonic() < until
                await asyncio.sleep(0.01)

        with_engine(snapshot, work)

    @pytest.mark.skipif(sys.platform != "linux", reason="an engine elsewhere may share priorities")
    def test_priority_when_a_query_is_long(self, snapshot: Tiny) -> None:
        """A long query yields the processor to every other; no worker that is idle again does."""
        pattern = "?a ?b ?c . ?d ?e ?f . ?g ex:says ?h . ?i ex:in ?j . ?k ex:in ?l . ?m ex:in ?n"
        pattern += " . ?o ex:in ?p"
        query = f"PREFIX ex: <{EX}> SELECT (COUNT(*) AS ?n) {{ {pattern} }}"
        settings = replace(SETTINGS, quick_timeout_s=20.0, timeout_s=20.0)

        async def work(engine: Engine) -> tuple[list[int], list[int]]:
            task = asyncio.create_task(engine.query(QueryRequest(query)))
            seen = []
            while not task.done():
                seen += [priority(one["pid"]) for one in engine.status()["workers"] if one["busy"]]
                await asyncio.sleep(0.005)
            await task
            await all_ready(engine)
            return seen, [priority(pid) for pid in pids_of(engine)]

        def priority(pid: int) -> int:
            return os.getpriority(os.PRIO_PROCESS, pid)

        own = priority(0)
        seen, after = with_engine(snapshot, work, settings)
        assert set(seen) == {own, LOW_PRIORITY} and set(after) == {own}

    def test_cancellation_when_the_client_leaves(self, snapshot: Tiny) -> None:
        """A cancelled query frees its place and its worker soon."""

        async def work(engine: Engine) -> None:
            tasks = [asyncio.create_task(engine.query(QueryRequest(RUNAWAY + " " * n))) for n in range(2)]
            await asyncio.sleep(0.1)
            for task in tasks:
                task.cancel()
            for task in tasks:
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert values(await engine.query(QueryRequest(LIGHT))) == [("0",)]
            await all_ready(engine)
            assert engine.status()["lanes"]["quick"]["running"] == 0

        with_engine(snapshot, work)

    def test_many_when_at_once(self, snapshot: Tiny) -> None:
        """Many light queries at once are all answered, each with its own answer."""
        settings = replace(SETTINGS, queue_length=200)

        async def work(engine: Engine) -> list[str]:
            queries = [f"SELECT ?o {{ <{EX}id/{n}> <{EX}order> ?o }}" for n in range(150)]
            answers = await asyncio.gather(*(engine.query(QueryRequest(query)) for query in queries))
            return [values(answer)[0][0] for answer in answers]

        assert with_engine(snapshot, work, settings) == [str(n) for n in range(150)]


@pytest.fixture
def listener() -> Iterator[tuple[int, list[Any]]]:
    """A server on loopback that notes who connects."""
    seen: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, address = server.accept()
                except OSError:
                    return
                seen.append(address)
                connection.close()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield server.getsockname()[1], seen
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


class TestIsolation:
    """A query opens nothing."""

    @pytest.mark.parametrize(
        "query",
        [
            "SELECT * {{ SERVICE <{url}> {{ ?s ?p ?o }} }}",
            "SELECT * {{ sErViCe SILENT <{url}> {{ ?s ?p ?o }} }}",
            "SELECT * {{ \\u0053ERVICE <{url}> {{ ?s ?p ?o }} }}",
            "SELECT * {{ ?s ?p trueSERVICE<{url}>{{ ?s ?p ?o }} }}",
            "PREFIX x: <{url}> SELECT * {{ SERVICEx:y {{ ?s ?p ?o }} }}",
            "SELECT * {{ ?s ?p ?o FILTER(?s<'x>')SERVICE<{url}>{{}}#'\n}}",
            "LOAD <{url}>",
            "SELECT * FROM <{url}> {{ ?s ?p ?o }}",
            "SELECT * FROM NAMED <{url}> {{ GRAPH ?g {{ ?s ?p ?o }} }}",
            "SELECT * FROM <file:///etc/passwd> FROM <{url}> {{ ?s ?p ?o }}",
            "DESCRIBE <{url}>",
        ],
    )
    def test_connection_when_a_query_names_one(
        self, snapshot: Tiny, listener: tuple[int, list[Any]], query: str
    ) -> None:
        """No spelling of SERVICE, LOAD or FROM opens a connection or reads a file."""
        port, seen = listener
        text = query.format(url=f"http://127.0.0.1:{port}/data.ttl")
        name = "ttl" if text.startswith("DESCRIBE") else "json"
        try:
            answer = ask(snapshot, text, format=name)
        except KGError as error:
            assert isinstance(error, QueryError)
        else:
            assert "root:" not in answer.body.decode()
            assert name == "ttl" or values(answer) == []
        assert seen == []

    def test_service_when_the_check_is_passed_by(
        self, snapshot: Tiny, listener: tuple[int, list[Any]]
    ) -> None:
        """In the worker SERVICE cannot connect, whatever the check before it lets through."""
        port, seen = listener
        query = f"SELECT * {{ SERVICE <http://127.0.0.1:{port}/> {{ ?s ?p ?o }} }}"
        job: dict[str, Any] = {"query": query, "base": None, "format": "json", "prologue": ""}
        job.update(default_graphs=(), named_graphs=(), from_default=(), from_named=())

        async def work(engine: Engine) -> dict[str, Any]:
            worker = await engine.pool.take()
            header, _ = await worker.ask(job)
            engine.pool.give_back(worker)
            return header

        assert with_engine(snapshot, work)["error"] == "evaluation"
        assert seen == []

    @pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="limits are read from /proc (Linux)")
    def test_worker_when_locked_down(self, snapshot: Tiny) -> None:
        """A ready worker may open no descriptor, write no file, dump no core, and has a memory bound."""

        async def work(engine: Engine) -> tuple[str, str]:
            pid = engine.status()["workers"][0]["pid"]
            limits = Path(f"/proc/{pid}/limits").read_text()
            environment = Path(f"/proc/{pid}/environ").read_text()
            return limits, environment

        limits, environment = with_engine(snapshot, work)
        bounds = {line[:26].strip(): line[26:].split()[0] for line in limits.splitlines()[1:]}
        assert (bounds["Max open files"], bounds["Max file size"], bounds["Max core file size"]) == (
            "1",  # number 0, which is open: its channel
            "0",
            "0",
        )
        assert 0 < int(bounds["Max address space"]) - SETTINGS.max_memory_bytes < 1_000_000_000
        assert "PATH" not in environment

    @pytest.mark.skipif(sys.platform != "linux", reason="descriptors are read from /proc (Linux)")
    def test_worker_when_others_are_beside_it(self, snapshot: Tiny) -> None:
        """A worker holds its channel, its standard error, counts of its own memory: nothing of others."""

        async def work(engine: Engine) -> list[list[str]]:
            await asyncio.gather(*(engine.query(QueryRequest(f"{LIGHT} # {n}")) for n in range(10)))
            return [
                [str(one.readlink()) for one in sorted(Path(f"/proc/{pid}/fd").iterdir())]
                for pid in pids_of(engine)[1:]
            ]

        workers = with_engine(snapshot, work)
        for channel, output, errors, *others in workers:
            assert channel.startswith("socket:") and output == errors and errors.startswith("pipe:")
            assert {Path(one).name for one in others} == {"statm", "smaps_rollup"}
        assert len({one[0] for one in workers}) == len({one[2] for one in workers}) == len(workers) == 5


class TestVersions:
    """Starting, switching, ending."""

    VERSION = f"SELECT ?v {{ <{EX}version> <{EX}is> ?v }}"

    def test_switch_when_queries_run(self, snapshot: Tiny, tmp_path: Path) -> None:
        """While versions change, every answer is of one version and says so; the old workers end."""
        second = make_snapshot(tmp_path / "v2", "v2")

        async def work(engine: Engine) -> set[tuple[str, str]]:
            old = [one["pid"] for one in engine.status()["workers"]]
            seen: set[tuple[str, str]] = set()
            switch = asyncio.create_task(engine.switch(second))
            number = 0
            while not switch.done() or number < 20:
                answer = await engine.query(QueryRequest(f"{self.VERSION} # {number}"))
                seen.add((answer.version, values(answer)[0][0]))
                number += 1
            await switch
            answer = await engine.query(QueryRequest(f"{self.VERSION} # 0"))
            assert (answer.version, values(answer)) == ("v2", [("v2",)])
            for _ in range(300):
                if not any(map(is_running, old)):
                    break
                await asyncio.sleep(0.01)
            assert not any(map(is_running, old))
            return seen

        assert with_engine(snapshot, work) <= {("v1", "v1"), ("v2", "v2")}

    def test_switch_when_a_long_query_runs(self, snapshot: Tiny, tmp_path: Path) -> None:
        """A query that runs ends on the version that it began with."""
        second = make_snapshot(tmp_path / "v2", "v2")
        settings = replace(SETTINGS, quick_timeout_s=10.0, timeout_s=20.0)
        pairs = f"?a ?b ?c . ?d ?e ?f . ?g <{EX}in> ?h"
        query = f"SELECT ?v (COUNT(*) AS ?n) {{ <{EX}version> <{EX}is> ?v . {pairs} }}"

        async def work(engine: Engine) -> Answer:
            task = asyncio.create_task(engine.query(QueryRequest(query + " GROUP BY ?v")))
            await asyncio.sleep(0.02)
            await engine.switch(second)
            return await task

        answer = with_engine(snapshot, work, settings)
        assert values(answer)[0][0] == answer.version

    def test_switch_when_the_new_version_does_not_load(self, snapshot: Tiny, tmp_path: Path) -> None:
        """A version that does not load is refused with the line; the old one is served on."""
        broken = make_snapshot(tmp_path / "v2", "v2")
        with broken.quads_path.open("a", encoding="utf-8") as stream:
            stream.write("<http://example.org/a> broken .\n")
        missing = Tiny(tmp_path / "none", "v3", snapshot.prefixes)

        async def work(engine: Engine) -> Answer:
            with pytest.raises(DataError) as caught:
                await engine.switch(broken)
            assert caught.value.problems[0].path == broken.quads_path
            with pytest.raises(MissingPartError):
                await engine.switch(missing)
            return await engine.query(QueryRequest(self.VERSION))

        assert values(with_engine(snapshot, work)) == [("v1",)]

    def test_start_when_memory_is_too_small(self, snapshot: Tiny) -> None:
        """A memory limit that the dataset does not fit in is named at the start."""
        with pytest.raises(UsageError, match="KG_MAX_MEMORY_BYTES"):
            ask(snapshot, LIGHT, settings=replace(SETTINGS, max_memory_bytes=50_000_000))

    def test_query_when_not_started(self) -> None:
        """An engine without a snapshot says so."""
        with pytest.raises(MissingPartError):
            asyncio.run(Engine(SETTINGS).query(QueryRequest(LIGHT)))

    def test_workers_when_the_parent_dies(self, snapshot: Tiny) -> None:
        """Workers and their loader end with the service, in the middle of a query too."""
        code = PARENT.format(path=str(snapshot.quads_path), query=RUNAWAY)
        with subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment()
        ) as parent:
            assert parent.stdout is not None
            pids = [int(one) for one in parent.stdout.readline().split()]
            parent.kill()
        for _ in range(300):
            if not any(_is_alive(pid) for pid in pids):
                break
            time.sleep(0.01)
        assert len(pids) == 6 and not any(_is_alive(pid) for pid in pids)


PARENT = """
import asyncio
from pathlib import Path
from types import SimpleNamespace
from kg.config import Settings
from kg.engine import Engine, QueryRequest
from kg.names import Prefixes

async def whole():
    engine = Engine(Settings(quick_workers=2, slow_workers=1, quick_timeout_s=60.0, timeout_s=60.0))
    await engine.start(SimpleNamespace(version="1", quads_path=Path("{path}"), prefixes=Prefixes({{}})))
    while len(engine.status()["workers"]) < 5:
        await asyncio.sleep(0.01)
    task = asyncio.create_task(engine.query(QueryRequest("{query}")))
    await asyncio.sleep(0.1)
    status = engine.status()
    print(status["loader"]["pid"], *(one["pid"] for one in status["workers"]), flush=True)
    await task

asyncio.run(whole())
"""


def environment() -> dict[str, str]:
    """Return an environment in which a child process finds the package under test."""
    return {**os.environ, "PYTHONPATH": str(Path(kg.__file__).parents[1])}


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class TestCache:
    """The same question is answered once."""

    def test_cache_when_asked_again(self, snapshot: Tiny) -> None:
        """The second answer is the first, marked as cached; another format or dataset is another answer."""

        async def work(engine: Engine) -> None:
            first = await engine.query(QueryRequest(LIGHT))
            second = await engine.query(QueryRequest(LIGHT, client="someone else"))
            assert (first.cached, second.cached) == (False, True)
            assert (second.body, second.etag) == (first.body, first.etag)
            others = [
                QueryRequest(LIGHT, format="csv"),
                QueryRequest(LIGHT, base=EX),
                QueryRequest(LIGHT, default_graphs=(ONE,)),
            ]
            answers = [await engine.query(other) for other in others]
            assert not any(answer.cached for answer in answers)
            assert len({first.etag, answers[0].etag, answers[2].etag}) == 3
            assert answers[1].etag == first.etag
            assert first.etag.startswith('"') and first.etag.endswith('"')
            assert engine.status()["cache"]["hits"] == 1

        with_engine(snapshot, work)

    @pytest.mark.parametrize("call", ["NOW()", "RAND()", "UUID()", "STRUUID()"])
    def test_cache_when_the_answer_varies(self, snapshot: Tiny, call: str) -> None:
        """What asks for the time or for chance is asked anew."""

        async def work(engine: Engine) -> bool:
            request = QueryRequest(f"SELECT ({call} AS ?x) {{}}")
            await engine.query(request)
            return (await engine.query(request)).cached

        assert with_engine(snapshot, work) is False

    def test_cache_when_full(self) -> None:
        """The bytes stay under the bound; the least recently used leaves first."""
        cache = AnswerCache(20_000)
        answer = Answer(b"x" * 1_000, "text/plain", "SELECT", "1", '"x"', 0.0, False)
        for number in range(30):
            cache.put(number, answer, key_bytes=0)
            assert cache.find(0) is not None and cache.used_bytes <= cache.max_bytes
        assert len(cache) == 10 and cache.find(1) is None and cache.find(29) is not None
        cache.put("large", replace(answer, body=b"x" * 10_000), key_bytes=0)
        assert cache.find("large") is None


PAIRS = f"?a <{EX}order> ?x . ?b <{EX}order> ?y"
EARLY = (  # many rows at once, then none and no end
    f"SELECT * {{ {{ {PAIRS} }} UNION "
    "{ ?a ?b ?c . ?d ?e ?f . ?g ?h ?i FILTER(CONCAT(STR(?a), STR(?d), STR(?g)) = 'none') } }"
)
LARGE = replace(SETTINGS, large_answer_bytes=1_000, max_answer_bytes=20_000_000, timeout_s=3.0, cache_bytes=0)


async def stream(engine: Engine, query: str, **more: Any) -> LargeAnswer:
    """Ask for an answer that is known to be large."""
    answer = await engine.stream(QueryRequest(query, **more))
    assert isinstance(answer, LargeAnswer)
    return answer


async def joined(large: LargeAnswer) -> bytes:
    """Read a large answer to its end, and close it."""
    try:
        return b"".join([part async for part in large.parts()])
    finally:
        large.close()


async def all_free(engine: Engine) -> None:
    """Wait until every worker is ready, and check that no place and no room is held."""
    await all_ready(engine)
    status = engine.status()
    assert [lane["running"] for lane in status["lanes"].values()] == [0, 0]
    assert status["spools"]["used_bytes"] == 0


def spool_files() -> int:
    """Count the files without a name that this process holds open."""
    found = 0
    for one in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found += str(one.readlink()).endswith("(deleted)")
    return found


class TestLarge:
    """Answers that are sent while they are written."""

    @pytest.mark.parametrize("name", FORMATS)
    def test_bytes_when_streamed(self, snapshot: Tiny, name: str) -> None:
        """In each format a streamed answer is the bytes of the whole one, wherever the threshold is."""
        most = 200 if name in ("ttl", "trig") else 60
        what = "SELECT ?a ?b" if "SELECT" in FORMATS[name].forms else f"CONSTRUCT {{ ?a <{EX}says> ?b }}"
        query = f"{what} {{ {{ {PAIRS} FILTER(?x < {most}) }} UNION {{ ?a <{EX}says> ?b }} }} ORDER BY ?a ?b"
        request = QueryRequest(query, format=name)

        async def work(engine: Engine) -> tuple[bytes, list[tuple[int, bytes]]]:
            whole = (await engine.query(request)).body
            streamed = []
            for limit in (1, 300_000, len(whole) - 1, len(whole) + 100_000):
                engine.dispatcher.settings = replace(LARGE, large_answer_bytes=limit)
                answer = await engine.stream(request)
                body = answer.body if isinstance(answer, Answer) else await joined(answer)
                assert isinstance(answer, Answer) == (limit > len(whole))
                streamed.append((limit, body))
            await all_free(engine)
            return whole, streamed

        whole, streamed = with_engine(snapshot, work, replace(LARGE, quick_timeout_s=2.0))
        assert len(whole) > 300_000
        assert [limit for limit, body in streamed if body != whole] == []

    def test_first_part_when_the_query_goes_on(self, snapshot: Tiny) -> None:
        """Parts leave before the query ends, from the slow lane; at the deadline they end in an error."""

        async def work(engine: Engine) -> bytes:
            large = await stream(engine, EARLY, format="csv")
            status = engine.status()
            assert [lane["running"] for lane in status["lanes"].values()] == [0, 1]
            assert large.version == "v1"
            found = b""
            with pytest.raises(QueryTimeoutError):
                async for part in large.parts():
                    found += part
            large.close()
            await all_free(engine)
            return found

        assert with_engine(snapshot, work, LARGE).startswith(b"a,b,c,d,e")

    def test_part_when_the_answer_passes_the_cap(self, snapshot: Tiny) -> None:
        """After its first part an answer past its bound ends in an error, and costs no worker."""

        async def work(engine: Engine) -> dict[str, Any]:
            large = await stream(engine, "SELECT * { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }", format="csv")
            with pytest.raises(AnswerTooLargeError):
                await joined(large)
            return engine.status()

        assert with_engine(snapshot, work, replace(LARGE, timeout_s=20.0))["restarts"] == 0

    def test_part_when_the_worker_is_killed(self, snapshot: Tiny) -> None:
        """A worker that dies after the first part leaves an answer that ends in an error."""

        async def work(engine: Engine) -> None:
            large = await stream(engine, EARLY)
            (busy,) = [one["pid"] for one in engine.status()["workers"] if one["busy"]]
            os.kill(busy, signal.SIGKILL)
            with pytest.raises(QueryMemoryError, match="SIGKILL"):
                await joined(large)
            assert values(await engine.query(QueryRequest(LIGHT))) == [("0",)]

        with_engine(snapshot, work, LARGE)

    @pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="files are counted in /proc (Linux)")
    def test_reader_when_it_stands_still_or_leaves(self, snapshot: Tiny) -> None:
        """A reader who stands still holds a file and nothing else; one who leaves holds nothing."""
        query = f"SELECT * {{ {PAIRS} }}"

        async def work(engine: Engine) -> None:
            still = await stream(engine, query)
            await anext(still.parts())
            await all_ready(engine)
            assert [lane["running"] for lane in engine.status()["lanes"].values()] == [0, 0]
            assert spool_files() == before + 1 and engine.spools.used_bytes == still.size > 1_000_000
            leaver = await stream(engine, EARLY)
            await anext(leaver.parts())
            started = time.monotonic()
            leaver.close()
            still.close()
            assert spool_files() == before and engine.spools.used_bytes == 0
            await all_free(engine)
            assert time.monotonic() - started < 2.0

        before = spool_files()
        with_engine(snapshot, work, LARGE)

    def test_parts_when_the_slow_lane_is_taken(self, snapshot: Tiny) -> None:
        """Parts wait where the query may have to run again; it does, and no part comes twice."""
        query = f"SELECT ?s {{ {{ ?s <{EX}order> ?o }} UNION {{ {PAIRS} FILTER(CONCAT(?a, ?b) = 'none') }} }}"
        query = query.replace("?a, ?b", "STR(?a), STR(?b), STR(?x), STR(?y)")

        async def work(engine: Engine) -> tuple[bytes, bytes, Counter[str]]:
            whole = (await engine.query(QueryRequest(query, format="csv"))).body
            engine.counts.clear()
            engine.dispatcher.forget()
            taken = asyncio.create_task(engine.query(QueryRequest(RUNAWAY, timeout_s=0.6)))
            while not engine.dispatcher.slow.running:
                await asyncio.sleep(0.01)
            large = await stream(engine, query, format="csv")
            with pytest.raises(QueryTimeoutError):
                await taken
            return whole, await joined(large), engine.counts

        whole, streamed, counts = with_engine(snapshot, work, replace(LARGE, quick_timeout_s=0.005))
        assert streamed == whole
        assert counts["slow"] == 2, "the query has to pass the quick deadline for this to test anything"

    def test_spool_when_it_is_full(self, snapshot: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
        """A full room, share of a client or disk is told before anything has left."""
        query = f"SELECT * {{ {PAIRS} }}"

        async def work(engine: Engine) -> list[str]:
            told = []
            for size, client in ((900_000, ""), (2_000_000, "one"), (10**9, "one")):
                engine.spools.max_bytes = size
                if size == 10**9:
                    monkeypatch.setattr(spool_module, "_open", lambda _: os.open("/dev/full", os.O_RDWR))
                with pytest.raises(BusyError) as caught:
                    await joined(await stream(engine, query, client=client))
                assert caught.value.fields["retry_after_s"] > 0
                told.append(str(caught.value))
            await all_free(engine)
            return told

        every = with_engine(snapshot, work, LARGE)
        for said, one in zip(("to clients", "to you", "No space left"), every, strict=True):
            assert said in one and "LIMIT" in one

    def test_tag_when_asked_for(self, snapshot: Tiny) -> None:
        """A large answer has a weak tag of its question; one that may differ from run to run has none."""
        query = f"SELECT * {{ {PAIRS} }}"

        async def work(engine: Engine) -> None:
            request = QueryRequest(query)
            large = await stream(engine, query)
            large.close()
            assert large.etag and large.etag.startswith('W/"')
            assert await engine.tag(request) == large.etag
            assert await engine.tag(replace(request, format="csv")) != large.etag
            assert await engine.tag(replace(request, query=query.replace("*", "(NOW() AS ?now)"))) is None

        with_engine(snapshot, work, LARGE)


class TestErrors:
    """A query with a slip gets the place and the fix."""

    @pytest.mark.parametrize(
        ("query", "line", "column", "fix"),
        [
            ("SELCT ?s { ?s ?p ?o }", 1, 1, "write SELECT"),
            ("SELECT ?s\nWHER { ?s ?p ?o }", 2, 1, "write WHERE"),
            ("SELECT ?s {\n  ?s ?p ?o FILER(?o > 1) }", 2, 12, "write FILTER"),
            ("ASK { ?s ex:in ?o }", 1, 10, f"open the query with PREFIX ex: <{EX}>"),
            (f"PREFIX exam: <{EX}> ASK {{ ?s exm:in ?o }}", 1, 45, "write exam:"),
            ("ASK { ?s <rel> ?o }", 1, 10, "write the whole IRI, or open the query with BASE <…>"),
            ("ASK { ?s ?p 'open }", 1, 13, "close it"),
            ("ASK { ?s ?p ?o", 1, 5, "add '}'"),
            ("ASK { ?s <http://example.org/p ?o }", 1, 10, "close it with '>'; write a space as %20"),
        ],
    )
    def test_syntax_when_there_is_a_slip(
        self, snapshot: Tiny, query: str, line: int, column: int, fix: str
    ) -> None:
        """Line, column and what to write."""
        with pytest.raises(QuerySyntaxError) as caught:
            ask(snapshot, query)
        assert (caught.value.fields["line"], caught.value.fields["column"]) == (line, column)
        assert caught.value.fields["fix"] == fix and fix in caught.value.message

    def test_update_when_sent_as_query(self, snapshot: Tiny) -> None:
        """Updates are refused as updates."""
        with pytest.raises(UpdateRefusedError):
            ask(snapshot, f"DELETE WHERE {{ <{EX}a> ?p ?o }}")


class TestRunQuery:
    """The way in for the command line."""

    def test_answer_when_there_is_no_loop(self, snapshot: Tiny) -> None:
        """One worker answers and ends."""
        answer = run_query(snapshot, SETTINGS, QueryRequest(LIGHT, format="csv"))
        assert (answer.body, answer.version) == (b"o\r\n0\r\n", "v1")

    def test_error_when_it_runs_away(self, snapshot: Tiny) -> None:
        """The deadline holds here too."""
        with pytest.raises(QueryTimeoutError):
            run_query(snapshot, replace(SETTINGS, timeout_s=0.3), QueryRequest(RUNAWAY))


class TestLane:
    """Who comes next."""

    def test_place_when_one_client_holds_most(self) -> None:
        """Who has fewer queries running goes before who came earlier; equals go by arrival."""

        async def whole() -> list[str]:
            lane = Lane("quick", 2, queue_length=8, queue_per_client=8, retry_after_s=1)
            order: list[str] = []

            async def wait(client: str, name: str) -> None:
                await lane.acquire(client, timeout_s=5)
                order.append(name)

            await wait("many", "many 1")
            await wait("many", "many 2")
            waiting = [("many", "many 3"), ("few", "few 1"), ("few", "few 2")]
            tasks = [asyncio.create_task(wait(*one)) for one in waiting]
            await asyncio.sleep(0)
            for client in ("many", "many", "few"):
                lane.release(client)
                await asyncio.sleep(0.01)
            await asyncio.gather(*tasks)
            return order

        assert asyncio.run(whole()) == ["many 1", "many 2", "few 1", "many 3", "few 2"]
