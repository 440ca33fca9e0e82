"""Make the keys and passwords of a compose installation, once: `sudo python3 deploy/make_secrets.py /etc/clinchat`.

With --new-sealing-key a new sealing key is put in front of those there are; `manage.py rotate_keys` does the rest.

Each file belongs to the account that reads it in its container and to nobody else; compose mounts it as it is.
An existing file is never touched, except with --new-sealing-key, which keeps the keys that are in it: another sealing
key alone would leave every masked value closed for good. But the public half of a new signing key is added to
`audit_public_keys`, where those of earlier ones stay.
"""

from __future__ import annotations

import base64
import hmac
import os
import runpy
import secrets
import sys
from hashlib import sha512
from pathlib import Path

APP, POSTGRES = 10001, 999  # `user:` of the services in compose.yaml
REDIS = 999


def main(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    signing, owner, password = (
        folder / name for name in ("audit_signing_key", "database_owner_password", "database_password")
    )
    redis = folder / "redis_password"
    made = [
        _make(folder / "secret_key", secrets.token_urlsafe(48), APP),
        _make(folder / "index_key", _index_key(folder / "sealing_key"), APP),
        _make(folder / "sealing_key", _key(), APP),
        _make(folder / "certificate_key", _key(), APP),
        _make(folder / "backup_key", _key(), APP),
        _make(signing, _key(), APP),
        _publish(signing, folder / "audit_public_keys"),
        _make(folder / "database_admin_password", secrets.token_urlsafe(32), POSTGRES),
        _make(owner, secrets.token_urlsafe(32), POSTGRES),
        _make(password, secrets.token_urlsafe(32), POSTGRES),
        _make(folder / "pgpass_owner", f"db:5432:*:clinchat_owner:{owner.read_text().strip()}", APP),
        _make(folder / "pgpass", f"db:5432:clinchat:clinchat:{password.read_text().strip()}", APP),
        _make(redis, secrets.token_urlsafe(32), APP),
        _make(folder / "redis_config", f"requirepass {redis.read_text().strip()}", REDIS),
    ]
    told = "\n".join(f"made {path}" for path in made if path) or f"{folder} is complete; nothing was changed"
    sys.stdout.write(f"{told}\n")


def new_sealing_key(folder: Path) -> None:
    """Put a new key in front. In place: compose has mounted this very file, and a process reads it when it changes."""
    path = folder / "sealing_key"
    with path.open("r+b", buffering=0) as file:
        ring = _key().encode() + b"\n" + file.read()
        file.seek(0)
        file.write(ring)
        os.fsync(file.fileno())
    sys.stdout.write(f"put a new key in front in {path}; now run: manage.py rotate_keys\n")


def _key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _index_key(sealing: Path) -> str:
    """Before 0.3.0 it was made from the sealing key: where that is older, equal values must stay equal."""
    if not sealing.exists():
        return _key()
    first = base64.b64decode(sealing.read_text().split()[0])
    return base64.b64encode(hmac.digest(first, b"index", "sha256")).decode()


def _make(path: Path, value: str, owner: int) -> Path | None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    except FileExistsError:
        return None
    with os.fdopen(descriptor, "w") as file:
        file.write(value + "\n")
        os.fchown(file.fileno(), owner, owner)
    return path


def _publish(signing: Path, keys: Path) -> Path | None:
    """Write the public half of the signing key where it is missing."""
    line = base64.b64encode(public_half(base64.b64decode(signing.read_text()))).decode()
    if made := _make(keys, line, APP):
        return made
    if line in keys.read_text().split():
        return None
    with keys.open("a") as file:
        file.write(line + "\n")
    return keys


def public_half(seed: bytes) -> bytes:
    """The Ed25519 public key of a seed of 32 bytes (RFC 8032, section 5.1.5)."""
    curve = runpy.run_path(
        str(Path(__file__).resolve().parents[1] / "compliance" / "audit" / "standalone" / "ed25519.py")
    )
    number = int.from_bytes(sha512(seed).digest()[:32], "little") & (2**254 - 8) | 2**254
    point = curve["decode"]((4 * pow(5, -1, curve["P"]) % curve["P"]).to_bytes(32, "little"))
    product = curve["ZERO"]
    while number:
        if number & 1:
            product = curve["add"](product, point)
        point = curve["add"](point, point)
        number >>= 1
    encoded: bytes = curve["encode"](product)
    return encoded


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--new-sealing-key"]
    if len(words) != 1 or os.geteuid() != 0:
        sys.exit("Run it as root and name a folder: sudo python3 deploy/make_secrets.py /etc/clinchat")
    if len(words) == len(sys.argv) - 1:
        main(Path(words[0]))
    else:
        new_sealing_key(Path(words[0]))
