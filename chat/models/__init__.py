"""Tables of conversations, the knowledge base, its search index and its releases."""

from chat.models.conversations import Citation, Conversation, Feedback, Turn
from chat.models.interactions import DrugTable, InteractionAlert, InteractionCheck, LocalInteraction
from chat.models.library import Collection, Document, DocumentVersion, Finding, Grade, Kind, Upload
from chat.models.passages import Chunk, EmbeddingIndex, IndexProof, Posting, Term, Vector, Word
from chat.models.releases import Calibration, Evaluation, LabelledQuestion, Listing, Release, ReleaseChange

__all__ = [
    "Calibration",
    "Chunk",
    "Citation",
    "Collection",
    "Conversation",
    "Document",
    "DocumentVersion",
    "DrugTable",
    "EmbeddingIndex",
    "Evaluation",
    "Feedback",
    "Finding",
    "Grade",
    "IndexProof",
    "InteractionAlert",
    "InteractionCheck",
    "Kind",
    "LabelledQuestion",
    "Listing",
    "LocalInteraction",
    "Posting",
    "Release",
    "ReleaseChange",
    "Term",
    "Turn",
    "Upload",
    "Vector",
    "Word",
]
