"""
Tables: the rows of an answer in the formats that the engine does not write: a workbook, and RDF.

Source: CSV on the Web, https://www.w3.org/TR/csv2rdf/ (a row is a resource, a column a property).
"""

from __future__ import annotations

import datetime
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyoxigraph as ox
import xlsxwriter

from kg import names
from kg.contents import Row, Term
from kg.errors import AnswerTooLargeError
from kg.names import Prefixes

MEDIA_TYPES = {
    "ttl": "text/turtle",
    "jsonld": "application/ld+json",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
CSVW = "http://www.w3.org/ns/csvw#"
# Source: Excel specifications and limits, https://support.microsoft.com/office/1672b34d
_MAX_ROWS = 1_048_575
_MAX_CHARACTERS = 32_767
_MAX_DIGITS = 15
_NUMBERS = {names.XSD + name for name in ("integer", "decimal", "double", "float", "int", "long")}
# A workbook tells when it was made; the same answer is to be the same bytes.
_MADE = datetime.datetime(2000, 1, 1)
_RDF_FORMATS = {"ttl": ox.RdfFormat.TURTLE, "jsonld": ox.RdfFormat.JSON_LD}


@dataclass(frozen=True, slots=True)
class Table:
    """
    An answer, or a page of one.

    Args:
        key: The template, `topic/name`.
        address: The permanent address of the question with its values.
        columns: The columns, in order.
        rows: The rows, in order.
        first: The number of the first row in the whole answer, from 1.
        about: What else to say of it, as (name, value).
    """

    key: str
    address: str
    columns: Sequence[str]
    rows: Sequence[Row]
    first: int
    about: Sequence[tuple[str, str]]


def write(table: Table, format_name: str, prefixes: Prefixes) -> bytes:
    """
    Write a table in one of `MEDIA_TYPES`.

    Raises:
        AnswerTooLargeError: A workbook cannot hold so many rows.
    """
    if format_name == "xlsx":
        return _write_workbook(table)
    return _write_rdf(table, _RDF_FORMATS[format_name], prefixes)


def _write_rdf(table: Table, form: ox.RdfFormat, prefixes: Prefixes) -> bytes:
    space = f"{names.BASE}queries/{table.key}#"
    known = Prefixes({**prefixes, "csvw": CSVW, "xsd": names.XSD, "column": space})
    triples = _triples(table, space)
    return ox.serialize(triples, format=form, prefixes=used_prefixes(triples, known)) or b""


def used_prefixes(triples: Iterable[ox.Triple], prefixes: Prefixes) -> dict[str, str]:
    """Return those of the prefixes that some triples need."""
    iris: set[str] = set()
    for one in triples:
        for node in (one.subject, one.predicate, one.object):
            if isinstance(node, ox.Literal):
                iris.add(node.datatype.value)
            elif isinstance(node, ox.NamedNode):
                iris.add(node.value)
    found = {prefixes.compress(iri).partition(":")[0] for iri in iris}
    return {prefix: prefixes[prefix] for prefix in sorted(found) if prefix in prefixes}


def _triples(table: Table, space: str) -> list[ox.Triple]:
    triples = []
    integer = ox.NamedNode(names.XSD + "integer")
    for number, row in enumerate(table.rows, start=table.first):
        node = ox.NamedNode(f"{table.address}#row={number}")
        triples.append(ox.Triple(node, ox.NamedNode(names.RDF + "type"), ox.NamedNode(CSVW + "Row")))
        triples.append(
            ox.Triple(node, ox.NamedNode(CSVW + "rownum"), ox.Literal(str(number), datatype=integer))
        )
        triples += [
            ox.Triple(node, ox.NamedNode(space + column), _node(row[column]))
            for column in table.columns
            if column in row
        ]
    return triples


def _node(term: Term) -> ox.NamedNode | ox.BlankNode | ox.Literal:
    if term.kind == "uri":
        return ox.NamedNode(term.value)
    if term.kind == "bnode":
        return ox.BlankNode(term.value)
    if term.language:
        return ox.Literal(term.value, language=term.language)
    return ox.Literal(term.value, datatype=ox.NamedNode(term.datatype or names.XSD + "string"))


def _write_workbook(table: Table) -> bytes:
    """Write two sheets: the rows, and what they answer. No cell is ever a formula."""
    if len(table.rows) > _MAX_ROWS:
        raise AnswerTooLargeError(
            f"A workbook holds {_MAX_ROWS:,} rows, the answer has {len(table.rows):,}. Take csv, or pages.",
            max_rows=_MAX_ROWS,
        )
    held = io.BytesIO()
    book = xlsxwriter.Workbook(held, {"in_memory": True})
    book.set_properties({"title": table.key, "created": _MADE})
    bold = book.add_format({"bold": True})
    sheet = book.add_worksheet("Answer")
    sheet.freeze_panes(1, 0)
    sheet.set_column(0, max(0, len(table.columns) - 1), 28)
    for place, column in enumerate(table.columns):
        sheet.write_string(0, place, column, bold)
        for number, row in enumerate(table.rows, start=1):
            if column in row:
                _write_cell(sheet, (number, place), row[column])
    about = book.add_worksheet("About")
    about.set_column(0, 0, 14)
    about.set_column(1, 1, 100)
    for number, (name, value) in enumerate([*table.about, ("address", table.address)]):
        about.write_string(number, 0, name, bold)
        about.write_string(number, 1, value[:_MAX_CHARACTERS])
    book.close()
    return held.getvalue()


def _write_cell(sheet: xlsxwriter.worksheet.Worksheet, place: tuple[int, int], term: Term) -> None:
    if term.datatype in _NUMBERS and sum(one.isdigit() for one in term.value) <= _MAX_DIGITS:
        try:
            number = float(term.value)
        except ValueError:
            number = float("inf")
        if abs(number) != float("inf") and number == number:
            sheet.write_number(*place, number)
            return
    sheet.write_string(*place, term.value[:_MAX_CHARACTERS])
