"""Policies people have to accept: published from their files, accepted by version. The only writer of both.

A material version gives whoever accepted an earlier one thirty days; whoever accepted none has no grace.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Q, QuerySet
from django.urls import reverse

from clinchat.lib import clock, ui_tags
from compliance import notices
from compliance.models import Notice, PolicyAcknowledgement, PolicyVersion, User

GRACE: Final = timedelta(days=30)
"""After a material change of a policy or of training, before access closes."""


Reader = Callable[[str], Sequence[object]]
_readers: list[Reader] = []


class NotInForce(Exception):
    """Another version has taken its place: that one is to be read."""


@dataclass(frozen=True)
class Draft:
    """A policy as its file has it."""

    slug: str
    number: int
    title: str
    version: str
    text: str
    change: str
    material: bool
    sha256: str


@dataclass(frozen=True)
class State:
    """A policy in force for one person. `due_at`: when access ends if they do not accept it; None: it has ended."""

    policy: PolicyVersion
    accepted_at: datetime | None
    covered: bool
    """They accepted it, or an earlier version that this one does not change in substance."""
    due_at: datetime | None


@dataclass(frozen=True)
class Duty:
    """Somebody who has not accepted a policy as it is now, and by when they have to."""

    person: User
    due_at: datetime
    late: bool


@dataclass(frozen=True)
class Standing:
    """A policy in force, who accepted it as it is now, and who has not. Programs accept nothing."""

    policy: PolicyVersion
    accepted: Sequence[PolicyAcknowledgement]
    waiting: Sequence[Duty]

    @property
    def late(self) -> int:
        return sum(duty.late for duty in self.waiting)


def read_with(reader: Reader) -> None:
    """Register what makes of the text of a policy the blocks that templates draw; the app with the format does so."""
    _readers[:] = [reader]


def blocks(text: str) -> Sequence[object]:
    """The text of a policy as blocks for training/_blocks.html; none where no app reads its format."""
    return _readers[0](text) if _readers else []


@transaction.atomic
def publish(drafts: Sequence[Draft]) -> list[PolicyVersion]:
    """Put the versions into force that are not yet, and take out of force what is not among them; returns the former.

    The caller has checked that no file changed without a new version.
    """
    PolicyVersion.objects.in_force().exclude(slug__in=[draft.slug for draft in drafts]).update(in_force=False)
    new = []
    for draft in drafts:
        known = PolicyVersion.objects.filter(slug=draft.slug, version=draft.version).first()
        if known is not None and known.in_force:
            continue
        PolicyVersion.objects.in_force().filter(slug=draft.slug).update(in_force=False)
        if known is None:
            known = PolicyVersion(**vars(draft))
        known.in_force, known.published_at = True, clock.now()
        known.save()
        new.append(known)
    return new


@transaction.atomic
def acknowledge(*, person: User, policy: PolicyVersion) -> PolicyAcknowledgement:
    """The person accepts the version in force. Accepting twice is accepting once. Raises NotInForce."""
    if not PolicyVersion.objects.in_force().filter(pk=policy.pk).select_for_update().exists():
        raise NotInForce
    return PolicyAcknowledgement.objects.get_or_create(person=person, policy=policy)[0]


def states(person: User) -> list[State]:
    """The policies in force, in their order, and how the person stands to each. Two queries."""
    accepted: dict[str, list[PolicyAcknowledgement]] = {}
    for one in person.policy_acknowledgements.select_related("policy"):
        accepted.setdefault(one.policy.slug, []).append(one)
    return [_state(policy, accepted) for policy in PolicyVersion.objects.in_force().defer("text")]


def _state(policy: PolicyVersion, accepted: Mapping[str, Sequence[PolicyAcknowledgement]]) -> State:
    ever = accepted.get(policy.slug, ())
    this = next((one for one in ever if one.policy_id == policy.pk), None)
    newest = max((one.policy.published_at for one in ever), default=None)
    if this is not None:
        return State(policy, this.at, covered=True, due_at=None)
    if newest is None:
        return State(policy, None, covered=False, due_at=None)
    material = _material_since(policy, newest)
    if material is None:
        return State(policy, None, covered=True, due_at=None)
    return State(policy, None, covered=False, due_at=material + GRACE)


def _material_since(policy: PolicyVersion, when: datetime) -> datetime | None:
    """When the first version after `when` was published that changes something in substance."""
    later = PolicyVersion.objects.filter(slug=policy.slug, published_at__gt=when, material=True)
    return later.order_by("published_at").values_list("published_at", flat=True).first()


def acceptable(now: datetime) -> list[QuerySet[PolicyAcknowledgement]]:
    """For each policy in force, the acknowledgements of which a person needs one now."""
    found = []
    for slug in PolicyVersion.objects.in_force().values_list("slug", flat=True):
        versions = PolicyVersion.objects.filter(slug=slug)
        binding = versions.filter(material=True, published_at__lte=now - GRACE).order_by("-published_at").first()
        since = versions.filter(published_at__gte=binding.published_at) if binding else versions
        found.append(PolicyAcknowledgement.objects.filter(policy__in=since))
    return found


def standings(now: datetime) -> list[Standing]:
    """Each policy in force and how everybody with an open account stands to it, in their order.

    Thirty days after the last version that changed something in substance, or after the account was opened, it is
    late. Three queries, and three for each policy.
    """
    people = list(User.objects.filter(is_active=True, is_service=False).order_by("name", "pk"))
    return [_standing(policy, people, now) for policy in PolicyVersion.objects.in_force().defer("text")]


def _standing(policy: PolicyVersion, people: Sequence[User], now: datetime) -> Standing:
    versions = PolicyVersion.objects.filter(slug=policy.slug).order_by("published_at")
    binding = versions.filter(material=True).last() or versions.first() or policy
    good = versions.filter(published_at__gte=binding.published_at) if binding.material else versions
    accepted = {
        one.person_id: one
        for one in PolicyAcknowledgement.objects.filter(policy__in=good.order_by()).select_related("person", "policy")
    }
    waiting = []
    for person in people:
        if person.pk not in accepted:
            began = max(filter(None, (binding.published_at, person.created_at, person.reopened_at)))
            waiting.append(Duty(person, began + GRACE, late=began + GRACE <= now))
    here = {person.pk for person in people}
    by_name = sorted((one for key, one in accepted.items() if key in here), key=lambda one: one.person.name)
    return Standing(policy, by_name, waiting)


def tell_changed(policy: PolicyVersion, people: Sequence[User]) -> None:
    """The people who have to accept the new version are told, and by when, as far as their accounts are open."""
    notices.tell(
        [person for person in people if person.is_active],
        title=f"{policy.title} has changed",
        text=f"{policy.change} Read and accept it by {ui_tags.day(policy.published_at + GRACE)}; access ends then if "
        "you do not.",
        url=reverse("policy", args=[policy.slug]),
        level=Notice.Level.WARNING,
        mail=True,
    )


def affected_by(policy: PolicyVersion) -> QuerySet[User]:
    """The people who accepted another version, and not this one."""
    earlier = Q(policy_acknowledgements__policy__slug=policy.slug)
    accepted = PolicyAcknowledgement.objects.filter(policy=policy).values("person")
    people = User.objects.filter(earlier)
    return people.exclude(pk__in=accepted).distinct()
