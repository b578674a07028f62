"""What is sent → a report: judged as a contribution, or held to shapes as SHACL alone says."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import rdflib

from kg import names, tables
from kg.errors import MissingPartError, NotFoundError, Problem, UsageError
from kg.evidence import parse_copy
from kg.isolation.jobs import Job, Sent
from kg.isolation.shapes import add_imported_prefixes, hold_to_shapes, refusals, to_graph
from kg.names import slugify
from kg.parsing import Reading, read
from kg.reporting import Report
from kg.validation import Published, judge


@dataclass(frozen=True)
class Validated(Report):
    """A report, and whether the texts could be read, so that anything could be judged."""

    is_judged: bool = True


def report_on(job: Job, published: Published) -> Validated:
    """
    Do one validation.

    Raises:
        NotFoundError: There is no such profile; field `near`.
        UsageError: Shapes or documents came that the profile does not take, or shapes that cannot be used.
    """
    if job.profile not in PROFILES:
        raise NotFoundError(
            f"no profile {job.profile!r}: expected one of {', '.join(PROFILES)}.",
            name=job.profile,
            near=list(PROFILES),
        )
    return PROFILES[job.profile](job, published)


def _as_contribution(job: Job, published: Published) -> Validated:
    """Judge a contribution against what is published."""
    if job.shapes:
        raise UsageError("a contribution is held to our shapes: send shapes with the profile shacl")
    if job.data.is_table:
        return _as_table(job, published)
    reading = _read(job.data, published)
    copies = {slugify(Path(one.name).stem): _text_of(one) for one in job.documents}
    verdict = judge(reading, published, documents=copies)
    return _validated(job, [reading], verdict.problems)


def _as_table(job: Job, published: Published) -> Validated:
    """Judge a spreadsheet, which names its documents by slug or by file."""
    copies: dict[str, str] = {}
    for one in job.documents:
        text, name = _text_of(one), Path(one.name)
        copies[slugify(name.stem)] = text
        if name.stem not in copies:
            copies[name.name] = text
    kinds = _kinds(published)
    path = Path(job.data.name)
    reading = tables.read(job.data.content, path=path, published=published, documents=copies, kinds=kinds)
    mend = tables.mend_table(published, copies, kinds)
    verdict = judge(reading, published, documents=reading.documents, mend=mend)
    return replace(_validated(job, [reading], verdict.problems), places={path: reading.place})


def _text_of(copy: Sent) -> str:
    if copy.media_type == "text/plain":  # taken out of its file already
        return copy.content.decode()
    return parse_copy(copy.content, Path(copy.name))


# The kinds of the version that was asked for last: they take half a second, and a parent has one version.
_last_kinds: list[tuple[Published, Mapping[str, tables.Kind]]] = []


def _kinds(published: Published) -> Mapping[str, tables.Kind]:
    if not _last_kinds or _last_kinds[0][0] is not published:
        try:
            _last_kinds[:] = [(published, tables.load_kinds(published))]
        except KeyError as error:
            message = f"spreadsheets are read by our shapes, and this graph has none for {error}."
            raise MissingPartError(message, part="shapes") from error
    return _last_kinds[0][1]


def _as_shacl(job: Job, published: Published) -> Validated:
    """Hold data to the shapes that were sent, or to ours where none were."""
    if job.documents:
        raise UsageError("documents prove passages: send them with the profile contribution")
    if any(one.is_table for one in (job.data, *job.shapes)):
        raise UsageError("a spreadsheet is a contribution: send it with the profile contribution")
    data = _read(job.data, published)
    readings = [data, *(_read(one, published) for one in job.shapes)]
    problems = tuple(one for each in readings for one in each.problems)
    if any(one.level == "error" for one in problems):
        return _validated(job, readings, problems)
    refused = tuple(one for each in readings[1:] for one in refusals(each))
    problems += refused
    if any(one.level == "error" for one in refused):
        return _validated(job, readings, problems, is_judged=False)
    shapes = rdflib.Graph()
    for number, each in enumerate(readings[1:]):
        shapes += to_graph(each.statements, label=f"shapes{number}")
    add_imported_prefixes(shapes)
    if not job.shapes:
        shapes = published.shapes
    graph, found = hold_to_shapes(data, shapes, published)
    validated = _validated(job, readings, problems + tuple(found))
    return replace(validated, graph=graph)


PROFILES: dict[str, Callable[[Job, Published], Validated]] = {
    "contribution": _as_contribution,
    "shacl": _as_shacl,
}


def _read(sent: Sent, published: Published) -> Reading:
    path = Path(sent.name)
    return read(sent.content, path=path, media_type=sent.media_type, prefixes=published.prefixes)


def contribution_iri(content: bytes) -> str:
    """
    Return the IRI that a contribution has, or would have if it were made.

    >>> contribution_iri(b"")
    'https://w3id.org/lateral/contribution/e3b0c44298fc'
    """
    return names.CONTRIBUTION + hashlib.sha256(content).hexdigest()[:12]


def _validated(
    job: Job, readings: list[Reading], problems: tuple[Problem, ...], *, is_judged: bool = True
) -> Validated:
    is_read = not any(one.level == "error" for each in readings for one in each.problems)
    return Validated(
        problems,
        {each.path: each.text for each in readings},
        {each.path: each.statements for each in readings},
        focus={readings[0].path: contribution_iri(job.data.content)},
        about={"profile": job.profile, **({"version": job.version} if job.version else {})},
        is_judged=is_judged and is_read,
    )
