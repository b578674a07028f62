"""
Turtle and TriG as files hold them: read with lines and lexical forms kept, written one way only.

Stores normalise (`"01"^^xsd:integer` becomes `1`) and forget lines; people and diffs need both. `read` takes
text that a parser has accepted already; what it does not know (RDF 1.2) it refuses, with the line.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn

from kg.errors import DataError, Problem

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XSD = "http://www.w3.org/2001/XMLSchema#"
_TYPE = _RDF + "type"
_LABEL = "http://www.w3.org/2000/01/rdf-schema#label"
_MAX_DEPTH = 100

# Source: RDF 1.1 Turtle, section 6.5, https://www.w3.org/TR/turtle/#sec-grammar-grammar
_BASE = (
    "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c-\u200d\u2070-\u218f"
    "\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_CHARS = _BASE + "_\\-0-9\u00b7\u0300-\u036f\u203f-\u2040"
_ESCAPED = r"%[0-9A-Fa-f]{2}|\\[_~.\-!$&'()*+,;=/?#@%]"
_PREFIX = rf"[{_BASE}](?:\.*[{_CHARS}])*"
_LOCAL = rf"(?:[{_BASE}_:0-9]|{_ESCAPED})(?:\.*(?:[{_CHARS}:]|{_ESCAPED}))*"
_TOKEN = re.compile(
    rf"""(?P<space>[ \t\r\n]+)|(?P<comment>\#[^\r\n]*)
    |(?P<iri><[^\x00-\x20<>"{{}}|^`]*>)
    |(?P<long>\"\"\"(?:\"{{0,2}}(?:[^"\\]|\\.))*\"\"\"|'''(?:'{{0,2}}(?:[^'\\]|\\.))*''')
    |(?P<string>"(?:[^"\\\n\r]|\\.)*"|'(?:[^'\\\n\r]|\\.)*')
    |(?P<at>@[A-Za-z]+(?:-[A-Za-z0-9]+)*(?![A-Za-z0-9-]))|(?P<typed>\^\^)
    |(?P<blank>_:[{_BASE}_0-9](?:\.*[{_CHARS}])*)
    |(?P<double>[+-]?(?:[0-9]+\.[0-9]*|\.?[0-9]+)[eE][+-]?[0-9]+)
    |(?P<decimal>[+-]?[0-9]*\.[0-9]+)|(?P<integer>[+-]?[0-9]+)
    |(?P<name>(?:{_PREFIX})?:(?:{_LOCAL})?)
    |(?P<word>[A-Za-z]+)|(?P<mark>[.;,\[\](){{}}])""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)
_PLAIN = {"t": "\t", "b": "\b", "n": "\n", "r": "\r", "f": "\f"}
_UNSAFE = re.compile('[\x00-\x1f"\\\\\x7f]')
_UNSAFE_IRI = re.compile('[\x00-\x20<>"{}|^`\\\\]')
_WRITTEN = {"\t": "\\t", "\b": "\\b", "\n": "\\n", "\r": "\\r", "\f": "\\f", '"': '\\"', "\\": "\\\\"}
_BARE = {
    _XSD + "integer": re.compile(r"(?:0|-?[1-9][0-9]*)\Z"),
    _XSD + "decimal": re.compile(r"(?:0\.0|-?(?:0|[1-9][0-9]*)\.(?:[0-9]*[1-9])|-?[1-9][0-9]*\.0)\Z"),
    _XSD + "boolean": re.compile(r"(?:true|false)\Z"),
}
_SHORT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_\-]*\Z")
# Source: RFC 3986, appendix B
_REFERENCE = re.compile(
    r"(?:([A-Za-z][A-Za-z0-9+.\-]*):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL
)


class Term(NamedTuple):
    """An RDF term; `kind` is iri, blank or literal; terms sort in that order, then by value."""

    kind: str
    value: str
    datatype: str = ""
    language: str = ""


class Span(NamedTuple):
    """From where to where something stands: lines and columns from 1, in code points, its end exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int
    cell: str = ""


class Places(NamedTuple):
    """Where the four parts of a statement stand; the graph's is None outside any."""

    graph: Span | None
    subject: Span
    predicate: Span
    object: Span


class Statement(NamedTuple):
    """One triple as written, with its graph (None outside any) and the line of its predicate."""

    graph: Term | None
    subject: Term
    predicate: Term
    object: Term
    line: int
    subject_line: int
    places: Places | None = None


@dataclass
class Document:
    """What one file says, in its order: statements, graph blocks with their lines, comments' lines."""

    statements: list[Statement] = field(default_factory=list)
    blocks: list[tuple[str, int]] = field(default_factory=list)
    comments: list[int] = field(default_factory=list)
    prefixes: dict[str, str] = field(default_factory=dict)


def read(text: str) -> Document:
    """
    Read Turtle or TriG, keeping lexical forms and lines.

    Raises:
        DataError: Something is not Turtle 1.1 (holds line and column).

    >>> one = read('@prefix e: <http://e/> .\\ne:x e:p "01"^^<http://e/int> .').statements[0]
    >>> one.object.value, one.line
    ('01', 2)
    """
    reader = _Reader(text)
    reader.document()
    return reader.found


def resolve(base: str, reference: str) -> str:
    """
    Return the IRI that a reference means beside a base.

    Source: RFC 3986, section 5.2.

    >>> resolve("http://e/b/c?q", "../d#f"), resolve("http://e/b/c?q", "")
    ('http://e/d#f', 'http://e/b/c?q')
    """
    scheme, authority, path, query, fragment = _split(reference)
    if scheme is None:
        scheme, base_authority, base_path, base_query, _ = _split(base)
        if authority is None:
            authority = base_authority
            if not path:
                path, query = base_path, base_query if query is None else query
            elif not path.startswith("/"):
                before = (
                    "/" if authority is not None and not base_path else base_path[: base_path.rfind("/") + 1]
                )
                path = _without_dots(before + path)
            else:
                path = _without_dots(path)
        else:
            path = _without_dots(path)
    else:
        return reference  # a whole IRI is kept as written, as parsers do
    return "".join(
        opening + part
        for opening, part in (
            ("", f"{scheme}:"),
            ("//", authority),
            ("", path),
            ("?", query),
            ("#", fragment),
        )
        if part is not None
    )


def _split(iri: str) -> tuple[str | None, str | None, str, str | None, str | None]:
    match = _REFERENCE.match(iri)
    assert match is not None, "the expression matches everything"
    return match[1], match[2], match[3], match[4], match[5]


def _without_dots(path: str) -> str:
    """Source: RFC 3986, section 5.2.4."""
    kept: list[str] = []
    parts = path.split("/")
    for number, part in enumerate(parts):
        is_last = number == len(parts) - 1
        if part == "..":
            if len(kept) > 1 or (kept and kept[0]):
                kept.pop()
        elif part != ".":
            kept.append(part)
            continue
        if is_last:
            kept.append("")
    return "/".join(kept)


def tokens(text: str) -> Iterator[tuple[str, int, int]]:
    """
    Yield the tokens of a text with where they begin and end, passing over what is none.

    >>> list(tokens("e:a ? # note"))
    [('name', 0, 3)]
    """
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            position += 1
            continue
        if match.lastgroup not in ("space", "comment"):
            yield str(match.lastgroup), position, match.end()
        position = match.end()


def write(statements: Iterable[Statement], prefixes: Mapping[str, str]) -> str:
    """
    Write statements the one way: graphs, subjects and predicates in IRI order, `a` and `rdfs:label` first.

    Raises:
        DataError: A statement holds a blank node, which has no order that would stay.

    >>> text = '@prefix e: <http://e/> . e:y e:p e:z , e:b ; a e:C . e:x e:p 1 , "01"@en .'
    >>> print(write(read(text).statements, {"e": "http://e/"}), end="")
    @prefix e: <http://e/> .
    <BLANKLINE>
    e:x e:p "01"@en ,
        1 .
    <BLANKLINE>
    e:y a e:C ;
      e:p e:b ,
        e:z .
    """
    graphs: dict[str, dict[str, dict[str, set[Term]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(set))
    )
    problems = []
    for one in statements:
        if "blank" in (one.subject.kind, one.object.kind):
            problems.append(
                Problem("a blank node cannot be cited or kept in order", line=one.line, fix=_NAME_IT)
            )
        graphs[one.graph.value if one.graph else ""][one.subject.value][one.predicate.value].add(one.object)
    if problems:
        raise DataError(problems)
    writer = _Writer(prefixes)
    parts = [writer.graph(name, graphs[name]) for name in sorted(graphs)]
    header = "".join(f"@prefix {prefix}: <{prefixes[prefix]}> .\n" for prefix in sorted(writer.used))
    return "\n".join([header] * bool(header) + parts)


_NAME_IT = "give it an IRI of its own"


class _Reader:
    """A recursive descent over the tokens of one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.found = Document()
        self.kinds: list[str] = []
        self.values: list[str] = []
        self.lines: list[int] = []
        self.columns: list[int] = []
        self.base: str | None = None
        self.iris: dict[str, Term] = {}
        self.at = 0
        self.blanks = 0
        self.graph: Term | None = None
        self.graph_span: Span | None = None
        self.depth = 0
        self._scan()

    def _scan(self) -> None:
        position, line, opens = 0, 1, 0  # opens: where the line begins
        text, match_at = self.text, _TOKEN.match
        take_kind, take_value = self.kinds.append, self.values.append
        take_line, take_column = self.lines.append, self.columns.append
        while position < len(text):
            match = match_at(text, position)
            if match is None:
                found = text[position : position + 12]
                self._refuse(line, position - opens + 1, f"{found!r} is not Turtle 1.1")
            kind, value = str(match.lastgroup), match.group()
            if kind == "comment":
                self.found.comments.append(line)
            elif kind != "space":
                take_kind(kind)
                take_value(value)
                take_line(line)
                take_column(position - opens + 1)
            position = match.end()
            if (kind == "space" or kind == "long") and "\n" in value:
                line += value.count("\n")
                opens = position - len(value) + value.rindex("\n") + 1
        take_kind("end")
        take_value("")
        take_line(line)
        take_column(position - opens + 1)

    def _refuse(self, line: int, column: int, message: str) -> NoReturn:
        raise DataError([Problem(message, line=line, column=column)])

    def _here(self, expected: str) -> NoReturn:
        message = f"expected {expected}, found {self.values[self.at]!r}"
        self._refuse(self.lines[self.at], self.columns[self.at], message)

    def _is_mark(self, mark: str) -> bool:
        return self.kinds[self.at] == "mark" and self.values[self.at] == mark

    def _take(self, mark: str) -> None:
        if not self._is_mark(mark):
            self._here(repr(mark))
        self.at += 1

    def document(self) -> None:
        """Read everything up to the end."""
        while self.kinds[self.at] != "end":
            word = self.values[self.at].upper()
            if self.kinds[self.at] in ("at", "word") and word in ("@PREFIX", "PREFIX"):
                self._directive(dotted=word[0] == "@")
            elif self.kinds[self.at] in ("at", "word") and word in ("@BASE", "BASE"):
                self._based(dotted=word[0] == "@")
            elif self.kinds[self.at] == "word" and word == "GRAPH":
                self.at += 1
                self._named_block()
            elif self._is_mark("{"):
                self._block(None)
            elif self.kinds[self.at + 1] == "mark" and self.values[self.at + 1] == "{":
                self._named_block()
            else:
                self._triples()
                self._take(".")

    def _directive(self, *, dotted: bool) -> None:
        self.at += 1
        name, iri = self.values[self.at], self.values[self.at + 1]
        if self.kinds[self.at] != "name" or self.kinds[self.at + 1] != "iri":
            self._here("a prefix and its <namespace>")
        self.found.prefixes[name[:-1]] = self._absolute(iri)
        self.iris.clear()
        self.at += 2
        if dotted:
            self._take(".")

    def _based(self, *, dotted: bool) -> None:
        self.at += 1
        if self.kinds[self.at] != "iri":
            self._here("the <IRI> of the base")
        self.base = self._absolute(self.values[self.at])
        self.iris.clear()
        self.at += 1
        if dotted:
            self._take(".")

    def _absolute(self, written: str) -> str:
        iri = unescape(written[1:-1])
        return iri if self.base is None else resolve(self.base, iri)

    def _named_block(self) -> None:
        graph, self.graph_span = self._placed_node()
        self._block(graph)

    def _block(self, graph: Term | None) -> None:
        if graph is not None:
            self.found.blocks.append((graph.value, self.lines[self.at - 1]))
        self._take("{")
        self.graph = graph
        while not self._is_mark("}"):
            self._triples()
            if not self._is_mark("}"):
                self._take(".")
        self.at += 1
        self.graph = self.graph_span = None

    def _triples(self) -> None:
        is_property_list = self._is_mark("[")
        subject, span = self._placed_node()
        if not (is_property_list and (self._is_mark(".") or self._is_mark("}"))):
            self._predicates(subject, span)

    def _predicates(self, subject: Term, subject_span: Span) -> None:
        while True:
            first = self.at
            if self.kinds[self.at] == "word" and self.values[self.at] == "a":
                self.at += 1
                predicate = Term("iri", _TYPE)
            else:
                predicate = self._node()
            self._objects(subject, predicate, (subject_span, self._span(first)))
            while self._is_mark(";"):
                self.at += 1
                if not self._is_mark(";"):
                    break
            else:
                return
            if self.kinds[self.at] == "mark" and self.values[self.at] in ".]}":
                return

    def _objects(self, subject: Term, predicate: Term, spans: tuple[Span, Span]) -> None:
        while True:
            first = self.at
            value = self._node()  # not _placed_node: nested brackets are this deep in calls already
            self._state(subject, predicate, value, Places(self.graph_span, *spans, self._span(first)))
            if not self._is_mark(","):
                return
            self.at += 1

    def _state(self, subject: Term, predicate: Term, value: Term, places: Places) -> None:
        lines = places.predicate.line, places.subject.line
        self.found.statements.append(Statement(self.graph, subject, predicate, value, *lines, places))

    def _placed_node(self) -> tuple[Term, Span]:
        first = self.at
        return self._node(), self._span(first)

    def _span(self, first: int) -> Span:
        """Return where the tokens from one to the last that was read stand; of brackets, the opening one."""
        last = first if self.kinds[first] == "mark" else self.at - 1
        value, line, column = self.values[last], self.lines[last], self.columns[last]
        if self.kinds[last] != "long" or "\n" not in value:
            return Span(self.lines[first], self.columns[first], line, column + len(value))
        end = len(value) - value.rfind("\n")
        return Span(self.lines[first], self.columns[first], line + value.count("\n"), end)

    def _node(self) -> Term:
        kind, value = self.kinds[self.at], self.values[self.at]
        if kind == "mark" and value in "[(":
            return self._nested(value)
        self.at += 1
        if kind == "name" or kind == "iri":
            known = self.iris.get(value)
            if known is None:
                iri = self._expand(value) if kind == "name" else self._absolute(value)
                known = self.iris[value] = Term("iri", iri)
            return known
        if kind == "blank":
            return Term("blank", value)
        if kind in ("string", "long"):
            width = 3 if kind == "long" else 1
            return self._literal(unescape(value[width:-width]))
        if kind in ("integer", "decimal", "double"):
            return Term("literal", value, _XSD + kind)
        if kind == "word" and value in ("true", "false"):
            return Term("literal", value, _XSD + "boolean")
        self.at -= 1
        self._here("an IRI, a prefixed name or a literal")

    def _expand(self, name: str) -> str:
        prefix, _, local = name.partition(":")
        if prefix not in self.found.prefixes:
            self.at -= 1
            self._here("a declared prefix")
        return self.found.prefixes[prefix] + re.sub(r"\\(.)", r"\1", local)

    def _literal(self, lexical: str) -> Term:
        if self.kinds[self.at] == "at":
            self.at += 1
            return Term("literal", lexical, language=self.values[self.at - 1][1:])
        if self.kinds[self.at] == "typed":
            self.at += 1
            datatype = self._node().value
            return Term("literal", lexical, "" if datatype == _XSD + "string" else datatype)
        return Term("literal", lexical)

    def _nested(self, opening: str) -> Term:
        span = self._span(self.at)
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            self._here(f"at most {_MAX_DEPTH} brackets in each other")
        self.at += 1
        self.blanks += 1
        first = Term("blank", f"_:[{self.blanks}]")
        if opening == "[":
            if not self._is_mark("]"):
                self._predicates(first, span)
            self._take("]")
        else:
            first = self._items()
        self.depth -= 1
        return first

    def _items(self) -> Term:
        items = []
        while not self._is_mark(")"):
            items.append(self._placed_node())
        self.at += 1
        rest = Term("iri", _RDF + "nil")
        for item, span in reversed(items):
            self.blanks += 1
            cell = Term("blank", f"_:[{self.blanks}]")
            for predicate, value in (("first", item), ("rest", rest)):
                places = Places(self.graph_span, span, span, span)
                self._state(cell, Term("iri", _RDF + predicate), value, places)
            rest = cell
        return rest


def unescape(text: str) -> str:
    r"""
    Return a text with its escapes undone.

    >>> unescape(r"a\u00e9\n")
    'aé\n'
    """
    if "\\" not in text:
        return text

    def plain(match: re.Match[str]) -> str:
        code = match[1] or match[2]
        return chr(int(code, 16)) if code else _PLAIN.get(match[3], match[3])

    return _ESCAPE.sub(plain, text)


class _Writer:
    """Terms to text, noting which prefixes were used."""

    def __init__(self, prefixes: Mapping[str, str]) -> None:
        self.by_length = sorted(prefixes.items(), key=lambda one: (-len(one[1]), one[0]))
        self.used: set[str] = set()
        self.known: dict[str, str] = {}

    def graph(self, name: str, subjects: Mapping[str, Mapping[str, set[Term]]]) -> str:
        """Write one graph block, or the blocks outside any graph."""
        indent = "  " if name else ""
        body = "\n".join(self._block(one, subjects[one], indent) for one in sorted(subjects))
        return f"{self._iri(name)} {{\n{body}}}\n" if name else body

    def _block(self, subject: str, predicates: Mapping[str, set[Term]], indent: str) -> str:
        order = sorted(predicates, key=lambda one: (one != _TYPE, one != _LABEL, one))
        lines = [
            f"{'a' if one == _TYPE else self._iri(one)} "
            + f" ,\n{indent}    ".join(self._term(value) for value in sorted(predicates[one]))
            for one in order
        ]
        return f"{indent}{self._iri(subject)} " + f" ;\n{indent}  ".join(lines) + " .\n"

    def _term(self, term: Term) -> str:
        if term.kind == "iri":
            return self._iri(term.value)
        bare = _BARE.get(term.datatype)
        if bare is not None and bare.match(term.value):
            return term.value
        text = '"' + _UNSAFE.sub(_escape, term.value) + '"'
        if term.language:
            return f"{text}@{term.language}"
        return f"{text}^^{self._iri(term.datatype)}" if term.datatype else text

    def _iri(self, iri: str) -> str:
        if iri not in self.known:
            self.known[iri] = "<" + _UNSAFE_IRI.sub(_escape_code, iri) + ">"
            for prefix, namespace in self.by_length:
                if iri.startswith(namespace) and _SHORT.match(iri, len(namespace)):
                    self.known[iri] = f"{prefix}:{iri[len(namespace) :]}"
                    self.used.add(prefix)
                    break
        return self.known[iri]


def _escape(match: re.Match[str]) -> str:
    return _WRITTEN.get(match[0]) or _escape_code(match)


def _escape_code(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04X}"
