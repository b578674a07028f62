"""Fixtures: a small project in a folder of its own, the service; no socket but to this machine."""

from __future__ import annotations

import ipaddress
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pyoxigraph as ox
import pytest
import uvicorn

from kg.api import create_app
from kg.api.recall import recalling_protocol
from kg.cli.serving import bound_clients
from kg.config import Settings
from kg.publication import publish

Serve = Callable[[Settings], AbstractContextManager[httpx.Client]]
CASES = Path(__file__).parent / "cases"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Copy the small project of tests/cases/project, with prose of our own, and return its root."""
    return Path(shutil.copytree(CASES / "project", tmp_path / "project"))


@pytest.fixture
def settings(project: Path) -> Settings:
    """Return settings for the small project: few workers, its own documents."""
    return Settings(
        root=project, documents=Path("documents"), quick_workers=1, slow_workers=1, timeout_s=10.0
    )


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    """Refuse every connection that would leave this machine."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def guarded(self: socket.socket, address: Any) -> None:
        _refuse_outside(self, address)
        connect(self, address)

    def guarded_ex(self: socket.socket, address: Any) -> int:
        _refuse_outside(self, address)
        return connect_ex(self, address)

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", guarded)
    patch.setattr(socket.socket, "connect_ex", guarded_ex)
    yield
    patch.undo()


def _refuse_outside(one: socket.socket, address: Any) -> None:
    if one.family == socket.AF_UNIX:
        return
    host = str(address[0])
    if host != "localhost" and not ipaddress.ip_address(host.split("%")[0]).is_loopback:
        raise AssertionError(f"a test tried to reach {host}: tests stay on this machine")


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Build the small project once, and return its settings."""
    root = tmp_path_factory.mktemp("served") / "project"
    shutil.copytree(CASES / "project", root)
    settings = Settings(
        root=root, documents=Path("documents"), quick_workers=1, slow_workers=1, max_body_bytes=50_000
    )
    publish(settings, progress=lambda _: None)
    return settings


@pytest.fixture(scope="session")
def published() -> ox.Store:
    """Publish the real files of the project, and load what is published."""
    snapshot = publish(Settings(root=Path(__file__).parents[1]), progress=lambda _: None)
    store = ox.Store()
    store.bulk_load(path=str(snapshot.quads_path), format=ox.RdfFormat.N_QUADS)
    return store


@contextmanager
def _serving(settings: Settings) -> Iterator[httpx.Client]:
    """Serve on a free port of this machine, and give a client that does not follow redirects."""
    listener = socket.socket(proto=socket.IPPROTO_TCP)  # else asyncio leaves Nagle on: 40 ms a request
    bound_clients(listener, settings)
    listener.bind(("127.0.0.1", 0))
    protocol = recalling_protocol(settings)
    config = uvicorn.Config(create_app(settings), http=protocol, log_level="error", ws="none", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        deadline = time.monotonic() + 30
        while not server.started and thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert server.started
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with httpx.Client(base_url=address, trust_env=False, timeout=30) as client:
            client.headers.pop("accept")
            yield client
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        listener.close()


@pytest.fixture(scope="session")
def client(served: Settings) -> Iterator[httpx.Client]:
    """Start the service over the small project."""
    with _serving(served) as started:
        yield started


@pytest.fixture(scope="session")
def serve() -> Serve:
    """Return what serves settings of one's own, as a context that gives a client."""
    return _serving
