"""Whom this process may speak to: the hosts its settings name, this machine, and addresses of private networks.

Every client of ours, and of the libraries we use, asks for the address of a host before it connects. A host that
nobody named is refused there, whoever asks: a mistyped address, a redirect, a library that would send statistics. The
database is not asked about: its own library connects.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
from typing import Any, Final
from urllib.parse import urlsplit

_also: set[str] = set()
_guarding = False
_HERE: Final = frozenset({"", "localhost", "localhost.localdomain"})


class Refused(OSError):
    """The settings do not name this host."""


def guard() -> None:
    """From now on, for as long as the process lives."""
    global _guarding  # noqa: PLW0603  # a hook cannot be taken away, and must be there once
    if not _guarding:
        _guarding = True
        sys.addaudithook(_asked)


def also(*addresses: str) -> None:
    """Hosts that a service we trust has named: the sign-in service says where its own parts are."""
    _also.update((urlsplit(address).hostname or "").lower() for address in addresses)


def refuses(host: str) -> bool:
    """Tries it."""
    try:
        socket.getaddrinfo(host, 443)
    except Refused:
        return True
    except OSError:
        return False
    return False


def _asked(event: str, given: tuple[Any, ...]) -> None:
    if event != "socket.getaddrinfo":
        return
    host = given[0].decode("ascii", "replace") if isinstance(given[0], bytes) else str(given[0] or "")
    host = host.lower().strip("[]").rstrip(".")
    if host not in _HERE and not _near(host) and host not in named():
        raise Refused(host)


def _near(host: str) -> bool:
    """Whether it is an address, not a name, of this machine or of a private network."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_private or address.is_loopback or address.is_unspecified


def named() -> set[str]:
    """Hosts of the settings as they are now."""
    from django.conf import settings

    urls = [
        *(settings.REDIS_URL, settings.CELERY_BROKER_URL, settings.VAULT_ADDR, settings.LDAP_URL),
        *(
            settings.S3_URL,
            settings.OIDC_ISSUER,
            settings.XAPI_URL,
            settings.PORTAL_URL,
            settings.EMBEDDING_ENDPOINT.get("url", ""),
        ),
    ]
    found = {(urlsplit(url).hostname or "").lower() for url in urls if url}
    found |= {str(one["HOST"]).lower() for one in settings.DATABASES.values()}
    places = (settings.CLAMD, settings.AUDIT_CHECKPOINT_SYSLOG)
    found |= {str(where[0]).lower() for where in places if not isinstance(where, str)}
    if settings.MAIL_URL:
        found.add(str(settings.EMAIL_HOST).lower())
    if settings.CLINCHAT_KEYS == "kms":
        regions = {arn.split(":")[3] for arn in settings.KMS_KEY_IDS}
        found |= {f"{service}.{region}.amazonaws.com" for region in regions for service in ("kms", "sts")}
    found |= {host for store in settings.BACKUP_STORES for host in _of_bucket(store, settings.S3_REGION)}
    return found | _also | {socket.gethostname().lower()}


def _of_bucket(store: str, region: str) -> set[str]:
    """The hosts a bucket is reached at when no S3 service of the hospital's own is named."""
    if not store.startswith("s3://"):
        return set()
    bucket = urlsplit(store).netloc
    return {f"s3.{region}.amazonaws.com", f"{bucket}.s3.{region}.amazonaws.com", f"{bucket}.s3.amazonaws.com"}
