"""Sealed values: each under a data key of its own, bound to its place, openable with earlier keys of the file."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from clinchat.lib import keys, sealed
from tests.lib import rings

PLACE = b"table.column:row"


@pytest.fixture(autouse=True)
def ring(tmp_path: Path, settings: Any) -> Path:
    return rings.use_file(settings, tmp_path / "sealing_key")


@given(value=st.binary(max_size=300), place=st.binary(max_size=60))
@examples(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_was_sealed_opens_at_its_place(value: bytes, place: bytes) -> None:
    blob = sealed.seal(value, aad=place)
    assert sealed.unseal(blob, aad=place) == value
    assert sealed.unseal(sealed.rewrap(blob, aad=place), aad=place) == value
    with pytest.raises(sealed.Unsealable):
        sealed.unseal(blob, aad=place + b"x")
    with pytest.raises(sealed.Unsealable):
        sealed.rewrap(blob, aad=place + b"x")


def test_equal_values_look_different() -> None:
    assert sealed.seal(b"x", aad=PLACE) != sealed.seal(b"x", aad=PLACE)


def test_no_byte_can_be_changed() -> None:
    blob = sealed.seal(b"Zebulon Quixworth", aad=PLACE)
    assert b"Zebulon" not in blob
    for at in range(len(blob)):
        altered = bytearray(blob)
        altered[at] ^= 1
        with pytest.raises(sealed.Unsealable):
            sealed.unseal(bytes(altered), aad=PLACE)


@pytest.mark.parametrize("share", range(0, 100, 5))
def test_nothing_can_be_cut_off_or_added(share: int) -> None:
    blob = sealed.seal(b"Zebulon Quixworth", aad=PLACE)
    for damaged in (blob[: len(blob) * share // 100], blob + bytes(share + 1)):
        with pytest.raises(sealed.Unsealable):
            sealed.unseal(damaged, aad=PLACE)


@pytest.mark.parametrize("blob", [b"", b"\x02", b"\x01" + bytes(60), b"\x02\x03a:b\x00\x02xx" + bytes(40)])
def test_what_was_never_sealed_does_not_open(blob: bytes) -> None:
    with pytest.raises(sealed.Unsealable):
        sealed.unseal(blob, aad=PLACE)


def test_parts_of_two_values_do_not_fit_together() -> None:
    one, other = (sealed._parts(sealed.seal(value, aad=PLACE)) for value in (b"one", b"two"))
    mixed = sealed._Parts(one.key_id, one.wrapped, other.value).joined()
    with pytest.raises(sealed.Unsealable):
        sealed.unseal(mixed, aad=PLACE)


def test_a_new_key_is_used_at_once_and_the_earlier_one_still_opens(ring: Path) -> None:
    before = sealed.seal(b"x", aad=PLACE)
    new = keys.keys().renew()
    after = sealed.seal(b"x", aad=PLACE)
    assert (rings.wrapped_by(after), rings.wrapped_by(before) == new) == (new, False)
    assert sealed.unseal(before, aad=PLACE) == sealed.unseal(after, aad=PLACE) == b"x"
    assert rings.wrapped_by(sealed.rewrap(before, aad=PLACE)) == new
    assert len(ring.read_text().split()) == 2
    assert stat.S_IMODE(ring.stat().st_mode) == 0o600
    assert [path.name for path in ring.parent.iterdir()] == [ring.name]


def test_another_process_changes_the_file_and_this_one_notices(ring: Path) -> None:
    blob = sealed.seal(b"x", aad=PLACE)
    line = rings.new_line()
    ring.write_text(line + ring.read_text())  # in place, as deploy/make_secrets.py does for a mounted file
    assert rings.wrapped_by(sealed.seal(b"x", aad=PLACE)) != rings.wrapped_by(blob)
    ring.write_text(line)
    with pytest.raises(sealed.Unsealable):
        sealed.unseal(blob, aad=PLACE)


def test_only_keys_that_nothing_needs_are_retired(ring: Path) -> None:
    first = keys.keys().current()
    second = keys.keys().renew()
    third = keys.keys().renew()
    assert keys.keys().retire({first}) == [second]
    assert keys.keys().retire({first}) == []
    assert keys.keys().retire(set()) == [first]
    assert keys.keys().current() == third
    assert len(ring.read_text().split()) == 1


def test_without_the_file_nothing_is_sealed_or_opened(ring: Path) -> None:
    blob = sealed.seal(b"x", aad=PLACE)
    ring.rename(ring.with_name("elsewhere"))
    with pytest.raises(sealed.KeysUnavailable):
        sealed.seal(b"x", aad=PLACE)
    with pytest.raises(sealed.KeysUnavailable):
        sealed.unseal(blob, aad=PLACE)
    ring.with_name("elsewhere").rename(ring)
    assert sealed.unseal(blob, aad=PLACE) == b"x"


def test_keys_in_the_environment_are_changed_by_whoever_set_them(settings: Any) -> None:
    settings.SEALING_KEY_PATH = None
    with pytest.raises(keys.KeptElsewhere, match="SEALING_KEY"):
        keys.keys().renew()


def test_a_file_that_cannot_be_replaced_says_so(ring: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError))
    before = ring.read_text()
    with pytest.raises(keys.KeptElsewhere, match=str(ring)):
        keys.keys().renew()
    assert (ring.read_text(), [path.name for path in ring.parent.iterdir()]) == (before, [ring.name])


def test_equality_is_keyed_and_by_context() -> None:
    assert sealed.blind_index("a", context="x") == sealed.blind_index("a", context="x")
    assert len({sealed.blind_index("a", context=context) for context in "xyz"}) == 3
