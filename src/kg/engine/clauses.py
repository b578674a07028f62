"""
The SERVICE clauses of a query: where each stands, and which patterns beside it narrow it.

A query with something odd in it is narrowed nowhere: its clauses are then asked for all they hold.

Source: SPARQL 1.1 Query Language, section 18.2.2.6 (how a group becomes a join from left to right).
"""

from __future__ import annotations

from kg.engine.groups import Clause, Group, Groups, Member
from kg.engine.lexer import Token

JOINED = frozenset({"TRIPLES", "VALUES", "GROUP", "GRAPH"})


class Clauses:
    """
    A query, its groups and its SERVICE clauses in order.

    Raises:
        QueryError: A clause stands where it cannot be carried out.

    >>> [one.name.text for one in Clauses("ASK { SERVICE <http://e/> { ?s ?p ?o } }").found]
    ['<http://e/>']
    """

    def __init__(self, text: str) -> None:
        read = Groups(text)
        self.text, self.tokens, self.found, self.is_odd = text, read.tokens, read.clauses, read.is_odd

    def outline(self) -> str:
        """
        Return the query with GRAPH for SERVICE and without FROM: it parses exactly if the query does.

        Every character stays at its place, so that errors lead there.
        """
        pieces = list(self.text)
        for clause in self.found:
            start = clause.token.start
            pieces[start : start + len("SERVICE")] = "GRAPH  "
            if clause.is_silent:
                _blank(pieces, self.tokens[self._number(clause) + 1])
        depth = 0
        for number, token in enumerate(self.tokens):
            if token.kind == "symbol":
                depth += (token.text in "([{") - (token.text in ")]}")
            elif depth == 0 and token.kind == "word" and token.text.upper() == "FROM":
                named = self.tokens[number + 1].text.upper() == "NAMED"
                for one in self.tokens[number : number + 2 + named]:
                    _blank(pieces, one)
        return "".join(pieces)

    def render(self, start: int = 0, end: int | None = None) -> str:
        """Write a part of the query, each clause that has a replacement replaced."""
        pieces, end = [], len(self.text) if end is None else end
        for clause in self.found:
            if clause.replacement is not None and start <= clause.token.start < end:
                pieces += [self.text[start : clause.token.start], f" {clause.replacement} "]
                start = clause.body.end
        return "".join([*pieces, self.text[start:end]])

    def inside(self, clause: Clause) -> str:
        """Return what stands between the braces of a clause."""
        return self.text[clause.body.start + 1 : clause.body.end - 1]

    def bound_in(self, clause: Clause) -> set[str]:
        """
        List the variables that triple patterns of a clause bind, before anything there that may need them.

        `VALUES` for such a variable, put first in the group, leaves the group's rows that agree with it.
        """
        found: set[str] = set()
        for member in () if self.is_odd else clause.body.members:
            if member.kind == "TRIPLES" and not self._has_empty_path(member):
                found |= self._variables(member)
            elif member.kind not in (*JOINED, "FILTER"):
                break
        return found

    def _has_empty_path(self, member: Member) -> bool:
        """Say whether a path may have no step: then a value that is sent along may match itself there."""
        tokens = self.tokens[member.first : member.last]
        return any(one.kind == "symbol" and one.text in "*?" for one in tokens)

    def narrowing(self, clause: Clause) -> tuple[str, set[str]]:
        """
        Return a pattern, and its variables: a row of the clause counts only if it agrees with one of these.

        It is empty where nothing can be said.
        """
        if self.is_odd:
            return "", set()
        text, variables = self._context(clause.home, clause.body)
        is_open = True
        for group in clause.home.around():
            if group.opener == "GRAPH":
                text = f"GRAPH {group.graph} {{ {text} }}" if text else ""
                if not is_open:
                    break
            if not is_open or group.parent is None or group.opener in ("WHERE", "EXISTS", "MINUS"):
                is_open = False
                continue
            # after OPTIONAL only what stands before counts, and nothing further out
            is_open = group.opener != "OPTIONAL"
            outer, more = self._context(group.parent, group, is_whole=is_open)
            text = " ".join([outer, f"{{ {text} }}" if text else ""]).strip()
            variables |= more
        return text, variables

    def _context(self, group: Group, around: Group, *, is_whole: bool = True) -> tuple[str, set[str]]:
        """Write the members of a group beside the one that holds another group, as far as they narrow it."""
        kept: list[Member] = []
        is_exact = True
        for member in group.members:
            if around in member.groups:
                if not is_whole:
                    break
                is_exact = False
            elif member.kind == "FILTER":
                continue
            elif not self._is_plain(member):
                is_exact = False
            elif is_exact or member.kind in JOINED or member.clause:
                kept.append(member)
        pieces: list[str] = []
        for number, member in enumerate(kept):
            if number and member.kind == kept[number - 1].kind == "TRIPLES":
                pieces.append(".")
            last = self.tokens[member.last - 1]
            pieces.append(self.render(self.tokens[member.first].start, last.start + len(last.text)))
        return " ".join(pieces), {name for member in kept for name in self._variables(member)}

    def _is_plain(self, member: Member) -> bool:
        """Say whether a member gives the same rows in another run: no clause still open, no subquery."""
        first, last = self.tokens[member.first].start, self.tokens[member.last - 1].start
        if any(one.replacement is None and first <= one.token.start <= last for one in self.found):
            return False
        if member.clause:
            return True
        words = (one.text.upper() for one in self.tokens[member.first : member.last] if one.kind == "word")
        return "SELECT" not in words

    def _variables(self, member: Member) -> set[str]:
        tokens = self.tokens[member.first : member.last]
        found = {one.text[1:] for one in tokens if one.kind == "variable"}
        start, end = tokens[0].start, tokens[-1].start
        inner = [one.columns for one in self.found if start <= one.token.start <= end]
        return found.union(*inner)

    def _number(self, clause: Clause) -> int:
        return next(n for n, one in enumerate(self.tokens) if one is clause.token)


def _blank(pieces: list[str], token: Token) -> None:
    end = token.start + len(token.text)
    pieces[token.start : end] = [one if one in "\r\n" else " " for one in pieces[token.start : end]]
