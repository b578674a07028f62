"""Take the port, start the service by name, say what it holds."""

from __future__ import annotations

import errno
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import click
import uvicorn
from uvicorn.importer import import_from_string

from kg.cli.call import tell_held
from kg.config import Settings
from kg.dataset import Snapshot, hold
from kg.errors import MissingPartError, PortTakenError, UsageError
from kg.templates import NOT_PUBLIC

_FACTORY = "kg.api:create_app_from_environment"
_PROTOCOL = "kg.api.recall:recalling_protocol"


@contextmanager
def take_port(settings: Settings) -> Iterator[socket.socket]:
    """
    Take the address before anything else is done; whoever connects early waits.

    Raises:
        PortTakenError: Something else has it.
        UsageError: It is not an address of this machine, or may not be used.
    """
    host, port = settings.host, settings.port
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # named TCP, since asyncio turns Nagle's delay off only for sockets that say so
        taken = socket.socket(family, kind, socket.IPPROTO_TCP)
    except OSError as error:
        raise UsageError(f"--host {host}: not an address of this machine ({error}).") from error
    with taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound_clients(taken, settings)
        try:
            taken.bind(address)
            taken.listen(128)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortTakenError(
                    f"port {port} of {host} is taken by another program: expected a free port. "
                    f"Choose another: PORT={port + 1} make serve, or kg serve --port {port + 1}.",
                    host=host,
                    port=port,
                ) from error
            raise UsageError(
                f"{host}:{port} cannot be used ({error.strerror}): choose --host, --port."
            ) from error
        yield taken


def bound_clients(taken: socket.socket, settings: Settings) -> None:
    """
    Have the system drop a connection whose client takes nothing for too long (Linux).

    Source: tcp(7), TCP_USER_TIMEOUT; connections have it from the socket that accepts them.
    """
    if sys.platform == "linux":
        timeout_ms = round(settings.client_timeout_s * 1000)
        taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)


def run(snapshot: Snapshot, settings: Settings, taken: socket.socket, *, started: float) -> None:
    """
    Serve a version until told to stop.

    Args:
        snapshot: What is served first; kept on disk meanwhile.
        settings: Handed to the service through the environment.
        taken: The socket to serve on.
        started: When this process began, by the monotonic clock, in seconds.

    Raises:
        MissingPartError: The service did not start; its log says why.
    """
    for one in fields(Settings):
        os.environ[f"KG_{one.name.upper()}"] = str(getattr(settings, one.name))
    config = uvicorn.Config(
        _FACTORY,
        factory=True,
        http=import_from_string(_PROTOCOL)(settings),
        log_level="warning",
        lifespan="on",
        server_header=False,
    )
    server = _Server(config, _welcome(snapshot, settings, taken), started)
    with hold(snapshot):
        try:
            server.run(sockets=[taken])
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)
    if not server.started:
        raise MissingPartError("the service did not start; what is said above tells why.", part="service")


class _Server(uvicorn.Server):
    """A server that says when it is ready."""

    def __init__(self, config: uvicorn.Config, welcome: str, began: float) -> None:
        super().__init__(config)
        self.welcome = welcome
        self.began = began

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            click.echo(f"{self.welcome}\nReady in {time.monotonic() - self.began:.1f} s. Stop with Ctrl-C.")
            sys.stdout.flush()


def _welcome(snapshot: Snapshot, settings: Settings, taken: socket.socket) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    held = tell_held(snapshot.manifest["counts"])
    return (
        f"Lateral is at http://{host}:{taken.getsockname()[1]}/\n"
        f"It holds {held}, {_count_templates(settings.root)} questions; version {snapshot.version}."
        + ("\nUpdates are taken at /sparql, on a copy that is forgotten at the end." * settings.scratch)
    )


def _count_templates(root: Path) -> int:
    folders = (one for one in (root / "queries").glob("*") if one.name not in NOT_PUBLIC)
    return sum(1 for folder in folders for _ in folder.rglob("*.rq"))
