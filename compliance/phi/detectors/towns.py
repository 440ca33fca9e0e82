"""Towns, counties, reservations and airports. States, countries and larger regions stay readable."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from compliance.phi.detectors import town_cues as cues
from compliance.phi.detectors.clinical import taken_over, term
from compliance.phi.detectors.places import (
    BREAKS,
    CAP,
    STATE,
    STATE_NAME,
    ZIP,
    clinical,
    own_name,
    plain,
    tier,
    word_set,
)
from compliance.phi.lexicon import Lexicon, lexicon
from compliance.phi.normalise import fold
from compliance.phi.types import Candidate, Label, Strength
from compliance.phi.words import Shape, Word, read_words, word_at

_BEFORE_STATE = re.compile(
    rf"\b(?P<place>{CAP}(?:[ -]{CAP}){{0,2}})(?:,\s?| )(?P<state>{STATE}|{STATE_NAME})(?:,?\s{{1,2}}(?P<zip>{ZIP}))?"
)
_COUNTY = re.compile(rf"\b(?P<place>{CAP}(?: {CAP}){{0,2}}{cues.COUNTY.pattern})|\b[Cc]ounty of (?P<of>{CAP})")
_LAND = re.compile(
    rf"\b(?P<place>{CAP}(?: {CAP}){{0,2}}{cues.LAND.pattern})|\b(?:in|at|on|near) (?P<of>(?:Lake|Mt\.?|Mount"
    rf"|Camp|Isle of|Port|Cape) {CAP})"
)
_LINK = re.compile(r"\b(?:OF|IN|FROM|NEAR|AT|TO|BY|OUTSIDE) ")
_TOWNISH = re.compile(
    r"\b(?:in|near|by|from|at|to|of|outside|past|around|through|IN|NEAR|FROM|AT|TO|OF|OUTSIDE) (?:the )?"
    r"(?P<place>[A-Z][a-z]{2,12}(?:ville|burgh?|boro|borough|bury|stown)|[A-Z]{3,12}(?:VILLE|BURGH?|BORO"
    r"|BOROUGH|BURY|STOWN))\b"
)
"""Behind a preposition, a word that ends as towns do."""
_STAGED = re.compile(
    r"(?:'s)? ?(?:[IVX]{1,4}[A-Ea-e]?\b|[≥≤<>=]{1,2} ?\d|\d{1,2}(?:\+|\b(?![/:.-]\d)(?! (?:days?|hours?|miles|min))))"
)
_DEGREES = (
    "MD",
    "PA",
    "MS",
    "DO",
    "MA",
    "AR",
    "OR",
    "IN",
    "OK",
    "ME",
    "HI",
    "AL",
    "DE",
    "CO",
    "ID",
    "LA",
    "NE",
    "SC",
    "CA",
    "MO",
    "PR",
    "ND",
    "AK",
    "WI",
    "VA",
    "DC",
    "OH",
    "MN",
    "MI",
    "GA",
    "CT",
    "MT",
)
_WORDS = ("OK", "IN", "OR", "ME", "HI", "MD", "PA", "MS", "DO")
_MOST_WORDS = 4
_A_NAME = 8.0  # name_odds from which a word is likelier a person
_OPENERS = word_set(
    "north south east west new old upper lower lake port fort mount point big little grand glen el la los las"
    " san santa saint st"
)
_GOES_ON = BREAKS | word_set("for of and or who that as because which so but her his he she")
_A_JOURNEY = 60  # characters
_LARGE = 6
_COMMON = 5  # word_tier of everyday English


def detect(text: str) -> Iterator[Candidate]:
    words = read_words(text)
    shouted = sum(word.shape is Shape.LOWER for word in words) * 10 < len(words)
    yield from _Map(text, words, lexicon(), shouted).found()


@dataclass(frozen=True, slots=True)
class _Map:
    text: str
    words: list[Word]
    known: Lexicon
    shouted: bool  # written in capitals throughout: they tell nothing

    def found(self) -> Iterator[Candidate]:
        yield from self.before_states()
        yield from self.lands()
        for match in cues.HOME.finditer(self.text):
            i = word_at(self.words, match.end())
            last = None if i is None else self.home(i, labelled=":" in match.group())
            if i is not None and last is not None:
                yield self._town(i, last, Strength.FIRM)
                yield from self._onward(last, Strength.FIRM)
        for match in cues.MOVE.finditer(self.text):
            i = word_at(self.words, match.end())
            last = None if i is None else self.listed(i, match.group())
            if i is not None and last is not None:
                strength = self._sure(i, last, match.group())
                yield self._town(i, last, strength)
                yield from self._onward(last, strength)
        yield from self.townish()
        yield from self.alone()
        for flown in cues.FLOWN.finditer(self.text):
            for match in cues.AIRPORT.finditer(self.text, flown.start(), min(flown.end() + _A_JOURNEY, len(self.text))):
                low = fold(match["place"])
                if not plain(low, self.known) and not self.known.medical_word(low):
                    yield Candidate(match.start("place"), match.end("place"), Label.LOCATION, Strength.WEAK)

    # -- by what follows

    def before_states(self) -> Iterator[Candidate]:
        for match in _BEFORE_STATE.finditer(self.text):
            opening = match.start("place")
            for link in _LINK.finditer(self.text, opening, match.end("place")):
                opening = link.end()
            start = own_name(self.text, opening, match.end("place"), self.known)
            if start is None and self._town_of_a_state(match):
                start = match.start("place")  # Orange, CA; Mobile, AL; Norco, CA
            if start is None and opening > match.start("place") and self._town_of_a_state(match, opening):
                start = opening
            if start is None or fold(match["place"]) in self.known.regions:
                continue
            listed = tier(fold(self.text[start : match.end("place")].replace(".", "")), self.known)
            comma = self.text[match.end("place")] == ","
            code = len(match["state"]) == 2
            if (
                match["zip"]
                or (listed and (not match["place"].isupper() or comma))
                or (comma and not self._degree(match))
            ):
                yield Candidate(
                    start,
                    match.end() if match["zip"] or code or comma else match.end("place"),
                    Label.LOCATION,
                    Strength.FIRM,
                )

    def _town_of_a_state(self, match: re.Match[str], opening: int | None = None) -> bool:
        """An everyday or clinical word is a town where a comma and a state follow it that are no word themselves."""
        comma = self.text[match.end("place")] == ","
        place = self.text[match.start("place") if opening is None else opening : match.end("place")]
        return comma and match["state"] not in _WORDS and self.known.us_place(fold(place)) > 3

    def _degree(self, match: re.Match[str]) -> bool:
        """Mulhern, MD is a physician, and CALCIUM, CA an analyte: only a town of the lists is in such a state."""
        return match["state"] in _DEGREES or match["place"].isupper()

    def lands(self) -> Iterator[Candidate]:
        for match in (*_COUNTY.finditer(self.text), *_LAND.finditer(self.text)):
            group = match.lastgroup or "place"
            start = own_name(self.text, match.start(group), match.end(group), self.known)
            if group == "of":
                start = match.start("of")
            county = match.re is _COUNTY
            if start is not None and fold(self.text[start : match.end(group)]) not in self.known.regions:
                yield Candidate(start, match.end(group), Label.LOCATION, Strength.FIRM if county else Strength.WEAK)
        for i, word in enumerate(self.words[:-1]):
            if (
                word.shape is Shape.LOWER
                and self.words[i + 1].low in ("county", "parish")
                and self.known.us_county(word.low)
                and not plain(word.low, self.known)
            ):
                yield self._town(i, i + 1, Strength.FIRM)

    # -- by what stands before

    def home(self, i: int, *, labelled: bool) -> int | None:
        """The last word of the town behind "lives in": a town of the lists, or capitalised words that name one."""
        listed = self._listed(i)
        word = self.words[i]
        if listed is not None and not (listed[0] == i and word.low in _OPENERS):
            last, size = listed
            low = self._low(i, last)
            if (
                low in self.known.regions
                or self._head_follows(last)
                or (i == last and (plain(low, self.known) or self.known.medical_word(low)))
            ):
                return None
            if word.shape is not Shape.LOWER:
                return self._with_land(last)
            return last if last > i or self.known.word_tier(low) < min(size, 4) else None
        if word.shape not in (Shape.CAPITAL, Shape.UPPER) or (
            word.shape is Shape.UPPER and not (labelled or self.shouted)
        ):
            return None
        last = (
            i + 1
            if word.low in _OPENERS
            and i + 1 < len(self.words)
            and self._joins(i)
            and self.words[i + 1].shape is word.shape
            else i
        )
        if self._plain(last):
            return None
        while (
            last + 1 < len(self.words)
            and last - i < 2
            and self._joins(last)
            and self.words[last + 1].shape is word.shape
            and not self._plain(last + 1)
        ):
            last += 1
        return None if self._low(i, last) in self.known.regions or self._head_follows(last) else self._with_land(last)

    def listed(self, i: int, cue: str) -> int | None:
        """The last word of a town of the lists behind a bare preposition or comma, where it is the likelier reading."""
        found = self._listed(i)
        if found is None or self._part_of_term(i, found[0]):
            return None
        last, size = found
        low = self._low(i, last)
        if low in self.known.regions:
            return None
        lower = self.words[i].shape is Shape.LOWER
        inside = cue.lower().startswith(("in ", "near", "outside", "around", "lives", "living", "flew", "downtown"))
        if last > i:
            sure = inside or cue.lower().startswith("from")
            return last if not lower or (sure and size > 3 and self._rare(i, last)) else None
        if not cue.strip(" ,(/|;:\n") and low in taken_over():
            return None  # one of a list of syndromes
        large = (inside or low in self.known.cities) and not lower and size >= _LARGE and not plain(low, self.known)
        if (self._doubtful(low) and not large) or (lower and not inside):
            return None
        common, odds = self.known.word_tier(low), self._name_odds(low)
        only = not common and self.known.given_tier(low) <= 3  # a rare name at most
        if lower:
            return last if size > max(common + 1, 3) and common < 4 and (odds < 2 or only) else None
        if self.words[i].shape is Shape.UPPER and len(low) < 4 and not (low in self.known.cities and cue[:1].isalpha()):
            return None
        american = self.known.us_place(low) > 0
        if only and (inside or (not odds and (american or cue[:1].isalpha()))) and not lower:
            return last
        return last if (odds < _A_NAME or large) and common <= size and size >= (4 if inside else 5) else None

    def _sure(self, i: int, last: int, cue: str) -> Strength:
        """Firm where a word of place or travel stands before a town whose name is hardly anybody's."""
        low = self._low(i, last)
        named = self.known.name_odds(low) >= _A_NAME or low in taken_over() or self.known.eponym(low)
        return Strength.FIRM if cue[:1].isalpha() and not named else Strength.WEAK

    def townish(self) -> Iterator[Candidate]:
        for match in _TOWNISH.finditer(self.text):
            low = fold(match["place"])
            if not (
                self.known.eponym(low)
                or low in taken_over()
                or self.known.word_tier(low) > 4
                or self.known.given_tier(low) > 4
            ):
                yield Candidate(match.start("place"), match.end("place"), Label.LOCATION, Strength.WEAK)

    def alone(self) -> Iterator[Candidate]:
        """Without a cue only a large town whose name is nothing else, or two towns of a journey."""
        for i, word in enumerate(self.words):
            if word.shape is Shape.LOWER and not self._arrow(word.end):
                continue
            found = self._listed(i)
            if found is None:
                continue
            last, size = found
            low = self._low(i, last)
            if (
                low in self.known.regions
                or self._part_of_term(i, last)
                or (last == i and (self._doubtful(low) or low in taken_over()))
            ):
                continue
            large = size >= _LARGE - (last > i) and word.shape is Shape.CAPITAL
            sure = last > i or (
                self._name_odds(low) < _A_NAME / 2 and self.known.word_tier(low) < _COMMON and len(low) > 3
            )
            only = word.shape is Shape.CAPITAL and self._nothing_else(low)
            if only or (large and sure) or self._arrow(self.words[last].end):
                strength = Strength.WEAK if large and not only else Strength.FIRM
                yield self._town(i, last, strength)
                yield from self._onward(last, strength)

    def _nothing_else(self, low: str) -> bool:
        """The name of an American town and of nothing and nobody besides."""
        facts = self.known.about(low)
        return self.known.us_place(low) > 3 and len(low) > 5 and not (facts.word or facts.surname or facts.given)

    def _part_of_term(self, i: int, last: int) -> bool:
        """North Carolina, Salmonella Newport, Los Angeles prehospital stroke screen."""
        if i and self._joins(i - 1):
            before = self.words[i - 1]
            if f"{before.low} {self.words[i].low}" in self.known.regions or (
                before.shape is Shape.CAPITAL and self.known.medical_word(before.low)
            ):
                return True
        return self._head_follows(last)

    def _onward(self, last: int, strength: Strength) -> Iterator[Candidate]:
        """The other towns of a journey: "Kinshasa - Addis Ababa - Frankfurt"."""
        for _ in range(6):
            link = cues.NEXT.match(self.text, self.words[last].end)
            i = word_at(self.words, link.end()) if link else None
            found = None if i is None else self._listed(i)
            if i is None or found is None:
                return
            low = self._low(i, found[0])
            lower = self.words[i].shape is Shape.LOWER
            if (
                low in self.known.regions
                or self._head_follows(found[0])
                or plain(low, self.known)
                or self.known.medical_word(low)
            ):
                return
            if lower and (found[1] < 5 or self.known.word_tier(low) > 3):
                return
            last = found[0]
            yield self._town(i, last, strength)

    # -- words

    def _listed(self, i: int) -> tuple[int, int] | None:
        """The last word and the size of the longest town of the lists that begins here."""
        best: tuple[int, int] | None = None
        if self.words[i].shape in (Shape.OTHER, Shape.INITIAL):
            return None
        low = ""
        for last in range(i, min(i + _MOST_WORDS, len(self.words))):
            if last > i and not self._joins(last - 1):
                break
            if (
                last > i
                and (self.words[i].shape is Shape.LOWER) != (self.words[last].shape is Shape.LOWER)
                and self.words[last].low not in ("of", "la", "le", "du", "de", "in", "on", "the", "am")
            ):
                break
            low = f"{low} {self.words[last].low}".strip()
            size = tier(low, self.known)
            if size:
                best = (last, size)
        return best

    def _low(self, i: int, last: int) -> str:
        return " ".join(word.low for word in self.words[i : last + 1])

    def _joins(self, i: int) -> bool:
        gap = self.text[self.words[i].end : self.words[i + 1].start]
        return gap in (" ", "-") or (gap in (". ", ".") and self.words[i].low in ("st", "ste", "mt", "ft", "sta"))

    def _plain(self, i: int) -> bool:
        low = self.words[i].low
        return plain(low, self.known) or clinical(low, self.known) or low in self.known.heads or self.known.drug(low)

    def _doubtful(self, low: str) -> bool:
        """A town's name that is an everyday, clinical or person's word as well."""
        return (
            plain(low, self.known)
            or self.known.eponym(low)
            or self.known.medical_word(low)
            or low in self.known.ambiguous
            or self.known.word_tier(low) >= _COMMON
            or (len(low) < 3 and low not in self.known.cities)
        )

    def _name_odds(self, low: str) -> float:
        return self.known.name_odds(low)

    def _rare(self, i: int, last: int) -> bool:
        return any(self.known.word_tier(w.low) < 4 and not plain(w.low, self.known) for w in self.words[i : last + 1])

    def _head_follows(self, last: int) -> bool:
        """Boston criteria, Milan staging, Rotterdam Study: the words a clinician puts behind a town's name."""
        low = self.words[last].low
        if (low in taken_over() or self.known.eponym(low)) and _STAGED.match(self.text, self.words[last].end):
            return True
        if (
            last
            and self.known.eponym(self._low(last - 1, last).replace(" ", "-"))
            and _STAGED.match(self.text, self.words[last].end)
        ):
            return True
        for after in range(last + 1, min(last + 4, len(self.words))):
            if self.text[self.words[after - 1].end : self.words[after].start] not in (" ", "-", "'s "):
                return False
            ahead = self.words[after]
            if ahead.low in self.known.heads or (ahead.shape is Shape.LOWER and term(ahead.low, self.known)):
                return True
            if ahead.low in _GOES_ON:
                return False
        return False

    def _with_land(self, last: int) -> int:
        if last + 1 < len(self.words) and self.words[last + 1].low in (
            "county",
            "parish",
            "township",
            "reservation",
            "island",
            "heights",
            "village",
            "beach",
        ):
            return last + 1
        return last

    def _arrow(self, end: int) -> bool:
        """A journey's arrow, with another town of the lists behind it."""
        link = re.compile(r"\s?(?:-{1,2}>|→|=>| - )\s?").match(self.text, end)
        i = word_at(self.words, link.end()) if link else None
        found = None if i is None else self._listed(i)
        return found is not None and found[1] >= 5

    def _town(self, i: int, last: int, strength: Strength) -> Candidate:
        return Candidate(self.words[i].start, self.words[last].end, Label.LOCATION, strength)
