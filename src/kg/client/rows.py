"""
Rows: the answer of a SELECT or of a question, as Python values, as a pandas table, as HTML in a notebook.
"""

from __future__ import annotations

import datetime
import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, overload

from kg.client.values import Iri, Value, read_value
from kg.errors import MissingPartError

if TYPE_CHECKING:
    import pandas

_SHOWN = 50
_LABEL = "Label"
_INT64 = 2**63


class Row(Mapping[str, Value]):
    """
    One row: column to value, in the order of the columns; a cell without a value is None.

    >>> Row({"n": 1})["n"]
    1
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = dict(values)

    def __getitem__(self, column: str) -> Value:
        if column not in self._values:
            raise KeyError(f"{column!r} is not a column: expected one of {', '.join(self._values)}")
        return self._values[column]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Row({self._values})"


@dataclass(frozen=True, repr=False)
class Rows(Sequence[Row]):
    """
    The rows of an answer, which cannot be changed. Two are equal when columns and rows are.

    Args:
        columns: The columns, in order.
        rows: The rows, in order.
        version: The version of the graph that answered.
        query: What was asked: SPARQL, or the path of a question with its values.
    """

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    version: str = field(default="", compare=False)
    query: str = field(default="", compare=False)

    @overload
    def __getitem__(self, place: int) -> Row: ...

    @overload
    def __getitem__(self, place: slice) -> Rows: ...

    def __getitem__(self, place: int | slice) -> Row | Rows:
        """Return one row, or some rows with all that is known of them."""
        if isinstance(place, slice):
            return Rows(self.columns, self.rows[place], self.version, self.query)
        return self.rows[place]

    def __len__(self) -> int:
        """Return how many rows there are, in rows."""
        return len(self.rows)

    def __repr__(self) -> str:
        """
        Say what this is in one line.

        >>> Rows(("a", "b"), (Row({"a": 1, "b": 2}),))
        <1 row: a, b>
        """
        return f"<{len(self)} row{'' if len(self) == 1 else 's'}: {', '.join(self.columns)}>"

    def to_pandas(self) -> pandas.DataFrame:
        """
        Return the rows as a pandas table; `attrs` holds version and query.

        Whole numbers become Int64 (int64 where no cell is empty), decimals float64, truth values boolean,
        full dates datetime64. IRIs and texts become texts. A column that mixes kinds keeps Python's values.

        Raises:
            MissingPartError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise MissingPartError(
                "pandas is not installed: python -m pip install pandas.", part="pandas"
            ) from error
        made = pandas.DataFrame(
            {name: _series(pandas, [row[name] for row in self.rows]) for name in self.columns},
            columns=list(self.columns),
        )
        made.attrs = {"version": self.version, "query": self.query}
        return made

    def _repr_html_(self) -> str:
        """Write a table for a notebook: IRIs as links under their labels, at most fifty rows."""
        shown = [
            one
            for one in self.columns
            if not (one.endswith(_LABEL) and one.removesuffix(_LABEL) in self.columns)
        ]
        head = "".join(f"<th>{html.escape(one)}</th>" for one in shown)
        body = "".join(
            "<tr>" + "".join(f"<td>{_cell(row[one])}</td>" for one in shown) + "</tr>"
            for row in self.rows[:_SHOWN]
        )
        left = len(self) - _SHOWN
        count = f"{len(self)} row{'' if len(self) == 1 else 's'}"
        count += f", the first {_SHOWN} shown" if left > 0 else ""
        told = html.escape(f"{count}; version {self.version}" if self.version else count)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody><caption>{told}</caption></table>"


def read_rows(result: Mapping[str, Any], *, version: str, query: str) -> Rows:
    """
    Read a SPARQL result in JSON.

    Args:
        result: The result, decoded.
        version: The version that answered.
        query: What was asked.

    >>> read_rows({"head": {"vars": ["n"]}, "results": {"bindings": [{}]}}, version="", query="")[0]
    Row({'n': None})
    """
    columns = tuple(str(one) for one in result["head"].get("vars", ()))
    rows = tuple(_read_row(columns, one) for one in result["results"]["bindings"])
    return Rows(columns, rows, version, query)


def _read_row(columns: Sequence[str], found: Mapping[str, Mapping[str, Any]]) -> Row:
    values = {one: read_value(found[one]) if one in found else None for one in columns}
    for one in columns:
        value, label = values[one], values.get(one + _LABEL)
        if isinstance(value, Iri) and isinstance(label, str):
            values[one] = Iri(value, str(label))
    return Row(values)


def _cell(value: Value) -> str:
    if value is None:
        return ""
    text = html.escape(str(value))
    if isinstance(value, Iri):
        shown = html.escape(value.label or value)
        is_web = value.startswith(("http://", "https://"))
        return f'<a href="{text}">{shown}</a>' if is_web else shown
    return text


def _series(pandas: Any, values: Sequence[Value]) -> Any:
    """Make one column, of the type that all its values have."""
    kinds = {type(one) for one in values if one is not None}
    is_whole = all(one is not None for one in values)
    if not kinds:
        return pandas.Series(values, dtype="object")
    if kinds == {bool}:
        return pandas.Series(values, dtype="bool" if is_whole else "boolean")
    if kinds == {int} and all(one is None or -_INT64 <= one < _INT64 for one in values):  # type: ignore[operator]
        return pandas.Series(values, dtype="int64" if is_whole else "Int64")
    if kinds <= {int, float, Decimal}:
        return pandas.Series([None if one is None else float(one) for one in values], dtype="float64")  # type: ignore[arg-type]
    if kinds == {datetime.date}:
        return pandas.Series(pandas.to_datetime(pandas.Series(values, dtype="object")))
    if all(issubclass(one, str) for one in kinds):
        return pandas.Series([None if one is None else str(one) for one in values], dtype="str")
    return pandas.Series(values, dtype="object")
