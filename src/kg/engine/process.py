"""The parent's end of one worker process: start it, ask it, end it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

from kg.config import Settings
from kg.engine.worker import FRAME, frame
from kg.errors import DataError, KGError, MissingPartError, Problem, UsageError
from kg.names import Prefixes

START_TIMEOUT_S = 600.0
CLOSE_TIMEOUT_S = 1.0
_WORKER_FILE = Path(__file__).with_name("worker.py")
_BUFFER_BYTES = 1 << 20
TakePart = Callable[[bytes], Awaitable[None]]


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


class WorkerDiedError(Exception):
    """
    The process ended instead of answering.

    Args:
        returncode: As `subprocess` gives it: negative for a signal.
        last_words: The end of what it wrote to standard error.
    """

    def __init__(self, returncode: int | None, last_words: str) -> None:
        super().__init__(returncode, last_words)
        self.returncode = returncode
        self.last_words = last_words

    @property
    def cause(self) -> str:
        """The cause in a few words: the signal's name, or the exit code."""
        if self.returncode is not None and self.returncode < 0:
            return signal.Signals(-self.returncode).name
        return f"exit code {self.returncode}"


class WorkerProcess:
    """One worker: made by `start_worker`, asked one thing at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid
        self.memory_bytes = 0
        self.quads = 0
        self.is_spent = False

    async def ask(
        self, message: dict[str, Any], take_part: TakePart | None = None
    ) -> tuple[dict[str, Any], bytes]:
        """
        Send one message and return the header and the body of the answer.

        Args:
            message: A job, or what sets the worker up.
            take_part: Takes the parts that come before; only a job with `large_bytes` has any.

        Raises:
            WorkerDiedError: The process ended first.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        try:
            stdin.write(frame(message))
            await stdin.drain()
            header, body = await self._read_frame(stdout)
            while "part" in header:
                assert take_part is not None
                await take_part(body)
                header, body = await self._read_frame(stdout)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            self.is_spent = True
            raise await self._died() from error
        except BaseException:
            self.is_spent = True
            raise
        self.memory_bytes = header.get("memory_bytes", self.memory_bytes)
        self.is_spent = bool(header.get("recycle"))
        return header, body

    @staticmethod
    async def _read_frame(stdout: asyncio.StreamReader) -> tuple[dict[str, Any], bytes]:
        header_bytes, body_bytes = FRAME.unpack(await stdout.readexactly(FRAME.size))
        header: dict[str, Any] = json.loads(await stdout.readexactly(header_bytes))
        return header, await stdout.readexactly(body_bytes)

    @property
    def is_alive(self) -> bool:
        """Say whether the process can be asked."""
        return not self.is_spent and self._process.returncode is None

    async def _died(self) -> WorkerDiedError:
        stderr = self._process.stderr
        assert stderr is not None
        words = (await stderr.read()).decode(errors="replace")[-2_000:]
        return WorkerDiedError(await self._process.wait(), words)

    def kill(self) -> None:
        """End the process at once, whatever it does."""
        self.is_spent = True
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def close(self) -> None:
        """End the process, by closing its input, or by force after a second; leave no zombie."""
        self.is_spent = True
        stdin, stdout, stderr = self._process.stdin, self._process.stdout, self._process.stderr
        assert stdin is not None and stdout is not None and stderr is not None
        stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), CLOSE_TIMEOUT_S)
        except TimeoutError:
            self.kill()
            await self._process.wait()
        with contextlib.suppress(OSError):
            await stdin.wait_closed()
        for stream in (stdout, stderr):
            while await stream.read(_BUFFER_BYTES):
                pass


async def start_worker(snapshot: Snapshot, settings: Settings) -> WorkerProcess:
    """
    Start one worker and wait until it has loaded the snapshot.

    Raises:
        MissingPartError: The snapshot's file is not there, or the process does not start.
        DataError: The file is not N-Quads.
        UsageError: The memory limit is too small for the dataset.
    """
    worker = await _spawn()
    setup = {
        "quads_path": str(snapshot.quads_path),
        "parent": os.getpid(),
        "prefixes": dict(snapshot.prefixes),
        "max_memory_bytes": settings.max_memory_bytes,
        "max_answer_bytes": settings.max_answer_bytes,
    }
    try:
        header, _ = await asyncio.wait_for(worker.ask(setup), START_TIMEOUT_S)
        if "ready" in header:
            worker.quads = header["quads"]
            return worker
        raise _start_error(header, snapshot, settings)
    except (WorkerDiedError, TimeoutError) as error:
        worker.kill()
        await worker.close()
        raise MissingPartError(
            f"A worker process did not start on {snapshot.quads_path}: {error}.", part="worker"
        ) from error
    except BaseException:
        worker.kill()
        await worker.close()
        raise


async def _spawn() -> WorkerProcess:
    """Start the process; one that is cancelled while it starts is ended too."""
    started = asyncio.create_task(
        asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            str(_WORKER_FILE),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"RUST_BACKTRACE": "0", "MALLOC_ARENA_MAX": "2"},
            start_new_session=True,
            limit=_BUFFER_BYTES,
        )
    )
    try:
        return WorkerProcess(await asyncio.shield(started))
    except asyncio.CancelledError:
        worker = WorkerProcess(await started)
        worker.kill()
        await worker.close()
        raise


def _start_error(header: dict[str, Any], snapshot: Snapshot, settings: Settings) -> KGError:
    path = snapshot.quads_path
    if header["error"] == "too_small":
        needed = header["needed_bytes"]
        return UsageError(
            f"KG_MAX_MEMORY_BYTES={settings.max_memory_bytes} is too small for this dataset: "
            f"expected {needed} or more.",
            needed_bytes=needed,
        )
    if header["kind"] == "FileNotFoundError":
        return MissingPartError(f"{path} is not there. Build it: kg build.", part=str(path))
    message = f"the snapshot does not load: {header['message']}"
    return DataError([Problem(message, path, header["line"], fix="kg build")])
