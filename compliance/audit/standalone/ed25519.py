"""Checks Ed25519 signatures (RFC 8032, section 5.1). Nothing but the standard library; it cannot sign.

Strict: a number S outside 0 … L-1, a point with more than one encoding, a point off the curve and a key of small
order are refused. Where RFC 8032 leaves it open, the equation without the cofactor is used: [S]B = R + [k]A.
Nothing here is secret, so nothing is done in constant time.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha512

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)

Point = tuple[int, int, int, int]  # extended coordinates X, Y, Z, T: x = X/Z, y = Y/Z, x*y = T/Z
ZERO: Point = (0, 1, 1, 0)


def valid(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` (64 bytes) was made over `message` with the private half of `public_key` (32 bytes)."""
    if len(public_key) != 32 or len(signature) != 64:
        return False
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    key_multiples = _multiples_of_negated(public_key)
    if key_multiples is None or s >= L:
        return False
    k = int.from_bytes(sha512(r + public_key + message).digest(), "little") % L
    # R = [S]B - [k]A, compared as bytes: an R that is not in its only valid form cannot be equal.
    return encode(_multiply(key_multiples, k, _multiply(_multiples_of_base(), s, ZERO))) == r


def encode(point: Point) -> bytes:
    inverse = pow(point[2], -1, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def decode(data: bytes) -> Point | None:
    """Section 5.1.3; None where the bytes are not the one valid encoding of a point of the curve."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if y >= P:
        return None
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if v * x * x % P == -u % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if v * x * x % P != u or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


def add(one: Point, other: Point) -> Point:
    """Section 5.1.4."""
    a = (one[1] - one[0]) * (other[1] - other[0])
    b = (one[1] + one[0]) * (other[1] + other[0])
    c = 2 * D * one[3] * other[3]
    d = 2 * one[2] * other[2]
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def _multiply(multiples: list[list[Point]], number: int, start: Point) -> Point:
    """`start` and `number` times the point of the table: one addition for each four bits."""
    for row in multiples:
        if number & 15:
            start = add(start, row[number & 15])
        number >>= 4
    return start


def _table(point: Point) -> list[list[Point]]:
    """Row i holds 0, 1, … 15 times 16**i times the point."""
    rows = []
    for _ in range(64):
        row = [ZERO]
        for _ in range(15):
            row.append(add(row[-1], point))
        rows.append(row)
        point = add(row[-1], point)
    return rows


@lru_cache(maxsize=1)
def _multiples_of_base() -> list[list[Point]]:
    base = decode((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
    assert base is not None  # noqa: S101  # a constant of the curve
    return _table(base)


@lru_cache(maxsize=16)
def _multiples_of_negated(public_key: bytes) -> list[list[Point]] | None:
    point = decode(public_key)
    if point is None:
        return None
    eightfold = point
    for _ in range(3):
        eightfold = add(eightfold, eightfold)
    if encode(eightfold) == encode(ZERO):
        return None
    return _table((P - point[0], point[1], 1, P - point[3]))
