"""Break-glass: somebody cleared reads, for an hour, one object that is not theirs, and answers for it.

Nobody is asked first, because there is no time (45 CFR 164.312(a)(2)(ii), emergency access procedure). Instead the
reason is written down, the privacy officers are told in the same transaction, everything read carries the access in
the trail, and within three days a second person judges it. It opens reading only; the app that has the object says so
in its rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

from django.db import transaction
from django.db.models import Model, QuerySet
from django.urls import Resolver404, resolve, reverse
from django.utils.http import urlencode

from clinchat.lib import clock, ui_tags
from compliance import audit, logs, notices
from compliance.access import refusals
from compliance.access.decisions import allows
from compliance.access.roles import Action, Role, permitted_roles
from compliance.models import AuditEvent, BreakGlass, Notice, User
from compliance.models.emergency import LASTS, REVIEW_WITHIN

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

PURPOSE = "BTG"
"""Break the glass (HL7 v3 PurposeOfUse)."""
MARK = "break_glass"
"""Key in the detail of events; its value is the id of the access."""
MOST_A_DAY = 5
EVENTS_SHOWN = 200
_SKEW = timedelta(minutes=1)
"""Between this clock, which times an access, and the database's, which times events."""


class NotAvailable(Exception):
    """Nothing there can be opened this way. Says as little about what exists as a page that is not found."""


class NotNeeded(Exception):
    """The person may open it anyway, at `url`."""

    def __init__(self, url: str) -> None:
        super().__init__("NotNeeded")
        self.url = url


class TooManyToday(Exception):
    """The person took as many within a day as anybody may."""


class OwnAccess(Exception):
    """Nobody reviews what they took themselves."""


class AlreadyReviewed(Exception):
    """Somebody else was faster."""


@dataclass(frozen=True)
class Kind:
    """Objects that can be opened in an emergency: whoever may `action` them needs none."""

    model: type[Model]
    action: Action
    url_name: str
    argument: str

    @property
    def words(self) -> str:
        return str(self.model._meta.verbose_name)  # noqa: SLF001  # documented by Django

    def url(self, object_id: UUID) -> str:
        return reverse(self.url_name, kwargs={self.argument: object_id})


_KINDS: dict[str, Kind] = {}


def can_open(kind: Kind) -> None:
    """Register a kind of object: each app does for its own, in AppConfig.ready()."""
    _KINDS[kind.model._meta.label] = kind  # noqa: SLF001  # documented by Django


def _named(text: str) -> list[tuple[Kind, UUID]]:
    """What a link or an id can mean here; nothing when it is neither."""
    try:
        wanted = UUID(text)
    except ValueError:
        pass
    else:
        return [(kind, wanted) for kind in _KINDS.values()]
    try:
        found = resolve(urlsplit(text).path)
    except (ValueError, Resolver404):
        return []
    return [(kind, found.kwargs[kind.argument]) for kind in _KINDS.values() if found.url_name == kind.url_name]


# ── Taking and giving back ─────────────────────────────────────────────────────────────────────────────────────


def take(*, user: User, what: str, reason: str) -> BreakGlass:
    """Open what the link or id `what` names, for an hour from now. Taken twice, it is the same access.

    Raises NotAvailable, NotNeeded, TooManyToday and limits.TooMany; refusals are on record.
    """
    from compliance.access import limits  # it loads the API, which the vault and the workers need not

    with suppress(limits.Unavailable):  # an emergency does not wait for Redis; the number a day is kept in the database
        limits.hit(limits.Limit.ASK, f"emergency:{user.pk}")  # nobody finds out by trying which ids there are
    for kind, object_id in _named(what):
        obj = kind.model._default_manager.filter(pk=object_id).first()  # noqa: SLF001  # documented by Django
        if obj is None:
            continue
        if allows(user, kind.action, obj):
            raise NotNeeded(kind.url(object_id))
        try:
            return _take(user, kind, object_id, reason)
        except TooManyToday:
            _refuse(user, kind.model._meta.label, object_id, why="too many")  # noqa: SLF001  # as above
            raise
    named = _named(what)
    _refuse(user, "", named[0][1] if named else None, why="not available")
    raise NotAvailable


@transaction.atomic
def _take(user: User, kind: Kind, object_id: UUID, reason: str) -> BreakGlass:
    """The access, its event and the notices: all or nothing, even if the process dies."""
    User.objects.select_for_update().get(pk=user.pk)  # two at once are counted one after the other
    now = clock.now()
    label = kind.model._meta.label  # noqa: SLF001  # documented by Django
    own = BreakGlass.objects.filter(user=user)
    for over in own.filter(ended_at=None, ends_at__lte=now):
        own.filter(pk=over.pk, ended_at=None).update(ended_at=over.ends_at)
    held = own.live().filter(object_type=label, object_id=object_id).first()
    if held is not None:
        return held
    if own.filter(started_at__gt=now - timedelta(days=1)).count() >= MOST_A_DAY:
        raise TooManyToday
    taken = BreakGlass.objects.create(
        user=user,
        object_type=label,
        object_id=object_id,
        reason=reason,
        started_at=now,
        ends_at=now + LASTS,
        review_due_at=now + REVIEW_WITHIN,
    )
    _tell_privacy(taken, kind)
    transaction.on_commit(partial(logs.emergency_access, access=taken.pk, account=user.pk, kind=label))
    return taken


def _tell_privacy(taken: BreakGlass, kind: Kind) -> None:
    others = [one for one in notices.holders(Role.PRIVACY_OFFICER) if one != taken.user]
    people = others or notices.holders(Role.COMPLIANCE_MANAGER)
    notices.tell(
        people,
        title="Emergency access was taken",
        text=(
            f"{taken.user.name} may read one {kind.words} of somebody else for {LASTS.seconds // 60} minutes. "
            f"Review it by {ui_tags.day(taken.review_due_at)}."
        ),
        url=reverse("emergency-review", args=[taken.pk]),
        level=Notice.Level.WARNING,
    )


def _refuse(user: User, object_type: str, object_id: UUID | None, *, why: str) -> None:
    audit.record(
        code=audit.Code.AUTHZ_FAIL,
        action=audit.Crude.EXECUTE,
        outcome=audit.Outcome.DENIED,
        actor=user,
        object_type=object_type,
        object_id=str(object_id) if object_id else "",
        detail={"action": str(Action.BREAK_GLASS), "why": why},
    )


def end(*, user: User, access_id: UUID) -> bool:
    """Give one's own access back. False when it was over already, or is somebody else's."""
    mine = BreakGlass.objects.live().filter(user=user, pk=access_id)
    return mine.update(ended_at=clock.now()) == 1


# ── What is open ───────────────────────────────────────────────────────────────────────────────────────────────


def live(user: User, obj: Model) -> BreakGlass | None:
    """The access by which the person may read `obj` now. For rules: it does not ask for role and clearance."""
    label = obj._meta.label  # noqa: SLF001  # documented by Django
    return BreakGlass.objects.live().filter(user=user, object_type=label, object_id=obj.pk).first()


def opens(user: User | AnonymousUser, object_id: UUID) -> bool:
    """Whether the person may read what belongs to the object now: role, clearance and a live access."""
    if not allows(user, Action.BREAK_GLASS) or not user.is_authenticated:
        return False
    return BreakGlass.objects.live().filter(user=user, object_id=object_id).exists()


def taken_for(model: type[Model], *, among: QuerySet[Any]) -> QuerySet[BreakGlass]:
    """Every access there was to one of the objects `among`, over or not: who may have read it, and until when."""
    label = model._meta.label  # noqa: SLF001  # documented by Django
    return BreakGlass.objects.filter(object_type=label, object_id__in=among.order_by().values("pk"))


def url(access: BreakGlass) -> str:
    """Where the opened object is read."""
    return _KINDS[access.object_type].url(access.object_id)


def mark(access: BreakGlass) -> None:
    """What the rest of this request records carries the purpose and the access."""
    audit.amend(purpose=PURPOSE, marks={MARK: str(access.pk)})


@dataclass(frozen=True, slots=True)
class Open:
    """One live access as the pages show it."""

    access: BreakGlass
    words: str
    url: str


def open_to(user: User | AnonymousUser) -> list[Open]:
    """What the person has open now, for the banner of every page. Whose role can have nothing costs no query."""
    if not user.is_authenticated or permitted_roles(Action.BREAK_GLASS).isdisjoint(user.roles):
        return []
    found = list(BreakGlass.objects.live().filter(user=user).order_by("ends_at"))
    if not found or not allows(user, Action.BREAK_GLASS):
        return []
    return [
        Open(access, kind.words, kind.url(access.object_id))
        for access in found
        if (kind := _KINDS.get(access.object_type))
    ]


def way_in(user: User | AnonymousUser, path: str) -> str:
    """Address of the form, filled with `path`, for whoever may use it; shown on every page that is not found."""
    if not allows(user, Action.BREAK_GLASS):
        return ""
    return f"{reverse('emergency')}?{urlencode({'for': path})}"


# ── Review ─────────────────────────────────────────────────────────────────────────────────────────────────────


def read_under(access: BreakGlass) -> QuerySet[AuditEvent]:
    """What the trail says was read by this access, in order."""
    return AuditEvent.objects.filter(
        actor_id=access.user_id,
        timestamp__gte=access.started_at - _SKEW,
        timestamp__lte=access.over_at + _SKEW,
        purpose=PURPOSE,
        detail__break_glass=str(access.pk),
    ).order_by("timestamp", "pk")


def review(*, access: BreakGlass, by: User, finding: BreakGlass.Finding, note: str) -> None:
    """The judgment of a second person; an access that was not justified ends. Raises OwnAccess, AlreadyReviewed."""
    if access.user_id == by.pk:
        refusals.second_person_needed(by, Action.REVIEW_BREAK_GLASS, access)
        raise OwnAccess
    with transaction.atomic():
        locked = BreakGlass.objects.select_for_update().get(pk=access.pk)
        if locked.reviewed_at is not None:
            raise AlreadyReviewed
        locked.reviewed_by, locked.reviewed_at = by, clock.now()
        locked.finding, locked.note = finding, note
        if finding == BreakGlass.Finding.NOT_JUSTIFIED and not locked.is_over:
            locked.ended_at = clock.now()
        locked.save(update_fields=["reviewed_by", "reviewed_at", "finding", "note", "ended_at"])
        _tell_outcome(locked)


def _tell_outcome(access: BreakGlass) -> None:
    taken = ui_tags.on(access.started_at)
    if access.finding == BreakGlass.Finding.JUSTIFIED:
        text = f"The emergency access you took {taken} was found justified."
        notices.tell([access.user], title="Emergency access was reviewed", text=text)
        return
    text = f"The emergency access you took {taken} was found not justified. Talk to your privacy officer."
    notices.tell([access.user], title="Emergency access was reviewed", text=text, level=Notice.Level.CRITICAL)
    notices.tell(
        notices.holders(Role.SECURITY_OFFICER),
        title="Emergency access was not justified",
        text=f"A review found that {access.user.name} had no reason for the emergency access taken {taken}.",
        level=Notice.Level.CRITICAL,
    )


def remind() -> int:
    """Tell those who review what is overdue; the schedule does so once a day. Returns how many accesses."""
    overdue: Sequence[BreakGlass] = list(BreakGlass.objects.overdue())
    if not overdue:
        return 0
    words = "1 emergency access was" if len(overdue) == 1 else f"{len(overdue)} emergency accesses were"
    notices.tell(
        notices.holders(Role.COMPLIANCE_MANAGER, Role.PRIVACY_OFFICER),
        title="A review is overdue",
        text=f"{words} not reviewed within 72 hours. The oldest was due {ui_tags.on(overdue[0].review_due_at)}.",
        url=reverse("emergency-reviews"),
        level=Notice.Level.CRITICAL,
    )
    return len(overdue)
