"""Networks that are shut out: who may be, who is, and how soon everybody knows.

The list is read again when the epoch has moved (compliance.access.epoch), so a block works within two seconds in every
process: on pages, on the API and in open streams.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import ClassVar, Final
from uuid import UUID

from django.db import DatabaseError, connection, transaction

from clinchat.lib import clock
from compliance import audit
from compliance.access import counters, epoch, origin
from compliance.access.roles import POLICY, Action
from compliance.models import KnownPlace, NetworkBlock, User
from compliance.models.networks import Network

WIDEST: Final = {4: 8, 6: 16}
"""Prefixes of at least so many bits: a wider one shuts out much of the Internet by a slip."""
LOOPBACK: Final = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
MAPPED: Final = IPv6Network("::ffff:0:0/96")
ADMINISTRATORS_SEEN: Final = timedelta(days=90)
STALE_SECONDS: Final = 30.0
"""The list is read again after this time whatever the epoch says."""
TELL_SECONDS: Final = 60
SHUT_OUT: Final = "ClinChat is not open to the network you come from."
_LOCK: Final = 0x6E657477  # "netw": one decision about blocks at a time


class Refused(Exception):
    """The network is not blocked. `words` say why, to the person; `reason` is the word for the trail."""

    reason: ClassVar[str]
    words: ClassVar[str]


class NotANetwork(Refused):
    reason = "not a network"
    words = "Enter an address such as 203.0.113.7, or a network such as 203.0.113.0/24 or 2001:db8::/48."


class TooWide(Refused):
    reason = "too wide"
    words = "That network is too wide. Name at least 8 bits of IPv4 or 16 bits of IPv6, such as 203.0.0.0/8."


class Loopback(Refused):
    reason = "loopback"
    words = "That network holds the server itself. It cannot be blocked."


class OwnAddress(Refused):
    reason = "own address"
    words = "That network holds your own address. Block it from somewhere else."


class LastWayIn(Refused):
    reason = "last way in"
    words = (
        "That is the last network administrators and security officers came from in 90 days. "
        "Sign in from another network first, then block it."
    )


@dataclass(slots=True)
class _Known:
    """The blocks as this process last read them: numbers of networks under their version and prefix length.

    `told_at` is when it last put a refusal on record without Redis.
    """

    epoch: int = -1
    at: float = float("-inf")
    networks: dict[tuple[int, int], dict[int, tuple[UUID, datetime | None]]] = field(default_factory=dict)
    told_at: float = float("-inf")


_known = _Known()
_reading = threading.Lock()


def blocked(source: str | None) -> UUID | None:
    """The block that shuts out this address now, or None. An unknown address is in no network.

    Reads the database when the epoch moved, at most once a second. While it does not answer the last list stays in
    force; without one this raises its error.
    """
    address = _address(source)
    if address is None:
        return None
    now = clock.now()
    for (version, length), found in _current().items():
        if version == address.version:
            hit = found.get(int(address) >> (address.max_prefixlen - length))
            if hit is not None and (hit[1] is None or hit[1] > now):
                return hit[0]
    return None


def _current() -> dict[tuple[int, int], dict[int, tuple[UUID, datetime | None]]]:
    try:
        number = epoch.current()
        with _reading:
            if number != _known.epoch or time.monotonic() - _known.at > STALE_SECONDS:
                _known.networks = _read()
                _known.epoch, _known.at = number, time.monotonic()
    except DatabaseError:
        if _known.epoch < 0:
            raise
    return _known.networks


def _read() -> dict[tuple[int, int], dict[int, tuple[UUID, datetime | None]]]:
    found: dict[tuple[int, int], dict[int, tuple[UUID, datetime | None]]] = {}
    live = NetworkBlock.objects.live(clock.now()).values_list("id", "network", "ends_at")
    for block_id, network, ends_at in live:
        shift = network.max_prefixlen - network.prefixlen
        of_length = found.setdefault((network.version, network.prefixlen), {})
        of_length[int(network.network_address) >> shift] = (block_id, ends_at)
    return found


def forget() -> None:
    """Read the list anew at the next question: what this process saw in a transaction was undone."""
    epoch.forget()
    with _reading:
        _known.epoch, _known.networks = -1, {}


def note_refusal(block_id: UUID, source: str | None) -> None:
    """A request from a blocked network was refused: on record once a minute for each address."""
    try:
        news = counters.once(f"blocked:{counters.digest(source or '')}", TELL_SECONDS)
    except counters.Unavailable:  # it is refused all the same; then once a minute for all of them
        news = time.monotonic() - _known.told_at > TELL_SECONDS
        _known.told_at = time.monotonic() if news else _known.told_at
    if news:
        audit.record(
            code=audit.Code.NETWORK_BLOCKED,
            action=audit.Crude.EXECUTE,
            outcome=audit.Outcome.DENIED,
            object_type="compliance.NetworkBlock",
            object_id=str(block_id),
        )


def parse(text: str) -> Network:
    """What somebody typed as a network; host bits are dropped. Raises NotANetwork, TooWide, Loopback."""
    try:
        network: Network = ip_network(text.strip(), strict=False)
    except ValueError:
        raise NotANetwork from None
    if isinstance(network, IPv6Network):
        if network.network_address.scope_id:
            raise NotANetwork
        if network.subnet_of(MAPPED):  # IPv4 written as IPv6: sources are compared as IPv4
            mapped = int(network.network_address) & 0xFFFFFFFF
            network = ip_network((mapped, network.prefixlen - MAPPED.prefixlen))
        elif network.overlaps(MAPPED):
            raise TooWide
    if network.prefixlen < WIDEST[network.version]:
        raise TooWide
    if any(network.overlaps(own) for own in LOOPBACK if own.version == network.version):
        raise Loopback
    return network


def block(
    *, network: str, reason: str, by: User, source: str | None, lasts: timedelta | None = None
) -> tuple[NetworkBlock, bool]:
    """Shut a network out, for `lasts` or until somebody ends it. Returns the block and whether it is new.

    A network that is blocked already stays so, with its reason and end. `source` is the address `by` comes from. Raises
    Refused, on record, for what would lock out that address, or everybody who could end the block again.
    """
    try:
        return _block(parse(network), reason, by, source, lasts)
    except Refused as refused:
        audit.record(
            code=audit.Code.INPUT_VALIDATION_FAIL,
            action=audit.Crude.CREATE,
            outcome=audit.Outcome.DENIED,
            object_type="compliance.NetworkBlock",
            detail={"reason": refused.reason},
        )
        raise


@transaction.atomic
def _block(
    wanted: Network, reason: str, by: User, source: str | None, lasts: timedelta | None
) -> tuple[NetworkBlock, bool]:
    _one_at_a_time()
    _leaves_a_way_in(wanted, source)
    now = clock.now()
    NetworkBlock.objects.filter(network=wanted, ended_at=None, ends_at__lte=now).update(ended_at=now)
    ends_at = now + lasts if lasts else None
    made, new = NetworkBlock.objects.get_or_create(
        network=wanted, ended_at=None, defaults={"reason": reason, "made_by": by, "made_at": now, "ends_at": ends_at}
    )
    if new:
        epoch.bump()
    return made, new


@transaction.atomic
def unblock(blocks: Iterable[NetworkBlock], *, by: User | None) -> int:
    """End blocks that are live; returns how many were. `by` is None for a command."""
    ended = NetworkBlock.objects.filter(pk__in=[one.pk for one in blocks], ended_at=None)
    number = ended.update(ended_at=clock.now(), ended_by=by)
    if number:
        epoch.bump()
    return number


def holding(network: Network) -> list[NetworkBlock]:
    """The live blocks that shut out `network`, or a part of it."""
    live = NetworkBlock.objects.live(clock.now())
    return [one for one in live if one.network.version == network.version and one.network.overlaps(network)]


def _one_at_a_time() -> None:
    """Two officers who each block the other's network must not both find a way left."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _leaves_a_way_in(wanted: Network, source: str | None) -> None:
    own = _address(source)
    if own is not None and own in wanted:
        raise OwnAddress
    live = [one.network for one in NetworkBlock.objects.live(clock.now())]
    ways = {way for way in _ways_in() if not any(way in network for network in live)}
    if ways and all(way in wanted for way in ways):
        raise LastWayIn


def _ways_in() -> set[IPv4Address | IPv6Address]:
    """Where people who may end a block came from lately, each at their last address there."""
    places = KnownPlace.objects.filter(
        last_seen__gte=clock.now() - ADMINISTRATORS_SEEN,
        user__is_active=True,
        user__role_assignments__role__in=POLICY[Action.BLOCK_NETWORKS],
        user__role_assignments__suspended_at=None,
    )
    return {ip_address(address) for address in places.values_list("address", flat=True)}


def _address(source: str | None) -> IPv4Address | IPv6Address | None:
    plain = origin.plain(source or "")
    return ip_address(plain) if plain else None
