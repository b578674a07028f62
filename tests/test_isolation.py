"""Validation in processes of their own: bounded, ended when nobody waits, of the version that is current."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kg.config import Settings
from kg.dataset import Snapshot, find_snapshot
from kg.errors import (
    BusyError,
    MissingPartError,
    NotFoundError,
    UnsupportedMediaError,
    UsageError,
    ValidationMemoryError,
    ValidationTimeoutError,
)
from kg.isolation import XLSX, Answer, Job, Sent, Validator
from kg.isolation.jobs import parse_frame, read_answer
from kg.isolation.shapes import refusals
from kg.names import Prefixes
from kg.parsing import read

PREFIXES = "@prefix e: <http://e/> . @prefix sh: <http://www.w3.org/ns/shacl#> .\n"
NAMED = Sent(
    f"""{PREFIXES}e:S a sh:NodeShape ; sh:targetClass e:C ;
  sh:property [ sh:path e:name ; sh:minCount 1 ; sh:severity sh:Warning ] ,
    [ sh:path e:age ; sh:maxInclusive 150 ] .""".encode(),
    "shapes.ttl",
    "text/turtle",
)
NEVER = Sent(
    f"{PREFIXES}e:S a sh:NodeShape ; sh:targetClass e:C ; "
    'sh:property [ sh:path e:name ; sh:pattern "^(a+)+$" ] .'.encode(),
    "shapes.ttl",
    "text/turtle",
)
MALFORMED = Sent(
    f"{PREFIXES}e:S a sh:PropertyShape ; sh:path 3 ; sh:targetNode 1 .".encode(), "shapes.ttl", "text/turtle"
)
HUNGRY = Sent(
    f"""{PREFIXES}e:S a sh:NodeShape ; sh:targetClass e:C ; sh:sparql [ sh:select \"\"\"
SELECT $this ?value WHERE {{ $this ?p ?a {
        " ".join(f"BIND(CONCAT(?v{n}, ?v{n}, ?v{n}, ?v{n}) AS ?v{n + 1})" for n in range(20))
        .replace("?v0,", "STR(?a),")
        .replace("?v0)", "STR(?a))")
    } BIND(STRLEN(?v20) AS ?value) }}\"\"\" ] .""".encode(),
    "shapes.ttl",
    "text/turtle",
)


def data(text: str, name: str = "data.ttl") -> Sent:
    """Make a text to validate."""
    return Sent((PREFIXES + text).encode(), name, "text/turtle")


FINE = Job("shacl", data('e:x a e:C ; e:name "n" .'), (NAMED,))
TABLE = Sent(b"mediation,has mediator", "t.csv", "text/csv")
COPIES = (Sent.copy_of("Text ü\r\n".encode(), "a.txt"), Sent.copy_of(b"", ""))
ENDLESS = Job("shacl", data(f'e:x a e:C ; e:name "{"a" * 60}!" .'), (NEVER,))


@pytest.fixture
def snapshot(served: Settings) -> Snapshot:
    """Return the version of the small project."""
    found = find_snapshot(served)
    assert found is not None
    return found


Work = Callable[[Validator], Coroutine[Any, Any, Any]]


def with_validator(settings: Settings, work: Work) -> Any:
    """Do some work with a validator, and close it."""

    @asynccontextmanager
    async def started() -> AsyncIterator[Validator]:
        validator = Validator(settings)
        try:
            yield validator
        finally:
            await validator.close()

    async def run() -> Any:
        async with started() as validator:
            return await work(validator)

    return asyncio.run(run())


def children(process: int) -> list[int]:
    """Return the processes that a process has forked."""
    path = Path(f"/proc/{process}/task/{process}/children")
    return [int(one) for one in path.read_text().split()] if path.exists() else []


def parent_of(validator: Validator) -> int:
    """Return the process that forks."""
    assert validator._parent is not None
    return validator._parent.process.pid


async def until(fact: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not fact() and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    return fact()


def test_run_answers_in_the_format(served: Settings, snapshot: Snapshot) -> None:
    """A fine text conforms, another does not, each in its own process that is gone afterwards."""

    async def work(validator: Validator) -> None:
        fine = await validator.run(FINE, snapshot)
        assert (fine.conforms, fine.is_judged) == (True, True)
        bad = await validator.run(replace(FINE, data=data("e:x a e:C ;\n e:age 151 .")), snapshot)
        problems = json.loads(bad.body)["problems"]
        assert [(one["code"], one["line"], one["column"], one.get("level")) for one in problems] == [
            ("min-count", 2, 1, "warning"),
            ("max-inclusive", 3, 8, None),
        ]
        text = await validator.run(replace(FINE, format="text"), snapshot)
        assert text.body == b"Nothing is wrong.\n"
        assert await until(lambda: not children(parent_of(validator)))

    with_validator(served, work)


def test_run_ends_at_the_deadline(served: Settings, snapshot: Snapshot) -> None:
    """What takes too long is ended, and the place is free again."""

    async def work(validator: Validator) -> None:
        await validator.run(FINE, snapshot)
        before = time.monotonic()
        with pytest.raises(ValidationTimeoutError, match="2 seconds"):
            await validator.run(ENDLESS, snapshot)
        assert time.monotonic() - before < 3
        assert await until(lambda: not children(parent_of(validator)))
        assert (await validator.run(FINE, snapshot)).conforms

    with_validator(replace(served, validate_timeout_s=2.0, validate_places=1), work)


def test_run_ends_what_needs_too_much_memory(served: Settings, snapshot: Snapshot) -> None:
    """Shapes that double a text until memory ends meet their bound; the service does not."""

    async def work(validator: Validator) -> None:
        job = Job("shacl", data("e:x a e:C ; e:name 'a' ."), (HUNGRY,))
        with pytest.raises(ValidationMemoryError):
            await validator.run(job, snapshot)
        assert (await validator.run(FINE, snapshot)).conforms

    with_validator(replace(served, validate_memory_bytes=200_000_000), work)


def test_run_is_ended_when_nobody_waits(served: Settings, snapshot: Snapshot) -> None:
    """Cancelling a run ends its process, long before any deadline."""

    async def work(validator: Validator) -> None:
        await validator.run(FINE, snapshot)
        running = asyncio.create_task(validator.run(ENDLESS, snapshot))
        assert await until(lambda: len(children(parent_of(validator))) == 1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert await until(lambda: not children(parent_of(validator)))

    with_validator(replace(served, validate_timeout_s=60.0), work)


def test_run_is_refused_when_places_and_queue_are_taken(served: Settings, snapshot: Snapshot) -> None:
    """One place and one waiting: the third is told to come back, the second to have waited in vain."""

    async def work(validator: Validator) -> None:
        await validator.run(FINE, snapshot)
        running = asyncio.create_task(validator.run(ENDLESS, snapshot))
        await asyncio.sleep(0.2)
        waiting = asyncio.create_task(validator.run(ENDLESS, snapshot))
        await asyncio.sleep(0.2)
        with pytest.raises(BusyError) as refused:
            await validator.run(FINE, snapshot)
        assert refused.value.fields["retry_after_s"] > 0
        for one in (running, waiting):
            one.cancel()
        await asyncio.gather(running, waiting, return_exceptions=True)
        assert (await validator.run(FINE, snapshot)).conforms

    settings = replace(served, validate_places=1, validate_queue=1, validate_timeout_s=60.0)
    with_validator(settings, work)


def test_one_client_leaves_places_to_others(served: Settings, snapshot: Snapshot) -> None:
    """Who has one running and one waiting is told to come back, while another client is answered at once."""

    async def work(validator: Validator) -> None:
        await validator.run(FINE, snapshot)
        greedy = [asyncio.create_task(validator.run(ENDLESS, snapshot, client="a")) for _ in range(2)]
        await asyncio.sleep(0.2)
        with pytest.raises(BusyError, match="KG_VALIDATE_QUEUE_PER_CLIENT") as refused:
            await validator.run(FINE, snapshot, client="a")
        assert refused.value.fields["retry_after_s"] > 0
        assert (await asyncio.wait_for(validator.run(FINE, snapshot, client="b"), 10)).conforms
        for one in greedy:
            one.cancel()
        await asyncio.gather(*greedy, return_exceptions=True)
        assert (await validator.run(FINE, snapshot, client="a")).conforms

    settings = replace(
        served,
        validate_places=2,
        validate_queue=8,
        validate_per_client=1,
        validate_queue_per_client=1,
        validate_timeout_s=60.0,
    )
    with_validator(settings, work)


def test_processes_end_with_the_service(served: Settings, snapshot: Snapshot) -> None:
    """Closing the validator ends its parent process and what that has forked."""

    async def work(validator: Validator) -> None:
        await validator.run(FINE, snapshot)
        running = asyncio.create_task(validator.run(ENDLESS, snapshot))
        parent = parent_of(validator)
        assert await until(lambda: len(children(parent)) == 1)
        (child,) = children(parent)
        await validator.close()
        await asyncio.gather(running, return_exceptions=True)
        assert not any(Path(f"/proc/{one}").exists() for one in (parent, child))

    with_validator(replace(served, validate_timeout_s=60.0), work)


def test_parent_is_started_anew_when_it_has_died(served: Settings, snapshot: Snapshot) -> None:
    """A killed parent process is replaced with the next validation."""

    async def work(validator: Validator) -> None:
        await validator.run(FINE, snapshot)
        first = parent_of(validator)
        os.kill(first, 9)
        assert validator._parent is not None
        await validator._parent.process.wait()
        assert (await validator.run(FINE, snapshot)).conforms
        assert parent_of(validator) != first

    with_validator(served, work)


def test_another_version_has_another_parent(served: Settings, snapshot: Snapshot) -> None:
    """What is under way ends with the version it began with; the next is of the new one."""

    async def work(validator: Validator) -> None:
        await validator.run(FINE, snapshot)
        first = parent_of(validator)
        running = asyncio.create_task(validator.run(ENDLESS, snapshot))
        assert await until(lambda: len(children(first)) == 1)
        other = replace(snapshot, version="another")
        assert (await validator.run(FINE, other)).conforms
        assert parent_of(validator) != first and Path(f"/proc/{first}").exists()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert await until(lambda: not Path(f"/proc/{first}").exists())

    with_validator(replace(served, validate_timeout_s=60.0), work)


def test_parent_that_cannot_load_is_a_missing_part(served: Settings, tmp_path: Path) -> None:
    """A damaged version says so, and blocks nothing."""
    (tmp_path / "dataset.nq").write_text("no quads\n")
    damaged = Snapshot(tmp_path, "damaged", {"prefixes": {}})
    with pytest.raises(MissingPartError, match="did not start: SyntaxError"):
        with_validator(served, lambda validator: validator.run(FINE, damaged))


@pytest.mark.parametrize(
    ("job", "error"),
    [
        (replace(FINE, profile="owl"), NotFoundError),
        (replace(FINE, profile="contribution"), UsageError),
        (replace(FINE, documents=(Sent.copy_of(b"b", "a.txt"),)), UsageError),
        (replace(FINE, shapes=(TABLE,)), UsageError),
        (Job("contribution", NAMED, documents=(Sent.copy_of(b"%PDF-1.4 no", "a.pdf"),)), UsageError),
        (replace(FINE, shapes=(MALFORMED,)), UsageError),
    ],
    ids=["profile", "shapes", "documents", "table", "pdf", "malformed"],
)
def test_what_a_job_is_refused_for_is_told(
    served: Settings, snapshot: Snapshot, job: Job, error: type[Exception]
) -> None:
    """Errors of the child are raised here as what they are."""
    with pytest.raises(error):
        with_validator(served, lambda validator: validator.run(job, snapshot))


def test_frames_carry_jobs_and_answers() -> None:
    """What is written is read back; a piece of a frame is none."""
    job = Job("shacl", data("e:x e:y 'ü' ."), (NAMED, NEVER), COPIES, "ttl", "v1")
    read = parse_frame(job.to_bytes())
    assert read is not None
    assert Job.from_frame(*read) == job
    answer = Answer(b"\x00body", True, False)
    read = parse_frame(answer.to_bytes())
    assert read is not None and read_answer(*read) == answer
    assert parse_frame(answer.to_bytes()[:-1]) is None and parse_frame(b"") is None


@pytest.mark.parametrize(
    ("content", "name", "media_type", "expected"),
    [
        (b"", "a.TTL", "", ("a.TTL", "text/turtle")),
        (b"", "a.ttl", "application/trig; charset=utf-8", ("a.ttl", "application/trig")),
        (b"", "", "application/x-turtle", ("data.ttl", "text/turtle")),
        (b"", "a.ttl", "application/octet-stream", ("a.ttl", "text/turtle")),
        (b' \n{"@id": 1}', "", "", ("data.jsonld", "application/ld+json")),
        (b"<?xml version='1.0'?>", "", "text/plain", ("data.rdf", "application/rdf+xml")),
        (b"{ <urn:a> <urn:b> 1 }", "", "", ("data.trig", "application/trig")),
        (b"a,b", "a.csv", "text/plain", ("a.csv", "text/csv")),
        (b"a;b", "a.csv", "application/vnd.ms-excel", ("a.csv", "text/csv")),
        (b"a,b", "", "text/csv; header=present", ("data.csv", "text/csv")),
        (b"PK\x03\x04", "", "", ("data.xlsx", XLSX)),
        (b"\xd0\xcf\x11\xe0", "a.xls", "application/vnd.ms-excel", ("a.xls", XLSX)),
    ],
)
def test_sent_texts_have_a_type(
    content: bytes, name: str, media_type: str, expected: tuple[str, str]
) -> None:
    """Said, else by suffix, else by how it begins."""
    sent = Sent.of(content, name, media_type, "data")
    assert (sent.name, sent.media_type) == expected


@pytest.mark.parametrize(("name", "media_type"), [("a.docx", ""), ("", "image/png"), ("a.ttl", "text/html")])
def test_sent_texts_of_other_types_are_refused(name: str, media_type: str) -> None:
    """What is not RDF is refused by its type."""
    with pytest.raises(UnsupportedMediaError):
        Sent.of(b"", name, media_type, "data")


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        (b"a", "Notes 1.TXT", "Notes 1.TXT"),
        (b"a", "", "document.txt"),
        (b"%PDF-1.4", "notes", "notes.pdf"),
        (b"%PDF-1.4", "notes.txt", "notes.txt.pdf"),
        (b"<p>", "notes.html", "notes.html"),
    ],
)
def test_copies_have_a_suffix_of_their_kind(content: bytes, name: str, expected: str) -> None:
    """What begins as a PDF is one, whatever it is called; without a suffix it is text."""
    assert Sent.copy_of(content, name).name == expected
    with pytest.raises(UnsupportedMediaError):
        Sent.copy_of(b"PK", "notes.docx")


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("SELECT $this { SERVICE <http://e/> { ?s ?p ?o } }", "SERVICE"),
        ("SELECT $this\nfrom\n<file:///etc/passwd> {}", "FROM"),
        ("SELECT $this\n\\u0046ROM <file:///etc/passwd> {}", "FROM"),
        ("SELECT $this {} # <\nFROM <x>", "FROM"),
        ('SELECT $this { ?s ?p """ " """ } FROM <x> { ?s ?p """ " """ }', "FROM"),
        ("SELECT $this { ?from ?p 'FROM', <http://e/FROM>, e:SERVICE } # SERVICE", None),
    ],
)
def test_shapes_ask_nobody_else(query: str, word: str | None) -> None:
    """Queries that ask others are refused, however they are spelt; names and texts are no keywords."""
    text = f"{PREFIXES}e:S sh:sparql [ sh:select {json.dumps(query)} ] ."
    shapes = read(text.encode(), path=Path("s.ttl"), prefixes=Prefixes({}))
    assert shapes.statements
    found = [one.message.split(" ")[0] for one in refusals(shapes)]
    assert found == ([word] if word else [])


@pytest.mark.skipif(sys.platform != "linux", reason="namespaces are of Linux")
def test_processes_have_no_network_and_write_no_files(served: Settings, snapshot: Snapshot) -> None:
    """The parent stands in a network of its own, and its limits allow no file to grow."""

    async def work(validator: Validator) -> None:
        await validator.run(FINE, snapshot)
        process = Path(f"/proc/{parent_of(validator)}")
        if (process / "ns/net").readlink() == Path("/proc/self/ns/net").readlink():
            pytest.skip("this machine lets nobody leave its network")
        limits = (process / "limits").read_text()
        assert re.search(r"Max file size +0 +0 ", limits)
        assert "NoNewPrivs:\t1" in (process / "status").read_text()

    with_validator(served, work)
