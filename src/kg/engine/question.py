"""Questions: what is asked, examined, and what of it a worker, the cache and an entity tag need."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Any

from kg.config import Settings
from kg.engine.formats import Format, choose_format
from kg.engine.limits import Examined, examine

LARGE_QUERY = 8_000


@dataclass(frozen=True, slots=True)
class QueryRequest:
    """
    One question.

    Args:
        query: SPARQL 1.1 Query.
        format: A name of `FORMATS`.
        default_graphs: IRIs; with `named_graphs` they replace FROM and FROM NAMED.
        named_graphs: IRIs.
        base: The IRI that relative ones are resolved against.
        timeout_s: Seconds to its answer, waiting included; the setting bounds it.
        client: Who asks, for the share of long queries; empty is nobody in particular.
    """

    query: str
    format: str = "json"
    default_graphs: tuple[str, ...] = ()
    named_graphs: tuple[str, ...] = ()
    base: str | None = None
    timeout_s: float | None = None
    client: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """
    A request that may be answered: its query is within the limits, its format fits.

    Args:
        versions: The versions that parts of it were answered from already: no other may answer the rest.
    """

    request: QueryRequest
    examined: Examined
    form: Format
    versions: frozenset[str] = frozenset()

    @property
    def is_repeatable(self) -> bool:
        """Say whether one version always gives the same answer, so that the cache may hold it."""
        return not (self.examined.is_volatile or self.examined.is_federated)

    @property
    def key(self) -> tuple[object, ...]:
        """All that the answer depends on, but for the version."""
        one = self.request
        return (one.query, one.default_graphs, one.named_graphs, self.form.name, one.base)

    @property
    def mark(self) -> str:
        """A digest of the query alone, by which slow ones are known again."""
        return hashlib.sha256(self.request.query.encode()).hexdigest()

    def tag(self, version: str) -> str | None:
        """
        Return a weak entity tag of an answer that nobody has the bytes of; none where two runs may differ.

        Source: RFC 9110, section 8.8.1 (weak: the same meaning, the bytes may differ, as by order).
        """
        if not self.is_repeatable:
            return None
        return f'W/"{hashlib.sha256(repr((version, self.key)).encode()).hexdigest()[:32]}"'

    def tag_of(self, body: bytes) -> str:
        """Return the entity tag of an answer held whole: strong, but weak where other servers had a part."""
        digest = hashlib.sha256(self.form.name.encode() + b" " + body).hexdigest()[:32]
        return f'W/"{digest}"' if self.examined.is_federated else f'"{digest}"'

    def job(self, *, large_bytes: int | None) -> dict[str, Any]:
        """Return what a worker is told; past `large_bytes` its answer comes in parts."""
        return {
            "query": self.examined.text,
            "base": self.request.base,
            "format": self.form.name,
            "default_graphs": self.request.default_graphs,
            "named_graphs": self.request.named_graphs,
            "prologue": self.examined.prologue,
            "from_default": self.examined.from_default,
            "from_named": self.examined.from_named,
            "large_bytes": large_bytes,
        }


async def read_question(request: QueryRequest, settings: Settings) -> Question:
    """
    Examine a request.

    Raises:
        QueryError: The query is not fine, as far as can be seen without running it.
        NotAcceptableError: The format cannot carry the answer.
    """
    if len(request.query) > LARGE_QUERY:
        examined = await asyncio.to_thread(examine, request.query, settings)
    else:
        examined = examine(request.query, settings)
    return Question(request, examined, choose_format(request.format, examined.form))
