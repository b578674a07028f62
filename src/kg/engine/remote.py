"""
Asking another SPARQL endpoint: one SELECT by POST, bounded; no redirects, cookies, proxies or credentials.

Every fault of the other side is one `EndpointError` that says who, what it said and what to do.

Source: SPARQL 1.1 Protocol, section 2.1.2; SPARQL 1.1 Query Results JSON Format.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from uuid import uuid4

import httpx
import pyoxigraph as ox

import kg
from kg import names
from kg.config import Settings
from kg.errors import EndpointError

CALLS_AT_ONCE = 4
JSON_TYPES = ("application/sparql-results+json", "application/json")
HEADERS = {
    "User-Agent": f"Lateral/{kg.__version__} (SPARQL federation; {names.BASE})",
    "Accept": f"{JSON_TYPES[0]}, {JSON_TYPES[1]};q=0.5",
    "Accept-Encoding": "identity",
}
SAID_CHARACTERS = 200
Row = tuple[str, ...]
UNBOUND = "UNDEF"


class Allowance:
    """What one query may still bring from other servers, in rows and bytes."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.rows, self.bytes = settings.max_service_rows, settings.max_service_bytes

    def spend(self, endpoint: str, *, rows: int = 0, size: int = 0) -> None:
        """
        Count what came.

        Raises:
            EndpointError: It is more than the settings allow.
        """
        # one at a time: rows are counted in a thread, bytes in the loop
        if rows:
            self.rows -= rows
        if size:
            self.bytes -= size
        for what, left in (("rows", self.rows), ("bytes", self.bytes)):
            if left < 0:
                limit = getattr(self.settings, f"max_service_{what}")
                raise failure(
                    endpoint,
                    f"answered more than {limit:,} {what} (setting KG_MAX_SERVICE_{what.upper()})",
                    "Narrow the SERVICE group: add a pattern, or VALUES, or a subquery with LIMIT.",
                )


class Remote:
    """
    The other servers, each asked so many times at once at most.

    Args:
        endpoints: Their addresses.
        timeout_s: How long any of them may keep still, in seconds.
    """

    def __init__(self, endpoints: Sequence[str], *, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._places = {one: asyncio.Semaphore(CALLS_AT_ONCE) for one in endpoints}
        self._trust: ssl.SSLContext | None = None
        # an answer read by Python weighs twenty times its bytes: one at once
        self._reading = asyncio.Semaphore(1)

    def client(self) -> httpx.AsyncClient:
        """Open a client for one query."""
        self._trust = self._trust or httpx.create_ssl_context()
        client = httpx.AsyncClient(
            headers=HEADERS,
            timeout=self._timeout_s,
            trust_env=False,
            follow_redirects=False,
            verify=self._trust,
        )
        client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        return client

    async def select(
        self,
        client: httpx.AsyncClient,
        endpoint: str,
        query: str,
        *,
        columns: Sequence[str],
        allowed: Allowance,
    ) -> list[Row]:
        """
        Send a SELECT, and return its rows as terms in SPARQL's own notation.

        Raises:
            EndpointError: The endpoint failed, or its answer is not an answer.
        """
        async with self._places[endpoint]:
            try:
                async with client.stream("POST", endpoint, data={"query": query}) as response:
                    body = await _read(endpoint, response, allowed)
            except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
                cause = clean(str(error)) or type(error).__name__
                raise failure(endpoint, f"could not be asked: {cause}", "Try again later.") from error
        async with self._reading:
            rows = await asyncio.to_thread(read_rows, endpoint, body, columns, allowed)
        most = response.headers.get("x-sparql-maxrows", "")
        if most.isdecimal() and len(rows) >= int(most):
            raise failure(endpoint, f"cut its answer off at {most} rows", "Narrow the SERVICE group.")
        return rows


async def _read(endpoint: str, response: httpx.Response, allowed: Allowance) -> bytes:
    """Read a body as far as the allowance goes, if the head of the answer promises rows."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    encoding = response.headers.get("content-encoding", "identity").lower()
    is_good = response.status_code == HTTPStatus.OK and kind in JSON_TYPES and encoding == "identity"
    body = bytearray()
    async for chunk in response.aiter_raw():
        if is_good:
            allowed.spend(endpoint, size=len(chunk))
        body += chunk
        if not is_good and len(body) > SAID_CHARACTERS * 4:
            break
    if response.status_code != HTTPStatus.OK:
        raise _status_failure(endpoint, response, bytes(body))
    if encoding != "identity":
        raise failure(endpoint, f"answered in the encoding {clean(encoding)}, which was not asked for")
    if kind not in JSON_TYPES:
        raise failure(endpoint, f"answered {clean(kind) or 'without a type'}, not JSON", said=bytes(body))
    if "x-sql-state" in response.headers:
        raise failure(endpoint, "answered with a part of the rows only", "Narrow the SERVICE group.")
    return bytes(body)


def _status_failure(endpoint: str, response: httpx.Response, body: bytes) -> EndpointError:
    status = response.status_code
    what, fix = f"answered with status {status}", "Try again later."
    fields: dict[str, Any] = {"remote_status": status}
    if response.has_redirect_location:
        what += f" and leads to {clean(response.headers['location'])}, which is not followed"
        fix = "Whoever runs this service may list that address in KG_SERVICES."
    elif status in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
        fix = "Check that the address is a SPARQL endpoint and that it understands the SERVICE group."
    wait = response.headers.get("retry-after", "")
    if wait.isdecimal() and len(wait) < 7:
        fix, fields["retry_after_s"] = f"Try again in {wait} s.", int(wait)
    return failure(endpoint, what, fix, said=body, **fields)


def failure(endpoint: str, what: str, fix: str = "", *, said: bytes = b"", **fields: Any) -> EndpointError:
    """Make the error for an endpoint that failed."""
    words = clean(said.decode("utf-8", "replace"))
    quoted = f": {words!r}" if words else ""
    if words:
        fields["said"] = words
    advice = fix or "Check that the address is a SPARQL endpoint."
    return EndpointError(
        f"SERVICE <{endpoint}> {what}{quoted}. {advice} SERVICE SILENT goes on without it.",
        endpoint=endpoint,
        **fields,
    )


def clean(text: str) -> str:
    r"""
    Return the start of what another server said, fit for one line.

    >>> clean("a\x1b[31m\r\n  b" + "c" * 500)[:12]
    'a [31m bcccc'
    """
    printable = "".join(one if one.isprintable() else " " for one in text[: SAID_CHARACTERS * 4])
    return " ".join(printable.split())[:SAID_CHARACTERS]


def read_rows(endpoint: str, body: bytes, columns: Sequence[str], allowed: Allowance) -> list[Row]:
    """
    Read SPARQL results in JSON; blank nodes become IRIs that nothing else has.

    Raises:
        EndpointError: They are not such results, or more than is allowed.

    Source: RDF 1.1 Concepts, section 3.5 (skolemisation).
    """
    scope = f"{names.BASE}.well-known/genid/{uuid4().hex}/"
    try:
        bindings = json.loads(body)["results"]["bindings"]
        allowed.spend(endpoint, rows=len(bindings))
        return [tuple(write_term(row.get(name), scope) for name in columns) for row in bindings]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise failure(endpoint, "answered what is not SPARQL results in JSON", said=body[:1000]) from error


def write_term(cell: Mapping[str, str] | None, scope: str) -> str:
    """
    Write one term of SPARQL results in JSON as SPARQL does.

    Raises:
        ValueError: It is not an IRI, a blank node or a literal.

    >>> write_term({"type": "literal", "value": 'a"b', "xml:lang": "en"}, "")
    '"a\\\\"b"@en'
    """
    if cell is None:
        return UNBOUND
    kind, value = cell["type"], cell["value"]
    if kind == "uri":
        return str(ox.NamedNode(value))
    if kind == "bnode":
        return str(ox.NamedNode(scope + re.sub(r"[^A-Za-z0-9]", lambda one: f"-{ord(one[0]):x}-", value)))
    if kind not in ("literal", "typed-literal") or "its:dir" in cell:
        raise ValueError(kind)
    if language := cell.get("xml:lang"):
        return str(ox.Literal(value, language=language))
    datatype = cell.get("datatype")
    return str(ox.Literal(value, datatype=ox.NamedNode(datatype)) if datatype else ox.Literal(value))
