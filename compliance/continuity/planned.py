"""A maintenance that is planned: everybody is told of it before, and it begins by itself at its time.

One is planned at a time. What `follow` does is done in one transaction with the row of the plan held, so it is done
once, however many workers run it and wherever one of them is killed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.urls import reverse

from clinchat.lib import clock, ui_tags
from compliance import notices
from compliance.access import Action
from compliance.access.roles import permitted_roles
from compliance.continuity import maintenance
from compliance.continuity.maintenance import Refused
from compliance.models import Maintenance, Notice, PlannedMaintenance, User

State = PlannedMaintenance.State
NOT_BEGUN: Final = (State.CANCELLED, State.MISSED)
TOLD_BEFORE: Final = (timedelta(hours=1), timedelta(hours=48))
"""So long before it begins everybody is told; of a plan that is made later, at once."""
WORKS: Final = (
    "You can sign in and read everything meanwhile, past answers and the library too. Questions, checks and changes "
    "have to wait."
)
MISSED: Final[dict[type[Refused], str]] = {
    maintenance.AlreadyOn: "Read-only mode was on already.",
    maintenance.RestoreRuns: "A restore kept ClinChat read-only.",
    maintenance.Past: "Nothing ran that could begin it before its expected end.",
}


class StartsInThePast(maintenance.Past):
    words = "Name a start in the future."


class EndsFirst(Refused):
    words = "The expected end must be after the start."


class AlreadyPlanned(Refused):
    words = "A maintenance is planned already. Move or cancel that one."


class NotPlanned(Refused):
    words = "It is not planned any more. Nothing was changed."


@transaction.atomic
def plan(*, starts_at: datetime, until: datetime, reason: str, actor: User | None = None) -> PlannedMaintenance:
    """Plan one; `actor` is None for a command. `reason` is shown to everybody, and the caller has masked it.

    Raises StartsInThePast, EndsFirst or AlreadyPlanned.
    """
    _require_sound(starts_at, until)
    try:
        with transaction.atomic():
            made = PlannedMaintenance.objects.create(starts_at=starts_at, until=until, reason=reason, planned_by=actor)
    except IntegrityError:  # one_planned_maintenance
        raise AlreadyPlanned from None
    _tell_if_due(made)
    maintenance.spread()
    return made


@transaction.atomic
def move(*, starts_at: datetime, until: datetime, plan_id: UUID | None = None) -> PlannedMaintenance:
    """Give it other times: the plan of that id, or the one there is. Who was told of it is told of them.

    Raises StartsInThePast, EndsFirst or NotPlanned.
    """
    _require_sound(starts_at, until)
    one = _held(plan_id)
    if (one.starts_at, one.until) == (starts_at, until):
        return one
    one.starts_at, one.until = starts_at, until
    one.save(update_fields=["starts_at", "until"])
    if one.told_at is not None:
        _tell(one, "Maintenance moved: when ClinChat will be read-only", f"It now begins {_times(one)}. {WORKS}")
    else:
        _tell_if_due(one)
    maintenance.spread()
    return one


@transaction.atomic
def cancel(*, actor: User | None = None, plan_id: UUID | None = None) -> PlannedMaintenance:
    """Give it up: the plan of that id, or the one there is. Who was told of it is told so. Raises NotPlanned."""
    one = _held(plan_id)
    if one.told_at is not None:
        began = ui_tags.on(one.starts_at)
        _tell(one, "Maintenance canceled", f"ClinChat will not be read-only {began}: that maintenance was canceled.")
    _close(one, State.CANCELLED, closed_by=actor)
    maintenance.spread()
    return one


def current() -> PlannedMaintenance | None:
    """The one that is planned."""
    return PlannedMaintenance.objects.filter(state=State.PLANNED).select_related("planned_by").first()


@transaction.atomic
def follow() -> None:
    """Tell everybody what it is time for, or begin it. Whoever finds another at it leaves it to them."""
    plans = PlannedMaintenance.objects.filter(state=State.PLANNED)
    one = plans.select_for_update(skip_locked=True).first()
    if one is None:
        return
    if one.starts_at <= clock.now():
        _begin(one)
    else:
        _tell_if_due(one)


def _require_sound(starts_at: datetime, until: datetime) -> None:
    if starts_at <= clock.now():
        raise StartsInThePast
    if until <= starts_at:
        raise EndsFirst


def _held(plan_id: UUID | None) -> PlannedMaintenance:
    plans = PlannedMaintenance.objects.select_for_update().filter(state=State.PLANNED)
    one = (plans.filter(pk=plan_id) if plan_id else plans).first()
    if one is None:
        raise NotPlanned
    return one


def _tell_if_due(one: PlannedMaintenance) -> None:
    """Once for each of TOLD_BEFORE: nobody was told since the last of these moments that has passed."""
    passed = [due for before in TOLD_BEFORE if (due := one.starts_at - before) <= clock.now()]
    if passed and (one.told_at is None or one.told_at < max(passed)):
        _tell(one, "Maintenance: ClinChat will be read-only", f"It begins {_times(one)}. {WORKS}")


def _tell(one: PlannedMaintenance, title: str, text: str) -> None:
    """The reason stays in the portal: no prose of anybody goes out by e-mail."""
    notices.tell(notices.everybody(), title=title, text=text, mail=True)
    one.told_at = clock.now()
    one.save(update_fields=["told_at"])


def _times(one: PlannedMaintenance) -> str:
    return f"{ui_tags.on(one.starts_at)} and is expected to end {ui_tags.on(one.until)}"


def _begin(one: PlannedMaintenance) -> None:
    try:
        with transaction.atomic():
            mode = maintenance.start(reason=one.reason, actor=one.planned_by, until=one.until)
    except Refused as refused:
        _close(one, State.MISSED, failure=MISSED[type(refused)])
        _tell_operators(one)
        maintenance.spread()
    else:
        _close(one, State.BEGUN, mode=mode)


def _close(
    one: PlannedMaintenance,
    state: State,
    *,
    closed_by: User | None = None,
    mode: Maintenance | None = None,
    failure: str = "",
) -> None:
    one.state, one.closed_at, one.closed_by = state, clock.now(), closed_by
    one.mode, one.failure = mode, failure
    one.save(update_fields=["state", "closed_at", "closed_by", "mode", "failure"])


def _tell_operators(one: PlannedMaintenance) -> None:
    notices.tell(
        notices.holders(*permitted_roles(Action.SWITCH_MAINTENANCE)),
        title="A planned maintenance did not begin",
        text=f"It was to begin {ui_tags.on(one.starts_at)}. {one.failure} Plan it anew if it is still to be.",
        url=reverse("maintenance"),
        level=Notice.Level.WARNING,
        mail=True,
    )
