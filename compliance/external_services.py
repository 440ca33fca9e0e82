"""What ClinChat speaks to beyond the database, tried as it is used. Apps register their own in AppConfig.ready().

All are tried at once, each with a deadline: a server that takes a connection and says nothing holds up no other. What a
server answered is never shown, only which kind of failure it was.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from django.conf import settings

from clinchat.lib import clock
from compliance import deadlines
from compliance.measured import Measured, State
from compliance.unreached import unreached

SECONDS: Final = 6.0
PROBES: Final = "probe/"


class NotConfigured(Exception):
    """This installation does not use the service."""


class Failed(Exception):
    """It answers, and not as it should; `words` say in which respect, in ours."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


Probe = Callable[[], str]


@dataclass(frozen=True, slots=True)
class _External:
    name: str
    probe: Probe
    seconds: float


_services: dict[str, _External] = {}


def external(key: str, name: str, probe: Probe, seconds: float = SECONDS) -> None:
    """`probe` uses the service once and says in a few words what it saw; it raises NotConfigured, Failed or anything.

    Its own timeouts should end it: past `seconds` nobody waits for it any more.
    """
    _services[key] = _External(name, probe, seconds)


def known() -> list[str]:
    """The keys of all services, in the order in which they were registered."""
    return list(_services)


def check(only: Iterable[str] | None = None) -> list[Measured]:
    """Try all, or these. Raises KeyError for one that is not known."""
    wanted = {key: _services[key] for key in (_services if only is None else only)}
    tried = deadlines.at_once({key: (one.seconds, partial(_timed, one.probe)) for key, one in wanted.items()})
    return [_measured(key, wanted[key], found) for key, found in tried.items()]


def _timed(probe: Probe) -> tuple[str, int]:
    began = time.monotonic()
    return probe(), round((time.monotonic() - began) * 1000)


def _measured(key: str, one: _External, found: tuple[str, int] | BaseException) -> Measured:
    match found:
        case (words, ms):
            return Measured(key, one.name, State.OK, f"{words}, {ms} ms", {"ms": ms})
        case NotConfigured():
            return Measured(key, one.name, State.ABSENT, "not configured")
        case Failed():
            return Measured(key, one.name, State.FAILED, found.words)
        case deadlines.Late() | TimeoutError():
            return Measured(key, one.name, State.FAILED, f"no answer within {one.seconds:.0f} seconds")
    return Measured(key, one.name, State.FAILED, f"not reached: {unreached(found)}")


# ── Our own ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _queue() -> str:
    import redis

    with redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=2) as client:
        client.ping()
    return "answers"


def _mail() -> str:
    """Connect, encrypt and sign in, as before each message."""
    from compliance import mail

    if not settings.MAIL_URL:
        raise NotConfigured
    mail.reach()
    return "takes our sign-in" if settings.EMAIL_HOST_USER else "answers"


def _directory() -> str:
    from compliance.directory import Unavailable, ldap

    if not settings.LDAP_URL:
        raise NotConfigured
    try:
        ldap.reach()
    except Unavailable:
        raise Failed("not reached, or it refuses our account") from None
    return "takes our sign-in"


def _sign_in() -> str:
    from compliance.directory import Unavailable, oidc

    if not settings.OIDC_ISSUER:
        raise NotConfigured
    try:
        oidc.reach()
    except Unavailable:
        raise Failed("not reached, or not what a provider publishes") from None
    return "publishes its keys"


def _keys() -> str:
    """Wrap a key that is used for nothing."""
    from clinchat.lib.keys import KeysUnavailable
    from clinchat.lib.keys import keys as kept

    if settings.CLINCHAT_KEYS == "file":
        raise NotConfigured
    try:
        kept().wrap(os.urandom(32), aad=b"probe")
    except KeysUnavailable:
        raise Failed("not reached, or it refuses our account") from None
    return "wraps a key"


def _backups() -> str:
    """Write something into each store, find it there, and take it away; also what a killed probe has left."""
    from compliance.continuity.refusals import ContinuityError
    from compliance.continuity.storage import stores

    if not settings.BACKUP_STORES:
        raise NotConfigured
    name = f"{PROBES}{uuid.uuid4().hex}"
    old = clock.now() - timedelta(hours=1)
    try:
        for store in stores.stores():
            size = store.put(name, [b"probe"])
            found = {one.name: one for one in store.list(PROBES)}
            for one in found.values():
                if one.name == name or one.modified < old:
                    store.delete(one.name)
            if name not in found or found[name].size != size:
                raise Failed("what was written is not there")
    except ContinuityError:
        raise Failed("not reached, full, or it refuses our account") from None
    return f"{len(settings.BACKUP_STORES)} can be written and read"


def _syslog() -> str:
    """Datagrams: that nobody refuses them is all that can be known."""
    where: tuple[str, int] | str = settings.AUDIT_CHECKPOINT_SYSLOG
    if not where:
        raise NotConfigured
    if isinstance(where, str):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as local:
            local.connect(where)
        return "its socket is there"
    socket.getaddrinfo(*where, type=socket.SOCK_DGRAM)
    return "its name is known; it answers nothing"


def register() -> None:
    external("queue", "Queue (Redis)", _queue)
    external("mail", "Mail (SMTP)", _mail, 12.0)
    external("directory", "Directory (LDAP)", _directory, 12.0)
    external("sign-in", "Sign-in service (OpenID Connect)", _sign_in, 10.0)
    external("keys", "Key service (Vault, KMS)", _keys, 10.0)
    external("backups", "Stores of backups", _backups, 15.0)
    external("syslog", "Log server (syslog)", _syslog)
