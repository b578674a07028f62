"""The parent's end of the loader process: start it, have it fork workers, learn how they end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections import deque
from pathlib import Path
from typing import Any, Protocol

from kg.config import Settings
from kg.engine.process import BUFFER_BYTES, Forked, WorkerProcess
from kg.engine.worker import frame
from kg.errors import DataError, KGError, MissingPartError, Problem, UsageError
from kg.names import Prefixes

START_TIMEOUT_S = 600.0
FORK_TIMEOUT_S = 30.0
CLOSE_TIMEOUT_S = 5.0
MINIMUM_MEMORY_BYTES = 200_000_000
ORPHAN_PAUSE_S = 0.02
# The package's own `__init__` files would load all of it: two empty packages stand for them.
BOOTSTRAP = """
import sys, types
for name, path in zip(("kg", "kg.engine"), sys.argv[1:]):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [path]
from kg.engine.zygote import main
main()
"""


class Snapshot(Protocol):
    """What the engine needs of one version of the dataset."""

    @property
    def version(self) -> str:
        """The version's name."""

    @property
    def quads_path(self) -> Path:
        """An N-Quads file: the named graphs and, graph-less, the default graph."""

    @property
    def prefixes(self) -> Prefixes:
        """The prefixes that answers are written with."""


class Loader:
    """A process that holds one snapshot and forks workers from itself: made by `start_loader`."""

    def __init__(self, process: asyncio.subprocess.Process, control: socket.socket) -> None:
        self._process, self._control = process, control
        self.pid = process.pid
        self.quads = 0
        self.memory_bytes = 0
        self._wanted: deque[asyncio.Future[Forked]] = deque()
        self._children: dict[int, Forked] = {}
        self._listening: asyncio.Task[None] | None = None
        self._orphans: asyncio.Task[None] | None = None

    @property
    def is_alive(self) -> bool:
        """Say whether workers can be had from it."""
        return self._listening is not None and not self._listening.done()

    async def load(self, snapshot: Snapshot, settings: Settings) -> None:
        """Have it load a snapshot, and wait until it has."""
        setup = {
            "quads_path": str(snapshot.quads_path),
            "parent": os.getpid(),
            "prefixes": dict(snapshot.prefixes),
            "max_memory_bytes": settings.max_memory_bytes,
            "max_answer_bytes": settings.max_answer_bytes,
        }
        with contextlib.suppress(ConnectionError):
            await asyncio.get_running_loop().sock_sendall(self._control, frame(setup))
        report = await asyncio.wait_for(self._read(), START_TIMEOUT_S)
        if report is None:
            raise MissingPartError(
                f"The loader process did not start on {snapshot.quads_path}: {await self._last_words()}",
                part="loader",
            )
        if "error" in report:
            raise _load_error(report, snapshot)
        self.quads, self.memory_bytes = report["quads"], report["memory_bytes"]
        self._listening = asyncio.create_task(self._listen())

    async def fork(self) -> WorkerProcess:
        """
        Return a new worker.

        Raises:
            MissingPartError: The loader is gone, or the system has no room for another process.
        """
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        errors, their_errors = os.pipe()
        try:
            child = await self._fork(theirs.fileno(), their_errors)
        except BaseException:
            ours.close()
            os.close(errors)
            raise
        finally:
            theirs.close()
            os.close(their_errors)
        await child.attach(ours, errors)
        return WorkerProcess(child)

    async def _fork(self, channel: int, errors: int) -> Forked:
        if not self.is_alive:
            raise MissingPartError("The loader process has ended.", part="loader")
        wanted: asyncio.Future[Forked] = asyncio.get_running_loop().create_future()
        self._wanted.append(wanted)
        try:
            socket.send_fds(self._control, [b"f"], [channel, errors])
        except OSError as error:
            self._wanted.remove(wanted)
            raise MissingPartError(f"The loader process has ended: {error}.", part="loader") from error
        return await asyncio.wait_for(wanted, FORK_TIMEOUT_S)

    async def wait(self) -> None:
        """Wait until the process no longer reports."""
        if self._listening is not None:
            await asyncio.wait({self._listening})

    async def close(self) -> None:
        """End the process and its workers, and wait until they are gone."""
        self._control.close()
        try:
            await asyncio.wait_for(self._process.wait(), CLOSE_TIMEOUT_S)
        except TimeoutError:
            self.kill()
            await self._process.wait()
        await self.wait()
        if self._orphans is not None:
            await self._orphans
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            while await stream.read(BUFFER_BYTES):
                pass

    def kill(self) -> None:
        """End the process at once; its workers go on."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def _listen(self) -> None:
        """Take reports until there are no more; who was waiting for one is told."""
        while (report := await self._read()) is not None:
            if "ended" in report:
                self._children.pop(report["ended"]).end(report["status"])
                continue
            wanted = self._wanted.popleft()
            if "refused" in report:
                error = MissingPartError(f"No worker could be forked: {report['refused']}.", part="worker")
                if not wanted.done():
                    wanted.set_exception(error)
                continue
            child = self._children[report["forked"]] = Forked(report["forked"])
            if not wanted.done():
                wanted.set_result(child)
        for wanted in self._wanted:
            if not wanted.done():
                wanted.set_exception(MissingPartError("The loader process has ended.", part="loader"))
        orphans, self._children = list(self._children.values()), {}
        self._orphans = asyncio.create_task(_watch(orphans)) if orphans else None

    async def _read(self) -> dict[str, Any] | None:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        report: dict[str, Any] | None = json.loads(line) if line else None
        return report

    async def _last_words(self) -> str:
        assert self._process.stderr is not None
        words = (await self._process.stderr.read()).decode(errors="replace").strip()
        return words[-500:] or f"exit code {await self._process.wait()}"


async def _watch(orphans: list[Forked]) -> None:
    """Wait for the end of processes whose loader died before them: nobody else reports it."""
    while orphans:
        for one in orphans:
            if one.is_gone():
                one.end(None)
        orphans = [one for one in orphans if not one.is_ended]
        await asyncio.sleep(ORPHAN_PAUSE_S)


async def start_loader(snapshot: Snapshot, settings: Settings) -> Loader:
    """
    Start a loader and wait until it has loaded the snapshot.

    Raises:
        MissingPartError: The snapshot's file is not there, the process does not start, or the system cannot
            fork.
        DataError: The file is not N-Quads.
        UsageError: The memory limit is too small for any query.
    """
    if not hasattr(os, "fork") or not hasattr(socket, "send_fds"):
        raise MissingPartError("Workers are forked: expected Linux or macOS.", part="fork")
    if settings.max_memory_bytes < MINIMUM_MEMORY_BYTES:
        raise UsageError(
            f"KG_MAX_MEMORY_BYTES={settings.max_memory_bytes} is too small: "
            f"expected {MINIMUM_MEMORY_BYTES} or more.",
            needed_bytes=MINIMUM_MEMORY_BYTES,
        )
    loader = await _spawn()
    try:
        await loader.load(snapshot, settings)
    except BaseException:
        loader.kill()
        await loader.close()
        raise
    return loader


async def _spawn() -> Loader:
    """Start the process; one that is cancelled while it starts is ended too."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    here = Path(__file__).parent
    started = asyncio.create_task(
        asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-c", BOOTSTRAP, str(here.parent), str(here)),
            stdin=theirs.fileno(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"RUST_BACKTRACE": "0", "MALLOC_ARENA_MAX": "2"},
            start_new_session=True,
        )
    )
    try:
        return Loader(await asyncio.shield(started), ours)
    except asyncio.CancelledError:
        loader = Loader(await started, ours)
        loader.kill()
        await loader.close()
        raise
    finally:
        theirs.close()


def _load_error(report: dict[str, Any], snapshot: Snapshot) -> KGError:
    path = snapshot.quads_path
    if report["error"] == "FileNotFoundError":
        return MissingPartError(f"{path} is not there. Build it: kg build.", part=str(path))
    message = f"the snapshot does not load: {report['message']}"
    return DataError([Problem(message, path, report["line"], fix="kg build")])
