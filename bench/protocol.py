"""
The W3C's 34 tests of the SPARQL 1.1 Protocol, put to this service and to its peers over HTTP: a table.

    python bench/protocol.py            print the table
    python bench/protocol.py --write    put it into docs/conformance.md too

The requests and what they ask for are those of tests/conformance/protocol.yaml, which the tests of this
service read too. Each engine is started here, on loopback, over the same three graphs; peers may be updated.

Source: SPARQL 1.1 Protocol, sections 2.1, 2.2 and 4, https://www.w3.org/TR/sparql11-protocol/
"""

from __future__ import annotations

import argparse
import asyncio
import configparser
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import yaml

ROOT = Path(__file__).resolve().parents[1]
TESTS = ROOT / "tests" / "conformance" / "protocol.yaml"
PAGE = ROOT / "docs" / "conformance.md"
MARK = "protocol beside peers"
HOST = "127.0.0.1"
START_TIMEOUT_S, ANSWER_TIMEOUT_S = 60.0, 10.0
DOCUMENT = "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <http://xmlns.com/foaf/0.1/Document>"
GRAPHS = [f"http://kasei.us/2009/09/sparql/data/data{number}.rdf" for number in (1, 2, 3)]
QUADS = "".join(f"<{one}> {DOCUMENT} <{one}> .\n" for one in GRAPHS)
ROWS = {"application/sparql-results+json", "application/sparql-results+xml", "application/json"}
KINDS = {
    "boolean": ROWS,
    "table": ROWS | {"text/csv", "text/tab-separated-values"},
    "graph": {"text/turtle", "application/rdf+xml", "application/n-triples", "application/xhtml+xml"},
}
# Tests that empty the store come last: `bad_` ones may be taken by who should refuse them.
ORDER = ("query_", "bad_query", "bad_multiple_queries", "update_", "bad_")
Request = Mapping[str, Any]


@dataclass(frozen=True)
class Engine:
    """One engine: how it starts on a port, and where it takes queries and updates."""

    name: str
    version: str
    command: Sequence[str]
    query_path: str
    update_path: str
    takes_updates: bool = True
    set_up: Sequence[str] = ()


def load_tests() -> dict[str, list[Request]]:
    """Read the tests, in the order in which they run."""
    tests: dict[str, list[Request]] = yaml.safe_load(TESTS.read_text(encoding="utf-8"))
    place = {name: min(n for n, one in enumerate(ORDER) if name.startswith(one)) for name in tests}
    return {name: tests[name] for name in sorted(tests, key=lambda name: place[name])}


# Judging.


def run(engine: Engine, client: httpx.Client, name: str, requests: Sequence[Request]) -> str:
    """Put one test to an engine; return `pass`, `refused` or what came instead."""
    for number, asked in enumerate(requests):
        is_update = number == 0 and "update" in name
        try:
            answer = send(client, engine.update_path if is_update else engine.query_path, asked)
        except httpx.HTTPError as error:
            return "no answer" if isinstance(error, httpx.TimeoutException) else "connection lost"
        if is_update and not engine.takes_updates and asked["answer"] == "2xx" and answer.status_code == 403:
            return "refused"
        wrong = judge(answer, asked)
        if wrong:
            return wrong
    return "pass"


def send(client: httpx.Client, path: str, asked: Request) -> httpx.Response:
    """Send one request, with no header but what the test asks for."""
    headers = {"Content-Type": asked["type"]} if "type" in asked else {}
    body = asked.get("body", "").encode(asked.get("encoding", "utf-8"))
    params = [(name, value) for name, value in asked.get("params", ())]
    return client.request(asked["method"], path, params=params, content=body, headers=headers)


def judge(answer: httpx.Response, asked: Request) -> str:
    """Return what is wrong with an answer: its status, its type or what it says; empty where it is right."""
    status = f"{answer.status_code // 100}xx"
    if status != asked["answer"]:
        return str(answer.status_code)
    media_type = answer.headers.get("content-type", "").split(";")[0].strip()
    if "kind" in asked and media_type not in KINDS[asked["kind"]]:
        return media_type or "no type"
    if "boolean" in asked and read_boolean(answer.text) is not asked["boolean"]:
        said = read_boolean(answer.text)
        return "no boolean" if said is None else str(said).lower()
    return ""


def read_boolean(text: str) -> bool | None:
    """
    Read the boolean of a result in JSON or XML; None where there is none.

    >>> read_boolean('{"head": {}, "boolean": true}'), read_boolean("<boolean>false</boolean>")
    (True, False)
    """
    found = re.search(r"<boolean>\s*(true|false)\s*</boolean>", text)
    if found:
        return found[1] == "true"
    with contextlib.suppress(ValueError, TypeError, KeyError):
        said = json.loads(text)["boolean"]
        return said if isinstance(said, bool) else None
    return None


# Starting.


def engines(folder: Path, ports: Iterator[int]) -> Iterator[tuple[Engine, int]]:
    """Yield each engine that is installed, with the port that it will be at."""
    data = folder / "data.nq"
    data.write_text(QUADS)
    python, here = sys.executable, str(Path(__file__).resolve())
    port = next(ports)
    ours: Sequence[str] = (python, here, "--serve", str(data), str(port))
    yield Engine("Lateral", version("lateral-kg"), ours, "/sparql", "/sparql", takes_updates=False), port
    port = next(ports)
    ours = (python, here, "--scratch", "--serve", str(data), str(port))
    yield Engine("Lateral `--scratch`", version("lateral-kg"), ours, "/sparql", "/sparql"), port
    if program := beside("oxigraph"):
        port = next(ports)
        command: Sequence[str] = (program, "serve", "--bind", f"{HOST}:{port}")
        load = ("POST", "/store", "application/n-quads")
        yield Engine("oxigraph", version("oxigraph"), command, "/query", "/update", set_up=load), port
    if program := beside("rdflib-endpoint"):
        port = next(ports)
        command = (program, "serve", "--enable-update", "--host", HOST, "--port", str(port), str(data))
        yield Engine("rdflib-endpoint", version("rdflib-endpoint"), command, "/", "/"), port
    if program := shutil.which("virtuoso-t"):
        port, sql = next(ports), next(ports)
        write_virtuoso_ini(folder / "virtuoso.ini", port, sql)
        command = (program, "+configfile", "virtuoso.ini", "+foreground")
        set_up = ("SQL", str(sql), "")
        said = subprocess.run([program, "-?"], capture_output=True, text=True, check=False)
        found = re.search(r"Version ([\d.]+)", said.stdout + said.stderr)
        number = found[1] if found else "unknown"
        yield Engine("Virtuoso", number, command, "/sparql", "/sparql", set_up=set_up), port


def beside(program: str) -> str | None:
    """Return the path of a program, first of the Python that runs this."""
    path = Path(sys.executable).with_name(program)
    return str(path) if path.exists() else shutil.which(program)


def write_virtuoso_ini(path: Path, port: int, sql: int) -> None:
    """Write the settings of a small Virtuoso on loopback."""
    ini = configparser.ConfigParser()
    ini.optionxform = str  # type: ignore[assignment,method-assign]
    files = {"DatabaseFile": "v.db", "ErrorLogFile": "v.log", "LockFile": "v.lck", "TransactionFile": "v.trx"}
    ini["Database"] = {**files, "xa_persistent_file": "v.pxa"}
    ini["TempDatabase"] = {"DatabaseFile": "t.db", "TransactionFile": "t.trx"}
    ini["Parameters"] = {"ServerPort": f"{HOST}:{sql}", "DisableUnixSocket": "1", "NumberOfBuffers": "20000"}
    ini["HTTPServer"] = {
        "ServerPort": f"{HOST}:{port}",
        "ServerRoot": str(path.parent),
        "ServerThreads": "64",
    }
    ini["SPARQL"] = {"MaxQueryExecutionTime": "10"}
    with path.open("w") as stream:
        ini.write(stream)


@contextlib.contextmanager
def running(engine: Engine, port: int, folder: Path) -> Iterator[httpx.Client]:
    """Start an engine, load the graphs, and give a client; end it after."""
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            engine.command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        address = f"http://{HOST}:{port}"
        alone = httpx.Limits(max_keepalive_connections=0)  # a fault of one test is not the next one's
        with httpx.Client(
            base_url=address, trust_env=False, timeout=ANSWER_TIMEOUT_S, follow_redirects=True, limits=alone
        ) as client:
            client.headers.pop("accept")
            await_port(process, port)
            set_up(engine, client)
            yield client
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def await_port(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until somebody listens."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        time.sleep(0.1)
    raise SystemExit(f"{process.args!r} did not start")


def set_up(engine: Engine, client: httpx.Client) -> None:
    """Load the graphs into an engine that starts empty, and allow it to be updated."""
    if not engine.set_up:
        return
    how, where, kind = engine.set_up
    if how == "POST":
        client.post(where, content=QUADS.encode(), headers={"Content-Type": kind}).raise_for_status()
        return
    # the password of a fresh database on loopback, which lives as long as the run
    program = shutil.which("isql-vt") or "isql-vt"
    statements = f"DB.DBA.TTLP('{QUADS}', '', 'urn:x:none', 512); GRANT SPARQL_UPDATE TO \"SPARQL\";"
    command = [program, f"{HOST}:{where}", "dba", "dba", f"exec={statements}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=START_TIMEOUT_S, check=False)
    if done.returncode != 0 or "Error" in done.stderr:
        raise SystemExit(f"Virtuoso: {done.stderr or done.stdout}")


def serve(quads: Path, port: int, *, scratch: bool) -> None:
    """Serve a file with this service, as its tests do, or a scratch copy of it."""
    import uvicorn

    from kg.api import create_app
    from kg.config import Settings
    from kg.engine import Engine as Pool
    from kg.names import Prefixes, load_prefixes

    @dataclass(frozen=True, slots=True)
    class Data:
        version: str
        quads_path: Path
        prefixes: Prefixes

    async def run_service() -> None:
        settings = Settings(root=ROOT, quick_workers=1, slow_workers=1, scratch=scratch)
        pool = Pool(settings)
        await pool.start(Data("protocol", quads, load_prefixes(ROOT / "ontology" / "prefixes.ttl")))
        try:
            app = create_app(settings, pool)
            await uvicorn.Server(uvicorn.Config(app, host=HOST, port=port, log_level="error")).serve()
        finally:
            await pool.close()

    asyncio.run(run_service())


# Telling.


def table(found: Mapping[str, Mapping[str, str]], versions: Mapping[str, str]) -> str:
    """Write what each engine did with each test, with the sums above."""
    names = list(found)
    tests = list(next(iter(found.values())))
    head = " | ".join(f"{name} {versions[name]}" for name in names)
    lines = [f"| test | {head} |", "|---|" + "---|" * len(names)]
    sums = [list(found[name].values()).count("pass") for name in names]
    lines.append(f"| **pass, of {len(tests)}** | " + " | ".join(f"**{one}**" for one in sums) + " |")
    lines += [f"| `{test}` | " + " | ".join(found[name][test] for name in names) + " |" for test in tests]
    return "\n".join(lines) + "\n"


def write_between_marks(text: str) -> None:
    """Put the table into the page."""
    page = PAGE.read_text(encoding="utf-8")
    before, start, rest = page.partition(f"<!-- {MARK} -->\n")
    _, end, after = rest.partition(f"<!-- /{MARK} -->")
    if not start or not end:
        raise SystemExit(f"{PAGE} has no marks <!-- {MARK} -->")
    PAGE.write_text(before + start + text + end + after, encoding="utf-8")


def free_ports() -> Iterator[int]:
    """Yield ports of loopback that are free now."""
    while True:
        with socket.socket() as one:
            one.bind((HOST, 0))
            port = int(one.getsockname()[1])
        yield port


def main() -> None:
    """Run every test on every engine that is installed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the table into docs/conformance.md")
    parser.add_argument("--serve", nargs=2, metavar=("QUADS", "PORT"), help=argparse.SUPPRESS)
    parser.add_argument("--scratch", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(Path(given.serve[0]), int(given.serve[1]), scratch=given.scratch)
        return
    tests = load_tests()
    found: dict[str, dict[str, str]] = {}
    versions: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="lateral-protocol-") as folder:
        for engine, port in engines(Path(folder), free_ports()):
            with running(engine, port, Path(folder)) as client:
                versions[engine.name] = engine.version
                found[engine.name] = {name: run(engine, client, name, tests[name]) for name in tests}
    text = table(found, versions)
    print(text, end="")
    if given.write:
        write_between_marks(text)


if __name__ == "__main__":
    main()
