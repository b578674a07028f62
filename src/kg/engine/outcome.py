"""What a worker's reply, death or silence means for the person who asked: one error each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kg.config import Settings
from kg.engine.diagnosis import explain
from kg.engine.formats import Format, formats_for
from kg.engine.limits import Examined
from kg.engine.process import WorkerDiedError
from kg.errors import (
    AnswerTooLargeError,
    KGError,
    NotAcceptableError,
    QueryError,
    QueryMemoryError,
    QueryTimeoutError,
)


def timeout_error(timeout_s: float) -> QueryTimeoutError:
    """Make the error for a query that was ended at its deadline."""
    return QueryTimeoutError(
        f"The query was ended {timeout_s:g} s after it came, at its deadline (setting KG_TIMEOUT_S). "
        "Narrow it: bind a variable, add a pattern that joins its parts, or add LIMIT.",
        timeout_s=timeout_s,
    )


def death_error(death: WorkerDiedError, settings: Settings) -> QueryMemoryError:
    """Make the error for a query whose worker died."""
    limit = settings.max_memory_bytes
    if "memory allocation" in death.last_words:
        reason = (
            f"The query was ended at {limit:,} bytes of memory beside the dataset "
            "(setting KG_MAX_MEMORY_BYTES)"
        )
    else:
        reason = f"The query's worker process died ({death.cause}): most often the query is too large"
    return QueryMemoryError(
        f"{reason}. Narrow it: fewer parts that nothing joins, no ORDER BY over everything, or LIMIT.",
        max_memory_bytes=limit,
        cause=death.cause,
    )


def reply_error(
    header: Mapping[str, Any],
    examined: Examined,
    form: Format,
    *,
    settings: Settings,
    prefixes: Mapping[str, str],
) -> KGError:
    """Make the error for what a worker reported."""
    kind, message = header["error"], header.get("message", "")
    if kind == "syntax":
        return explain(examined.text, message, prefixes)
    if kind == "too_large":
        limit = settings.max_answer_bytes
        return AnswerTooLargeError(
            f"The answer passed {limit:,} bytes (setting KG_MAX_ANSWER_BYTES). "
            "Add LIMIT, ask for fewer columns, or take a dump.",
            max_answer_bytes=limit,
        )
    if kind == "memory":
        return death_error(WorkerDiedError(None, "memory allocation"), settings)
    if kind == "not_carried":
        others = [name for name in formats_for(examined.form) if name != form.name]
        return NotAcceptableError(f"{message}. Expected one of: {', '.join(others)}.", available=others)
    return QueryError(f"The query could not be answered: {message}.")
