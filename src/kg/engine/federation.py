"""
Federation: SERVICE clauses are asked from here, and stand in the query as VALUES before a worker sees it.

The algebra of a SERVICE clause is a join with the rows that the endpoint gives, and so is that of VALUES.
Where the patterns beside a clause bind its variables already, they are run first and their values sent along.

Source: SPARQL 1.1 Federated Query, https://www.w3.org/TR/sparql11-federated-query/
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from kg.config import Settings
from kg.engine.clauses import Clauses
from kg.engine.formats import FORMATS, SELECT
from kg.engine.groups import Clause
from kg.engine.lanes import Lane
from kg.engine.lexer import position
from kg.engine.limits import Examined
from kg.engine.question import QueryRequest, Question
from kg.engine.remote import UNBOUND, Allowance, Remote, Row, write_term
from kg.engine.run import Deadline
from kg.errors import EndpointError, EndpointTimeoutError, QueryError, QueryTimeoutError, QueryTooDeepError

if TYPE_CHECKING:
    import httpx

QUERIES_AT_ONCE, QUERIES_PER_CLIENT = 8, 2
MOST_CLAUSES = 10
BATCH_ROWS = 200
MOST_BINDINGS = 4_000
BINDING_SHARE, REMOTE_SHARE = 0.25, 0.8
NOWHERE = "urn:x-lateral:empty"
XSD_STRING = "http://www.w3.org/2001/XMLSchema#string"

Run = Callable[[Question], Awaitable[tuple[bytes, str]]]


@dataclass(frozen=True, slots=True)
class Bindings:
    """Values that a clause's variables may have, in SPARQL's own notation."""

    columns: tuple[str, ...]
    rows: list[Row]


@dataclass(slots=True)
class Inquiry:
    """One federated query on its way: what it asks locally, and what it may still spend."""

    question: Question
    run: Run
    deadline: Deadline
    allowed: Allowance
    versions: set[str] = field(default_factory=set)

    @property
    def left_s(self) -> float:
        """Seconds until the deadline."""
        return max(self.deadline.at_s - time.monotonic(), 0.1)

    @property
    def examined(self) -> Examined:
        """The query, examined."""
        return self.question.examined

    @property
    def request(self) -> QueryRequest:
        """The request that it came in."""
        return self.question.request

    async def ask(
        self, text: str, *, form: str = SELECT, is_empty: bool = True, timeout_s: float | None = None
    ) -> Any:
        """Run a query in a worker, over nothing or over the dataset of the query, and read its JSON."""
        examined = replace(self.examined, text=text, form=form, is_federated=False)
        request = replace(self.request, query=text, timeout_s=min(timeout_s or self.left_s, self.left_s))
        if is_empty:
            examined = replace(examined, from_default=(), from_named=())
            request = replace(request, default_graphs=(NOWHERE,), named_graphs=())
        is_table = form in FORMATS["json"].forms
        form_wanted = FORMATS["json" if is_table else "nt"]
        body, version = await self.run(Question(request, examined, form_wanted))
        self.versions |= set() if is_empty else {version}
        return json.loads(body) if is_table else None


class Federation:
    """Asks the endpoints that the settings list, and no other."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.remote = Remote(settings.endpoints, timeout_s=settings.timeout_s)
        self.lane = Lane(
            "federated",
            QUERIES_AT_ONCE,
            queue_length=settings.queue_length,
            queue_per_client=settings.queue_per_client,
            retry_after_s=max(1, round(settings.timeout_s)),
            per_client=QUERIES_PER_CLIENT,
        )

    @asynccontextmanager
    async def place(self, client: str, *, deadline: Deadline) -> AsyncIterator[None]:
        """
        Hold a place among the federated queries that run at once.

        Raises:
            BusyError: None was free.
        """
        await self.lane.acquire(client, timeout_s=deadline.at_s - time.monotonic())
        try:
            yield
        finally:
            self.lane.release(client)

    async def rewrite(self, question: Question, run: Run, *, deadline: Deadline) -> Question:
        """
        Return the query with rows for each SERVICE clause, bound to the versions that were asked for them.

        The query is parsed whole before anything is sent.

        Raises:
            QueryError: It does not parse, or asks an endpoint that is not listed, or where it may not.
            EndpointError: An endpoint failed, and the clause does not say SILENT.
        """
        examined = question.examined
        clauses = await asyncio.to_thread(Clauses, examined.text)
        if len(clauses.found) > MOST_CLAUSES:
            raise QueryTooDeepError(
                f"The query has {len(clauses.found)} SERVICE clauses; the limit is {MOST_CLAUSES}. Split it.",
                limit=MOST_CLAUSES,
                found=len(clauses.found),
            )
        inquiry = Inquiry(question, run, deadline, Allowance(self.settings))
        await inquiry.ask(clauses.outline(), form=examined.form)
        endpoints = await self._resolve(inquiry, clauses)
        async with self.remote.client() as client:
            for clause, endpoint in zip(clauses.found, endpoints, strict=True):
                await self._replace(inquiry, clauses, clause, endpoint, client)
        rewritten = replace(examined, text=clauses.render(), is_volatile=True)
        return replace(question, examined=rewritten, versions=frozenset(inquiry.versions))

    async def _resolve(self, inquiry: Inquiry, clauses: Clauses) -> list[str]:
        """Resolve the endpoints by the query's own prologue, and refuse those that are not listed."""
        names = [clause.name.text for clause in clauses.found]
        columns = " ".join(f"({name} AS ?e{number})" for number, name in enumerate(names))
        document = await inquiry.ask(f"{inquiry.examined.prologue}\nSELECT {columns} {{}}")
        (row,) = document["results"]["bindings"]
        endpoints = [row[f"e{number}"]["value"] for number in range(len(names))]
        for clause, endpoint in zip(clauses.found, endpoints, strict=True):
            if endpoint not in self.settings.endpoints:
                self._refuse(clauses, clause, endpoint)
        return endpoints

    def _refuse(self, clauses: Clauses, clause: Clause, endpoint: str) -> None:
        line, column = position(clauses.text, clause.token.start)
        allowed = list(self.settings.endpoints)
        raise QueryError(
            f"Line {line}, column {column}: SERVICE <{endpoint}> is refused: this service asks only "
            f"{', '.join(f'<{one}>' for one in allowed)}, spelt so. "
            "Whoever runs it may list more in KG_SERVICES.",
            keyword="SERVICE",
            endpoint=endpoint,
            allowed=allowed,
            line=line,
            column=column,
        )

    async def _replace(
        self, inquiry: Inquiry, clauses: Clauses, clause: Clause, endpoint: str, client: httpx.AsyncClient
    ) -> None:
        """Put an endpoint's rows in the place of a clause."""
        prologue, body = inquiry.examined.prologue, clauses.inside(clause)
        document = await inquiry.ask(f"{prologue}\nSELECT * {{ {body} }}")
        columns = tuple(document["head"]["vars"])
        bindings = await self._bindings(inquiry, clauses, clause, columns)
        base = f"BASE <{inquiry.request.base}>\n" if inquiry.request.base else ""
        chosen = " ".join(f"?{name}" for name in columns) or "(1 AS ?one)"
        queries = [
            f"{base}{prologue}\nSELECT {chosen} WHERE {{ {values} {body} }}" for values in _batches(bindings)
        ]
        try:
            rows = await self._ask_all(inquiry, endpoint, client, queries, columns)
        except EndpointError:
            if not clause.is_silent:
                raise
            rows = [(UNBOUND,) * len(columns)]
        clause.replacement, clause.columns = write_values(columns, rows), columns

    async def _ask_all(
        self,
        inquiry: Inquiry,
        endpoint: str,
        client: httpx.AsyncClient,
        queries: Sequence[str],
        columns: Sequence[str],
    ) -> list[Row]:
        """Send queries side by side; what they take of the deadline leaves time for the rest."""
        limit_s = inquiry.left_s * REMOTE_SHARE
        how: dict[str, Any] = {"columns": columns, "allowed": inquiry.allowed}
        try:
            async with asyncio.timeout(limit_s), asyncio.TaskGroup() as group:
                work = [self.remote.select(client, endpoint, one, **how) for one in queries]
                tasks = [group.create_task(one) for one in work]
        except TimeoutError as error:
            raise EndpointTimeoutError(
                f"SERVICE <{endpoint}> did not answer within {limit_s:.1f} s, its part of the deadline "
                "(setting KG_TIMEOUT_S). Narrow the SERVICE group, or try again later. SERVICE SILENT goes "
                "on without it.",
                endpoint=endpoint,
                timeout_s=round(limit_s, 1),
            ) from error
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from errors
        return [row for task in tasks for row in task.result()]

    async def _bindings(
        self, inquiry: Inquiry, clauses: Clauses, clause: Clause, columns: Iterable[str]
    ) -> Bindings | None:
        """Run the patterns beside a clause, and return the values to send along; `None` where none can be."""
        pattern, variables = clauses.narrowing(clause)
        shared = sorted(clauses.bound_in(clause) & variables & set(columns))
        examined = inquiry.examined
        if not shared or examined.is_volatile:
            return None
        graphs = [f"FROM {one}" for one in examined.from_default]
        graphs += [f"FROM NAMED {one}" for one in examined.from_named]
        chosen = " ".join(f"?{name}" for name in shared)
        text = f"{examined.prologue}\nSELECT DISTINCT {chosen} {' '.join(graphs)} WHERE {{ {pattern} }} "
        limit_s = inquiry.left_s * BINDING_SHARE
        try:
            found = await inquiry.ask(f"{text} LIMIT {MOST_BINDINGS + 1}", is_empty=False, timeout_s=limit_s)
        except QueryTimeoutError:
            return None
        return choose_bindings(shared, found["results"]["bindings"])


def choose_bindings(names: Iterable[str], rows: Sequence[Mapping[str, Any]]) -> Bindings | None:
    """
    Keep the variables whose every value may be sent, and each combination of their values once.

    A row with a blank node of ours is left out: it is no node of another server.

    >>> choose_bindings(["a"], [{"a": {"type": "uri", "value": "http://e/"}}]).rows
    [('<http://e/>',)]
    """
    kept = tuple(name for name in names if all(is_sendable(row.get(name)) for row in rows))
    if not kept or len(rows) > MOST_BINDINGS:
        return None
    sent = [row for row in rows if all(row[name]["type"] != "bnode" for name in kept)]
    return Bindings(
        kept, list(dict.fromkeys(tuple(write_term(row[one], "") for one in kept) for row in sent))
    )


def is_sendable(cell: Mapping[str, str] | None) -> bool:
    """
    Say whether another server spells a value as we do: IRIs, strings, strings with a plain language tag.

    Our store keeps numbers and dates by value, and tags in lower case: sent along, they might miss.

    >>> is_sendable({"type": "literal", "value": "a", "xml:lang": "en-gb"})
    False
    """
    if cell is None or cell["type"] not in ("uri", "bnode", "literal") or "its:dir" in cell:
        return False
    return cell.get("datatype", XSD_STRING) == XSD_STRING and "-" not in cell.get("xml:lang", "")


def write_values(columns: Sequence[str], rows: Iterable[Row]) -> str:
    """
    Write rows as a VALUES block.

    >>> write_values(["a", "b"], [("<http://e/>", "UNDEF")])
    'VALUES (?a ?b) { (<http://e/> UNDEF) }'
    """
    head = " ".join(f"?{name}" for name in columns)
    body = " ".join(f"({' '.join(row)})" for row in rows)
    return f"VALUES ({head}) {{ {body} }}"


def _batches(bindings: Bindings | None) -> list[str]:
    """Write the values to send along, some rows at a time; one empty text sends none."""
    if bindings is None:
        return [""]
    parts = (bindings.rows[n : n + BATCH_ROWS] for n in range(0, len(bindings.rows), BATCH_ROWS))
    return [write_values(bindings.columns, part) for part in parts]
