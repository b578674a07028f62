"""
Names to things, exact or asked.

A name means a thing if it is the thing's label or alias, but for case, accents, a leading article, `&` and
the spelling of Saint. What means several, or only comes near, is asked with all that it may mean.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from kg import names
from kg.search import Index, fold
from kg.validation import Published
from kg.validation.published import of_kinds

_BRACKET = re.compile(r"(?P<label>.*?)\s*\[(?P<name>[^\[\]\s]+)\]\Z", re.DOTALL)
_PREFIXED = re.compile(r"[A-Za-z][\w-]*:[\w/-]+\Z")
_SAINTS = {"st": "saint", "ste": "sainte", "sts": "saints"}
_MOST_CANDIDATES = 5
_MOST_NAMESAKES = 20
_MOST_COMPARED = 5_000


@dataclass(frozen=True)
class Near:
    """A thing that a name may mean, with a score from 0 to 100."""

    iri: str
    score: float


@dataclass(frozen=True)
class Answer:
    """
    What a name means: a thing, or why none.

    Args:
        iri: The thing, if it is one.
        code: `doubtful-name`, `unknown-name`, `wrong-kind` or `other-name` where it is none.
        near: What it may mean, best first.
    """

    iri: str = ""
    code: str = ""
    near: tuple[Near, ...] = ()


def unbracket(text: str) -> tuple[str, str]:
    """
    Split a name from the IRI in brackets behind it.

    >>> unbracket("Georgia [id:georgia]"), unbracket("Georgia")
    (('Georgia', 'id:georgia'), ('Georgia', ''))
    """
    match = _BRACKET.match(text.strip())
    return (match["label"], match["name"]) if match else (text.strip(), "")


def loosen(text: str) -> str:
    """
    Reduce a name to what is compared when its letters alone do not do.

    >>> loosen("The St. Kitts & Nevis"), loosen("Saint Kitts and Nevis")
    ('saint kitts and nevis', 'saint kitts and nevis')
    """
    words = fold(text.replace("&", " and ")).split()
    if len(words) > 1 and words[0] == "the":
        words = words[1:]
    return " ".join(_SAINTS.get(one, one) for one in words)


def variants(text: str) -> list[str]:
    """
    List the folded spellings under which a name may be known: with the article, Saint, *and* in either way.

    >>> "saint kitts nevis" in variants("St. Kitts & Nevis"), "the holy see" in variants("Holy See")
    (True, True)
    """
    saintly = loosen(text)
    short = re.sub(r"\bsaint(?=e?s?\b)", "st", saintly)
    spelt = [one for form in (saintly, short) for one in (form, " ".join(form.replace(" and ", " ").split()))]
    return list(dict.fromkeys(form for one in spelt for form in (one, f"the {one}")))


class Naming:
    """
    The names of what is published, and of what a table brings.

    Args:
        published: What there is.
    """

    def __init__(self, published: Published) -> None:
        self.published = published
        self.own: dict[str, tuple[str, str]] = {}
        self._own_names: dict[str, list[str]] = defaultdict(list)
        self._indexes: dict[tuple[str, ...], Index] = {}

    def add(self, iri: str, kind: str, labels: Iterable[str]) -> None:
        """Add something that the table brings, under its label and its aliases."""
        these = list(labels)
        self.own[iri] = (these[0], kind)
        for one in these:
            self._own_names[loosen(one)].append(iri)

    def kind(self, iri: str) -> str:
        """Return the class of a thing; nothing where there is no such thing."""
        if iri in self.own:
            return self.own[iri][1]
        is_claim = iri.startswith(names.CLAIM) and self.published.has(iri)
        return names.LAT + "Claim" if is_claim else self.published.known.get(iri, "")

    def label(self, iri: str) -> str:
        """Return the label of a thing."""
        if iri in self.own:
            return self.own[iri][0]
        return self.published.find_label(iri) or self.published.prefixes.compress(iri)

    def write(self, iri: str) -> str:
        """Write a thing so that it cannot mean another."""
        return f"{self.label(iri)} [{self.published.prefixes.compress(iri)}]"

    def expand(self, written: str) -> str:
        """Return the IRI that a text writes out, or as a prefixed name; nothing where it is neither."""
        if written.startswith(names.BASE):
            return written
        prefix, _, local = written.partition(":")
        if _PREFIXED.match(written) and prefix in self.published.prefixes:
            return self.published.prefixes[prefix] + local
        return ""

    def allowed(self, classes: Collection[str]) -> set[str]:
        """Return the classes at or below some classes; none where anything goes."""
        return {below for one in classes for below in self.published.lexicon.below(one)}

    def exact(self, text: str, classes: Collection[str]) -> list[str]:
        """Return the things that bear a name, of some classes, none named twice."""
        allowed = self.allowed(classes)
        own = self._own_names.get(loosen(text), [])
        strict = [iri for iri, _ in self.published.by_name.get(fold(text), ())]
        loose = [iri for one in variants(text) for iri, _ in self.published.by_name.get(one, ())]
        for found in ([*strict, *own], loose):
            fitting = [
                iri
                for iri in dict.fromkeys(found)
                if self.kind(iri) and (not allowed or self.kind(iri) in allowed)
            ]
            if fitting:
                return fitting
        return []

    def resolve(self, text: str, classes: Collection[str]) -> Answer:
        """
        Say what a name means among the things of some classes.

        Args:
            text: A label, an alias, `Label [id:slug]`, a prefixed name or an IRI.
            classes: The classes that are expected; none for any.
        """
        label, bracket = unbracket(text)
        iri = self.expand(bracket or label)
        if iri or bracket:
            return self._direct(iri, label if bracket else "", classes)
        found = self.exact(label, classes)
        if len(found) == 1:
            others = self._namesakes(label, found[0])
            return Answer(code="doubtful-name", near=others) if others else Answer(found[0])
        if found:
            return Answer(code="doubtful-name", near=tuple(Near(one, 100.0) for one in found))
        elsewhere = self.exact(label, ()) if classes else []
        near = self._near(label, classes)
        if elsewhere:
            return Answer(elsewhere[0], "wrong-kind", near)
        return Answer(code="doubtful-name" if near else "unknown-name", near=near)

    def _direct(self, iri: str, label: str, classes: Collection[str]) -> Answer:
        """Say whether an IRI is there, is of an expected class and is called what stands before it."""
        kind = self.kind(iri)
        if not kind:
            local = iri.rpartition("/")[2].replace("-", " ")
            near = self._near(label or local, classes)
            return Answer(code="doubtful-name" if near else "unknown-name", near=near)
        allowed = self.allowed(classes)
        if allowed and kind not in allowed:
            return Answer(iri, "wrong-kind", ())
        if label and iri not in self.exact(label, ()):
            return Answer(code="other-name", near=(Near(iri, 100.0), *self._near(label, classes)[:3]))
        return Answer(iri)

    def _namesakes(self, text: str, iri: str) -> tuple[Near, ...]:
        """
        Return what else a short name may mean: things of the same class whose label holds the same words.

        Only an alias is doubted; who bears a name as its label is meant by it.
        """
        key = loosen(text)
        if key == loosen(self.label(iri)):
            return ()
        kinds = {self.kind(iri)}
        found = self.published.find(text, among=of_kinds(self.published, kinds), limit=_MOST_NAMESAKES)
        others = [
            one.iri for one in found if one.iri != iri and f" {key} " in f" {loosen(self.label(one.iri))} "
        ]
        return tuple(Near(one, 90.0) for one in dict.fromkeys([iri, *others])) if others else ()

    def _near(self, text: str, classes: Collection[str]) -> tuple[Near, ...]:
        among = of_kinds(self.published, classes) if classes else None
        found = self.published.find(loosen(text), among=among, limit=_MOST_CANDIDATES)
        if not found and among is not None and len(among) <= _MOST_COMPARED:
            found = self._index(tuple(classes), among).find(loosen(text), limit=_MOST_CANDIDATES)
        allowed = self.allowed(classes)
        near = {one.iri: one.score for one in found}
        rows = [(iri, label, kind, False) for iri, (label, kind) in self.own.items()]
        rows = [one for one in rows if not allowed or one[2] in allowed]
        for one in Index.from_rows(rows).find(text, limit=_MOST_CANDIDATES):
            near[one.iri] = max(one.score, near.get(one.iri, 0.0))
        best = sorted(near.items(), key=lambda one: (-one[1], one[0]))
        return tuple(Near(*one) for one in best[:_MOST_CANDIDATES])

    def _index(self, classes: tuple[str, ...], among: Collection[str]) -> Index:
        """Return the labels of the things of some classes, to compare with words that none of them has."""
        if classes not in self._indexes:
            rows = [(iri, self.label(iri), self.kind(iri), False) for iri in among]
            self._indexes[classes] = Index.from_rows(rows)
        return self._indexes[classes]
