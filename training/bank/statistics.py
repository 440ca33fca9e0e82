"""How questions do: difficulty, discrimination, use of the wrong options, reliability; and which ones need a look.

All of it from sums that can be added up, so that a database makes them and versions with the same text are put
together here. `rest` of an answer is the share of the points of the other questions of the same form: what the
question itself is worth must not correlate with itself (corrected point-biserial; Henrysson 1963).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt
from typing import Final, Self

ENOUGH: Final = 30
"""Answers below which nothing is said of a question, and attempts below which nothing of reliability."""
TOO_EASY, TOO_HARD = 0.97, 0.30
WEAK: Final = 0.10
TELLING: Final = 0.20
"""Discrimination of a question that cannot be a matter of chance."""
RIVAL: Final = 0.15
"""A wrong option that so many choose, and not the weaker ones, may be right as well."""
CERTAIN: Final = 1.64
"""Standard errors that something has to be away from what would be fine: one time in twenty by chance."""
BARELY, ABOVE = 2.3, 1.3
"""Standard errors: by less do a rival's choosers know less than the right option's, by more than others'."""
UNUSED: Final = 0.01


class Flag(StrEnum):
    MISKEYED = "miskeyed"
    NEGATIVE = "negative"
    RIVAL = "rival"
    GUESSED = "guessed"
    WEAK = "weak"
    TOO_HARD = "too-hard"
    TOO_EASY = "too-easy"
    UNUSED = "unused"


WORDS: Final = {
    Flag.MISKEYED: "A wrong option is chosen more than the right one",
    Flag.NEGATIVE: "Those who know less get it right more often",
    Flag.RIVAL: "Those who know more choose a wrong option: it may be right as well",
    Flag.GUESSED: "Answered as if by chance",
    Flag.WEAK: "Says little about who knows more",
    Flag.TOO_HARD: "Very hard",
    Flag.TOO_EASY: "Nearly everybody gets it right",
    Flag.UNUSED: "A wrong option that nobody chooses",
}
SUSPECT: Final = frozenset({Flag.MISKEYED, Flag.NEGATIVE, Flag.RIVAL, Flag.GUESSED, Flag.WEAK})
"""Flags that say that something is wrong with the question. The others are for whoever rewrites it."""


@dataclass(frozen=True)
class Sums:
    """Of points x and rest r of `n` answers."""

    n: int = 0
    x: float = 0.0
    r: float = 0.0
    xx: float = 0.0
    rr: float = 0.0
    xr: float = 0.0

    def __add__(self, other: Self) -> Sums:
        return Sums(
            self.n + other.n,
            self.x + other.x,
            self.r + other.r,
            self.xx + other.xx,
            self.rr + other.rr,
            self.xr + other.xr,
        )

    @property
    def mean(self) -> float:
        return self.x / self.n

    @property
    def variance(self) -> float:
        """Of the points."""
        return max(0.0, self.xx / self.n - self.mean**2)

    @property
    def rest_variance(self) -> float:
        return max(0.0, self.rr / self.n - (self.r / self.n) ** 2)

    @property
    def correlation(self) -> float | None:
        """None where all points, or all rests, are the same."""
        if self.variance < 1e-9 or self.rest_variance < 1e-9:
            return None
        together = self.xr / self.n - self.mean * (self.r / self.n)
        return together / sqrt(self.variance * self.rest_variance)


@dataclass(frozen=True)
class Chosen:
    """One option: how many chose it, and the sum of their rests."""

    n: int = 0
    rest: float = 0.0

    def __add__(self, other: Self) -> Chosen:
        return Chosen(self.n + other.n, self.rest + other.rest)


@dataclass(frozen=True)
class Figures:
    """`discrimination` is None where everybody has the same points."""

    n: int
    difficulty: float
    discrimination: float | None
    flags: Sequence[Flag]

    @property
    def suspect(self) -> bool:
        return not SUSPECT.isdisjoint(self.flags)


def figures(sums: Sums, choices: Mapping[int, Chosen], *, right: Sequence[int], options: int) -> Figures | None:
    """What can be said of a question; None below ENOUGH answers.

    `choices` are the options by number, for questions where one is chosen; none for others (`options` is 0 then).
    """
    if sums.n < ENOUGH:
        return None
    flags: list[Flag] = []
    if options and len(right) == 1:
        flags += _of_options(sums, choices, right[0], options)
    flags += _of_points(sums)
    if options and any(_share(sums, choices, n) < UNUSED for n in range(options) if n not in right):
        flags.append(Flag.UNUSED)
    return Figures(sums.n, sums.mean, sums.correlation, tuple(flags))


def _of_points(sums: Sums) -> list[Flag]:
    flags: list[Flag] = []
    correlation = sums.correlation
    if sums.mean >= TOO_EASY:
        return [Flag.TOO_EASY]
    if correlation is not None:
        error = 1 / sqrt(sums.n - 1)
        if correlation < -CERTAIN * error:
            flags.append(Flag.NEGATIVE)
        elif correlation < WEAK and correlation + CERTAIN * error < WEAK + 2 * error:
            flags.append(Flag.WEAK)
    if sums.mean <= TOO_HARD:
        flags.append(Flag.TOO_HARD)
    return flags


def _of_options(sums: Sums, choices: Mapping[int, Chosen], right: int, options: int) -> list[Flag]:
    flags: list[Flag] = []
    wrong = [n for n in range(options) if n != right]
    most = max(wrong, key=lambda n: _share(sums, choices, n))
    key, rival = _share(sums, choices, right), _share(sums, choices, most)
    if rival - key > CERTAIN * sqrt((key + rival) / sums.n):
        flags.append(Flag.MISKEYED)
    if any(_attracts(sums, choices, right, n) for n in wrong):
        flags.append(Flag.RIVAL)
    expected = sums.n / options
    scatter = sum((choices.get(n, Chosen()).n - expected) ** 2 / expected for n in range(options))
    by_chance = scatter < (options - 1) + CERTAIN * sqrt(2 * (options - 1))  # leaves less 19 times in 20
    if by_chance and (sums.correlation or 0) < TELLING:
        flags.append(Flag.GUESSED)
    return flags


def _attracts(sums: Sums, choices: Mapping[int, Chosen], right: int, wrong: int) -> bool:
    """Whether those who choose a wrong option know about as much as those who choose the right one.

    Where the other wrong options are chosen by some, its choosers must know more than theirs.
    """
    rival, key = choices.get(wrong, Chosen()), choices.get(right, Chosen())
    if rival.n < max(RIVAL * sums.n, 5) or not key.n:
        return False
    others = sum((one for n, one in choices.items() if n not in {right, wrong}), Chosen())
    if _gap(sums, key, rival) < CERTAIN / 2:
        return True
    return _gap(sums, key, rival) < BARELY and others.n >= 5 and _gap(sums, rival, others) > ABOVE


def _gap(sums: Sums, a: Chosen, b: Chosen) -> float:
    """How much more those of `a` know than those of `b`, in standard errors."""
    error = sqrt(max(sums.rest_variance, 1e-9) * (1 / a.n + 1 / b.n))
    return (a.rest / a.n - b.rest / b.n) / error


def _share(sums: Sums, choices: Mapping[int, Chosen], option: int) -> float:
    return choices.get(option, Chosen()).n / sums.n


def reliability(
    *, attempts: int, questions: float, total_variance: float, adjusted_variance: float, item_variance: float
) -> float | None:
    """KR-20 of forms that are drawn at random from a bank; None below ENOUGH attempts.

    `questions` is the number in a form, k; `total_variance` that of the scores, s²; `adjusted_variance` that of the
    scores less the mean points of the questions each form had, a²; `item_variance` the mean variance of the questions
    about their own means, v, by how often they were asked.

    Where all have the same form a² is s² and this is Kuder and Richardson's formula 20 (1937), k/(k-1) · (1 - k·v/s²),
    in Cronbach's form for points in parts. Where forms differ, a hard form lowers a score and is no difference between
    people: true variance is estimated without it, k/(k-1) · (a² - k·v), and divided by all of s², as for questions
    nested in people (Cronbach, Rajaratnam and Gleser 1963, Theory of generalizability).
    """
    if attempts < ENOUGH or questions <= 1 or total_variance <= 0:
        return None
    true = questions / (questions - 1) * (adjusted_variance - questions * item_variance)
    return max(-1.0, min(1.0, true / total_variance))
