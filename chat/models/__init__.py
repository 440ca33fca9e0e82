"""Tables of the knowledge base and of conversations."""

from chat.models.conversations import Citation, Conversation, Feedback, Turn
from chat.models.library import Chunk, Collection, Document, DocumentVersion, Posting, Term

__all__ = [
    "Chunk",
    "Citation",
    "Collection",
    "Conversation",
    "Document",
    "DocumentVersion",
    "Feedback",
    "Posting",
    "Term",
    "Turn",
]
