"""
Local: a folder on this machine, a checkout or what was built in it; no service is needed.

Queries run as `kg query` runs them, each in a worker process of its own, within the limits of the settings.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pyoxigraph as ox

from kg import engine
from kg.client.rows import Rows, read_rows
from kg.client.source import Answer, Found, Question, QuestionParameter, question_path
from kg.config import Settings
from kg.contents import QUESTION, Contents
from kg.dataset import Snapshot, find_prefixes, find_snapshot
from kg.errors import MissingPartError, NotFoundError
from kg.paging import order_rows
from kg.templates import Template, load_templates

_T = TypeVar("_T")


class Folder:
    """
    A folder: a checkout, or the folder in it that holds what is built.

    Args:
        path: The folder.
        timeout_s: Seconds that one query may run; the setting bounds it.

    Raises:
        MissingPartError: Nothing is built there.
    """

    def __init__(self, path: Path, *, timeout_s: float) -> None:
        settings = Settings.from_environment()
        is_built = (path / "versions").is_dir() and (path / "current").is_file()
        where = {"root": path.parent, "build": Path(path.name)} if is_built else {"root": path}
        self._settings = replace(settings, **where)  # type: ignore[arg-type]
        self._timeout_s = timeout_s
        self._known: tuple[Snapshot, _Store, Contents] | None = None
        self.snapshot()

    def snapshot(self) -> Snapshot:
        """
        Return the version that is current now.

        Raises:
            MissingPartError: Nothing is built there.
        """
        found = find_snapshot(self._settings)
        if found is None:
            raise MissingPartError(
                f"nothing is built in {self._settings.build_path}: run kg build there.", part="snapshot"
            )
        return found

    def query(self, text: str) -> Answer:
        """Run SPARQL."""
        return self._run(self.snapshot(), text)

    def ask(self, question: Question, values: Mapping[str, str]) -> Rows:
        """Ask a question: all rows, in the order that a service gives them."""
        snapshot = self.snapshot()
        store, contents = self._contents(snapshot)
        template = contents.templates[question.key]
        resolve = _outside_loops(lambda: asyncio.run(contents.resolver(store, template)))
        text = order_rows(template.bind(values, resolve=resolve), template.columns)
        answer = self._run(snapshot, text)
        assert answer.result is not None
        return read_rows(answer.result, version=answer.version, query=question_path(question, values))

    def questions(self) -> tuple[Question, ...]:
        """List the questions."""
        _, contents = self._contents(self.snapshot())
        return tuple(_read_question(one) for one in contents.templates.values())

    def search(self, text: str) -> list[Found]:
        """Find things, concepts and questions by name."""
        _, contents = self._contents(self.snapshot())
        groups = contents.search(text).values()
        return [
            Found(one.iri, one.label, one.kind if one.kind != QUESTION else "question", one.score)
            for group in groups
            for one in group
        ]

    def _run(self, snapshot: Snapshot, text: str) -> Answer:
        form = engine.query_form(text, self._settings)
        is_rows = form in ("SELECT", "ASK")
        request = engine.QueryRequest(
            query=text, format="json" if is_rows else "ttl", timeout_s=self._timeout_s
        )
        answer = _outside_loops(lambda: engine.run_query(snapshot, self._settings, request))
        if is_rows:
            return Answer(answer.version, result=json.loads(answer.body))
        return Answer(answer.version, triples=answer.body)

    def _contents(self, snapshot: Snapshot) -> tuple[_Store, Contents]:
        """Read names and questions of a version, once for each version."""
        if self._known is None or self._known[0].version != snapshot.version:
            root = self._settings.root
            try:
                prefixes = find_prefixes(root)
            except (OSError, NotFoundError):  # only what is built is here
                prefixes = snapshot.prefixes
            templates = load_templates(root, prefixes, passed_over=[])
            store = _Store(snapshot)
            loaded = Contents.load(store, version=snapshot.version, prefixes=prefixes, templates=templates)
            self._known = snapshot, store, _outside_loops(lambda: asyncio.run(loaded))
        return self._known[1], self._known[2]


class _Store:
    """Runs the queries of `Contents`, which are ours, in this process."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._version = snapshot.version
        self._store = ox.Store()
        self._store.bulk_load(path=str(snapshot.quads_path), format=ox.RdfFormat.N_QUADS)

    async def query(self, request: engine.QueryRequest) -> engine.Answer:
        """Run one SELECT."""
        found = self._store.query(request.query)
        assert isinstance(found, ox.QuerySolutions)
        body = found.serialize(format=ox.QueryResultsFormat.JSON) or b""
        return engine.Answer(body, "", "SELECT", self._version, "", 0.0, cached=False)


def _outside_loops(work: Callable[[], _T]) -> _T:
    """Do some work where no event loop runs: a notebook has one in its main thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work()
    with ThreadPoolExecutor(max_workers=1) as executor:
        return executor.submit(work).result()


def _read_question(template: Template) -> Question:
    return Question(
        key=template.key,
        title=template.title,
        question=template.sentence(),
        description=template.description,
        tags=template.tags,
        parameters=tuple(
            QuestionParameter(
                one.name, one.type, one.description, one.required, tuple(one.values), one.example
            )
            for one in template.parameters.values()
        ),
        columns=tuple(template.columns),
    )
