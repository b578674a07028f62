"""What is sent → a report: judged as a contribution, or held to shapes as SHACL alone says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import rdflib

from kg.errors import NotFoundError, Problem, UsageError
from kg.isolation.jobs import Job, Sent
from kg.isolation.shapes import add_imported_prefixes, hold_to_shapes, refusals, to_graph
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
    reading = _read(job.data, published)
    verdict = judge(reading, published, documents=job.documents)
    return _validated(job, [reading], verdict.problems)


def _as_shacl(job: Job, published: Published) -> Validated:
    """Hold data to the shapes that were sent, or to ours where none were."""
    if job.documents:
        raise UsageError("documents prove passages: send them with the profile contribution")
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


def _validated(
    job: Job, readings: list[Reading], problems: tuple[Problem, ...], *, is_judged: bool = True
) -> Validated:
    is_read = not any(one.level == "error" for each in readings for one in each.problems)
    return Validated(
        problems,
        {each.path: each.text for each in readings},
        {each.path: each.statements for each in readings},
        about={"profile": job.profile, **({"version": job.version} if job.version else {})},
        is_judged=is_judged and is_read,
    )
