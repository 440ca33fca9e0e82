"""Finding events: what may be asked for, said in full when it cannot be, and one page of the answer at a time.

The table is partitioned by month. Every condition on time is a plain comparison with a constant, so that months
outside of it are not read; pages are cut by the place of their last row, never by counting rows that come before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from uuid import UUID

from django.apps import apps
from django.core.management import get_commands
from django.db import OperationalError, connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from compliance.models import ActorKind, AuditEvent, Code, Outcome, SealedEvent, User

LONGEST_RANGE = 20
"""Years. The trail keeps ten."""
PATIENCE_MS = 5_000
"""A search that reads for longer is stopped: somebody waits for it, and others need the database."""
SHOWN = 40
"""Characters of a wrong value that are repeated to whoever typed it."""

NOT_STORED = frozenset({"chat.Question"})
"""Objects of events that no table has. To look for others in the trail itself would be to read all of it."""

EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,200}@[^@\s\x00-\x1f]{1,200}")
PSEUDONYM = re.compile(r"[Pp]-[0-9A-Fa-f]{16}")
REFERENCE = re.compile(r"[Ee]-([0-9A-Fa-f]{8})")
NUMBER = re.compile(r"[0-9]{1,19}")


class BadFilter(Exception):
    """One filter cannot be understood; `message` says which value, why, and what to write instead."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(field)
        self.field = field
        self.message = message


class TooBroad(Exception):
    """The search was stopped after PATIENCE_MS; a range of dates makes it quick."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Every given condition must hold. Days are whole days of the installation's time zone, both included."""

    person: UUID | None = None
    patient: str = ""
    object_type: str = ""
    object_id: str = ""
    code: str = ""
    outcome: str = ""
    kind: str = ""
    since: date | None = None
    until: date | None = None
    correlation: UUID | None = None

    def given(self) -> dict[str, str]:
        """The conditions in use, as text that `parse` understands: for addresses, forms and the trail itself."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: str(value) for name, value in values.items() if value}


NAMES = tuple(field.name for field in fields(EventFilter))


class Cursor(NamedTuple):
    """The place of one event in the order of the trail."""

    timestamp: datetime
    id: UUID

    def __str__(self) -> str:
        return f"{self.timestamp.astimezone(UTC):%Y%m%dT%H%M%S.%f}.{self.id}"


class Count(NamedTuple):
    number: int
    more: bool
    """There are more than `number`; how many was not counted."""


def parse(data: Mapping[str, str]) -> EventFilter:
    """The filter a form, an address or a command line asks for; empty values ask for nothing. Raises BadFilter."""
    given = {name: value.strip() for name, value in data.items() if value and value.strip()}
    if unknown := [name for name in given if name not in NAMES]:
        known = ", ".join(NAMES)
        raise BadFilter(_shown(unknown[0]), f"There is no filter “{_shown(unknown[0])}”. The filters are {known}.")
    since, until = (_day(name, given.get(name, "")) for name in ("since", "until"))
    _check_range(since, until)
    object_type = _object_type(given.get("object_type", ""))
    return EventFilter(
        person=_person(given.get("person", "")),
        patient=_patient(given.get("patient", "")),
        object_type=object_type,
        object_id=_object_id(given.get("object_id", ""), object_type),
        code=_choice("code", "event code", given.get("code", ""), Code.values),
        outcome=_choice("outcome", "outcome", given.get("outcome", ""), Outcome.values),
        kind=_choice("kind", "kind of actor", given.get("kind", ""), ActorKind.values),
        since=since,
        until=until,
        correlation=_correlation(given.get("correlation", "")),
    )


def parse_cursor(text: str) -> Cursor:
    """The place a link of a result page names. Raises BadFilter."""
    moment, _, identifier = text.rpartition(".")
    try:
        timestamp = datetime.strptime(moment, "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
        return Cursor(timestamp, UUID(identifier))
    except ValueError:
        raise BadFilter("page", "That link to a page of results is damaged. Start the search again.") from None


def bounds(filter: EventFilter) -> tuple[datetime | None, datetime | None]:  # noqa: A002  # its name everywhere
    """First moment that is wanted, and the first that is not any more."""
    start = _midnight(filter.since) if filter.since else None
    end = _midnight(filter.until + timedelta(days=1)) if filter.until else None
    return start, end


def events(filter: EventFilter) -> QuerySet[AuditEvent]:  # noqa: A002
    """What the filter asks for, newest first."""
    start, end = bounds(filter)
    wanted = Q()
    for condition, value in (
        ("timestamp__gte", start),
        ("timestamp__lt", end),
        ("actor_id", filter.person),
        ("patient", filter.patient),
        ("object_type", filter.object_type),
        ("object_id", filter.object_id),
        ("code", filter.code),
        ("outcome", filter.outcome),
        ("actor_kind", filter.kind),
        ("correlation_id", filter.correlation),
    ):
        if value:
            wanted &= Q(**{condition: value})
    return AuditEvent.objects.filter(wanted).order_by("-timestamp", "-id")


def words(filter: EventFilter) -> str:  # noqa: A002
    """The filter as a phrase: "all events", or "events from 2026-11-01 to 2026-11-30 with outcome denied"."""
    given = filter.given()
    since, until = given.pop("since", ""), given.pop("until", "")
    days = f" from {since}" * bool(since) + f" to {until}" * bool(until)
    conditions = " and ".join(f"{name.replace('_', ' ')} {value}" for name, value in given.items())
    return f"events{days}{' with ' * bool(conditions)}{conditions}" if days or conditions else "all events"


def page(
    filter: EventFilter,  # noqa: A002
    after: Cursor | None = None,
    size: int = 50,
) -> tuple[list[AuditEvent], Cursor | None]:
    """The `size` newest events, or those older than `after`; and the place to go on from, None at the end.

    Events that arrive in between are newer than every place, so no page shows an event twice or leaves one out.
    """
    found = events(filter)
    if after is not None:
        found = found.filter(timestamp__lte=after.timestamp).exclude(timestamp=after.timestamp, id__gte=after.id)
    with patience():
        rows = list(found[: size + 1])
    return rows[:size], cursor(rows[size - 1]) if len(rows) > size else None


def newer(
    filter: EventFilter,  # noqa: A002
    before: Cursor,
    size: int = 50,
) -> tuple[list[AuditEvent], Cursor | None]:
    """The `size` events that come just before a place, newest first; and the place of the page before them."""
    found = events(filter).filter(timestamp__gte=before.timestamp)
    found = found.exclude(timestamp=before.timestamp, id__lte=before.id).order_by("timestamp", "id")
    with patience():
        rows = list(found[: size + 1])
    return rows[:size][::-1], cursor(rows[size - 1]) if len(rows) > size else None


def cursor(event: AuditEvent) -> Cursor:
    return Cursor(event.timestamp, event.pk)


def count(filter: EventFilter, most: int = 10_000) -> Count:  # noqa: A002
    """How many events there are, counted no further than `most`."""
    with patience():
        number = events(filter).order_by()[: most + 1].count()
    return Count(min(number, most), number > most)


def places(found: Iterable[AuditEvent]) -> dict[UUID, SealedEvent]:
    """Where events stand in the sealed trail; one that is not sealed yet has no place."""
    return {place.event: place for place in SealedEvent.objects.filter(event__in=[event.pk for event in found])}


def reference_span(text: str) -> tuple[UUID, UUID] | None:
    """The first and last id a reference of an error page ("E-1A2B3C4D") may be the beginning of."""
    reference = REFERENCE.fullmatch(text)
    return (UUID(reference[1] + "0" * 24), UUID(reference[1] + "f" * 24)) if reference else None


def is_id(text: str) -> bool:
    return _uuid(text) is not None


@contextmanager
def patience() -> Iterator[None]:
    """What is read inside is stopped after PATIENCE_MS, with TooBroad."""
    try:
        with transaction.atomic():
            with connection.cursor() as statement:
                statement.execute("SELECT set_config('statement_timeout', %s, true)", [str(PATIENCE_MS)])
            yield
            with connection.cursor() as statement:  # in a transaction around this one the limit would stay
                statement.execute("SELECT set_config('statement_timeout', '0', true)")
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") == "57014":
            raise TooBroad from None
        raise


def _day(name: str, text: str) -> date | None:
    if not text:
        return None
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        raise BadFilter(name, f"“{_shown(text)}” is not a date. Write it as {_today()}.")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadFilter(name, f"The date “{text}” does not exist. Write it as {_today()}.") from None


def _check_range(since: date | None, until: date | None) -> None:
    today = _today()
    for name, day in (("since", since), ("until", until)):
        if day and day.year < today.year - LONGEST_RANGE:
            years = f"more than {LONGEST_RANGE} years ago"
            raise BadFilter(name, f"{day} is {years}. The trail keeps 10 years; choose a later date.")
        if day and day.year > today.year + LONGEST_RANGE:
            raise BadFilter(name, f"{day} is more than {LONGEST_RANGE} years ahead. Choose an earlier date.")
    if since and until and until < since:
        raise BadFilter("until", f"The last day, {until}, is before the first, {since}. Swap them or change one.")
    if since and until and (until.year - since.year, until.timetuple()[1:3]) > (LONGEST_RANGE, since.timetuple()[1:3]):
        years = f"more than {LONGEST_RANGE} years"
        raise BadFilter("until", f"From {since} to {until} is {years}. The trail keeps 10; choose a shorter range.")
    if since and since > today + timedelta(days=1):  # the reader's day may begin before ours
        raise BadFilter("since", f"{since} is in the future. Nothing is recorded there yet; choose an earlier date.")


def _person(text: str) -> UUID | None:
    if not text:
        return None
    if EMAIL.fullmatch(text):
        found = User.objects.filter(email=text.lower()).values_list("pk", flat=True).first()
        if found is None:
            raise BadFilter("person", f"Nobody here has the e-mail address “{_shown(text)}”. Check its spelling.")
        return found
    person = _uuid(text)
    if person is None:
        raise BadFilter("person", f"“{_shown(text)}” is no e-mail address and no id. Write one of them in full.")
    if not User.objects.filter(pk=person).exists() and not AuditEvent.objects.filter(actor_id=person).exists():
        raise BadFilter("person", f"Nobody has the id “{person}”, and no event is theirs. Check it.")
    return person


def _patient(text: str) -> str:
    if not text:
        return ""
    if not PSEUDONYM.fullmatch(text):
        raise BadFilter(
            "patient",
            "That is not a pseudonym, which is P- and 16 characters from 0 to 9 and a to f. "
            "To search by record number, use the form for it: there the number stays out of addresses and logs.",
        )
    return f"P-{text[2:].lower()}"


def _object_type(text: str) -> str:
    if not text:
        return ""
    known = {model._meta.label for model in apps.get_models()}  # noqa: SLF001  # documented by Django
    if text in known | NOT_STORED or (text.startswith("command.") and text.removeprefix("command.") in get_commands()):
        return text
    raise BadFilter("object_type", f"There is no kind of object “{_shown(text)}”. Write it like chat.Turn.")


def _object_id(text: str, object_type: str) -> str:
    if not text:
        return ""
    if identifier := _uuid(text):
        return str(identifier)
    if not NUMBER.fullmatch(text):
        raise BadFilter("object_id", f"“{_shown(text)}” is not an id. Copy it from an event: 36 characters.")
    if not object_type:
        raise BadFilter("object_id", "A number alone does not say which object. Choose the kind of object too.")
    # A search is on record with its filters. A record number typed here must not get there.
    if not AuditEvent.objects.filter(object_type=object_type, object_id=text).exists():
        raise BadFilter("object_id", "No event is about this object. To search by record number, use the form for it.")
    return text


def _correlation(text: str) -> UUID | None:
    """A whole correlation id, or the reference of an error page, which is the beginning of one."""
    if not text:
        return None
    if identifier := _uuid(text):
        return identifier
    span = reference_span(text)
    if span is None:
        raise BadFilter("correlation", f"“{_shown(text)}” is no reference. Write it as E-1A2B3C4D, or the whole id.")
    ids = AuditEvent.objects.filter(correlation_id__range=span).order_by()
    found = list(ids.values_list("correlation_id", flat=True).distinct()[:2])
    if not found:
        raise BadFilter("correlation", f"No event has the reference {text.upper()}. Check it.")
    if len(found) > 1:
        raise BadFilter("correlation", f"{text.upper()} stands for several requests. Write the whole id.")
    return UUID(str(found[0]))


def _choice(name: str, words: str, text: str, known: Iterable[str]) -> str:
    if text and text not in known:
        raise BadFilter(name, f"There is no {words} “{_shown(text)}”. Use one of {', '.join(known)}.")
    return text


def _uuid(text: str) -> UUID | None:
    return UUID(text) if re.fullmatch(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", text) else None


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _today() -> date:
    return timezone.localdate()


def _shown(text: str) -> str:
    """As much of a wrong value as helps to recognise it."""
    plain = "".join(character for character in text if character.isprintable())
    return plain if len(plain) <= SHOWN else f"{plain[:SHOWN]}…"
