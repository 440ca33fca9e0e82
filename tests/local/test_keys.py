"""The keys: private, made once, the same for everybody who starts at the same time."""

from __future__ import annotations

import base64
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clinchat.local import LocalError, Paths, ensure_keys
from tests.local.processes import Start


def test_keys_are_private_and_long_enough(place: Paths) -> None:
    ensure_keys()
    assert stat.S_IMODE(place.keys.stat().st_mode) == 0o700
    files = {
        "secret_key",
        "sealing_key",
        "index_key",
        "audit_signing_key",
        "audit_public_keys",
        "certificate_key",
        "backup_key",
    }
    assert {file.name for file in place.keys.iterdir()} == files
    for name in files:
        assert stat.S_IMODE((place.keys / name).stat().st_mode) == 0o600
    assert len((place.keys / "secret_key").read_text().strip()) >= 50
    assert len(base64.b64decode((place.keys / "sealing_key").read_text())) == 32


def test_an_existing_key_is_never_overwritten(place: Paths) -> None:
    place.keys.mkdir(parents=True)
    (place.keys / "sealing_key").write_text("mine")
    ensure_keys()
    assert (place.keys / "sealing_key").read_text() == "mine"
    before = (place.keys / "secret_key").read_text()
    ensure_keys()
    assert (place.keys / "secret_key").read_text() == before


def test_a_new_signing_key_is_published_beside_the_old_one(place: Paths) -> None:
    ensure_keys()
    before = (place.keys / "audit_public_keys").read_text().split()
    (place.keys / "audit_signing_key").unlink()
    for _ in range(2):
        ensure_keys()
        after = (place.keys / "audit_public_keys").read_text().split()
        assert (len(after), after[:1]) == (2, before)
    signing = Ed25519PrivateKey.from_private_bytes(base64.b64decode((place.keys / "audit_signing_key").read_text()))
    assert base64.b64decode(after[1]) == signing.public_key().public_bytes_raw()
    assert len(list(place.keys.iterdir())) == 7


def test_processes_that_start_together_agree_on_the_keys(place: Paths, start: Start) -> None:
    code = (
        "from clinchat.local import ensure_keys, paths; ensure_keys();"
        "print((paths().keys / 'sealing_key').read_text(), (paths().keys / 'secret_key').read_text())"
    )
    together = [start("-c", code) for _ in range(4)]
    assert len({process.communicate()[0] for process in together}) == 1


def test_a_place_that_cannot_be_written_is_named(place: Paths) -> None:
    place.var.write_text("a file where the folder should be")
    with pytest.raises(LocalError, match=str(place.var)):
        ensure_keys()
