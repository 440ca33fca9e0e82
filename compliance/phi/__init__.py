"""Protected health information: found, masked, restored. Plain Python; nothing is read or sent while it works."""

from __future__ import annotations

from compliance.phi.engine import MAX_CHARS, configure, find, mask, ner_active, self_test, use_terms, warm
from compliance.phi.fingerprint import version
from compliance.phi.intervals import intervals
from compliance.phi.lexicon import LexiconError
from compliance.phi.lexicon import hashes as lexicon_hashes
from compliance.phi.tokens import as_token, restore, restoring, segments, tokens_of, without_tokens
from compliance.phi.types import Entity, Label, Masked, PhiUnavailable, Segment, Span, Terms, label_words

__all__ = [
    "MAX_CHARS",
    "Entity",
    "Label",
    "LexiconError",
    "Masked",
    "PhiUnavailable",
    "Segment",
    "Span",
    "Terms",
    "as_token",
    "configure",
    "find",
    "intervals",
    "label_words",
    "lexicon_hashes",
    "mask",
    "ner_active",
    "restore",
    "restoring",
    "segments",
    "self_test",
    "tokens_of",
    "use_terms",
    "version",
    "warm",
    "without_tokens",
]
