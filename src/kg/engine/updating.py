"""
Updating: SPARQL updates on a copy of a version; nothing of it is kept when the service ends.

A worker carries an update out: it has the version in its memory, bounded, and neither network nor files. It
writes all that it then holds and ends; that is the next version. An update that fails leaves nothing behind.

Source: SPARQL 1.1 Protocol, section 2.2; SPARQL 1.1 Update, section 3.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kg.config import Settings
from kg.engine.diagnosis import KEYWORDS, UPDATE_KEYWORDS, explain
from kg.engine.lexer import Token, decode_escapes, position, syntax_error, tokenize
from kg.engine.loader import Snapshot
from kg.engine.outcome import death_error
from kg.engine.pool import Pool
from kg.engine.process import WorkerDiedError
from kg.errors import (
    AnswerTooLargeError,
    KGError,
    QueryError,
    QueryTimeoutError,
    StorageFullError,
    UsageError,
)
from kg.names import Prefixes

_FAR = "the copy is changed by what is in the request alone. Fetch the data yourself and send INSERT DATA"


@dataclass(frozen=True, slots=True)
class UpdateRequest:
    """
    One update.

    Args:
        text: SPARQL 1.1 Update: operations, carried out all or none.
        using: IRIs of graphs that each WHERE reads as its default graph.
        using_named: IRIs of the named graphs that each WHERE reads.
        base: The IRI that relative ones are resolved against.
    """

    text: str
    using: tuple[str, ...] = ()
    using_named: tuple[str, ...] = ()
    base: str | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """A version that an update made."""

    version: str
    quads_path: Path
    prefixes: Prefixes


class Scratch:
    """
    A copy of a version that takes updates, one at a time.

    Args:
        settings: `timeout_s` and `max_memory_bytes` bound each update.
        pool: Gives the workers of the version that is served.
        serve: Serves the next version; when it returns, every new reader has that.
    """

    def __init__(
        self,
        settings: Settings,
        pool: Callable[[], Pool],
        serve: Callable[[Snapshot], Awaitable[None]],
    ) -> None:
        self.settings, self._pool, self._serve = settings, pool, serve
        self._turn = asyncio.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="lateral-scratch-")

    async def update(self, request: UpdateRequest) -> str:
        """
        Carry out one update, and return the name of the version that is served then.

        Raises:
            QueryError: The update is not fine; it may be a QuerySyntaxError.
            UsageError: It names its dataset itself, and the request does too.
            QueryTimeoutError: It passed its deadline, waiting for its turn included.
            QueryMemoryError: Its worker died.
            AnswerTooLargeError: The copy would be too large.
            StorageFullError: There is no room for it.
        """
        text = await asyncio.to_thread(prepare, request)
        timeout_s = self.settings.timeout_s
        async with contextlib.AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(timeout_s):
                    await stack.enter_async_context(self._turn)
                    stack.callback(self._tidy)
                    changed = await self._change(request, text)
            except TimeoutError as error:
                raise QueryTimeoutError(
                    f"The update was ended {timeout_s:g} s after it came, at its deadline (setting "
                    "KG_TIMEOUT_S); nothing was changed. Narrow its WHERE, or send it in parts.",
                    timeout_s=timeout_s,
                ) from error
            await self._serve(changed)
        return changed.version

    def close(self) -> None:
        """Forget the copy."""
        self._folder.cleanup()

    def _tidy(self) -> None:
        """Remove all but the file of the version that is served, which a new loader would read again."""
        for path in Path(self._folder.name).iterdir():
            if path.name != self._pool().version:
                path.unlink()

    async def _change(self, request: UpdateRequest, text: str) -> Changed:
        """Have a worker change its store and write it to a file."""
        pool = self._pool()
        version = f"{pool.version.partition('~')[0]}~{secrets.token_hex(4)}"
        path = Path(self._folder.name, version)
        job = {
            "update": text,
            "written": request.text,
            "base": request.base,
            "max_bytes": self.settings.max_memory_bytes,
        }
        worker = await pool.take()
        try:
            worker.lower()
            with path.open("wb") as file:

                async def take_part(part: bytes) -> None:
                    file.write(part)

                header, _ = await worker.ask(job, take_part)
            if "error" in header:
                raise self._error(header, request, pool)
        except WorkerDiedError as death:
            raise death_error(death, self.settings) from death
        except OSError as error:
            raise StorageFullError(f"{path} cannot be written: {error.strerror}.", path=str(path)) from error
        finally:
            pool.discard(worker)  # its store is no longer the version's
        return Changed(version, path, pool.snapshot.prefixes)

    def _error(self, header: Mapping[str, Any], request: UpdateRequest, pool: Pool) -> KGError:
        kind, message = header["error"], header.get("message", "")
        if kind == "syntax":
            keywords = (*KEYWORDS, *UPDATE_KEYWORDS)
            text = decode_escapes(request.text)
            return explain(text, message, pool.snapshot.prefixes, keywords=keywords)
        limit = self.settings.max_memory_bytes
        if kind == "too_large":
            return AnswerTooLargeError(
                f"The copy would pass {limit:,} bytes (setting KG_MAX_MEMORY_BYTES); nothing was changed.",
                max_memory_bytes=limit,
            )
        if kind == "memory":
            return death_error(WorkerDiedError(None, "memory allocation"), self.settings)
        return QueryError(f"The update could not be carried out, and nothing was changed: {message}.")


def prepare(request: UpdateRequest) -> str:
    """
    Return the update that a worker is given: escapes decoded, the dataset of the request put in.

    Raises:
        QuerySyntaxError: A string is open, brackets do not match.
        QueryError: It asks for what is elsewhere, by LOAD or SERVICE.
        UsageError: It has USING or WITH, and the request names a dataset too.

    >>> prepare(UpdateRequest("DELETE WHERE { ?s ?p 1 }", using=("urn:g",)))
    'DELETE { ?s ?p 1 } USING <urn:g> WHERE { ?s ?p 1 }'
    """
    text = decode_escapes(request.text)
    tokens = list(tokenize(text))
    clauses = "".join(f"USING <{one}> " for one in request.using)
    clauses += "".join(f"USING NAMED <{one}> " for one in request.using_named)
    pieces, end, depth = [], 0, 0
    for number, token in enumerate(tokens):
        if token.kind == "escape":
            raise syntax_error(text, token.start, "an escape inside an escape is not SPARQL.")
        if token.kind == "symbol":
            depth += (token.text in "([{") - (token.text in ")]}")
        elif token.kind in ("word", "name"):
            _refuse_far(text, token, depth)
            if clauses and depth == 0:
                _refuse_own_dataset(token)
                if token.text.upper() == "WHERE":
                    pieces += [text[end : token.start], _template(text, tokens, number), clauses]
                    end = token.start
    return "".join([*pieces, text[end:]])


def _refuse_far(text: str, token: Token, depth: int) -> None:
    """Refuse LOAD and SERVICE; the parser reads them glued to what follows too, as in `LOADx:y`."""
    head = token.text.partition(":")[0].upper()
    found = "SERVICE" if "SERVICE" in head else "LOAD" if depth == 0 and head.startswith("LOAD") else ""
    if found:
        line, column = position(text, token.start)
        raise QueryError(
            f"Line {line}, column {column}: {found} is refused, in the name of a prefix too: {_FAR}.",
            keyword=found,
            line=line,
            column=column,
        )


def _refuse_own_dataset(token: Token) -> None:
    if token.text.upper().startswith(("USING", "WITH")):
        raise UsageError(
            f"the update says {token.text}, and the request has using-graph-uri or using-named-graph-uri: "
            "expected one of the two",
            parameter="using-graph-uri",
        )


def _template(text: str, tokens: Sequence[Token], where: int) -> str:
    """Write the template that DELETE WHERE leaves out, since that form takes no USING; else nothing."""
    if where == 0 or tokens[where - 1].text.upper() != "DELETE":
        return ""
    depth = 0
    for token in tokens[where + 1 :]:
        if token.kind == "symbol":
            depth += (token.text in "([{") - (token.text in ")]}")
        if depth == 0:
            return text[tokens[where + 1].start : token.start + len(token.text)] + " "
    return ""
