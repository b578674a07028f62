"""Rows and cells as they were sent, and how a CSV file becomes them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from kg.errors import Edit, Problem
from kg.turtle import Span

MAX_ROWS = 50_000
MAX_COLUMNS = 200
MAX_CELL_CHARACTERS = 32_767  # Source: ECMA-376 as Excel keeps it: the most that a cell holds
MAX_FILE_BYTES = 20_000_000
_DELIMITERS = ",;\t"


@dataclass(frozen=True)
class Cell:
    """
    What stands in one cell.

    Args:
        text: As a reader sees it; dates as YYYY, YYYY-MM or YYYY-MM-DD.
        row: From 1.
        column: From 1.
        sheet: Its sheet; empty in a CSV file.
        is_formula: Whether it is computed.
    """

    text: str
    row: int
    column: int
    sheet: str = ""
    is_formula: bool = False

    @property
    def address(self) -> str:
        """
        Its address.

        >>> Cell("", 7, 28, "Chairing").address
        'Chairing!AB7'
        """
        return (f"{self.sheet}!" if self.sheet else "") + letters(self.column) + str(self.row)

    @property
    def span(self) -> Span:
        """Its place."""
        return Span(self.row, self.column, self.row, self.column + 1, self.address)

    def problem(self, path: Path, code: str, message: str, **more: str | tuple[Edit, ...] | None) -> Problem:
        """Make a problem that stands here."""
        place = {"line": self.row, "column": self.column, "end_line": self.row, "end_column": self.column + 1}
        return Problem(message, path, code=code, cell=self.address, **place, **more)  # type: ignore[arg-type]

    def edit(self, text: str) -> Edit:
        """Return the edit that writes another text here."""
        return Edit(self.row, self.column, self.row, self.column + 1, text, self.address)


@dataclass
class Sheet:
    """The rows of one sheet, in their order; cells without text are left out."""

    name: str
    rows: list[list[Cell]] = field(default_factory=list)

    def append(self, texts: Iterable[tuple[str, bool]], row: int) -> None:
        """Add a row of (text, whether it is a formula)."""
        self.rows.append(
            [
                Cell(text.strip(), row, column, self.name, is_formula)
                for column, (text, is_formula) in enumerate(texts, start=1)
                if text.strip()
            ]
        )


@dataclass
class Table:
    """What a file holds, and why it could not be read."""

    sheets: list[Sheet] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def letters(column: int) -> str:
    """
    Return the letters of a column.

    >>> letters(1), letters(26), letters(27), letters(703)
    ('A', 'Z', 'AA', 'AAA')
    """
    found = ""
    while column:
        column, rest = divmod(column - 1, 26)
        found = chr(65 + rest) + found
    return found


def read_csv(content: bytes, path: Path) -> Table:
    """Read a CSV file: UTF-8, with comma, semicolon or tab between."""
    table = Table()
    if len(content) > MAX_FILE_BYTES:
        message = f"{len(content)} bytes: expected at most {MAX_FILE_BYTES}."
        table.problems.append(Problem(message, path, code="too-large", fix="send it in parts."))
        return table
    text = _decode(content, path, table)
    if text is None:
        return table
    sheet = Sheet("")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    number = 0
    try:
        for number, row in enumerate(reader, start=1):
            if number > MAX_ROWS:
                table.problems.append(too_many_rows(path, number))
                break
            if len(row) > MAX_COLUMNS:
                table.problems.append(too_many_columns(path, number, len(row)))
                break
            sheet.append(((one, one.lstrip().startswith("=")) for one in row), number)
    except csv.Error as error:
        message = f"from here on it is not CSV ({error}): expected each quotation mark to be closed."
        table.problems.append(
            Problem(
                message, path, number + 1, 1, code="syntax", fix='close it; within quotes write "" for ".'
            )
        )
        return table
    table.sheets.append(sheet)
    return table


def too_many_rows(path: Path, row: int) -> Problem:
    """Say that a sheet has too many rows."""
    return Problem(
        f"more than {MAX_ROWS} rows: expected at most that many.",
        path,
        row,
        code="too-large",
        fix="send it in parts.",
    )


def too_many_columns(path: Path, row: int, width: int) -> Problem:
    """Say that a row has too many columns."""
    return Problem(
        f"this row has {width} columns: expected at most {MAX_COLUMNS}.", path, row, code="too-large"
    )


def _decode(content: bytes, path: Path, table: Table) -> str | None:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        content = content.decode("utf-16", errors="replace").encode()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig", errors="replace")
        row = before.count("\n") + 1
        table.problems.append(
            Problem(
                f"a byte that is not UTF-8 stands here (0x{content[error.start]:02x}"
                f"{_as_windows(content, error.start)}).",
                path,
                row,
                code="encoding",
                fix="in the spreadsheet, save it as “CSV UTF-8”, or as XLSX.",
                expected="UTF-8",
            )
        )
        return None
    if "\x00" in text:
        row = text[: text.index("\x00")].count("\n") + 1
        table.problems.append(
            Problem("a zero byte stands here: this is no CSV file.", path, row, code="encoding")
        )
        return None
    return text


def _as_windows(content: bytes, at: int) -> str:
    """Say what a byte would be in the encoding that spreadsheets write without being asked."""
    letter = content[at : at + 1].decode("cp1252", errors="replace")
    return f", in Windows-1252 “{letter}”" if letter.isalpha() else ""


def _delimiter(text: str) -> str:
    """
    Return what stands between the cells of the first line that holds any, outside quotes.

    >>> _delimiter('"a, b";c;d'), _delimiter("a"), _delimiter("a\\tb,c\\td")
    (';', ',', '\\t')
    """
    first = next((line for line in text.splitlines() if line.strip()), "")
    outside = "".join(first.split('"')[::2])
    return max(_DELIMITERS, key=lambda one: (outside.count(one), -_DELIMITERS.index(one)))


def edited(sheets: Iterable[Sheet], edits: Iterable[Edit]) -> list[Sheet]:
    """Return sheets with the content of cells replaced."""
    wanted = {one.cell: one for one in edits}
    found = []
    for sheet in sheets:
        rows = []
        for row in sheet.rows:
            cells = [
                replace(cell, text=wanted.pop(cell.address).text, is_formula=False)
                if cell.address in wanted
                else cell
                for cell in row
            ]
            rows.append([one for one in cells if one.text])
        found.append(Sheet(sheet.name, rows))
    for one in wanted.values():  # cells that were empty
        name = one.cell.rpartition("!")[0]
        for sheet in found:
            if sheet.name == name and one.line <= len(sheet.rows):
                row = [*sheet.rows[one.line - 1], Cell(one.text, one.line, one.column, name)]
                sheet.rows[one.line - 1] = sorted(row, key=lambda cell: cell.column)
    return found
