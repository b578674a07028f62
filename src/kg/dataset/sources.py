"""Which files hold the graph, and what each folder may hold."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kg import names
from kg.errors import DataError, MissingPartError, Problem


@dataclass(frozen=True, slots=True)
class SourceFile:
    """
    One file of the project that makes the graph.

    Args:
        path: Where it is, opened by the root folder as given.
        graph: The named graph of all its triples; None where the file names its own or holds none.
        kind: ontology, concepts, shapes, catalog, entities, open (Turtle); claims, contributions (TriG);
            mappings (SSSOM), exceptions (YAML), check, rule (SPARQL).
    """

    path: Path
    graph: str | None
    kind: str

    @property
    def document(self) -> str:
        """The folder's name: the document of a claims file, the source of an open-data file."""
        return self.path.parent.name

    @property
    def is_data(self) -> bool:
        """Whether `kg format` writes it: the Turtle and TriG below data/."""
        return self.kind in ("catalog", "entities", "open", "claims", "contributions")


_Graph = str | Callable[[Path], str] | None
# pattern below the root, kind, graph
_PLACES: list[tuple[str, str, _Graph]] = [
    ("ontology/*.ttl", "ontology", names.ONTOLOGY_GRAPH),
    ("ontology/concepts/*.ttl", "concepts", names.CONCEPTS_GRAPH),
    ("shapes/*.ttl", "shapes", names.SHAPES_GRAPH),
    ("data/catalog.ttl", "catalog", names.CATALOG_GRAPH),
    ("data/entities/*.ttl", "entities", names.ENTITIES_GRAPH),
    ("data/open/*/*.ttl", "open", lambda path: f"{names.GRAPH}open/{path.parent.name}"),
    ("data/mappings/*.sssom.tsv", "mappings", None),
    ("data/documents/*/*.trig", "claims", None),
    ("data/documents/*/not-facts.yaml", "exceptions", None),
    ("data/contributions/*.trig", "contributions", None),
    ("data/contributions/contributors.ttl", "entities", names.ENTITIES_GRAPH),
    ("queries/checks/*.rq", "check", None),
    ("queries/rules/*.rq", "rule", None),
]
_SEARCHED = ("ontology", "shapes", "data", "queries/checks", "queries/rules")


def find_sources(root: Path) -> list[SourceFile]:
    """
    List every file that makes the graph, in order of path.

    Hidden files and README.md are passed over; any other file that fits no place is refused.

    Raises:
        MissingPartError: The folder is not the root of a project.
        DataError: A file lies where nothing reads it; one problem each.
    """
    files, problems = scan_sources(root)
    if problems:
        raise DataError(problems)
    return files


def scan_sources(root: Path) -> tuple[list[SourceFile], list[Problem]]:
    """
    List the files that make the graph, and a problem for each that fits no place.

    Raises:
        MissingPartError: The folder is not the root of a project.
    """
    if not (root / "ontology" / "prefixes.ttl").is_file():
        raise MissingPartError(
            f"{root / 'ontology' / 'prefixes.ttl'} is not there: expected the root folder of a project. "
            "Go there, or name it: kg --root FOLDER …",
            part="ontology/prefixes.ttl",
        )
    files: list[SourceFile] = []
    problems: list[Problem] = []
    for path in _paths(root):
        found = _place(root, path)
        if found:
            files.append(found)
        else:
            problems.append(_stray(root, path))
    return files, problems


def fingerprint(root: Path) -> str:
    """
    Return the SHA-256 over relative paths and bytes of every source file, in hexadecimal digits.

    Strays count too, so that adding one is seen, and which files are damaged.
    """
    digest = hashlib.sha256()
    for one in find_damaged(root):
        digest.update(f"damaged\0{one.path.name if one.path else ''}\0".encode())
    for path in _paths(root):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def digest_path(root: Path, contribution: str) -> Path:
    """Return where the SHA-256 of an accepted contribution's file is kept, as `sha256sum` writes it."""
    return root / "data" / "contributions" / ".kept" / contribution / "published.sha256"


def find_damaged(root: Path) -> list[Problem]:
    """
    Tell which accepted contributions are not the bytes that were accepted; they are left out of the graph.

    A contribution without a digest was written by hand and stands as it is.
    """
    problems = []
    for path in sorted((root / "data" / "contributions").glob("*.trig")):
        try:
            kept = digest_path(root, path.stem).read_text(encoding="ascii").split()[0]
        except (FileNotFoundError, IndexError, UnicodeDecodeError):
            continue
        if hashlib.sha256(path.read_bytes()).hexdigest() != kept:
            message = "this is not what was accepted (its SHA-256 is another): its claims are left out."
            fix = (
                f"kg contributions {path.stem} --restore writes what was accepted; --keep takes it as it is."
            )
            problems.append(Problem(message, path, fix=fix, code="damaged-file"))
    return problems


def _paths(root: Path) -> Iterator[Path]:
    found = (path for folder in _SEARCHED for path in (root / folder).rglob("*"))
    for path in sorted(found, key=lambda one: one.relative_to(root).as_posix()):
        is_hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        if path.is_file() and not is_hidden and path.name != "README.md":
            yield path


def _place(root: Path, path: Path) -> SourceFile | None:
    relative = path.relative_to(root)
    for pattern, kind, graph in _PLACES:
        if len(relative.parts) == pattern.count("/") + 1 and relative.match(pattern):
            return SourceFile(path, graph(path) if callable(graph) else graph, kind)
    return None


def _stray(root: Path, path: Path) -> Problem:
    folder = path.relative_to(root).parts
    near = [
        pattern
        for pattern, _, _ in _PLACES
        if pattern.split("/")[: len(folder) - 1][:2] == list(folder[:-1])[:2]
    ]
    near = near or [pattern for pattern, _, _ in _PLACES if pattern.startswith(folder[0] + "/")]
    return Problem(
        f"nothing reads this file: expected {' or '.join(near)}.",
        path,
        fix="move it to where its kind belongs, or out of the folder.",
    )
