"""Tests of `kg.turtle`: what is read comes back, written one way only."""

from __future__ import annotations

import pyoxigraph as ox
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.errors import DataError
from kg.turtle import Span, Statement, Term, read, write

PREFIXES = {
    "ex": "http://example.org/",
    "deep": "http://example.org/deep/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
}
XSD = PREFIXES["xsd"]
LINES = "".join(f"@prefix {prefix}: <{namespace}> .\n" for prefix, namespace in PREFIXES.items())

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
tail = st.text(st.sampled_from("abcZ019-._~é中😀/#?=&%+:,;()!$'*@"), max_size=8).map(
    lambda one: one.replace("%", "%25")
)
iris = st.builds(
    lambda namespace, rest: Term("iri", namespace + rest),
    st.sampled_from([*PREFIXES.values(), "urn:x:", "http://other.example/"]),
    tail,
).filter(lambda one: one.value.count("#") < 2)
datatypes = st.sampled_from(
    [XSD + "integer", XSD + "decimal", XSD + "boolean", XSD + "double", XSD + "gYear"]
)
numbers = st.sampled_from(
    ["01", "1", "-0", "+1", "1.50", "1.5", "-2.0", "0.0", ".5", "1e3", "true", "1", "2026"]
)
literals = st.one_of(
    st.builds(lambda value: Term("literal", value), text),
    st.builds(
        lambda value, tag: Term("literal", value, language=tag), text, st.sampled_from(["en", "fr-CA", "EN"])
    ),
    st.builds(lambda value, kind: Term("literal", value, kind), numbers | text, datatypes),
)
statements = st.lists(
    st.builds(
        lambda graph, subject, predicate, value: Statement(graph, subject, predicate, value, 0, 0),
        st.none() | iris,
        iris,
        iris | st.just(Term("iri", "http://www.w3.org/1999/02/22-rdf-syntax-ns#type")),
        iris | literals,
    ),
    max_size=8,
)


def meaning(found: list[Statement]) -> set[tuple[object, ...]]:
    """Return the statements without their lines."""
    return {one[:4] for one in found}


@given(statements)
def test_write_then_read_gives_the_same_statements(given_statements: list[Statement]) -> None:
    """Whatever is written reads back term for term, lexical forms and language tags included."""
    assert meaning(read(write(given_statements, PREFIXES)).statements) == meaning(given_statements)


@given(statements)
def test_write_twice_gives_the_same_bytes(given_statements: list[Statement]) -> None:
    """Formatting what was formatted changes nothing, and the order of the input does not matter."""
    once = write(given_statements, PREFIXES)
    assert write(read(once).statements, PREFIXES) == once
    assert write(reversed(given_statements), PREFIXES) == once


@given(statements)
def test_written_text_is_what_another_parser_reads(given_statements: list[Statement]) -> None:
    """An independent parser accepts the text and finds as many quads and the same IRIs."""
    quads = set(ox.parse(write(given_statements, PREFIXES).encode(), format=ox.RdfFormat.TRIG))
    lowered = {(*one[:3], one[3]._replace(language=one[3].language.lower())) for one in given_statements}
    assert len(quads) == len(lowered)
    assert {quad.subject.value for quad in quads} == {one.subject.value for one in given_statements}
    assert {quad.object.value for quad in quads if isinstance(quad.object, ox.Literal)} == {
        one.object.value for one in given_statements if one.object.kind == "literal"
    }


SYNTAX = [
    "ex:a ex:p 'single' , '''long 'quoted'\nlines''' , \"\"\"a \"b\" c\"\"\" .",
    "ex:a ex:p 1 , -2.5 , 3e4 , .5 , 6.E1 , true , false .",
    'ex:a ex:p "\\u00e9\\U0001F600\\t\\n\\"\\\\" ; ex:q "x"@en-GB , "x"^^xsd:string ;; .',
    "ex:a\\,b ex:p ex:%20 , ex:a.b , ex:a:b , ex:1 , ex: .",
    "ex:g { ex:a ex:p ex:b . ex:c ex:p ex:d } GRAPH ex:h { } { ex:e ex:p ex:f . }",
    "PREFIX k: <urn:k:>\nk:a a k:B .",
    "<http://example.org/\\u00e9> ex:p <http://example.org/x> .",
    "@base <http://b/c/d> . <e> <../f> <#g> , <> , <?q> , <//h/i> , </j/./k> , <k/../../../m/.> , <s:t> .",
    "BASE <http://b> <e> <f/> <./> . BASE <c/> PREFIX r: <n#> r:e <f> <../g> . @base </z> . <y> <x> <..> .",
]


@pytest.mark.parametrize("body", SYNTAX)
def test_read_agrees_with_another_parser(body: str) -> None:
    """Each piece of the grammar means the same here and in pyoxigraph."""
    theirs = set(ox.parse((LINES + body).encode(), format=ox.RdfFormat.TRIG))
    ours = read(LINES + body).statements
    assert {one.subject.value for one in ours} == {one.subject.value for one in theirs}
    assert len(meaning(ours)) == len(theirs)
    text = write(ours, PREFIXES)
    assert set(ox.parse(text.encode(), format=ox.RdfFormat.TRIG)) == theirs


def test_read_counts_nested_nodes_when_brackets_are_used() -> None:
    """Blank nodes and lists become statements too, so that they can be found and named."""
    found = read(LINES + "ex:a ex:p [ ex:q 1 ; ex:r ( 1 2 ) ] .\n[] ex:p ex:b .\n[ ex:p ex:c ] .").statements
    assert len(found) == 1 + 2 + 4 + 1 + 1


def test_read_keeps_lines_blocks_and_comments() -> None:
    """Lines are those of the file: predicate, subject, graph block, comment."""
    found = read(
        "@prefix ex: <http://example.org/> .\n# note\n\n"
        'ex:g {\n  ex:a\n    ex:p """x\n\ny""" ;\n    ex:q 1 .\n}\n'
    )
    assert found.comments == [2]
    assert found.blocks == [("http://example.org/g", 4)]
    assert [(one.subject_line, one.line) for one in found.statements] == [(5, 6), (5, 9)]


def test_read_tells_where_each_part_stands() -> None:
    """The spans cut out of the text are the terms as written; a bracket stands for what it opens."""
    text = (
        "@prefix e: <http://e/> .\ne:g {\n"
        '  e:a a e:C ;\n    e:p "\u00fcber"@en , [ e:q ( 1 ) ] , """two\nlines"""^^e:t .\n}\n'
    )
    lines = text.split("\n")

    def cut(span: Span | None) -> str:
        assert span is not None
        if span.line == span.end_line:
            return lines[span.line - 1][span.column - 1 : span.end_column - 1]
        return (
            lines[span.line - 1][span.column - 1 :] + "\n" + lines[span.end_line - 1][: span.end_column - 1]
        )

    found = [tuple(map(cut, one.places)) for one in read(text).statements if one.places]
    assert ("e:g", "e:a", "a", "e:C") in found
    assert ("e:g", "e:a", "e:p", '"\u00fcber"@en') in found
    assert ("e:g", "e:a", "e:p", "[") in found
    assert ("e:g", "[", "e:q", "(") in found
    assert ("e:g", "e:a", "e:p", '"""two\nlines"""^^e:t') in found
    assert len(found) == 7


@pytest.mark.parametrize(
    ("bad", "line", "column", "words"),
    [
        ("@base ex: .", 1, 7, "the <IRI> of the base"),
        ("<urn:a> <urn:b>\n  yes .", 2, 3, "found 'yes'"),
        ("<urn:a> <urn:b> <urn:c>", 1, 24, "expected '.'"),
        ("<< <urn:a> <urn:b> <urn:c> >> <urn:b> 1 .", 1, 1, "not Turtle 1.1"),
        ('<urn:a> <urn:b> "x"@en--ltr .', 1, 20, "not Turtle 1.1"),
        ("ex:a <urn:b> 1 .", 1, 1, "a declared prefix"),
        ("<urn:a> <urn:b> " + "[<urn:b> " * 300, 1, 917, "at most 100"),
    ],
)
def test_read_refuses_with_the_place(bad: str, line: int, column: int, words: str) -> None:
    """What is not understood is refused with line and column, never skipped."""
    with pytest.raises(DataError) as caught:
        read(bad)
    problem = caught.value.problems[0]
    assert (problem.line, problem.column) == (line, column)
    assert words in problem.message


def test_write_refuses_blank_nodes_with_their_lines() -> None:
    """A blank node has no place in canonical order, so nothing is written."""
    with pytest.raises(DataError) as caught:
        write(read(LINES + "ex:a ex:p [] .").statements, PREFIXES)
    assert caught.value.problems[0].line == 5


def test_write_puts_type_and_label_first_and_uses_the_longest_prefix() -> None:
    """The order is a, rdfs:label, then IRIs; only used prefixes are declared."""
    source = (
        LINES + "ex:g { ex:b ex:p <http://example.org/deep/x> ; rdfs:label 'b' ; a ex:C . ex:a ex:p 1.50 }"
    )
    assert write(read(source).statements, PREFIXES) == (
        "@prefix deep: <http://example.org/deep/> .\n"
        "@prefix ex: <http://example.org/> .\n"
        "@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .\n"
        "@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .\n"
        "\n"
        "ex:g {\n"
        '  ex:a ex:p "1.50"^^xsd:decimal .\n'
        "\n"
        "  ex:b a ex:C ;\n"
        '    rdfs:label "b" ;\n'
        "    ex:p deep:x .\n"
        "}\n"
    )
