"""Whose conversations and documents are: the rules that compliance.access asks, and what an emergency may open."""

from __future__ import annotations

from chat.models import Conversation, Document, Turn
from compliance.access import Action, emergency, rule_for
from compliance.access.emergency import Kind
from compliance.models import User


def register() -> None:
    rule_for(Conversation, conversation)
    rule_for(Turn, turn)
    rule_for(Document, document)
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
    """The readers of its collection, or whoever took it in an emergency."""
    match action:
        case Action.READ_LIBRARY:
            readers = obj.collection.readers
            return not readers or not user.roles.isdisjoint(readers)
        case Action.BREAK_GLASS:
            return emergency.live(user, obj) is not None
    return False
