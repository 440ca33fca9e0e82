"""What this app gives to checks: its acts of two people, what is one person's, what still runs, its oldest record."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator
from uuid import UUID

from django.urls import reverse

from chat.models import Collection, Conversation, Document, DocumentVersion, InteractionCheck, LocalInteraction, Turn
from clinchat.lib import clock
from compliance.access import controls_people
from compliance.controls import belongings, duties, readable
from compliance.controls.belongings import Belonging
from compliance.controls.duties import Duty
from compliance.models import User


def register() -> None:
    duties.register("interaction changes", interaction_changes)
    duties.register("documents", documents)
    belongings.register(Belonging("conversation", conversation, emergency=True))
    belongings.register(Belonging("document", document))
    belongings.register(Belonging("interaction check", interaction_check, open_to_owner=False))
    controls_people.open_work(unfinished)
    readable.register("document", oldest_document)


def interaction_changes() -> Iterator[Duty]:
    """Changes of the interaction table that were put in force."""
    status = LocalInteraction.Status
    for one in LocalInteraction.objects.filter(status__in=[status.APPROVED, status.ENDED]):
        if one.decided_at:
            yield Duty("interaction change", str(one.pk), one.proposed_by_id, one.decided_by_id, one.decided_at)


def documents() -> Iterator[Duty]:
    """Documents that a person approved. What an operator imported by a command nobody approves here."""
    approved = (DocumentVersion.Status.APPROVED, *DocumentVersion.RELEASED)
    for one in DocumentVersion.objects.filter(status__in=approved, decided_by__isnull=False).defer("text"):
        if one.decided_at:
            requester = one.submitted_by_id or one.created_by_id
            yield Duty("document", str(one.pk), requester, one.decided_by_id, one.decided_at, about=one.created_by_id)


def conversation(owner: User) -> str:
    return reverse("conversation", args=[Conversation.objects.create(author=owner, title="Control check").pk])


def document(owner: User) -> str:
    """Of the owner's department alone."""
    collection = Collection.objects.create(slug=f"canary-{uuid.uuid4().hex[:8]}", name="Control check")
    department = User.objects.get(pk=owner.pk).department
    made = Document.objects.create(collection=collection, external_id="1", departments=[department])
    DocumentVersion.objects.create(
        document=made,
        number=1,
        status=DocumentVersion.Status.PUBLISHED,
        published_at=clock.now(),
        title="Control check",
        text="Control check.",
        sha256="0" * 64,
    )
    return reverse("document", args=[made.pk])


def interaction_check(owner: User) -> str:
    return reverse("interaction-result", args=[InteractionCheck.objects.create(by=owner).pk])


def unfinished(people: Iterable[UUID]) -> list[UUID]:
    """Of these people, whose answers are still being written."""
    found = Turn.objects.unfinished().filter(conversation__author__in=list(people))
    return list(found.values_list("conversation__author_id", flat=True))


def oldest_document() -> bool | None:
    """The words of the oldest version, against their digest."""
    oldest = DocumentVersion.objects.order_by("created_at", "pk").first()
    if oldest is None:
        return None
    return hashlib.sha256(oldest.text.encode()).hexdigest() == oldest.sha256
