"""Which medicines a text, a list or a beginning names. What the rest of the application may use of it."""

from chat.interactions.names.reader import Names
from chat.interactions.names.terms import Entry, Kind, Mention, Suggestion

__all__ = ["Entry", "Kind", "Mention", "Names", "Suggestion"]
