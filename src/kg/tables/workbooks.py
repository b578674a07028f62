"""XLSX files, read within bounds: no formula, no macro, no entity, nothing larger than it may be."""

from __future__ import annotations

import datetime
import io
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kg.errors import MissingPartError, Problem
from kg.tables.sheets import MAX_COLUMNS, MAX_FILE_BYTES, MAX_ROWS, Sheet, Table, too_many_rows

MAX_ENTRIES = 500
MAX_UNPACKED_BYTES = 100_000_000
MAX_SHEETS = 100
NOT_DATA = ("README", "lists")
_FAULTS = (KeyError, ValueError, TypeError, AttributeError, IndexError, OSError, SyntaxError, EOFError)


def read_xlsx(content: bytes, path: Path) -> Table:
    """
    Read the sheets of a workbook.

    Raises:
        MissingPartError: openpyxl is not installed.
    """
    table = Table()
    refusal = next(_refusals(content, path), None)
    if refusal:
        table.problems.append(refusal)
        return table
    try:
        import openpyxl
    except ImportError as error:
        raise MissingPartError("openpyxl is not installed: pip install openpyxl.", part="openpyxl") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # openpyxl tells of every extension that it leaves out
        try:
            book = openpyxl.load_workbook(
                io.BytesIO(content), read_only=True, data_only=False, keep_links=False
            )
            try:
                for one in book.worksheets[:MAX_SHEETS]:
                    if one.title not in NOT_DATA:
                        table.sheets.append(_read_sheet(one, path, table.problems))
            finally:
                book.close()
        except (zipfile.BadZipFile, *_FAULTS) as error:
            table.sheets.clear()
            table.problems.append(_broken(path, f"{type(error).__name__}: {error}"))
    return table


def _broken(path: Path, why: str) -> Problem:
    return Problem(
        f"this is not a workbook that can be read ({why[:120]}).",
        path,
        code="syntax",
        fix="save it anew as XLSX, or as “CSV UTF-8”.",
    )


def _refusals(content: bytes, path: Path) -> Iterator[Problem]:
    """Yield why a workbook is not opened at all."""
    if len(content) > MAX_FILE_BYTES:
        message = f"{len(content)} bytes: expected at most {MAX_FILE_BYTES}."
        yield Problem(message, path, code="too-large", fix="send it in parts.")
        return
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        entries = archive.infolist()
    except (zipfile.BadZipFile, *_FAULTS) as error:
        yield _broken(path, str(error))
        return
    unpacked = sum(one.file_size for one in entries)
    if len(entries) > MAX_ENTRIES or unpacked > MAX_UNPACKED_BYTES:
        yield Problem(
            f"the workbook unpacks to {len(entries)} parts of {unpacked} bytes: expected at most "
            f"{MAX_ENTRIES} of {MAX_UNPACKED_BYTES}.",
            path,
            code="too-large",
            fix="send it in parts.",
        )
        return
    if any("vbaproject" in one.filename.lower() or "macrosheet" in one.filename.lower() for one in entries):
        yield Problem(
            "the workbook holds macros: they are refused, whatever they do.",
            path,
            code="macro",
            fix="save it as XLSX without macros.",
        )
        return
    for one in entries:
        if one.filename.lower().endswith((".xml", ".rels", ".vml")):
            yield from _odd_xml(archive, one, path)


def _odd_xml(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> Iterator[Problem]:
    """Yield why a part is not given to an XML parser: its declared size is a lie, or it declares entities."""
    try:
        with archive.open(entry) as part:
            data = part.read(entry.file_size + 1)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, RuntimeError, NotImplementedError, *_FAULTS) as error:
        yield _broken(path, f"{entry.filename}: {error}")
        return
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data or b"\x00" in data[:400]:
        yield Problem(
            f"{entry.filename} in the workbook declares a document type or is not UTF-8: expected plain XML.",
            path,
            code="entity-declaration",
            fix="save it anew as XLSX.",
        )


def _read_sheet(source: Any, path: Path, problems: list[Problem]) -> Sheet:
    sheet = Sheet(str(source.title))
    source.reset_dimensions()  # what the file says of its own size is not believed
    rows = source.iter_rows(max_row=MAX_ROWS + 1, max_col=MAX_COLUMNS)
    for number, row in enumerate(rows, start=1):
        if number > MAX_ROWS:
            problems.append(too_many_rows(path, number))
            break
        sheet.append((_read_cell(one) for one in row), number)
    while sheet.rows and not sheet.rows[-1]:
        sheet.rows.pop()
    return sheet


def _read_cell(cell: Any) -> tuple[str, bool]:
    """Return the text of a cell as a reader sees it, and whether it is computed."""
    value = cell.value
    if value is None:
        return "", False
    if cell.data_type == "f" or (isinstance(value, str) and value.startswith("=")):
        return str(value), True
    if isinstance(value, datetime.datetime | datetime.date):
        return _write_date(value, str(cell.number_format)), False
    if isinstance(value, datetime.time):
        return value.strftime("%H:%M"), False
    if isinstance(value, bool):
        return "yes" if value else "no", False
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value), False
    return str(value), False


def _write_date(value: datetime.date, number_format: str) -> str:
    """
    Write a date as precisely as it is shown: a spreadsheet makes a day of every month that is typed.

    >>> _write_date(datetime.date(2024, 5, 1), "mmm-yy"), _write_date(datetime.date(2024, 5, 1), "d mmm yyyy")
    ('2024-05', '2024-05-01')
    """
    shown = re.sub(r'\[[^\]]*\]|"[^"]*"|\\.', "", number_format).lower()
    if "d" in shown or "y" not in shown:
        return value.strftime("%Y-%m-%d")
    return value.strftime("%Y-%m") if "m" in shown else value.strftime("%Y")
