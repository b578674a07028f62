"""
Limits on a query, told from its tokens before a worker sees it: form, depth, sizes, federation.

Source of the numbers: measured with pyoxigraph 0.5.13, which dies of 860 nested NOT EXISTS, of 3,000 MINUS
or BIND in a row and of 10,000 operators, and does not plan 300 groups side by side or a path of 1,000 steps.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from functools import lru_cache

from kg.config import Settings
from kg.engine.formats import FORMS
from kg.engine.lexer import OPERANDS, Token, bracket_levels, decode_escapes, position, syntax_error, tokenize
from kg.errors import QueryError, QuerySyntaxError, QueryTooDeepError, UpdateRefusedError

UPDATES = ("INSERT", "DELETE", "LOAD", "CLEAR", "DROP", "CREATE", "ADD", "MOVE", "COPY", "WITH")
VOLATILE = frozenset({"NOW", "RAND", "UUID", "STRUUID"})
OPERATORS_PER_PATTERN = 10
REMEMBERED_QUERIES, REMEMBERED_LENGTH = 128, 8_000
_COUNTED_WORDS = frozenset(
    {"UNION", "FILTER", "BIND", "AS", "MINUS", "EXISTS", "GRAPH", "OPTIONAL", "LATERAL", "HAVING"}
)
_COUNTED_SYMBOLS = frozenset({"||", "&&", "!=", "=", "<", ">", "+", "-", "*", "/", "|", "!", "^"})


@dataclass(frozen=True, slots=True)
class Examined:
    """
    What the tokens of a query tell.

    Args:
        text: The query, code point escapes outside strings and IRIs decoded.
        form: SELECT, ASK, CONSTRUCT or DESCRIBE.
        prologue: The part before the form.
        from_default: The IRIs of FROM, as written.
        from_named: The IRIs of FROM NAMED, as written.
        is_volatile: Two runs may differ: it asks for the time or for chance.
        is_federated: It asks other servers by SERVICE, and the settings list some.
    """

    text: str
    form: str
    prologue: str
    from_default: tuple[str, ...]
    from_named: tuple[str, ...]
    is_volatile: bool
    is_federated: bool = False


def query_form(text: str, settings: Settings | None = None) -> str:
    """
    Return the form of a query: SELECT, ASK, CONSTRUCT or DESCRIBE.

    Raises:
        UpdateRefusedError: It is an update.
        QuerySyntaxError: It has no form; holds line and column.

    >>> query_form("PREFIX id: <http://example.org/> # SELECT\\nASK { id:a ?p ?o }")
    'ASK'
    """
    return examine(text, settings or Settings()).form


def examine(text: str, settings: Settings) -> Examined:
    """
    Check a query against the limits and find its form; a short query that was just examined is not again.

    Raises:
        QuerySyntaxError: No form, an open string, brackets that do not match.
        QueryTooDeepError: A limit is passed; `limit` and `found` hold the numbers.
        UpdateRefusedError: It is an update.
        QueryError: It asks for federation, and the settings list no endpoint.
    """
    return (_examine_again if len(text) <= REMEMBERED_LENGTH else _examine)(text, settings)


def _examine(text: str, settings: Settings) -> Examined:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise syntax_error(text, error.start, "half of a surrogate pair is not a character.") from error
    if size > settings.max_query_bytes:
        _refuse_size("bytes", size, settings.max_query_bytes, name="max_query_bytes")
    text = decode_escapes(text)
    return _Examination(text, settings).run()


_examine_again = lru_cache(maxsize=REMEMBERED_QUERIES)(_examine)


def _refuse_size(what: str, found: int, limit: int, *, name: str) -> None:
    raise QueryTooDeepError(
        f"The query has {found:,} {what}; the limit is {limit:,} (setting KG_{name.upper()}). Split it.",
        setting=name,
        limit=limit,
        found=found,
    )


@dataclass(slots=True)
class _Examination:
    text: str
    settings: Settings
    form: str = ""
    form_start: int = 0
    before: Token | None = None
    clause: str = ""
    depth: int = 0
    nots: int = 0
    optionals: int = 0
    operators: int = 0
    members: int = 0
    is_volatile: bool = False
    is_federated: bool = False
    declared: set[str] = field(default_factory=set)
    graphs: dict[str, list[str]] = field(default_factory=lambda: {"FROM": [], "NAMED": []})
    opened: list[str] = field(default_factory=list)
    groups: list[float] = field(default_factory=list)

    def run(self) -> Examined:
        may_federate = "SERVICE" in self.text.upper()
        for token in tokenize(self.text):
            if may_federate:
                self._refuse_federation(token)
            if not self.opened or self.opened[-1] == "(":
                self._count_item(token)
            if not self.form:
                self._read_prologue(token)
            elif token.kind == "word":
                self._read_word(token)
            elif token.kind == "symbol":
                self._read_symbol(token)
            elif token.kind in ("iri", "name"):
                self._read_iri(token)
            elif token.kind == "escape":
                raise syntax_error(self.text, token.start, "an escape inside an escape is not SPARQL.")
            self.before = token
        if not self.form:
            raise syntax_error(
                self.text, len(self.text), f"no query here: expected {_list()}.", expected=list(FORMS)
            )
        return Examined(
            self.text,
            self.form,
            self.text[: self.form_start],
            tuple(self.graphs["FROM"]),
            tuple(self.graphs["NAMED"]),
            self.is_volatile,
            self.is_federated,
        )

    def _read_prologue(self, token: Token) -> None:
        word = token.text.upper()
        if token.kind == "name" and self.before and self.before.text.upper() == "PREFIX":
            self.declared.add(token.text.partition(":")[0])
        if token.kind in ("iri", "name", "string") or word in ("BASE", "PREFIX", "VERSION"):
            return
        if word in FORMS and token.kind == "word":
            self.form, self.form_start, self.clause = word, token.start, word
        elif word in UPDATES:
            line, column = position(self.text, token.start)
            raise UpdateRefusedError(
                f"Line {line}, column {column}: {word} is an update; only queries are answered here "
                f"({_list()}). To change the data, change its files: see CONTRIBUTING.md.",
                keyword=word,
                line=line,
                column=column,
            )
        else:
            raise _no_form(self.text, token)

    def _count_item(self, token: Token) -> None:
        """Count what makes a long list, outside brackets or in round ones: graphs, conditions, members."""
        if not self.opened:
            self.operators += token.kind in OPERANDS or token.text == "("
        elif token.kind in OPERANDS and self.before and self.before.is_operand():
            self.members += 1
            self._check("members in one list", self.members, self._most_operators)

    def _read_word(self, token: Token) -> None:
        word = token.text.upper()
        self.is_volatile |= word in VOLATILE
        self.operators += word in _COUNTED_WORDS
        self.optionals += word == "OPTIONAL"
        self._check("OPTIONALs", self.optionals, self.settings.max_query_patterns)
        self._check_operators()
        if not self.opened and word in ("FROM", "NAMED", "WHERE", "CONSTRUCT", "SELECT"):
            self.clause = word

    def _read_iri(self, token: Token) -> None:
        if not self.opened and self.clause in self.graphs:
            self.graphs[self.clause].append(token.text)
            self.clause = ""
        self._check_operators()
        levels = bracket_levels(token.text)[0] if token.kind == "iri" else 0
        self._check_depth(len(self.opened) + levels)

    def _read_symbol(self, token: Token) -> None:
        symbol = token.text
        self.nots = self.nots + 1 if symbol == "!" else 0
        if symbol in ("(", "[", "{"):
            self._open(symbol)
        elif symbol in (")", "]", "}"):
            if self.opened.pop() == "{":
                self.groups.pop()
        elif (symbol in ".;," and self.opened and self.opened[-1] != "(") or symbol == "/":
            self._count_pattern()
        self.operators += symbol in _COUNTED_SYMBOLS
        self._check_operators()
        self._check_depth(len(self.opened) + self.nots)

    def _open(self, symbol: str) -> None:
        self.members = 0
        if symbol == "{":
            self._count_pattern()
            is_template = self.clause == "CONSTRUCT" and not self.opened
            self.groups.append(float("-inf") if is_template else 0)
        self.opened.append(symbol)
        if self.clause == "CONSTRUCT":
            self.clause = ""

    def _count_pattern(self) -> None:
        if self.groups:
            self.groups[-1] += 1
            if self.groups[-1] > self.settings.max_query_patterns:
                self._check("patterns in one group", int(self.groups[-1]), self.settings.max_query_patterns)

    @property
    def _most_operators(self) -> int:
        return self.settings.max_query_patterns * OPERATORS_PER_PATTERN

    def _check_operators(self) -> None:
        self._check("operators", self.operators, self._most_operators)

    def _check(self, what: str, found: int, limit: int) -> None:
        if found > limit:
            _refuse_size(what, found, limit, name="max_query_patterns")

    def _check_depth(self, depth: int) -> None:
        if depth > self.settings.max_query_depth:
            _refuse_size(
                "levels of nesting, or more", depth, self.settings.max_query_depth, name="max_query_depth"
            )

    def _refuse_federation(self, token: Token) -> None:
        """
        Refuse SERVICE where no endpoint is listed, glued to another word too.

        The parser does not ask for space around keywords: it reads `SERVICEx:y {` as SERVICE even where the
        prefix `SERVICEx` is declared.
        """
        if token.text == "{" and self.before and self.before.kind == "name":
            token, is_declared = self.before, False
        else:
            is_declared = not self.form or token.text.partition(":")[0] in self.declared
        prefix = token.text.partition(":")[0] if token.kind == "name" else token.text
        if token.kind not in ("word", "name") or "SERVICE" not in prefix.upper():
            return
        if token.kind == "name" and is_declared:
            return
        is_glued = token.kind == "name" or len(prefix) > len("SERVICE")
        if self.settings.endpoints and not is_glued:
            self.is_federated = True
            return
        start = token.start + prefix.upper().index("SERVICE")
        line, column = position(self.text, start)
        reason = "this service asks no other server. Ask the other server yourself, or use a client that "
        reason += (
            "federates (Comunica, Apache Jena). Whoever runs this service may list endpoints in KG_SERVICES."
        )
        if self.settings.endpoints:
            reason = "write spaces around it; and a prefix may not hold the word."
        raise QueryError(
            f"Line {line}, column {column}: SERVICE is refused: {reason}",
            keyword="SERVICE",
            line=line,
            column=column,
        )


def _list() -> str:
    return "SELECT, ASK, CONSTRUCT or DESCRIBE"


def _no_form(text: str, token: Token) -> QuerySyntaxError:
    near = difflib.get_close_matches(token.text.upper(), (*FORMS, "PREFIX", "BASE"), n=1, cutoff=0.6)
    fix = {"fix": f"write {near[0]}"} if near else {}
    return syntax_error(
        text,
        token.start,
        f"{token.text!r} is not the start of a query: expected {_list()}.",
        expected=list(FORMS),
        **fix,
    )
