"""Where and when somebody usually signs in, and that a sign-in unlike those is told."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client, RequestFactory
from django.urls import reverse
from mmdb_writer import MMDBWriter
from netaddr import IPSet  # type: ignore[import-untyped]

from clinchat import env
from clinchat.lib import clock
from compliance import audit_words
from compliance.access import lockout, places
from compliance.access.places import Unusual
from compliance.models import AuditEvent, Code, KnownPlace, Notice, User
from tests import cast

pytestmark = pytest.mark.django_db

WARD, HOME, ABROAD = "203.0.113.9", "198.51.100.7", "192.0.2.10"
NOON = datetime(2026, 11, 20, 12, 30, tzinfo=ZoneInfo("UTC"))


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set the clock of the service."""

    def set_clock(moment: datetime) -> None:
        monkeypatch.setattr("compliance.access.places.clock.now", lambda: moment)

    set_clock(NOON)
    return set_clock


@pytest.fixture
def countries(settings: Any, tmp_path: Path) -> None:
    """A database of countries as MaxMind's and DB-IP's are."""
    writer = MMDBWriter(6, "GeoLite2-Country", ipv4_compatible=True)
    writer.insert_network(IPSet([f"{WARD}/24", f"{HOME}/24"]), {"country": {"iso_code": "US"}})
    writer.insert_network(IPSet([f"{ABROAD}/24"]), {"country": {"iso_code": "NO"}})
    writer.to_db_file(str(tmp_path / "countries.mmdb"))
    settings.CLINCHAT_GEOIP_FILE = str(tmp_path / "countries.mmdb")


def come(user: User, source: str = WARD, times: int = 1) -> Unusual:
    for _ in range(times):
        found = places.seen(user, RequestFactory().post("/signin/code/", REMOTE_ADDR=source))
    return found


def told(user: User) -> list[str]:
    return list(Notice.objects.filter(user=user).order_by("created_at").values_list("text", flat=True))


def events() -> list[dict[str, Any]]:
    found = AuditEvent.objects.filter(code=Code.AUTHN_LOGIN_UNUSUAL).order_by("timestamp", "id")
    return list(found.values_list("detail", flat=True))


# ── Networks ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_place_is_remembered_with_its_hours(at: Any) -> None:
    person = cast.alice()
    come(person, times=2)
    at(NOON + timedelta(hours=2))
    come(person, "203.0.113.200")
    place = KnownPlace.objects.get(user=person)
    assert (str(place.network), place.address, place.count) == ("203.0.113.0/24", "203.0.113.200", 3)
    assert place.last_seen == NOON + timedelta(hours=2)
    assert {hour: number for hour, number in enumerate(place.hours) if number} == {12: 2, 14: 1}


@pytest.mark.parametrize(("before", "unusual"), [(4, False), (5, True)])
def test_a_new_network_is_unusual_after_five_sign_ins(at: Any, before: int, unusual: bool) -> None:
    person = cast.alice()
    come(person, times=before)
    assert come(person, HOME) == Unusual(network=unusual)
    assert events() == ([{"unusual": ["network"], "country": ""}] if unusual else [])
    assert len(told(person)) == unusual


def test_the_person_is_told_what_and_what_to_do(at: Any) -> None:
    person = cast.alice()
    come(person, times=5)
    come(person, HOME)
    (text,) = told(person)
    assert text.startswith(
        "You signed in on Nov 20, 2026 at 12:30 from 198.51.100.0/24, a network you have not used before."
    )
    assert Notice.objects.get().url == reverse("settings")
    event = AuditEvent.objects.get(code=Code.AUTHN_LOGIN_UNUSUAL)
    assert (event.actor_id, event.object_type, event.object_id) == (person.pk, "compliance.User", str(person.pk))
    assert audit_words.what(event) == "Unusual sign-in (new network)"
    come(person, HOME)
    assert len(told(person)) == 1, "it is known now"


def test_addresses_of_one_provider_are_one_network(at: Any) -> None:
    person = cast.alice()
    come(person, "2001:db8:1:2::3", times=5)
    assert not come(person, "2001:db8:1:ffff::9")
    assert come(person, "2001:db8:2::1").network
    come(person, WARD)
    assert not come(person, f"::ffff:{WARD}")


def test_one_persons_places_are_not_anothers(at: Any) -> None:
    come(cast.bob(), HOME, times=9)
    come(cast.alice(), times=5)
    assert come(cast.alice(), HOME).network


def test_a_sign_in_from_no_address_is_in_no_place(at: Any) -> None:
    assert not come(cast.alice(), "")
    assert not KnownPlace.objects.exists()


# ── Hours ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("before", "hour", "unusual"),
    [(20, 17, True), (20, 16, False), (20, 7, True), (20, 8, False), (19, 3, False), (20, 0, True)],
)
def test_an_hour_far_from_all_others(at: Any, before: int, hour: int, unusual: bool) -> None:
    person = cast.alice()
    come(person, times=before)  # all at 12
    at(NOON.replace(hour=hour))
    assert come(person) == Unusual(hour=unusual)


def test_hours_go_around_midnight(at: Any) -> None:
    person = cast.alice()
    at(NOON.replace(hour=23))
    come(person, times=20)
    at(NOON.replace(hour=3))
    assert not come(person)
    at(NOON.replace(hour=18))
    assert come(person).hour


def test_hours_are_those_of_the_hospital(at: Any, settings: Any) -> None:
    settings.TIME_ZONE = "America/New_York"
    person = cast.alice()
    come(person)
    assert KnownPlace.objects.get().hours[7] == 1


# ── Countries ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_another_country_is_told_to_the_officers_too(at: Any, countries: None) -> None:
    person, sam = cast.alice(), cast.sam()
    come(person)
    assert KnownPlace.objects.get().country == "US"
    assert not come(person, HOME)
    assert come(person, ABROAD) == Unusual(country=True)
    assert events() == [{"unusual": ["country"], "country": "NO"}]
    assert "in a country you have not signed in from before" in told(person)[0]
    (text,) = told(sam)
    assert f"{person.name} signed in on Nov 20, 2026 at 12:30 from 192.0.2.0/24 in NO" in text
    event = AuditEvent.objects.get(code=Code.AUTHN_LOGIN_UNUSUAL)
    assert Notice.objects.get(user=sam).url == reverse("audit-event", args=[event.pk])
    assert not come(person, ABROAD)


def test_an_address_without_a_country_is_in_none(at: Any, countries: None) -> None:
    person = cast.alice()
    come(person)
    assert not come(person, "8.8.8.8")
    assert not come(person, "2001:db8::1")


@pytest.mark.parametrize("broken", ["empty", "rubbish", "gone"])
def test_a_database_that_cannot_be_read_keeps_nobody_out(
    at: Any, settings: Any, tmp_path: Path, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / f"{broken}.mmdb"
    if broken != "gone":
        path.write_bytes(b"rubbish" * 100 * (broken == "rubbish"))
    settings.CLINCHAT_GEOIP_FILE = str(path)
    assert not come(cast.alice())
    assert [vars(record).get("code") for record in caplog.records] == ["GEOIP"]


def test_a_file_that_is_not_there_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLINCHAT_GEOIP_FILE", "/nowhere/countries.mmdb")
    with pytest.raises(ImproperlyConfigured, match="CLINCHAT_GEOIP_FILE"):
        env.file("CLINCHAT_GEOIP_FILE")


@pytest.mark.parametrize("value", ["30", "30/", "/60", "0/60", "30/0", "30/86401", "-1/60", "x/y", "100001/60", "٣/60"])
def test_a_limit_that_cannot_be_read_stops_the_start(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CLINCHAT_LIMIT_ASK", value)
    with pytest.raises(ImproperlyConfigured, match="CLINCHAT_LIMIT_ASK"):
        env.rate("CLINCHAT_LIMIT_ASK", "30/600")
    monkeypatch.setenv("CLINCHAT_LIMIT_ASK", "45/900")
    assert env.rate("CLINCHAT_LIMIT_ASK", "30/600") == (45, 900)


# ── Signing in ────────────────────────────────────────────────────────────────────────────────────────────────


def test_signing_in_remembers_the_place_and_tells(client: Client) -> None:
    person = cast.alice()
    hours = [0] * 24
    hours[clock.now().hour] = 5
    KnownPlace.objects.create(user=person, network="203.0.113.0/24", address=WARD, count=5, hours=hours)
    lockout.succeeded(person.email, HOME)
    typed = {"email": person.email, "password": cast.PASSWORD}
    assert client.post(reverse("signin"), typed, REMOTE_ADDR=HOME).status_code == 302
    assert not events(), "the password alone is no sign-in"
    entered = client.post(reverse("signin-code"), {"code": cast.code_of(person)}, REMOTE_ADDR=HOME)
    assert entered.status_code == 302
    assert KnownPlace.objects.get(address=HOME).count == 1
    assert events() == [{"unusual": ["network"], "country": ""}]
    assert len(told(person)) == 1
