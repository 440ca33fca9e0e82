"""The encrypted format of every object but manifests: parts of backups, WAL segments, the copy of the data keys.

Header, 91 bytes: magic "CCSTRM1\\n", id of the backup key (16 ASCII characters), nonce (12) and wrapped stream key
(AES-256-GCM: 32 + 16 tag), nonce prefix (7). Then frames (AES-256-GCM): 1 MiB of plaintext each, the last one 0 bytes
to 1 MiB, each followed by its 16-byte tag. The nonce of a frame is the prefix, its number (4 bytes, big-endian, from 0)
and one byte, 1 for the last frame, else 0. Each stream has a random key of its own, so nonces never repeat.

This is the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár (CRYPTO 2015): a stream that was truncated,
extended, reordered or altered does not decrypt. `context` is associated data (AEAD): the identity of the object, such
as "<id of the backup>/<part>". A stream decrypts only with the context that it was encrypted with, so that one object
cannot be passed off as another. The header is associated data of every frame as well.
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
_ENCRYPTED_FRAME = FRAME + TAG
_KEY_ID, _NONCE, _WRAPPED, _PREFIX = 16, 12, KEY_BYTES + TAG, 7
"""Bytes of the fields of the header after the magic."""
HEADER = len(MAGIC) + _KEY_ID + _NONCE + _WRAPPED + _PREFIX


def encrypt(chunks: Iterable[bytes], *, key: Key, context: str) -> Iterator[bytes]:
    """Encrypt `chunks`, which may be of any size, as one stream bound to `context`."""
    stream_key, nonce, prefix = os.urandom(KEY_BYTES), os.urandom(_NONCE), os.urandom(_PREFIX)
    key_header = MAGIC + key.id.encode("ascii")
    wrapped = AESGCM(key.wrapping_key).encrypt(nonce, stream_key, key_header + context.encode())
    header = key_header + nonce + wrapped + prefix
    cipher, associated = AESGCM(stream_key), header + context.encode()
    yield header
    for number, frame, last in _frames(chunks, FRAME):
        yield cipher.encrypt(_nonce(prefix, number, last=last), frame, associated)


def decrypt(chunks: Iterable[bytes], *, keys: Sequence[Key], context: str) -> Iterator[bytes]:
    """The plaintext, frame by frame; each is authenticated before it is yielded.

    Only when the iterator is exhausted is it known that the stream is complete. Raises WrongKey, Altered and Truncated;
    the part they name is what follows the last "/" of `context`.
    """
    part = context.rpartition("/")[2]
    source = iter(chunks)
    header, rest = _split_header(source, part)
    cipher, associated = _unwrap_cipher(header, keys, context, part), header + context.encode()
    for number, frame, last in _frames(chain((rest,), source), _ENCRYPTED_FRAME):
        if len(frame) < TAG:
            raise Truncated(part)
        try:
            yield cipher.decrypt(_nonce(header[-_PREFIX:], number, last=last), frame, associated)
        except InvalidTag:
            raise _cause(cipher, header, associated, number, frame, part, last=last) from None


def _cause(
    cipher: AESGCM, header: bytes, associated: bytes, number: int, frame: bytes, part: str, *, last: bool
) -> Altered | Truncated:
    """Why the frame does not decrypt: Truncated where it is intact, but was not the last one of the stream."""
    if last and len(frame) == _ENCRYPTED_FRAME:
        try:
            cipher.decrypt(_nonce(header[-_PREFIX:], number, last=False), frame, associated)
        except InvalidTag:
            return Altered(part)
        return Truncated(part)
    return Altered(part)


def _split_header(source: Iterator[bytes], part: str) -> tuple[bytes, bytes]:
    """Read the header; returns it, and the bytes after it that were read along."""
    found = b""
    while len(found) < HEADER:
        chunk = next(source, None)
        if chunk is None:
            raise Truncated(part)
        found += chunk
    if not found.startswith(MAGIC):
        raise Altered(part)
    return found[:HEADER], found[HEADER:]


def _unwrap_cipher(header: bytes, keys: Sequence[Key], context: str, part: str) -> AESGCM:
    """The cipher of the frames, with the stream key that the header holds wrapped."""
    key_header = header[: len(MAGIC) + _KEY_ID]
    nonce, wrapped = header[len(key_header) :][:_NONCE], header[len(key_header) + _NONCE :][:_WRAPPED]
    key = find(key_header[len(MAGIC) :].decode("ascii", "replace"), keys)
    if key is None:
        raise WrongKey(part)
    try:
        return AESGCM(AESGCM(key.wrapping_key).decrypt(nonce, wrapped, key_header + context.encode()))
    except InvalidTag:
        raise Altered(part) from None


def _nonce(prefix: bytes, number: int, *, last: bool) -> bytes:
    return prefix + number.to_bytes(4, "big") + bytes([last])


def _frames(chunks: Iterable[bytes], size: int) -> Iterator[tuple[int, bytes, bool]]:
    """Cut `chunks` into frames of `size` bytes: (number, bytes, is last). At least one; the last may be shorter."""
    number, buffer = 0, bytearray()
    for chunk in chunks:
        buffer += chunk
        start = 0
        while len(buffer) - start > size:
            yield number, bytes(buffer[start : start + size]), False
            number, start = number + 1, start + size
        del buffer[:start]
    yield number, bytes(buffer), True
