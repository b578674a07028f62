"""The empty forms: a header for people, a header for machines, and in a workbook what helps to fill them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

import xlsxwriter

from kg.tables.columns import Column
from kg.tables.kinds import Kind
from kg.tables.sheets import letters

_README = (
    "How to fill these sheets",
    "",
    "One row says one thing that one document says. The first column names what the row is about.",
    "A column with * is needed for something new. Leave the grey row below a header: it is for machines.",
    "Write names as they stand in Lateral, not addresses. What is not sure to mean one thing is asked.",
    "Several values stand in one cell with | between.",
    "Dates are as precise as the document: 2024, 2024-05, 2024-05-17 or 17 May 2024.",
    "Numbers stand in digits, without marks between thousands.",
    "Say where it stands: the document, first and last words of the passage; its section, footnote or page.",
    "Rows with the same word under “claim” make one claim. A row with only that and a passage adds it.",
    "Something new: states, persons, organizations, places, instruments and works stand on the sheet",
    "“entity”, a new document on the sheet “document”.",
    "Formulas and macros are refused. Send it with your copy: kg contribute TABLE --document COPY",
)
_NAME_WIDTH, _WIDTH = 40, 22


def write_csv(kinds: Iterable[Kind], *, with_all: bool = False) -> str:
    """Return the form of one kind, or of several below each other, as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for number, kind in enumerate(kinds):
        if number:
            text.write("\n")
        shown = kind.shown(with_all=with_all)
        writer.writerow([one.title for one in shown])
        writer.writerow([kind.name, *(one.name for one in shown[1:])])
    return text.getvalue()


def write_xlsx(kinds: Iterable[Kind], *, with_all: bool = False) -> bytes:
    """Return the forms of kinds as a workbook: a sheet each, with lists to choose from."""
    target = io.BytesIO()
    book = xlsxwriter.Workbook(target, {"in_memory": True, "strings_to_formulas": False})
    styles = {
        "title": book.add_format({"bold": True}),
        "header": book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"}),
        "machine": book.add_format({"font_color": "#888888", "font_size": 8}),
        "text": book.add_format({"num_format": "@"}),  # else a spreadsheet makes days of months
    }
    _write_readme(book, styles)
    lists = _Lists(book)
    for kind in kinds:
        shown = kind.shown(with_all=with_all)
        _write_sheet(book.add_worksheet(kind.slug[:31]), kind, shown, styles, lists)
    lists.finish()
    book.close()
    return target.getvalue()


class _Lists:
    """The hidden sheet with the values to choose from: a column for each list."""

    def __init__(self, book: Any) -> None:
        self.book = book
        self.places: dict[tuple[str, ...], str] = {}

    def place(self, choices: tuple[str, ...]) -> str:
        """Return where a list will stand, as a formula names it."""
        if choices not in self.places:
            column = letters(len(self.places) + 1)
            self.places[choices] = f"=lists!${column}$1:${column}${len(choices)}"
        return self.places[choices]

    def finish(self) -> None:
        """Write the lists; the sheet stands last and is hidden."""
        sheet = self.book.add_worksheet("lists")
        for column, choices in enumerate(self.places):
            sheet.write_column(0, column, choices)
        sheet.hide()


def _write_readme(book: Any, styles: dict[str, Any]) -> None:
    sheet = book.add_worksheet("README")
    sheet.set_column(0, 0, 110)
    for number, line in enumerate(_README):
        sheet.write_string(number, 0, line, styles["title"] if number == 0 else None)


def _write_sheet(
    sheet: Any, kind: Kind, shown: Sequence[Column], styles: dict[str, Any], lists: _Lists
) -> None:
    for at, column in enumerate(shown):
        sheet.set_column(at, at, _NAME_WIDTH if at == 0 else _WIDTH, styles["text"])
        sheet.write_string(0, at, column.title, styles["header"])
        sheet.write_string(1, at, column.name if at else kind.name, styles["machine"])
        if column.help:
            sheet.write_comment(0, at, column.help, {"x_scale": 2, "y_scale": 1.5})
        if column.choices:
            sheet.data_validation(
                2,
                at,
                1001,
                at,
                {"validate": "list", "source": lists.place(column.choices), "show_error": False},
            )
    sheet.freeze_panes(2, 1)
