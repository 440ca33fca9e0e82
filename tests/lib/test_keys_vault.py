"""Sealing with a key in Vault: over TLS that is checked, and closed when Vault does not answer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clinchat.lib import keys, sealed
from clinchat.lib.keys import recent, vault
from compliance import external_services
from compliance.measured import State
from tests import certificates
from tests.lib import rings
from tests.lib.transit import Key, Transit

PLACE = b"table.column:row"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> certificates.Files:
    return certificates.make(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def transit(files: certificates.Files, tmp_path: Path, settings: Any) -> Iterator[Transit]:
    server = Transit(files)
    (tmp_path / "token").write_text(server.token + "\n")
    settings.CLINCHAT_KEYS, settings.VAULT_KEY = "vault", "clinchat"
    settings.VAULT_ADDR, settings.VAULT_CA_FILE = server.address, str(files.ca)
    settings.VAULT_TOKEN_FILE = str(tmp_path / "token")
    keys._made.cache_clear()
    yield server
    keys._made.cache_clear()
    server.stop()


def another_process() -> None:
    """Forget what this one has opened."""
    keys._made.cache_clear()


def test_what_was_sealed_opens_at_its_place_alone(transit: Transit) -> None:
    blob = sealed.seal(b"Zebulon Quixworth", aad=PLACE)
    another_process()
    assert sealed.unseal(blob, aad=PLACE) == b"Zebulon Quixworth"
    assert rings.wrapped_by(blob) == "vault:clinchat:1" == keys.keys().current()
    for place in (b"", PLACE + b"x"):
        with pytest.raises(sealed.Unsealable):
            sealed.unseal(blob, aad=place)


def test_a_key_that_was_rotated_opens_what_it_wrapped_before(transit: Transit) -> None:
    blob = sealed.seal(b"x", aad=PLACE)
    assert keys.keys().renew() == "vault:clinchat:2"
    another_process()
    again = sealed.rewrap(blob, aad=PLACE)
    assert (rings.wrapped_by(again), sealed.unseal(again, aad=PLACE)) == ("vault:clinchat:2", b"x")
    assert sealed.unseal(blob, aad=PLACE) == b"x"
    assert keys.keys().retire({"vault:clinchat:1"}) == []
    assert keys.keys().retire({"vault:clinchat:2", "0123456789abcdef"}) == ["vault:clinchat:1"]
    another_process()
    with pytest.raises(sealed.Unsealable):
        sealed.unseal(blob, aad=PLACE)
    assert sealed.unseal(again, aad=PLACE) == b"x"


def test_another_key_of_the_same_vault_is_no_way_in(transit: Transit) -> None:
    transit.keys["other"] = Key()
    parts = sealed._parts(sealed.seal(b"x", aad=PLACE))
    for name in ("vault:other:1", "vault:clinchat:2", "vault:../sys:1", "vault:clinchat:01", "vault::1", "kms:x:1"):
        with pytest.raises((sealed.Unsealable, sealed.KeysUnavailable)):
            sealed.unseal(sealed._Parts(name, parts.wrapped, parts.value).joined(), aad=PLACE)


@pytest.mark.parametrize("status", [403, 404, 429, 500, 503, 307])
def test_a_vault_that_refuses_closes_everything(transit: Transit, status: int) -> None:
    blob = sealed.seal(b"x", aad=PLACE)
    another_process()
    transit.status = status
    for act in (lambda: sealed.seal(b"x", aad=PLACE), lambda: sealed.unseal(blob, aad=PLACE), keys.keys().current):
        with pytest.raises(sealed.KeysUnavailable):
            act()


@pytest.mark.parametrize("answer", [b"", b"null", b"[]", b'{"data": {}}', b'{"data": {"ciphertext": "x"}}', b"<html>"])
def test_an_answer_that_makes_no_sense_is_none(transit: Transit, answer: bytes) -> None:
    blob = sealed.seal(b"x", aad=PLACE)
    another_process()
    transit.answer = answer
    for act in (lambda: sealed.seal(b"x", aad=PLACE), lambda: sealed.unseal(blob, aad=PLACE), keys.keys().current):
        with pytest.raises(sealed.KeysUnavailable):
            act()


def test_a_vault_that_is_gone_or_slow_closes_everything(transit: Transit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault, "TIMEOUT", (0.3, 0.3))
    another_process()
    transit.slow = 1.0
    with pytest.raises(sealed.KeysUnavailable):
        sealed.seal(b"x", aad=PLACE)
    transit.stop()
    with pytest.raises(sealed.KeysUnavailable):
        sealed.seal(b"x", aad=PLACE)


def test_a_server_with_another_certificate_is_not_believed(transit: Transit, tmp_path: Path, settings: Any) -> None:
    settings.VAULT_CA_FILE = str(certificates.make(tmp_path / "others").ca)
    with pytest.raises(sealed.KeysUnavailable):
        sealed.seal(b"x", aad=PLACE)
    assert transit.requests == 0


def test_the_token_is_read_anew(transit: Transit, settings: Any) -> None:
    sealed.seal(b"x", aad=PLACE)
    transit.token = "another token"
    with pytest.raises(sealed.KeysUnavailable):
        sealed.seal(b"x", aad=PLACE)
    Path(settings.VAULT_TOKEN_FILE).write_text(transit.token)
    sealed.seal(b"x", aad=PLACE)
    Path(settings.VAULT_TOKEN_FILE).unlink()
    with pytest.raises(sealed.KeysUnavailable):
        sealed.seal(b"x", aad=PLACE)


def test_what_was_opened_a_moment_ago_is_not_asked_for_again(transit: Transit, monkeypatch: pytest.MonkeyPatch) -> None:
    blob = sealed.seal(b"x", aad=PLACE)
    asked = transit.requests
    for _ in range(5):
        sealed.unseal(blob, aad=PLACE)
    assert transit.requests == asked
    with pytest.raises(sealed.Unsealable):
        sealed.unseal(blob, aad=PLACE + b"x")
    monkeypatch.setattr(recent, "SECONDS", -1.0)
    another_process()
    for _ in range(2):
        sealed.unseal(blob, aad=PLACE)
    assert transit.requests == asked + 3


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "MOST", 3)
    kept = recent.Recent()
    for number in range(5):
        kept.put(b"%d" % number, b"a", b"%d" % number)
    assert [kept.get(b"a", b"%d" % number) for number in range(5)] == [None, None, b"2", b"3", b"4"]
    assert kept.get(b"a4") is None


def test_a_fork_makes_connections_of_its_own(transit: Transit) -> None:
    sealed.seal(b"x", aad=PLACE)
    own = keys.keys()._own  # type: ignore[attr-defined]
    mine = own.clients()
    child = os.fork()
    if child == 0:
        os._exit(len(own.clients()))
    assert os.waitpid(child, 0)[1] == 0
    assert own.clients() is mine
    assert len(mine) == 1


@pytest.mark.parametrize("what", ["rotate", "config"])
def test_who_may_not_manage_keys_is_told_who_may(transit: Transit, what: str) -> None:
    transit.forbidden = {what}
    if what == "config":
        keys.keys().renew()
    with pytest.raises(keys.KeptElsewhere, match=f"transit/keys/clinchat/{what}"):
        keys.keys().renew() if what == "rotate" else keys.keys().retire(set())


def test_values_sealed_with_the_file_move_to_vault(transit: Transit, tmp_path: Path, settings: Any) -> None:
    rings.use_file(settings, tmp_path / "sealing_key")
    blob = sealed.seal(b"x", aad=PLACE)
    settings.CLINCHAT_KEYS = "vault"
    assert sealed.unseal(blob, aad=PLACE) == b"x"
    moved = sealed.rewrap(blob, aad=PLACE)
    (tmp_path / "sealing_key").unlink()
    assert (rings.wrapped_by(moved), sealed.unseal(moved, aad=PLACE)) == ("vault:clinchat:1", b"x")
    with pytest.raises(sealed.KeysUnavailable):
        sealed.unseal(blob, aad=PLACE)


def test_the_service_is_tried_by_wrapping_a_key(transit: Transit, settings: Any) -> None:
    (found,) = external_services.check(["keys"])
    assert (found.state, found.words.split(",")[0]) == (State.OK, "wraps a key")
    Path(settings.VAULT_TOKEN_FILE).write_text("of somebody else")
    (found,) = external_services.check(["keys"])
    assert found.state == State.FAILED
