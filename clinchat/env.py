"""Typed readers of the process environment.

A value that is present but malformed stops the process with the variable's name and what was expected:
a misread security switch is worse than no start. The value itself is never shown, it may be a secret.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off"}


def text(name: str, default: str = "") -> str:
    """The variable NAME, stripped, or `default` when it is unset or empty."""
    return os.environ.get(name, "").strip() or default


def flag(name: str, *, default: bool) -> bool:
    value = text(name).lower()
    if not value:
        return default
    if value in TRUE | FALSE:
        return value in TRUE
    raise ImproperlyConfigured(f"{name} must be true or false.")


def number(name: str, default: int, *, low: int, high: int) -> int:
    value = text(name)
    if not value:
        return default
    if value.isdigit() and low <= int(value) <= high:
        return int(value)
    raise ImproperlyConfigured(f"{name} must be a whole number from {low} to {high}.")


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list; empty entries are dropped."""
    return [item.strip() for item in text(name, default).split(",") if item.strip()]


def address(name: str) -> tuple[str, int] | str:
    """The variable NAME as (host, port), as the path of a socket, or "" when it is unset."""
    value = text(name)
    if not value or value.startswith("/"):
        return value
    host, _, port = value.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")  # an IPv6 address
    if host and port.isascii() and port.isdigit() and 0 < int(port) < 65536:
        return host, int(port)
    raise ImproperlyConfigured(f"{name} must be a host and a port, log.example:514, or the path of a socket, /dev/log.")


def secret(name: str, *, file: Path | None = None) -> str:
    """The variable NAME, else the content of the file named by NAME_FILE, else of `file`.

    Raises ImproperlyConfigured when none of them gives a value of at least 32 characters.
    """
    value = text(name)
    source = text(f"{name}_FILE")
    path = Path(source) if source else file
    if not value and path is not None:
        try:
            value = path.read_text(encoding="utf-8").strip()
        except OSError:
            raise ImproperlyConfigured(f"{name}: the file {path} cannot be read.") from None
    if len(value) < 32:
        raise ImproperlyConfigured(f"{name} is missing or shorter than 32 characters; set {name} or {name}_FILE.")
    return value


def keys(name: str, *, file: Path | None = None) -> list[bytes]:
    """A secret of one or more AES-256 keys, each 32 random bytes in base64, one a line or set apart by spaces."""
    try:
        found = [base64.b64decode(line, validate=True) for line in secret(name, file=file).split()]
    except ValueError:
        found = []
    if not found or any(len(value) != 32 for value in found):
        raise ImproperlyConfigured(
            f"{name} must be 32 bytes in base64; several keys stand one a line, the newest first."
        )
    return found


def key(name: str, *, file: Path | None = None) -> bytes:
    """As `keys`, for exactly one."""
    found = keys(name, file=file)
    if len(found) != 1:
        raise ImproperlyConfigured(f"{name} must be one key: 32 bytes in base64.")
    return found[0]
