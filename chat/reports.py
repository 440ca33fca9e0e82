"""What the monthly report says of questions and answers: counts alone; compliance.reports shows them."""

from __future__ import annotations

from chat.models import Feedback, InteractionCheck, Turn
from compliance.masked_texts import MASKED
from compliance.reports.sections import Period, Section, add, counted

WORDS = {
    Turn.Status.ANSWERED: "Answered",
    Turn.Status.ABSTAINED: "Abstained",
    Turn.Status.FAILED: "Failed",
    Turn.Status.STOPPED: "Stopped",
    Turn.Status.QUEUED: "Not finished",
    Turn.Status.RUNNING: "Not finished",
}


def register() -> None:
    add("phi", fill)


def fill(section: Section, period: Period) -> None:
    turns = Turn.objects.filter(**period.inside("created_at"))
    by_status = counted(turns, "status")
    url = period.audit(object_type="chat.Turn")
    section.fact("Questions asked", sum(by_status.values()), url)
    section.fact("Of them with something masked", turns.filter(question__regex=MASKED).count(), url)
    failed = counted(turns.filter(status=Turn.Status.FAILED), "reason")
    section.table(
        "Questions",
        ["Came to", "Questions"],
        [[words, number] for words, number in _summed(by_status)],
        none="Nobody asked a question.",
    )
    section.table(
        "Questions that failed",
        ["Why", "Questions"],
        [[reason or "Not said", number] for reason, number in sorted(failed.items())],
        none="No question failed.",
    )
    rated = counted(Feedback.objects.filter(**period.inside("created_at")), "helpful")
    section.fact("Answers called helpful", rated.get(True, 0))
    section.fact("Answers called not helpful", rated.get(False, 0))
    section.fact("Interaction checks", InteractionCheck.objects.filter(**period.inside("at")).count())


def _summed(by_status: dict[str, int]) -> list[tuple[str, int]]:
    found: dict[str, int] = {}
    for status, words in WORDS.items():
        if number := by_status.get(status, 0):
            found[words] = found.get(words, 0) + number
    return list(found.items())
