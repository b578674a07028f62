"""Rows to statements, each with the cell that it comes from; or problems, each at its cell."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kg import names
from kg.errors import Edit, Problem, UsageError
from kg.parsing import Reading
from kg.tables.blocks import Blocks, Row, header_above, join, split
from kg.tables.claims import Claims
from kg.tables.columns import Column
from kg.tables.kinds import DOCUMENT, ENTITY, Kind, kinds_of
from kg.tables.naming import Naming
from kg.tables.questions import Question
from kg.tables.sheets import Cell, Sheet, Table, edited, letters, read_csv
from kg.tables.things import Things
from kg.tables.values import Fault, read_value
from kg.tables.workbooks import read_xlsx
from kg.turtle import Places, Statement, Term
from kg.validation import Published
from kg.validation.fixes import Mend

MAX_PROBLEMS = 500
_BETWEEN = re.compile(r"\s*(?:[,;]\s*(?:and\s+)?|\s+and\s+|\s&\s)\s*")
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"


@dataclass(frozen=True)
class TableReading(Reading):
    """
    What a table says.

    Args:
        sheets: Its cells.
        headers: What stands above: (sheet, row of the header, column) to header.
        documents: The texts that its documents are proved in: slug to text.
        questions: The cells whose names may mean several things.
    """

    sheets: tuple[Sheet, ...] = ()
    headers: Mapping[tuple[str, int, int], str] = field(default_factory=dict)
    documents: Mapping[str, str] = field(default_factory=dict)
    questions: tuple[Question, ...] = ()

    def order(self, problem: Problem) -> tuple[int, int, int]:
        """Return what problems are sorted by: sheet, row, column."""
        sheet = (problem.cell or "").rpartition("!")[0]
        number = next((n for n, one in enumerate(self.sheets) if one.name == sheet), 0)
        return number, problem.line or 0, problem.column or 0

    def place(self, problem: Problem) -> str:
        """Say in words where a problem stands: `sheet Chairing, row 7, column C (chaired by)`."""
        if not problem.cell or problem.line is None or problem.column is None:
            return f"row {problem.line}" if problem.line else ""
        sheet = problem.cell.rpartition("!")[0]
        header = header_above(self.headers, sheet, problem.line, problem.column)
        named = f" ({header})" if header else ""
        before = f"sheet {sheet}, " if sheet and len(self.sheets) > 1 else ""
        return f"{before}row {problem.line}, column {letters(problem.column)}{named}"


def read(
    content: bytes,
    *,
    path: Path,
    published: Published,
    documents: Mapping[str, str] | None = None,
    kinds: Mapping[str, Kind] | None = None,
) -> TableReading:
    """
    Read a CSV or XLSX table.

    Args:
        content: The bytes as sent.
        path: The file's name; its suffix tells the format, or the first bytes do.
        published: What there is: names, shapes, documents.
        documents: Copies that came along: slug, file name or its stem, to text.
        kinds: The kinds of statements, where they are loaded already.
    """
    table = _read_table(content, path)
    return _interpret(table, path, published, documents or {}, kinds or kinds_of(published))


def mend_table(
    published: Published,
    documents: Mapping[str, str] | None = None,
    kinds: Mapping[str, Kind] | None = None,
) -> Mend:
    """Return what writes edits into a table's cells and reads it again, for `kg.validation.judge`."""
    known = kinds or kinds_of(published)

    def mend(reading: Reading, edits: Sequence[Edit]) -> Reading:
        if not isinstance(reading, TableReading):
            raise UsageError(f"{reading.path} is no table: its edits are those of a text.")
        if len({one.cell for one in edits}) < len(set(edits)):
            raise UsageError("two edits change one cell")
        table = Table(edited(reading.sheets, edits))
        return _interpret(table, reading.path, published, documents or {}, known)

    return mend


def _read_table(content: bytes, path: Path) -> Table:
    if content.startswith(_OLD_EXCEL):
        fix = "save it as XLSX, or as “CSV UTF-8”."
        return Table([], [Problem("this is an old or a locked Excel file.", path, code="syntax", fix=fix)])
    if content.startswith(b"PK") or path.suffix.lower() in (".xlsx", ".xlsm"):
        return read_xlsx(content, path)
    return read_csv(content, path)


def _interpret(
    table: Table, path: Path, published: Published, copies: Mapping[str, str], kinds: Mapping[str, Kind]
) -> TableReading:
    reader = _Reader(path, published, copies, kinds)
    if not table.problems:
        reader.run(table.sheets)
    problems = [*table.problems, *reader.problems]
    order = {one.name: n for n, one in enumerate(table.sheets)}
    problems.sort(
        key=lambda one: (order.get((one.cell or "").rpartition("!")[0], 0), one.line or 0, one.column or 0)
    )
    problems = list(dict.fromkeys(problems))
    if len(problems) > MAX_PROBLEMS:
        rest = f"{len(problems) - MAX_PROBLEMS} more problems are not listed: mend these first."
        problems = [*problems[:MAX_PROBLEMS], Problem(rest, path, code="more-problems")]
    is_fine = all(one.level != "error" for one in problems)
    return TableReading(
        statements=tuple(reader.statements) if is_fine else (),
        prefixes=dict(published.prefixes),
        problems=tuple(problems),
        text="",
        path=path,
        sheets=tuple(table.sheets),
        headers=reader.blocks.headers,
        documents=reader.things.documents
        | {k: v for k, v in copies.items() if names.DOCUMENT + k in published.known},
        questions=tuple(reader.things.questions),
    )


class _Reader:
    def __init__(
        self, path: Path, published: Published, copies: Mapping[str, str], kinds: Mapping[str, Kind]
    ) -> None:
        self.path, self.published = path, published
        self.blocks = Blocks(kinds, path)
        self.naming = Naming(published)
        self.things = Things(self.naming, kinds, path, copies)
        self.claims = Claims(self.things, copies)
        self.statements: list[Statement] = []
        self._typed: set[str] = set()
        self._given: set[tuple[str, str]] = set()

    @property
    def problems(self) -> list[Problem]:
        """All that was found."""
        return [*self.blocks.problems, *self.things.problems, *self.claims.problems]

    def run(self, sheets: Sequence[Sheet]) -> None:
        """Read all sheets."""
        for sheet in sheets:
            self.blocks.add(sheet)
        rows = self.blocks.rows
        if not self.problems and not any(one.kind.is_of_claims for one in rows):
            filled = "only names of things and documents stand here" if rows else "no row is filled"
            message = f"{filled}: expected a row that says what the document states."
            fix = "fill a form of what it states: kg template lists them."
            self.blocks.problems.append(Problem(message, self.path, code="no-rows", fix=fix))
        self.things.run(rows)
        self.claims.begin()
        for row in rows:
            subject = self.things.subjects.get(id(row), "")
            self._given |= {(subject, column) for column in row.cells}
        for row in rows:
            self._want_description(row)
            if row.kind.slug == ENTITY:
                continue
            if row.kind.slug == DOCUMENT:
                self._say(row, None)
                continue
            self._say(row, self.claims.add(row))
        self.statements += self.things.statements
        self.statements += self.claims.statements()

    def _want_description(self, row: Row) -> None:
        """Tell where something new lacks the description that things of its class have."""
        column = next((one for one in row.kind.columns if one.name == "description"), None)
        subject = self.things.subjects.get(id(row))
        if subject is None or column is None or not self.things.is_new[id(row)]:
            return
        if column.is_required and (subject, column.name) not in self._given:
            self._given.add((subject, column.name))
            self._tell_missing(row, column)

    def _say(self, row: Row, claim: Term | None) -> None:
        """Add what a row says of its thing, in a claim, or outside any for a document."""
        subject = self.things.subjects.get(id(row))
        if subject is None:
            return
        is_new = self.things.is_new[id(row)]
        if claim and is_new and subject not in self._typed:
            self._typed.add(subject)
            self._state(row, claim, names.RDF + "type", Term("iri", row.kind.iri), row.subject)
        for column in row.kind.columns:
            if not column.path:
                continue
            cells = row.cells.get(column.name, [])
            if column.is_required and is_new and (subject, column.name) not in self._given:
                self._given.add((subject, column.name))
                self._tell_missing(row, column)
            for cell in cells:
                for term in self._terms(cell, column):
                    self._state(row, claim, column.path, term, cell)

    def _terms(self, cell: Cell, column: Column) -> list[Term]:
        pieces = split(cell)
        found = []
        for at, piece in enumerate(pieces):
            if column.form == "name":
                answer = self.naming.resolve(piece, column.classes)
                if answer.iri and not answer.code:
                    found.append(Term("iri", answer.iri))
                elif several := self._several(piece, column):
                    whole = join([*pieces[:at], *several, *pieces[at + 1 :]])
                    self.things.problems.append(_several_names(cell, piece, several, whole, self.path))
                else:
                    self.things.ask(cell, pieces, at, answer, column.header, column.classes)
                continue
            value = read_value(piece, column.form)
            if isinstance(value, Fault):
                self.things.problems.append(bad_value(cell, pieces, at, value, self.path))
            else:
                found.append(value)
        return found

    def _several(self, text: str, column: Column) -> list[str]:
        """Return the names that a text holds with commas or “and” between, if each means one thing."""
        pieces = [one for one in _BETWEEN.split(text) if one]
        answers = [self.naming.resolve(one, column.classes) for one in pieces]
        return pieces if len(pieces) > 1 and all(one.iri and not one.code for one in answers) else []

    def _tell_missing(self, row: Row, column: Column) -> None:
        lowered = column.help[:1].lower() + column.help[1:]
        message = f"“{column.header}” is empty in this row, and this {row.kind.header} is new: {lowered}"
        fix = f"fill “{column.header}”."
        self.things.problems.append(row.at(column.name).problem(self.path, "missing-cell", message, fix=fix))

    def _state(self, row: Row, claim: Term | None, predicate: str, value: Term, cell: Cell) -> None:
        subject = Term("iri", self.things.subjects[id(row)])
        span = row.subject.span
        places = Places(span if claim else None, span, cell.span, cell.span)
        line = row.first.row
        self.statements.append(Statement(claim, subject, Term("iri", predicate), value, line, line, places))


def _several_names(cell: Cell, text: str, several: list[str], whole: str, path: Path) -> Problem:
    return cell.problem(
        path,
        "several-names",
        f"“{text}” seems to be {len(several)} names: expected | between.",
        fix=f"write {join(several)}",
        found=text,
        edits=(cell.edit(whole),),
    )


def bad_value(cell: Cell, pieces: list[str], at: int, fault: Fault, path: Path) -> Problem:
    """Make a problem of a value that cannot be read."""
    edits: tuple[Edit, ...] = ()
    if fault.text is not None:
        edits = (cell.edit(join([*pieces[:at], fault.text, *pieces[at + 1 :]])),)
    return cell.problem(
        path,
        fault.code,
        f"{fault.message} Expected {fault.expected}.",
        fix=fault.fix,
        found=pieces[at],
        expected=fault.expected,
        edits=edits,
    )
