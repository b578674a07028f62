"""One published version on disk: written whole or not at all, found again, kept while somebody serves it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import pyoxigraph as ox

from kg import names
from kg.config import Settings
from kg.errors import NotAcceptableError
from kg.names import Prefixes, load_prefixes

KEPT_VERSIONS = 3
EXPORTS = {
    "trig": (ox.RdfFormat.TRIG, True),
    "nq": (ox.RdfFormat.N_QUADS, True),
    "jsonld": (ox.RdfFormat.JSON_LD, True),
    "ttl": (ox.RdfFormat.TURTLE, False),
    "nt": (ox.RdfFormat.N_TRIPLES, False),
}
_QUADS = "dataset.nq"
_MANIFEST = "manifest.json"
_UNFINISHED = ".new-"


@dataclass(frozen=True)
class Snapshot:
    """
    One published version.

    Args:
        path: Its folder.
        version: Its name.
        manifest: What it holds: version, fingerprint, counts, created, prefixes, bytes, sha256.
    """

    path: Path
    version: str
    manifest: dict[str, Any]

    @property
    def quads_path(self) -> Path:
        """The N-Quads file: every named graph, and the merged default graph without a graph name."""
        return self.path / _QUADS

    @property
    def prefixes(self) -> Prefixes:
        """The prefix map as it was when the version was published."""
        return Prefixes(self.manifest["prefixes"])


def write_snapshot(
    store: ox.Store,
    settings: Settings,
    *,
    version: str,
    manifest: dict[str, Any],
    commit: Callable[[], None] = lambda: None,
) -> Snapshot:
    """
    Publish what a store holds as one version and make it the current one.

    The default graph is written as the merge of all named graphs but the shapes, each triple once. Either all
    of it is there afterwards or nothing has changed; the last three versions stay, and those that are held.

    Args:
        store: Named graphs; its own default graph is ignored.
        settings: Where to build.
        version: The name; a version that is there already is not written again.
        manifest: More to say of it, e.g. fingerprint and prefixes.
        commit: Called when the version is on disk and not yet the current one; if it raises, it never is.
    """
    versions = settings.build_path / "versions"
    versions.mkdir(parents=True, exist_ok=True)
    found = _read(versions / version)
    if found is None:
        shutil.rmtree(versions / version, ignore_errors=True)
        found = _write(store, settings, version, manifest)
    commit()
    _point(settings.build_path, version)
    _prune(versions, version)
    return found


def find_snapshot(settings: Settings) -> Snapshot | None:
    """Return the current version; None where there is none, or it is damaged."""
    try:
        version = (settings.build_path / "current").read_text(encoding="utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _read(settings.build_path / "versions" / version) if version else None


@contextmanager
def hold(snapshot: Snapshot) -> Iterator[None]:
    """Keep a version from being tidied away while it is in use, by this process or until it dies."""
    with snapshot.quads_path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


@contextmanager
def build_lock(settings: Settings, *, waiting: Callable[[], None]) -> Iterator[None]:
    """
    Let one build at a time through.

    Args:
        settings: Whose build folder.
        waiting: Called once if another build has to be waited for.
    """
    settings.build_path.mkdir(parents=True, exist_ok=True)
    with (settings.build_path / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def export(snapshot: Snapshot, format: str, stream: IO[bytes]) -> None:
    """
    Write a version to a stream: `trig`, `nq`, `jsonld` with its named graphs, `ttl`, `nt` merged into one.

    Raises:
        NotAcceptableError: No such format; holds those there are.
    """
    if format not in EXPORTS:
        available = sorted(EXPORTS)
        raise NotAcceptableError(
            f"no format {format!r}: expected one of {', '.join(available)}.", available=available
        )
    rdf_format, is_named = EXPORTS[format]
    prefixes = dict(snapshot.prefixes)
    with snapshot.quads_path.open("rb") as file:
        quads = ox.parse(file, format=ox.RdfFormat.N_QUADS)
        if is_named:
            named = (one for one in quads if one.graph_name != ox.DefaultGraph())
            ox.serialize(named, stream, rdf_format, prefixes=prefixes)
        else:
            merged = (one.triple for one in quads if one.graph_name == ox.DefaultGraph())
            ox.serialize(merged, stream, rdf_format, prefixes=prefixes)


def count(store: ox.Store) -> dict[str, Any]:
    """
    Count what a store holds: quads, triples of the merge, records of each kind, quads by kind of graph.

    Returns:
        Name to number; `graphs` maps each kind of graph (claims, entities, open/…) to its quads.
    """
    kinds: Counter[str] = Counter()
    merged: set[ox.Triple] = set()
    for quad in store:
        if not isinstance(quad.graph_name, ox.NamedNode):
            continue
        kinds[_kind(quad.graph_name.value)] += 1
        if quad.graph_name.value != names.SHAPES_GRAPH:
            merged.add(quad.triple)
    return {
        "quads": sum(kinds.values()),
        "triples": len(merged),
        "claims": _count_typed(store, "Claim", names.CLAIMS_GRAPH),
        "passages": _count_typed(store, "Passage", names.PASSAGES_GRAPH),
        "documents": _count_typed(store, "SourceDocument", names.ENTITIES_GRAPH),
        "entities": sum(
            str(one).startswith(f"<{names.ID}") for one in _subjects(store, names.ENTITIES_GRAPH)
        ),
        "concepts": len(_subjects(store, names.CONCEPTS_GRAPH)),
        "graphs": dict(sorted(kinds.items())),
    }


def _kind(graph: str) -> str:
    if graph.startswith(names.GRAPH):
        return graph.removeprefix(names.GRAPH)
    return "claim graphs" if graph.startswith(names.CLAIM) else "other"


def _count_typed(store: ox.Store, name: str, graph: str) -> int:
    kind = ox.NamedNode(names.LAT + name)
    return sum(
        1 for _ in store.quads_for_pattern(None, ox.NamedNode(names.RDF + "type"), kind, ox.NamedNode(graph))
    )


def _subjects(store: ox.Store, graph: str) -> set[object]:
    kind = ox.NamedNode(names.RDF + "type")
    return {one.subject for one in store.quads_for_pattern(None, kind, None, ox.NamedNode(graph))}


def _write(store: ox.Store, settings: Settings, version: str, manifest: dict[str, Any]) -> Snapshot:
    versions = settings.build_path / "versions"
    folder = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=versions))
    try:
        content = _quads(store)
        whole = {
            "prefixes": dict(
                manifest.get("prefixes") or load_prefixes(settings.path("ontology", "prefixes.ttl"))
            ),
            **{key: value for key, value in manifest.items() if key != "prefixes"},
            "version": version,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "counts": count(store),
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        _write_durably(folder / _QUADS, content)
        text = json.dumps(whole, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
        _write_durably(folder / _MANIFEST, text.encode())
        folder.chmod(0o755)
        _sync(folder)
        folder.rename(versions / version)
        _sync(versions)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Snapshot(versions / version, version, whole)


def _quads(store: ox.Store) -> bytes:
    """Return N-Quads: named graphs in order, then the merged default graph, sorted."""
    named = [one for one in store if isinstance(one.graph_name, ox.NamedNode)]
    merged = {one.triple for one in named if one.graph_name != ox.NamedNode(names.SHAPES_GRAPH)}
    named.sort(key=lambda one: (str(one.graph_name), str(one.subject), str(one.predicate), str(one.object)))
    flat = sorted(merged, key=lambda one: (str(one.subject), str(one.predicate), str(one.object)))
    everything = [*named, *(ox.Quad(*one) for one in flat)]
    return ox.serialize(everything, format=ox.RdfFormat.N_QUADS) or b""


def _read(folder: Path) -> Snapshot | None:
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        is_whole = (folder / _QUADS).stat().st_size == manifest["bytes"]
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError):
        return None
    return Snapshot(folder, folder.name, manifest) if is_whole else None


def _point(build: Path, version: str) -> None:
    _write_durably(build / ".current", f"{version}\n".encode())
    (build / ".current").replace(build / "current")
    _sync(build)


def _prune(versions: Path, current: str) -> None:
    """Remove all but the newest versions, and what interrupted builds left; one that is held stays."""
    for folder in versions.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(folder, ignore_errors=True)
    folders = sorted(
        (one for one in versions.iterdir() if one.name != current), key=lambda one: one.stat().st_mtime
    )
    for folder in folders[: max(0, len(folders) - KEPT_VERSIONS + 1)]:
        if not _is_held(folder / _QUADS):
            shutil.rmtree(folder, ignore_errors=True)


def _is_held(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
