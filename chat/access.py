"""The doors to conversations and documents: fetch, authorise and audit the read in one step.

A stranger gets Http404: that a conversation exists is itself information.
"""

from __future__ import annotations

from typing import NoReturn
from uuid import UUID

from django.http import Http404

from chat.models import Conversation, Document, Turn
from compliance import audit, vault
from compliance.models import User


def get_conversation(user: User, conversation_id: UUID) -> Conversation:
    """The conversation, if it is the person's own; the read is audited. Raises Http404."""
    conversation = Conversation.objects.visible_to(user).filter(pk=conversation_id).first()
    if conversation is None:
        _refuse(user, "chat.Conversation", conversation_id)
    _record_read(user, "chat.Conversation", conversation.pk, patient=vault.patient(conversation.pk))
    return conversation


def get_turn(user: User, turn_id: UUID) -> Turn:
    """The turn, if it belongs to a conversation of the person; the read is audited. Raises Http404."""
    turn = Turn.objects.select_related("conversation").filter(pk=turn_id, conversation__author=user).first()
    if turn is None:
        _refuse(user, "chat.Turn", turn_id)
    _record_read(user, "chat.Turn", turn.pk, patient=vault.patient(turn.conversation_id))
    return turn


def get_document(user: User, document_id: UUID) -> Document:
    """The document, if a role of the person may read its collection; the read is audited. Raises Http404."""
    document = Document.objects.visible_to(user).select_related("collection").filter(pk=document_id).first()
    if document is None:
        _refuse(user, "chat.Document", document_id)
    _record_read(user, "chat.Document", document.pk)
    return document


def record_search(passages: int) -> None:
    """Put a search of the library on record. What was searched for is not kept."""
    audit.record(
        code=audit.Code.SENSITIVE_READ,
        action=audit.Crude.READ,
        object_type="chat.Collection",
        detail={"step": "retrieve", "passages": passages},
    )


def _record_read(user: User, object_type: str, object_id: UUID, *, patient: str = "") -> None:
    audit.record(
        code=audit.Code.SENSITIVE_READ,
        action=audit.Crude.READ,
        actor=user,
        object_type=object_type,
        object_id=str(object_id),
        patient=patient,
    )


def _refuse(user: User, object_type: str, object_id: UUID) -> NoReturn:
    audit.record(
        code=audit.Code.AUTHZ_FAIL,
        action=audit.Crude.READ,
        outcome=audit.Outcome.DENIED,
        actor=user,
        object_type=object_type,
        object_id=str(object_id),
    )
    raise Http404
