"""What a hospital says of a pair of medicines beside the table: one person proposes it, another decides.

Ending a change that adds a pair or raises its severity takes a warning away, so whoever proposed it does not end it.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.urls import reverse

from chat import days
from chat.interactions import current
from chat.interactions.table import Table
from chat.interactions.types import USUAL_ALERT, Alert, Interaction, Severity
from chat.models import LocalInteraction
from clinchat.lib import clock, ui_tags
from compliance import notices
from compliance.access import refusals
from compliance.access.roles import Action, permitted_roles
from compliance.models import Notice, User

Status = LocalInteraction.Status
TEXTS: Final = ("mechanism", "effect", "management")
LONGEST: Final = timedelta(days=2 * 365 + 1)
"""From today to the last day a change may be in force."""
REMIND: Final = timedelta(days=21)
MANY: Final = "changes of the interaction table wait"


class Refused(Exception):
    """The change is not proposed, or not approved. `words` say why to the person, `field` is what they belong to."""

    def __init__(self, field: str, words: str) -> None:
        super().__init__(type(self).__name__)
        self.field, self.words = field, words


class AlreadyThere(Exception):
    """A change of the same pair waits for its second person already."""


class SecondPersonNeeded(Exception):
    """Who proposed a change does not decide on it, nor end one that warns."""


class NotRead(Exception):
    """The decider has not confirmed that they read the warning."""


class StillInForce(Exception):
    """An approved change of the pair has to end before another is approved."""


class NotYours(Exception):
    """Only who proposed a change withdraws it."""


class AlreadyDecided(Exception):
    """Somebody decided before, or the change is no longer in force."""


# ── Proposing ──────────────────────────────────────────────────────────────────────────────────────────────────────


def propose(
    *,
    a: str,
    b: str,
    severity: str,
    mechanism: str,
    effect: str,
    management: str,
    source_name: str,
    source_ref: str,
    reason: str,
    expires_on: date,
    by: User,
) -> LocalInteraction:
    """Put a change up for the decision of a second person.

    `a` and `b` are ids of ingredients, in any order; `severity` is a value of Severity. The texts are masked, and
    empty for a pair that the table has. Raises Refused, AlreadyThere and current.Unavailable.
    """
    change = LocalInteraction(
        a=min(a, b),
        b=max(a, b),
        severity=severity,
        mechanism=mechanism,
        effect=effect,
        management=management,
        source_name=source_name,
        source_ref=source_ref,
        reason=reason,
        expires_on=expires_on,
        proposed_by=by,
        proposed_at=clock.now(),
    )
    check(change)
    with transaction.atomic():
        _store([change])
        notices.tell(
            deciders(change),
            title="A change of the interaction table waits",
            text=f"{by.name} proposes it. It needs the decision of a second person.",
            url=change.get_absolute_url(),
        )
    return change


def propose_all(*, changes: list[LocalInteraction], by: User, url: str) -> None:
    """Put up several that were checked, all or none, with one notice. Raises AlreadyThere."""
    if not changes:
        return
    with transaction.atomic():
        _store(changes)
        notices.tell(
            deciders(changes[0]),
            title=f"{len(changes)} {MANY}",
            text=f"{by.name} proposes them. Each needs the decision of a second person.",
            url=url,
        )


def check(change: LocalInteraction) -> None:
    """Whether it can be proposed; it is then as it will be stored. Raises Refused and current.Unavailable."""
    table = current.current().table
    if change.a == change.b:
        raise Refused("b", "Choose two different medicines.")
    for field in ("a", "b"):
        if getattr(change, field) not in table.drugs:
            raise Refused(field, "The table does not know this medicine.")
    if not change.source_name or not change.source_ref:
        raise Refused("source_name" if change.source_ref else "source_ref", "Name the source and where in it.")
    if not change.reason:
        raise Refused("reason", "Say why.")
    if change.expires_on <= days.today():
        raise Refused("expires_on", "Choose a day after today.")
    if change.expires_on > days.today() + LONGEST:
        raise Refused("expires_on", "Choose a day within two years. Then it is looked at again.")
    shipped = table.interaction(change.a, change.b)
    _against(change, shipped)
    change.shipped = shipped.severity.value if shipped else ""


def _against(change: LocalInteraction, shipped: Interaction | None) -> None:
    """Whether the change says something else than the table, and no less than it must. Raises Refused."""
    if shipped is None:
        for field in TEXTS:
            if not getattr(change, field):
                raise Refused(field, "The table does not hold this pair, so this has to be said.")
        return
    if change.severity == shipped.severity:
        raise Refused("severity", f"The table says {shipped.severity.value} already.")
    for field in TEXTS:
        if getattr(change, field):
            raise Refused(field, "The table holds this pair, and its own words stay. Leave this empty.")


def _store(changes: list[LocalInteraction]) -> None:
    try:
        with transaction.atomic():
            for change in changes:
                change.save(force_insert=True)
    except IntegrityError:
        for change in changes:
            if LocalInteraction.objects.open().filter(a=change.a, b=change.b).exists():
                raise AlreadyThere from None
        raise


def deciders(change: LocalInteraction) -> list[User]:
    """The people who may decide on it: they approve changes and did not propose it."""
    able = notices.holders(*permitted_roles(Action.APPROVE_INTERACTIONS))
    return [person for person in able if person.pk != change.proposed_by_id]


# ── What it does to a patient's protection ─────────────────────────────────────────────────────────────────────────


def shipped_of(change: LocalInteraction) -> Interaction | None:
    """What the release in use says of the pair. Raises current.Unavailable."""
    return current.current().table.interaction(change.a, change.b)


def warns_more(change: LocalInteraction, table: Table | None) -> bool:
    """Whether people are warned of more with it than without. Without a table goes what was there when proposed."""
    if table is None:
        before = Severity(change.shipped) if change.shipped else None
    else:
        shipped = table.interaction(change.a, change.b)
        before = shipped.severity if shipped else None
    return before is None or Severity(change.severity).rank > before.rank


def warnings(change: LocalInteraction, shipped: Interaction | None) -> tuple[str, ...]:
    """What a decider has to read first: the change takes an alert away that the table's makers held to be needed."""
    severity = Severity(change.severity)
    if shipped is None or severity.rank >= shipped.severity.rank:
        return ()
    found = []
    if shipped.severity == Severity.CONTRAINDICATED:
        found.append(f"The table calls this pair contraindicated. It would be shown as {severity.value} only.")
    if severity.rank < Severity.MAJOR.rank and any(rule.startswith("onc") for rule in shipped.rules):
        found.append("This pair is on the ONC list of high-priority interactions, which are to interrupt everywhere.")
    return tuple(found)


def silences(change: LocalInteraction, shipped: Interaction | None) -> bool:
    """Whether an alert that interrupts becomes a line that does not."""
    return bool(
        shipped and shipped.alert == Alert.INTERRUPTIVE and USUAL_ALERT[Severity(change.severity)] != Alert.INTERRUPTIVE
    )


# ── Deciding ───────────────────────────────────────────────────────────────────────────────────────────────────────


def approve(*, change_id: UUID, by: User, read: bool = False) -> LocalInteraction:
    """Put a change into force, on a second person's word; all processes follow within a second.

    `read`: they confirmed that they read the warnings. An older change of the pair that has expired ends with it.
    Raises SecondPersonNeeded, NotRead, StillInForce, Refused, AlreadyDecided and current.Unavailable.
    """
    change = LocalInteraction.objects.select_related("proposed_by").get(pk=change_id)
    _needs_second_person(change, by)
    shipped = shipped_of(change)
    if change.status == Status.PROPOSED:
        if change.expires_on < days.today():
            raise Refused("expires_on", "Its last day is over. Propose it again with a later one.")
        _against(_as_of_now(change, shipped), shipped)
        if warnings(change, shipped) and not read:
            raise NotRead
    with transaction.atomic():
        _end_expired(change, by)
        _move(change, Status.PROPOSED, status=Status.APPROVED, decided_by=by, decided_at=clock.now())
        _tell_proposer(change, "is in force")
    return change


def _as_of_now(change: LocalInteraction, shipped: Interaction | None) -> LocalInteraction:
    """As it would be proposed today. A release since then may hold a pair that was added: its own words go before."""
    if shipped is None or change.shipped:
        return change
    return LocalInteraction(a=change.a, b=change.b, severity=change.severity)


def _end_expired(change: LocalInteraction, by: User) -> None:
    older = LocalInteraction.objects.select_for_update().filter(a=change.a, b=change.b, status=Status.APPROVED).first()
    if older is None or older.pk == change.pk:
        return
    if older.expires_on >= days.today():
        raise StillInForce
    _move(older, Status.APPROVED, status=Status.ENDED, ended_by=by, ended_at=clock.now())


def refuse(*, change_id: UUID, by: User) -> LocalInteraction:
    """Decline it. Raises SecondPersonNeeded and AlreadyDecided."""
    change = LocalInteraction.objects.select_related("proposed_by").get(pk=change_id)
    _needs_second_person(change, by)
    with transaction.atomic():
        _move(change, Status.PROPOSED, status=Status.REFUSED, decided_by=by, decided_at=clock.now())
        _tell_proposer(change, "was refused")
    return change


@transaction.atomic
def withdraw(*, change_id: UUID, by: User) -> LocalInteraction:
    """Who proposed it takes it back. Raises NotYours and AlreadyDecided."""
    change = LocalInteraction.objects.get(pk=change_id)
    if change.proposed_by_id != by.pk:
        raise NotYours
    _move(change, Status.PROPOSED, status=Status.WITHDRAWN, decided_by=by, decided_at=clock.now())
    return change


def end(*, change_id: UUID, by: User) -> LocalInteraction:
    """The table's own word holds again; everybody else who decides on changes is told.

    Raises SecondPersonNeeded where people are then warned of less and `by` proposed it, and AlreadyDecided.
    """
    change = LocalInteraction.objects.get(pk=change_id)
    weakens = change.expires_on >= days.today() and warns_more(change, table_in_use())
    if weakens:
        _needs_second_person(change, by)
    with transaction.atomic():
        _move(change, Status.APPROVED, status=Status.ENDED, ended_by=by, ended_at=clock.now())
        others = [p for p in notices.holders(*permitted_roles(Action.APPROVE_INTERACTIONS)) if p != by]
        after = "People are warned of less now." if weakens else "The severity of the table holds again."
        notices.tell(
            others,
            title="A change of the interaction table was ended",
            text=f"{by.name} ended it. {after}",
            url=change.get_absolute_url(),
            level=Notice.Level.WARNING if weakens else Notice.Level.INFO,
        )
    return change


def remind() -> int:
    """Tell the editors which changes expire within three weeks; the schedule does so weekly. Returns how many.

    The day after its last one nobody is warned any more of a pair that only a change added.
    """
    today = days.today()
    soon = list(LocalInteraction.objects.in_force(today).filter(expires_on__lt=today + REMIND).order_by("expires_on"))
    if soon:
        words = "1 change expires" if len(soon) == 1 else f"{len(soon)} changes expire"
        notices.tell(
            notices.holders(*permitted_roles(Action.EDIT_INTERACTIONS)),
            title="Changes of the interaction table expire",
            text=f"{words} within three weeks, the first after {ui_tags.day(soon[0].expires_on)}. "
            "Propose again what is still needed.",
            url=reverse("interaction-changes"),
            level=Notice.Level.WARNING,
        )
    return len(soon)


def table_in_use() -> Table | None:
    """The release in use; none while it cannot be used."""
    try:
        return current.current().table
    except current.Unavailable:
        return None


def _needs_second_person(change: LocalInteraction, by: User) -> None:
    if change.proposed_by_id == by.pk:
        refusals.second_person_needed(by, Action.APPROVE_INTERACTIONS, change)
        raise SecondPersonNeeded


def _tell_proposer(change: LocalInteraction, became: str) -> None:
    notices.tell(
        [change.proposed_by],
        title="A change of the interaction table was decided on",
        text=f"The one you proposed {became}.",
        url=change.get_absolute_url(),
    )


def _move(change: LocalInteraction, from_status: LocalInteraction.Status, **to: object) -> None:
    """Change it if it still stands where it did, whoever else may be deciding at this moment. In a transaction."""
    if LocalInteraction.objects.filter(pk=change.pk, status=from_status).update(**to) != 1:
        raise AlreadyDecided
    for name, value in to.items():
        setattr(change, name, value)
    transaction.on_commit(current.forget)
