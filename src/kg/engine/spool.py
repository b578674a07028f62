"""
Spools: large answers on their way, on disk, so that neither a worker nor memory waits for a client.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
from collections import Counter
from pathlib import Path

from kg.errors import BusyError

CLIENT_SHARE = 4
RETRY_AFTER_S = 10


class Spools:
    """
    The room that all large answers share.

    Args:
        folder: Where their files are; the system's folder for such files where it is not there.
        max_bytes: All of them together, in bytes; one client may have a quarter.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder, self.max_bytes = folder, max_bytes
        self._used: Counter[str] = Counter()

    @property
    def used_bytes(self) -> int:
        """How much of it is taken, in bytes."""
        return self._used.total()

    def take(self, client: str, size: int) -> None:
        """
        Take room for a part; the client `""` is nobody and has no share.

        Raises:
            BusyError: There is none.
        """
        if self.used_bytes + size > self.max_bytes:
            raise _full_error(
                f"{self.used_bytes:,} bytes are on their way to clients (setting KG_SPOOL_BYTES)"
            )
        if client and self._used[client] + size > self.max_bytes // CLIENT_SHARE:
            raise _full_error(
                f"{self._used[client]:,} bytes are on their way to you, your share (setting KG_SPOOL_BYTES)"
            )
        self._used[client] += size

    def give_back(self, client: str, size: int) -> None:
        """Give room back."""
        self._used[client] -= size
        if not self._used[client]:
            del self._used[client]


class Spool:
    """
    The bytes of one answer: written as they come, read at any pace, gone when it is closed.

    Its file has no name, so that the system frees it however the service ends. What touches the disk runs
    in threads, under a lock: one that comes late finds the file closed and not another with its number.

    Args:
        room: Where the bytes are counted.
        client: Whose they are.
    """

    def __init__(self, room: Spools, client: str) -> None:
        self.size = 0
        self._room, self._client = room, client
        self._taken = 0
        self._lock = threading.Lock()
        self._file: int | None = None
        self._is_closed = False

    async def write(self, part: bytes) -> None:
        """
        Add a part; drop it once the spool is closed, since nobody will read it.

        Raises:
            BusyError: The room, or the disk, is full.
        """
        if self._is_closed:
            return
        self._room.take(self._client, len(part))
        self._taken += len(part)
        try:
            await asyncio.to_thread(self._write, part)
        except OSError as error:
            raise _full_error(f"the disk takes no more ({error.strerror})") from error
        self.size += len(part)

    async def read(self, start: int, size: int) -> bytes:
        """Return up to so many bytes from a place."""
        return await asyncio.to_thread(self._read, start, size)

    def close(self) -> None:
        """Free the file and the room."""
        if not self._is_closed:
            self._is_closed = True
            self._room.give_back(self._client, self._taken)
            with self._lock:
                if self._file is not None:
                    os.close(self._file)
                    self._file = None

    def _write(self, part: bytes) -> None:
        with self._lock:
            if self._is_closed:
                return
            if self._file is None:
                self._file = _open(self._room.folder)
            rest = memoryview(part)
            while rest:
                rest = rest[os.write(self._file, rest) :]

    def _read(self, start: int, size: int) -> bytes:
        with self._lock:
            return b"" if self._file is None else os.pread(self._file, size, start)


def _open(folder: Path) -> int:
    """Open a file without a name."""
    place = folder if os.access(folder, os.W_OK) else None
    with tempfile.TemporaryFile(dir=place, buffering=0) as file:
        return os.dup(file.fileno())


def _full_error(reason: str) -> BusyError:
    return BusyError(
        f"The answer is large, and there is no room for it: {reason}. "
        f"Add LIMIT, take a dump, or try again in {RETRY_AFTER_S} s.",
        retry_after_s=RETRY_AFTER_S,
    )
