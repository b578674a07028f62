"""
Settings: read once from `KG_*` environment variables, frozen, passed in, never imported as a global.

Each field holds its default, its unit (in its name) and its help; `describe()` lists them.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from kg.errors import UsageError

_BOOLEANS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}
_ENDPOINT = re.compile(r"https?://[^\s<>\"{}|\\^`@/?#]+(/[^\s<>\"{}|\\^`@#]*)?")


def _setting(default: Any, help_text: str) -> Any:
    return field(default=default, metadata={"help": help_text})


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of Lateral."""

    root: Path = _setting(Path(), "folder that holds ontology, shapes, data and queries")
    build: Path = _setting(Path("build"), "folder for what is built; relative to root")
    documents: Path = _setting(
        Path("../shared/documents"), "folder with copies of the source documents, if any; relative to root"
    )
    tokens: Path = _setting(
        Path("data/contributions/.tokens.json"), "file with the hashed tokens, not for git; relative to root"
    )
    host: str = _setting("127.0.0.1", "address to serve on")
    port: int = _setting(8000, "port to serve on")
    quick_workers: int = _setting(4, "worker processes of the quick lane")
    slow_workers: int = _setting(2, "worker processes of the slow lane")
    slow_per_client: int = _setting(1, "long queries of one client that may run at once, in the slow lane")
    quick_timeout_s: float = _setting(2.0, "seconds a query may take before it moves to the slow lane")
    timeout_s: float = _setting(30.0, "seconds from a query's arrival to its answer, waiting included")
    queue_length: int = _setting(64, "queries that may wait in each lane before 503")
    queue_per_client: int = _setting(16, "queries of one client that may wait in each lane before 503")
    max_memory_bytes: int = _setting(
        1_000_000_000, "memory that one query may take beside the dataset, in bytes"
    )
    max_query_bytes: int = _setting(256_000, "length of a query, in bytes")
    max_query_depth: int = _setting(100, "nesting of a query, in levels")
    max_query_patterns: int = _setting(100, "OPTIONALs, and triple patterns in one group, in a query")
    max_answer_bytes: int = _setting(100_000_000, "size of an answer, in bytes")
    large_answer_bytes: int = _setting(
        1_000_000, "size past which an answer is sent while it is written, in bytes"
    )
    spool_bytes: int = _setting(
        2_000_000_000, "large answers on their way to clients, in bytes on disk; one client has a quarter"
    )
    client_timeout_s: float = _setting(60.0, "seconds a client may leave the next 64 kB of an answer untaken")
    max_body_bytes: int = _setting(2_000_000, "size of a request body, in bytes")
    validate_places: int = _setting(2, "validations that may run at once")
    validate_queue: int = _setting(16, "validations that may wait before 503")
    validate_per_client: int = _setting(1, "validations of one client that may run at once")
    validate_queue_per_client: int = _setting(4, "validations of one client that may wait before 503")
    validate_timeout_s: float = _setting(20.0, "seconds from a validation's arrival to its answer")
    validate_memory_bytes: int = _setting(
        800_000_000, "memory that one validation may take beside the dataset, in bytes"
    )
    max_validate_bytes: int = _setting(
        5_000_000, "size of what is sent to /validate, shapes included, in bytes"
    )
    cache_bytes: int = _setting(64_000_000, "memory for cached answers, in bytes")
    services: str = _setting("", "SPARQL endpoints that SERVICE may ask, separated by spaces; none if empty")
    max_service_rows: int = _setting(20_000, "rows that the SERVICE clauses of a query may bring")
    max_service_bytes: int = _setting(10_000_000, "bytes that the SERVICE clauses of a query may bring")

    scratch: bool = _setting(
        False, "take SPARQL updates, on a copy that is forgotten at the end; only on a loopback address"
    )

    def __post_init__(self) -> None:
        """Refuse an endpoint that is no plain web address, and updates from another machine."""
        if self.scratch and not is_loopback(self.host):
            raise UsageError(
                f"KG_SCRATCH, --scratch: {self.host} is not an address of this machine alone. A service that "
                "anybody may change is for trying things out: expected KG_HOST 127.0.0.1, ::1 or localhost."
            )
        for one in self.endpoints:
            if not _ENDPOINT.fullmatch(one):
                raise UsageError(
                    f"KG_SERVICES: {one!r} is not an endpoint: expected http:// or https://, a host and a "
                    "path, without user, password or fragment, e.g. https://query.wikidata.org/sparql."
                )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """
        Read the settings from `KG_*` variables; what is not set keeps its default.

        Raises:
            UsageError: A value does not read as its type, or a `KG_*` name is not a setting.

        >>> Settings.from_environment({"KG_PORT": "8123"}).port
        8123
        """
        environment = os.environ if environment is None else environment
        known = {f"KG_{one.name.upper()}": one for one in fields(cls)}
        given = {name: value for name, value in environment.items() if name.startswith("KG_")}
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise UsageError(f"{', '.join(unknown)}: no such setting. Known: {', '.join(sorted(known))}.")
        values: dict[str, Any] = {}
        for name, text in given.items():
            default: Any = known[name].default
            try:
                values[known[name].name] = _read(text, default)
            except (ValueError, KeyError) as error:
                kind = type(default).__name__
                raise UsageError(
                    f"{name}={text!r} is not a value: expected {kind}, e.g. {default}."
                ) from error
        return cls(**values)

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The endpoints that SERVICE may ask, as the operator wrote them."""
        return tuple(dict.fromkeys(self.services.split()))

    def path(self, *parts: str) -> Path:
        """Return a path below the root folder."""
        return self.root.joinpath(*parts)

    @property
    def build_path(self) -> Path:
        """Where what is built goes."""
        return self.root / self.build

    @property
    def documents_path(self) -> Path:
        """Where copies of the source documents may be."""
        return self.root / self.documents

    @property
    def tokens_path(self) -> Path:
        """Where the hashed tokens are."""
        return self.root / self.tokens


def _read(text: str, default: Any) -> Any:
    if isinstance(default, bool):
        return _BOOLEANS[text.strip().lower()]
    return Path(text) if isinstance(default, Path) else type(default)(text)


def is_loopback(host: str) -> bool:
    """
    Say whether a host is this machine, reached from this machine alone.

    >>> [is_loopback(one) for one in ("localhost", "127.0.0.1", "::1", "0.0.0.0", "localhost.example.org")]
    [True, True, True, False, False]
    """
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def describe() -> list[tuple[str, str, str]]:
    """
    List each setting as (environment variable, default, help).

    >>> ("KG_PORT", "8000", "port to serve on") in describe()
    True
    """
    return [(f"KG_{one.name.upper()}", str(one.default), one.metadata["help"]) for one in fields(Settings)]
