"""
State: the engine, what it serves, and the watch for a new version.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

from starlette.requests import Request

from kg.config import Settings
from kg.contents import Contents
from kg.dataset import Snapshot, find_snapshot, hold
from kg.engine import Engine, Scratch, UpdateRequest
from kg.engine import Snapshot as Served
from kg.errors import KGError, MissingPartError, UpdateRefusedError
from kg.isolation import Validator
from kg.names import Prefixes, load_prefixes
from kg.templates import Template, load_templates

log = logging.getLogger("kg.api")

WATCH_EVERY_S = 1.0


class State:
    """
    What one running service holds.

    Args:
        settings: The settings.
        engine: A started engine that somebody else closes, or None to start one on the current version.
    """

    def __init__(self, settings: Settings, engine: Engine | None = None) -> None:
        self.settings = settings
        self.validator = Validator(settings)
        self._given = engine
        self._engine: Engine | None = engine
        self._contents: Contents | None = None
        self._version = ""
        self._stamp: tuple[tuple[str, int], ...] = ()
        self._held = ExitStack()
        self._watch: asyncio.Task[None] | None = None
        self._scratch: Scratch | None = None

    @classmethod
    def of(cls, request: Request) -> State:
        """Return the state of the service that took a request."""
        return cast(State, request.app.state.kg)

    @property
    def engine(self) -> Engine:
        """Return the engine."""
        if self._engine is None:
            raise MissingPartError("the service has not started", part="engine")
        return self._engine

    @property
    def contents(self) -> Contents:
        """Return what the version that is served holds."""
        if self._contents is None:
            raise MissingPartError("the service has not started", part="contents")
        return self._contents

    @property
    def root(self) -> Path:
        """Return the folder of the files."""
        return self.settings.root

    async def start(self) -> None:
        """
        Start the engine on the current version, read its contents, begin to watch.

        A scratch copy goes its own way: nothing is watched then.

        Raises:
            MissingPartError: Nothing has been built.
        """
        if self._given is None:
            snapshot = self._current()
            self._hold(snapshot)
            self._engine = Engine(self.settings)
            await self._engine.start(snapshot)
            self._version = snapshot.version
        self._contents = await self._read(*self._first_files())
        if self.settings.scratch:
            self._scratch = Scratch(self.settings, lambda: self.engine.pool, self._serve_changed)
        elif self._given is None:
            self._watch = asyncio.create_task(self._watch_versions())

    async def close(self) -> None:
        """Stop watching, and stop the engine if it is ours."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        await self.validator.close()
        if self._given is None and self._engine is not None:
            await self._engine.close()
        if self._scratch is not None:
            self._scratch.close()
        self._held.close()

    async def update(self, request: UpdateRequest) -> str:
        """
        Change the scratch copy, and return the name of the version that is served then.

        Raises:
            UpdateRefusedError: There is none.
            KGError: As `Scratch.update`.
        """
        if self._scratch is None:
            raise UpdateRefusedError("this service answers queries and takes no updates")
        return await self._scratch.update(request)

    async def _serve_changed(self, changed: Served) -> None:
        await self.engine.switch(changed)
        self._contents = await self._read(self.contents.prefixes, self.contents.templates)

    async def refresh(self) -> bool:
        """Serve the current version if it is another; where that fails keep what is served, and log it."""
        snapshot = await asyncio.to_thread(find_snapshot, self.settings)
        if snapshot is None or snapshot.version == self._version:
            return False
        self._version = snapshot.version
        try:
            files = self._read_files()
            await self.engine.switch(snapshot)
            self._hold(snapshot)
            self._contents = await self._read(*files)
        except KGError as error:
            log.error("version %s cannot be served; the one before goes on:\n%s", snapshot.version, error)
            return False
        log.info("serving version %s", snapshot.version)
        return True

    def _hold(self, snapshot: Snapshot) -> None:
        """Keep a version on disk while it is served, since a worker may have to read it again."""
        held, self._held = self._held, ExitStack()
        self._held.enter_context(hold(snapshot))
        held.close()

    def _current(self) -> Snapshot:
        snapshot = find_snapshot(self.settings)
        if snapshot is None:
            raise MissingPartError("nothing is built yet; run `kg build`", part="snapshot")
        return snapshot

    def _first_files(self) -> tuple[Prefixes, dict[str, Template]]:
        """Read the files as far as they are fine: a start on the last good version must not need them all."""
        try:
            return self._read_files()
        except (KGError, OSError) as error:
            log.warning("what follows is not served:\n%s", error)
        try:
            prefixes = load_prefixes(self.settings.path("ontology", "prefixes.ttl"))
        except (KGError, OSError):
            prefixes = self._current().prefixes
        return prefixes, load_templates(self.settings.root, prefixes, passed_over=[])

    def _read_files(self) -> tuple[Prefixes, dict[str, Template]]:
        self._stamp = self._stamp_of_templates()
        prefixes = load_prefixes(self.settings.path("ontology", "prefixes.ttl"))
        return prefixes, load_templates(self.settings.root, prefixes)

    def _stamp_of_templates(self) -> tuple[tuple[str, int], ...]:
        """Return what changes when a template is written, added or removed."""
        files = self.settings.path("queries").rglob("*.rq")
        return tuple(sorted((str(one), one.stat().st_mtime_ns) for one in files))

    async def reload_templates(self) -> bool:
        """Read the templates again if they have changed; where that fails keep those before, and log it."""
        if self._stamp_of_templates() == self._stamp:
            return False
        try:
            self._contents = await self._read(*self._read_files())
        except KGError as error:
            log.error("the questions as they are now cannot be served; those before go on:\n%s", error)
            return False
        return True

    async def _read(self, prefixes: Prefixes, templates: Mapping[str, Template]) -> Contents:
        version = str(self.engine.status().get("version", self._version))
        return await Contents.load(self.engine, version=version, prefixes=prefixes, templates=templates)

    async def _watch_versions(self) -> None:
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            try:
                if not await self.refresh():
                    await self.reload_templates()
            except Exception:  # the watch outlives every fault of one look
                log.exception("the look for a new version failed")

    def status(self) -> dict[str, Any]:
        """Return how the service is, for `/health`."""
        contents = self.contents
        return {
            "status": "ok",
            **self.engine.status(),
            "version": contents.version,
            "templates": len(contents.templates),
        }
