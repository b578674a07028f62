"""`/queries` lists the questions and answers them, as pages and as data."""

from __future__ import annotations

import httpx
import pytest

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
