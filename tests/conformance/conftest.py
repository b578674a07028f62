"""Fixtures: the service over data of one's own, and the folder of the W3C's tests where it is present."""

from __future__ import annotations

import asyncio
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from kg.api import create_app
from kg.config import Settings
from kg.engine import Engine
from kg.names import Prefixes, load_prefixes

PROJECT = Path(__file__).parents[1] / "cases" / "project"
SUITE = Path(__file__).parents[3] / "shared" / "w3c" / "rdf-tests" / "sparql"

ServeQuads = Callable[..., AbstractContextManager[httpx.Client]]


@dataclass(frozen=True)
class Data:
    """One version of a dataset, as the engine takes it."""

    version: str
    quads_path: Path
    prefixes: Prefixes


async def _serve(
    settings: Settings, data: Data, listener: socket.socket, servers: list[uvicorn.Server]
) -> None:
    engine = Engine(settings)
    await engine.start(data)
    try:
        config = uvicorn.Config(create_app(settings, engine), log_level="error", ws="none", lifespan="on")
        servers.append(uvicorn.Server(config))
        await servers[0].serve(sockets=[listener])
    finally:
        await engine.close()


@contextmanager
def _serving(settings: Settings, data: Data) -> Iterator[httpx.Client]:
    listener = socket.socket(proto=socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    servers: list[uvicorn.Server] = []
    thread = threading.Thread(target=lambda: asyncio.run(_serve(settings, data, listener, servers)))
    thread.start()
    try:
        deadline = time.monotonic() + 60
        while not (servers and servers[0].started) and thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert servers and servers[0].started
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
            client.headers.pop("accept")
            yield client
    finally:
        if servers:
            servers[0].should_exit = True
        thread.join(timeout=30)
        listener.close()


@pytest.fixture(scope="session")
def serve_quads(tmp_path_factory: pytest.TempPathFactory) -> ServeQuads:
    """Return what starts the service over N-Quads: a context that gives a client."""

    def serve(quads: bytes, **wanted: Any) -> AbstractContextManager[httpx.Client]:
        folder = tmp_path_factory.mktemp("conformance")
        root = Path(shutil.copytree(PROJECT, folder / "project"))
        path = folder / "data.nq"
        path.write_bytes(quads)
        settings = Settings(root=root, **({"quick_workers": 1, "slow_workers": 1} | wanted))
        return _serving(settings, Data("test", path, load_prefixes(root / "ontology" / "prefixes.ttl")))

    return serve


@pytest.fixture(scope="session")
def suite() -> Path:
    """Return the folder of the W3C's SPARQL tests, or skip: they are not part of this repository."""
    if not SUITE.is_dir():
        pytest.skip(f"the W3C's tests are not here: {SUITE}")
    return SUITE
