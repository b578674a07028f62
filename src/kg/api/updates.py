"""Updates: `/sparql` of a scratch service, which takes them on a copy, from programs of its own machine."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from kg.api.state import State
from kg.config import is_loopback
from kg.engine import UpdateRequest
from kg.errors import UpdateRefusedError, UsageError


def admit(request: Request) -> None:
    """
    Let a request through that may update, before its body is read.

    A page of another site could have a browser send an update here, and a name that leads to this machine
    could make such a page look like one of ours: client, Host and Origin must each be of this machine.

    Raises:
        UpdateRefusedError: No updates are taken, or none from there.
        UsageError: It does not come by POST.
    """
    if not State.of(request).settings.scratch:
        raise UpdateRefusedError("this service answers queries and takes no updates")
    origin = request.headers.get("origin")
    addresses = [f"//{request.headers.get('host', '')}", *([] if origin is None else [origin])]
    is_near = request.client is not None and is_loopback(request.client.host)
    if not (is_near and all(map(_is_here, addresses))):
        raise UpdateRefusedError("this service takes updates from its own machine alone")
    if request.method != "POST":
        raise UsageError(f"an update does not come by {request.method}; expected POST", parameter="update")


async def carry_out(request: Request, update: UpdateRequest) -> Response:
    """Carry an update out, and answer when what it made is served."""
    version = await State.of(request).update(update)
    return Response(status_code=204, headers={"KG-Version": version, "Cache-Control": "no-store"})


def _is_here(address: str) -> bool:
    try:
        return is_loopback(urlsplit(address).hostname or "")
    except ValueError:
        return False
