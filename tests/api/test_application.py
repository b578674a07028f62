"""The application as a whole: health, problems, methods, and going over to a new version."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from kg.api import create_app
from kg.config import Settings
from kg.errors import MissingPartError
from kg.publication import publish

Serve = Callable[[Settings], AbstractContextManager[httpx.Client]]


def test_health_tells_how_the_service_is(client: httpx.Client) -> None:
    """Version, workers and counts, never cached."""
    answer = client.get("/health")
    told = answer.json()
    assert told["status"] == "ok"
    assert told["version"]
    assert told["templates"] == 1
    assert answer.headers["cache-control"] == "no-store"


def test_openapi_tells_the_parameters_and_types_of_the_protocols(client: httpx.Client) -> None:
    """Each type that is told of is given, and each parameter is taken."""
    paths = client.get("/openapi.json").json()["paths"]
    names = {one["name"] for one in paths["/sparql"]["get"]["parameters"]}
    assert names == {"query", "default-graph-uri", "named-graph-uri", "format"}
    for media_type in paths["/sparql"]["get"]["responses"]["200"]["content"]:
        form = "SELECT * {}" if "sparql" in media_type or "text/" in media_type else "CONSTRUCT {} {}"
        form = "CONSTRUCT {} {}" if media_type == "text/turtle" else form
        answer = client.get("/sparql", params={"query": form}, headers={"Accept": media_type})
        assert answer.headers["content-type"].split(";")[0] == media_type
    body = paths["/sparql"]["post"]["requestBody"]["content"]
    assert set(body) == {"application/x-www-form-urlencoded", "application/sparql-query"}
    told = paths["/graph-store"]["get"]
    assert [one["name"] for one in told["parameters"]] == ["default", "graph", "format"]
    for wanted in told["parameters"][2]["schema"]["enum"]:
        answer = client.get("/graph-store", params={"default": "", "format": wanted})
        assert answer.headers["content-type"].split(";")[0] in told["responses"]["200"]["content"]


def test_openapi_is_there_and_its_pages_are_not(client: httpx.Client) -> None:
    """No page that loads assets from elsewhere."""
    assert client.get("/openapi.json").json()["openapi"].startswith("3.1")
    assert client.get("/docs").status_code == 404
    assert client.get("/redoc").status_code == 404


@pytest.mark.parametrize("path", ["/", "/queries", "/search", "/health", "/ontology", "/id/x", "/page/x"])
def test_other_methods_are_405_with_allow(client: httpx.Client, path: str) -> None:
    """Allow and OPTIONS say the same."""
    answer = client.post(path)
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["allow"] == client.options(path).headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("path", ["/", "/queries", "/page/gull-rock-meeting", "/data/gull-rock-meeting.ttl"])
def test_head_and_conditional_requests_work_everywhere(client: httpx.Client, path: str) -> None:
    """HEAD has no body; a held page is not sent again."""
    got = client.get(path)
    assert client.head(path).headers["etag"] == got.headers["etag"]
    assert client.head(path).content == b""
    assert client.get(path, headers={"If-None-Match": got.headers["etag"]}).status_code == 304


def test_paths_that_lead_nowhere_are_problems(client: httpx.Client) -> None:
    """In the client's type."""
    answer = client.get("/nowhere")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["instance"] == "/nowhere"
    assert "<h1>" in client.get("/nowhere", headers={"Accept": "text/html"}).text
    assert client.options("/nowhere").status_code == 404


@pytest.mark.parametrize("path", ["/", "/id/", "/page/", "/data/", "/queries/"])
def test_problem_does_not_repeat_a_long_path(client: httpx.Client, path: str) -> None:
    """An address of any length gets a short answer."""
    answer = client.get(path + "x" * 3_000)
    assert answer.status_code == 404
    assert len(answer.content) < 1_000


def test_a_new_version_is_served_when_it_is_published(settings: Settings, serve: Serve) -> None:
    """Within a second or so, without a request failing; a broken set of files changes nothing."""
    publish(settings, progress=lambda _: None)
    file = settings.root / "data" / "entities" / "gathering.ttl"
    with serve(settings) as client:
        before = client.get("/health").json()["version"]
        file.write_text(file.read_text(encoding="utf-8").replace("Gull Rock", "Tern Rock"), encoding="utf-8")
        publish(settings, progress=lambda _: None)
        deadline = time.monotonic() + 20
        while client.get("/health").json()["version"] == before and time.monotonic() < deadline:
            time.sleep(0.1)
        assert client.get("/health").json()["version"] != before
        assert "Tern Rock meeting" in client.get("/page/gull-rock-meeting").text
        assert client.get("/search", params={"q": "tern rock"}).json()["things"]
        question = settings.root / "queries" / "meetings" / "chairs.rq"
        text = question.read_text(encoding="utf-8")
        question.with_name("chaired.rq").write_text(text, encoding="utf-8")
        while client.get("/queries/meetings/chaired").status_code != 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert client.get("/queries/meetings/chaired").status_code == 200
        question.write_text("SELECT", encoding="utf-8")
        (settings.build_path / "current").write_text("no-such-version", encoding="utf-8")
        time.sleep(1.5)
        assert "Tern Rock meeting" in client.get("/page/gull-rock-meeting").text
        assert client.get("/queries/meetings/chairs").status_code == 200


def test_start_on_the_last_good_version_needs_no_good_files(settings: Settings, serve: Serve) -> None:
    """A question or prefixes that are not fine are left out and told of; the rest is served."""
    publish(settings, progress=lambda _: None)
    (settings.root / "queries" / "meetings" / "broken.rq").write_text("SELECT", encoding="utf-8")
    with serve(settings) as client:
        assert client.get("/queries/meetings/chairs").status_code == 200
        assert client.get("/queries/meetings/broken").status_code == 404
    (settings.root / "ontology" / "prefixes.ttl").write_text("", encoding="utf-8")
    with serve(settings) as client:
        assert client.get("/page/gull-rock-meeting").status_code == 200


def test_start_is_refused_when_nothing_is_built(tmp_path: Path) -> None:
    """The message says which command builds."""
    app = create_app(Settings(root=tmp_path))
    with pytest.raises(MissingPartError, match="kg build"):
        asyncio.run(app.state.kg.start())
