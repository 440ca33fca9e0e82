"""The doors to conversations and documents: fetch, authorize and audit the read in one step.

A stranger gets Http404: that a conversation exists is itself information. What is read in an emergency is recorded as
that, and so is everything else the request does from there on.
"""

from __future__ import annotations

from uuid import UUID

from django.db.models import Model

from chat.models import Collection, Conversation, Document, Turn
from chat.pipeline.types import Reader
from compliance import audit, vault
from compliance.access import Action, allows, emergency, refusals
from compliance.models import User


def get_conversation(user: User, conversation_id: UUID) -> Conversation:
    """The conversation, if it is the person's own or taken in an emergency: to read. Raises Http404."""
    found = Conversation.objects.filter(pk=conversation_id).first()
    if found is None or not _may_read(user, Action.ASK, found):
        refusals.as_if_absent(user, "chat.Conversation", conversation_id)
    record_read(user, "chat.Conversation", found.pk, patient=vault.patient(found.pk))
    return found


def get_own_conversation(user: User, conversation_id: UUID) -> Conversation:
    """The conversation, if it is the person's own: to ask in. No emergency opens that. Raises Http404."""
    found = Conversation.objects.filter(pk=conversation_id).first()
    if found is None or not allows(user, Action.ASK, found):
        refusals.as_if_absent(user, "chat.Conversation", conversation_id)
    record_read(user, "chat.Conversation", found.pk, patient=vault.patient(found.pk))
    return found


def get_turn(user: User, turn_id: UUID) -> Turn:
    """The turn, if its conversation is the person's own: to follow, stop, retry or rate. Raises Http404."""
    found = Turn.objects.select_related("conversation").filter(pk=turn_id).first()
    if found is None or not allows(user, Action.ASK, found):
        refusals.as_if_absent(user, "chat.Turn", turn_id)
    record_read(user, "chat.Turn", found.pk, patient=vault.patient(found.conversation_id))
    return found


def get_document(user: User, document_id: UUID) -> Document:
    """The document, if a role of the person may read its collection, or taken in an emergency. Raises Http404."""
    found = Document.objects.select_related("collection").filter(pk=document_id).first()
    if found is None or not _may_read(user, Action.READ_LIBRARY, found):
        refusals.as_if_absent(user, "chat.Document", document_id)
    record_read(user, "chat.Document", found.pk)
    return found


def get_document_to_change(user: User, document_id: UUID) -> Document:
    """The document, if a role of the person may read it: to act on it. No emergency opens that. Raises Http404."""
    found = Document.objects.select_related("collection").filter(pk=document_id).first()
    if found is None or not allows(user, Action.READ_LIBRARY, found):
        refusals.as_if_absent(user, "chat.Document", document_id)
    record_read(user, "chat.Document", found.pk)
    return found


def reader(user: User) -> Reader:
    """The permission a question of the person is searched with."""
    collections = Collection.objects.visible_to(user).order_by("pk").values_list("pk", flat=True)
    return Reader(tuple(collections), roles=tuple(sorted(user.roles)), department=user.department)


def record_search(passages: int) -> None:
    """Put a search of the library on record. What was searched for is not kept."""
    audit.record(
        code=audit.Code.SENSITIVE_READ,
        action=audit.Crude.READ,
        object_type="chat.Collection",
        detail={"step": "retrieve", "passages": passages},
    )


def _may_read(user: User, action: Action, found: Model) -> bool:
    if allows(user, action, found):
        return True
    if not allows(user, Action.BREAK_GLASS, found):
        return False
    taken = emergency.live(user, found)
    if taken is None:  # it ended between the two questions
        return False
    emergency.mark(taken)
    return True


def record_read(user: User, object_type: str, object_id: UUID, *, patient: str = "") -> None:
    """Put on record that the person opened it."""
    audit.record(
        code=audit.Code.SENSITIVE_READ,
        action=audit.Crude.READ,
        actor=user,
        object_type=object_type,
        object_id=str(object_id),
        patient=patient,
    )
