"""The service's end of the processes that validate: places, a queue, a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import kg
from kg.config import Settings
from kg.dataset import Snapshot, hold
from kg.engine.lanes import Lane
from kg.errors import BusyError, KGError, MissingPartError, ValidationMemoryError, ValidationTimeoutError
from kg.isolation.jobs import Answer, Job, parse_frame, read_answer, to_frame

log = logging.getLogger("kg.isolation")

RETRY_AFTER_S = 5
START_TIMEOUT_S = 120.0
_CHUNK_BYTES = 1 << 16


class Validator:
    """
    Validates what strangers send, never in this process.

    The process that forks starts with the first validation, and anew when another version is current or it
    has died; those that are under way end with the one they began with.

    Args:
        settings: The root, the places, the queue and the bounds.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lane = Lane(
            "validation",
            settings.validate_places,
            queue_length=settings.validate_queue,
            queue_per_client=settings.validate_queue_per_client,
            retry_after_s=RETRY_AFTER_S,
            per_client=settings.validate_per_client,
        )
        self._parent: _Parent | None = None
        self._starting = asyncio.Lock()

    async def run(self, job: Job, snapshot: Snapshot, *, client: str = "") -> Answer:
        """
        Return the answer to a job; where this call is cancelled, its process is ended.

        Args:
            job: What is validated.
            snapshot: The version that it is held against.
            client: Who asks, for the share of places and of the queue; empty is nobody in particular.

        Raises:
            BusyError: Every place is taken, and the queue or the client's share; field `retry_after_s`.
            ValidationTimeoutError: It was ended at its deadline, waiting counted.
            ValidationMemoryError: Its process died, most often of its memory limit.
            MissingPartError: The process that forks does not start.
            KGError: What the job itself was refused for.
        """
        deadline = time.monotonic() + self.settings.validate_timeout_s
        async with self._place(client, deadline):
            before = time.monotonic()
            parent = await self._started(snapshot)
            deadline += time.monotonic() - before  # the first of a version is not blamed for its loading
            async with parent.used():
                return await self._ask(parent, job, deadline)

    async def close(self) -> None:
        """End every process."""
        if self._parent is not None:
            await self._parent.close()
            self._parent = None

    @contextlib.asynccontextmanager
    async def _place(self, client: str, deadline: float) -> AsyncIterator[None]:
        try:
            await self._lane.acquire(client, timeout_s=deadline - time.monotonic())
        except BusyError as error:
            raise BusyError(self._busy(error), retry_after_s=RETRY_AFTER_S) from error
        try:
            yield
        finally:
            self._lane.release(client)

    def _busy(self, error: BusyError) -> str:
        """Say why there is no place; a lane speaks of queries and of their settings."""
        if isinstance(error.__cause__, TimeoutError):
            return "no place for validation became free in time; come back shortly"
        if self._lane.waiting >= self.settings.validate_queue:
            return "every place for validation is taken, and the queue is full; come back shortly"
        share = self.settings.validate_queue_per_client
        return f"{share} of your validations wait already (KG_VALIDATE_QUEUE_PER_CLIENT); come back shortly"

    async def _started(self, snapshot: Snapshot) -> _Parent:
        async with self._starting:
            parent = self._parent
            if parent is not None and parent.is_alive and parent.version == snapshot.version:
                return parent
            self._parent = None
            if parent is not None:
                parent.retire()
            with hold(snapshot):
                self._parent = await _Parent.start(snapshot, self.settings)
            return self._parent

    async def _ask(self, parent: _Parent, job: Job, deadline: float) -> Answer:
        limit_s, limit_bytes = self.settings.validate_timeout_s, self.settings.validate_memory_bytes
        try:
            # one that waited, or found no process yet, still gets the time to be told what is wrong
            async with asyncio.timeout(max(1.0, deadline - time.monotonic())):
                content = await parent.ask(job.to_bytes())
        except TimeoutError as error:
            raise ValidationTimeoutError(
                f"this was not validated within {limit_s:g} seconds: send it in parts, or, with shapes of "
                "your own, simpler ones.",
                validate_timeout_s=limit_s,
            ) from error
        read = parse_frame(content)
        if read is None:
            raise ValidationMemoryError(
                f"the process that validated this ended, most often because it needs more than "
                f"{limit_bytes:,} bytes: send it in parts.",
                validate_memory_bytes=limit_bytes,
            )
        if read[0].get("error") == KGError.__name__:
            log.error("%s", read[0]["message"])
        return read_answer(*read)


class _Parent:
    """The process that forks, for one version."""

    def __init__(self, process: asyncio.subprocess.Process, control: socket.socket, version: str) -> None:
        self.process, self.control, self.version = process, control, version
        self.users = 0
        self.is_retired = False
        self._ending: asyncio.Task[None] | None = None

    @property
    def is_alive(self) -> bool:
        """Say whether processes can be had from it."""
        return self.process.returncode is None and not self.is_retired

    @classmethod
    async def start(cls, snapshot: Snapshot, settings: Settings) -> _Parent:
        """Start it and wait until it has loaded the version."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        package = Path(kg.__file__).parents[1]
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "kg.isolation.parent"),
                stdin=theirs.fileno(),
                stdout=asyncio.subprocess.PIPE,
                env={"PYTHONPATH": str(package), "MALLOC_ARENA_MAX": "2", "PYTHONUTF8": "1"},
                start_new_session=True,
            )
        finally:
            theirs.close()
        parent = cls(process, ours, snapshot.version)
        setup = {
            "quads_path": str(snapshot.quads_path),
            "prefixes": dict(snapshot.prefixes),
            "root": str(settings.root),
            "documents": str(settings.documents_path),
            "parent": os.getpid(),
            "memory_bytes": settings.validate_memory_bytes,
            "timeout_s": settings.validate_timeout_s,
        }
        try:
            await asyncio.get_running_loop().sock_sendall(ours, to_frame(setup, b""))
            async with asyncio.timeout(START_TIMEOUT_S):
                assert process.stdout is not None
                report: dict[str, Any] = json.loads(await process.stdout.readline() or b"{}")
        except BaseException:
            process.kill()
            await parent.close()
            raise
        if not report.get("ready"):
            await parent.close()
            raise MissingPartError(
                f"the process that validates did not start: {report.get('error', 'it died')}",
                part="validation",
            )
        return parent

    async def ask(self, frame: bytes) -> bytes:
        """Have a process forked, send it a frame, and return all that it sends back."""
        ours, theirs = socket.socketpair()
        try:
            ours.setblocking(False)
            try:
                socket.send_fds(self.control, [b"f"], [theirs.fileno()])
            finally:
                theirs.close()
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(ours, frame)
            content = bytearray()
            while chunk := await loop.sock_recv(ours, _CHUNK_BYTES):
                content += chunk
            return bytes(content)
        except OSError:
            return b""
        finally:
            ours.close()  # whoever still works on it is ended

    @contextlib.asynccontextmanager
    async def used(self) -> AsyncIterator[None]:
        """Keep it until this use is over, though it be retired meanwhile."""
        self.users += 1
        try:
            yield
        finally:
            self.users -= 1
            if self.is_retired and not self.users:
                self._ending = asyncio.create_task(self.close())

    def retire(self) -> None:
        """Take no more; end when those under way are through."""
        self.is_retired = True
        if not self.users:
            self._ending = asyncio.create_task(self.close())

    async def close(self) -> None:
        """End it, with all that it forked."""
        self.is_retired = True
        self.control.close()
        try:
            async with asyncio.timeout(5.0):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
        assert self.process.stdout is not None
        while await self.process.stdout.read(_CHUNK_BYTES):
            pass
