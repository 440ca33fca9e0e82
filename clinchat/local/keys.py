"""The keys of an embedded installation."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from clinchat.local.folders import open_var, private_folder, storage_errors
from clinchat.local.paths import paths

# Those of sealing and of backups are AES-256 keys, those of the trail and of certificates Ed25519.
# Django asks for 50 characters.
_BYTES = {
    "secret_key": 48,
    "sealing_key": 32,
    "index_key": 32,
    "audit_signing_key": 32,
    "certificate_key": 32,
    "backup_key": 32,
}
_PUBLIC = "audit_public_keys"


def ensure_keys() -> None:
    """Create the key files that are missing (0600, in a folder 0700); one that exists is never touched.

    Only to the public keys a line is added, when there is a new signing key.
    """
    place = paths()
    keys = place.keys
    with storage_errors(keys):
        missing = [name for name in _BYTES if not (keys / name).exists()]
        if not missing and (keys / _PUBLIC).exists():
            return
        open_var(place.var)
        private_folder(keys)
        for name in missing:
            value = _index_key(keys) if name == "index_key" else secrets.token_bytes(_BYTES[name])
            _create(keys / name, base64.b64encode(value))
        if "audit_signing_key" in missing or not (keys / _PUBLIC).exists():
            _publish(keys)


def _index_key(keys: Path) -> bytes:
    """Before 0.3.0 it was made from the sealing key, which is older than this: equal values must stay equal."""
    first = base64.b64decode((keys / "sealing_key").read_bytes().split()[0])
    return hmac.new(first, b"index", hashlib.sha256).digest()


def _publish(keys: Path) -> None:
    """Write down the public half of the signing key, below those of the keys before it."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # the first start may take longer

    seed = base64.b64decode((keys / "audit_signing_key").read_bytes())
    public = base64.b64encode(Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw())
    _create(keys / _PUBLIC, public)
    known = (keys / _PUBLIC).read_bytes().splitlines()
    if public not in known:
        draft = keys / f".{_PUBLIC}.{os.getpid()}"
        _write(draft, b"\n".join([*known, public]))
        draft.replace(keys / _PUBLIC)


def _create(path: Path, value: bytes) -> None:
    # A hard link appears whole or not at all and never replaces: two first starts agree on one key.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    _write(draft, value)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _write(path: Path, value: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(value + b"\n")
        os.fsync(file.fileno())
