"""A sheet to its blocks: a header that says which kind, and the rows below it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from rapidfuzz import fuzz, process

from kg.errors import Edit, Problem
from kg.search import fold
from kg.tables.columns import Column
from kg.tables.kinds import Kind, find_kind
from kg.tables.sheets import Cell, Sheet

_NEAR = 60.0


@dataclass
class Row:
    """
    One row under a header.

    Args:
        kind: The kind of its block.
        first: Its first cell that holds anything.
        cells: Its cells by the machine name of their column, in the order of the row.
        columns: Where each column of its block stands, by machine name.
    """

    kind: Kind
    first: Cell
    cells: Mapping[str, list[Cell]]
    columns: Mapping[str, int] = field(default_factory=dict)

    def at(self, column: str) -> Cell:
        """Return the empty cell of a column; the row's first where the column is not there."""
        number = self.columns.get(column)
        return replace(self.first, column=number, text="") if number else self.first

    def cell(self, column: str) -> Cell | None:
        """Return the cell of a column, if it holds anything."""
        return next(iter(self.cells.get(column, ())), None)

    def text(self, column: str) -> str:
        """Return the text of a column; empty where its cell is."""
        cell = self.cell(column)
        return cell.text if cell else ""

    @property
    def subject(self) -> Cell:
        """The cell that names what the row is about; the row's first where that is empty."""
        return self.cell("label") or self.first


@dataclass
class Blocks:
    """
    The rows of all sheets.

    Args:
        kinds: The kinds that there are.
        path: The file's name.
        headers: What stands above: (sheet, row of the header, column) to header.
    """

    kinds: Mapping[str, Kind]
    path: Path
    rows: list[Row] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    headers: dict[tuple[str, int, int], str] = field(default_factory=dict)
    _named: set[int] = field(default_factory=set)

    def add(self, sheet: Sheet) -> None:
        """Read a sheet; a header after an empty row opens another block."""
        kind: Kind | None = None
        columns: dict[int, Column] = {}
        is_after_gap, is_lost = True, False
        for row in sheet.rows:
            if not row:
                is_after_gap = True
                continue
            opening = self._opens(row, is_after_gap, kind)
            if opening is not None:
                kind, columns, is_lost = opening, self._columns(opening, row), False
            elif (kind is None and not is_lost) or (is_after_gap and self._is_like_header(row)):
                self._tell_unknown_kind(row, sheet)
                kind, is_lost = None, True
            elif kind is not None and row[0].text != kind.name and not is_lost:
                self._add_row(kind, columns, row)
            is_after_gap = False
        if not self.headers and not self.problems:
            self.problems.append(_empty(self.path))

    def _note(self, cell: Cell, header: str) -> None:
        self.headers[cell.sheet, cell.row, cell.column] = header
        self._named.add(cell.column)

    def _opens(self, row: list[Cell], is_after_gap: bool, current: Kind | None) -> Kind | None:
        """Return the kind of a header row: its first cell names it, and nothing or an empty row is above."""
        if not is_after_gap or row[0].column != 1:
            return None
        kind = find_kind(self.kinds, row[0].text)
        if kind is None or current is None or row[0].text.endswith("*"):
            return kind
        is_header = len(row) > 1 and all(kind.find(one.text) for one in row[1:])
        return kind if is_header else None

    def _is_like_header(self, row: list[Cell]) -> bool:
        """Tell whether a row below a gap is a header of no kind: most of its cells name columns of some."""
        known = {fold(column.header) for kind in self.kinds.values() for column in kind.columns[1:]}
        named = sum(fold(one.text.rstrip("* ")) in known for one in row[1:])
        return len(row) > 2 and 2 * named >= len(row) - 1

    def _columns(self, kind: Kind, row: list[Cell]) -> dict[int, Column]:
        found: dict[int, Column] = {row[0].column: kind.columns[0]}
        self._named = set()
        self._note(row[0], kind.header)
        for cell in row[1:]:
            column = kind.find(cell.text)
            if column is None:
                self._tell_unknown_column(kind, cell)
            elif not column.path and column.name in {one.name for one in found.values()}:
                message = f"a second column “{column.header}”: expected one."
                self.problems.append(
                    cell.problem(self.path, "repeated-column", message, fix="take one away.", found=cell.text)
                )
            else:
                found[cell.column] = column
                self._note(cell, column.header)
        return found

    def _add_row(self, kind: Kind, columns: Mapping[int, Column], row: list[Cell]) -> None:
        cells: dict[str, list[Cell]] = defaultdict(list)
        for cell in row:
            column = columns.get(cell.column)
            if cell.is_formula:
                self.problems.append(
                    cell.problem(
                        self.path,
                        "formula",
                        f"a formula stands here: {cell.text[:40]}. Expected the value itself.",
                        fix="paste the column as values; a text that begins with = needs another beginning.",
                        found=cell.text[:80],
                    )
                )
            elif column is not None:
                cells[column.name].append(cell)
            elif cell.column not in self._named:
                self.problems.append(
                    cell.problem(
                        self.path,
                        "no-header",
                        "nothing stands above this cell: expected the name of a column in the header.",
                        fix="name the column, or empty the cell.",
                        found=cell.text[:80],
                    )
                )
        if cells:
            where = {one.name: number for number, one in sorted(columns.items(), reverse=True)}
            self.rows.append(Row(kind, row[0], dict(cells), where))

    def _tell_unknown_column(self, kind: Kind, cell: Cell) -> None:
        self._note(cell, cell.text)
        known = {one.header: one for one in kind.columns[1:]}
        near = process.extract(
            cell.text.rstrip("* "), list(known), scorer=fuzz.WRatio, score_cutoff=_NEAR, limit=3
        )
        edits: tuple[Edit, ...] = ()
        if near and (len(near) == 1 or near[0][1] - near[1][1] >= 5):
            edits = (cell.edit(known[near[0][0]].title),)
        named = ", ".join(f"“{one}”" for one, _, _ in near)
        self.problems.append(
            cell.problem(
                self.path,
                "unknown-column",
                f"“{cell.text}” is no column of a {kind.header if kind.iri else kind.slug}."
                + (f" Near: {named}." if near else ""),
                fix=f"write “{near[0][0]}”."
                if near
                else f"take the column away; kg template {kind.slug} --all lists those that there are.",
                found=cell.text,
                expected=named or None,
                edits=edits,
            )
        )

    def _tell_unknown_kind(self, row: list[Cell], sheet: Sheet) -> None:
        cell = row[0]
        names = {one.header: slug for slug, one in self.kinds.items()}
        near = [
            one
            for one, _, _ in process.extract(cell.text.rstrip("* "), list(names), score_cutoff=70, limit=3)
        ]
        self._note(cell, cell.text)
        self.problems.append(
            cell.problem(
                self.path,
                "unknown-kind",
                f"“{cell.text}” is no kind of statement: expected the first cell of the header to name one."
                + (f" Near: {', '.join(near)}." if near else ""),
                fix=self._mend_header(row, sheet) or "begin with a form: kg template lists them.",
                found=cell.text,
            )
        )

    def _mend_header(self, row: list[Cell], sheet: Sheet) -> str:
        """Say what stands before the cell that names the kind: a column, or rows."""
        later = row[1] if len(row) > 1 else row[0]
        if find_kind(self.kinds, later.text):
            return f"take away what stands left of “{later.text}”, for that names the kind."
        below = (one for one in sheet.rows if one and one[0].row > row[0].row and one[0].column == 1)
        header = next((one[0] for one in below if find_kind(self.kinds, one[0].text)), None)
        return f"take away the rows above row {header.row}, where the header stands." if header else ""


def header_above(headers: Mapping[tuple[str, int, int], str], sheet: str, row: int, column: int) -> str:
    """Return the header of the block that a cell stands in, or of the header that it is."""
    opening = max((one for name, one, _ in headers if name == sheet and one <= row), default=0)
    return headers.get((sheet, opening, column), "")


def _empty(path: Path) -> Problem:
    return Problem("nothing stands in this table: expected a header and rows.", path, 1, 1, code="no-rows")


def split(cell: Cell) -> list[str]:
    """
    Return the values of a cell: `|` and line ends stand between them, `\\|` is a letter.

    >>> split(Cell("a | b\\nc", 1, 1))
    ['a', 'b', 'c']
    """
    return list(_pieces(cell.text))


def _pieces(text: str) -> Iterator[str]:
    for piece in text.replace("\\|", "\x00").replace("\n", "|").split("|"):
        if piece.strip():
            yield piece.replace("\x00", "|").strip()


def join(pieces: list[str]) -> str:
    """
    Write values as one cell.

    >>> join(["a|b", "c"])
    'a\\\\|b | c'
    """
    return " | ".join(one.replace("|", "\\|") for one in pieces)
