"""Naming: what a caller calls a thing, to its IRI."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from kg import names
from kg.api.portraits import is_known
from kg.contents import QUESTION, Contents, Runner
from kg.errors import NotFoundError, ParameterError
from kg.search import Match
from kg.templates import Parameter, Resolve, Template, is_iri, resolver

_SURE = 99.0
_MAX_NAME = 400
_CLAIM = re.compile(r"[a-z0-9-]+/[0-9]+\Z")
_PROPERTIES = frozenset(names.OWL + name for name in ("ObjectProperty", "DatatypeProperty"))


async def find_thing(engine: Runner, contents: Contents, text: str) -> str:
    """
    Return the IRI of what an IRI, a prefixed name, a slug, an address of ours or a label names.

    Raises:
        NotFoundError: Nothing has that name, or several things have; field `near` holds labels and names.
    """
    bare = text.strip().removeprefix("<").removesuffix(">")
    for iri in _readings(bare, contents):
        if iri in contents.kinds or iri in contents.labels or await is_known(engine, iri):
            return iri
    return _by_label(contents, bare)


def find_property(contents: Contents, text: str) -> str:
    """
    Return the IRI of a property, by its IRI, prefixed name or label.

    Raises:
        NotFoundError: There is none; field `near` holds labels and names.
    """
    bare = text.strip().removeprefix("<").removesuffix(">")
    if bare in ("a", "type"):
        return names.RDF + "type"
    for iri in [*_readings(bare, contents), names.LAT + bare]:
        if contents.kinds.get(iri) in _PROPERTIES or (is_iri(iri) and not iri.startswith(names.BASE)):
            return iri
    found = contents.index.find(bare[:_MAX_NAME], kinds=_PROPERTIES, limit=5)
    if found and found[0].score >= _SURE:
        return found[0].iri
    raise _unknown(contents, text, [one.iri for one in found], what="property")


async def resolver_of(
    engine: Runner, contents: Contents, template: Template, bound: dict[str, str]
) -> Resolve:
    """
    Make what turns typed names into the IRIs that a template's parameters take.

    Args:
        engine: What runs queries.
        contents: What the version holds.
        template: Whose parameters.
        bound: Takes each IRI, by parameter.
    """
    members = {one.name: await contents.members(engine, one) for one in template.parameters.values()}

    def find(text: str, among: Collection[str] | None) -> list[tuple[str, str, float]]:
        if among:
            return [
                (one.iri, one.label, one.score) for one in contents.index.find(text, among=among, limit=8)
            ]
        # where any thing may stand
        found = _find(contents, text)
        sure = _choose(found)
        return [
            (one.iri, one.label, one.score if one.iri == sure else min(one.score, _SURE - 1)) for one in found
        ]

    resolve = resolver(contents.prefixes, members=lambda one: members[one.name], find=find)

    def note(value: str, parameter: Parameter) -> str:
        bound[parameter.name] = iri = resolve(value, parameter)
        return iri

    return note


def find_question(templates: Mapping[str, Template], contents: Contents, key: str) -> Template:
    """
    Return a template by its key, or by its name where only one topic has it.

    Raises:
        NotFoundError: There is none; field `near`.
    """
    found = [one for name, one in templates.items() if key in (name, name.rpartition("/")[2])]
    if len(found) == 1:
        return found[0]
    words = re.sub(r"[/_-]", " ", key)[:_MAX_NAME]
    near = [one.iri for one in contents.index.find(words, kinds={QUESTION}, limit=5)]
    near += [name for name in templates if key and key.split("/")[0] == name.split("/")[0]]
    near = list(dict.fromkeys(near))[:8]
    raise NotFoundError(f"no question is kept as {key!r}; list_questions lists them.", name=key, near=near)


def _readings(text: str, contents: Contents) -> list[str]:
    """List the IRIs that a text may be short for, likeliest first."""
    readings = []
    prefix, colon, _ = text.partition(":")
    if colon and prefix in contents.prefixes:
        readings.append(contents.prefixes.expand(text))
    elif colon:
        readings.append(text)
    if text.startswith("/"):
        readings.append(names.BASE + text[1:])
    if _CLAIM.match(text):
        readings.append(names.CLAIM + text)
    if text == names.slugify(text):
        readings += [names.ID + text, names.DOCUMENT + text]
    return [iri for iri in readings if is_iri(iri)]


def _by_label(contents: Contents, text: str) -> str:
    if not text or len(text) > _MAX_NAME:
        raise ParameterError(
            f"a name of 1 to {_MAX_NAME} characters is needed.", parameter="name", value=text[:40], near=[]
        )
    found = _find(contents, text)
    chosen = _choose(found)
    if chosen is not None:
        return chosen
    is_shared = bool(found) and found[0].score >= _SURE
    raise _unknown(contents, text, [one.iri for one in found][:8], what="thing", is_shared=is_shared)


def _find(contents: Contents, text: str) -> list[Match]:
    return [one for one in contents.index.find(text, limit=12) if one.kind != QUESTION]


def _choose(found: Sequence[Match]) -> str | None:
    """Choose what has just this name; of a thing and a word for its kind it means the thing."""
    sure = [one.iri for one in found if one.score >= _SURE]
    for space in (names.ID, names.CONCEPT, names.BASE):
        of_space = [iri for iri in sure if iri.startswith(space)]
        if of_space:
            return of_space[0] if len(of_space) == 1 else None
    return None


def _unknown(
    contents: Contents, text: str, found: list[str], *, what: str, is_shared: bool = False
) -> NotFoundError:
    near = [f"{contents.prefixes.compress(iri)} ({contents.label(iri)})" for iri in found]
    tail = f" Near: {'; '.join(near)}." if near else ""
    told = f"several things are called {text!r}" if is_shared else f"no {what} is called {text!r}"
    return NotFoundError(
        f"{told}: expected a label, slug or IRI that the graph has.{tail}", name=text, near=near
    )
