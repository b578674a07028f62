"""`/queries` lists the questions and answers them, as pages and as data."""

from __future__ import annotations

import io
import json
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from xml.etree import ElementTree

import httpx
import pyoxigraph as ox
import pytest

from kg import names
from kg.api import tables
from kg.config import Settings
from kg.contents import Term
from kg.names import Prefixes
from kg.publication import publish

Serve = Callable[[Settings], AbstractContextManager[httpx.Client]]
CHAIRS = "/queries/meetings/chairs"
HTML = {"Accept": "text/html"}


def test_list_names_every_question(client: httpx.Client) -> None:
    """People get sentences, machines what they must know to ask."""
    assert "What did" in client.get("/queries", headers=HTML).text
    listed = client.get("/queries").json()
    assert [one["template"] for one in listed] == ["meetings/chairs"]
    assert listed[0]["path"] == CHAIRS
    assert listed[0]["parameters"][0]["name"] == "actor"


@pytest.mark.parametrize(
    "typed",
    [
        "anna-teller",
        "id:anna-teller",
        "https://w3id.org/lateral/id/anna-teller",
        "Anna Teller",
        "anna teller",
    ],
)
def test_names_are_understood_however_they_are_written(client: httpx.Client, typed: str) -> None:
    """Slug, prefixed name, IRI and label mean the same."""
    answer = client.get(CHAIRS, params={"actor": typed})
    assert answer.headers["content-type"] == "application/sparql-results+json"
    rows = answer.json()["results"]["bindings"]
    assert [row["meetingLabel"]["value"] for row in rows] == ["Gull Rock meeting"]


@pytest.mark.parametrize(
    ("wanted", "media_type"),
    [
        ("json", "application/sparql-results+json"),
        ("csv", "text/csv; charset=utf-8"),
        ("tsv", "text/tab-separated-values; charset=utf-8"),
        ("xml", "application/sparql-results+xml"),
        ("html", "text/html; charset=utf-8"),
        ("ttl", "text/turtle; charset=utf-8"),
        ("jsonld", "application/ld+json"),
        ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ],
)
def test_formats_come_by_name_and_by_accept(client: httpx.Client, wanted: str, media_type: str) -> None:
    """`format=` and Accept give the same bytes."""
    by_name = client.get(CHAIRS, params={"format": wanted})
    by_accept = client.get(CHAIRS, headers={"Accept": media_type.split(";")[0]})
    assert by_name.headers["content-type"] == by_accept.headers["content-type"] == media_type
    if wanted != "html":
        assert by_name.content == by_accept.content


def test_page_shows_labels_linked_and_hides_label_columns(client: httpx.Client) -> None:
    """A cell is the label, leading to the page of the thing."""
    page = client.get(CHAIRS, headers=HTML).text
    assert '<a href="/page/gull-rock-meeting"' in page
    assert ">Gull Rock meeting</a>" in page
    assert "meeting label" not in page


@pytest.mark.parametrize(
    ("params", "parameter", "near"),
    [
        ({"actor": "ana teler"}, "actor", "id:anna-teller (Anna Teller)"),
        ({"actr": "anna-teller"}, "actr", "actor"),
        ({"actor": "gull-rock-meeting"}, "actor", None),
        ({"actor": '"> } \\ # \n \x00'}, "actor", None),
        ({"actor": ["a", "b"]}, "actor", None),
    ],
)
def test_wrong_values_are_422_with_what_is_near(
    client: httpx.Client, params: dict[str, str | list[str]], parameter: str, near: str | None
) -> None:
    """The problem names the parameter; the page keeps the form and says it there."""
    answer = client.get(CHAIRS, params=params)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    document = answer.json()
    assert document["parameter"] == parameter
    assert near is None or near in document["near"]
    page = client.get(CHAIRS, params=params, headers=HTML)
    assert page.status_code == 422
    assert "<h1" in page.text


def test_unknown_question_is_404_with_what_is_near(client: httpx.Client) -> None:
    """The nearest questions are told."""
    answer = client.get("/queries/meetings/chairing")
    assert answer.status_code == 404
    assert client.get("/queries/meetings/who-chaired-what").json()["near"] == ["meetings/chairs"]


def test_unknown_format_is_406(client: httpx.Client) -> None:
    """The formats are told."""
    answer = client.get(CHAIRS, params={"format": "pdf"})
    assert answer.status_code == 406
    assert "csv" in answer.json()["available"]


COLUMN = names.BASE + "queries/meetings/chairs#"


@pytest.mark.parametrize(("wanted", "form"), [("ttl", ox.RdfFormat.TURTLE), ("jsonld", ox.RdfFormat.JSON_LD)])
def test_rows_as_rdf_are_those_of_the_answer(client: httpx.Client, wanted: str, form: ox.RdfFormat) -> None:
    """A row is a resource with an address and a number, a column a property, a cell its term."""
    bindings = client.get(CHAIRS).json()["results"]["bindings"]
    answer = client.get(CHAIRS, params={"format": wanted})
    said = {quad.triple for quad in ox.parse(answer.content, format=form)}
    for number, row in enumerate(bindings, start=1):
        node = ox.NamedNode(f"{names.BASE}queries/meetings/chairs#row={number}")
        cells = {one.predicate.value: one.object for one in said if one.subject == node}
        meeting, label = cells[COLUMN + "meeting"], cells[COLUMN + "meetingLabel"]
        assert isinstance(meeting, ox.NamedNode) and isinstance(label, ox.Literal)
        assert (meeting.value, label.value) == (row["meeting"]["value"], row["meetingLabel"]["value"])
    assert len({one.subject for one in said}) == len(bindings) > 0


def cells_of(workbook: bytes, sheet: int = 1) -> list[list[str]]:
    """Read the cells of a sheet as texts."""
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    with zipfile.ZipFile(io.BytesIO(workbook)) as held:
        shared = ElementTree.fromstring(held.read("xl/sharedStrings.xml"))
        texts = ["".join(part.text or "" for part in one.iter(f"{space}t")) for one in shared]
        grid = ElementTree.fromstring(held.read(f"xl/worksheets/sheet{sheet}.xml"))
    assert not list(grid.iter(f"{space}f")), "a cell is a formula"
    rows = []
    for row in grid.iter(f"{space}row"):
        values = [(cell.get("t"), cell.findtext(f"{space}v") or "") for cell in row]
        rows.append([texts[int(value)] if kind == "s" else value for kind, value in values])
    return rows


def test_workbook_holds_the_rows_and_says_what_they_are(client: httpx.Client) -> None:
    """The same bytes each time, under a name of its own."""
    answer = client.get(CHAIRS, params={"format": "xlsx"})
    lines = client.get(CHAIRS, params={"format": "csv"}).text.splitlines()
    assert [",".join(row) for row in cells_of(answer.content)] == lines
    about = dict(row for row in cells_of(answer.content, 2))
    assert about["version"] == answer.headers["kg-version"]
    assert about["address"] == names.BASE + "queries/meetings/chairs"
    assert answer.headers["content-disposition"] == 'attachment; filename="meetings-chairs.xlsx"'
    again = client.get(CHAIRS, params={"format": "xlsx"}, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_odd_cells_stay_what_they_are() -> None:
    """No text is a formula or an address, no number loses digits, nothing is cut but what no cell holds."""
    number = names.XSD + "integer"
    terms = [
        Term("literal", "=1+1"),
        Term("literal", "a\x01\n\u00e9\U0001f600"),
        Term("literal", "x" * 40_000),
        Term("literal", "12345678901234567890", number),
        Term("literal", "12", number),
        Term("literal", "NaN", names.XSD + "double"),
        Term("bnode", "b1"),
        Term("literal", "deux", None, "fr"),
    ]
    rows = [{"value": term} for term in terms]
    table = tables.Table("a/b", names.BASE + "queries/a/b", ["value", "none"], rows, 1, [])
    found = [row[0] for row in cells_of(tables.write(table, "xlsx", Prefixes({})))[1:]]
    assert found[0] == "=1+1"
    assert len(found[2]) == 32_767
    assert found[3:6] == ["12345678901234567890", "12", "NaN"]
    graph = tables.write(table, "ttl", Prefixes({})).decode()
    objects = {quad.object for quad in ox.parse(graph, format=ox.RdfFormat.TURTLE)}
    assert ox.Literal("deux", language="fr") in objects
    assert ox.Literal("a\x01\n\u00e9\U0001f600") in objects
    assert json.loads(tables.write(table, "jsonld", Prefixes({})))


def links_of(answer: httpx.Response) -> dict[str, str]:
    """Read the Link header: relation to address."""
    return {name: href for href, name in re.findall(r'<([^>]*)>; rel="(\w+)"', answer.headers["link"])}


NAMES = "/queries/meetings/names"
NAMES_TEXT = """#+ title: What is named
#+ question: "What is named, of the kind **{kind}**?"
#+ description: One row per thing
#+ tags: [name]
#+ parameters:
#+   kind: {type: iri, required: false, description: A class}
#+   most: {type: integer, required: false, description: No more than so many}
#+   how: {type: enum, values: [plain, fancy], default: plain, required: false, description: How it is named}
#+ columns: [thing, label]
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>

SELECT ?thing ?label
WHERE {
  VALUES ?kindWanted { UNDEF }
  VALUES ?mostWanted { UNDEF }
  VALUES ?howWanted { "plain" }
  ?thing rdfs:label ?label ; a ?kind .
  FILTER(!BOUND(?kindWanted) || ?kind = ?kindWanted)
}
ORDER BY ?label
"""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory, served: Settings, serve: Serve) -> Iterator[httpx.Client]:
    """Serve the small project with a question that has many rows."""
    root = tmp_path_factory.mktemp("many") / "project"
    shutil.copytree(served.root, root, ignore=shutil.ignore_patterns("build"))
    (root / "queries/meetings/names.rq").write_text(NAMES_TEXT, encoding="utf-8")
    settings = replace(served, root=root)
    publish(settings, progress=lambda _: None)
    with serve(settings) as client:
        yield client


def test_pages_make_the_whole_and_lead_to_each_other(many: httpx.Client) -> None:
    """One follows `next` from the first page to the last, and gets each row once, in order."""
    whole = many.get(NAMES).json()["results"]["bindings"]
    assert len(whole) > 1
    answer = many.get(NAMES, params={"page_size": 1, "format": "json"})
    found = answer.json()["results"]["bindings"]
    assert "prev" not in links_of(answer)
    while "next" in links_of(answer):
        before, answer = links_of(answer), many.get(links_of(answer)["next"])
        assert links_of(answer)["last"] == before["last"]
        found += answer.json()["results"]["bindings"]
    assert found == whole
    assert many.get(links_of(answer)["first"]).json()["results"]["bindings"] == whole[:1]
    assert f"page={len(whole)}&" in links_of(answer)["last"]
    assert links_of(answer)["canonical"] == NAMES


def test_pages_keep_values_and_format(many: httpx.Client) -> None:
    """Links lead to the same question in the same format; rows keep their numbers."""
    answer = many.get(NAMES, params={"page": 2, "page_size": 1, "format": "ttl"})
    assert "format=ttl" in links_of(answer)["first"]
    assert "csvw:rownum 2 " in answer.text
    named = many.get(NAMES, params={"kind": "lat:Person", "page": 1})
    assert "kind=lat%3APerson" in links_of(named)["last"]
    page = many.get(NAMES, params={"page_size": 1}, headers=HTML).text
    assert 'rel="next"' in page
    assert "page 1 of" in page


@pytest.mark.parametrize(
    ("params", "near"),
    [
        ({"page": "0"}, []),
        ({"page": "-1"}, []),
        ({"page": "two"}, []),
        ({"page": "9" * 30}, []),
        ({"page_size": "10001"}, []),
        ({"page": "99"}, ["1"]),
    ],
)
def test_wrong_pages_are_422(client: httpx.Client, params: dict[str, str], near: list[str]) -> None:
    """The problem names the parameter, and the last page where that helps."""
    answer = client.get(CHAIRS, params=params)
    assert answer.status_code == 422
    assert answer.json()["parameter"] in params
    assert answer.json()["near"] == near
    assert client.get(CHAIRS, params=params, headers=HTML).status_code == 422


def test_openapi_has_an_operation_for_each_question(client: httpx.Client) -> None:
    """Its parameters with their types, labels beside few values, and what each takes."""
    document = client.get("/openapi.json").json()
    keys = [one["path"] for one in client.get("/queries").json()]
    assert {path for path in document["paths"] if path.startswith("/queries/")} == set(keys)
    operation = document["paths"][CHAIRS]["get"]
    assert operation["summary"] == "Who chaired what"
    parameters = {one["name"]: one for one in operation["parameters"]}
    assert list(parameters) == ["actor", "format", "page", "page_size"]
    listed = parameters["actor"]["schema"]["anyOf"][0]["oneOf"]
    assert {"const": "id:anna-teller", "title": "Anna Teller"} in listed
    for name in parameters["format"]["schema"]["enum"]:
        answer = client.get(CHAIRS, params={"format": name})
        assert answer.headers["content-type"].split(";")[0] in operation["responses"]["200"]["content"]
    operations = [one for path in document["paths"].values() for one in path.values()]
    names_of = [one["operationId"] for one in operations]
    assert len(names_of) == len(set(names_of))
    text = json.dumps(document)
    references = re.findall(r'"#/components/schemas/(\w+)"', text)
    assert set(references) <= set(document["components"]["schemas"])


def test_openapi_tells_types_and_defaults(many: httpx.Client) -> None:
    """What is a number is one, what is a choice is listed."""
    operation = many.get("/openapi.json").json()["paths"][NAMES]["get"]
    schemas = {one["name"]: one["schema"] for one in operation["parameters"]}
    assert schemas["most"]["type"] == "integer"
    assert [one["const"] for one in schemas["how"]["oneOf"]] == ["plain", "fancy"]
    assert schemas["how"]["default"] == "plain"
    assert schemas["page_size"]["maximum"] == 10_000
