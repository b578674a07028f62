"""
The groups of a query, their parts, and the SERVICE clauses among these, read from brackets and keywords.

What it does not understand it calls odd.

Source: SPARQL 1.1 Query Language, section 19.8, GroupGraphPattern.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from kg.engine.lexer import Token, position, syntax_error, tokenize
from kg.errors import QueryError

_KEYWORDS = frozenset(
    {"FILTER", "BIND", "OPTIONAL", "MINUS", "GRAPH", "SERVICE", "VALUES", "LATERAL", "UNION"}
)
_IN_TRIPLES = frozenset({"A", "TRUE", "FALSE", "UNDEF"})


@dataclass(slots=True, eq=False)
class Member:
    """
    One part of a group.

    Args:
        kind: TRIPLES, GROUP (one, or several with UNION), SELECT, or the keyword that opens it.
        first: Its first token, by number.
        last: The token after its last, by number.
        groups: The groups that it opens.
        clause: The SERVICE clause that it is.
    """

    kind: str
    first: int
    last: int
    groups: list[Group] = field(default_factory=list)
    clause: Clause | None = None


@dataclass(slots=True, eq=False)
class Group:
    """
    One `{ … }`.

    Args:
        opener: The keyword before it; empty for a plain one, WHERE for that of a query or subquery.
        parent: The group around it.
        graph: The graph's name as written, after GRAPH.
    """

    opener: str
    parent: Group | None
    graph: str = ""
    members: list[Member] = field(default_factory=list)
    start: int = 0
    end: int = 0

    def around(self) -> Iterator[Group]:
        """Yield this group and those around it, from the inside."""
        group: Group | None = self
        while group is not None:
            yield group
            group = group.parent


@dataclass(slots=True, eq=False)
class Clause:
    """
    One SERVICE clause.

    Args:
        token: The word SERVICE.
        is_silent: It says SILENT.
        name: The endpoint as written.
        home: The group that it stands in.
        body: Its own group.
        replacement: What stands in its place by now.
        columns: The variables that the replacement binds.
    """

    token: Token
    is_silent: bool
    name: Token
    home: Group
    body: Group
    replacement: str | None = None
    columns: tuple[str, ...] = ()


class Groups:
    """
    A query read into groups.

    Args:
        text: The query, code point escapes outside strings and IRIs decoded.

    Raises:
        QuerySyntaxError: A group or clause is not complete.
        QueryError: A clause stands where it cannot be carried out.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(tokenize(text))
        self.clauses: list[Clause] = []
        self.is_odd = False
        self._next = 0
        while self._next < len(self.tokens):
            self._read_any(None)

    @property
    def _token(self) -> Token:
        if self._next >= len(self.tokens):
            raise syntax_error(self.text, len(self.text), "the query ends too early.")
        return self.tokens[self._next]

    @property
    def _word(self) -> str:
        """The token as a keyword or symbol; empty for what may not be taken for one."""
        token = self._token
        return token.text.upper() if token.kind == "word" else token.text if token.kind == "symbol" else ""

    def _read_any(self, group: Group | None) -> list[Group]:
        """Read one token, or all that its bracket holds; return the groups that it opened."""
        word, before = self._word, self.tokens[self._next - 1] if self._next else None
        if word == "{":
            is_exists = before is not None and before.text.upper() == "EXISTS"
            return [self._read_group("EXISTS" if is_exists else "WHERE", group)]
        if word == "SERVICE":
            raise syntax_error(self.text, self._token.start, "SERVICE is not expected here.")
        self._next += 1
        found: list[Group] = []
        if word in ("(", "["):
            while self._word not in (")", "]"):
                found += self._read_any(group)
            self._next += 1
        return found

    def _read_group(self, opener: str, parent: Group | None, graph: str = "") -> Group:
        group = Group(opener, parent, graph, start=self._token.start)
        self._next += 1
        self.is_odd |= self._word == "|"
        while self._word != "}":
            if self._word == ".":
                self._next += 1
                continue
            group.members.append(self._read_member(group))
        group.end = self._token.start + 1
        self._next += 1
        return group

    def _read_member(self, group: Group) -> Member:
        word, first = self._word, self._next
        if word == "SELECT":
            return self._read_select(group)
        if word == "SERVICE":
            return self._read_service(group)
        if word == "{":
            return self._read_union(group)
        if word not in _KEYWORDS:
            return self._read_triples(group)
        self.is_odd |= word in ("LATERAL", "UNION")
        self._next += 1
        opener, graph = word, self._token.text
        while self._word not in ("{", "("):
            if self._word == "}":
                raise syntax_error(self.text, self._token.start, f"{word} is not complete.")
            opener = "EXISTS" if self._word == "EXISTS" else opener
            self._next += 1
        is_list = self._word == "("
        groups = self._read_any(group) if is_list else [self._read_group(opener, group, graph)]
        if word == "VALUES" and is_list and self._word == "{":
            groups.append(self._read_group(opener, group))
        return Member(word, first, self._next, groups)

    def _read_select(self, group: Group) -> Member:
        first, groups = self._next, []
        while self._word != "}":
            groups += self._read_any(group)
        return Member("SELECT", first, self._next, groups)

    def _read_union(self, group: Group) -> Member:
        first, groups = self._next, [self._read_group("", group)]
        while self._word == "UNION":
            self._next += 1
            if self._word != "{":
                raise syntax_error(self.text, self._token.start, "a group is missing after UNION.")
            groups.append(self._read_group("", group))
        return Member("GROUP", first, self._next, groups)

    def _read_triples(self, group: Group) -> Member:
        first = last = self._next
        groups: list[Group] = []
        while self._word not in ("{", "}") and self._word not in _KEYWORDS:
            token = self._token
            prefix = token.text.partition(":")[0].upper()
            self.is_odd |= token.kind == "word" and self._word not in _IN_TRIPLES
            self.is_odd |= token.kind == "name" and prefix.startswith(tuple(_KEYWORDS))
            groups += self._read_any(group)
            last = last if token.text == "." else self._next
        return Member("TRIPLES", first, last, groups)

    def _read_service(self, group: Group) -> Member:
        first, token = self._next, self._token
        self._next += 1
        is_silent = self._word == "SILENT"
        self._next += is_silent
        name = self._token
        self._next += 1
        if name.kind not in ("iri", "name", "variable") or self._word != "{":
            raise syntax_error(
                self.text, name.start, "SERVICE is not complete.", fix="write SERVICE <address> { … }"
            )
        self._refuse_place(token, name, group)
        body = self._read_group("SERVICE", group)
        clause = Clause(token, is_silent, name, group, body)
        self.clauses.append(clause)
        return Member("SERVICE", first, self._next, [body], clause)

    def _refuse_place(self, token: Token, name: Token, group: Group) -> None:
        openers = {one.opener for one in group.around()}
        reason = ""
        if name.kind == "variable":
            reason = f"SERVICE {name.text} is refused: the address of an endpoint is written out here."
        elif "SERVICE" in openers:
            reason = (
                "SERVICE inside SERVICE is refused: write the two beside each other; each is then asked "
                "from here."
            )
        elif "EXISTS" in openers:
            reason = (
                "SERVICE inside EXISTS is refused: it would be asked once for each row. Write it outside, "
                "in an OPTIONAL or a MINUS."
            )
        if reason:
            line, column = position(self.text, token.start)
            raise QueryError(
                f"Line {line}, column {column}: {reason}", keyword="SERVICE", line=line, column=column
            )
