"""Tests of `kg.engine.updating`: what is read in an update before a worker sees it."""

from __future__ import annotations

import pytest

from kg.engine import UpdateRequest
from kg.engine.updating import prepare
from kg.errors import QueryError, QuerySyntaxError, UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CLEAR ALL", "CLEAR ALL"),
        (
            "INSERT DATA { <urn:where> <urn:b> 'WHERE { }' }",
            "INSERT DATA { <urn:where> <urn:b> 'WHERE { }' }",
        ),
        ("INSERT {} where{} # WHERE", "INSERT {} USING <urn:g> USING NAMED <urn:n> where{} # WHERE"),
        (
            "INSERT {} WHERE { { SELECT * WHERE { ?s ?p ?o } } }",
            "INSERT {} USING <urn:g> USING NAMED <urn:n> WHERE { { SELECT * WHERE { ?s ?p ?o } } }",
        ),
        (
            "delete where { GRAPH ?g { ?s ?p '}' } } ; DELETE {} WHERE {}",
            "delete { GRAPH ?g { ?s ?p '}' } } USING <urn:g> USING NAMED <urn:n> "
            "where { GRAPH ?g { ?s ?p '}' } } ; DELETE {} USING <urn:g> USING NAMED <urn:n> WHERE {}",
        ),
        ("DELETE WHERE", "DELETE USING <urn:g> USING NAMED <urn:n> WHERE"),
    ],
)
def test_the_dataset_of_the_request_is_put_before_each_where(text: str, expected: str) -> None:
    """Of operations alone: not in subqueries, strings, comments or names."""
    assert prepare(UpdateRequest(text, ("urn:g",), ("urn:n",))) == expected
    assert prepare(UpdateRequest(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "WITH <urn:g> DELETE {} WHERE {}",
        "DELETE {} using named<urn:g>WHERE {}",
        "PREFIX a: <b> WITHa:c INSERT {} WHERE {}",
    ],
)
def test_a_dataset_in_both_places_is_refused(text: str) -> None:
    """USING or WITH in the text, and a dataset beside it; alone each is fine."""
    with pytest.raises(UsageError, match="using-graph-uri"):
        prepare(UpdateRequest(text, using_named=("urn:g",)))
    assert prepare(UpdateRequest(text)) == text


@pytest.mark.parametrize(
    "text",
    ["LOAD <x>", "Load Silent <x> INTO GRAPH <y>", "CLEAR ALL ;LOAD<x>", "PREFIX a: <b> LOADa:c",
     "\\u004COAD <x>", "#\rLOAD <x>", "INSERT {} WHERE { SERVICEa:b {} }", "INSERT {} WHERE{SERVICE<a>{}}"],
)  # fmt: skip
def test_what_is_elsewhere_is_refused(text: str) -> None:
    """LOAD and SERVICE, in every spelling that the parser takes."""
    with pytest.raises(QueryError, match="is refused"):
        prepare(UpdateRequest(text))


def test_words_in_data_are_no_keywords() -> None:
    """LOAD, SERVICE and USING as text, IRI or local name are what they are."""
    text = "PREFIX a: <urn:SERVICE> INSERT DATA { a:LOAD <urn:USING> 'LOAD; SERVICE' }"
    assert prepare(UpdateRequest(text, ("urn:g",))) == text


def test_an_escape_inside_an_escape_is_refused() -> None:
    """The parser must not find a keyword where the lexer found none."""
    with pytest.raises(QuerySyntaxError, match="escape"):
        prepare(UpdateRequest("\\u005cu004COAD <x>"))
