"""pandas.read_csv against a started service."""

from __future__ import annotations

from urllib.parse import urlencode

import pandas


def test_question_reads_as_a_table_with_types(real: str) -> None:
    """Figures are numbers, names are texts, an empty cell is missing."""
    table = pandas.read_csv(
        f"{real}/queries/figures/figures?format=csv", keep_default_na=False, na_values=[""]
    )
    assert table["value"].dtype == "float64"
    assert pandas.api.types.is_string_dtype(table["aboutLabel"])
    assert table["targetDate"].isna().any() and table["value"].notna().all()


def test_query_reads_as_a_table_with_types(real: str) -> None:
    """Whole numbers, full dates and truth values of SPARQL are those of pandas."""
    query = (
        "PREFIX xsd: <http://www.w3.org/2001/XMLSchema#> SELECT * WHERE {"
        ' VALUES (?n ?day ?is) { (1 "2024-05-31"^^xsd:date true) (2 "2024-06-01"^^xsd:date false) } }'
        " ORDER BY ?n"
    )
    address = f"{real}/sparql?{urlencode({'query': query, 'format': 'csv'})}"
    table = pandas.read_csv(address, parse_dates=["day"])
    assert table["n"].dtype == "int64"
    assert table["is"].dtype == "bool"
    assert table["day"].dt.day.tolist() == [31, 1]


def test_namibia_is_kept_where_pandas_is_told_so(real: str) -> None:
    """The text NA is lost by default, and kept as docs/clients.md says."""
    query = 'SELECT ?code ?none WHERE { VALUES ?code { "NA" "" } }'
    address = f"{real}/sparql?{urlencode({'query': query, 'format': 'csv'})}"
    assert pandas.read_csv(address)["code"].isna().all()
    kept = pandas.read_csv(address, keep_default_na=False, na_values=[""])
    assert kept["code"].dropna().tolist() == ["NA"]
    assert kept["none"].isna().all()
