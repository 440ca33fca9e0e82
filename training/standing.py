"""Whether somebody may ask, until when, and what is missing: certificates, policies, approvals, all in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.utils import timezone

from clinchat.lib import clock, ui_tags
from compliance import policies
from compliance.models import User
from training.bank.types import SIX
from training.models import AccessRequest, Enrolment, ModuleVersion
from training.models.approvals import Stage


@dataclass(frozen=True)
class Standing:
    """`until` is when the first thing it rests on ends; None while something is missing. `missing` is in order."""

    until: datetime | None
    missing: Sequence[str]


@dataclass
class _Sum:
    """What was found so far: things that end, and things that lack."""

    ends: list[datetime]
    missing: list[str]


def of(person: User) -> Standing:
    """How the person stands now. Six queries."""
    now = clock.now()
    found = _Sum([], [])
    _policies(person, now, found)
    _certificates(person, now, found)
    _changes(person, now, found)
    _request(person, now, found)
    if found.missing or not found.ends:
        return Standing(None, tuple(found.missing))
    return Standing(min(found.ends), ())


def missing(person: User) -> list[str]:
    """For the page that says why asking is closed."""
    return list(of(person).missing)


def training_complete(person: User) -> list[str]:
    """What the person still has to do before others look at the request: policies, modules, changes."""
    now = clock.now()
    found = _Sum([], [])
    _policies(person, now, found)
    _certificates(person, now, found)
    _changes(person, now, found)
    return found.missing


def holds_certificates(person: User) -> bool:
    """Whether the certificates of all six modules are valid now: what an approver needs, too."""
    live = person.certificates.live(clock.now()).of_modules().values_list("slug", flat=True)
    return set(SIX) <= set(live)


def _policies(person: User, now: datetime, found: _Sum) -> None:
    for state in policies.states(person):
        if state.covered:
            continue
        if state.due_at is not None and state.due_at > now:
            found.ends.append(state.due_at)
        else:
            found.missing.append(f"Read and accept {state.policy.title}, version {state.policy.version}")


def _certificates(person: User, now: datetime, found: _Sum) -> None:
    ends: dict[str, datetime] = {}
    for slug, expires in person.certificates.of_modules().filter(revoked_at=None).values_list("slug", "expires_at"):
        ends[slug] = max(expires, ends.get(slug, expires))
    titles = ModuleVersion.objects.titles()
    for slug, title in titles.items():
        if slug not in ends:
            found.missing.append(f"Pass the module {title}")
        elif ends[slug] <= now:
            found.missing.append(f"Renew {title}: your certificate expired on {ui_tags.day(ends[slug])}")
        else:
            found.ends.append(ends[slug])


def _changes(person: User, now: datetime, found: _Sum) -> None:
    open_ones = person.enrolments.open().exclude(kind=Enrolment.Kind.FIRST).exclude(due_at=None)
    titles = ModuleVersion.objects.titles()
    for slug, kind, due in open_ones.values_list("slug", "kind", "due_at"):
        assert due is not None  # noqa: S101  # excluded above
        if due > now:
            found.ends.append(due)
        elif kind == Enrolment.Kind.CHANGE:
            found.missing.append(f"Catch up with what changed in {titles.get(slug, slug)}")
        else:
            found.missing.append(f"Finish the renewal of {titles.get(slug, slug)}")


def _request(person: User, now: datetime, found: _Sum) -> None:
    request = AccessRequest.objects.filter(person=person).first()
    if request is None or request.stage == Stage.DRAFT:
        found.missing.append("Send in your request for access")
        return
    words = {
        Stage.RETURNED: "Mend what your request was returned for, and send it in again",
        Stage.SUSPENDED: "Talk to who suspended your access",
        Stage.REVOKED: "Apply again: your access was revoked",
    }
    if request.stage != Stage.CLEARED:
        found.missing.append(words.get(Stage(request.stage), "Wait for the approvals of your request"))
        return
    assert request.recertify_by is not None  # noqa: S101  # a constraint of the table
    ends = [request.recertify_by]
    if request.license_until is not None:
        ends.append(_end_of_day(request.license_until))
    if ends[0] <= now:
        found.missing.append(f"Have your access confirmed: that was due on {ui_tags.day(ends[0])}")
    if len(ends) > 1 and ends[1] <= now:
        found.missing.append("Have your renewed license checked")
    found.ends += [end for end in ends if end > now]


def _end_of_day(day: date) -> datetime:
    """9999-12-31, which people enter for what never ends, ends a year earlier: no moment of a clock follows it."""
    if day.year == date.max.year:
        day = date(date.max.year - 1, 12, 31)
    return timezone.make_aware(datetime.combine(day, time.max)) + timedelta(microseconds=1)
