"""Fixtures: a small project in a folder of its own, its settings; no socket but to this machine."""

from __future__ import annotations

import ipaddress
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kg.config import Settings

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
