"""Connection tests of the external services besides the database. Apps register theirs in AppConfig.ready().

Each probe uses its service once as the application does. All run at the same time, each with a deadline, so one that
hangs delays no other. The text of a server's answer is never shown, only the kind of failure.
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
from compliance import connection_errors, deadlines
from compliance.measured import Measured, State

SECONDS: Final = 6.0
PROBE_FOLDER: Final = "probe/"


class NotConfigured(Exception):
    """This installation does not use the service."""


class Failed(Exception):
    """The service does not work as it should. `words`: in which respect, in our own words."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


Probe = Callable[[], str]
"""Returns what it saw in a few words; raises NotConfigured, Failed, or any other exception for a failure."""


@dataclass(frozen=True, slots=True)
class _Service:
    name: str
    probe: Probe
    seconds: float


_services: dict[str, _Service] = {}


def register_service(key: str, name: str, probe: Probe, seconds: float = SECONDS) -> None:
    """Register a service. `probe` should time out by itself; past `seconds` its result is not awaited any more."""
    _services[key] = _Service(name, probe, seconds)


def known() -> list[str]:
    """The keys of all services, in the order of registration."""
    return list(_services)


def check(only: Iterable[str] | None = None) -> list[Measured]:
    """Probe all services, or these. Raises KeyError for an unknown key."""
    wanted = {key: _services[key] for key in (_services if only is None else only)}
    tried = deadlines.run_all({key: (one.seconds, partial(_timed, one.probe)) for key, one in wanted.items()})
    return [_measured(key, wanted[key], found) for key, found in tried.items()]


def _timed(probe: Probe) -> tuple[str, int]:
    began = time.monotonic()
    return probe(), round((time.monotonic() - began) * 1000)


def _measured(key: str, one: _Service, found: tuple[str, int] | BaseException) -> Measured:
    match found:
        case (words, ms):
            return Measured(key, one.name, State.OK, f"{words}, {ms} ms", {"ms": ms})
        case NotConfigured():
            return Measured(key, one.name, State.ABSENT, "not configured")
        case Failed():
            return Measured(key, one.name, State.FAILED, found.words)
        case deadlines.DeadlineExceeded() | TimeoutError():
            return Measured(key, one.name, State.FAILED, f"no answer within {one.seconds:.0f} seconds")
    return Measured(key, one.name, State.FAILED, f"not reached: {connection_errors.describe(found)}")


# ── Services of the compliance app ─────────────────────────────────────────────────────────────────────────────────


def _queue() -> str:
    import redis

    with redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=2) as client:
        client.ping()
    return "answers"


def _mail() -> str:
    """Connect, start TLS and sign in, without sending a message."""
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
    """Wrap a random key, which is then thrown away."""
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
    """Write an object into each backup store, list it and delete it. Also deletes what killed probes have left."""
    from compliance.continuity.refusals import ContinuityError
    from compliance.continuity.storage import stores

    if not settings.BACKUP_STORES:
        raise NotConfigured
    name = f"{PROBE_FOLDER}{uuid.uuid4().hex}"
    old = clock.now() - timedelta(hours=1)
    try:
        for store in stores.stores():
            size = store.put(name, [b"probe"])
            found = {one.name: one for one in store.list(PROBE_FOLDER)}
            for one in found.values():
                if one.name == name or one.modified < old:
                    store.delete(one.name)
            if name not in found or found[name].size != size:
                raise Failed("what was written is not there")
    except ContinuityError:
        raise Failed("not reached, full, or it refuses our account") from None
    return f"{len(settings.BACKUP_STORES)} can be written and read"


def _syslog() -> str:
    """Syslog gets datagrams and never answers, so only its socket or its name can be checked."""
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
    register_service("queue", "Queue (Redis)", _queue)
    register_service("mail", "Mail (SMTP)", _mail, 12.0)
    register_service("directory", "Directory (LDAP)", _directory, 12.0)
    register_service("sign-in", "Sign-in service (OpenID Connect)", _sign_in, 10.0)
    register_service("keys", "Key service (Vault, KMS)", _keys, 10.0)
    register_service("backups", "Stores of backups", _backups, 15.0)
    register_service("syslog", "Log server (syslog)", _syslog)
