"""Templates are read strictly and bound to terms, never to text."""

from __future__ import annotations

from pathlib import Path

import pyoxigraph as ox
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kg.errors import DataError, ParameterError
from kg.names import Prefixes
from kg.templates import Parameter, load_templates, projection, read_template, resolver

CASES = Path(__file__).parent / "cases" / "templates"
PREFIXES = Prefixes(
    {
        "id": "https://w3id.org/lateral/id/",
        "lat": "https://w3id.org/lateral/ontology#",
        "role": "https://w3id.org/lateral/concept/role/",
    }
)
KEEPERS = ["https://w3id.org/lateral/id/gull-rock", "https://w3id.org/lateral/id/marrow"]
REFUSED = sorted((CASES / "refused").glob("*.rq"))
TEMPLATE = read_template(CASES / "accepted" / "every-type.rq", "lights/every-type", PREFIXES)


def test_accepted_cases_are_read() -> None:
    """A template with every type of parameter is read whole."""
    assert list(TEMPLATE.parameters) == ["keeper", "since", "on", "named", "most", "colour"]
    assert TEMPLATE.columns == ("keeper", "light", "lights")
    assert TEMPLATE.parameters["keeper"].example == "id:gull-rock"
    assert TEMPLATE.sentence({"keeper": "Marrow"}) == "Which lights did Marrow keep since since?"
    assert TEMPLATE.topic == "lights"


def test_refused_cases_were_found() -> None:
    """None of the cases is passed over."""
    assert len(REFUSED) == 14


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_wrong_headers_are_refused_when_read(path: Path) -> None:
    """Each says what is wrong: its last comment line holds a part of the message."""
    expected = path.read_text(encoding="utf-8").strip().splitlines()[-1].removeprefix("# ")
    with pytest.raises(DataError) as caught:
        read_template(path, f"lights/{path.stem}", PREFIXES)
    assert expected in str(caught.value)
    assert all(problem.path == path for problem in caught.value.problems)


def test_load_finds_public_templates_only(tmp_path: Path) -> None:
    """Checks and rules are no questions; all problems come at once."""
    text = (CASES / "accepted" / "every-type.rq").read_text(encoding="utf-8")
    for place in ("lights/one.rq", "lights/two.rq", "checks/no.rq", "rules/no.rq"):
        path = tmp_path / "queries" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert list(load_templates(tmp_path, PREFIXES)) == ["lights/one", "lights/two"]
    for name in ("one", "two"):
        (tmp_path / "queries" / "lights" / f"{name}.rq").write_text("SELECT ?s WHERE {}", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        load_templates(tmp_path, PREFIXES)
    assert {problem.path.name for problem in caught.value.problems if problem.path} == {"one.rq", "two.rq"}


@pytest.mark.parametrize(
    ("name", "value", "term"),
    [
        ("keeper", "id:marrow", "<https://w3id.org/lateral/id/marrow>"),
        ("keeper", "marrow", "<https://w3id.org/lateral/id/marrow>"),
        ("keeper", "https://w3id.org/lateral/id/marrow", "<https://w3id.org/lateral/id/marrow>"),
        ("keeper", "<https://w3id.org/lateral/id/marrow>", "<https://w3id.org/lateral/id/marrow>"),
        ("since", "2031", '"2031"^^<http://www.w3.org/2001/XMLSchema#gYear>'),
        ("on", "2031-02-28", '"2031-02-28"^^<http://www.w3.org/2001/XMLSchema#date>'),
        ("most", "+012", '"+012"^^<http://www.w3.org/2001/XMLSchema#integer>'),
        ("named", 'say "so" }', '"say \\"so\\" }"'),
        ("colour", "green", '"green"'),
        ("colour", "role:chair", "<https://w3id.org/lateral/concept/role/chair>"),
    ],
)
def test_bind_writes_the_term_of_the_type(name: str, value: str, term: str) -> None:
    """The line of the parameter holds the term, and no other line has changed."""
    bound = TEMPLATE.bind({"keeper": "marrow", name: value})
    line = TEMPLATE.parameters[name].line
    assert bound.split("\n")[line] == f"  VALUES ?{name}Wanted {{ {term} }}"
    others = {one.line for one in TEMPLATE.parameters.values()}
    for place, (before, after) in enumerate(zip(TEMPLATE.text.split("\n"), bound.split("\n"), strict=True)):
        assert place in others or before == after


def test_bind_leaves_open_what_is_not_given() -> None:
    """Optional parameters become UNDEF, also where the file holds an example."""
    bound = TEMPLATE.bind({"keeper": "marrow", "since": " "})
    assert "VALUES ?sinceWanted { UNDEF }" in bound
    assert "VALUES ?onWanted { UNDEF }" in bound


@pytest.mark.parametrize(
    ("values", "parameter", "near"),
    [
        ({}, "keeper", ["id:gull-rock"]),
        ({"keper": "marrow", "keeper": "marrow"}, "keper", ["keeper"]),
        ({"keeper": "marrow", "since": "31"}, "since", []),
        ({"keeper": "marrow", "since": "2031-01"}, "since", []),
        ({"keeper": "marrow", "on": "2031-02-30"}, "on", []),
        ({"keeper": "marrow", "on": "20310228"}, "on", []),
        ({"keeper": "marrow", "most": "1.5"}, "most", []),
        ({"keeper": "marrow", "most": "٣"}, "most", []),
        ({"keeper": "marrow", "colour": "gren"}, "colour", ["green"]),
        ({"keeper": "marrow", "named": "a\nb"}, "named", []),
        ({"keeper": "marrow", "named": "a\x00b"}, "named", []),
        ({"keeper": "marrow", "named": "x" * 1001}, "named", []),
        ({"keeper": "no one of that name"}, "keeper", []),
    ],
)
def test_bind_refuses_wrong_values(values: dict[str, str], parameter: str, near: list[str]) -> None:
    """The error names the parameter, what was expected and what is near."""
    with pytest.raises(ParameterError) as caught:
        TEMPLATE.bind(values)
    assert caught.value.fields["parameter"] == parameter
    assert caught.value.fields["near"][: len(near)] == near


def test_bind_tells_every_wrong_value_at_once() -> None:
    """Bad input is refused whole, with every reason."""
    with pytest.raises(ParameterError) as caught:
        TEMPLATE.bind({"keeper": "marrow", "since": "x", "on": "y", "what": "z"})
    assert [one["parameter"] for one in caught.value.fields["errors"]] == ["what", "since", "on"]


@pytest.mark.parametrize(
    "evil", ['"', ">", "}", "\\", "\n", "#", "\x00", "'", '"""', "\\u003e", "\ud800", "\x85"]
)
@pytest.mark.parametrize(
    "shape", ["x{}y", "{}", "https://w3id.org/lateral/id/{}", "<https://a/{}>", "id:{}", "1{}", "2031{}"]
)
@pytest.mark.parametrize("name", ["keeper", "since", "on", "named", "most", "colour"])
def test_injection_never_changes_the_query(name: str, shape: str, evil: str) -> None:
    """Whatever is typed ends as one term of the right type, or is refused."""
    value = shape.format(evil)
    try:
        bound = TEMPLATE.bind({"keeper": "marrow", name: value})
    except ParameterError:
        return
    if value.strip():
        assert_one_term(bound, name, value)


@settings(max_examples=200)
@given(st.text(max_size=30))
def test_binding_is_safe_when_text_is_arbitrary(value: str) -> None:
    """A string comes back from the engine as it was typed, or was refused."""
    try:
        bound = TEMPLATE.bind({"keeper": "marrow", "named": value})
    except ParameterError:
        return
    if value.strip():
        assert_one_term(bound, "named", value)


def assert_one_term(bound: str, name: str, value: str) -> None:
    """Check that the query still parses, and that its VALUES line holds one term."""
    line = bound.split("\n")[TEMPLATE.parameters[name].line]
    rows = list(ox.Store().query(f"SELECT * WHERE {{ {line} }}"))  # type: ignore[arg-type]
    assert len(rows) == 1
    term = rows[0][f"{name}Wanted"]
    if name == "named":
        assert isinstance(term, ox.Literal)
        assert term.value == value.strip()
    ox.Store().query(bound)
    assert len(bound.split("\n")) == len(TEMPLATE.text.split("\n"))


def test_resolver_understands_labels_when_it_knows_members() -> None:
    """A label that is one member's is taken; otherwise what is near is told."""

    def find(text: str, among: object) -> list[tuple[str, str, float]]:
        return [(KEEPERS[0], "Gull Rock", 100.0 if text == "gull rock" else 80.0)]

    resolve = resolver(PREFIXES, members=lambda _: KEEPERS, find=find)
    keeper: Parameter = TEMPLATE.parameters["keeper"]
    assert resolve("gull rock", keeper) == KEEPERS[0]
    assert resolve("gull-rock", keeper) == KEEPERS[0]
    for wrong in ("gul rok", "id:nowhere", "https://example.org/x"):
        with pytest.raises(ParameterError) as caught:
            resolve(wrong, keeper)
        assert caught.value.fields["near"] == ["id:gull-rock (Gull Rock)"]


@pytest.mark.parametrize(
    ("query", "columns"),
    [
        ("SELECT ?a ?b WHERE {}", ["a", "b"]),
        ("SELECT DISTINCT ?a { ?a ?b ?c }", ["a"]),
        ("SELECT (MIN(?x) AS ?a) (CONCAT(STR(?y), ' AS ?z') AS ?b) FROM <x:SELECT> WHERE {}", ["a", "b"]),
        ("# SELECT ?no\nSELECT ?a WHERE { SELECT ?q WHERE {} }", ["a"]),
        ("SELECT * WHERE {}", None),
        ("ASK {}", None),
    ],
)
def test_projection_lists_named_columns(query: str, columns: list[str] | None) -> None:
    """Columns are found past comments, strings and expressions."""
    assert projection(query) == columns
