"""JSON with positions: what `json` reads, and where each key and value stands."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from kg.parsing.reading import MAX_DEPTH, Change, Fault

_SPACE = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![\w.])")
_WORD = re.compile(r"[^\s,:{}\[\]\"]+")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
_CLOSING = {"object": "}", "array": "]"}
_SMART = "“”„‟«»"


@dataclass(slots=True)
class Node:
    """
    One JSON value.

    Args:
        kind: object, array, string, number or word.
        value: Of a string its text, of a number what is written, of a word what it means.
        start: Offset where it begins.
        end: Offset behind it.
        members: Keys and values of an object, in order; keys may come twice.
        items: Of an array.
    """

    kind: str
    value: str | bool | None
    start: int
    end: int
    members: list[tuple[Node, Node]] = field(default_factory=list)
    items: list[Node] = field(default_factory=list)

    def get(self, key: str) -> Node | None:
        """Return the value of a key."""
        return next((value for name, value in self.members if name.value == key), None)


class JSONFault(Exception):
    """The text is not JSON; holds the fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def parse_json(text: str) -> Node:
    """
    Read JSON (RFC 8259) with positions.

    Raises:
        JSONFault: It is not JSON, or nests too deep.

    >>> key, value = parse_json('{"a": [1]}').members[0]
    >>> key.value, value.start, value.end
    ('a', 6, 9)
    """
    return _Scanner(text).document()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.open: list[str] = []

    def document(self) -> Node:
        """Read one value and nothing behind it."""
        node = self._value()
        self._skip()
        if self.at < len(self.text):
            cut = (Change(self.at, self.at + 1, ""),)
            self._refuse("behind the value stands something more: expected the end.", None, "the end", (cut,))
        return node

    def _skip(self) -> str:
        match = _SPACE.match(self.text, self.at)
        assert match is not None, "the expression matches everywhere"
        self.at = match.end()
        return self.text[self.at : self.at + 1]

    def _refuse(
        self,
        message: str,
        fix: str | None = None,
        expected: str | None = None,
        repairs: tuple[tuple[Change, ...], ...] = (),
        code: str = "syntax",
    ) -> None:
        word = _WORD.match(self.text, self.at)
        end = word.end() if word else min(self.at + 1, len(self.text))
        raise JSONFault(Fault(self.at, end, message, code, fix, expected, repairs, is_last=True))

    def _value(self) -> Node:
        character = self._skip()
        start = self.at
        if character == '"':
            return self._string()
        if character in ("{", "["):
            return self._nested("object" if character == "{" else "array")
        number = _NUMBER.match(self.text, start)
        if number:
            self.at = number.end()
            return Node("number", number.group(), start, self.at)
        word = _WORD.match(self.text, start)
        if word and word.group() in _WORDS:
            self.at = word.end()
            return Node("word", _WORDS[word.group()], start, self.at)
        self._no_value(character, word)
        raise AssertionError("a fault was raised")

    def _no_value(self, character: str, word: re.Match[str] | None) -> None:
        at = self.at
        if not character:
            closing = self._closing()
            fix = f"write the value, and end with {closing}" if closing else "write an object: { … }."
            self._refuse("the text ends where a value was expected.", fix, "a value")
        if character in _SMART or character == "'":
            self._quotes(character)
        if word:
            written = word.group()
            better = {"True": "true", "False": "false", "None": "null", "TRUE": "true", "FALSE": "false"}.get(
                written, json.dumps(written, ensure_ascii=False)
            )
            self._refuse(
                f'{written[:40]!r} is no JSON value: expected a "string", a number, true, false or null.',
                f"write {better}.",
                better,
                ((Change(at, word.end(), better),),),
            )
        before = self.text[:at].rstrip()
        if before.endswith(","):
            self._trailing(len(before) - 1)
        self._refuse(
            f"{character!r} stands where a value was expected.", None, "a value", ((Change(at, at, "null"),),)
        )

    def _trailing(self, comma: int) -> None:
        self.at = comma
        self._refuse(
            "a comma stands behind the last one: expected none.",
            "delete the comma.",
            None,
            ((Change(comma, comma + 1, ""),),),
            "trailing-comma",
        )

    def _quotes(self, character: str) -> None:
        end = self.text.find("\n", self.at)
        line = self.text[self.at + 1 : end if end >= 0 else len(self.text)]
        closing = re.search("'" if character == "'" else f'[{_SMART}"]', line)
        changes: tuple[Change, ...] = (Change(self.at, self.at + 1, '"'),)
        if closing:
            stop = self.at + 1 + closing.start()
            changes += (Change(stop, stop + 1, '"'),)
        self._refuse(
            f"{character} does not open a string: expected a straight double quotation mark.",
            'write straight double quotation marks: "text".',
            '"',
            (changes,),
            "smart-quotes",
        )

    def _string(self) -> Node:
        start = self.at
        match = _STRING.match(self.text, start)
        if match is None:
            self._no_string()
            raise AssertionError("a fault was raised")
        self.at = match.end()
        written = match.group()
        value = json.loads(written) if "\\" in written else written[1:-1]
        if "\\u" in written and re.search("[\ud800-\udfff]", value):
            self.at = start
            self._refuse(
                "the string holds half of a surrogate pair: expected whole characters.",
                "write the character itself, in UTF-8.",
            )
        return Node("string", value, start, match.end())

    def _no_string(self) -> None:
        """Tell why what opens here is no string: a bad escape, a control character, or no end."""
        start, position = self.at, self.at + 1
        good = re.compile(r'(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*').match(
            self.text, position
        )
        position = good.end() if good else position
        character = self.text[position : position + 1]
        if character == "\\":
            self.at = position
            self._refuse(
                f"{self.text[position : position + 2]!r} is no escape of JSON: expected one of"
                r" \" \\ \/ \b \f \n \r \t \uXXXX.",
                "write \\\\ for a backslash.",
                "\\\\",
                ((Change(position, position, "\\"),),),
            )
        if character and character not in "\r\n":
            self.at = position
            written = json.dumps(character)[1:-1]
            self._refuse(
                f"the character U+{ord(character):04X} stands in a string: expected {written}.",
                f"write {written}.",
                written,
                ((Change(position, position + 1, written),),),
            )
        line = self.text[start:position].rstrip()
        tail = re.search(r"[\s,\]}]*\Z", line)
        stops = [start + tail.start()] if tail and tail.start() > 1 else []
        colon = re.search(r"\s*:", line[1:])
        if colon:
            stops.append(start + 1 + colon.start())
        stops.append(start + len(line))
        self._refuse(
            "the string that opens here is not closed: expected a closing quotation mark.",
            'close it on this line with "; a line break inside it is written \\n.',
            '"',
            tuple((Change(one, one, '"'),) for one in stops),
            "unclosed-string",
        )

    def _nested(self, kind: str) -> Node:
        node = Node(kind, None, self.at, self.at)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self._refuse(
                f"this nests deeper than {MAX_DEPTH} values in each other: expected fewer.",
                "name the inner things with @id and write them beside each other.",
                code="too-deep",
            )
        self.at += 1
        self.open.append(_CLOSING[kind])
        if self._skip() != _CLOSING[kind]:
            while True:
                if kind == "object":
                    node.members.append(self._member())
                else:
                    node.items.append(self._value())
                if not self._goes_on(_CLOSING[kind]):
                    break
        self.at += 1
        self.open.pop()
        self.depth -= 1
        node.end = self.at
        return node

    def _goes_on(self, closing: str) -> bool:
        """Pass over a comma; tell whether another one follows."""
        behind = self.at
        character = self._skip()
        if character == closing:
            return False
        if character == ",":
            comma = self.at
            self.at += 1
            if self._skip() == closing or not self.text[self.at : self.at + 1]:
                self._trailing(comma)
            return True
        if not character:
            missing = self._closing()
            self._refuse(
                f"the text ends before {closing!r}: expected {missing}.",
                f"end it with {missing}",
                missing,
                ((Change(behind, behind, missing),),),
                "unexpected-end",
            )
        at = self.at
        comma_here = (Change(behind, behind, ","),)
        swap = (Change(at, at + 1, ","),)
        close = (Change(behind, behind, closing),)
        cut = (Change(at, at + 1, ""),)
        repairs = (swap, cut) if character in ";:" else (close, cut) if character in "}]" else (comma_here,)
        self.at = behind if character not in ";:}]" else at
        self._refuse(
            f"{character!r} follows a value: expected ',' or {closing!r}.",
            "write a comma between them.",
            f", or {closing}",
            repairs,
            "missing-comma" if repairs == (comma_here,) else "syntax",
        )
        return False

    def _closing(self) -> str:
        return "".join(reversed(self.open))

    def _member(self) -> tuple[Node, Node]:
        character = self._skip()
        if character != '"':
            if character == "}":
                self._trailing(self.text.rindex(",", 0, self.at))
            if not character or (character not in _SMART and character != "'"):
                self._no_key(character)
            self._quotes(character)
        key = self._string()
        behind = self.at
        if self._skip() != ":":
            self.at = behind
            swap = (Change(behind, len(self.text[:behind]) + 1, ":"),)
            follows = self.text[behind : behind + 1] in ("=", ";", ",")
            self._refuse(
                f"the key {str(key.value)[:40]!r} has no value: expected ':'.",
                "write a colon and the value.",
                ":",
                (swap,) if follows else ((Change(behind, behind, ":"),),),
            )
        self.at += 1
        return key, self._value()

    def _no_key(self, character: str) -> None:
        word = re.compile(r"[@\w][\w@:/#.-]*?(?=\s*:\s|\s*:[\"\[{]|\s*\Z)").match(self.text, self.at)
        repairs: tuple[tuple[Change, ...], ...] = ()
        if not character:
            missing = self._closing()
            repairs = ((Change(self.at, self.at, missing),),)
        elif word:
            repairs = ((Change(self.at, word.end(), json.dumps(word.group())),),)
        elif character == ",":
            repairs = ((Change(self.at, self.at + 1, ""),),)
        self._refuse(
            f"{character!r} is no key: expected a string in double quotation marks.",
            "write the key between straight double quotation marks.",
            '"key"',
            repairs,
        )
