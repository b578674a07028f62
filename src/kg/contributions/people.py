"""
Who may do what: names with their roles, proved by tokens that are kept only as digests.

A token is 32 random bytes. Against so much entropy no guessing helps, so a plain SHA-256 at rest is enough:
slow hashes are for what people choose.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kg import names
from kg.contributions.journal import locked
from kg.errors import DamagedError, NotAllowedError, NotFoundError, UnknownTokenError, UsageError

CONTRIBUTOR, REVIEWER = "contributor", "reviewer"
ROLES = (CONTRIBUTOR, REVIEWER)
_PREFIX = "lat_"
_MAX_NAME = 80
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ud800-\udfff]")


@dataclass(frozen=True)
class Person:
    """
    Somebody who acts on contributions.

    Args:
        name: As shown.
        roles: What they may do.

    >>> Person("Anna Teller").iri
    'https://w3id.org/lateral/id/contributor-anna-teller'
    """

    name: str
    roles: frozenset[str] = frozenset({CONTRIBUTOR})

    @property
    def slug(self) -> str:
        """The name as it stands in IRIs; two spellings of one slug are one person."""
        return slug_of(self.name)

    @property
    def iri(self) -> str:
        """The IRI of the person in the graph."""
        return person_iri(self.name)

    def require(self, role: str) -> None:
        """
        Refuse who does not have a role.

        Raises:
            NotAllowedError: They have not.
        """
        if role not in self.roles:
            raise NotAllowedError(
                f"{self.name} is not a {role}: expected a token of that role (kg token make).",
                name=self.name,
                role=role,
            )


def slug_of(name: str) -> str:
    """
    Return a name as it stands in IRIs; one without Latin letters is named by its digest.

    >>> slug_of("Zoë"), slug_of("Анна")
    ('zoe', 'n-25f4b213')
    """
    return names.slugify(name) or f"n-{_digest(name)[:8]}"


def person_iri(name: str) -> str:
    """Return the IRI of a person."""
    return f"{names.ID}contributor-{slug_of(name)}"


def check_name(name: str) -> str:
    """
    Return a name with single spaces.

    Raises:
        UsageError: It is empty, too long, or holds what cannot be seen.

    >>> check_name("  Anna   Teller ")
    'Anna Teller'
    """
    plain = " ".join(name.split())
    if _UNSEEN.search(plain) or not any(map(str.isalnum, plain)) or len(plain) > _MAX_NAME:
        raise UsageError(
            f"{name!r} is not a name to show: expected letters, and at most {_MAX_NAME} characters."
        )
    return plain


class Tokens:
    """
    The tokens of one project.

    Args:
        path: The file that holds them, readable by its owner only.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self, name: str, role: str) -> str:
        """
        Make a token and return it; it is shown this once and kept only as its digest.

        Raises:
            UsageError: The name or the role is none.
        """
        plain = check_name(name)
        if role not in ROLES:
            raise UsageError(f"{role!r} is not a role: expected {' or '.join(ROLES)}.")
        token = _PREFIX + secrets.token_urlsafe(32)
        made = {
            "name": plain,
            "role": role,
            "sha256": _digest(token),
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        with locked(self._lock):
            self._write([*self._read(), made])
        return token

    def list(self) -> Sequence[dict[str, str]]:
        """Return name, role, day of making and the first digits of the digest of each token."""
        return [
            {"id": one["sha256"][:8], "name": one["name"], "role": one["role"], "made": one["made"]}
            for one in self._read()
        ]

    def revoke(self, name: str) -> int:
        """
        Take the tokens of a name, or the one with a digest that begins so, and return how many they were.

        Raises:
            NotFoundError: There is none.
        """
        with locked(self._lock):
            found = self._read()
            kept = [one for one in found if not _is_meant(one, name)]
            if len(kept) == len(found):
                raise NotFoundError(f"no token is of {name!r}: kg token list shows them.", name=name)
            self._write(kept)
        return len(found) - len(kept)

    def find_person(self, token: str) -> Person | None:
        """Return who has a token; None where nobody has. A reviewer may contribute too."""
        digest = _digest(token)
        entries = self._read()
        # every digest is compared, each in constant time: how long it takes tells nothing
        owners = [one for one in entries if hmac.compare_digest(one["sha256"], digest)]
        return Person(owners[0]["name"], frozenset({CONTRIBUTOR, owners[0]["role"]})) if owners else None

    def person(self, token: str | None) -> Person:
        """
        Return who has a token.

        Raises:
            UnknownTokenError: No token, or one that nobody has.
        """
        if not token:
            raise UnknownTokenError("a token is needed: expected one that kg token make printed.")
        found = self.find_person(token.strip())
        if found is None:
            raise UnknownTokenError("this token is not known: it was revoked, or it is not whole.")
        return found

    @property
    def _lock(self) -> Path:
        return self.path.with_name(f"{self.path.name}.lock")

    def _read(self) -> Sequence[dict[str, Any]]:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            return [{key: str(one[key]) for key in ("name", "role", "sha256", "made")} for one in found]
        except FileNotFoundError:
            return []
        except (ValueError, TypeError, KeyError) as error:
            raise DamagedError(
                f"{self.path} cannot be read ({error}): put a copy back, or delete it and make tokens anew.",
                path=str(self.path),
            ) from error

    def _write(self, entries: Sequence[dict[str, Any]]) -> None:
        descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=".tokens-")  # mode 600
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(entries, file, indent=2, ensure_ascii=False)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.path)
        except BaseException:
            with suppress(FileNotFoundError):
                Path(name).unlink()
            raise


def _is_meant(entry: dict[str, Any], name: str) -> bool:
    by_digest = len(name) >= 8 and entry["sha256"].startswith(name)
    return by_digest or slug_of(entry["name"]) == slug_of(name)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
