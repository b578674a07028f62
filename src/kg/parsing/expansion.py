"""JSON-LD read with places: contexts, and nodes to statements; what it does not know it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pyoxigraph as ox

from kg.parsing.jsontext import Node
from kg.parsing.reading import Lines
from kg.turtle import Places, Span, Statement, Term, resolve

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XSD = "http://www.w3.org/2001/XMLSchema#"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_KNOWN = {"@id", "@type", "@container", "@language", "@prefix", "@protected"}
_UNFOLLOWED = {"@list", "@nest", "@set", "@value", "@language", "@direction"}  # where no node has them
_CONTAINERS = {"@list", "@set", "@language", "@index"}
_VALUE_KEYS = {"@value", "@type", "@language", "@index", "@direction"}


class InexactError(Exception):
    """The text uses a part of JSON-LD whose places are not followed here."""


@dataclass(frozen=True)
class Definition:
    """What a context says of one term; `language` is None where it says nothing, empty where it says none."""

    iri: str | None
    type: str | None = None
    language: str | None = None
    containers: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Context:
    """The terms in force at one place."""

    terms: dict[str, Definition] = field(default_factory=dict)
    base: str | None = None
    vocab: str | None = None
    language: str = ""

    def expand(self, name: str, *, is_vocab: bool) -> str | None:
        """Return the IRI, keyword or blank node that a name means, or None if it means nothing."""
        if re.fullmatch("@[A-Za-z]+", name):
            return name
        if is_vocab and name in self.terms:
            return self.terms[name].iri
        prefix, colon, local = name.partition(":")
        if colon and prefix:
            if prefix == "_" or local.startswith("//"):
                return name
            known = self.terms.get(prefix)
            if known is not None and known.iri is not None:
                return known.iri + local
            if _SCHEME.match(name):
                return name
        if is_vocab:
            return None if self.vocab is None else self.vocab + name
        return resolve(self.base, name) if self.base else None


class Expansion:
    """
    One document as statements.

    Args:
        lines: Its lines.

    `dropped` holds keys and names that mean nothing where they stand, `wrong` those that make no IRI, and
    `used` the prefixes that no context declares.
    """

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.found: list[Statement] = []
        self.dropped: list[Node] = []
        self.wrong: list[Node] = []
        self.used: dict[str, Node] = {}
        self.blanks = 0

    def document(self, root: Node) -> None:
        """Read a whole document."""
        for item in root.items if root.kind == "array" else [root]:
            if item.kind != "object":
                continue
            context = self._context_of(item, Context())
            keys = {context.expand(str(key.value), is_vocab=True) for key, _ in item.members}
            if keys <= {"@context", "@graph"}:
                for key, value in item.members:
                    if context.expand(str(key.value), is_vocab=True) == "@graph":
                        self._nodes(value, context, None)
            else:
                self._node(item, context, None, is_read=True)

    def _context_of(self, node: Node, context: Context) -> Context:
        value = node.get("@context")
        return context if value is None else self._context(value, context)

    def _context(self, value: Node, context: Context) -> Context:
        if value.kind == "array":
            for item in value.items:
                context = self._context(item, context)
            return context
        if value.kind == "word":
            return Context()
        if value.kind != "object":
            raise InexactError
        entries = {str(key.value): one for key, one in value.members}
        if "@base" in entries:
            base = _text(entries["@base"])
            if base and context.base and not _SCHEME.match(base):
                base = resolve(context.base, base)
            context = replace(context, base=base)
        if "@vocab" in entries:
            context = replace(context, vocab=_text(entries["@vocab"]))
        if "@language" in entries:
            context = replace(context, language=_text(entries["@language"]) or "")
        terms = dict(context.terms)
        making = replace(context, terms=terms)
        names = [name for name in entries if not name.startswith("@")]
        for name in names:
            terms.pop(name, None)
        for name in names:
            self._define(name, entries, making, set())
        return making

    def _define(self, name: str, entries: dict[str, Node], context: Context, open_: set[str]) -> None:
        if name in context.terms or name in open_:
            return
        open_.add(name)
        value = entries[name]
        told = {str(key.value): one for key, one in value.members}
        if set(told) - _KNOWN:
            raise InexactError
        given = _text(told["@id"]) if "@id" in told else _text(value) if value.kind == "string" else None
        is_named = value.kind == "string" or "@id" in told or value.kind == "word"
        written = given if is_named else name
        for one in (written, _text(told.get("@type"))):
            prefix = (one or "").partition(":")[0]
            if one in entries and one != name:
                self._define(str(one), entries, context, open_)
            elif prefix in entries and prefix != name:
                self._define(prefix, entries, context, open_)
        iri = None if written is None else context.expand(written, is_vocab=True)
        kind = _text(told.get("@type"))
        context.terms[name] = Definition(
            iri,
            None if kind is None else context.expand(kind, is_vocab=True),
            None if "@language" not in told else _text(told["@language"]) or "",
            frozenset(_texts(told.get("@container"))),
        )

    def _nodes(self, value: Node, context: Context, graph: tuple[Term, Span] | None) -> None:
        for item in _flat(value):
            if item.kind == "object":
                self._node(item, context, graph)

    def _node(
        self, node: Node, context: Context, graph: tuple[Term, Span] | None, *, is_read: bool = False
    ) -> tuple[Term, Span] | None:
        """State what an object says; return its name and where that stands, or None if it has none."""
        context = context if is_read else self._context_of(node, context)
        members = [(context.expand(str(key.value), is_vocab=True), key, value) for key, value in node.members]
        subject = self._subject(node, members, context)
        if subject is None:
            return None
        for name, key, value in members:
            self._note(key, context)
            if name == "@type":
                for item in _flat(value):
                    iri = self._iri(item, context, is_vocab=True)
                    if iri is not None:
                        self._state(
                            subject, (Term("iri", _RDF + "type"), self._at(key)), (iri, self._at(item)), graph
                        )
            elif name == "@graph":
                self._nodes(value, context, subject)
            elif name == "@included":
                self._nodes(value, context, graph)
            elif name == "@reverse":
                self._reverse(subject, value, context, graph)
            elif name in ("@id", "@context", "@index"):
                continue
            elif name is None or name.startswith("_:") or not _SCHEME.match(name):
                if name in _UNFOLLOWED:
                    raise InexactError
                self.dropped.append(key)
            else:
                definition = context.terms.get(str(key.value), Definition(name))
                predicate = Term("iri", name), self._at(key)
                for found in self._objects(value, definition, context, graph):
                    self._state(subject, predicate, found, graph)
        return subject

    def _subject(
        self, node: Node, members: list[tuple[str | None, Node, Node]], context: Context
    ) -> tuple[Term, Span] | None:
        for name, _, value in members:
            if name == "@id":
                iri = self._iri(value, context, is_vocab=False)
                return None if iri is None else (iri, self._at(value))
        return self._blank(), self.lines.span(node.start, node.start + 1)

    def _reverse(
        self, subject: tuple[Term, Span], value: Node, context: Context, graph: tuple[Term, Span] | None
    ) -> None:
        for key, items in value.members:
            name = context.expand(str(key.value), is_vocab=True)
            if name is None or str(key.value) in context.terms:
                raise InexactError
            for item in _flat(items):
                if item.kind != "object":
                    raise InexactError
                other = self._node(item, context, graph)
                if other is not None:
                    self._state(other, (Term("iri", name), self._at(key)), subject, graph)

    def _objects(
        self, value: Node, definition: Definition, context: Context, graph: tuple[Term, Span] | None
    ) -> Iterator[tuple[Term, Span]]:
        if definition.containers - _CONTAINERS or definition.type in ("@json", "@none"):
            raise InexactError
        if "@list" in definition.containers and not (value.kind == "object" and value.get("@list")):
            yield self._list(value, definition, context, graph)
        elif definition.containers & {"@language", "@index"} and value.kind == "object":
            for key, items in value.members:
                for item in _flat(items):
                    if "@language" in definition.containers:
                        if item.kind == "string" and not str(key.value).startswith("@"):
                            yield Term("literal", str(item.value), language=str(key.value)), self._at(item)
                    else:
                        yield from self._object(item, definition, context, graph)
        else:
            for item in _flat(value):
                yield from self._object(item, definition, context, graph)

    def _object(
        self, value: Node, definition: Definition, context: Context, graph: tuple[Term, Span] | None
    ) -> Iterator[tuple[Term, Span]]:
        if value.kind != "object":
            term = self._scalar(value, definition, context)
            if term is not None:
                yield term, self._at(value)
            return
        context = self._context_of(value, context)
        told = {context.expand(str(key.value), is_vocab=True): one for key, one in value.members}
        if "@value" in told:
            term = self._value(told, context)
            if term is not None:
                yield term, self._at(value)
        elif "@list" in told:
            yield self._list(told["@list"], definition, context, graph)
        elif "@set" in told:
            for item in _flat(told["@set"]):
                yield from self._object(item, definition, context, graph)
        else:
            node = self._node(value, context, graph, is_read=True)
            if node is not None:
                yield node

    def _value(self, told: dict[str | None, Node], context: Context) -> Term | None:
        if set(told) - _VALUE_KEYS:
            raise InexactError
        language, kind = told.get("@language"), told.get("@type")
        datatype = None if kind is None else self._iri(kind, context, is_vocab=True)
        definition = Definition(
            None, datatype and datatype.value, _text(language) or "" if language is not None else ""
        )
        return self._scalar(told["@value"], definition, context)

    def _scalar(self, value: Node, definition: Definition, context: Context) -> Term | None:
        kind = definition.type
        if value.kind == "string" and kind in ("@id", "@vocab"):
            return self._iri(value, context, is_vocab=kind == "@vocab")
        datatype = kind if kind and not kind.startswith("@") else None
        if value.kind == "string":
            if datatype:
                return Term("literal", str(value.value), "" if datatype == _XSD + "string" else datatype)
            language = context.language if definition.language is None else definition.language
            return Term("literal", str(value.value), language=language)
        if value.kind == "word":
            if value.value is None:
                return None
            return Term("literal", "true" if value.value else "false", datatype or _XSD + "boolean")
        return _number(str(value.value), datatype)

    def _list(
        self, value: Node, definition: Definition, context: Context, graph: tuple[Term, Span] | None
    ) -> tuple[Term, Span]:
        span = self.lines.span(value.start, value.start + 1)
        items: list[tuple[Term, Span]] = []
        for item in value.items if value.kind == "array" else [value]:
            if item.kind == "array":
                items.append(self._list(item, definition, context, graph))
            else:
                items += self._object(item, definition, context, graph)
        cells = [self._blank() for _ in items]
        nil = Term("iri", _RDF + "nil")
        for cell, one, rest in zip(cells, items, [*cells[1:], nil], strict=False):
            self._state((cell, span), (Term("iri", _RDF + "first"), span), one, graph)
            self._state((cell, span), (Term("iri", _RDF + "rest"), span), (rest, span), graph)
        return (cells[0] if cells else nil), span

    def _iri(self, value: Node, context: Context, *, is_vocab: bool) -> Term | None:
        if value.kind != "string":
            return None
        self._note(value, context)
        iri = context.expand(str(value.value), is_vocab=is_vocab)
        if iri is None and is_vocab and context.base:
            iri = resolve(context.base, str(value.value))
        if iri is None or not (iri.startswith(("_:", "@")) or _SCHEME.match(iri)):
            self.dropped.append(value)
            return None
        if not iri.startswith(("_:", "@")) and not _is_iri(iri):
            self.wrong.append(value)
            return None
        return Term("blank" if iri.startswith("_:") else "iri", iri)

    def _note(self, value: Node, context: Context) -> None:
        """Keep the first use of each prefix that no context declares."""
        prefix, colon, local = str(value.value).partition(":")
        if colon and prefix and prefix not in context.terms and not local.startswith("//"):
            self.used.setdefault(prefix, value)

    def _blank(self) -> Term:
        self.blanks += 1
        return Term("blank", f"_:[{self.blanks}]")

    def _at(self, node: Node) -> Span:
        return self.lines.span(node.start, node.end)

    def _state(
        self,
        subject: tuple[Term, Span],
        predicate: tuple[Term, Span],
        value: tuple[Term, Span],
        graph: tuple[Term, Span] | None,
    ) -> None:
        places = Places(graph and graph[1], subject[1], predicate[1], value[1])
        lines = places.predicate.line, places.subject.line
        self.found.append(Statement(graph and graph[0], subject[0], predicate[0], value[0], *lines, places))


def _is_iri(text: str) -> bool:
    try:
        ox.NamedNode(text)
    except ValueError:
        return False
    return True


def _number(written: str, datatype: str | None) -> Term:
    """Source: JSON-LD 1.1 API, section 8.6, Data Round Tripping."""
    value = float(written) if len(written) < 400 else float("inf")
    if value.is_integer() and abs(value) < 1e21 and datatype != _XSD + "double":
        whole = int(written) if re.fullmatch(r"-?[0-9]{1,21}", written) else int(value)
        return Term("literal", str(whole), datatype or _XSD + "integer")
    mantissa, _, exponent = f"{value:.16E}".partition("E")
    shortest = repr(value)
    for digits in range(16):
        if float(f"{value:.{digits}E}") == value:
            mantissa, _, exponent = f"{value:.{digits}E}".partition("E")
            break
    if "inf" in shortest or "nan" in shortest:
        raise InexactError
    mantissa = mantissa if "." in mantissa else mantissa + ".0"
    return Term("literal", f"{mantissa}E{int(exponent)}", datatype or _XSD + "double")


def _flat(value: Node) -> Iterator[Node]:
    if value.kind == "array":
        for item in value.items:
            yield from _flat(item)
    else:
        yield value


def _text(node: Node | None) -> str | None:
    return str(node.value) if node is not None and node.kind == "string" else None


def _texts(node: Node | None) -> list[str]:
    return [] if node is None else [str(item.value) for item in _flat(node) if item.kind == "string"]
