"""Fixtures: the service over the real graph, a second one beside it, and the clients that are no Python."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pyoxigraph as ox
import pytest

from kg.config import Settings
from kg.publication import publish

Serve = Callable[[Settings], AbstractContextManager[httpx.Client]]
ROOT = Path(__file__).parents[2]
CODES = 'id:ireland lat:isoCode "IE" .\nid:singapore lat:isoCode "SG" .\n'


@pytest.fixture(autouse=True, scope="session")
def _no_proxy() -> Iterator[None]:
    """Let no client ask a service of this machine through a proxy of the environment."""
    patch = pytest.MonkeyPatch()
    for name in ("no_proxy", "NO_PROXY"):
        patch.setenv(name, "127.0.0.1,localhost")
    yield
    patch.undo()


@pytest.fixture(scope="session")
def real(serve: Serve, published: ox.Store) -> Iterator[str]:
    """Serve the real graph, and return where, without a slash at the end."""
    assert len(published) > 0
    with serve(Settings(root=ROOT, quick_workers=1, slow_workers=1)) as client:
        yield str(client.base_url).rstrip("/")


@pytest.fixture(scope="session")
def second(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a small graph that knows the codes of two states of the real one, and return where."""
    root = tmp_path_factory.mktemp("second") / "project"
    shutil.copytree(ROOT / "tests" / "cases" / "project", root)
    with (root / "data" / "open" / "almanac" / "islands.ttl").open("a", encoding="utf-8") as file:
        file.write(CODES)
    settings = Settings(root=root, documents=Path("documents"), quick_workers=1, slow_workers=1)
    publish(settings, progress=lambda _: None)
    with serve(settings) as client:
        yield str(client.base_url).rstrip("/")


def find_program(name: str, path: Path | None = None) -> str:
    """Return where a program is; without it skip, but on CI fail."""
    found = str(path) if path and path.exists() else None if path else shutil.which(name)
    if found:
        return found
    reason = f"{name} is not here{f': {path} is made by make test' if path else ''}"
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def curl() -> str:
    """Return the path of curl."""
    return find_program("curl")


@pytest.fixture(scope="session")
def npm_folder() -> Path:
    """Return the folder in which Comunica is installed."""
    find_program("node")
    find_program("Comunica", ROOT / "build" / "npm" / "node_modules" / ".bin" / "comunica-sparql")
    return ROOT / "build" / "npm"


@pytest.fixture(scope="session")
def rscript() -> str:
    """Return the path of Rscript; it is large, so CI does without it too."""
    found = shutil.which("Rscript")
    if not found:
        pytest.skip("Rscript is not here: apt-get install r-base-core")
    return found
