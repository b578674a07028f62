"""
Rewriting: queries that scan all values of a property, answered from a table of those values instead.

The engine has no index on values: a filter on a date or a text, or a count by group, reads every triple of a
property. The data of a worker never changes, so for each property a table of its distinct values, with how
often each stands, can be made once. Two kinds of query are rewritten, all others are left as they are:

- a group with `?thing <property> ?value` and a FILTER on `?value` alone gets a VALUES line with the values
  that pass, if they are few. The engine's own FILTER chooses them, so that its meaning is kept to the letter;
- `SELECT ?value (COUNT(?thing) AS ?n) { ?thing <property> ?value } GROUP BY ?value` becomes a VALUES table.

Both hold for the default graph, where a triple stands once. The loader fills the tables before it forks, so
that all workers share them: of the properties that many things have, those whose values are labels, dates,
or often the same.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyoxigraph as ox

from kg.engine.lexer import Token, scan

MOST_VALUES = 500
MOST_GROUPS = 5_000
MOST_DISTINCT = 2_000_000
_VALUE = ox.NamedNode("urn:value")
_COMPARED = frozenset({"<", ">", "<=", ">=", "=", "!="})
_TESTS = frozenset(
    {"CONTAINS", "STRSTARTS", "STRENDS", "REGEX", "YEAR", "MONTH", "DAY", "STR", "LCASE", "UCASE", "LANG"}
)
_BEFORE = _TESTS | {"A", "FILTER"}
# Most queries are neither, which two searches in their text tell, before anything is read token by token.
_FIRST_FILTER = re.compile(r"WHERE\s*\{[^{}]*\bFILTER\s*\(")
_COUNT_BY = re.compile(r"SELECT\s+[?$]\w+\s*\(\s*COUNT\b")
LEAST, SAMPLE = 1_000, 20_000
_RDFS, _SKOS = "http://www.w3.org/2000/01/rdf-schema#", "http://www.w3.org/2004/02/skos/core#"
_LABELS = frozenset({f"{_RDFS}label", f"{_SKOS}prefLabel", f"{_SKOS}altLabel", f"{_SKOS}hiddenLabel"})
_XSD = "http://www.w3.org/2001/XMLSchema#"
_DATES = frozenset({f"{_XSD}{name}" for name in ("date", "dateTime", "gYear", "gYearMonth")})


@dataclass(slots=True)
class Table:
    """
    The distinct values of one property in the default graph.

    Args:
        counts: How many things have each value, the commonest first.
        texts: The values as small letters, for a search; made when first needed.
    """

    counts: list[tuple[Any, int]]
    store: ox.Store
    texts: _Texts | None = None


@dataclass(slots=True)
class _Texts:
    whole: str
    starts: list[int]
    values: list[Any]


@dataclass(slots=True)
class Tables:
    """Tables of properties: made when first asked for, or all by `fill`."""

    store: ox.Store
    is_filled: bool = False
    _tables: dict[str, Table | None] = field(default_factory=dict)

    def fill(self) -> None:
        """Make a table of each property that a scan of its values is slow for; no others are made later."""
        self.is_filled = True
        rows: Any = self.store.query("SELECT DISTINCT ?p { ?s ?p ?o }")
        for name in [row["p"] for row in rows]:
            quads = self.store.quads_for_pattern(None, name, None, ox.DefaultGraph())
            sample = [quad.object for quad in itertools.islice(quads, SAMPLE)]
            if len(sample) >= LEAST and _is_asked_for(name.value, sample):
                table = self._tables[name.value] = self._make(name.value)
                if table is not None and name.value in _LABELS:
                    table.texts = _make_texts(table)

    def find(self, predicate: str) -> Table | None:
        """Return the table of a property; None where its values cannot stand in VALUES, or are too many."""
        if predicate not in self._tables and not self.is_filled:
            self._tables[predicate] = self._make(predicate)
        return self._tables.get(predicate)

    def _make(self, predicate: str) -> Table | None:
        query = f"SELECT ?o (COUNT(?s) AS ?n) {{ ?s <{predicate}> ?o }} GROUP BY ?o"
        rows: Any = self.store.query(query)
        counts = [(row["o"], int(row["n"].value)) for row in rows]
        if (
            not counts
            or len(counts) > MOST_DISTINCT
            or not all(isinstance(one, ox.NamedNode | ox.Literal) for one, _ in counts)
        ):
            return None
        counts.sort(key=lambda pair: -pair[1])
        table = ox.Store()
        table.bulk_extend(ox.Quad(_VALUE, _VALUE, one) for one, _ in counts)
        return Table(counts, table)


def _is_asked_for(predicate: str, sample: Sequence[Any]) -> bool:
    """Say whether values are what people search or count: labels, dates, or such as stand often."""
    is_dated = all(isinstance(one, ox.Literal) and one.datatype.value in _DATES for one in sample)
    return predicate in _LABELS or is_dated or 2 * len(set(sample)) <= len(sample)


def rewrite(query: str, tables: Tables) -> str:
    """
    Return a query with the same answers that reads less, or the same text.

    Only for a query over the whole dataset: not where the request names graphs of its own.
    """
    capitals = query.upper()
    if not (("FILTER" in capitals and _FIRST_FILTER.search(capitals)) or _COUNT_BY.search(capitals)):
        return query
    tokens = list(scan(query))
    if any(
        token.kind == "word" and token.text.upper() in ("FROM", "BASE", "CONSTRUCT", "DESCRIBE", "VERSION")
        for token in tokens
    ):
        return query
    return _count_from_table(query, tokens, tables) or _restrict(query, tokens, tables) or query


def _count_from_table(query: str, tokens: Sequence[Token], tables: Tables) -> str | None:
    """Rewrite a count by group over one pattern."""
    pattern = _GROUPED.fullmatch(" ".join(token.text for token in tokens))
    if pattern is None:
        return None
    part = pattern.groupdict()
    if (
        part["group"] != part["value"]
        or part["counted"] not in ("*", part["thing"])
        or part["thing"] == part["value"]
    ):
        return None
    ordered = set(re.findall(_VARIABLE, part["order"] or ""))
    if part["count"] in (part["value"], part["thing"]) or not ordered <= {part["value"], part["count"]}:
        return None
    predicate = _expand(str(part["predicate"]), query)
    table = tables.find(predicate) if predicate else None
    if table is None:
        return None
    rows = _top(table, part)
    if rows is None:
        return None
    lines = "\n".join(f"({value} {count})" for value, count in rows)
    having = part["having"]
    condition = (
        f"FILTER({_COUNT.sub(str(part['count']), having).replace('> =', '>=').replace('< =', '<=')})"
        if having
        else ""
    )
    tail = " ".join(filter(None, (part["order"], part["limit"])))
    head = query[: tokens[_index(tokens, "SELECT")].start]
    return (
        f"{head}SELECT {part['value']} {part['count']} WHERE {{\n"
        f"VALUES ({part['value']} {part['count']}) {{\n{lines}\n}} {condition} }} {tail}\n"
    )


_VARIABLE = r"[?$]\w+"
_COUNT = re.compile(rf"\bCOUNT \( (?:DISTINCT )?(?:\*|{_VARIABLE}) \)", re.IGNORECASE)
_KEY = rf"(?:(?:DESC|ASC) \( {_VARIABLE} \)|{_VARIABLE})"
_GROUPED = re.compile(
    rf"(?:PREFIX \S*: <[^>]*> )*SELECT (?P<value>{_VARIABLE}) "
    rf"\( COUNT \( (?P<distinct>DISTINCT )?(?P<counted>\*|{_VARIABLE}) \) AS (?P<count>{_VARIABLE}) \) "
    rf"(?:WHERE )?{{ (?P<thing>{_VARIABLE}) (?P<predicate>a|<[^>]*>|[\w-]*:[\w-]+) (?P=value) (?:\. )?}} "
    rf"GROUP BY (?P<group>{_VARIABLE})"
    r"(?: HAVING \( (?P<having>COUNT \( (?:DISTINCT )?(?:\*|(?P=thing)) \) (?:>|<|> =|< =|=|!=) \d+) \))?"
    rf"(?: (?P<order>ORDER BY {_KEY}(?: {_KEY})*))?"
    r"(?: (?P<limit>LIMIT (?P<most>\d+)))?",
    re.IGNORECASE,
)


def _top(table: Table, part: dict[str, str | None]) -> list[tuple[Any, int]] | None:
    """Return the groups that can come out: all if they are few, else the commonest with all that tie."""
    if part["having"]:
        floor = re.search(r"> (\d+)\Z", part["having"])
        rows = [one for one in table.counts if one[1] > int(floor.group(1))] if floor else table.counts
    else:
        rows = table.counts
    first = re.match(r"ORDER BY DESC \( (\S+) \)", part["order"] or "", re.IGNORECASE)
    if first and first.group(1) == part["count"] and part["most"] and 0 < int(part["most"]) < len(rows):
        least = rows[int(part["most"]) - 1][1]
        rows = [one for one in rows if one[1] >= least]
    return rows if 0 < len(rows) <= MOST_GROUPS else None


def _restrict(query: str, tokens: Sequence[Token], tables: Tables) -> str | None:
    """Put VALUES before the patterns of a group whose FILTER looks at one value alone."""
    for start, end in _filters(tokens):
        inside = tokens[start + 1 : end + 1]
        variables = {token.text for token in inside if token.kind == "variable"}
        words = {token.text.upper() for token in inside if token.kind == "word"} - {"TRUE", "FALSE"}
        names = [token for token in inside if token.kind == "name"]
        if len(variables) != 1 or not words <= _TESTS:
            continue
        if not (words or any(token.text in _COMPARED for token in inside)):
            continue
        if any(before.text != "^^" for before, one in itertools.pairwise(inside) if one in names):
            continue
        variable = variables.pop()
        opening = _opening(tokens, start)
        predicate = _predicate_of(variable, tokens, opening, query)
        table = tables.find(predicate) if predicate else None
        if table is None:
            continue
        expression = query[tokens[start + 1].start : tokens[end].start + 1]
        values = _passing(table, variable, expression, inside, query, tokens)
        if values is not None and len(values) <= MOST_VALUES:
            place = tokens[opening].start + 1
            line = " ".join(map(str, values))
            return f"{query[:place]} VALUES {variable} {{ {line} }} {query[place:]}"
    return None


def _filters(tokens: Sequence[Token]) -> list[tuple[int, int]]:
    """List the filters in brackets: where FILTER stands and where its bracket closes."""
    found = []
    for start, token in enumerate(tokens[:-1]):
        if token.kind == "word" and token.text.upper() == "FILTER" and tokens[start + 1].text == "(":
            depth = 0
            for end in range(start + 1, len(tokens)):
                depth += (tokens[end].text == "(") - (tokens[end].text == ")")
                if depth == 0:
                    found.append((start, end))
                    break
    return found


def _opening(tokens: Sequence[Token], place: int) -> int:
    """Return the index of the bracket that opens the group around a place."""
    depth = 0
    for index in range(place - 1, -1, -1):
        depth += (tokens[index].text == "}") - (tokens[index].text == "{")
        if depth < 0:
            return index
    return 0


def _predicate_of(variable: str, tokens: Sequence[Token], opening: int, query: str) -> str | None:
    """
    Return the property whose object a variable must be in the outermost group; None where that is not plain.

    Outermost, since inside GRAPH another graph is meant. Before the pattern stand only patterns and filters:
    an OPTIONAL or a BIND there would see the values that are put before it.
    """
    before = tokens[opening - 1]
    if (
        before.kind != "word"
        or before.text.upper() != "WHERE"
        or any(t.text == "{" for t in tokens[:opening])
    ):
        return None
    for index in range(opening + 1, len(tokens) - 1):
        token = tokens[index]
        if token.text in ("{", "}") or (token.kind == "word" and token.text.upper() not in _BEFORE):
            return None
        if token.text == variable and index >= opening + 3:
            predicate, subject, after = tokens[index - 1], tokens[index - 2], tokens[index + 1]
            starts = subject.text == ";" or (
                subject.kind in ("variable", "iri", "name") and tokens[index - 3].text in ("{", ".", ")")
            )
            ends = after.text in (".", ";", "}") or after.text.upper() in ("FILTER", "OPTIONAL")
            if starts and ends and (predicate.kind in ("iri", "name") or predicate.text == "a"):
                return _expand(predicate.text, query)
    return None


def _passing(
    table: Table, variable: str, expression: str, inside: Sequence[Token], query: str, tokens: Sequence[Token]
) -> list[Any] | None:
    """Return the values that pass a filter: by the engine's own filter, or by a search in their texts."""
    prologue = query[: tokens[_index(tokens, "SELECT", "ASK")].start]
    spelled = " ".join(token.text for token in inside)
    wanted = _SEARCH.fullmatch(spelled)
    if wanted and wanted.group("text").isascii() and "\\" not in wanted.group("text"):
        return _searched(table, wanted.group("text"))
    pattern = f"WHERE {{ ?s ?p {variable} FILTER{expression} }} LIMIT {MOST_VALUES + 1}"
    rows: Any = table.store.query(f"{prologue} SELECT {variable} {pattern}")
    return [row[0] for row in rows]


_SEARCH = re.compile(
    rf"\( CONTAINS \( LCASE \( STR \( {_VARIABLE} \) \) , \"(?P<text>[^\"\x00]+)\" \) \)", re.IGNORECASE
)


def _searched(table: Table, text: str) -> list[Any] | None:
    """Return the values whose small letters hold a text; None where they are too many."""
    if table.texts is None:
        table.texts = _make_texts(table)
    whole, starts, values = table.texts.whole, table.texts.starts, table.texts.values
    found: list[Any] = []
    place = whole.find(text)
    while place >= 0:
        number = bisect_right(starts, place) - 1
        found.append(values[number])
        if len(found) > MOST_VALUES:
            return None
        following = starts[number + 1] if number + 1 < len(starts) else len(whole)
        place = whole.find(text, following)
    return found


def _make_texts(table: Table) -> _Texts:
    rows: Any = table.store.query("SELECT ?v (LCASE(STR(?v)) AS ?l) WHERE { ?s ?p ?v }")
    pieces: list[str] = []
    starts: list[int] = []
    values: list[Any] = []
    size = 0
    for row in rows:
        text = row["l"].value + "\x00"
        pieces.append(text)
        starts.append(size)
        values.append(row["v"])
        size += len(text)
    return _Texts("".join(pieces), starts, values)


def _expand(text: str, query: str) -> str | None:
    """Return the IRI that a predicate stands for, by the query's own prologue."""
    if text == "a":
        return "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
    if text.startswith("<"):
        return text[1:-1] if ":" in text else None
    prefix, _, local = text.partition(":")
    declared = re.findall(r"PREFIX\s+([\w-]*):\s*<([^>]*)>", query, re.IGNORECASE)
    spaces = [space for name, space in declared if name == prefix]
    return spaces[0] + local if len(set(spaces)) == 1 and "\\" not in local and "%" not in local else None


def _index(tokens: Sequence[Token], *words: str) -> int:
    return next(number for number, token in enumerate(tokens) if token.text.upper() in words)
