"""Checks of every way data travels: to the database, to the queue, to other services, and to the browser."""

from __future__ import annotations

import os
import re
import socket
import ssl
import stat
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.db import connection
from django.urls import reverse

from clinchat.lib.keys import KeysUnavailable, keys
from compliance.controls import canary, discovery, visits
from compliance.controls.registry import CannotLook, Found, check

_CLIENTS: Final = """
SELECT pid, coalesce(ssl.ssl, false), ssl.version
FROM pg_stat_activity AS client LEFT JOIN pg_stat_ssl AS ssl USING (pid)
WHERE backend_type = 'client backend' AND client_addr IS NOT NULL
"""
_HIDDEN: Final = """
SELECT count(*) FROM pg_stat_activity WHERE backend_type IS NULL AND usesysid IS NOT NULL AND datid IS NOT NULL
"""
"""Of other accounts: without the right to all statistics a row says who, and neither from where nor how."""
_GOOD: Final = frozenset({"TLSv1.2", "TLSv1.3"})
YEAR: Final = 365 * 24 * 3600
HANDSHAKE_SECONDS: Final = 4.0


# ── Database ────────────────────────────────────────────────────────────────────────────────────────────────────


@check("tls.db")
def database() -> Found:
    """How each client is connected to the database now, as the database says; and what this process asks for.

    An embedded database has a unix socket in a closed folder, and listens on nothing else.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('ssl'), current_setting('listen_addresses')")
        tls, listens = cursor.fetchone()
        cursor.execute(_CLIENTS)
        clients = cursor.fetchall()
        cursor.execute(_HIDDEN)
        (hidden,) = cursor.fetchone()
    if hidden:
        raise CannotLook(f"{hidden} connections are hidden from this account; grant it pg_read_all_stats")
    plain = [f"client {pid}" for pid, encrypted, version in clients if not encrypted or version not in _GOOD]
    info = connection.connection.info
    options: Any = settings.DATABASES["default"]["OPTIONS"]
    mode = str(options.get("sslmode", ""))
    failing = plain
    if settings.EMBEDDED:
        folder = Path(info.host)
        failing += ["listen_addresses"] if listens else []
        failing += [] if info.host.startswith("/") else ["no unix socket"]
        failing += ["folder of the socket is open to others"] if _open_to_others(folder) else []
        observed = f"unix socket only: {not listens}; {len(clients)} clients over TCP"
    else:
        failing += ["ssl is off"] if tls != "on" else []
        failing += [f"sslmode is {mode or 'not set'}"] if mode != "verify-full" else []
        observed = f"ssl {tls}, sslmode {mode or '-'}; {len(clients) - len(plain)} of {len(clients)} clients on TLS"
    return Found(
        ok=not failing,
        observed=observed,
        subjects=len(clients) + 3,
        failing=failing,
        evidence={
            "clients": len(clients),
            "versions": sorted({str(version) for _, _, version in clients if version}),
            "server": info.server_version,
            "embedded": settings.EMBEDDED,
        },
    )


def _open_to_others(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
    except OSError:
        raise CannotLook("the folder of the socket cannot be looked at.") from None


# ── Queue and other services ────────────────────────────────────────────────────────────────────────────────────


@check("tls.broker")
def broker() -> Found:
    """The addresses of queue, cache and every outbound service as this process has them: TLS that verifies, or a socket
    that only its owner may open. There is no object store, and no language model but an embedding endpoint.

    Nothing is excused for being on this machine: whoever reads loopback traffic reads it all.
    """
    links = dict(_links())
    failing = [name for name, why in links.items() if why]
    return Found(
        ok=not failing,
        observed=f"{len(links) - len(failing)} of {len(links)} links encrypted and verified, or closed sockets"
        + "".join(f"; {name}: {why}" for name, why in links.items() if why)[:200],
        subjects=len(links),
        failing=failing,
        evidence={"links": {name: why or "ok" for name, why in links.items()}},
    )


def _links() -> Iterator[tuple[str, str]]:
    """The name of each link, and what is wrong with it; an empty word for nothing."""
    yield "cache", _redis(settings.REDIS_URL)
    yield "queue", _redis(settings.CELERY_BROKER_URL)
    for name, url in (
        ("embedding endpoint", settings.EMBEDDING_ENDPOINT.get("url", "")),
        ("key service", settings.VAULT_ADDR if settings.CLINCHAT_KEYS == "vault" else ""),
        ("sign-in service", settings.OIDC_ISSUER),
        ("learning record store", settings.XAPI_URL),
    ):
        if url:
            yield name, "" if urlsplit(url).scheme == "https" else "no https"
    if settings.LDAP_URL:  # ldap:// says nothing before StartTLS, whose certificate is verified
        yield "directory", "" if urlsplit(settings.LDAP_URL).scheme in {"ldaps", "ldap"} else "no LDAP over TLS"
    if settings.MAIL_URL:
        yield "mail", "" if settings.EMAIL_USE_SSL or settings.EMAIL_USE_TLS else "no TLS"
    for name, where in (("malware scanner", settings.CLAMD), ("log server", settings.AUDIT_CHECKPOINT_SYSLOG)):
        if where:
            yield name, "" if isinstance(where, str) else "plain TCP or UDP"


def _redis(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme in {"unix", "redis+socket"}:
        try:
            return "socket is open to others" if Path(parts.path).stat().st_mode & 0o077 else ""
        except OSError:
            return "socket is gone"
    wanted = parse_qs(parts.query).get("ssl_cert_reqs", ["required"])[0].lower()
    if parts.scheme != "rediss":
        return "redis:// over TCP"
    return "" if wanted in {"required", "cert_required"} else "certificate is not verified"


# ── Browser ─────────────────────────────────────────────────────────────────────────────────────────────────────


@check("tls.edge", seconds=25)
def edge() -> Found:
    """The address people type, shaken hands with; and the headers and cookies of an answer of this application.

    At an address of http:// there is nothing to shake hands with: it fails, and the cookies say why it matters.
    """
    failing = [*_of_the_edge(), *_of_the_answer()]
    return Found(
        ok=not failing,
        observed=f"{len(failing)} of 8 things wrong at {'https' if _https() else 'http'}"
        + (f": {', '.join(failing)}"[:200] if failing else ""),
        subjects=8 + len(failing),
        failing=failing,
        evidence={"https": _https(), "hsts_seconds": settings.SECURE_HSTS_SECONDS, "tls": settings.TLS},
    )


def _https() -> bool:
    return urlsplit(settings.PORTAL_URL).scheme == "https"


def _of_the_edge() -> Iterator[str]:
    if not _https():
        yield "no TLS"
        return
    parts = urlsplit(settings.PORTAL_URL)
    where = (parts.hostname or "", parts.port or 443)
    verifying = ssl.create_default_context()
    verifying.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        with socket.create_connection(where, timeout=HANDSHAKE_SECONDS) as plain:
            verifying.wrap_socket(plain, server_hostname=where[0]).close()
    except ssl.SSLError:
        yield "its certificate is not believed"
    except OSError:
        raise CannotLook("the address people type cannot be reached from this process.") from None
    if _old_handshake(where):
        yield "accepts TLS 1.1"


def _old_handshake(where: tuple[str, int]) -> bool:
    """Whether somebody who knows nothing newer than TLS 1.1 is let in."""
    if not ssl.HAS_TLSv1_1:
        raise CannotLook("the TLS library of this process cannot ask for TLS 1.1.")
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE  # nosemgrep: certificate-unchecked  # nothing is sent
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that is the point
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with socket.create_connection(where, timeout=HANDSHAKE_SECONDS) as plain, suppress(OSError):
        old.wrap_socket(plain, server_hostname=where[0]).close()
        return True
    return False


def _of_the_answer() -> Iterator[str]:
    """What the sign-in page sends along, and what a right password is answered with."""
    one = canary.person(signed_in=False)
    visitor = canary.client()
    answer = visitor.get(reverse("signin"))
    if answer.status_code != 200 or settings.CSRF_COOKIE_NAME not in visitor.cookies:
        raise CannotLook("the pages of this process do not answer.")
    visits.send(visitor, "POST", reverse("signin"), {"email": one.user.email, "password": one.password})
    policy = answer.headers.get("Strict-Transport-Security", "")
    age = re.search(r"max-age=(\d+)", policy)
    if age is None or int(age[1]) < YEAR or "includeSubDomains" not in policy:
        yield "HSTS"
    cookies = dict(visitor.cookies)
    names = {settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME}
    if not names <= set(cookies):
        yield "cookies are missing"
    for name, cookie in sorted(cookies.items()):
        wrong = [
            word
            for word, right in (
                ("__Host-", name.startswith("__Host-") and cookie["path"] in {"/", ""} and not cookie["domain"]),
                ("Secure", bool(cookie["secure"])),
                ("HttpOnly", bool(cookie["httponly"])),
                ("SameSite", cookie["samesite"] in {"Lax", "Strict"}),
            )
            if not right
        ]
        if wrong:
            yield f"cookie {name}: no {' '.join(wrong)}"


# ── Who is spoken to, and who may reach whom ────────────────────────────────────────────────────────────────────


@check("net.segmentation")
def segmentation() -> Found:
    """Whether a worker of ClinChat listens anywhere, whether this process reaches a store of backups, and whether its
    account may rule over the keys it uses.

    Checks are made where answers and upkeep are, which need no store: backups have processes of their own. Keys in a
    file have no service that could be reached; of Vault it is asked what this process's token may do beside wrapping.
    """
    workers = [pid for pid in discovery.processes() if _is_worker(pid)]
    listening = {one.pid: one.port for one in discovery.sockets() if one.state == discovery.LISTENING}
    failing = [f"worker {pid} listens on port {listening[pid]}" for pid in workers if pid in listening]
    stores = list(_stores_in_reach())
    failing += [*stores, *_rules_over_keys()]
    return Found(
        ok=not failing,
        observed=f"{sum(pid in listening for pid in workers)} of {len(workers)} workers seen from here listen; "
        f"{len(stores)} backup stores within reach; "
        f"keys in {settings.CLINCHAT_KEYS}: {sum(one.startswith('key') for one in failing)} rights over them",
        subjects=len(discovery.processes()) + len(failing),
        failing=failing,
        evidence={"workers": len(workers), "keys": settings.CLINCHAT_KEYS, "stores": len(stores)},
    )


def _is_worker(pid: int) -> bool:
    with suppress(OSError):
        words = (discovery.PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
        return any(word in {b"celery", b"worker"} or word.endswith(b"/celery") for word in words)
    return False


def _stores_in_reach() -> Iterator[str]:
    for number, where in enumerate(settings.BACKUP_STORES, 1):
        if where.startswith("s3://") or os.access(where, os.R_OK | os.X_OK):
            yield f"backup store {number} is within reach"


def _rules_over_keys() -> Iterator[str]:
    try:
        powers = keys().powers()
    except KeysUnavailable:
        raise CannotLook("the place the keys are kept in does not say what this process may do.") from None
    if powers is None:
        raise CannotLook("AWS does not tell this process what else its role may do with the key.")
    yield from (f"key right {one}" for one in powers)
