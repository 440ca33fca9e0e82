"""What this installation stores in, listens on and speaks to, as it is found running: never what somebody wrote down.

Three sources: the settings as this process has them, the sockets of ClinChat's own processes (/proc), and the servers
that an embedded installation started. Of other machines, and of containers this process is not in, only what the
settings name is seen.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings

from compliance import deadlines
from compliance.models import Asset

Kind = Asset.Kind
PROC: Final = Path("/proc")
LOOKUP_SECONDS: Final = 2.0
LISTENING: Final = "0A"
CONNECTED: Final = "01"
_PORTS: Final = {"https": 443, "http": 80, "ldaps": 636, "ldap": 389, "rediss": 6379, "redis": 6379}
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True, order=True)
class Discovered:
    """Something found. `address` as an asset has it: host:port, a socket, a folder. `ephi`: whether ePHI gets there."""

    kind: Kind
    address: str
    ephi: bool = False
    what: str = ""
    """Which part of ClinChat uses it, in a word or two of ours."""

    @property
    def host(self) -> str:
        """Its host; empty for a socket or a folder."""
        return "" if self.address.startswith(("/", "unix:")) else self.address.rpartition(":")[0].strip("[]").lower()


@dataclass(frozen=True, slots=True)
class Socket:
    """One TCP socket of one of our processes."""

    pid: int
    local: str
    port: int
    remote: str
    remote_port: int
    state: str


def discover() -> list[Discovered]:
    """Everything, each once, in order. Takes some tens of milliseconds; asks the name service for at most 2 s."""
    found = {(one.kind, one.address): one for one in (*_stores(), *outbound(), *_listeners(), *_connections())}
    return sorted(found.values(), key=lambda one: (one.kind, one.address))


def _stores() -> Iterator[Discovered]:
    yield Discovered(Kind.DATABASE, database(), True, "database")
    yield Discovered(Kind.QUEUE, _place_of(settings.REDIS_URL), True, "queue and cache")
    if settings.EMBEDDED:
        yield Discovered(Kind.FILES, str(settings.VAR), True, "files of this installation")
    for name, path in (
        ("interaction table", Path(settings.INTERACTIONS_BACKUP)),
        *(("checkpoints of the trail", Path(file).parent) for file in settings.AUDIT_CHECKPOINT_FILES),
    ):
        if not settings.EMBEDDED or not path.is_relative_to(settings.VAR):
            yield Discovered(Kind.FILES, str(path), False, name)


def database() -> str:
    """Where the connection of this process goes."""
    host, port = str(settings.DATABASES["default"]["HOST"]), settings.DATABASES["default"]["PORT"] or 5432
    return f"unix:{host}" if host.startswith("/") or not host else f"{host}:{port}"


def outbound() -> Iterator[Discovered]:
    """The services of others that the settings name, whether or not anything is being said to them."""
    named = [
        (Kind.MODEL, settings.EMBEDDING_ENDPOINT.get("url", ""), True, "embedding endpoint"),
        (Kind.HOST, settings.VAULT_ADDR if settings.CLINCHAT_KEYS == "vault" else "", False, "key service"),
        (Kind.HOST, settings.LDAP_URL, False, "directory"),
        (Kind.HOST, settings.OIDC_ISSUER, False, "sign-in service"),
        (Kind.HOST, settings.XAPI_URL, False, "learning record store"),
    ]
    for kind, url, ephi, what in named:
        if url:
            yield Discovered(kind, _place_of(url), ephi, what)
    if settings.CLINCHAT_KEYS == "kms":
        for region in sorted({arn.split(":")[3] for arn in settings.KMS_KEY_IDS}):
            yield Discovered(Kind.HOST, f"kms.{region}.amazonaws.com:443", False, "key service")
    if settings.MAIL_URL:
        yield Discovered(Kind.HOST, f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}", False, "mail")
    for where, ephi, what in (
        (settings.CLAMD, True, "malware scanner"),
        (settings.AUDIT_CHECKPOINT_SYSLOG, False, "log server"),
    ):
        if where:
            address = f"unix:{where}" if isinstance(where, str) else f"{where[0]}:{where[1]}"
            yield Discovered(Kind.HOST, address, ephi, what)


def _place_of(url: str) -> str:
    """Host and port of an address; the path of a socket. No name, no password."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return f"unix:{parts.path}"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return f"{host}:{parts.port or _PORTS.get(parts.scheme, 443)}"


# ── Sockets ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _listeners() -> Iterator[Discovered]:
    for one in sockets():
        if one.state == LISTENING:
            yield Discovered(Kind.LISTENER, _joined(one.local, one.port), True, "listens")


def _connections() -> Iterator[Discovered]:
    """Who is being spoken to, but for those that the settings name, and for those that came to us."""
    found = sockets()
    ours = {one.port for one in found if one.state == LISTENING}
    there = [one for one in found if one.state == CONNECTED and one.port not in ours and not loopback(one.remote)]
    if not there:
        return
    known = addresses(one.host for one in (*_stores(), *outbound()) if one.host)
    expected = {address for addresses_ in known.values() for address in addresses_}
    for one in there:
        if one.remote not in expected:
            yield Discovered(Kind.HOST, _joined(one.remote, one.remote_port), True, "is being spoken to")


def sockets() -> list[Socket]:
    """The TCP sockets of ClinChat's processes, as far as this process may see them."""
    table = _table()
    found = []
    for pid in processes():
        with suppress(OSError):
            for descriptor in (PROC / str(pid) / "fd").iterdir():
                with suppress(OSError):
                    name = re.fullmatch(r"socket:\[(\d+)\]", str(descriptor.readlink()))
                    if name and (row := table.get(name[1])):
                        found.append(Socket(pid, *row))
    return found


def processes() -> list[int]:
    """This process, those like it (same program, same folder), whatever these started, and the embedded servers."""
    parents = _parents()
    own = os.getpid()
    like = {pid for pid in parents if pid == own or _alike(pid, own)}
    like |= {pid for pid in _servers() if pid in parents}
    wanted = set(like)
    for pid in parents:
        line = pid
        while line in parents and line not in like:
            line = parents[line]
        if line in like:
            wanted.add(pid)
    return sorted(wanted)


def _parents() -> dict[int, int]:
    found = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError, ValueError, IndexError):
                found[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    return found


def _alike(pid: int, own: int) -> bool:
    one, other = PROC / str(pid), PROC / str(own)
    with suppress(OSError):
        return all((one / name).readlink() == (other / name).readlink() for name in ("exe", "cwd"))
    return False


def _servers() -> Iterator[int]:
    if not settings.EMBEDDED:
        return
    from clinchat.local import paths

    place = paths()
    for file in (place.pgdata / "postmaster.pid", place.run / "redis.pid"):
        with suppress(OSError, ValueError, IndexError):
            yield int(file.read_text().split()[0])


def _table() -> dict[str, tuple[str, int, str, int, str]]:
    """By inode: local address and port, remote address and port, state."""
    found = {}
    for name in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (PROC / "net" / name).read_text().splitlines()[1:]:
                words = line.split()
                found[words[9]] = (*_unpacked(words[1]), *_unpacked(words[2]), words[3])
    return found


@cache
def _unpacked(text: str) -> tuple[str, int]:
    """An address as the kernel writes it: words of four bytes in the machine's order, then the port."""
    packed, _, port = text.partition(":")
    raw = b"".join(bytes.fromhex(packed[at : at + 8])[::-1] for at in range(0, len(packed), 8))
    address = ipaddress.ip_address(raw)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address), int(port, 16)


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


# ── Names and networks ──────────────────────────────────────────────────────────────────────────────────────────


def loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host in LOOPBACK


def addresses(hosts: Iterable[str]) -> dict[str, list[str]]:
    """What the name service says of each host, all asked at once; nothing for those it does not answer in time."""
    asked = {host: (LOOKUP_SECONDS, partial(_look_up, host)) for host in set(filter(None, hosts))}
    return {host: found for host, found in deadlines.run_all(asked).items() if isinstance(found, list)}


def _look_up(host: str) -> list[str]:
    return sorted({str(one[4][0]) for one in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)})


def own_network(found: list[str]) -> bool:
    """Whether these are addresses of the hospital's own network, or of this machine. No address at all is not."""
    return bool(found) and all(
        (address := ipaddress.ip_address(one.partition("%")[0])).is_private or address.is_loopback for one in found
    )
