"""Which part of the matter a question asks for, and which part a section is about: treatment, diagnosis, dose …

On our labeled questions the agreement of the two is the strongest single sign that a passage holds the answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class Intent:
    """`asked` finds it in a question, `headed` in the heading of a section (PostgreSQL reads that one too)."""

    name: str
    asked: re.Pattern[str]
    headed: str


def _intent(name: str, asked: str, headed: str) -> Intent:
    return Intent(name, re.compile(rf"\b(?:{asked})\b", re.IGNORECASE), headed)


# A plain list: an entry a line, the words of a question, then those of a heading.
INTENTS = (
    _intent("dose", r"dos(?:e|es|age|ing)|how much|milligrams?|mg|mcg|titrat\w*", "dos(e|age|ing)|administration"),
    _intent("interactions", r"interact(?:s|ions?|ing)?|together with|combined? with", "interactions?"),
    _intent("contraindications", r"contraindicat\w*|who should not", "contraindications?|should not"),
    _intent(
        "harms", r"side.?effects?|adverse|toxicit\w*|safety|safe", "side effects?|adverse|warnings?|toxicity|safety"
    ),
    _intent(
        "inheritance",
        r"inherit\w*|pass(?:ed|es)? (?:it )?(?:on|down)|runs? in (?:the |a )?famil\w*|offspring|hereditary pattern",
        "inheritance|hereditary",
    ),
    _intent("genetics", r"genes?|genetic\w*|mutat\w*|chromosom\w*|molecular basis", "genetics?|genes?|mutations?"),
    _intent(
        "frequency",
        r"how (?:common|many people|frequent|often|rare)|prevalence|incidence|frequency|epidemiolog\w*|statistics",
        "frequency|prevalence|incidence|epidemiology|how common",
    ),
    _intent("prevention", r"prevent\w*|avoid\w*|prophyla\w*|vaccin\w*|protect\w*", "prevent(ion|ing)?|prophylaxis"),
    _intent("risk", r"risk factors?|at risk|who (?:is|gets)|susceptib\w*|likely to|predispos\w*", "risk( factors?)?"),
    _intent(
        "outlook",
        r"prognos\w*|outlook|life expectancy|surviv\w*|mortality|long.?term|outcomes?|how long|fatal|deadly",
        "outlook|prognosis|survival",
    ),
    _intent("complications", r"complicat\w*", "complications?"),
    _intent("stages", r"stages?|staging", "stages?|staging"),
    _intent(
        "treatment",
        r"treat\w*|therap\w*|manag\w*|cur(?:e|es|ed|able)|medic(?:ations?|ines?)|drugs?|surger\w*|remed\w*|get rid of"
        r"|options? for|relief|relieve|heal\w*",
        "treatments?|management|therap(y|ies)|managing",
    ),
    _intent(
        "diagnosis",
        r"diagnos\w*|tests?|testing|tested|work.?up|detect\w*|screen\w*|confirm\w*"
        r"|how (?:do|can|does) (?:i|you|we|one|a doctor) (?:know|tell)",
        "diagnos(is|es|tic|ing)|tests?|testing|screening|workup|exams?",
    ),
    _intent(
        "symptoms",
        r"symptoms?|signs?|presents?(?: with)?|presentation|look for|on exam|feel like|manifest\w*|features"
        r"|clinical picture",
        "symptoms?|signs?|features|presentation|manifestations?",
    ),
    _intent(
        "causes",
        r"caus\w*|a?etiolog\w*|why do|why does|leads? to|reasons?|due to|pathogenesis|come from"
        r"|how do (?:you|people|i) (?:get|catch)",
        "causes?|etiology|pathogenesis",
    ),
    _intent("research", r"research|trials?|studies being", "research|trials?"),
    _intent(
        "support", r"support|organi[sz]ations?|foundation|cope|coping|living with", "support|living with|considerations"
    ),
    _intent(
        "overview",
        r"what(?:.s| is| are)|whats|overview|background|summary|explain|defin\w*|describe|tell me about|introduction"
        r"|info(?:rmation)?|know (?:more )?about",
        "overview|summary|background|introduction|definition|description|what is|about",
    ),
)
RELATED = {
    frozenset(("genetics", "causes")),
    frozenset(("genetics", "inheritance")),
    frozenset(("risk", "causes")),
    frozenset(("complications", "outlook")),
    frozenset(("symptoms", "overview")),
}
_HEADED = tuple((i.name, re.compile(rf"\b(?:{i.headed})\b", re.IGNORECASE)) for i in INTENTS)


def asked(question: str) -> tuple[str, ...]:
    """Which parts the question asks for; more than one is usual, none too."""
    return tuple(i.name for i in INTENTS if i.asked.search(question))


@lru_cache(maxsize=4096)
def headed(section: str) -> frozenset[str]:
    """Which parts a section with that heading is about."""
    return frozenset(name for name, pattern in _HEADED if pattern.search(section))


def headings(intents: Iterable[str]) -> str:
    """A pattern for PostgreSQL's `~*` that finds the headings of these parts; one that finds nothing for none."""
    wanted = set(intents)
    parts = [i.headed for i in INTENTS if i.name in wanted]
    return rf"\m({'|'.join(parts)})\M" if parts else r"$.^"


def agreement(intents: tuple[str, ...], section: str) -> int:
    """How well a section suits what is asked: 3 it is that part, 2 a related one, 1 an overview, -1 another part,
    0 its heading says nothing."""
    about = headed(section)
    if not about:
        return 0
    special = [name for name in intents if name != "overview"]
    if about.intersection(special or intents):
        return 3
    if any(frozenset((name, other)) in RELATED for name in special for other in about):
        return 2
    return 1 if "overview" in about else -1
