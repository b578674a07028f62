"""
Every error that Lateral raises on purpose, and what each means outside.

    KGError
    ├── UsageError              wrong arguments                              exit 2   400
    ├── MissingPartError        a document, Java, a server is not there      exit 3   503
    │   └── PortTakenError      the address is in use                        exit 3   503
    ├── DataError               the files are not fine (holds all problems)  exit 1   422
    ├── QueryError              the query is not fine                        exit 1   400
    │   ├── QuerySyntaxError    does not parse (line, column)                exit 1   400
    │   ├── QueryTooDeepError   nested past the limit                        exit 1   400
    │   └── UpdateRefusedError  an update where only queries are answered    exit 1   403
    ├── QueryTimeoutError       ended at its deadline                        exit 1   503
    ├── QueryMemoryError        ended at its memory limit                    exit 1   503
    ├── ValidationTimeoutError  validation was ended at its deadline         exit 1   503
    ├── ValidationMemoryError   validation was ended at its memory limit     exit 1   503
    ├── AnswerTooLargeError     the answer passed its size limit             exit 1   413
    ├── EndpointError           a server that SERVICE asked failed           exit 1   502
    │   └── EndpointTimeoutError  it did not answer in time                  exit 1   504
    ├── BusyError               every worker and queue place is taken        exit 1   503
    ├── ParameterError          a template parameter is wrong                exit 2   422
    ├── NotFoundError           nothing has that name                        exit 1   404
    ├── UnknownTokenError       no token, or none that is known              exit 1   401
    ├── NotAllowedError         this person may not do that                  exit 1   403
    ├── WrongStateError         not in a state where that can be done        exit 1   409
    ├── DamagedError            a file is not what was written               exit 1   500
    ├── StorageFullError        the disk is full; nothing was written        exit 1   507
    ├── NotAcceptableError      no format that the client takes              exit 2   406
    ├── UnsupportedMediaError   a body in a type that is not taken           exit 2   415
    └── BodyTooLargeError       a body past its size limit                   exit 1   413

A message says what is wrong, then what was expected, then what mends it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Edit:
    """
    A change to a text: what stands from one place to another is replaced.

    Args:
        line: Line of its start, from 1; for tables the row.
        column: Column of its start, from 1, in code points; for tables the column.
        end_line: Line of its end.
        end_column: Column of its end, exclusive; the start's for an insertion.
        text: What stands there afterwards.
        cell: The cell's name, for tables; its whole content is replaced.
    """

    line: int
    column: int
    end_line: int
    end_column: int
    text: str
    cell: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """
    One thing wrong with one file, as a reader wants it told.

    Args:
        message: What is wrong and what was expected, one sentence or two.
        path: The file, if it is about a file.
        line: Line in the file, from 1; for tables the row.
        column: Column in the line, from 1, in code points; for tables the column.
        fix: How to mend it: a command or the text to write.
        subject: The IRI that it is about.
        code: What kind of problem it is, in words with hyphens that stay the same: `unknown-term`.
        level: `error` refuses; `warning` and `note` only tell.
        end_line: Where the offending text ends, if known.
        end_column: The column there, exclusive.
        cell: The cell's name, for tables.
        label: The label of what it is about.
        found: What stands there.
        expected: What was expected, in a few words.
        edits: Changes that mend it, proved by validating again; none where there is no such proof.
        predicate: The IRI of the property of the subject that it is about; several with " | " between.
        value: The value of that property that it is about, as Turtle writes it.
        component: The IRI of the constraint component that refused, where a shape did.
        shape: The IRI of that shape.
    """

    message: str
    path: Path | None = None
    line: int | None = None
    column: int | None = None
    fix: str | None = None
    subject: str | None = None
    code: str | None = None
    level: str = "error"
    end_line: int | None = None
    end_column: int | None = None
    cell: str | None = None
    label: str | None = None
    found: str | None = None
    expected: str | None = None
    edits: tuple[Edit, ...] = ()
    predicate: str | None = None
    value: str | None = None
    component: str | None = None
    shape: str | None = None

    def __str__(self) -> str:
        """
        Write the problem on one line, opened by its place.

        >>> str(Problem("'id:x' is not a term", Path("a.ttl"), 3, 7, fix="write id:y"))
        "a.ttl:3:7: 'id:x' is not a term. Fix: write id:y"
        """
        numbers = [str(n) for n in (self.line, self.column) if n is not None]
        place = ":".join([str(self.path), *numbers]) + ": " if self.path else ""
        stop = "" if self.message.endswith((".", "?", "!", ":")) else "."
        return f"{place}{self.message}" + (f"{stop} Fix: {self.fix}" if self.fix else "")

    def as_json(self) -> dict[str, Any]:
        """Return the problem as JSON values; empty fields and the level of an error left out."""
        return {
            key: str(value) if isinstance(value, Path) else value
            for key, value in asdict(self).items()
            if value not in (None, ()) and (key, value) != ("level", "error")
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an error means outside: an HTTP status and a process exit code."""

    status: int
    exit_code: int


class KGError(Exception):
    """
    Base of every error raised on purpose.

    Args:
        message: What is wrong, what was expected, what mends it.
        fields: The offending things by name; they go into the problem document.
    """

    outcome: ClassVar[Outcome] = Outcome(500, 1)
    title: ClassVar[str] = "Something went wrong"

    def __init__(self, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields

    def as_problem(self) -> dict[str, Any]:
        """
        Return the RFC 9457 problem document of this error.

        Source: RFC 9457, section 3.

        >>> NotFoundError("nothing is named x", name="x").as_problem()["status"]
        404
        """
        return {
            "type": "about:blank",
            "title": self.title,
            "status": self.outcome.status,
            "detail": self.message,
            **self.fields,
        }


class UsageError(KGError):
    """The call itself is wrong."""

    outcome = Outcome(400, 2)
    title = "Wrong usage"


class MissingPartError(KGError):
    """Something that is needed is not there; field `part` names it."""

    outcome = Outcome(503, 3)
    title = "A part is missing"


class PortTakenError(MissingPartError):
    """The address is in use; fields `host`, `port`."""

    title = "The port is taken"


class DataError(KGError):
    """
    The files are not fine: all problems at once, in file order.

    Args:
        problems: At least one.
    """

    outcome = Outcome(422, 1)
    title = "The data is not fine"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__(
            "\n".join(map(str, self.problems)), problems=[one.as_json() for one in self.problems]
        )


class QueryError(KGError):
    """The query is not fine."""

    outcome = Outcome(400, 1)
    title = "The query is not fine"


class QuerySyntaxError(QueryError):
    """The query does not parse; fields `line`, `column` (from 1), `expected`, perhaps `fix`."""

    title = "The query does not parse"


class QueryTooDeepError(QueryError):
    """The query nests deeper, or is larger, than the limit; fields `limit`, `found`."""

    title = "The query is too deep"


class UpdateRefusedError(QueryError):
    """An update came where only queries are answered."""

    outcome = Outcome(403, 1)
    title = "Updates are not taken"


class QueryTimeoutError(KGError):
    """The query was ended at its deadline; field `timeout_s`."""

    outcome = Outcome(503, 1)
    title = "The query took too long"


class QueryMemoryError(KGError):
    """The query's worker died, most often of its memory limit; field `max_memory_bytes`."""

    outcome = Outcome(503, 1)
    title = "The query needed too much memory"


class ValidationTimeoutError(KGError):
    """Validation was ended at its deadline; field `validate_timeout_s`."""

    outcome = Outcome(503, 1)
    title = "The validation took too long"


class ValidationMemoryError(KGError):
    """Validation was ended at its memory limit; field `validate_memory_bytes`."""

    outcome = Outcome(503, 1)
    title = "The validation needed too much memory"


class AnswerTooLargeError(KGError):
    """The answer passed its size limit; field `max_answer_bytes`."""

    outcome = Outcome(413, 1)
    title = "The answer is too large"


class EndpointError(KGError):
    """A server that a query asked by SERVICE failed; fields `endpoint`, perhaps `remote_status`, `said`."""

    outcome = Outcome(502, 1)
    title = "Another server failed"


class EndpointTimeoutError(EndpointError):
    """A server that a query asked by SERVICE did not answer in time; fields `endpoint`, `timeout_s`."""

    outcome = Outcome(504, 1)
    title = "Another server took too long"


class BusyError(KGError):
    """Every worker and every place in the queue, or all room for large answers, is taken; `retry_after_s`."""

    outcome = Outcome(503, 1)
    title = "The service is busy"


class ParameterError(KGError):
    """A template parameter is wrong; fields `parameter`, `value`, `near`."""

    outcome = Outcome(422, 2)
    title = "A parameter is wrong"


class NotFoundError(KGError):
    """Nothing has that name; fields `name`, perhaps `near`."""

    outcome = Outcome(404, 1)
    title = "Not found"


class NotAcceptableError(KGError):
    """No format that the client takes; field `available`."""

    outcome = Outcome(406, 2)
    title = "No such format"


class UnsupportedMediaError(KGError):
    """A body in a type that is not taken; field `accepted`."""

    outcome = Outcome(415, 2)
    title = "Unsupported media type"


class BodyTooLargeError(KGError):
    """A body past its size limit; field `max_body_bytes`."""

    outcome = Outcome(413, 1)
    title = "The body is too large"


class UnknownTokenError(KGError):
    """No token was given, or none that is known."""

    outcome = Outcome(401, 1)
    title = "Who is asking is not known"


class NotAllowedError(KGError):
    """This person may not do that; fields `name`, perhaps `role`."""

    outcome = Outcome(403, 1)
    title = "Not allowed"


class WrongStateError(KGError):
    """It is not in a state where that can be done; fields `id`, `state`, `allowed`."""

    outcome = Outcome(409, 1)
    title = "Not in this state"


class DamagedError(KGError):
    """A file is not what was written; fields `id`, `path`, `fix`."""

    outcome = Outcome(500, 1)
    title = "A file is damaged"


class StorageFullError(KGError):
    """The disk is full: nothing was written; field `path`."""

    outcome = Outcome(507, 1)
    title = "The disk is full"


def from_problem(document: Mapping[str, Any]) -> KGError:
    """
    Make the error again that a problem document tells, for whoever asks a service.

    >>> error = from_problem(ParameterError("no such year", parameter="since", near=["2024"]).as_problem())
    >>> type(error).__name__, error.message, error.fields["near"]
    ('ParameterError', 'no such year', ['2024'])
    """
    message = str(document.get("detail") or document.get("title") or KGError.title)
    fields = {str(name): value for name, value in document.items() if name not in _MEMBERS}
    kind = next((one for one in _below(KGError) if one.title == document.get("title")), KGError)
    if issubclass(kind, DataError):
        return DataError(_read_problem(one) for one in fields.get("problems", ()))
    return kind(message, **fields)


# Source: RFC 9457, section 3.1; its members are no fields of ours.
_MEMBERS = frozenset({"type", "title", "status", "detail", "instance", "message"})


def _below(kind: type[KGError]) -> Iterator[type[KGError]]:
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)


def _read_problem(told: Mapping[str, Any]) -> Problem:
    path = told.get("path")
    return Problem(
        str(told.get("message", "")),
        Path(path) if path else None,
        told.get("line"),
        told.get("column"),
        fix=told.get("fix"),
        subject=told.get("subject"),
    )
