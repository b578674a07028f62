"""
Growth: the graph multiplied in its own shape, streamed to a file, the same bytes for the same seed.

Entities, claims, passages and documents come again in every copy under IRIs of their own, with other names
(capitalised words are spelt anew, other words stay), other dates and other digests. Concepts, ontology,
shapes and descriptions stay single. One link in eight leads into the next copy, so that the whole is one
graph; an inverse leads back from there, since the pair of entities decides.

So what a name or a link finds stays as it is while the graph grows, and what a word, a class, a span of
time or a technique finds grows with it.
"""

from __future__ import annotations

import datetime
import hashlib
import re
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

BASE = "https://w3id.org/lateral/"
SINGLE = frozenset(
    f"<{BASE}graph/{name}>" for name in ("concepts", "ontology", "shapes", "void", "examples", "catalog")
)
DIGEST = f"<{BASE}ontology#digest>"
_NAMING = frozenset(
    {
        "<http://www.w3.org/2000/01/rdf-schema#label>",
        "<http://www.w3.org/2004/02/skos/core#prefLabel>",
        "<http://www.w3.org/2004/02/skos/core#altLabel>",
        "<http://purl.org/dc/terms/description>",
        f"<{BASE}ontology#gist>",
        f"<{BASE}ontology#firstWords>",
        f"<{BASE}ontology#lastWords>",
    }
)
_LINE = re.compile(
    r"(<[^>]*>|_:\S+) (<[^>]*>) "
    r"(<[^>]*>|_:\S+|\"(?:[^\"\\]|\\.)*\"(?:@[A-Za-z0-9-]+|\^\^<[^>]*>)?)(?: (<[^>]*>))? \.\n"
)
# the slug after these grows a number: an entity, a document, the document of a claim or a passage
_GROWING = re.compile(rf"<{re.escape(BASE)}(id|document|claim|passage)/([^/#>]+)")
_DATE = re.compile(
    r"\"(-?\d{4})(-\d\d)?(-\d\d)?\"\^\^<http://www\.w3\.org/2001/XMLSchema#(date|gYear|gYearMonth)>"
)
_NAME = re.compile(r"\b[A-Z][A-Za-z]+\b")
_HERE, _NEXT = "\x00", "\x01"
_VOWELS, _CONSONANTS = "aeiou", "bcdfghjklmnpqrstvwxyz"
_UNITS = (1, 2, 4, 5, 8, 10, 11, 13, 16, 17, 19, 20)  # those that share no divisor with 21 consonants
_LONGEST_SHIFT_DAYS = 14_600


@dataclass(frozen=True, slots=True)
class Line:
    """One statement that grows: its text with marks where the copy's number goes, and what changes in it."""

    text: str
    change: Callable[[str, int], str] | None


@dataclass(frozen=True, slots=True)
class Shape:
    """A graph read for multiplication: statements that stay single, as text, and those that grow."""

    single: str
    growing: tuple[Line, ...]

    @property
    def quads(self) -> int:
        """Count the statements of the graph as it is."""
        return self.single.count("\n") + len(self.growing)

    def copies(self, factor: float) -> int:
        """
        Return how many copies make the whole `factor` times its size, in quads; 1 is the graph as it is.

        >>> Shape("a .\\n" * 10, (Line("b .", None),) * 10).copies(10)
        19
        """
        fixed = self.single.count("\n")
        return max(1, round((factor * self.quads - fixed) / max(1, len(self.growing))))


def read_shape(path: Path, *, seed: int = 1) -> Shape:
    """Read an N-Quads file as `kg build` writes it: named graphs, then their merge without a graph name."""
    with path.open(encoding="utf-8", newline="\n") as stream:
        parsed = [(_parts(line), line) for line in stream]
    single = {parts[:3] for parts, _ in parsed if parts[3] in SINGLE}
    fixed: list[str] = []
    growing: list[Line] = []
    for parts, line in parsed:
        is_single = parts[3] in SINGLE or (parts[3] is None and parts[:3] in single)
        if is_single or not _GROWING.search(line):
            fixed.append(line)
        else:
            growing.append(_mark(parts, line, seed))
    return Shape("".join(fixed), tuple(growing))


def grow(shape: Shape, copies: int) -> Iterator[str]:
    """Yield the text of the whole, piece by piece; the first copy is the graph as it is."""
    yield shape.single
    plain = "".join(line.text for line in shape.growing if line.change is None)
    changing = [line for line in shape.growing if line.change is not None]
    for number in range(copies):
        here, beyond = suffix(number), suffix((number + 1) % copies)
        texts = (line.change(line.text, number) if line.change else line.text for line in changing)
        for text in (plain, "".join(texts)):
            yield text.replace(_HERE, here).replace(_NEXT, beyond)


def write_grown(source: Path, target: Path, *, factor: float, seed: int = 1) -> int:
    """Write a graph multiplied to `factor` times its quads; return how many quads there are."""
    shape = read_shape(source, seed=seed)
    copies = shape.copies(factor)
    unfinished = target.with_suffix(".new")
    with unfinished.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(grow(shape, copies))
    unfinished.replace(target)
    return shape.single.count("\n") + copies * len(shape.growing)


def respell(text: str, number: int) -> str:
    """
    Spell every capitalised word anew; copy 0 keeps its names.

    >>> respell("Forum of Small States", 0), respell("Forum of Small States", 3)
    ('Forum of Small States', 'Jeviq of Wqopp Wxoxuw')
    """
    if number == 0:
        return text
    table = _alphabet(number)
    return _NAME.sub(lambda found: found.group().translate(table), text)


def shift_date(text: str, number: int) -> str:
    """
    Move a date, a month or a year back, by days that the copy decides.

    >>> shift_date('"2024-05-31"^^<http://www.w3.org/2001/XMLSchema#date>', 1)
    '"2024-04-24"^^<http://www.w3.org/2001/XMLSchema#date>'
    """
    days = number * 37 % _LONGEST_SHIFT_DAYS

    def moved(found: re.Match[str]) -> str:
        year, month, day, kind = found.groups()
        whole = datetime.date(int(year), int((month or "-07")[1:]), int((day or "-01")[1:]))
        parts = (whole - datetime.timedelta(days)).isoformat().split("-")
        kept = parts[: 1 + bool(month) + bool(day)]
        return f'"{"-".join(kept)}"^^<http://www.w3.org/2001/XMLSchema#{kind}>'

    return _DATE.sub(moved, text)


def _parts(line: str) -> tuple[str, str, str, str | None]:
    found = _LINE.fullmatch(line)
    if found is None:
        raise ValueError(f"not a line of N-Quads: {line!r}")
    subject, predicate, value, graph = found.groups()
    return subject, predicate, value, graph


def _mark(parts: tuple[str, str, str, str | None], line: str, seed: int) -> Line:
    subject, predicate, value, graph = parts
    subject_mark = value_mark = _HERE
    if (
        subject.startswith(f"<{BASE}id/")
        and value.startswith(f"<{BASE}id/")
        and _leads_on(subject, value, seed)
    ):
        subject_mark, value_mark = (_HERE, _NEXT) if subject < value else (_NEXT, _HERE)
    pieces = [_marked(subject, subject_mark), predicate]
    pieces.append(_marked(value, value_mark) if value.startswith("<") else value)
    if graph is not None:
        pieces.append(_marked(graph, _HERE))
    return Line(" ".join(pieces) + " .\n", _change(subject, predicate, value))


def _change(subject: str, predicate: str, value: str) -> Callable[[str, int], str] | None:
    if predicate == DIGEST:
        return _redigest
    if predicate in _NAMING and _NAME.search(value):
        return _respell_value
    if subject.startswith(f"<{BASE}id/") and _DATE.search(value):
        return shift_date
    return None


def _respell_value(text: str, number: int) -> str:
    head, quote, tail = text.partition('"')
    body, last, rest = tail.rpartition('"')
    return f"{head}{quote}{respell(body, number)}{last}{rest}"


def _redigest(text: str, number: int) -> str:
    if number == 0:
        return text
    head, old, tail = text.split('"')
    return f'{head}"{hashlib.sha256(f"{old}{number}".encode()).hexdigest()}"{tail}'


def _marked(term: str, mark: str) -> str:
    return _GROWING.sub(lambda found: found.group() + mark, term)


def _leads_on(one: str, other: str, seed: int) -> bool:
    pair = " ".join(sorted((one, other)))
    return hashlib.sha256(f"{seed} {pair}".encode()).digest()[0] < 32


def suffix(number: int) -> str:
    return f"-copy-{number}" if number else ""


def _alphabet(number: int) -> dict[int, str]:
    """Spell vowels and consonants by others, otherwise for each copy (1,260 spellings in all)."""
    moved: dict[str, str] = {}
    factor = _UNITS[number // 105 % len(_UNITS)]
    for letters, times in ((_VOWELS, 1), (_CONSONANTS, factor)):
        size = len(letters)
        moved |= {one: letters[(place * times + number) % size] for place, one in enumerate(letters)}
    return str.maketrans(moved | {one.upper(): moved[one].upper() for one in string.ascii_lowercase})
