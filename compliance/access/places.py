"""Where and when somebody usually signs in, and telling them when a sign-in was not like that.

Offline: networks and hours of the person's own earlier sign-ins, and the country where CLINCHAT_GEOIP_FILE names a
database of countries (MaxMind DB format). No address leaves the machine.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Final

import maxminddb
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from clinchat.lib import clock, ui_tags
from compliance import audit, notices
from compliance.access import origin
from compliance.access.roles import Role
from compliance.models import KnownPlace, Notice, User
from compliance.models.networks import HOURS, Network

logger = logging.getLogger("clinchat.security")

PREFIX: Final = {4: 24, 6: 48}
"""What counts as one network: a provider moves people about within it."""
NETWORK_AFTER: Final = 5
"""Sign-ins before a new network is unusual: everything is new at first."""
HOUR_AFTER: Final = 20
FAR_HOURS: Final = 4


@dataclass(frozen=True, slots=True)
class Unusual:
    """What of a sign-in was not as before."""

    network: bool = False
    hour: bool = False
    country: bool = False

    def __bool__(self) -> bool:
        return self.network or self.hour or self.country

    @property
    def names(self) -> list[audit.JSON]:
        return [name for name in ("network", "hour", "country") if getattr(self, name)]


@transaction.atomic
def seen(user: User, request: HttpRequest) -> Unusual:
    """Both factors were right: remember the place and time, and tell when they are unusual.

    Puts AUTHN_LOGIN_UNUSUAL on record and sends the person a notice, the security officers too when the country is
    new. Nothing is known of a request without an address.
    """
    source, _ = origin.route(request)
    if source is None:
        return Unusual()
    network, country, now = network_of(source), country_of(source), clock.now()
    User.objects.select_for_update().only("pk").get(pk=user.pk)  # two sign-ins at once: the second one counts both
    before = list(KnownPlace.objects.filter(user=user))
    unusual = _compare(before, network, country, timezone.localtime(now).hour)
    _remember(user, before, network=network, source=source, country=country, now=now)
    if unusual:
        _tell(user, unusual, network=network, country=country, now=now)
    return unusual


def network_of(source: str) -> Network:
    address = ip_address(source)
    return ip_network((address.packed, PREFIX[address.version]), strict=False)


def country_of(source: str) -> str:
    """Two letters (ISO 3166-1); empty without a database, or for an address that is not in it."""
    path = settings.CLINCHAT_GEOIP_FILE
    if not path:
        return ""
    try:
        found = _countries(path).get(source)
    except (OSError, ValueError, maxminddb.InvalidDatabaseError):
        logger.warning("the database of countries cannot be read", extra={"code": "GEOIP"})
        return ""
    country = found.get("country") if isinstance(found, dict) else None
    code = country.get("iso_code") if isinstance(country, dict) else None
    return code if isinstance(code, str) and len(code) == 2 else ""


@cache
def _countries(path: str) -> maxminddb.Reader:
    return maxminddb.open_database(Path(path), maxminddb.MODE_MEMORY)


def _compare(before: list[KnownPlace], network: Network, country: str, hour: int) -> Unusual:
    times = sum(place.count for place in before)
    hours = {at for place in before for at, number in enumerate(place.hours) if number}
    countries = {place.country for place in before if place.country}
    return Unusual(
        network=times >= NETWORK_AFTER and all(place.network != network for place in before),
        hour=times >= HOUR_AFTER and all(_apart(hour, other) > FAR_HOURS for other in hours),
        country=bool(country and countries) and country not in countries,
    )


def _apart(one: int, other: int) -> int:
    """Hours between two hours of the day, the short way round."""
    return min((one - other) % HOURS, (other - one) % HOURS)


def _remember(
    user: User, before: list[KnownPlace], *, network: Network, source: str, country: str, now: datetime
) -> None:
    place = next((place for place in before if place.network == network), None)
    if place is None:
        place = KnownPlace(user=user, network=network, count=0)
    place.address, place.last_seen = source, now
    place.country = country or place.country
    place.count += 1
    place.hours[timezone.localtime(now).hour] += 1
    place.save()


def _tell(user: User, unusual: Unusual, *, network: Network, country: str, now: datetime) -> None:
    event_id = audit.record(
        code=audit.Code.AUTHN_LOGIN_UNUSUAL,
        action=audit.Crude.EXECUTE,
        actor=user,
        object_type="compliance.User",
        object_id=str(user.pk),
        detail={"unusual": unusual.names, "country": country},
    )
    when = ui_tags.on(now)
    what = " and ".join(words for name, words in _WORDS.items() if getattr(unusual, name))
    notices.tell(
        [user],
        title="A sign-in that is not like your others",
        text=f"You signed in {when} from {network}, {what}. If that was not you, sign out everywhere in Settings, "
        "change your password and tell a security officer.",
        url=reverse("settings"),
        level=Notice.Level.WARNING,
    )
    if unusual.country:
        notices.tell(
            [officer for officer in notices.holders(Role.SECURITY_OFFICER) if officer != user],
            title="A sign-in from another country",
            text=f"{user.name} signed in {when} from {network} in {country}, where they never signed in before.",
            url=reverse("audit-event", args=[event_id]),
            level=Notice.Level.WARNING,
        )


_WORDS = {
    "network": "a network you have not used before",
    "hour": "at an hour you do not usually sign in at",
    "country": "in a country you have not signed in from before",
}
