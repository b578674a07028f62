"""RDF/XML elements to statements with places: nodes and properties in turn, as the grammar has them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn
from xml.parsers import expat

from kg.names import Prefixes
from kg.parsing.reading import MAX_DEPTH, Change, Fault, Lines
from kg.turtle import Places, Span, Statement, Term, resolve

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XML = "http://www.w3.org/XML/1998/namespace"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_ATTRIBUTE = re.compile(r"""\s+([^\s=<>/"']+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_NAMES = {
    _RDF + one for one in ("about", "ID", "nodeID", "resource", "datatype", "parseType", "bagID", "aboutEach")
}


class XMLFault(Exception):
    """The text is not RDF/XML; holds the fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


class Attribute(NamedTuple):
    """One attribute: the IRI of its name, its value, where each stands."""

    iri: str
    value: str
    name_span: Span
    span: Span


@dataclass
class Frame:
    """
    One open element.

    Args:
        kind: rdf, node, property, collection, literal.
        name: As written.
        start: Offset where it begins.
        inside: Offset where its content begins.
        subject: Of what its properties speak; of a property, whose it is.
        predicate: Of a property.
    """

    kind: str
    name: str
    start: int
    inside: int
    namespaces: dict[str, str]
    base: str | None
    language: str
    subject: tuple[Term, Span] | None = None
    predicate: tuple[Term, Span] | None = None
    text: list[str] = field(default_factory=list)
    datatype: str = ""
    statement: str | None = None
    is_filled: bool = False
    items: list[tuple[Term, Span]] = field(default_factory=list)
    members: int = 0


class Striping:
    """
    One RDF/XML document as statements.

    `found` holds the statements; the value of a property with XML in it is left to the standard parser.
    """

    def __init__(self, text: str, prefixes: Prefixes) -> None:
        self.text = text
        self.prefixes = prefixes
        self.lines = Lines(text)
        self.found: list[Statement] = []
        self.declared: dict[str, str] = {}
        self.frames: list[Frame] = []
        self.blanks = 0
        self.skipped = 0
        self._bytes = text.encode("utf-8")
        self._mark = (0, 0)
        self.parser = expat.ParserCreate("UTF-8")
        self.parser.buffer_text = True
        self.parser.ordered_attributes = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.StartDoctypeDeclHandler = self._doctype

    def read(self) -> None:
        """
        Read the text.

        Raises:
            XMLFault: It is RDF/XML no longer.
            expat.ExpatError: It is not XML.
        """
        self.parser.Parse(self._bytes, True)

    def offset(self) -> int:
        """Return where the parser is, in code points."""
        at, known = self.parser.CurrentByteIndex, self._mark
        if at < known[0]:
            known = (0, 0)
        self._mark = (at, known[1] + len(self._bytes[known[0] : at].decode("utf-8", errors="ignore")))
        return self._mark[1]

    def refuse(self, start: int, end: int, message: str, **fields: object) -> NoReturn:
        """Stop with a fault."""
        raise XMLFault(Fault(start, end, message, **fields))  # type: ignore[arg-type]

    def _doctype(self, *_: object) -> None:
        at = self.text.find("<!DOCTYPE")
        match = re.compile(r"<!DOCTYPE[^\[>]*(?:\[[^\]]*\]\s*)?>\s*").match(self.text, max(at, 0))
        end = match.end() if match else at + 9
        self.refuse(
            at,
            len(self.text[:end].rstrip()),
            "a DOCTYPE stands here: expected none, as entities are not taken.",
            code="doctype",
            fix="delete it, and write namespaces (xmlns:…) and characters as they are.",
            repairs=((Change(at, end, ""),),) if match else (),
            is_last=True,
        )

    def _start(self, name: str, listed: list[str]) -> None:
        if self.skipped or (self.frames and self.frames[-1].kind == "literal"):
            self.skipped += 1
            if self.skipped > MAX_DEPTH:
                self._deep(name)
            return
        start = self.offset()
        if len(self.frames) >= MAX_DEPTH:
            self._deep(name)
        above = self.frames[-1] if self.frames else None
        namespaces = dict(above.namespaces) if above else {"xml": _XML}
        base, language = (above.base, above.language) if above else (None, "")
        values = dict(zip(listed[::2], listed[1::2], strict=True))
        for key, value in values.items():
            if key == "xmlns" or key.startswith("xmlns:"):
                namespaces[key[6:]] = value
                self.declared.setdefault(key[6:], value)
            elif key == "xml:base":
                base = resolve(base, value) if base else value
            elif key == "xml:lang":
                language = value
        attributes = list(self._attributes(start, name, values, namespaces))
        inside = self._tag_end(start, name)
        iri = self._expand(name, start + 1, namespaces, is_element=True)
        frame = Frame("node", name, start, inside, namespaces, base, language)
        self._open(frame, above, (iri, self.lines.span(start + 1, start + 1 + len(name))), attributes)
        self.frames.append(frame)

    def _deep(self, name: str) -> NoReturn:
        at = self.offset()
        self.refuse(
            at,
            at + 1 + len(name),
            f"this nests deeper than {MAX_DEPTH} elements in each other: expected fewer.",
            code="too-deep",
            fix="name the inner things with rdf:about and write them beside each other.",
            is_last=True,
        )

    def _attributes(
        self, start: int, name: str, values: dict[str, str], namespaces: dict[str, str]
    ) -> Iterator[Attribute]:
        at = start + 1 + len(name)
        while match := _ATTRIBUTE.match(self.text, at):
            at = match.end()
            key = match[1]
            if key == "xmlns" or key.startswith("xmlns:") or key in ("xml:base", "xml:lang"):
                continue
            quoted = 2 if match[2] is not None else 3
            names = self.lines.span(match.start(1), match.end(1))
            iri = self._expand(key, match.start(1), namespaces)
            if ":" not in key:
                self._without_prefix(key, match.start(1))
            if not key.startswith("xml"):
                yield Attribute(iri, values.get(key, ""), names, self.lines.span(*match.span(quoted)))

    def _without_prefix(self, key: str, at: int) -> NoReturn:
        """An attribute has no namespace, not even that of its element."""
        is_ours = _RDF + key in _NAMES
        self.refuse(
            at,
            at + len(key),
            f"the attribute {key!r} has no prefix: expected " + (f"rdf:{key}." if is_ours else "one."),
            fix=f"write rdf:{key}." if is_ours else "write its prefix.",
            expected=f"rdf:{key}" if is_ours else None,
            repairs=((Change(at, at, "rdf:"),),) if is_ours else (),
        )

    def _tag_end(self, start: int, name: str) -> int:
        at = start + 1 + len(name)
        while match := _ATTRIBUTE.match(self.text, at):
            at = match.end()
        return self.text.find(">", at) + 1

    def _expand(self, name: str, at: int, namespaces: dict[str, str], *, is_element: bool = False) -> str:
        prefix, colon, local = name.rpartition(":")
        if not colon:
            namespace = namespaces.get("", "") if is_element else ""
            if not namespace and is_element:
                self.refuse(at, at + len(name), f"the element {name!r} has no namespace: expected a prefix.")
            return namespace + local
        if prefix not in namespaces:
            self._undeclared(prefix, at, len(name))
        return namespaces[prefix] + local

    def _undeclared(self, prefix: str, at: int, length: int) -> NoReturn:
        known = self.prefixes.get(prefix)
        root = re.compile(r"<[A-Za-z_][^\s<>/]*").search(self.text)
        declaration = f' xmlns:{prefix}="{known}"'
        self.refuse(
            at,
            at + length,
            f"prefix {prefix!r} is not declared: expected xmlns:{prefix} on an element around it.",
            code="undeclared-prefix",
            fix=f"add to the first element:{declaration}"
            if known
            else "declare it, or use one that is declared.",
            repairs=((Change(root.end(), root.end(), declaration),),) if known and root else (),
            is_last=True,
        )

    def _open(
        self, frame: Frame, above: Frame | None, named: tuple[str, Span], attributes: list[Attribute]
    ) -> None:
        if above is None and named[0] == _RDF + "RDF":
            frame.kind = "rdf"
        elif above is not None and above.kind == "node":
            self._property(frame, above, named, attributes)
        else:
            self._node(frame, above, named, attributes)

    def _node(
        self, frame: Frame, above: Frame | None, named: tuple[str, Span], attributes: list[Attribute]
    ) -> None:
        subject: tuple[Term, Span] | None = None
        for one in attributes:
            local = one.iri.removeprefix(_RDF)
            if local in ("about", "ID", "nodeID") and one.iri.startswith(_RDF):
                subject = self._name(local, one, frame), one.span
        frame.subject = subject or (self._blank(), named[1])
        if above is not None and above.kind == "property" and above.subject and above.predicate:
            if above.is_filled:
                self.refuse(
                    above.start,
                    above.inside,
                    f"<{above.name}> holds a second element: expected one.",
                    fix=f"close it with </{above.name}>, or write the property again for the second.",
                )
            if "".join(above.text).strip():
                at = above.inside + len("".join(above.text).rstrip())
                self.refuse(
                    above.start,
                    above.inside,
                    f"<{above.name}> holds a text and an element: expected one of them, or </{above.name}>.",
                    code="unclosed-tag",
                    fix=f"write </{above.name}> after the text.",
                    expected=f"</{above.name}>",
                    repairs=((Change(at, at, f"</{above.name}>"),),),
                )
            above.is_filled = True
            self._state(above.subject, above.predicate, frame.subject, above)
        elif above is not None and above.kind == "collection":
            above.items.append(frame.subject)
        if named[0] != _RDF + "Description":
            kind = Term("iri", named[0]), named[1]
            self._state(frame.subject, (Term("iri", _RDF + "type"), named[1]), kind)
        self._describe(frame.subject, attributes, frame)

    def _describe(self, subject: tuple[Term, Span], attributes: list[Attribute], frame: Frame) -> None:
        """State what attributes say of a node."""
        for one in attributes:
            if one.iri in _NAMES or not _SCHEME.match(one.iri):
                continue
            if one.iri == _RDF + "type":
                value = Term("iri", self._absolute(one, frame))
            else:
                value = Term("literal", one.value, language=frame.language)
            self._state(subject, (Term("iri", one.iri), one.name_span), (value, one.span))

    def _property(
        self, frame: Frame, above: Frame, named: tuple[str, Span], attributes: list[Attribute]
    ) -> None:
        iri, span = named
        if iri == _RDF + "li":
            above.members += 1
            iri = f"{_RDF}_{above.members}"
        frame.kind, frame.subject, frame.predicate = "property", above.subject, (Term("iri", iri), span)
        told = {one.iri.removeprefix(_RDF): one for one in attributes if one.iri in _NAMES}
        if "ID" in told:
            frame.statement = self._name("ID", told["ID"], frame).value
        if "datatype" in told:
            frame.datatype = self._absolute(told["datatype"], frame)
        assert frame.subject is not None, "a node has a subject"
        value: tuple[Term, Span] | None = None
        if "parseType" in told:
            kind = told["parseType"].value
            frame.kind = {"Resource": "node", "Collection": "collection"}.get(kind, "literal")
            if kind == "Resource":
                value = self._blank(), span
        elif "resource" in told:
            value = Term("iri", self._absolute(told["resource"], frame)), told["resource"].span
        elif "nodeID" in told:
            value = Term("blank", f"_:{told['nodeID'].value}"), told["nodeID"].span
        elif any(one.iri not in _NAMES and _SCHEME.match(one.iri) for one in attributes):
            value = self._blank(), span
        if value is not None:
            frame.is_filled = True
            self._state(frame.subject, frame.predicate, value, frame)
            self._describe(value, attributes, frame)
            if frame.kind == "node":
                frame.subject = value

    def _name(self, local: str, one: Attribute, frame: Frame) -> Term:
        if local == "nodeID":
            return Term("blank", f"_:{one.value}")
        if local == "ID":
            one = one._replace(value=f"#{one.value}")
        return Term("iri", self._absolute(one, frame))

    def _absolute(self, one: Attribute, frame: Frame) -> str:
        base = frame.base.partition("#")[0] if frame.base else None
        iri = resolve(base, one.value) if base else one.value
        if not _SCHEME.match(iri):
            start = self.lines.offset(one.span.line, one.span.column)
            end = self.lines.offset(one.span.end_line, one.span.end_column)
            self.refuse(
                start,
                end,
                f"{one.value!r} is no whole IRI, and there is no xml:base: expected one with its scheme.",
                code="not-an-iri",
                fix="write the IRI in full: prefixes are not expanded in attributes.",
                repairs=tuple(self._expanded(start, end, one.value)),
            )
        prefix, _, local = iri.partition(":")
        if prefix in self.prefixes and not local.startswith("//") and not base:
            start = self.lines.offset(one.span.line, one.span.column)
            full = self.prefixes[prefix] + local
            self.refuse(
                start,
                start + len(one.value),
                f"{iri} is a prefixed name, which attributes do not take: expected a whole IRI.",
                code="prefixed-name",
                fix=f"write {full}.",
                expected=full,
                repairs=((Change(start, start + len(one.value), full),),),
            )
        return iri

    def _expanded(self, start: int, end: int, value: str) -> Iterator[tuple[Change, ...]]:
        if value.startswith("www."):
            yield (Change(start, end, f"https://{value}"),)

    def _characters(self, text: str) -> None:
        if self.skipped or not self.frames:
            return
        frame = self.frames[-1]
        if frame.kind == "property":
            frame.text.append(text)
        elif frame.kind != "literal" and text.strip():
            # the parser gathers text and tells of it at what stands behind
            at = max(self.text.rfind(text.strip(), 0, self.offset() + len(text)), frame.inside)
            self.refuse(
                at,
                at + len(text.strip()),
                f"the text {text.strip()[:40]!r} stands between elements: expected it in a property.",
                fix="put a property's element around it, or delete it.",
                repairs=((Change(at, at + len(text.strip()), ""),),) if len(text.strip()) < 3 else (),
            )

    def _end(self, _: str) -> None:
        if self.skipped:
            self.skipped -= 1
            return
        frame = self.frames.pop()
        subject, predicate = frame.subject, frame.predicate
        if subject is None or predicate is None or frame.is_filled:
            return
        span = self.lines.span(frame.inside, max(self.offset(), frame.inside))
        if frame.kind == "collection":
            self._state(subject, predicate, self._list(frame, predicate[1]), frame)
        elif frame.kind == "property":
            text = "".join(frame.text)
            language = "" if frame.datatype else frame.language
            datatype = "" if frame.datatype.endswith("XMLSchema#string") else frame.datatype
            self._state(subject, predicate, (Term("literal", text, datatype, language), span), frame)
        elif frame.kind == "literal":
            value = Term("literal", self.text[frame.inside : self.offset()], _RDF + "XMLLiteral")
            self._state(subject, predicate, (value, span), frame)

    def _list(self, frame: Frame, span: Span) -> tuple[Term, Span]:
        cells = [self._blank() for _ in frame.items]
        nil = Term("iri", _RDF + "nil")
        for cell, item, rest in zip(cells, frame.items, [*cells[1:], nil], strict=False):
            self._state((cell, span), (Term("iri", _RDF + "first"), span), item)
            self._state((cell, span), (Term("iri", _RDF + "rest"), span), (rest, span))
        return (cells[0] if cells else nil), span

    def _blank(self) -> Term:
        self.blanks += 1
        return Term("blank", f"_:[{self.blanks}]")

    def _state(
        self,
        subject: tuple[Term, Span],
        predicate: tuple[Term, Span],
        value: tuple[Term, Span],
        frame: Frame | None = None,
    ) -> None:
        """State a triple, and of a property with an rdf:ID also what it is called."""
        lines = predicate[1].line, subject[1].line
        places = Places(None, subject[1], predicate[1], value[1])
        self.found.append(Statement(None, subject[0], predicate[0], value[0], *lines, places))
        if frame is not None and frame.statement is not None:
            name = Term("iri", frame.statement), predicate[1]
            frame.statement = None
            kind = Term("iri", _RDF + "Statement"), predicate[1]
            for local, part in (
                ("type", kind),
                ("subject", subject),
                ("predicate", predicate),
                ("object", value),
            ):
                self._state(name, (Term("iri", _RDF + local), predicate[1]), part)
