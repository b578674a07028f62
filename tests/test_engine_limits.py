"""What a query is told apart by before a worker sees it: tokens, form, depth, sizes, federation."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pyoxigraph as ox
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kg.config import Settings
from kg.engine import query_form
from kg.engine.clauses import Clauses
from kg.engine.diagnosis import explain
from kg.engine.lexer import scan, tokenize
from kg.engine.limits import examine
from kg.errors import KGError, QueryError, QuerySyntaxError, QueryTooDeepError, UpdateRefusedError

SETTINGS = Settings()
STORE = ox.Store()
W3C = Path(__file__).parents[2] / "shared" / "w3c" / "rdf-tests"
PIECES = [
    'SELECT', '*', '{', '}', '(', ')', '[', ']', '<', '>', '<http://e/a>', '<a(b)>', "'", '"', "'''",
    '"""', '#', '\n', ' ', '\\', '\\u0053', '\\u007B', '?a', '$b', 'ex:a', 'ex:a\\(', ':', '_:b', '@en',
    '^^', '1', '1.5e3', '.', ';', ',', 'SERVICE', 'service', 'FILTER', 'PREFIX', 'BASE', 'OPTIONAL',
    'UNION', '&&', '||', '!', '=', '-', '+', '/', '|', 'é', 'true', 'a', 'VALUES', 'EXISTS', 'BIND',
    'AS', '%41', '\x00', '\ud7ff', '😀',
]  # fmt: skip


def test_form_when_the_prologue_misleads() -> None:
    """The form is the first word after the prologue, whatever comments, strings and IRIs say."""
    cases = {
        "SELECT * {}": "SELECT",
        "# ASK {}\nselect*{}": "SELECT",
        "PREFIX ask: <http://e/ASK#x> BASE <http://e/DROP> ASK {}": "ASK",
        "BASE<x>PREFIX:<y>CONSTRUCT WHERE{}": "CONSTRUCT",
        "describe <http://e/INSERT>": "DESCRIBE",
        "\\u0041SK {}": "ASK",
        "VERSION '1.2' ASK {}": "ASK",
    }
    assert {text: query_form(text) for text in cases} == cases


@pytest.mark.parametrize(
    "text",
    ["INSERT DATA {}", "delete where {}", "LOAD <x>", "CLEAR ALL", "DROP ALL", "CREATE GRAPH <x>",
     "ADD <x> TO <y>", "MOVE <x> TO <y>", "COPY <x> TO <y>", "WITH <g> DELETE {} WHERE {}",
     "PREFIX a: <b> # SELECT\nInsert { } WHERE { }", "\\u0044ROP ALL"],
)  # fmt: skip
def test_form_when_it_is_an_update(text: str) -> None:
    """Updates are refused by name, in any case and after any prologue."""
    with pytest.raises(UpdateRefusedError) as caught:
        query_form(text)
    assert caught.value.fields["line"] >= 1 and caught.value.outcome.status == 403


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [("", 1, 1), ("# only\n ", 2, 2), ("FOO", 1, 1), ("PREFIX a: <b>\n  SELCT * {}", 2, 3), ("{}", 1, 1)],
)
def test_form_when_there_is_none(text: str, line: int, column: int) -> None:
    """A text without a form is an error with its place."""
    with pytest.raises(QuerySyntaxError) as caught:
        query_form(text)
    assert (caught.value.fields["line"], caught.value.fields["column"]) == (line, column)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * { SERVICE <http://e/> { } }",
        "SELECT * { ?s ?p ?o . sErViCe SILENT ?x { } }",
        "SELECT * { ?s ?p 1SERVICE <http://e/> { } }",
        "SELECT * { ?s ?p trueSERVICE <http://e/> { } }",
        "SELECT * { SERVICESILENT <http://e/> { } }",
        "PREFIX SERVICEx: <http://e/> PREFIX x: <http://e/> SELECT * { SERVICEx:y { } }",
        "PREFIX x: <http://e/> SELECT * { SERVICEx:y { } }",
        "PREFIX x: <http://e/> SELECT * { ?s ?p trueSERVICEx:y { } }",
        "SELECT * { S\\u0045RVICE <http://e/> { } }",
        "SELECT * { \\U00000053ervice <http://e/> { } }",
        "SELECT * { ?s ?p '\\'' SERVICE <http://e/> { } }",
        "SELECT * { ?s ?p '''a''b''' SERVICE <http://e/> { } }",
        "SELECT * { <http://e/#a> ?p ?o SERVICE <http://e/> { } }",
        "SELECT * { ex:a\\#b ?p ?o SERVICE <http://e/> { } }",
        "SELECT * { ?s ?p ?o # comment\rSERVICE <http://e/> { } }",
        "SELECT * { ?s ?p ?o FILTER(?s<'x>')SERVICE<http://e/>{}#'\n}",
        "SELECT * { ?s ?p ?o FILTER(?s<?p)SERVICE<http://e/>{}#>\n}",
        "SELECT * { VALUES (?a ?b) {(1 <http://e/a)#b>)} SERVICE <http://e/> {} }",
    ],
)
def test_federation_when_asked_for(text: str) -> None:
    """SERVICE is refused in every spelling that the parser, or the specification, reads as SERVICE."""
    with pytest.raises(QueryError):
        examine(text, SETTINGS)


def test_federation_when_endpoints_are_listed() -> None:
    """SERVICE passes on its own, not glued to another word, nor where no query begins."""
    listing = replace(SETTINGS, services="http://e/")
    assert examine("SELECT * { ?s ?p 1\\u0053ervice<http://e/>{ } }", listing).is_federated
    assert not examine("SELECT * { ?s ?p 'SERVICE' } # SERVICE", listing).is_federated
    for text in ("SERVICESILENT <http://e/>", "trueSERVICE <http://e/>", "SERVICEx:y", "PREFIX"):
        with pytest.raises(QueryError, match="write spaces" if "SERVICE" in text else "not"):
            query = f"SELECT * {{ {text} {{ }} }}" if "SERVICE" in text else "SERVICE <http://e/> { }"
            examine(query, listing)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT ?service { ?service ?p 'SERVICE <x> {}' } # SERVICE",
        'SELECT * { <http://e/SERVICE> ?p """SERVICE " <x>""" }',
        "PREFIX service: <http://e/> SELECT * { service:a service:SERVICE _:SERVICE }",
        "PREFIX e: <http://e/> SELECT * { e:SERVICE e:customerService 'x'@service }",
    ],
)
def test_federation_when_only_named(text: str) -> None:
    """SERVICE in a string, comment, IRI, name or variable is not federation."""
    assert examine(text, SETTINGS).form == "SELECT"
    STORE.query(text)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * " + "{" * 101 + "}" * 101,
        "SELECT * { ?s ?p ?o FILTER(" + "(" * 100 + "1" + ")" * 100 + ") }",
        "SELECT * { ?s ?p " + "[ ?p " * 100 + "1" + "]" * 100 + " }",
        "SELECT * { FILTER(" + "!" * 110 + "true) }",
        "SELECT * { ?s ?p ?o FILTER(?s<" + "(" * 100 + "?p" + ")" * 100 + "&&?o>?s) }",
        "SELECT * { ?s ?p ?o " + "FILTER NOT EXISTS { ?s ?p ?o " * 100 + "}" * 100 + " }",
        "SELECT * { ?s ?p ?o " + "OPTIONAL { ?s ?p ?o } " * 101 + "}",
        "SELECT * { " + "?s ?p ?o . " * 102 + "}",
        "SELECT * { ?s " + " ; ".join(["?p ?o"] * 102) + "}",
        "SELECT * { ?s ?p " + ",".join(["?o"] * 102) + "}",
        "SELECT * { ?s " + "/".join(["<http://e/p>"] * 102) + " ?o }",
        "SELECT * { " + "{ ?s ?p ?o }" * 102 + "}",
        "SELECT * { FILTER(" + "||".join(["?a=1"] * 600) + ") }",
        "SELECT * { FILTER(" + "+1" * 1001 + ") }",
        "SELECT * { (" + "1 " * 1_002 + ") ?p ?o }",
        "SELECT * " + "FROM <http://e/g> " * 1_001 + "{}",
        "DESCRIBE " + "<http://e/a> " * 1_001,
        "SELECT ?s { ?s ?p ?o } GROUP BY ?s HAVING" + " (?s)" * 1_001,
        "ASK { ?s ?p '" + "x" * 256_000 + "' }",
    ],
)
def test_limits_when_passed(text: str) -> None:
    """Depth and size past the limit are refused; the error holds the limit and what was found."""
    with pytest.raises(QueryTooDeepError) as caught:
        examine(text, SETTINGS)
    assert caught.value.fields["found"] > caught.value.fields["limit"]
    assert f"KG_{caught.value.fields['setting'].upper()}" in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * { ?s ?p '" + "(" * 500 + "' } # " + "{" * 500,
        "SELECT * { <http://e/a_(b)> ?p ?o } ",
        "SELECT * { ?s ?p ?o FILTER(?o IN (" + ", ".join(map(str, range(5_000))) + ")) }",
        "SELECT * { VALUES ?s { " + "<http://e/a.b;c,d> " * 5_000 + "} ?s ?p ?o }",
        "CONSTRUCT { " + "?s ?p ?o . " * 150 + "} WHERE { ?s ?p ?o }",
        "SELECT * { ?s ?p ?o FILTER(?o < 5 && ?o > 3 || ?s<?o&&?p>?o) }",
        "SELECT * { " + "{ ?s ?p ?o . ?s ?p 1.5 } UNION " * 80 + "{ ?s ?p ?o } }",
    ],
)
def test_limits_when_kept(text: str) -> None:
    """Brackets in strings, comments and IRIs, long lists and large templates are no nesting."""
    assert examine(text, SETTINGS).form in ("SELECT", "CONSTRUCT")
    STORE.query(text)


def test_limits_when_set_lower() -> None:
    """The settings bind."""
    with pytest.raises(QueryTooDeepError):
        examine("SELECT * { { ?s ?p ?o } }", replace(SETTINGS, max_query_depth=1))


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("SELECT * { ?s ?p 'a }", 1, 18),
        ("SELECT * { ?s ?p '''a\n' }", 1, 18),
        ('SELECT * { ?s ?p "a\n" }', 1, 18),
        ("SELECT * {\n ?s ?p ?o ) }", 2, 11),
        ("SELECT * { ?s ?p ?o } }", 1, 23),
        ("SELECT * {\n (", 2, 2),
    ],
)
def test_brackets_and_strings_when_left_open(text: str, line: int, column: int) -> None:
    """What is left open is named at the place where it opened."""
    with pytest.raises(QuerySyntaxError) as caught:
        examine(text, SETTINGS)
    assert (caught.value.fields["line"], caught.value.fields["column"]) == (line, column)


def test_from_when_written() -> None:
    """FROM and FROM NAMED are read as written, and nothing else is."""
    found = examine(
        "PREFIX g: <http://e/> SELECT ?s FROM g:a FROM<b>FROM NAMED g:c WHERE { ?s ?p 'FROM <d>' }", SETTINGS
    )
    assert (found.from_default, found.from_named) == (("g:a", "<b>"), ("g:c",))
    assert found.prologue == "PREFIX g: <http://e/> "


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=40).map("".join))
@settings(max_examples=400, deadline=None)
def test_lexer_when_fed_anything(text: str) -> None:
    """Any text gives tokens in order, with only space and comments between them, or one of our errors."""
    end = 0
    for token in scan(text):
        between = text[end : token.start]
        assert text[token.start : token.start + len(token.text)] == token.text
        assert not between.strip(" \t\r\n") or between.lstrip(" \t\r\n").startswith("#")
        end = token.start + len(token.text)
    with suppress(KGError):
        examine(text, SETTINGS)


@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
@settings(max_examples=400, deadline=None)
def test_service_when_hidden_at_random(noise: str) -> None:
    """Whatever stands before it, a SERVICE that the parser accepts is refused."""
    service = "SERVICE SILENT <http://127.0.0.1:9/> { } #'"
    text = f"PREFIX ex: <http://e/> SELECT * {{ ?s ?p ?o {noise} {service}\n}}"
    try:
        examined = examine(text, SETTINGS)
    except KGError:
        return
    # It passed: then the parser sees no federation here either, and nonsense in its place changes nothing.
    replaced = examined.text.replace("SERVICE SILENT", "NONSENSE NONSENSE")
    try:
        STORE.query(replaced)
    except SyntaxError:
        with pytest.raises(SyntaxError):
            STORE.query(examined.text)


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), st.sampled_from(["", "}", "{ }"]))
@settings(max_examples=400, deadline=None)
def test_service_when_replaced_after_noise(noise: str, end: str) -> None:
    """Whatever stands around them, no SERVICE that the parser sees is left once the clauses are replaced."""
    text = (
        f"PREFIX ex: <http://e/> SELECT * {{ ?s ?p ?o {noise} SERVICE <http://e/> {{ ?s ?p ?o }} {end} #'\n}}"
    )
    try:
        clauses = Clauses(examine(text, replace(SETTINGS, services="http://e/")).text)
    except KGError:
        return
    for clause in clauses.found:
        clause.replacement = "VALUES () { }"
    rendered = clauses.render()
    # Nonsense in the place of what is left changes nothing: it is in strings, comments or names alone.
    try:
        STORE.query(rendered.replace("SERVICE", "NONSENSE").replace("service", "nonsense"))
    except SyntaxError:
        with pytest.raises(SyntaxError):
            STORE.query(rendered)


@given(st.lists(st.sampled_from(PIECES), max_size=25).map(" ".join))
@settings(max_examples=300, deadline=None)
def test_explanation_when_the_parser_refuses(inside: str) -> None:
    """Every refusal of the parser becomes an error with a place inside the text."""
    try:
        text = examine(f"PREFIX ex: <http://e/> SELECT * {{ {inside} }}", SETTINGS).text
    except KGError:
        return
    try:
        STORE.query(text)
    except SyntaxError as error:
        fields = explain(text, str(error), {"lat": "http://lat.example/"}).fields
        lines = text.split("\n")
        assert 1 <= fields["line"] <= len(lines)
        assert 1 <= fields["column"] <= len(lines[fields["line"] - 1]) + 1


def test_tokens_when_words_are_glued() -> None:
    """Keywords need no space around them."""
    text = "SELECT*{?s ex:p.q 1.5,'a'@en-GB,\"b\"^^ex:t;a _:x .BIND(1AS?y)}"
    assert [token.text for token in tokenize(text)] == [
        "SELECT", "*", "{", "?s", "ex:p.q", "1.5", ",", "'a'", "@en-GB", ",", '"b"', "^^", "ex:t", ";", "a",
        "_:x", ".", "BIND", "(", "1", "AS", "?y", ")", "}",
    ]  # fmt: skip


@pytest.mark.skipif(not W3C.exists(), reason="the W3C test suites are not beside the project (../shared/w3c)")
def test_limits_when_fed_the_w3c_queries() -> None:
    """No query of the W3C suites that the parser takes is refused, except for federation."""
    refused = []
    files = sorted(W3C.glob("sparql/**/*.rq"))
    for path in files:
        text = path.read_text(encoding="utf-8")
        try:
            STORE.query(text, base_iri="http://example.org/")
        except (SyntaxError, OSError, RuntimeError):
            continue
        try:
            examine(text, SETTINGS)
        except KGError as error:
            if error.fields.get("keyword") != "SERVICE":
                refused.append((str(path.relative_to(W3C)), error.message))
    assert len(files) > 500 and refused == []
