"""
Peers: each engine as a server on loopback: load, start, ask, weigh, stop.

All hold the same statements: every named graph, and the merge of the graphs as the default graph. Virtuoso
has no default graph of its own: there the merge is a named graph that each request names as its default.
"""

from __future__ import annotations

import configparser
import contextlib
import importlib.util
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

from kg.names import load_prefixes

HOST = "127.0.0.1"
START_TIMEOUT_S = 1_800.0
MERGE = "https://w3id.org/lateral/graph/default"
_PIECE = 500_000
_GRAPH = re.compile(r"GRAPH (graph:\w+) \{")
_COUNTED = ("quads", "triples", "claims", "passages", "entities", "documents", "concepts")


class Peer:
    """
    One engine.

    Args:
        root: The project.
        quads: The N-Quads file to hold.
        folder: A folder of its own, which may be filled.
        count: How many quads the file has.
    """

    name = ""
    path = "/sparql"
    parameters = ""

    def __init__(self, root: Path, quads: Path, folder: Path, *, count: int) -> None:
        self.root, self.quads, self.folder, self.count = root, quads, folder, count
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.load_s = self.start_s = 0.0

    @classmethod
    def missing(cls) -> str | None:
        """Say what is not installed; None where all is."""
        return None

    @classmethod
    def version(cls) -> str:
        """Return the version."""
        return ""

    def start(self) -> None:
        """Load the data, start the server, and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        self.load()
        self.load_s, started = time.monotonic() - started, time.monotonic()
        self.launch()
        self.wait()
        self.start_s = time.monotonic() - started

    def load(self) -> None:
        """Load what is loaded before the server starts."""

    def launch(self) -> None:
        """Start the server."""
        raise NotImplementedError

    def stop(self) -> None:
        """End the server and what it started; remove what it stored."""
        if self.process is not None:
            end_group(self.process)
            self.process = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def restart(self) -> None:
        """End the server and start it anew, on a free port, on the same data."""
        load_s, start_s = self.load_s, self.start_s
        self.stop()
        self.port = free_port()
        self.start()
        self.load_s, self.start_s = load_s, start_s

    def wait(self) -> None:
        """Wait until the server answers a query."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended while it started; see {self.folder / 'log'}")
            with contextlib.suppress(OSError, urllib.error.HTTPError):
                self.ask("ASK { ?s a ?o }", "application/sparql-results+json", timeout_s=60)
                return
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} did not start within {START_TIMEOUT_S:g} s")

    def ask(self, query: str, accept: str, *, timeout_s: float) -> bytes:
        """Answer one query, on a connection of its own."""
        address = f"http://{HOST}:{self.port}{self.target(query)}"
        request = urllib.request.Request(address, headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=timeout_s) as response:
            body: bytes = response.read()
            if response.headers.get("X-SPARQL-MaxRows") or response.headers.get("X-SQL-State"):
                raise RuntimeError("the answer is a part of the whole")
            return body

    def target(self, query: str) -> str:
        """Return the path and query string that ask a query; the query stands last."""
        return f"{self.path}?{self.parameters}query={quote(self.adapted(query), safe='')}"

    def adapted(self, query: str) -> str:
        """Return a query as this engine has to be asked."""
        return query

    def request(self, query: str, accept: str, etag: str | None = None) -> tuple[str, str]:
        """Return the text of a whole request, cut where the query ends."""
        lines = [" HTTP/1.1", f"Host: {HOST}:{self.port}", f"Accept: {accept}", "Connection: keep-alive"]
        lines += [f"If-None-Match: {etag}"] if etag else []
        return f"GET {self.target(query)}", "\r\n".join([*lines, "", ""])

    def memory_bytes(self) -> int:
        """Return the memory of the server and of all that it started (proportional set size), in bytes."""
        return 0 if self.process is None else sum(map(_pss, _tree(self.process.pid)))

    def spawn(self, *command: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a program in a process group of its own; it ends with ours only if stopped."""
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env={**os.environ, **(environment or {})},
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )


class Lateral(Peer):
    """This service."""

    name = "lateral"

    @classmethod
    def version(cls) -> str:
        """Return the version."""
        return version("lateral-kg")

    def launch(self) -> None:
        """Start the service as `kg serve` does, on a version made of the file."""
        folder = self.folder / "build" / "versions" / "bench"
        folder.mkdir(parents=True)
        (folder / "dataset.nq").symlink_to(self.quads)
        manifest = {
            "version": "bench",
            "bytes": self.quads.stat().st_size,
            "created": "",
            "counts": dict.fromkeys(_COUNTED, 0) | {"quads": self.count},
            "prefixes": dict(load_prefixes(self.root / "ontology" / "prefixes.ttl")),
        }
        (folder / "manifest.json").write_text(json.dumps(manifest))
        (self.folder / "build" / "current").write_text("bench\n")
        settings = {
            "KG_ROOT": str(self.root),
            "KG_BUILD": str(self.folder / "build"),
            "KG_PORT": str(self.port),
            "PYTHONPATH": os.pathsep.join([str(self.root / "src"), os.environ.get("PYTHONPATH", "")]),
        }
        needed = 500_000_000 + 700 * self.count
        if needed > 1_500_000_000:
            settings.setdefault("KG_MAX_MEMORY_BYTES", str(needed))
        code = (
            "import time; from kg.cli import serving; from kg.config import Settings; "
            "from kg.dataset import find_snapshot\n"
            "settings = Settings.from_environment()\n"
            "with serving.take_port(settings) as taken:\n"
            "    serving.run(find_snapshot(settings), settings, taken, started=time.monotonic())\n"
        )
        given = {name: value for name, value in os.environ.items() if name.startswith("KG_")}
        self.process = self.spawn(sys.executable, "-c", code, environment={**settings, **given})

    def wait(self) -> None:
        """Wait until every worker is ready too."""
        super().wait()
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            with urllib.request.urlopen(f"http://{HOST}:{self.port}/health", timeout=60) as response:
                health = json.load(response)
            if len(health.get("workers", ())) >= health.get("wanted_workers", 0):
                return
            time.sleep(0.05)


class Oxigraph(Peer):
    """The oxigraph server on its store on disk, as its documentation starts it."""

    name = "oxigraph"
    path = "/query"
    is_in_memory = False

    @classmethod
    def missing(cls) -> str | None:
        """Say what is not installed."""
        return None if _beside("oxigraph") else "oxigraph is not installed (pip install oxigraph)"

    @classmethod
    def version(cls) -> str:
        """Return the version."""
        return version("oxigraph")

    def load(self) -> None:
        """Load the file into a store on disk."""
        program = str(_beside("oxigraph"))
        command = [program, "load", "--location", "store", "--file", str(self.quads), "--format", "nq"]
        loading = self.spawn(*command)
        if loading.wait() != 0:
            raise RuntimeError("oxigraph did not load the file")

    def launch(self) -> None:
        """Serve the store, read only."""
        program = str(_beside("oxigraph"))
        where = ("--location", "store", "--bind", f"{HOST}:{self.port}")
        self.process = self.spawn(program, "serve-read-only", *where)


class OxigraphMemory(Oxigraph):
    """The oxigraph server with its store in memory."""

    name = "oxigraph in memory"

    def load(self) -> None:
        """Load nothing: the server is empty when it starts."""

    def launch(self) -> None:
        """Start an empty server and post the file to it."""
        self.process = self.spawn(str(_beside("oxigraph")), "serve", "--bind", f"{HOST}:{self.port}")
        while True:
            try:
                socket.create_connection((HOST, self.port), timeout=1).close()
                break
            except OSError:
                if self.process.poll() is not None:
                    raise RuntimeError("oxigraph ended while it started") from None
                time.sleep(0.02)
        with self.quads.open("rb") as stream:
            request = urllib.request.Request(
                f"http://{HOST}:{self.port}/store?no_transaction",
                data=stream,
                headers={
                    "Content-Type": "application/n-quads",
                    "Content-Length": str(self.quads.stat().st_size),
                },
            )
            urllib.request.urlopen(request, timeout=START_TIMEOUT_S).close()


class RdflibEndpoint(Peer):
    """rdflib-endpoint over rdflib's own store in memory; its default graph is the merge, not a union."""

    name = "rdflib-endpoint"
    path = "/"

    @classmethod
    def missing(cls) -> str | None:
        """Say what is not installed."""
        is_there = importlib.util.find_spec("rdflib_endpoint")
        return None if is_there else "rdflib-endpoint is not installed (pip install rdflib-endpoint)"

    @classmethod
    def version(cls) -> str:
        """Return the version."""
        return version("rdflib-endpoint")

    def launch(self) -> None:
        """Load and serve the file in one process."""
        code = (
            "import sys, uvicorn; from rdflib import Dataset; from rdflib_endpoint import SparqlEndpoint\n"
            "data = Dataset(); data.parse(sys.argv[1], format='nquads')\n"
            "app = SparqlEndpoint(graph=data)\n"
            "uvicorn.run(app, host='127.0.0.1', port=int(sys.argv[2]), log_level='warning')\n"
        )
        self.process = self.spawn(sys.executable, "-c", code, str(self.quads), str(self.port))


class Virtuoso(Peer):
    """Virtuoso with an ini of its own: no limit of rows, memory as its documentation advises for the size."""

    name = "virtuoso"
    parameters = f"default-graph-uri={quote(MERGE, safe='')}&"

    def adapted(self, query: str) -> str:
        """Name graphs by a variable: beside a default graph, GRAPH with an IRI is empty in Virtuoso 7.2."""
        return _GRAPH.sub(r"VALUES ?namedGraph { \1 } GRAPH ?namedGraph {", query)

    @classmethod
    def missing(cls) -> str | None:
        """Say what is not installed."""
        programs = [name for name in ("virtuoso-t", "isql-vt") if not shutil.which(name)]
        return f"{', '.join(programs)}: not installed (Debian: virtuoso-opensource-7)" if programs else None

    @classmethod
    def version(cls) -> str:
        """Return the version."""
        command = [str(shutil.which("virtuoso-t")), "-?"]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = [line for line in (said.stdout + said.stderr).splitlines() if "Version" in line]
        return lines[0].strip() if lines else "unknown"

    def launch(self) -> None:
        """Start the server on an empty database and have it load the file."""
        self.sql_port = free_port()
        (self.folder / "in").mkdir()
        self._write_pieces()
        with (self.folder / "virtuoso.ini").open("w") as stream:
            self._ini().write(stream)
        self.process = self.spawn(
            str(shutil.which("virtuoso-t")), "+configfile", "virtuoso.ini", "+foreground"
        )
        self._await_sql()
        self._sql(f"ld_dir('{self.folder}/in', '*.nq', '{MERGE}'); rdf_loader_run(); checkpoint;")
        failed = self._run_sql("select ll_error from DB.DBA.LOAD_LIST where ll_error is not null;")
        if not re.search(r"^0 Rows", failed.stdout, re.MULTILINE):
            raise RuntimeError(f"virtuoso did not load all: {failed.stdout[-300:]}")
        shutil.rmtree(self.folder / "in")

    def _write_pieces(self) -> None:
        """Cut the file into pieces: the loader stopped within a file of 2.3 GB, and said nothing."""
        with self.quads.open("rb") as stream:
            for number in itertools.count():
                lines = list(itertools.islice(stream, _PIECE))
                if not lines:
                    return
                (self.folder / "in" / f"{number:04}.nq").write_bytes(b"".join(lines))

    def _ini(self) -> configparser.ConfigParser:
        buffers = max(20_000, min(600_000, self.count // 25))
        ini = configparser.ConfigParser()
        ini.optionxform = str  # type: ignore[assignment,method-assign]
        ini.read_dict(
            {
                "Database": {
                    "DatabaseFile": "virtuoso.db",
                    "ErrorLogFile": "virtuoso.log",
                    "LockFile": "virtuoso.lck",
                    "TransactionFile": "virtuoso.trx",
                    "xa_persistent_file": "virtuoso.pxa",
                    "FileExtend": "200",
                    "TempStorage": "TempDatabase",
                },
                "TempDatabase": {"DatabaseFile": "temp.db", "TransactionFile": "temp.trx"},
                "Parameters": {
                    "ServerPort": f"{HOST}:{self.sql_port}",
                    "DisableUnixSocket": "1",
                    "DirsAllowed": f"., {self.folder}, {self.quads.parent}",
                    "NumberOfBuffers": str(buffers),
                    "MaxDirtyBuffers": str(buffers * 3 // 4),
                    "MaxQueryMem": "2G",
                    "ThreadsPerQuery": "4",
                    "MaxClientConnections": "10",
                    "CheckpointInterval": "0",
                },
                "HTTPServer": {
                    "ServerPort": f"{HOST}:{self.port}",
                    "ServerRoot": str(self.folder),
                    "ServerThreads": "64",
                    "MaxClientConnections": "64",
                    "MaxKeepAlives": "64",
                    "KeepAliveTimeout": "60",
                },
                "SPARQL": {"MaxQueryCostEstimationTime": "0", "MaxQueryExecutionTime": "60"},
            }
        )
        return ini

    def _await_sql(self) -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if self._run_sql("status();").returncode == 0:
                return
            time.sleep(0.3)
        raise RuntimeError(f"virtuoso did not start; see {self.folder / 'virtuoso.log'}")

    def _sql(self, statements: str) -> None:
        done = self._run_sql(statements)
        if done.returncode != 0 or "Error" in done.stderr:
            raise RuntimeError(f"virtuoso: {done.stderr or done.stdout}")

    def _run_sql(self, statements: str) -> subprocess.CompletedProcess[str]:
        # the password of a fresh database on loopback, which lives as long as the run
        command = [
            str(shutil.which("isql-vt")),
            f"{HOST}:{self.sql_port}",
            "dba",
            "dba",
            f"exec={statements}",
        ]
        return subprocess.run(command, capture_output=True, text=True, timeout=START_TIMEOUT_S, check=False)


PEERS: dict[str, type[Peer]] = {
    one.name: one for one in (Lateral, Oxigraph, OxigraphMemory, Virtuoso, RdflibEndpoint)
}


def free_port() -> int:
    """Return a port of loopback that is free now."""
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process that we started, with its group: politely, then by force."""
    for number, patience_s in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
            return


def _beside(program: str) -> Path | None:
    path = Path(sys.executable).with_name(program)
    found = str(path) if path.exists() else shutil.which(program)
    return Path(found) if found else None


def _tree(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found.extend(int(child) for child in children.read_text().split())
    return found


def _pss(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
