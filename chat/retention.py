"""How long conversations, what their tokens stand for, and the records beside them are kept; whose they are."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet

from chat.models import Citation, Conversation, Feedback, IndexProof, InteractionAlert, InteractionCheck, Turn
from compliance import mask_reports, vault
from compliance.continuity.deletion import holds, retention, subjects
from compliance.models import BreakGlass

CONVERSATIONS: Final = "CLINCHAT_CONVERSATION_DAYS"


def register() -> None:
    subjects.register(of_people=of_people, exists=lambda pk: Conversation.objects.filter(pk=pk).exists())
    retention.rule(
        retention.Rule(
            key="values",
            name="What the tokens of a conversation stand for",
            source="45 CFR 164.502(b), minimum necessary",
            days=lambda: settings.VALUES_DAYS,
            setting="CLINCHAT_VALUES_DAYS",
            since="the last question",
            least=1,
            due=with_values,
            held=holds.conversations_on_hold,
            on_hold=lambda: holds.conversation_is_on_hold("author"),
            remove=forget,
        ),
        retention.Rule(
            key="conversations",
            name="Conversations: questions, answers, citations, feedback",
            source="House rule",
            days=lambda: settings.CONVERSATION_DAYS,
            setting=CONVERSATIONS,
            since="the last question",
            least=30,
            due=over,
            held=holds.conversations_on_hold,
            on_hold=lambda: holds.conversation_is_on_hold("author"),
            remove=remove,
        ),
        retention.Rule(
            key="interactions",
            name="Checks of medicines without a conversation",
            source="House rule",
            days=lambda: settings.CONVERSATION_DAYS,
            setting=CONVERSATIONS,
            since="the check",
            least=30,
            due=lambda before: InteractionCheck.objects.filter(turn=None, at__lt=before),
            held=_of_held_people,
            on_hold=lambda: Q(by__in=holds.people_on_hold()),
            remove=remove_checks,
        ),
        retention.log_rule(
            "proofs",
            "Nightly proofs of the search index",
            IndexProof,
            "the proof",
            lambda day: Q(at__lt=day),
            person="",
        ),
        retention.Rule(
            key="documents",
            name="Documents of the knowledge base and their releases",
            source=retention.DOCUMENTED,
            years=retention.FOR_GOOD_YEARS,
            undeleted=("chat.Document", "chat.DocumentVersion", "chat.Release"),
        ),
    )


def of_people(ids: Collection[UUID]) -> set[UUID]:
    """The conversations of these people."""
    return set(Conversation.objects.filter(author__in=ids).order_by().values_list("pk", flat=True))


def with_values(before: datetime) -> QuerySet[Conversation]:
    """Conversations nobody has asked in since, with anything in them that is not forgotten yet."""
    return over(before).filter(Q(pk__in=vault.held()) | Q(pk__in=mask_reports.held()))


def over(before: datetime) -> QuerySet[Conversation]:
    """Conversations nobody has asked in since, but for those that are evidence: of a report of a mask that is not
    settled, or of an emergency access that is not reviewed."""
    accesses = BreakGlass.objects.waiting().filter(object_type="chat.Conversation").order_by()
    evidence = Q(pk__in=mask_reports.waiting_for()) | Q(pk__in=accesses.values("object_id"))
    return Conversation.objects.filter(updated_at__lt=before).exclude(evidence)


def forget(conversations: Collection[UUID]) -> None:
    """Destroy what the tokens of conversations stand for, and the words of settled reports about them."""
    mask_reports.forget(conversations)
    vault.erase(conversations)


def remove(conversations: Collection[UUID]) -> None:
    """Delete conversations with everything that belongs to them; each deletion is on record."""
    forget(conversations)
    vault.remove(conversations)
    remove_rows(conversations)


def remove_rows(conversations: Collection[UUID]) -> None:
    """Delete what this app keeps of conversations, from the leaves to the root; what is theirs in the vault stays."""
    mine: dict[str, Any] = {"turn__conversation__in": conversations}
    remove_checks(InteractionCheck.objects.filter(**mine).values_list("pk", flat=True))
    Citation.objects.filter(**mine).delete()
    Feedback.objects.filter(**mine).delete()
    Turn.objects.filter(conversation__in=conversations).delete()
    Conversation.objects.filter(pk__in=conversations).delete()


def remove_checks(keys: Collection[UUID] | QuerySet[InteractionCheck, UUID]) -> None:
    """Delete checks of medicines with what was alerted about them."""
    InteractionAlert.objects.filter(check_made__in=keys).delete()
    InteractionCheck.objects.filter(pk__in=keys).delete()


def _of_held_people(keys: Collection[UUID]) -> set[UUID]:
    theirs = InteractionCheck.objects.filter(pk__in=keys, by__in=holds.people_on_hold())
    return set(theirs.values_list("pk", flat=True))
