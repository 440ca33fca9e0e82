"""Encrypted streams: what went in comes out, and nothing else is taken for it."""

from __future__ import annotations

import os
import random

import pytest

from compliance.continuity.refusals import Altered, Truncated, WrongKey
from compliance.continuity.storage import keys, streams

KEY, OTHER = keys.derive(b"k" * 32), keys.derive(b"o" * 32)
PLACE = "0a1b/database.dump"
FRAME, SEALED = streams.FRAME, streams.FRAME + streams.TAG


def sealed(data: bytes, *, place: str = PLACE) -> bytes:
    return b"".join(streams.encrypt([data], key=KEY, context=place))


def opened(data: bytes, *, place: str = PLACE, ring: list[keys.Key] | None = None) -> bytes:
    return b"".join(streams.decrypt([data], keys=ring or [OTHER, KEY], context=place))


@pytest.mark.parametrize("size", [0, 1, FRAME - 1, FRAME, FRAME + 1, 2 * FRAME, 3 * FRAME + 17])
def test_what_went_in_comes_out_and_the_size_is_known_before(size: int) -> None:
    data = os.urandom(size)
    stream = sealed(data)
    assert opened(stream) == data
    assert len(stream) == streams.HEADER + size + max(1, -(-size // streams.FRAME)) * streams.TAG


@pytest.mark.parametrize("seed", range(12))
def test_the_size_of_the_pieces_does_not_matter(seed: int) -> None:
    dice = random.Random(seed)
    chunks = [dice.randbytes(dice.randrange(400_000)) for _ in range(dice.randrange(12))]
    stream = b"".join(streams.encrypt(chunks, key=KEY, context=PLACE))
    piece = dice.choice([7_777, 100_000, SEALED, 3_000_000])
    pieces = [stream[at : at + piece] for at in range(0, len(stream), piece)]
    assert b"".join(streams.decrypt(pieces, keys=[KEY], context=PLACE)) == b"".join(chunks)


def test_two_streams_of_the_same_have_nothing_in_common_but_their_names() -> None:
    first, second = sealed(b"x" * 100), sealed(b"x" * 100)
    assert first[:24] == second[:24] == streams.MAGIC + KEY.id.encode()
    assert first[24:36] != second[24:36]
    assert b"x" * 8 not in first


def test_a_stream_is_none_in_another_place_or_with_another_key() -> None:
    stream = sealed(b"x")
    for place in ("0a1b/files.tar", "ffff/database.dump", ""):
        with pytest.raises(Altered):
            opened(stream, place=place)
    with pytest.raises(WrongKey):
        opened(stream, ring=[OTHER])


@pytest.mark.parametrize("frames", [0, 1, 2])
def test_a_stream_that_ends_at_a_border_of_its_frames_is_truncated(frames: int) -> None:
    stream = sealed(bytes(3 * FRAME))
    with pytest.raises(Truncated):
        opened(stream[: streams.HEADER + frames * SEALED])
    with pytest.raises((Altered, Truncated)):
        opened(stream[: streams.HEADER + frames * SEALED + 5])


def test_frames_in_another_order_twice_or_of_another_stream_are_refused() -> None:
    data = sealed(os.urandom(3 * FRAME))
    head, frames = data[: streams.HEADER], [data[streams.HEADER + n * SEALED :][:SEALED] for n in range(3)]
    other = sealed(os.urandom(3 * FRAME))[streams.HEADER :][:SEALED]
    for wrong in ([1, 0, 2], [0, 0, 1, 2], [0, 2], [2, 1, 0], [0, 1, 2, 2]):
        with pytest.raises(Altered):
            opened(head + b"".join(frames[n] for n in wrong))
    with pytest.raises(Altered):
        opened(head + other + frames[1] + frames[2])


def test_nothing_comes_out_of_a_frame_that_was_altered() -> None:
    stream = bytearray(sealed(bytes(2 * FRAME)))
    stream[streams.HEADER + SEALED + 9] ^= 1
    pieces = streams.decrypt([bytes(stream)], keys=[KEY], context=PLACE)
    assert next(pieces) == bytes(FRAME)
    with pytest.raises(Altered):
        next(pieces)


def test_the_key_shows_itself_nowhere() -> None:
    assert "k" * 8 not in repr(KEY)
    assert repr(KEY) == f"Key(id='{KEY.id}')"
    assert len({KEY.id, OTHER.id}) == 2
    assert KEY.wrapping_key != KEY.public_key
    assert not OTHER.verifies(b"m", KEY.sign(b"m"))
