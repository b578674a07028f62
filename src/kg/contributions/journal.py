"""
A folder of files that survives: every change is in a synced journal before it is acknowledged.

A change of several files is one transaction. The new bytes are written beside their places and synced (a
full disk shows here, while nothing has changed), then committed to the journal with synced writes: from
there on the change stands. Then the files are renamed into their places. What a crash leaves undone is done
at the next opening, from the journal. The files are the truth: a lost journal is made anew of them.

Source: SQLite, "synchronous = EXTRA", https://www.sqlite.org/pragma.html#pragma_synchronous
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kg.errors import StorageFullError

JOURNAL = ".journal.sqlite"
_LOCK = ".journal.lock"
_PART = ".part-"
_FULL_CODES = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# EXTRA syncs the folder too when a commit deletes SQLite's own journal; FULL alone does not.
_SYNCED = "PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA; PRAGMA trusted_schema = OFF;"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS file (
  path TEXT PRIMARY KEY, digest TEXT NOT NULL, is_written INTEGER NOT NULL, content BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS file_digest ON file (digest, path);
CREATE INDEX IF NOT EXISTS file_unwritten ON file (path) WHERE is_written = 0;
"""


@dataclass
class Change:
    """
    One transaction: reads see what the journal holds, writes take effect together at its end.

    Args:
        connection: To the journal, inside a transaction.
        written: The new bytes of files, by path in the folder.
    """

    connection: sqlite3.Connection
    written: dict[str, bytes] = field(default_factory=dict)

    def find(self, path: str) -> bytes | None:
        """Return the bytes of a file; None where there is none."""
        return self.written.get(path) or _find(self.connection, path)

    def find_digest(self, digest: str, pattern: str) -> str | None:
        """Return the path of a file that has a SHA-256 and whose path matches a GLOB pattern."""
        return _find_digest(self.connection, digest, pattern)

    def write(self, path: str, content: bytes) -> None:
        """Set the bytes of a file."""
        self.written[path] = content


class Journal:
    """
    The files of one folder, durably.

    Args:
        folder: Where they are; made at the first change.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / JOURNAL

    def find(self, path: str) -> bytes | None:
        """Return the bytes of a file as the journal has them; None where it has none."""
        if not self.path.is_file():
            return None
        with self._reading() as connection:
            return _find(connection, path)

    def find_digest(self, digest: str, pattern: str) -> str | None:
        """Return the path of a file that has a SHA-256 and whose path matches a GLOB pattern."""
        if not self.path.is_file():
            return None
        with self._reading() as connection:
            return _find_digest(connection, digest, pattern)

    def read(self, pattern: str) -> list[tuple[str, bytes]]:
        """Return path and bytes of the files whose path matches a GLOB pattern, in order of path."""
        if not self.path.is_file():
            return []
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT path, content FROM file WHERE path GLOB ? ORDER BY path", (pattern,)
            )
            return [(str(path), bytes(content)) for path, content in rows]

    @contextmanager
    def change(self) -> Iterator[Change]:
        """
        Make a change: when the block ends, all of it is durable; if it raises, nothing has changed.

        Raises:
            StorageFullError: The disk is full; nothing has changed.
        """
        with told_when_full(self.folder), self._lock(), self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                change = Change(connection)
                yield change
                parts = self._write_parts(change.written)
                for path, content in change.written.items():
                    connection.execute(
                        "INSERT OR REPLACE INTO file VALUES (?, ?, 0, ?)", (path, _digest(content), content)
                    )
                _commit(connection)
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                self._remove_parts()
                raise
            self._settle(connection, parts)

    def replay(self) -> dict[str, str]:
        """
        Do what a crash left undone, write what the files lack, and hold the rest to the journal.

        Returns:
            Each file that is not what the journal has, by path, with what is wrong with it.
        """
        if not self.path.is_file() or not os.access(self.folder, os.W_OK):
            return {}  # where nothing can be written, nothing was begun
        with told_when_full(self.folder), self._lock():
            damaged = self._set_aside()
            with self._reading() as connection:
                self._remove_parts()
                self._rewrite_if_room(connection, "is_written = 0")
                rows = connection.execute("SELECT path, digest FROM file ORDER BY path").fetchall()
                for path, digest in rows:
                    try:
                        found = _digest((self.folder / path).read_bytes())
                    except FileNotFoundError:
                        self._rewrite_if_room(connection, "path = ?", path)
                    except OSError as error:
                        damaged[path] = f"it cannot be read ({error.strerror})"
                    else:
                        if found != digest:
                            damaged[path] = "it is not what was written (its SHA-256 is another)"
        return damaged

    def known(self) -> set[str]:
        """Return the paths of all files that the journal has."""
        if not self.path.is_file():
            return set()
        with self._reading() as connection:
            return {str(path) for (path,) in connection.execute("SELECT path FROM file")}

    def is_unfinished(self) -> bool:
        """Tell whether a crash left something to do; a journal that cannot be read is such a thing."""
        if not self.path.is_file():
            return False
        try:
            with self._reading() as connection:
                found = connection.execute("SELECT 1 FROM file WHERE is_written = 0 LIMIT 1").fetchone()
        except sqlite3.DatabaseError:
            return True
        return found is not None

    def adopt(self, files: dict[str, bytes]) -> None:
        """Take files as they are on disk: they are in the journal afterwards, and nothing else changes."""
        with told_when_full(self.folder), self._lock(), self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            for path, content in files.items():
                connection.execute(
                    "INSERT OR REPLACE INTO file VALUES (?, ?, 1, ?)", (path, _digest(content), content)
                )
            _commit(connection)

    def restore(self, pattern: str) -> None:
        """Write the files whose path matches a GLOB pattern as the journal has them."""
        with told_when_full(self.folder), self._lock(), self._connection() as connection:
            self._rewrite(connection, "path GLOB ?", pattern)

    # --- inside -----------------------------------------------------------------------------------

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Let one writer at a time through, of all processes and threads."""
        _make_folder(self.folder)
        with (self.folder / _LOCK).open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Open the journal to write; its first use makes it."""
        with contextlib.closing(sqlite3.connect(self.path, timeout=30, isolation_level=None)) as connection:
            connection.executescript(_SYNCED + _SCHEMA)
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Open the journal to read; one that a full disk kept from being made is empty."""
        with contextlib.closing(sqlite3.connect(self.path, timeout=30, isolation_level=None)) as connection:
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'file'").fetchone():
                connection.executescript(_SYNCED)
                yield connection
                return
        with contextlib.closing(sqlite3.connect(":memory:")) as connection:
            connection.executescript(_SCHEMA)
            yield connection

    def _write_parts(self, written: dict[str, bytes]) -> list[tuple[str, Path]]:
        parts = []
        for path, content in written.items():
            place = self.folder / path
            _make_folder(place.parent)
            part = place.with_name(_PART + place.name)
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            parts.append((path, part))
        return parts

    def _settle(self, connection: sqlite3.Connection, parts: list[tuple[str, Path]]) -> None:
        """Rename what was written into its place; what cannot be done now is done at the next opening."""
        try:
            for path, part in parts:
                part.replace(self.folder / path)
            for folder in {(self.folder / path).parent for path, _ in parts}:
                _sync(folder)
            for path, _ in parts:
                connection.execute("UPDATE file SET is_written = 1 WHERE path = ?", (path,))
        except (OSError, sqlite3.Error):
            return

    def _rewrite(self, connection: sqlite3.Connection, condition: str, *values: str) -> None:
        query = f"SELECT path, content FROM file WHERE {condition}"  # noqa: S608 - conditions of our own
        written = {str(path): bytes(content) for path, content in connection.execute(query, values)}
        self._settle(connection, self._write_parts(written))

    def _rewrite_if_room(self, connection: sqlite3.Connection, condition: str, *values: str) -> None:
        """Write files as the journal has them; on a full disk they stay in it until the next opening."""
        try:
            self._rewrite(connection, condition, *values)
        except OSError as error:
            self._remove_parts()
            if not _is_full(error, self.folder):
                raise

    def _remove_parts(self) -> None:
        for part in self.folder.rglob(f"{_PART}*"):
            with contextlib.suppress(OSError):
                part.unlink()

    def _set_aside(self) -> dict[str, str]:
        """Move a journal that cannot be read out of the way; it is made anew of the files."""
        try:
            with self._reading() as connection:
                found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.DatabaseError as error:
            if _is_full(error, self.folder):
                raise
            found = str(error)
        if found == "ok":
            return {}
        aside = self.path.with_name(f"{JOURNAL}.damaged")
        self.path.replace(aside)
        _sync(self.folder)
        return {JOURNAL: f"it could not be read ({found}); it is kept as {aside.name} and made anew"}


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file, waiting for whoever holds it."""
    with told_when_full(path):
        _make_folder(path.parent)
        file = path.open("ab")
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _commit(connection: sqlite3.Connection) -> None:
    connection.execute("COMMIT")


def _find(connection: sqlite3.Connection, path: str) -> bytes | None:
    row = connection.execute("SELECT content FROM file WHERE path = ?", (path,)).fetchone()
    return bytes(row[0]) if row else None


def _find_digest(connection: sqlite3.Connection, digest: str, pattern: str) -> str | None:
    row = connection.execute(
        "SELECT path FROM file WHERE digest = ? AND path GLOB ? ORDER BY path", (digest, pattern)
    ).fetchone()
    return str(row[0]) if row else None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it, each durably."""
    missing = [one for one in (folder, *folder.parents) if not one.is_dir()]
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
        _sync(one.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_full(error: Exception, folder: Path) -> bool:
    if isinstance(error, sqlite3.Error):
        code = error.sqlite_errorcode if hasattr(error, "sqlite_errorcode") else 0
        # SQLite does not say why it could not make its own journal: the folder tells
        return code in _FULL_CODES or (code == sqlite3.SQLITE_CANTOPEN and _has_no_room(folder))
    return isinstance(error, OSError) and error.errno in _FULL


def _has_no_room(folder: Path) -> bool:
    there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    found = os.statvfs(there)
    return found.f_bavail == 0 or (found.f_files > 0 and found.f_favail == 0)


@contextmanager
def told_when_full(folder: Path) -> Iterator[None]:
    """Turn what the system says of a full disk into our error."""
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        if not _is_full(error, folder):
            raise
        raise StorageFullError(
            f"there is no room left for {folder}: nothing was written. Make room, then send it again.",
            path=str(folder),
        ) from error
