"""All files into one store, or all that is wrong with them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pyoxigraph as ox

from kg import names, turtle
from kg.dataset.sources import SourceFile, find_damaged, scan_sources
from kg.dataset.syntax import FORMATS, Parsed, parse
from kg.errors import DataError, Problem
from kg.names import Prefixes

_TYPE = names.RDF + "type"
_NAMING = (_TYPE, names.RDFS + "label")
_RECORDS = {names.LAT + "Claim": "claim", names.LAT + "Passage": "passage"}
_SHARED_GRAPHS = {names.CLAIMS_GRAPH: names.CLAIM, names.PASSAGES_GRAPH: names.PASSAGE}
_CONTRIBUTED_GRAPHS = {names.ENTITIES_GRAPH, names.CONTRIBUTIONS_GRAPH}  # beside the shared ones
_GRAPHS_OF_MANY = _CONTRIBUTED_GRAPHS | set(_SHARED_GRAPHS)
_BLOCK = re.compile(r"^[ \t]*(?!graph:)(?:GRAPH[ \t]+)?[^\s{}\"#;,]+\s*\{", re.MULTILINE | re.IGNORECASE)


class Dataset:
    """
    The graph as the files say it.

    Args:
        root: The project's root folder.
        files: Every source file, in order of path.
        prefixes: The prefix map of ontology/prefixes.ttl.
        store: Every triple in its named graph; the default graph is empty.
        damaged: The files that were left out because they are not what was accepted, one problem each.
    """

    def __init__(self, root: Path, files: list[SourceFile], prefixes: Prefixes) -> None:
        self.root = root
        self.files = files
        self.prefixes = prefixes
        self.store = ox.Store()
        self.damaged: list[Problem] = []
        self._documents: dict[Path, turtle.Document] = {}
        self._texts: dict[Path, str] = {}

    def locate(
        self, iri: str, *, predicate: str | None = None, graph: str | None = None
    ) -> tuple[Path, int] | None:
        """
        Find where a thing is written: the file, and the line of its block or of one of its predicates.

        The block that gives its type comes before others; a claim without a record is found by its graph.

        Args:
            iri: The subject, or a named graph.
            predicate: Look for this property of it; where it has none, its block is meant.
            graph: Look only in this named graph.

        Returns:
            The file and the line, from 1; None where no file speaks of it.
        """
        found: list[tuple[tuple[bool, bool], Path, int]] = []
        for file in self._candidates(iri):
            document = self.document(file.path)
            for one in document.statements:
                name = one.graph.value if one.graph else file.graph
                if one.subject.value == iri and (graph is None or name == graph):
                    is_asked = one.predicate.value == predicate
                    line = one.line if is_asked else one.subject_line
                    found.append(((not is_asked, one.predicate.value != _TYPE), file.path, line))
        if found:
            _, path, line = min(found, key=lambda one: one[0])
            return path, line
        return next(self._blocks(iri), None)

    def document(self, path: Path) -> turtle.Document:
        """Return what one Turtle or TriG file says, with lines; read once."""
        if path not in self._documents:
            try:
                self._documents[path] = turtle.read(self._text(path))
            except DataError as error:
                raise DataError(replace(one, path=path) for one in error.problems) from error
        return self._documents[path]

    def _text(self, path: Path) -> str:
        if path not in self._texts:
            self._texts[path] = path.read_bytes().decode("utf-8")
        return self._texts[path]

    def _candidates(self, iri: str) -> Iterator[SourceFile]:
        local = iri[max(iri.rfind("/"), iri.rfind("#")) + 1 :]
        return (one for one in self.files if one.path.suffix in FORMATS and local in self._text(one.path))

    def _blocks(self, iri: str) -> Iterator[tuple[Path, int]]:
        for file in self._candidates(iri):
            for name, line in self.document(file.path).blocks:
                if name == iri:
                    yield file.path, line


def load_dataset(root: Path) -> Dataset:
    """
    Read every source file into one store.

    Raises:
        MissingPartError: The folder is not the root of a project.
        DataError: All problems of all files, in order of file and line: syntax, prefixes, blank nodes,
            triples in the wrong graph, things defined twice, files that nothing reads.
    """
    files, problems = scan_sources(root)
    damaged = find_damaged(root)
    files = [one for one in files if one.path not in {problem.path for problem in damaged}]
    loader = _Loader(Dataset(root, files, names.load_prefixes(root / "ontology" / "prefixes.ttl")))
    loader.dataset.damaged = damaged
    for file in files:
        if file.path.suffix in FORMATS:
            loader.add(file)
    problems += loader.problems
    if not problems:
        problems += loader.repeated()
    if problems:
        raise DataError(sorted(problems, key=lambda one: (str(one.path), one.line or 0, one.column or 0)))
    return loader.dataset


class _Loader:
    """One pass over the files."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.problems: list[Problem] = []
        self.named: dict[str, list[SourceFile]] = defaultdict(list)
        self.graphs: dict[str, list[SourceFile]] = defaultdict(list)
        self.records: dict[tuple[str, str], list[SourceFile]] = defaultdict(list)

    def add(self, file: SourceFile) -> None:
        """Parse one file, check what can be seen in it alone, add its quads."""
        parsed = parse(file.path.read_bytes(), file.path, self.dataset.prefixes)
        self.problems += parsed.problems
        if any(one.line for one in parsed.problems):
            return
        try:
            self._check(file, parsed)
        except DataError as error:
            self.problems += error.problems
        self._note(file, parsed.quads)
        quads: Iterable[ox.Quad] = _relabelled(parsed.quads, file.path.relative_to(self.dataset.root))
        if file.graph:
            graph = ox.NamedNode(file.graph)
            quads = (ox.Quad(one.subject, one.predicate, one.object, graph) for one in quads)
        self.dataset.store.extend(quads)

    def _check(self, file: SourceFile, parsed: Parsed) -> None:
        if file.is_data:
            self.problems += self._nodes(file, parsed)
        if file.graph is None:
            self.problems += self._graphs(file, parsed)

    def _nodes(self, file: SourceFile, parsed: Parsed) -> Iterator[Problem]:
        if not any(isinstance(node, ox.BlankNode) for one in parsed.quads for node in one.triple):
            return
        lines = set()
        for one in self.dataset.document(file.path).statements:
            if one.object.kind == "blank":
                lines.add(one.line)
            elif one.subject.kind == "blank" and one.subject_line not in lines:
                lines.add(one.subject_line)
        for line in sorted(lines):
            message = "a blank node stands here: expected an IRI, so that it can be cited and corrected."
            yield Problem(
                message,
                file.path,
                line,
                fix="name it, e.g. id:malta-tenure-1990, and say its triples of that.",
            )

    def _graphs(self, file: SourceFile, parsed: Parsed) -> Iterator[Problem]:
        """Check that a file of claims speaks only in and of its own folder's claims and passages."""
        folder = file.document if file.kind == "claims" else f"contribution/{file.path.stem}"
        seen: set[tuple[str, str]] = set()
        for quad in parsed.quads:
            graph, subject = quad.graph_name, quad.subject
            name = graph.value if isinstance(graph, ox.NamedNode) else ""
            about = subject.value if isinstance(subject, ox.NamedNode) else ""
            if file.kind == "contributions" and name in _CONTRIBUTED_GRAPHS:
                if not about or _may_say(name, about, file.path.stem) or (name, about) in seen:
                    continue
                seen.add((name, about))
                yield self._foreign(file, (name, about), is_record=True, folder=folder)
                continue
            base = _SHARED_GRAPHS.get(name)
            wrong = name if base is None else about
            allowed = f"{base or names.CLAIM}{folder}/"
            if wrong.startswith(allowed) or (base and not about) or (name, wrong) in seen:
                continue
            seen.add((name, wrong))
            yield self._foreign(file, (name, about), is_record=base is not None, folder=folder)

    def _foreign(self, file: SourceFile, place: tuple[str, str], *, is_record: bool, folder: str) -> Problem:
        graph, subject = place
        compress = self.dataset.prefixes.compress
        statements = self.dataset.document(file.path).statements
        line = next(
            one.subject_line
            for one in statements
            if (one.graph.value if one.graph else "") == graph and one.subject.value == subject
        )
        mine = compress(f"{names.CLAIM}{folder}/0001")
        if not graph:
            return Problem(
                f"{compress(subject)} stands outside any claim: expected every triple inside one.",
                file.path,
                line,
                fix=f"put it into a graph: {mine} {{ … }}.",
                subject=subject,
            )
        what = f"{compress(subject)} in {compress(graph)}" if is_record else f"graph {compress(graph)}"
        line = line if is_record else dict(self.dataset.document(file.path).blocks).get(graph, line)
        return Problem(
            f"{what} does not belong to this folder: expected claims and passages of {folder!r} only.",
            file.path,
            line,
            fix=f"name it {mine} or the like, or move it.",
            subject=subject if is_record else graph,
        )

    def _note(self, file: SourceFile, quads: list[ox.Quad]) -> None:
        """Remember where things are named, recorded and claimed, for `repeated`."""
        if file.graph is None:
            for name in {str(quad.graph_name)[1:-1] for quad in quads} - _GRAPHS_OF_MANY:
                self.graphs[name].append(file)
        last = ""
        for quad in quads:
            predicate = quad.predicate.value
            subject = quad.subject
            is_naming = file.kind in ("entities", "concepts") or _is_in(quad, names.ENTITIES_GRAPH)
            if predicate not in _NAMING or not isinstance(subject, ox.NamedNode):
                continue
            known = self.named[subject.value]
            is_apart = file.kind != "concepts" and subject.value != last
            if is_naming and (file not in known or is_apart):
                known.append(file)
            last = subject.value if is_naming else last
            if predicate == _TYPE and isinstance(quad.object, ox.NamedNode) and quad.object.value in _RECORDS:
                self.records[_RECORDS[quad.object.value], subject.value].append(file)

    def repeated(self) -> Iterator[Problem]:
        """Tell what is defined twice: an entity, a claim's record, a passage, a claim's graph."""
        for iri, files in self.named.items():
            if len(files) > 1:
                yield self._twice("defined", iri, files, _is_named)
        for (kind, iri), files in self.records.items():
            if len(files) > 1:
                yield self._twice(f"recorded as a {kind}", iri, files, _is_record)
        for file in self.dataset.files:
            if file.graph is None and file.path.suffix in FORMATS and self._has_more_blocks(file):
                for name, count in Counter(
                    name for name, _ in self.dataset.document(file.path).blocks
                ).items():
                    if name not in _GRAPHS_OF_MANY:
                        self.graphs[name] += [file] * (count - 1)
        for name, files in self.graphs.items():
            if len(files) > 1:
                yield self._problem("written as a claim's graph", name, self._heads(name, files))

    def _has_more_blocks(self, file: SourceFile) -> bool:
        """Whether a file may open more blocks than it has graphs (quick; a string may look like one)."""
        text = file.path.read_text(encoding="utf-8")
        return len(_BLOCK.findall(text)) > sum(file in files for files in self.graphs.values())

    def _heads(self, name: str, files: list[SourceFile]) -> list[tuple[Path, int]]:
        return [
            (file.path, line)
            for file in dict.fromkeys(files)
            for head, line in self.dataset.document(file.path).blocks
            if head == name
        ]

    def _twice(
        self, how: str, iri: str, files: list[SourceFile], wanted: Callable[[turtle.Statement], bool]
    ) -> Problem:
        places = [
            (file.path, one.subject_line)
            for file in dict.fromkeys(files)
            for one in self.dataset.document(file.path).statements
            if one.subject.value == iri and wanted(one)
        ]
        return self._problem(how, iri, list(dict.fromkeys(places)))

    def _problem(self, how: str, iri: str, places: list[tuple[Path, int]]) -> Problem:
        (first, first_line), (path, line) = places[0], places[-1]
        name = self.dataset.prefixes.compress(iri)
        return Problem(
            f"{name} is {how} twice: here and at {first}:{first_line}; expected one place.",
            path,
            line,
            fix="delete one of the two, or give one another name.",
            subject=iri,
        )


def _may_say(graph: str, subject: str, contribution: str) -> bool:
    """Tell whether a contribution may speak of something: what it names, its history, its own claims."""
    if graph == names.ENTITIES_GRAPH:
        return subject.startswith((names.ID, names.DOCUMENT))
    whole = names.CONTRIBUTION + contribution
    own = (f"{whole}/", f"{names.CLAIM}contribution/{contribution}/")
    return subject == whole or subject.startswith(own)


def _is_in(quad: ox.Quad, graph: str) -> bool:
    return isinstance(quad.graph_name, ox.NamedNode) and quad.graph_name.value == graph


def _is_named(one: turtle.Statement) -> bool:
    return one.graph is None or one.graph.value == names.ENTITIES_GRAPH


def _is_record(one: turtle.Statement) -> bool:
    return one.predicate.value == _TYPE and one.object.value in _RECORDS


def _relabelled(quads: list[ox.Quad], path: Path) -> list[ox.Quad]:
    """Give blank nodes labels that are the same at every build and differ between files."""
    if not any(isinstance(node, ox.BlankNode) for one in quads for node in one.triple):
        return quads
    labels: dict[str, ox.BlankNode] = {}
    stem = "".join(character if character.isalnum() else "-" for character in path.with_suffix("").as_posix())

    def kept(node: ox.NamedNode | ox.BlankNode | ox.Literal | ox.Triple) -> object:
        if not isinstance(node, ox.BlankNode):
            return node
        return labels.setdefault(node.value, ox.BlankNode(f"{stem}-{len(labels) + 1}"))

    return [ox.Quad(kept(one.subject), one.predicate, kept(one.object), one.graph_name) for one in quads]  # type: ignore[arg-type]
