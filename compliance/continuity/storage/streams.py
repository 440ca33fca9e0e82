"""Encrypted streams: what a backup's parts, the shipped log and the kept data keys are written as.

Header, 91 bytes: magic "CCSTRM1\\n", id of the backup key (16 letters), nonce (12) and wrapped key of the stream
(AES-256-GCM: 32 + 16), prefix of the frames' nonces (7). Then frames: 1 MiB of plaintext each, the last one 0 bytes to
1 MiB, every one with its 16-byte tag. The nonce of a frame is the prefix, its number (4 bytes, big-endian, from 0) and
1 for the last frame, else 0. Each stream has a random key of its own, so no nonce ever comes twice.

This is the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár (CRYPTO 2015): a stream that was cut off,
continued, reordered or altered does not decrypt. `place` ("<id of the backup>/<part>") and the header are
authenticated with every frame, so that a stream is none anywhere but in its place.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from compliance.continuity.refusals import Altered, Truncated, WrongKey
from compliance.continuity.storage.keys import KEY_BYTES, Key, find

MAGIC = b"CCSTRM1\n"
TAG = 16
FRAME = 1024 * 1024
_SEALED = FRAME + TAG
_ID, _NONCE, _WRAPPED, _PREFIX = 16, 12, KEY_BYTES + TAG, 7
HEADER = len(MAGIC) + _ID + _NONCE + _WRAPPED + _PREFIX


def encrypt(chunks: Iterable[bytes], *, key: Key, place: str) -> Iterator[bytes]:
    """The stream of `chunks`, which may be of any size, for `place` alone."""
    secret, nonce, prefix = os.urandom(KEY_BYTES), os.urandom(_NONCE), os.urandom(_PREFIX)
    named = MAGIC + key.id.encode("ascii")
    header = named + nonce + AESGCM(key.wrapping).encrypt(nonce, secret, named + place.encode()) + prefix
    cipher, bound = AESGCM(secret), header + place.encode()
    yield header
    for number, frame, last in _numbered(chunks, FRAME):
        yield cipher.encrypt(_nonce(prefix, number, last=last), frame, bound)


def decrypt(chunks: Iterable[bytes], *, keys: Sequence[Key], place: str) -> Iterator[bytes]:
    """The plaintext, each piece only after it was authenticated. That it is whole is known when the last one came.

    Raises WrongKey, Altered and Truncated, with the last word of `place` as the part.
    """
    part = place.rpartition("/")[2]
    source = iter(chunks)
    header, rest = _head(source, part)
    cipher, bound = _opened(header, keys, place, part), header + place.encode()
    for number, frame, last in _numbered(chain((rest,), source), _SEALED):
        if len(frame) < TAG:
            raise Truncated(part)
        try:
            yield cipher.decrypt(_nonce(header[-_PREFIX:], number, last=last), frame, bound)
        except InvalidTag:
            raise _reason(cipher, header, bound, number, frame, part, last=last) from None


def _reason(
    cipher: AESGCM, header: bytes, bound: bytes, number: int, frame: bytes, part: str, *, last: bool
) -> Altered | Truncated:
    """A last frame that opens as one that others follow: those were cut off."""
    if last and len(frame) == _SEALED:
        try:
            cipher.decrypt(_nonce(header[-_PREFIX:], number, last=False), frame, bound)
        except InvalidTag:
            return Altered(part)
        return Truncated(part)
    return Altered(part)


def _head(source: Iterator[bytes], part: str) -> tuple[bytes, bytes]:
    """The header, and what was read beyond it."""
    found = b""
    while len(found) < HEADER:
        chunk = next(source, None)
        if chunk is None:
            raise Truncated(part)
        found += chunk
    if not found.startswith(MAGIC):
        raise Altered(part)
    return found[:HEADER], found[HEADER:]


def _opened(header: bytes, keys: Sequence[Key], place: str, part: str) -> AESGCM:
    named = header[: len(MAGIC) + _ID]
    nonce, wrapped = header[len(named) :][:_NONCE], header[len(named) + _NONCE :][:_WRAPPED]
    key = find(named[len(MAGIC) :].decode("ascii", "replace"), keys)
    if key is None:
        raise WrongKey(part)
    try:
        return AESGCM(AESGCM(key.wrapping).decrypt(nonce, wrapped, named + place.encode()))
    except InvalidTag:
        raise Altered(part) from None


def _nonce(prefix: bytes, number: int, *, last: bool) -> bytes:
    return prefix + number.to_bytes(4, "big") + bytes([last])


def _numbered(chunks: Iterable[bytes], size: int) -> Iterator[tuple[int, bytes, bool]]:
    """Pieces of `size` bytes with their numbers, and whether it is the last: at least one, which may be shorter."""
    number, waiting = 0, bytearray()
    for chunk in chunks:
        waiting += chunk
        start = 0
        while len(waiting) - start > size:
            yield number, bytes(waiting[start : start + size]), False
            number, start = number + 1, start + size
        del waiting[:start]
    yield number, bytes(waiting), True
