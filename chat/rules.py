"""Whose conversations and documents are: the rules that compliance.access asks, and what an emergency may open."""

from __future__ import annotations

from uuid import UUID

from chat.models import Collection, Conversation, Document, DocumentVersion, InteractionCheck, Release, Turn, Upload
from compliance.access import Action, emergency, rule_for
from compliance.access.emergency import Kind
from compliance.models import User


def register() -> None:
    rule_for(Conversation, conversation)
    rule_for(Turn, turn)
    rule_for(Document, document)
    rule_for(DocumentVersion, version)
    rule_for(Upload, upload)
    rule_for(Release, release)
    rule_for(InteractionCheck, interaction_check)
    emergency.can_open(Kind(Conversation, Action.ASK, "conversation", "conversation_id"))
    emergency.can_open(Kind(Document, Action.READ_LIBRARY, "document", "document_id"))


def conversation(user: User, action: Action, obj: Conversation) -> bool:
    """Its author asks in it. Anybody else only reads, and only in an emergency they took for it."""
    match action:
        case Action.ASK:
            return obj.author_id == user.pk
        case Action.BREAK_GLASS:
            return emergency.live(user, obj) is not None
    return False


def turn(user: User, action: Action, obj: Turn) -> bool:
    """As the conversation it stands in."""
    return conversation(user, action, obj.conversation)


def document(user: User, action: Action, obj: Document) -> bool:
    """Its readers, or whoever took it in an emergency."""
    match action:
        case Action.READ_LIBRARY:
            return Document.objects.visible_to(user).filter(pk=obj.pk).exists()
        case Action.BREAK_GLASS:
            return emergency.live(user, obj) is not None
    return False


def version(user: User, action: Action, obj: DocumentVersion) -> bool:
    """Whoever edits or reviews, of those who may read the document. What is searched is opened as its document."""
    on_its_way = action in {Action.EDIT_LIBRARY, Action.REVIEW_LIBRARY}
    return on_its_way and Document.objects.visible_to(user).filter(pk=obj.document_id).exists()


def upload(user: User, action: Action, obj: Upload) -> bool:
    """Whoever edits, of those who may read its collection, and the document if it is a version of one."""
    if action != Action.EDIT_LIBRARY or not _reads_collection(user, obj.collection_id):
        return False
    return obj.document_id is None or Document.objects.visible_to(user).filter(pk=obj.document_id).exists()


def release(user: User, action: Action, obj: Release) -> bool:
    """Whoever edits or watches over the quality, of those who may read its collection."""
    return action in {Action.EDIT_LIBRARY, Action.READ_QUALITY} and _reads_collection(user, obj.collection_id)


def _reads_collection(user: User, collection_id: UUID) -> bool:
    return Collection.objects.visible_to(user).filter(pk=collection_id).exists()


def interaction_check(user: User, action: Action, obj: InteractionCheck) -> bool:
    """Who made it: what somebody asks about a patient is nobody else's."""
    return action == Action.CHECK_INTERACTIONS and obj.by_id == user.pk
