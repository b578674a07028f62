"""
Templates: questions kept as SPARQL files, found, read strictly, and bound to values as RDF terms.

A file `queries/<topic>/<name>.rq` opens with a YAML header in `#+ ` lines and runs as it stands; each
parameter `name` is one line `VALUES ?nameWanted { … }` inside WHERE. Binding replaces what stands in that
line's braces by a term that rdflib wrote, and touches nothing else.
"""

from __future__ import annotations

import datetime
import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rdflib import XSD, Literal, URIRef

from kg.errors import DataError, KGError, NotFoundError, ParameterError, Problem
from kg.names import BASE, CONCEPT, ID, Prefixes

TYPES = ("iri", "gYear", "date", "string", "integer", "enum")
NOT_PUBLIC = ("checks", "rules")
_KEYS = {"title", "question", "description", "tags", "parameters", "columns"}
_PARAMETER_KEYS = {"type", "class", "scheme", "required", "description", "values", "default", "example"}
_NAME = re.compile(r"[a-z][A-Za-z0-9]*\Z")
_KEY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")
_VALUES = re.compile(r"^\s*VALUES\s+\?(\w+)Wanted\s*\{\s*(.*?)\s*\}\s*$")
_SLOT = re.compile(r"\{(\w+)\}")
_TOKENS = re.compile(
    r"\"\"\".*?\"\"\"|'''.*?'''|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|<[^<>\"{}|^`\\\s]*>|#[^\n]*",
    re.DOTALL,
)
# Source: SPARQL 1.1 Query, IRIREF, https://www.w3.org/TR/sparql11-query/#rIRIREF; absolute, so with a scheme.
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\x00-\x20\x7f-\x9f<>\"{}|\\^`\ud800-\udfff]+\Z")
_PREFIXED = re.compile(r"[A-Za-z][A-Za-z0-9\-]*:[A-Za-z0-9_\-]+\Z")
# Source: XML Schema Part 2, 3.2.11 gYear, without time zones.
_YEAR = re.compile(r"-?([1-9][0-9]{3,}|0[0-9]{3})\Z")
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_MAX_VALUE = 1000


@dataclass(frozen=True, slots=True)
class Parameter:
    """
    One parameter of a template.

    Args:
        name: As in the address and in `?nameWanted`.
        type: One of `TYPES`.
        description: What it means, for the form.
        required: Whether the question means nothing without it.
        class_iri: For `iri`: the class that the value must be of.
        scheme: For `iri`: the concept scheme that the value must be in, by its slug.
        values: For `enum`: what may be chosen.
        default: Used where nothing is given.
        example: What the file as it stands holds, as a person would type it.
        line: The line of its VALUES, from 0, in the file.
    """

    name: str
    type: str
    description: str
    required: bool
    class_iri: str | None
    scheme: str | None
    values: tuple[str, ...]
    default: str | None
    example: str | None
    line: int


Resolve = Callable[[str, Parameter], str]


@dataclass(frozen=True, slots=True)
class Template:
    """A question that is kept."""

    key: str
    path: Path
    title: str
    question: str
    description: str
    tags: tuple[str, ...]
    parameters: Mapping[str, Parameter]
    columns: tuple[str, ...]
    text: str
    prefixes: Prefixes

    @property
    def topic(self) -> str:
        """Return the folder that the template is in."""
        return self.key.split("/")[0]

    @property
    def query(self) -> str:
        """Return the query without its header."""
        lines = self.text.split("\n")
        return "\n".join(one for one in lines if not one.startswith("#+")).strip() + "\n"

    def bind(self, values: Mapping[str, str], *, resolve: Resolve | None = None) -> str:
        """
        Write the query with values in it, each as the RDF term that its parameter's type makes of it.

        Args:
            values: What was given, by parameter; an empty text means "not given".
            resolve: Turns what was typed for an `iri` parameter into an IRI; by default only IRIs, prefixed
                names and slugs are understood.

        Raises:
            ParameterError: Some values are wrong; field `errors` tells each.
        """
        resolve = resolve or resolver(self.prefixes)
        given = {name: value for name, value in values.items() if value.strip()}
        errors = [self._unknown(name) for name in given if name not in self.parameters]
        lines = self.text.split("\n")
        for parameter in self.parameters.values():
            try:
                term = self._term(parameter, given.get(parameter.name, parameter.default), resolve)
            except ParameterError as error:
                errors.append(error)
            else:
                lines[parameter.line] = _rewrite(lines[parameter.line], term)
        if errors:
            raise _together(errors)
        return "\n".join(lines)

    def sentence(self, values: Mapping[str, str] | None = None) -> str:
        """Return the question as a sentence: each slot filled with its value, or its name."""
        filled = {name: value for name, value in (values or {}).items() if value}
        plain = self.question.replace("**", "")
        return _SLOT.sub(lambda found: filled.get(found.group(1), _words(found.group(1))), plain)

    def pieces(self, values: Mapping[str, str] | None = None) -> list[tuple[str, bool, bool]]:
        """Cut the question into (text, whether it is a slot, whether the slot is filled)."""
        filled = {name: value for name, value in (values or {}).items() if value}
        cut = _SLOT.split(self.question.replace("**", ""))
        return [
            (filled.get(text, _words(text)), True, text in filled) if place % 2 else (text, False, False)
            for place, text in enumerate(cut)
            if text
        ]

    def _unknown(self, name: str) -> ParameterError:
        near = difflib.get_close_matches(name, list(self.parameters), n=3, cutoff=0.5)
        known = ", ".join(self.parameters) or "none"
        return ParameterError(
            f"{name!r} is not a parameter of {self.key}. Known: {known}.",
            parameter=name,
            value=None,
            near=near,
        )

    def _term(self, parameter: Parameter, value: str | None, resolve: Resolve) -> str:
        if value is None:
            if parameter.required:
                raise ParameterError(
                    f"{parameter.name} is needed: {parameter.description}.",
                    parameter=parameter.name,
                    value=None,
                    near=[parameter.example] if parameter.example else [],
                )
            return "UNDEF"
        return make_term(parameter, value.strip(), prefixes=self.prefixes, resolve=resolve)


def is_iri(text: str) -> bool:
    """
    Say whether a text is an absolute IRI that can stand in a query.

    >>> is_iri("https://example.org/a"), is_iri("https://example.org/> a")
    (True, False)
    """
    return bool(_IRI.match(text))


def make_term(parameter: Parameter, value: str, *, prefixes: Prefixes, resolve: Resolve) -> str:
    """
    Write one value as the SPARQL term of its parameter's type.

    Raises:
        ParameterError: The value is not of that type; fields `parameter`, `value`, `near`.
    """
    if len(value) > _MAX_VALUE:
        raise _wrong(parameter, value[:40] + "…", f"at most {_MAX_VALUE} characters")
    if _CONTROL.search(value):
        raise _wrong(parameter, value, "text without control characters")
    if parameter.type == "iri":
        iri = resolve(value, parameter)
        if not _IRI.match(iri):
            raise _wrong(parameter, value, "an IRI")
        return URIRef(iri).n3()
    if parameter.type == "enum":
        if value not in parameter.values:
            near = difflib.get_close_matches(value, parameter.values, n=3, cutoff=0.3)
            raise _wrong(parameter, value, "one of " + ", ".join(parameter.values), near=near)
        return URIRef(prefixes.expand(value)).n3() if _is_prefixed(value, prefixes) else _literal(value, None)
    return _typed_literal(parameter, value)


def resolver(
    prefixes: Prefixes,
    *,
    members: Callable[[Parameter], Collection[str] | None] = lambda _: None,
    find: Callable[[str, Collection[str] | None], Sequence[tuple[str, str, float]]] = lambda *_: (),
) -> Resolve:
    """
    Make what turns a typed text into an IRI: an IRI, a prefixed name, a slug or a label.

    Args:
        prefixes: For prefixed names.
        members: The IRIs that a parameter takes, or None where that is not known (then any is taken).
        find: Labels to (IRI, label, score from 0 to 100), best first, among some IRIs.
    """

    def resolve(value: str, parameter: Parameter) -> str:
        known = members(parameter)
        for iri in _readings(value, parameter, prefixes):
            if known is None or iri in known:
                return iri
        found = find(value, known)
        sure = [iri for iri, _, score in found if score >= 99.0]
        if len(sure) == 1:
            return sure[0]
        near = [f"{prefixes.compress(iri)} ({label})" for iri, label, _ in found[:5]]
        what = prefixes.compress(parameter.class_iri) if parameter.class_iri else parameter.scheme or "thing"
        expected = f"the name, slug or IRI of one {what} that is in the graph"
        raise _wrong(parameter, value, expected, near=near)

    return resolve


def load_templates(
    root: Path, prefixes: Prefixes, *, passed_over: list[Problem] | None = None
) -> dict[str, Template]:
    """
    Read all templates below `queries/`, but for checks and rules.

    Args:
        root: Folder of the project.
        prefixes: Those that headers may use.
        passed_over: Where given, takes the problems, and the templates that have some are left out.

    Returns:
        Each template under its key, `topic/name`, in the order of keys.

    Raises:
        DataError: Some headers are wrong and `passed_over` is not given; holds every problem.
    """
    found: dict[str, Template] = {}
    problems: list[Problem] = []
    folder = root / "queries"
    for path in sorted(folder.rglob("*.rq")):
        parts = path.relative_to(folder).with_suffix("").parts
        if parts[0] in NOT_PUBLIC:
            continue
        try:
            template = read_template(path, "/".join(parts), prefixes)
        except DataError as error:
            problems.extend(error.problems)
        else:
            found[template.key] = template
    if passed_over is not None:
        passed_over += problems
    elif problems:
        raise DataError(problems)
    return dict(sorted(found.items()))


def read_template(path: Path, key: str, prefixes: Prefixes) -> Template:
    """
    Read one template.

    Raises:
        DataError: The header does not say what it must, or does not fit the query; holds every problem.
    """
    reader = _Reader(path, key, prefixes)
    template = reader.read()
    if reader.problems or template is None:
        raise DataError(reader.problems)
    return template


class _HeaderLoader(yaml.BaseLoader):
    """Reads every scalar as text ("no" and "on" too), and refuses a key that stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Make a map of a node."""
        seen: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value} stands twice", key.start_mark
                )
            seen.add(str(key.value))
        return dict(super().construct_mapping(node, deep=True))


class _Reader:
    """Reads one file and gathers what is wrong with it."""

    def __init__(self, path: Path, key: str, prefixes: Prefixes) -> None:
        self.path, self.key, self.prefixes = path, key, prefixes
        self.text = path.read_text(encoding="utf-8")
        self.lines = self.text.split("\n")
        self.bare = _blank_out(self.text)
        self.problems: list[Problem] = []

    def complain(self, message: str, line: int | None = 1, fix: str | None = None) -> None:
        self.problems.append(Problem(message, self.path, line, fix=fix))

    def read(self) -> Template | None:
        if len(self.key.split("/")) != 2 or not all(_KEY.match(part) for part in self.key.split("/")):
            self.complain("a template is queries/<topic>/<name>.rq, in lower case with hyphens")
        header = self._header()
        if header is None:
            return None
        for name in sorted(set(header) - _KEYS):
            known = ", ".join(sorted(_KEYS))
            self.complain(f"unknown header key {name!r}; known: {known}", self._line_of(name))
        for name in ("title", "question", "description"):
            if not isinstance(header.get(name), str) or not header[name].strip():
                self.complain(f"the header needs {name}: a text", self._line_of(name))
        tags = self._words(header, "tags")
        columns = self._words(header, "columns")
        parameters = self._parameters(header.get("parameters") or {})
        self._check_columns(columns)
        self._check_question(str(header.get("question", "")), parameters)
        return Template(
            key=self.key,
            path=self.path,
            title=str(header.get("title", "")).strip(),
            question=str(header.get("question", "")).strip(),
            description=str(header.get("description", "")).strip(),
            tags=tags,
            parameters=parameters,
            columns=columns,
            text=self.text,
            prefixes=self.prefixes,
        )

    def _header(self) -> dict[str, Any] | None:
        rows = []
        for line in self.lines:
            if not line.startswith("#+"):
                break
            rows.append(line[3:])
        try:
            header = yaml.load("\n".join(rows), Loader=_HeaderLoader)  # noqa: S506
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", error)
            self.complain(f"the header is not YAML: {problem}", mark.line + 1 if mark else 1)
            return None
        if not isinstance(header, dict):
            self.complain("the file opens without a header", fix="begin with '#+ title: …'")
            return None
        return header

    def _line_of(self, name: str) -> int:
        for number, line in enumerate(self.lines, start=1):
            if re.match(rf"#\+\s+{re.escape(name)}\s*:", line):
                return number
        return 1

    def _words(self, header: Mapping[str, Any], name: str) -> tuple[str, ...]:
        value = header.get(name)
        if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
            self.complain(f"the header needs {name}: a list of words", self._line_of(name))
            return ()
        if len(set(value)) != len(value):
            self.complain(f"{name} names something twice", self._line_of(name))
        return tuple(value)

    def _parameters(self, given: Any) -> dict[str, Parameter]:
        if not isinstance(given, dict):
            self.complain("parameters is a map of name to {type, …}", self._line_of("parameters"))
            return {}
        places = self._values_lines()
        for name in sorted(set(places) - set(given)):
            self.complain(f"VALUES ?{name}Wanted belongs to no parameter of the header", places[name] + 1)
        read = [self._parameter(str(name), body, places) for name, body in given.items()]
        return {one.name: one for one in read if one is not None}

    def _values_lines(self) -> dict[str, int]:
        places: dict[str, int] = {}
        depth = 0
        for number, (line, bare) in enumerate(zip(self.lines, self.bare.split("\n"), strict=True)):
            found = _VALUES.match(line)
            if found and bare.lstrip().startswith("VALUES"):
                name = found.group(1)
                if depth < 1:
                    self.complain(f"VALUES ?{name}Wanted stands outside WHERE", number + 1)
                if name in places:
                    self.complain(f"VALUES ?{name}Wanted stands twice", number + 1)
                places[name] = number
            depth += bare.count("{") - bare.count("}")
        return places

    def _parameter(self, name: str, body: Any, places: Mapping[str, int]) -> Parameter | None:
        line = self._line_of(name)
        before = len(self.problems)
        if not _NAME.match(name):
            self.complain(f"parameter {name!r} is not a name: letters and digits, lower case first", line)
        if not isinstance(body, dict):
            self.complain(f"parameter {name} needs {{type: …, description: …}}", line)
            return None
        for key in sorted(set(map(str, body)) - _PARAMETER_KEYS):
            self.complain(f"parameter {name} has an unknown key {key!r}", line)
        if body.get("type") not in TYPES:
            self.complain(f"parameter {name} needs a type: one of {', '.join(TYPES)}", line)
        if not isinstance(body.get("description"), str):
            self.complain(f"parameter {name} needs a description", line)
        if body.get("required", "false") not in ("true", "false"):
            self.complain(f"parameter {name}: required is true or false", line)
        values = body.get("values") or []
        if (body.get("type") == "enum") != bool(values):
            self.complain(f"parameter {name}: an enum has values, and only an enum", line)
        if name not in places:
            fix = f"VALUES ?{name}Wanted {{ UNDEF }}"
            self.complain(f"parameter {name} has no line of its own in WHERE", line, fix=fix)
        if len(self.problems) > before:
            return None
        return self._finish(name, body, places[name])

    def _finish(self, name: str, body: Mapping[str, Any], place: int) -> Parameter | None:
        found = _VALUES.match(self.lines[place])
        held = found.group(2) if found else "UNDEF"
        default = body.get("default")
        parameter = Parameter(
            name=name,
            type=body["type"],
            description=body["description"].strip().rstrip("."),
            required=body.get("required") == "true",
            class_iri=self._class(name, body.get("class")),
            scheme=body.get("scheme"),
            values=tuple(str(one) for one in body.get("values") or ()),
            default=None if default is None else str(default),
            example=str(body["example"]) if "example" in body else self._as_typed(held),
            line=place,
        )
        for value in filter(None, (parameter.default, parameter.example)):
            try:
                make_term(parameter, value, prefixes=self.prefixes, resolve=resolver(self.prefixes))
            except KGError as error:
                self.complain(f"parameter {name}: {error.message}", self._line_of(name))
        return parameter

    def _class(self, name: str, given: Any) -> str | None:
        if given is None:
            return None
        try:
            return self.prefixes.expand(str(given))
        except NotFoundError as error:
            self.complain(f"parameter {name}: {error.message}", self._line_of(name))
            return None

    def _as_typed(self, held: str) -> str | None:
        """Turn the term in a VALUES line into what a person would type."""
        if held == "UNDEF" or not held:
            return None
        quoted = re.match(r"[\"'](.*?)[\"'](\^\^\S+|@\S+)?\Z", held)
        if quoted:
            return quoted.group(1)
        return held[1:-1] if held.startswith("<") else held

    def _check_columns(self, columns: tuple[str, ...]) -> None:
        found = projection(self.text)
        if found is None:
            self.complain("the query is no SELECT that names its columns", None)
            return
        if columns and tuple(found) != columns:
            said, is_so = ", ".join(columns), ", ".join(found)
            message = f"columns says [{said}] and the query selects [{is_so}]"
            self.complain(message, self._line_of("columns"), fix=f"columns: [{is_so}]")

    def _check_question(self, question: str, parameters: Mapping[str, Parameter]) -> None:
        for name in _SLOT.findall(question):
            if name not in parameters:
                message = f"the question has a slot {{{name}}} that is no parameter"
                self.complain(message, self._line_of("question"))


def projection(text: str) -> list[str] | None:
    """
    List the columns that a SELECT names, or return None where it names none.

    >>> projection("SELECT ?a (COUNT(?x) AS ?n) WHERE { ?a ?b ?x } GROUP BY ?a")
    ['a', 'n']
    """
    bare = _blank_out(text)
    found = re.search(r"\bSELECT\b(.*?)(?:\bWHERE\b|\bFROM\b|\{)", bare, re.DOTALL | re.IGNORECASE)
    if not found:
        return None
    names: list[str] = []
    depth = 0
    tokens = re.findall(r"[()]|\bAS\b|\?\w+", found.group(1), re.IGNORECASE)
    for before, piece in zip(["", *tokens], tokens, strict=False):
        if piece in ("(", ")"):
            depth += 1 if piece == "(" else -1
        elif piece.startswith("?") and (depth == 0 or (depth == 1 and before.upper() == "AS")):
            names.append(piece[1:])
    return names or None


def _blank_out(text: str) -> str:
    """Blank out strings, IRIs and comments, keeping every line and column."""
    return _TOKENS.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), text)


def _rewrite(line: str, term: str) -> str:
    """Put a term into a VALUES line."""
    start = line.index("{")
    return f"{line[:start]}{{ {term} }}"


def _words(name: str) -> str:
    """Write a parameter's name as words."""
    return re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower()


def _is_prefixed(value: str, prefixes: Prefixes) -> bool:
    return bool(_PREFIXED.match(value)) and value.split(":")[0] in prefixes


def _readings(value: str, parameter: Parameter, prefixes: Prefixes) -> list[str]:
    """List the IRIs that a text may be short for, likeliest first."""
    bare = value[1:-1] if value.startswith("<") and value.endswith(">") else value
    readings = []
    if _is_prefixed(bare, prefixes):
        readings.append(prefixes.expand(bare))
    if re.match(r"https?://|urn:", bare) and _IRI.match(bare):
        readings.append(bare)
    if _KEY.match(bare):
        spaces = [f"{CONCEPT}{parameter.scheme}/"] if parameter.scheme else [ID]
        readings.extend(space + bare for space in spaces)
    if bare.startswith("/") and _IRI.match(BASE + bare[1:]):
        readings.append(BASE + bare[1:])
    return readings


def _typed_literal(parameter: Parameter, value: str) -> str:
    if parameter.type == "gYear":
        if not _YEAR.match(value):
            raise _wrong(parameter, value, "a year of four digits, such as 2024")
        return _literal(value, "gYear")
    if parameter.type == "integer":
        if not _INTEGER.match(value):
            raise _wrong(parameter, value, "a whole number, such as 12")
        return _literal(value, "integer")
    if parameter.type == "date":
        try:
            if len(value) != 10:
                raise ValueError(value)
            datetime.date.fromisoformat(value)
        except ValueError:
            raise _wrong(parameter, value, "a date, such as 2024-05-31") from None
        return _literal(value, "date")
    return _literal(value, None)


def _literal(value: str, datatype: str | None) -> str:
    return Literal(value, datatype=XSD[datatype] if datatype else None, normalize=False).n3()


def _wrong(parameter: Parameter, value: str, expected: str, near: Sequence[str] = ()) -> ParameterError:
    tail = f" Near: {'; '.join(near)}." if near else ""
    return ParameterError(
        f"{parameter.name}: {value!r} is not {expected}.{tail}",
        parameter=parameter.name,
        value=value,
        near=list(near),
    )


def _together(errors: Sequence[ParameterError]) -> ParameterError:
    """Put several errors into one that tells them all."""
    first = errors[0]
    fields = {name: first.fields.get(name) for name in ("parameter", "value", "near")}
    all_of_them = [{"detail": one.message, **one.fields} for one in errors]
    return ParameterError(" ".join(one.message for one in errors), **fields, errors=all_of_them)
