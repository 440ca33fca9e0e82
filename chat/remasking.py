"""Words that masking missed and their author reported: masked in all that a conversation keeps, and in what follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from chat.models import Conversation, Feedback, InteractionAlert, InteractionCheck, Turn
from chat.pipeline import record
from compliance import mask_reports, phi, vault
from compliance.phi import Entity, Label, Masked
from compliance.phi import cover as phi_cover
from compliance.phi.cover import blank


class NotThere(Exception):
    """The words do not stand in the question."""


class AlreadyMasked(Exception):
    """The words stand in the question only where they are masked."""


@dataclass(frozen=True, slots=True)
class Done:
    """`token` stands for the words in the question; `turns` are those whose question changed."""

    token: str
    turns: list[UUID]
    first_question: str


def cover(turn: Turn, *, words: str, label: Label) -> Done:
    """Mask the words in every question and comment of the turn's conversation, in the caller's transaction.

    What the answers say about their questions goes as well, and notes of earlier reports lose them, so nothing of the
    words is left in a row. Raises NotThere and AlreadyMasked when the question of `turn` itself does not hold them
    unmasked.
    """
    conversation = Conversation.objects.select_for_update().get(pk=turn.conversation_id)
    turns = list(conversation.turns.select_for_update())  # an answer that ends now waits, and finds another question
    known = vault.known(conversation.pk)
    texts = _Texts(known, words, label)
    tokens = {one.pk: token for one in turns if (token := _question(one, texts))}
    if turn.pk not in tokens:
        raise _why_not(turn, known, words)
    _blank_medicines(turns, words)
    for comment in Feedback.objects.filter(turn__in=turns).exclude(comment=""):
        if covered := texts.cover(comment.comment, ()):
            comment.comment = covered.masked.text
            comment.save(update_fields=["comment"])
    vault.store(conversation.pk, texts.new)
    mask_reports.blank_notes(conversation.pk, words)
    return Done(tokens[turn.pk], list(tokens), turns[0].question)


def _blank_medicines(turns: Sequence[Turn], words: str) -> None:
    """What was not recognized among the medicines beside the questions, and what was written beside an overridden
    alert, lose the words as well, for good."""
    for turn in turns:
        left = [blank(one, words, "…") for one in turn.medicines]
        if left != turn.medicines:
            turn.medicines = left
            turn.save(update_fields=["medicines"])
    for made in InteractionCheck.objects.select_for_update().filter(turn__in=turns):
        unknown = [one["text"] for one in made.result.get("not_recognised", ())]
        blanked = [blank(one, words, "…") for one in unknown]
        if blanked != unknown:
            made.result = {**made.result, "not_recognised": [{"text": one, "suggestions": []} for one in blanked]}
            made.save(update_fields=["result"])
    for alert in InteractionAlert.objects.select_for_update().filter(check_made__turn__in=turns).exclude(note=""):
        if (note := blank(alert.note, words, "…")) != alert.note:
            alert.note = note
            alert.save(update_fields=["note"])


class _Texts:
    """The texts of one conversation, covered one after the other: the same words get the same token in all."""

    def __init__(self, known: Sequence[Entity], words: str, label: Label) -> None:
        self.known, self.words, self.label = known, words, label
        self.new: tuple[Entity, ...] = ()

    def cover(self, text: str, spelled: Sequence[int]) -> phi_cover.Covered | None:
        found = phi_cover.cover(text, (*self.known, *self.new), spelled, words=self.words, label=self.label)
        if found:
            self.new += found.masked.new
        return found


def _question(turn: Turn, texts: _Texts) -> str:
    """The token that stands for the words now; empty when they do not stand in this question."""
    covered = texts.cover(turn.question, turn.spellings)
    if covered is None:
        return ""
    days = phi.intervals((*texts.known, *texts.new))
    if not turn.days.keys() <= days.keys():  # of dates that are erased only what was counted then is known
        days = turn.days
    turn.question, turn.spellings = covered.masked.text, spellings(covered.masked)
    turn.days = days_beside(turn.question, days)
    record.forget(turn)
    turn.save(update_fields=["question", "spellings", "days", "blocks", "evidence"])
    return covered.token


def _why_not(turn: Turn, known: Sequence[Entity], words: str) -> Exception:
    read = phi.restore(turn.question, known, turn.spellings)
    return AlreadyMasked() if phi_cover.occurrences(read, words) else NotThere()


def cover_reported(masked: Masked, known: Sequence[Entity], scope: UUID) -> Masked:
    """A text that was just masked, with what was reported as missed in its conversation."""
    for label, words in mask_reports.missed(scope):
        more = phi_cover.cover(masked.text, (*known, *masked.new), masked.spellings, words=words, label=label)
        if more:
            masked = replace(more.masked, new=(*masked.new, *more.masked.new))
    return masked


def days_beside(question: str, days: dict[str, int]) -> dict[str, int]:
    """As a turn keeps them: all dates of its conversation so far, where one of them stands in its question."""
    return days if days.keys() & set(phi.tokens_of(question)) else {}


def spellings(masked: Masked) -> list[int]:
    """As a turn keeps them: one for each token of its text, 0 where the value is erased; none where each is 0."""
    given, held = iter(masked.spellings), set(masked.tokens)
    found = [next(given) if token in held else 0 for token in phi.tokens_of(masked.text)]
    return found if any(found) else []
