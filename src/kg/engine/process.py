"""The parent's end of one worker process: ask it, end it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from kg.engine.worker import FRAME, frame

CLOSE_TIMEOUT_S = 1.0
LOW_PRIORITY = 5
PROCESS_CLOCK = 2  # what clock_getcpuclockid(3) puts beside the number of a process
BUFFER_BYTES = 1 << 20
TakePart = Callable[[bytes], Awaitable[None]]


class WorkerDiedError(Exception):
    """
    The process ended instead of answering.

    Args:
        returncode: As `subprocess` gives it: negative for a signal; `None` where nobody saw it.
        last_words: The end of what it wrote to standard error.
        has_begun: It had read what it was asked.
    """

    def __init__(self, returncode: int | None, last_words: str, *, has_begun: bool = True) -> None:
        super().__init__(returncode, last_words)
        self.returncode = returncode
        self.last_words = last_words
        self.has_begun = has_begun

    @property
    def cause(self) -> str:
        """The cause in a few words: the signal's name, or the exit code."""
        if self.returncode is None:
            return "cause unknown"
        if self.returncode < 0:
            return signal.Signals(-self.returncode).name
        return f"exit code {self.returncode}"

    @property
    def is_from_outside(self) -> bool:
        """Say whether something else than the query may have ended it, so that it may be tried again."""
        return self.returncode in (None, -signal.SIGKILL) and not self.last_words


class Forked:
    """
    A process that another one forked for us: what `asyncio.subprocess.Process` is for a child of our own.

    Args:
        pid: Its number.
    """

    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = asyncio.Event()
        self._tell: Callable[[], None] | None = None
        self._errors = -1

    async def attach(self, channel: socket.socket, errors: int) -> None:
        """Take our ends of its channel and of its standard error."""
        self._channel, self._errors = channel, errors
        os.set_blocking(errors, False)
        self.stdout, self.stdin = await asyncio.open_unix_connection(sock=channel, limit=BUFFER_BYTES)

    @property
    def is_ended(self) -> bool:
        """Say whether its end has been seen."""
        return self._ended.is_set()

    def end(self, returncode: int | None) -> None:
        """Note that it has ended."""
        self.returncode = returncode
        self._ended.set()
        if self._tell is not None:
            self._tell()

    def tell_end(self, tell: Callable[[], None]) -> None:
        """Have somebody told of its end, at once if that has been."""
        self._tell = tell
        if self.is_ended:
            tell()

    def is_closed(self) -> bool:
        """Say whether its end of the channel is closed: so it is, as soon as it dies."""
        if self.is_ended or self.stdout.at_eof():
            return True
        try:
            return not self._channel.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def is_gone(self) -> bool:
        """Say whether it has ended, if nobody took note of it either: for one that nobody reports."""
        with contextlib.suppress(ChildProcessError):  # ours if this is the process that inherits orphans
            os.waitpid(self.pid, os.WNOHANG)
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        with contextlib.suppress(OSError):  # not Linux, or gone by now
            return Path(f"/proc/{self.pid}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z"
        return False

    async def wait(self) -> int | None:
        """Wait for its end and return its code."""
        await self._ended.wait()
        return self.returncode

    def kill(self) -> None:
        """End it at once."""
        if not self.is_ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def last_words(self) -> str:
        """Return the end of what it wrote to standard error."""
        with contextlib.suppress(BlockingIOError):
            return os.read(self._errors, BUFFER_BYTES).decode(errors="replace")[-2_000:]
        return ""

    def detach(self) -> None:
        """Close our ends."""
        self.stdin.transport.abort()
        if self._errors >= 0:
            os.close(self._errors)
            self._errors = -1


class WorkerProcess:
    """One worker, forked by a loader, asked one thing at a time."""

    def __init__(self, process: Forked) -> None:
        self._process = process
        self.pid = process.pid
        self.memory_bytes = 0
        self.is_spent = False
        self._priority: int | None = None

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
            # a channel that closes on something unread is reset: the query is innocent
            raise await self._died(has_begun=isinstance(error, asyncio.IncompleteReadError)) from error
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
        return not self.is_spent and not self._process.is_closed()

    def tell_end(self, tell: Callable[[], None]) -> None:
        """Have somebody told when the process has ended."""
        self._process.tell_end(tell)

    async def _died(self, *, has_begun: bool) -> WorkerDiedError:
        returncode = await self._process.wait()
        return WorkerDiedError(returncode, self._process.last_words(), has_begun=has_begun)

    def processor_s(self) -> float | None:
        """Return how long it has had the processor, in seconds; `None` where the system does not say."""
        if sys.platform != "linux":
            return None
        try:
            return time.clock_gettime(~self.pid << 3 | PROCESS_CLOCK)
        except OSError:
            return None

    def lower(self) -> None:
        """
        Let other processes go first.

        Source: sched(7): between sessions the number of the autogroup counts, where the kernel has them.
        """
        if self._priority is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                self._priority = os.getpriority(os.PRIO_PROCESS, self.pid)
                os.setpriority(os.PRIO_PROCESS, self.pid, LOW_PRIORITY)
                self._set_group(LOW_PRIORITY)

    def restore(self) -> None:
        """Undo `lower`; where the system does not allow that, the worker is spent."""
        if self._priority is None:
            return
        try:
            os.setpriority(os.PRIO_PROCESS, self.pid, self._priority)
            self.is_spent |= not self._set_group(self._priority)
            self._priority = None
        except (ProcessLookupError, PermissionError):
            self.is_spent = True

    def _set_group(self, priority: int) -> bool:
        """Set the priority of its session; say whether that is so, or there is nothing to set."""
        try:
            Path(f"/proc/{self.pid}/autogroup").write_text(str(priority))
        except FileNotFoundError:
            return True
        except OSError:  # not ours, or set too often
            return False
        return True

    def kill(self) -> None:
        """End the process at once, whatever it does."""
        self.is_spent = True
        self._process.kill()

    async def close(self) -> None:
        """End the process, by closing its channel, or by force after a second."""
        self.is_spent = True
        self._process.stdin.transport.abort()
        try:
            await asyncio.wait_for(self._process.wait(), CLOSE_TIMEOUT_S)
        except TimeoutError:
            self.kill()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), CLOSE_TIMEOUT_S)
        self._process.detach()
