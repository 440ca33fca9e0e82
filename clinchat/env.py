"""Typed readers of the process environment.

A value that is present but malformed stops the process with the variable's name and what was expected:
a misread security switch is worse than no start. The value itself is never shown, it may be a secret.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import SplitResult, quote, urlsplit

from django.core.exceptions import ImproperlyConfigured

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off"}
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*[a-z](?:[a-z0-9-]*[a-z0-9])?", re.IGNORECASE)
"""Names joined by dots; the last begins with a letter, which no IP address does."""


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


def rate(name: str, default: str) -> tuple[int, int]:
    """So many in so many seconds, written "30/600"; at most a day."""
    number_, _, seconds = text(name, default).partition("/")
    if all(part.isascii() and part.isdigit() for part in (number_, seconds)):
        found = int(number_[:9]), int(seconds[:9])
        if 1 <= found[0] <= 100_000 and 1 <= found[1] <= 86_400:
            return found
    raise ImproperlyConfigured(f"{name} must be a number and seconds, such as {default}: at most 100000 in 86400.")


def file(name: str) -> str:
    """The path of a file that can be read; empty when the variable is unset."""
    value = text(name)
    if value and not os.access(value, os.R_OK):
        raise ImproperlyConfigured(f"{name}: that file cannot be read.")
    return value


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


def domain(name: str, *, candidates: Sequence[str]) -> str:
    """The variable NAME as a domain; unset, the first of `candidates` that is one and no address, else localhost."""
    value = text(name)
    if value and not _DOMAIN.fullmatch(value):
        raise ImproperlyConfigured(f"{name} must be a domain, such as clinchat.hospital.example.")
    return (value or next(filter(_DOMAIN.fullmatch, candidates), "localhost")).lower()


def encrypted(name: str, *schemes: str) -> str:
    """The variable NAME, an address of one of `schemes`, which encrypt; on this machine it may be without."""
    value = text(name)
    if is_encrypted(value, *schemes):
        return value
    raise ImproperlyConfigured(f"{name} must be an address that begins with {' or '.join(f'{s}://' for s in schemes)}.")


def is_encrypted(url: str, *schemes: str) -> bool:
    """Whether an address is of one of `schemes`, or on this machine."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and (parts.scheme in schemes or parts.hostname in {"127.0.0.1", "::1", "localhost"})
    except ValueError:
        return False


def mail(name: str, *, password: str) -> dict[str, object]:
    """Django's settings for an address as smtp://user@host:587 (STARTTLS) or smtps://user@host:465.

    On this machine smtp:// goes without encryption; anywhere else a server that offers none gets no mail.
    """
    parts = _mail_parts(text(name))
    if parts is None:
        raise ImproperlyConfigured(f"{name} must be an address such as smtp://user@host:587 or smtps://user@host:465.")
    here = parts.hostname in {"127.0.0.1", "::1", "localhost"}
    return {
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or (465 if parts.scheme == "smtps" else 587),
        "EMAIL_HOST_USER": parts.username or "",
        "EMAIL_HOST_PASSWORD": password,
        "EMAIL_USE_SSL": parts.scheme == "smtps",
        "EMAIL_USE_TLS": parts.scheme == "smtp" and not here,
    }


def _mail_parts(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"smtp", "smtps"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return None
    return parts if usable and parts.password is None else None


def password(name: str) -> str:
    """The variable NAME, else the content of the file named by NAME_FILE, of any length; "" when neither is given."""
    path = secret_file(name)
    if path is None:
        return text(name)
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        raise ImproperlyConfigured(f"{name}: the file {path} cannot be read.") from None


def with_password(url: str, password: str) -> str:
    """A redis:// or rediss:// address with the password in it."""
    parts = urlsplit(url)
    if not parts.hostname or parts.password:
        raise ImproperlyConfigured("REDIS_PASSWORD needs a REDIS_URL with a host and without a password of its own.")
    user = f"{parts.username}:" if parts.username else ":"
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{user}{quote(password, safe='')}@{host}").geturl()


def secret(name: str, *, file: Path | None = None) -> str:
    """The variable NAME, else the content of the file named by NAME_FILE, else of `file`.

    Raises ImproperlyConfigured when none of them gives a value of at least 32 characters.
    """
    value = text(name)
    path = secret_file(name, file=file)
    if path is not None:
        try:
            value = path.read_text(encoding="utf-8").strip()
        except OSError:
            raise ImproperlyConfigured(f"{name}: the file {path} cannot be read.") from None
    if len(value) < 32:
        raise ImproperlyConfigured(f"{name} is missing or shorter than 32 characters; set {name} or {name}_FILE.")
    return value


def secret_file(name: str, *, file: Path | None = None) -> Path | None:
    """The file that `secret` reads NAME from; None when the variable itself holds it, or neither is given."""
    source = text(f"{name}_FILE")
    return None if text(name) else Path(source) if source else file


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
