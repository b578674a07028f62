"""Tests of `kg.config`: what is read from the environment, and what is refused."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from kg.config import Settings, describe
from kg.errors import UsageError


def test_from_environment_reads_each_type() -> None:
    """Text becomes the type of the default."""
    given = {"KG_PORT": "81", "KG_TIMEOUT_S": "2.5", "KG_ROOT": "/x", "KG_HOST": "::1", "OTHER": "1"}
    settings = Settings.from_environment(given)
    assert (settings.port, settings.timeout_s, settings.root, settings.host) == (81, 2.5, Path("/x"), "::1")
    assert settings.path("data", "a.ttl") == Path("/x/data/a.ttl")
    assert settings.build_path == Path("/x/build")
    assert settings.documents_path == Path("/x/../shared/documents")


@pytest.mark.parametrize("given", [{"KG_PORT": "x"}, {"KG_PROT": "8001"}, {"KG_SCRATCH": "perhaps"}])
def test_from_environment_refuses_what_it_does_not_understand(given: dict[str, str]) -> None:
    """A wrong value and a misspelt name are named, not passed over."""
    with pytest.raises(UsageError, match=next(iter(given))):
        Settings.from_environment(given)


def test_a_boolean_is_read_by_its_word() -> None:
    """False is not true for being a text that is not empty; what is written out reads back."""
    words = {"1": True, "TRUE": True, "yes": True, str(True): True, "0": False, "false": False, "": False}
    assert {word: Settings.from_environment({"KG_SCRATCH": word}).scratch for word in words} == words
    assert Settings().scratch is False


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.0.2.1", "localhost.example.org", "", "127.0.0.1.nip.io"]
)
def test_updates_on_an_address_of_the_net_are_refused(host: str) -> None:
    """A service that anybody may change does not start where others reach it."""
    with pytest.raises(UsageError, match="this machine"):
        Settings(scratch=True, host=host)
    assert Settings(host=host).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "LOCALHOST"])
def test_updates_on_loopback_are_allowed(host: str) -> None:
    """On one's own machine one may try things out."""
    assert Settings(scratch=True, host=host).scratch


def test_settings_are_frozen_and_described() -> None:
    """Nobody changes a setting later; each has help."""
    with pytest.raises(FrozenInstanceError):
        Settings().port = 1  # type: ignore[misc]
    assert len(describe()) == len(fields(Settings))
    assert all(help_text for _, _, help_text in describe())
