"""
Graph: the same questions to a running service and to a folder, with equal answers.
"""

from __future__ import annotations

import datetime
import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kg.client.rows import Row, Rows, read_rows
from kg.client.source import Question, Source
from kg.client.values import Iri
from kg.errors import NotFoundError, ParameterError, UsageError

if TYPE_CHECKING:
    import rdflib

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
# Source: SPARQL 1.1 Query, IRIREF, https://www.w3.org/TR/sparql11-query/#rIRIREF
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\x00-\x20<>\"{}|\\^`]+\Z")
_RESERVED = ("format", "page", "page_size")
_SURE = 99.0
_FOUND = ("name", "label", "type", "score")
_STATEMENTS = """
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
SELECT ?property ?propertyLabel ?value ?valueLabel ?graph
WHERE {
  GRAPH ?graph { <%s> ?property ?value }
  FILTER(?graph != <https://w3id.org/lateral/graph/shapes>)
  OPTIONAL {
    SELECT ?property (MIN(?text) AS ?propertyLabel) { ?property rdfs:label ?text } GROUP BY ?property
  }
  OPTIONAL {
    SELECT ?value (MIN(?name) AS ?valueLabel) { ?value rdfs:label|skos:prefLabel ?name } GROUP BY ?value
  }
}
ORDER BY ?property ?value ?graph
"""
_PREFIXES = """
PREFIX sh: <http://www.w3.org/ns/shacl#>
SELECT DISTINCT ?prefix ?namespace
WHERE { ?declaration sh:prefix ?prefix ; sh:namespace ?namespace }
ORDER BY ?prefix ?namespace
"""


class Graph:
    """
    The graph, as a running service or a folder on this machine serves it.

    Args:
        source: The address of a service (`http://127.0.0.1:8000`), or the path of a checkout in which
            `kg build` has run.
        timeout_s: Seconds that one request, or one query over a folder, may take.
        patience_s: Seconds that may be waited in all, for one call, while the service is busy.
        page_size: How many rows of a question are fetched from a service at a time, in rows.

    Raises:
        UsageError: It is neither an address nor a folder.
        MissingPartError: Nothing is built in the folder.

    >>> Graph("ftp://127.0.0.1/")
    Traceback (most recent call last):
    kg.errors.UsageError: 'ftp://127.0.0.1/' is not the address of a service: expected http://host:port/.
    """

    def __init__(
        self,
        source: str | Path,
        *,
        timeout_s: float = 60.0,
        patience_s: float = 30.0,
        page_size: int = 1000,
    ) -> None:
        self._at = str(source)
        self._source: Source
        self._known: Mapping[str, Question] = {}
        if isinstance(source, str) and _ADDRESS.match(source):
            from kg.client.remote import Service

            self._source = Service(source, timeout_s=timeout_s, patience_s=patience_s, page_size=page_size)
        elif Path(source).is_dir():
            from kg.client.local import Folder

            self._source = Folder(Path(source), timeout_s=timeout_s)
        else:
            raise UsageError(f"{self._at!r} is neither http://… nor a folder that is there.")

    def __repr__(self) -> str:
        return f"Graph({self._at!r})"

    def ask(self, question: str, /, **parameters: str | int | datetime.date | None) -> Rows:
        """
        Ask a question that is kept, and return the whole answer.

        Args:
            question: `topic/name`, or the name alone where only one topic has it.
            parameters: Values by name: an IRI, a prefixed name, a slug or a label; a year, a date, a
                number. None is as if it were not given.

        Raises:
            NotFoundError: There is no such question; field `near`.
            ParameterError: A value is wrong; fields `parameter`, `value`, `near`, `errors`.
            BusyError: The service was busy for longer than patience.
            MissingPartError: The service cannot be reached, or did not answer in time.
        """
        found = self._find(question)
        values = {name: _write(value) for name, value in parameters.items() if value is not None}
        known = [one.name for one in found.parameters]
        for name in values:
            if name in _RESERVED and name not in known:
                raise ParameterError(
                    f"{name!r} is not a parameter of {found.key}. Known: {', '.join(known) or 'none'}.",
                    parameter=name,
                    value=None,
                    near=[],
                )
        return self._source.ask(found, values)

    def query(self, sparql: str) -> Rows | bool | rdflib.Graph:
        """
        Run SPARQL.

        Returns:
            SELECT: rows; ASK: a truth value; CONSTRUCT and DESCRIBE: an rdflib Graph.

        Raises:
            QuerySyntaxError: It does not parse; fields `line`, `column`.
            QueryTimeoutError: It passed the deadline of the service.
            BusyError: The service was busy for longer than patience.
            MissingPartError: The service cannot be reached, or did not answer in time.
        """
        answer = self._source.query(sparql)
        if answer.result is None:
            import rdflib

            return rdflib.Graph().parse(data=answer.triples, format="turtle")
        if "boolean" in answer.result:
            return bool(answer.result["boolean"])
        return read_rows(answer.result, version=answer.version, query=sparql)

    def select(self, sparql: str) -> Rows:
        """
        Run a SELECT, and return its rows.

        Raises:
            UsageError: It is no SELECT.
        """
        found = self.query(sparql)
        if not isinstance(found, Rows):
            raise UsageError("this is no SELECT: expected one; query() takes every form.")
        return found

    def questions(self) -> tuple[Question, ...]:
        """List the questions that are kept, with parameters and columns."""
        found = self._source.questions()
        self._known = {one.key: one for one in found}
        return found

    def search(self, text: str) -> Rows:
        """
        Find things, concepts and questions by name, forgiving of spelling and accents; best first.

        Returns:
            Rows of name (an IRI, or the key of a question), label, type and score, from 0 to 100.
        """
        found = sorted(self._source.search(text), key=lambda one: -one.score)
        rows = tuple(
            Row(
                {
                    "name": one.name if one.type == "question" else Iri(one.name, one.label),
                    "label": one.label,
                    "type": one.type if one.type == "question" else Iri(one.type),
                    "score": one.score,
                }
            )
            for one in found
        )
        return Rows(_FOUND, rows, query=text)

    def describe(self, name: str) -> Rows:
        """
        Say all that the graph states of one thing, each statement with the named graph that it stands in.

        A statement of a document stands in the graph of its claim: its receipt.

        Args:
            name: An IRI, a prefixed name, a slug or a label.

        Raises:
            NotFoundError: Nothing has that name, or several things have; field `near`.
        """
        for iri in self._readings(name):
            rows = self.select(_STATEMENTS % iri)
            if rows:
                return rows
        found = [one for one in self.search(name) if one["type"] != "question"]
        sure = [one for one in found if isinstance(one["score"], float) and one["score"] >= _SURE]
        if len(sure) == 1:
            return self.select(_STATEMENTS % sure[0]["name"])
        near = [f"{one['name']} ({one['label']})" for one in (sure or found)[:5]]
        told = f" Near: {'; '.join(near)}." if near else ""
        raise NotFoundError(f"{name!r} does not name one thing.{told}", name=name, near=near)

    def _find(self, wanted: str) -> Question:
        """Find a question by its key or its name; the list is read again before that is given up."""
        for is_known in (True, False):
            known = self._known if is_known else {one.key: one for one in self.questions()}
            found = [one for key, one in known.items() if wanted in (key, key.partition("/")[2])]
            if len(found) == 1:
                return found[0]
        if found:
            near = [one.key for one in found]
            raise NotFoundError(
                f"several questions are named {wanted!r}: {', '.join(near)}.", name=wanted, near=near
            )
        names = {one: key for key in known for one in (key, key.partition("/")[2])}
        close = difflib.get_close_matches(wanted, list(names), n=5, cutoff=0.4)
        near = list(dict.fromkeys(names[one] for one in close))
        told = f" Near: {', '.join(near)}." if near else ""
        raise NotFoundError(
            f"no question is kept as {wanted!r}.{told} questions() lists them all.", name=wanted, near=near
        )

    def _readings(self, name: str) -> list[str]:
        """List the IRIs that a name may be written for."""
        bare = name.strip().removeprefix("<").removesuffix(">")
        prefix, colon, local = bare.partition(":")
        if not colon:
            is_slug = re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", bare)
            return [f"https://w3id.org/lateral/id/{bare}"] if is_slug else []
        if not local.startswith("//"):
            for one in self.select(_PREFIXES):
                if one["prefix"] == prefix:
                    bare = f"{one['namespace']}{local}"
        return [bare] if _IRI.match(bare) else []


def _write(value: str | int | datetime.date) -> str:
    """Write a value as a person would type it."""
    return value.isoformat() if isinstance(value, datetime.date) else str(value)
