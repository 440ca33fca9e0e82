"""Which masking this is: two installations that answer the same mask by the same rules and word lists."""

from __future__ import annotations

from functools import cache
from hashlib import sha256

from compliance.phi.lexicon import HERE, hashes


@cache
def version() -> str:
    """Twelve hexadecimal digits, made of every source file of this package and every word list."""
    sources = [sha256(path.read_bytes()).hexdigest() for path in sorted(HERE.rglob("*.py"))]
    return sha256(" ".join([*sources, *hashes().values()]).encode()).hexdigest()[:12]
