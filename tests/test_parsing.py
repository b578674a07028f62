"""Every format is read as the standard parser reads it, with places; what is wrong is told whole."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pyoxigraph as ox
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kg import names
from kg.errors import Edit, Problem
from kg.names import Prefixes, load_prefixes
from kg.parsing import MAX_BYTES, MAX_STATEMENTS, Reading, read
from kg.parsing.agreement import from_quad, is_same
from kg.parsing.formats import SUFFIXES
from kg.parsing.jsonld import CONTEXT
from kg.turtle import Span, Term

PREFIXES = Prefixes({"lat": names.LAT, "id": names.ID, "rdfs": names.RDFS})
CASES = Path(__file__).parent / "cases" / "parsing"
RDF = f'<rdf:RDF xmlns:rdf="{names.RDF}" xmlns:e="http://e/">'
FORMATS = {
    ".ttl": ox.RdfFormat.TURTLE,
    ".trig": ox.RdfFormat.TRIG,
    ".nt": ox.RdfFormat.N_TRIPLES,
    ".nq": ox.RdfFormat.N_QUADS,
    ".jsonld": ox.RdfFormat.JSON_LD,
    ".rdf": ox.RdfFormat.RDF_XML,
}


def sent(text: str | bytes, name: str, media_type: str | None = None) -> Reading:
    """Read a text under a name."""
    content = text.encode() if isinstance(text, str) else text
    return read(content, path=Path(name), media_type=media_type, prefixes=PREFIXES)


def cut(text: str, span: Span | None) -> str:
    """Return what stands in a span."""
    assert span is not None
    lines = text.split("\n")
    if span.line == span.end_line:
        return lines[span.line - 1][span.column - 1 : span.end_column - 1]
    first, last = lines[span.line - 1][span.column - 1 :], lines[span.end_line - 1][: span.end_column - 1]
    return "\n".join([first, *lines[span.line : span.end_line - 1], last])


def pieces(text: str, name: str) -> list[tuple[str, ...]]:
    """Return what stands at the places of each statement, the graph's last if there is one."""
    reading = sent(text, name)
    assert [one for one in reading.problems if one.level == "error"] == []
    return [
        tuple(cut(text, one) for one in (*places[1:], places[0]) if one)
        for places in (statement.places for statement in reading.statements)
        if places
    ]


def mended(text: str, problems: tuple[Problem, ...]) -> str:
    """Return a text with the edits of all problems made."""
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)

    def span(one: Edit) -> tuple[int, int, str]:
        ends = starts[one.end_line - 1] + one.end_column - 1
        return starts[one.line - 1] + one.column - 1, ends, one.text

    for start, end, new in sorted((span(edit) for one in problems for edit in one.edits), reverse=True):
        text = text[:start] + new + text[end:]
    return text


# What is well-formed


WELL_FORMED = {
    "base.ttl": "@base <http://b/c/> . <d> <../p> <#f> , <> , <?q> .",
    "lexical.ttl": '<urn:a> <urn:p> "01"^^<http://www.w3.org/2001/XMLSchema#integer> , 01 , +1 , "x"@EN .',
    "blank.ttl": "[ <urn:p> ( 1 [ <urn:q> _:x ] ) ] <urn:r> _:x .",
    "return.ttl": "# note\r<urn:a> <urn:p> 1 .",
    "graphs.trig": "<urn:g> { <urn:a> <urn:p> 1 } GRAPH _:h { [] <urn:p> 2 . } { <urn:b> <urn:p> 3 }"
    " <urn:b> <urn:p> 4 .",
    "lines.nq": '<urn:a> <urn:p> "x\\u00e9\\n"@en <urn:g> . # note\r\n\n _:b\t<urn:p> "1"^^<urn:t> _:g .',
    "lines.nt": "<urn:a><urn:p><urn:b>.\r<urn:a> <urn:p> _:a.b .\n",
    "values.jsonld": '{"@id":"urn:a","urn:p":[1,1.0,-0.0,1e30,0.1,1E-7,1234567890123456789012,true,null,"x",'
    '{"@value":"01","@type":"urn:t"},{"@value":"e","@language":"EN"},{"@value":5,"@type":"urn:t"}]}',
    "context.jsonld": '{"@context":[{"e":"http://e/","id":"@id","p":{"@id":"e:p","@type":"@id"}},{"@base":"http://b/",'
    '"@vocab":"http://v/","@language":"en","l":{"@id":"e:l","@container":"@language"},'
    '"i":{"@id":"e:i","@container":"@index"},"o":{"@id":"e:o","@container":"@list"}}],'
    '"id":"a","@type":"T","p":"b","q":"x","l":{"fr":["y"]},"i":{"k":"z"},"o":[1,"two",{"id":"c"}],"n":null,"s":{"@set":["a"]}}',
    "graph.jsonld": '[{"@id":"urn:g","urn:d":"x","@graph":[{"@id":"urn:a","urn:p":{"urn:q":{"@list":[]}}}]},'
    '{"@graph":[{"@id":"urn:b","@reverse":{"urn:p":{"@id":"urn:c"}},"@included":[{"@id":"urn:d","urn:p":1}]}]}]',
    "scoped.jsonld": '{"@context":{"p":{"@id":"urn:p","@context":{"q":"urn:q"}},'
    '"j":{"@id":"urn:j","@type":"@json"}},'
    '"@id":"urn:a","p":{"q":1},"j":{"k":[1]}}',
    "nested.jsonld": '{"@context":{"g":{"@id":"urn:g","@container":"@graph"}},"@id":"urn:a","g":{"urn:q":1}}',
    "striped.rdf": RDF
    + '<e:C rdf:about="http://a" e:p="v" xml:lang="en"><e:q>x &amp; é</e:q><e:r rdf:resource="urn:z"/>'
    '<e:s rdf:parseType="Resource"><e:t rdf:datatype="urn:t">01</e:t></e:s><rdf:li>1</rdf:li>'
    '<rdf:li xml:lang="fr">2</rdf:li>'
    '<e:l rdf:parseType="Collection"><e:D/><rdf:Description rdf:nodeID="n"/></e:l><e:n rdf:nodeID="n"/>'
    '<e:m e:z="1"/>'
    '<e:o><e:D xml:base="http://b/c" rdf:ID="i"><e:u rdf:ID="j"/></e:D></e:o></e:C></rdf:RDF>',
    "literal.rdf": RDF
    + '<e:C rdf:about="urn:a"><e:q rdf:parseType="Literal">x <b a="1">y</b></e:q></e:C></rdf:RDF>',
    "alone.rdf": f'<e:C xmlns:e="http://e/" xmlns:rdf="{names.RDF}" rdf:about="urn:a" rdf:type="urn:t"/>',
}


def assert_same(text: str | bytes, name: str, base: str | None = None) -> Reading:
    """Compare a reading with what the standard parser reads."""
    content = text.encode() if isinstance(text, str) else text
    reading = read(content, path=Path(name), prefixes=PREFIXES)
    assert [one for one in reading.problems if one.level == "error"] == []
    theirs = ox.parse(content, format=FORMATS[Path(name).suffix], base_iri=base)
    assert is_same(reading.statements, map(from_quad, theirs)), name
    assert all(one.places is not None for one in reading.statements)
    return reading


@pytest.mark.parametrize("name", WELL_FORMED)
def test_read_says_what_the_standard_parser_says(name: str) -> None:
    """Statements are those of pyoxigraph, up to the names of blank nodes."""
    assert assert_same(WELL_FORMED[name], name).statements


iris = st.sampled_from(["urn:a", "urn:b#c", "http://e/d?x=1", "http://e/é"])
texts = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), max_size=8)  # what XML can hold
terms = st.one_of(
    st.builds(ox.NamedNode, iris),
    st.builds(ox.BlankNode, st.sampled_from(["x", "y1"])),
    st.builds(ox.Literal, texts),
    st.builds(lambda text: ox.Literal(text, language="en-gb"), texts),
    st.builds(lambda text: ox.Literal(text, datatype=ox.NamedNode("urn:t")), texts),
)
quads = st.lists(
    st.builds(
        ox.Quad,
        st.builds(ox.NamedNode, iris) | st.builds(ox.BlankNode, st.just("x")),
        st.builds(ox.NamedNode, st.sampled_from(["http://e/p", "urn:v/q"])),
        terms,
    ),
    min_size=1,
    max_size=6,
)


@given(quads, st.sampled_from(sorted(FORMATS)))
@settings(max_examples=150, deadline=None)
def test_whatever_a_writer_writes_is_read(given_quads: list[ox.Quad], suffix: str) -> None:
    """What pyoxigraph writes in a format comes back from it."""
    triples = [ox.Triple(one.subject, one.predicate, one.object) for one in given_quads]
    try:
        content = ox.serialize(triples, format=FORMATS[suffix])
        assert content is not None
        list(ox.parse(content, format=FORMATS[suffix]))
    except (ValueError, SyntaxError):
        return  # XML cannot name every property
    assert_same(content, f"a{suffix}")


@given(
    st.lists(st.sampled_from(["..", ".", "a", "b.c", ""]), max_size=5),
    st.sampled_from(["", "?q", "#f", "?q#f"]),
)
@settings(max_examples=200, deadline=None)
def test_references_are_resolved_as_the_standard_parser_does(parts: list[str], rest: str) -> None:
    """A relative IRI beside a base means what it means to pyoxigraph."""
    reference = "/".join(parts)
    if reference.startswith("//"):
        reference = "." + reference
    for base in ("http://h/a/b/c?d#e", "http://h", "http://h/x/"):
        assert_same(f"@base <{base}> . <{reference}{rest}> <urn:p> <x> .", "a.ttl")


def test_places_are_what_stands_in_the_text() -> None:
    """The spans of each format cut out the parts as written."""
    assert pieces('<urn:a> <urn:p> "é"@fr <urn:g> .', "a.nq") == [("<urn:a>", "<urn:p>", '"é"@fr', "<urn:g>")]
    text = '{"@context": {"é": "urn:p"},\n "@graph": [{"@id": "urn:a",\n "é": ["x", {"urn:q": 1}]}]}'
    assert pieces(text, "a.jsonld") == [
        ('"urn:a"', '"é"', '"x"'),
        ("{", '"urn:q"', "1"),
        ('"urn:a"', '"é"', "{"),
    ]
    text = '{"@id": "urn:g", "@graph": {"@id": "urn:a", "@type": "urn:t"}}'
    assert pieces(text, "a.jsonld") == [('"urn:a"', '"@type"', '"urn:t"', '"urn:g"')]
    text = f'{RDF}<!-- é -->\n<e:C rdf:about="urn:é" e:p="v">\n'
    text += '<e:q>two\nlines</e:q><e:r rdf:resource="urn:z"/></e:C></rdf:RDF>'
    assert pieces(text, "a.rdf") == [
        ("urn:é", "e:C", "e:C"),
        ("urn:é", "e:p", "v"),
        ("urn:é", "e:q", "two\nlines"),
        ("urn:é", "e:r", "urn:z"),
    ]


def test_parts_of_json_ld_that_are_not_followed_have_the_place_of_what_is_near() -> None:
    """Where exact places are not known, the statements are still all there, in the text."""
    reading = assert_same(WELL_FORMED["scoped.jsonld"], "a.jsonld")
    assert len(reading.statements) == 3
    assert all(one.places and one.places.subject.line == 1 for one in reading.statements)


def test_lexical_forms_are_kept() -> None:
    """Numbers with leading zeros and languages stay as written."""
    found = {one.object for one in sent(WELL_FORMED["lexical.ttl"], "a.ttl").statements}
    integer = names.XSD + "integer"
    assert found == {
        Term("literal", "01", integer),
        Term("literal", "+1", integer),
        Term("literal", "x", language="EN"),
    }


@pytest.mark.parametrize(
    ("name", "media_type", "text", "suffix"),
    [
        ("a.bin", "text/turtle; charset=utf-8", "<urn:a> <urn:p> 1 .", ".ttl"),
        ("a.ttl", "application/n-quads", "<urn:a> <urn:p> <urn:b> <urn:g> .", ".nq"),
        ("a.owl", None, f"{RDF}<e:C/></rdf:RDF>", ".owl"),
        ("a.json", "application/octet-stream", '{"urn:p": 1}', ".json"),
        ("a", None, '{"urn:p": 1}', ".jsonld"),
        ("a", None, f"<?xml version='1.0'?>{RDF}<e:C/></rdf:RDF>", ".rdf"),
        ("a", None, "<urn:a> <urn:p> <urn:b> .\n", ".nq"),
        ("a.txt", "text/plain", "@prefix e: <http://e/> .\ne:a e:p 1 .", ".trig"),
    ],
)
def test_format_is_told_by_type_suffix_or_content(
    name: str, media_type: str | None, text: str, suffix: str
) -> None:
    """The media type goes first, then the suffix, then how the text begins; the path says what it was."""
    reading = sent(text, name, media_type)
    assert len(reading.statements) == 1
    assert reading.path.suffix == suffix


@pytest.mark.parametrize(("name", "media_type"), [("a.csv", None), ("a.ttl", "image/png"), ("a", None)])
def test_unknown_formats_are_refused_with_those_that_are_taken(name: str, media_type: str | None) -> None:
    """The problem lists what is taken."""
    (problem,) = sent("x", name, media_type).problems
    assert problem.code == "unknown-format"
    assert all(one in str(problem) for one in ("TriG", ".jsonld", "application/rdf+xml"))


def test_our_own_context_is_known_without_fetching() -> None:
    """JSON-LD that names our context is read with the project's prefixes."""
    reading = sent(f'{{"@context": "{CONTEXT}", "@id": "id:malta", "@type": "lat:State"}}', "a.jsonld")
    assert [one.object.value for one in reading.statements] == [names.LAT + "State"]
    assert reading.prefixes["lat"] == names.LAT


BLOCK = re.compile(r"^```(trig|turtle|nquads|ntriples|jsonld|rdfxml)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def test_examples_of_the_documentation_say_the_same() -> None:
    """docs/contributing-data.md holds one statement in every format, in a claim's graph where it can."""
    root = Path(__file__).parents[1]
    blocks = BLOCK.findall((root / "docs" / "contributing-data.md").read_text(encoding="utf-8"))
    suffixes = {one: suffix for suffix, one in reversed(SUFFIXES.items())}
    prefixes = load_prefixes(root / "ontology" / "prefixes.ttl")
    triples, graphs = set(), {}
    for kind, text in blocks:
        reading = read(text.encode(), path=Path("a" + suffixes[kind]), prefixes=prefixes)
        assert reading.problems == ()
        (one,) = reading.statements
        triples.add(one[1:4])
        graphs[kind] = one.graph.value if one.graph else None
    assert len(triples) == 1
    claim = names.CLAIM + "draft/1"
    assert graphs == {kind: claim if kind in ("trig", "nquads", "jsonld") else None for kind in suffixes}


# What is not


def expected(path: Path) -> list[list[object]]:
    """Return what a case expects: line, column, code, whether there are edits."""
    found: list[list[object]] = json.loads(path.with_suffix(path.suffix + ".expected").read_text("utf-8"))
    return found


FAULTY = sorted(path for path in CASES.glob("*") if path.suffix in FORMATS)


@pytest.mark.parametrize("path", FAULTY, ids=lambda path: path.name)
def test_every_fault_of_a_text_is_told_at_once(path: Path) -> None:
    """Each case has its problems, in order, at their places; with all edits made they are gone."""
    content = path.read_bytes()
    reading = read(content, path=path, prefixes=PREFIXES)
    told = [[one.line, one.column, one.code, bool(one.edits)] for one in reading.problems]
    assert told == expected(path)
    assert reading.statements == ()
    text = mended(reading.text, reading.problems)
    left = read(text.encode(), path=path, prefixes=PREFIXES)
    assert [one.code for one in left.problems] == [one.code for one in reading.problems if not one.edits]


def test_faulty_texts_were_collected() -> None:
    """Each format has a case."""
    assert {path.suffix for path in FAULTY} == set(FORMATS)


def test_a_byte_order_mark_is_passed_over_with_a_note() -> None:
    """Places are counted behind it, and it refuses nothing."""
    reading = sent("\ufeff<urn:a> <urn:p> 1 .\r\n", "a.ttl")
    assert [(one.code, one.level) for one in reading.problems] == [("byte-order-mark", "note")]
    assert reading.statements[0].places and reading.statements[0].places.subject.column == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("<urn:a> <urn:b>\n 'é' .".encode("latin-1"), "byte 18 (0xE9, line 2)"),
        ("<urn:a> <urn:b>\n '“' .".encode("cp1252"), "Windows-1252, where it is '“'"),
        ("<urn:a> <urn:b> 1 .".encode("utf-16"), "UTF-16"),
        (b"<urn:a> <urn:b> '\xed\xa0\x80' .", "byte 17 (0xED, line 1)"),
    ],
)
def test_other_encodings_are_refused_with_the_byte(content: bytes, words: str) -> None:
    """The problem names the byte and the likely encoding."""
    (problem,) = sent(content, "a.ttl").problems
    assert problem.code == "not-utf8"
    assert words in problem.message


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.ttl", "<urn:a> <urn:p> <<( <urn:a> <urn:p> 1 )>> ."),
        ("a.nt", "<urn:a> <urn:p> <<( <urn:a> <urn:p> <urn:b> )>> ."),
        ("a.nq", '<urn:a> <urn:p> "x"@en--ltr .'),
        ("a.trig", "<urn:a> <urn:p> 1 {| <urn:q> 2 |} ."),
    ],
)
def test_rdf_1_2_is_refused(name: str, text: str) -> None:
    """What only RDF 1.2 has is refused at its place."""
    assert {one.code for one in sent(text, name).problems} == {"not-rdf-1.1"}


def test_json_ld_tells_what_it_would_drop() -> None:
    """A key that no context defines is told, as nothing of it is read."""
    (problem,) = sent('{"@id": "urn:a", "urn:p": 1,\n "name": "x"}', "a.jsonld").problems
    assert (problem.code, problem.level, problem.line) == ("ignored-name", "warning", 2)


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda one: one.encode("utf-8", "surrogatepass")))
@settings(max_examples=300, deadline=None)
def test_nothing_sent_makes_read_raise(content: bytes) -> None:
    """Any bytes give a reading, in every format."""
    for suffix in FORMATS:
        reading = read(content, path=Path(f"a{suffix}"), prefixes=PREFIXES)
        assert reading.statements or reading.problems


@given(
    st.sampled_from(sorted(WELL_FORMED)),
    st.integers(0, 400),
    st.sampled_from(["", '"', "<", "}", "&", ",", "“", "\\"]),
)
@settings(max_examples=300, deadline=None)
def test_a_slip_never_gives_other_statements(name: str, at: int, slip: str) -> None:
    """With one character replaced, a text is refused, or says what the standard parser says of it."""
    text = WELL_FORMED[name]
    at %= len(text)
    text = text[:at] + slip + text[at + 1 :]
    reading = sent(text, name)
    if any(one.level == "error" for one in reading.problems):
        return
    theirs = ox.parse(text.encode(), format=FORMATS[Path(name).suffix])
    assert is_same(reading.statements, map(from_quad, theirs))


BOMBS = """
import sys
from pathlib import Path
from kg.names import Prefixes, load_prefixes
from kg.parsing import read
n = 20000
rdf = '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://e/">'
laughs = "".join(f'<!ENTITY l{i + 1} "' + f"&l{i};" * 10 + '">' for i in range(9))
bombs = [
    ("a.ttl", "<urn:a> <urn:p> " + "[ <urn:p> " * n + "1" + " ]" * n + " ."),
    ("a.ttl", "<urn:a> <urn:p> " + "(" * n + ")" * n + " ."),
    ("a.ttl", "<urn:a> <urn:p> " + "<<( <urn:a> <urn:p> " * n),
    ("a.trig", "<urn:g> " + "{" * n),
    ("a.nq", "<urn:a> <urn:p> " + "<<( <urn:a> <urn:p> " * n),
    ("a.jsonld", '{"urn:p":' * n + "1" + "}" * n),
    ("a.jsonld", "[" * n),
    ("a.rdf", rdf + "<A><p>" * n),
    ("a.rdf", f'<!DOCTYPE r [<!ENTITY l0 "l">{laughs}]>{rdf}<A><p>&l9;</p></A></rdf:RDF>'),
    ("a.jsonld", '{"urn:p":"' + "x" * 9_500_000 + '"}'),
    ("a.nt", '<urn:a> <urn:p> "' + "x" * 9_500_000),
    ("a.ttl", '<urn:a> <urn:p> "\\n' * n),
    ("a.ttl", "<urn:a> <urn:p> . \\n" * n),
    ("a.jsonld", '{"urn:p":[' + "9" * 100000 + ',1e999999]}'),
    ("a.jsonld", '{"urn:p":"\\\\ud800"}'),
    ("a.rdf", rdf + "<A><p>\\x00</p></A></rdf:RDF>"),
    ("a.ttl", "\\x00" * n),
]
for name, text in bombs:
    reading = read(text.encode(), path=Path(name), prefixes=Prefixes({}))
    print(name, ",".join(sorted({one.code for one in reading.problems})) or len(reading.statements))
"""


def test_hostile_texts_end_in_problems() -> None:
    """Depth, length, entities and broken characters end in problems, in a process that lives."""
    done = subprocess.run(
        [sys.executable, "-c", BOMBS], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = done.stdout.splitlines()
    assert len(told) == 17
    assert sum("too-deep" in line for line in told) == 5
    assert sum("doctype" in line for line in told) == 1


def test_size_and_number_of_statements_are_bounded() -> None:
    """More than the limits is refused, and told to come in parts."""
    large = b"#" * (MAX_BYTES + 1)
    many = ("<urn:a> <urn:p> " + ",".join(map(str, range(MAX_STATEMENTS + 1))) + " .").encode()
    for content in (large, many):
        reading = sent(content, "a.ttl")
        assert ([one.code for one in reading.problems], reading.statements) == (["too-large"], ())
