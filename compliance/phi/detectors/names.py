"""Names of patients, relatives and clinicians: by cue, by form, by name lists.

Reads the text as words with shapes. A cue (title, role, label, greeting, an age that follows) makes a name firm; a
name list alone makes it weak, and weak names give way to clinical wording such as "Wilson disease".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from compliance.phi.detectors import name_cues as cues
from compliance.phi.lexicon import Lexicon, lexicon
from compliance.phi.types import Candidate, Label, Strength
from compliance.phi.words import Shape, Word, read_words, word_at


def detect(text: str) -> Iterator[Candidate]:
    reader = _Reader(text, read_words(text), lexicon())
    yield from reader.cued()
    yield from reader.formed()
    for match in cues.CARET.finditer(text):
        yield Candidate(match.start(), match.end(), Label.NAME, Strength.FIRM)
    for match in (*cues.INITIALS.finditer(text), *cues.NEWBORN.finditer(text), *cues.FAMILY.finditer(text)):
        yield Candidate(match.start("name"), match.end("name"), Label.NAME, Strength.FIRM)


@dataclass(frozen=True, slots=True)
class _Reader:
    text: str
    words: list[Word]
    known: Lexicon

    # -- cues before the name

    def cued(self) -> Iterator[Candidate]:
        for match in cues.TITLE.finditer(self.text):
            i = word_at(self.words, match.end())
            if i is not None and self._after_title(match, i):
                yield self._name(i, self._extend(i), Strength.FIRM)
        for role in self.words:
            i = self._after_role(role)
            if i is not None:
                yield self._name(i, self._turned(self._extend(i)), Strength.FIRM)
        for match in cues.AFTER_NAMED.finditer(self.text):
            i = word_at(self.words, match.end())
            if i is not None and self._after_named(match, i):
                yield self._name(i, self._extend(i, lower=self.words[i].shape is Shape.LOWER), Strength.FIRM)
        for match in cues.GREETING.finditer(self.text):
            i = word_at(self.words, match.end())
            if i is not None and self._greeted(match.group().lower(), i):
                yield self._name(i, self._extend(i, lower=self.words[i].shape is Shape.LOWER), Strength.FIRM)

    def _after_role(self, role: Word) -> int | None:
        """The first word of the name behind "patient", "wife", "RN" or "seen by"."""
        kin = role.low in cues.KINSHIP
        if kin or role.low in cues.ROLES:
            match = cues.ROLE_LINK.match(self.text, role.end)
        elif role.low in ("by", "with", "under", "per") and role.shape is Shape.LOWER:
            match = cues.BY_LINK.match(self.text, role.end)
        else:
            return None
        i = word_at(self.words, match.end()) if match else None
        if i is None:
            return None
        word = self.words[i]
        if (
            kin
            and word.shape is Shape.CAPITAL
            and word.low in self.known.first_names
            and not self.known.eponym(word.low)
        ):
            return i if word.low in self.known.ambiguous or not self.known.everyday(word.low) else None
        if (
            not kin
            and role.low not in cues.ROLES
            and not (self._name_pair(i) and not self._head_follows(self._extend(i)))
        ):
            return None
        return i if self._person(i) else None

    def _turned(self, last: int) -> int:
        """Behind "patient" a comma may turn the name round: Oyelaran, Tunde."""
        if last + 1 >= len(self.words) or self.text[self.words[last].end : self.words[last + 1].start] != ", ":
            return last
        end = self._end(last + 1)
        turned = self._person(last + 1) and (
            self.known.first_name(self.words[last + 1].low) or self.text[end : end + 1] in ".:("
        )
        return self._extend(last + 1) if turned else last

    def _after_title(self, match: re.Match[str], i: int) -> bool:
        word, title = self.words[i], match.group().strip()
        if not self._space(match.group()) and not title.endswith("."):
            return False
        if title.rstrip(".") in ("MR", "MS", "DR", "PA"):
            return self._person(i) and self.known.name_word(word.low)
        if title in ("Mother", "Father", "Sister", "Coach", "Nurse", "Officer", "Aunt", "Uncle", "Judge"):
            return self._person(i)
        if title == "doctor":
            return word.shape is Shape.LOWER and self.known.surname(word.low) and not self._plain(word.low)
        if word.shape is Shape.LOWER:
            return (
                word.low not in cues.NO_PERSON_AFTER_TITLE and not self.known.everyday(word.low) and len(word.low) > 2
            )
        if title.rstrip(".").lower() not in ("mr", "mrs", "ms") and self.known.everyday(word.low):
            return word.low in self.known.ambiguous
        return word.shape is not Shape.UPPER or self.known.name_word(word.low) or len(word.low) > 3

    def _after_named(self, match: re.Match[str], i: int) -> bool:
        """After "name is" any capital; after a bare "from" or "to" only a line's label or a known name."""
        cue = match.group().lower().strip(" :\"'(")
        word = self.words[i]
        if "name" in cue and word.shape is Shape.LOWER:
            return word.low in self.known.familiar
        if cue in ("known as", "called", "alias", "this is") and (
            self.known.eponym(word.low) or self._head_follows(self._extend(i))
        ):
            return False
        if cue.startswith(cues.MEETING):
            paired = i + 1 < len(self.words) and self._joins(i) and self._person(i + 1)
            return self._person(i) and (paired or self.known.name_word(word.low)) and not self._clinical(i, i)
        labelled = ":" in match.group() or "name" in cue or "call" in cue or cue in ("goes by", "known as", "alias")
        if labelled:
            return self._person(i) or (
                word.low in self.known.ambiguous and word.shape is Shape.CAPITAL and self._name_pair(i)
            )
        return self._person(i) and (self._name_pair(i) or word.low in self.known.familiar)

    def _greeted(self, cue: str, i: int) -> bool:
        word = self.words[i]
        if word.low in self.known.familiar:
            return True
        if (
            cue.startswith(cues.GREETING_SURE)
            and word.low in self.known.first_names
            and not self.known.everyday(word.low)
        ):
            return True
        if word.shape is Shape.LOWER and ("patient is" in cue or "name is" in cue) and i + 1 < len(self.words):
            return (
                word.low in self.known.first_names
                and self.known.surname(self.words[i + 1].low)
                and not self.known.everyday(word.low)
            )
        return cue.startswith(("hi", "hello", "hey", "dear")) and self._person(i)

    # -- the form of the name and what follows it

    def formed(self) -> Iterator[Candidate]:
        for i in range(len(self.words)):
            found = self._at(i)
            if found is not None:
                yield found

    def _at(self, i: int) -> Candidate | None:
        word = self.words[i]
        if word.shape is Shape.LOWER:
            return self._lower(i)
        if word.shape is Shape.INITIAL:
            return self._initials_then_name(i)
        if word.shape is Shape.OTHER or not self._person(i):
            return self._pair_of_everyday_words(i)
        if i and self._joins(i - 1) and self._person(i - 1):
            return None  # seen from the first word of the run
        last = self._extend(i)
        return self._followed(i, last) or self._last_first(i) or self._listed(i, last)

    def _followed(self, i: int, last: int) -> Candidate | None:
        """An age, a date of birth, a record number or a degree right behind it."""
        end = self._end(last)
        one = i == last
        known = any(self.known.name_word(w.low) for w in self.words[i : last + 1])
        if cues.DEGREE.match(self.text, end) and (known or not one or self._starts_line(i) or self._label_before(i)):
            return self._name(i, last, Strength.FIRM)
        if cues.BEFORE_AGE.match(self.text, end) and (known or (not one and not self._clinical(i, last))):
            return self._name(i, last, Strength.FIRM)
        if cues.BEFORE_ID.match(self.text, end) and (known or not one):
            return self._name(i, last, Strength.FIRM)
        return None

    def _last_first(self, i: int) -> Candidate | None:
        """Lopez, Maria at the start of a line or before a number in brackets."""
        word = self.words[i]
        if i + 1 >= len(self.words) or self.text[word.end : self.words[i + 1].start] not in (", ", ","):
            return None
        first = self.words[i + 1]
        if first.shape is Shape.INITIAL and self._end(i + 1) > first.end and self.known.surname(word.low):
            return self._name(i, i + 1, Strength.WEAK)
        if not (
            self.known.first_name(first.low)
            and first.shape in (Shape.CAPITAL, Shape.UPPER)
            and not self.known.everyday(first.low)
        ):
            return None
        last = self._extend(i + 1)
        tail = self.text[self._end(last) : self._end(last) + 2]
        shouted = word.shape is Shape.UPPER and first.shape is Shape.UPPER and self.known.surname(word.low)
        if shouted or self._starts_line(i) or self._label_before(i) or tail[:1] in ("(", ":") or tail == " (":
            return self._name(i, last, Strength.FIRM)
        return None

    def _listed(self, i: int, last: int) -> Candidate | None:
        """By name lists: a first name and another name, a first name and an initial, or one clear first name."""
        run = self.words[i : last + 1]
        word = run[0]
        if any(w.low in self.known.heads or w.low in self.known.regions for w in run[1:]) or self._head_follows(last):
            return None
        if len(run) == 1:
            prefixed = word.shape is Shape.CAPITAL and re.match(r"O'[A-Z]|Mc[A-Z]", self.text[word.start : word.end])
            shouted = word.shape is Shape.UPPER
            clear = (
                word.low in self.known.first_names and len(word.low) > 3 and not self._plain(word.low) and not shouted
            )
            surname = (
                self.known.surname(word.low) and not self._plain(word.low) and self._verb_follows(i, cues.PERSON_VERBS)
            )
            alone = (clear or surname) and not self.known.eponym(word.low) and not self._clinical_before(i)
            return self._name(i, last, Strength.WEAK) if prefixed or alone else None
        names = [w for w in run if w.shape is not Shape.INITIAL and w.low not in cues.PARTICLES]
        known = [w for w in names if self.known.name_word(w.low) and w.low not in self.known.eponyms]
        if word.shape is Shape.UPPER and len(known) < 2:
            return None
        initial = len(run) == 2 and run[1].shape is Shape.INITIAL
        if self.known.first_name(word.low) and (initial or word.low not in self.known.eponyms):
            return self._name(i, last, Strength.WEAK)
        strict = [w for w in known if w.low not in self.known.ambiguous]
        return self._name(i, last, Strength.WEAK) if strict and not self._clinical(i, last) else None

    def _pair_of_everyday_words(self, i: int) -> Candidate | None:
        """Mark Price, Summer Knight: both are words of the language, so both must be capitalised names."""
        word = self.words[i]
        if word.shape is Shape.CAPITAL and self._name_pair(i) and word.low in self.known.ambiguous:
            return None if word.low in self.known.clinical else self._name(i, self._extend(i), Strength.WEAK)
        return None

    def _name_pair(self, i: int) -> bool:
        if i + 1 >= len(self.words) or not self._joins(i):
            return False
        word, after = self.words[i], self.words[i + 1]
        if after.shape is Shape.INITIAL:
            return self.known.first_name(word.low) and self._initial_ends(i + 1)
        return (
            after.shape is word.shape
            and (self.known.first_name(word.low) or self.known.surname(word.low))
            and (self.known.name_word(after.low) or not self.known.everyday(after.low))
            and (not self.known.everyday(after.low) or after.low in self.known.ambiguous)
            and after.low not in self.known.heads
            and after.low not in self.known.clinical
            and after.low not in self.known.regions
            and not self.known.plain_form(after.low)
        )

    def _initials_then_name(self, i: int) -> Candidate | None:
        """T. J. Maxwell, A. Smith; never E. coli or S. Aureus."""
        last = i
        while (
            last + 1 < len(self.words)
            and last - i < 3
            and self.words[last].shape is Shape.INITIAL
            and self._dotted(last)
        ):
            last += 1
        word = self.words[last]
        if last == i or word.shape not in (Shape.CAPITAL, Shape.UPPER) or not self._person(last):
            return None
        if self.text[self.words[i].start :].startswith("U.S"):
            return None
        if self.known.surname(word.low) or last - i > 1:
            return self._name(i, self._extend(last), Strength.WEAK)
        return None

    def _lower(self, i: int) -> Candidate | None:
        """maria lopez; maria is a 45 year old; maria wants: only with names of the lists."""
        word = self.words[i]
        if i + 1 >= len(self.words) or word.low not in self.known.first_names or self._plain(word.low):
            return None
        after = self.words[i + 1]
        pair = (
            self._joins(i)
            and after.shape is Shape.LOWER
            and self.known.surname(after.low)
            and not self._plain(after.low)
        )
        if pair and word.low in self.known.familiar and len(after.low) > 2:
            return self._name(i, i + 1, Strength.WEAK)
        if word.low not in self.known.familiar:
            return None
        starts = self._starts_sentence(i) and self._verb_follows(i, cues.LOWER_VERBS)
        aged = cues.BEFORE_AGE.match(self.text, word.end)
        return self._name(i, i, Strength.WEAK) if starts or aged else None

    # -- what a name is made of

    def _person(self, i: int) -> bool:
        """A capitalised word that is no everyday or clinical word."""
        word = self.words[i]
        if (
            word.shape not in (Shape.CAPITAL, Shape.UPPER)
            or self.known.everyday(word.low)
            or word.low in self.known.heads
        ):
            return False
        if word.low in self.known.regions or self.known.plain_form(word.low):
            return False
        return word.shape is Shape.CAPITAL or self.known.name_word(word.low)

    def _continues(self, i: int, upper: bool) -> bool:
        """May stand after the first word of a name."""
        word = self.words[i]
        if word.shape is Shape.INITIAL:
            return word.low != "i" or self._initial_ends(i)
        if word.shape is Shape.UPPER and not upper:
            return False
        if word.shape not in (Shape.CAPITAL, Shape.UPPER) or word.low in self.known.heads:
            return False
        foreign = not self.text[word.start : word.end].isascii()
        term = not foreign and self.known.clinical_form(word.low)
        return not (self.known.everyday(word.low) or term) or (
            word.low in self.known.ambiguous and self.known.surname(word.low) and word.low not in self.known.clinical
        )

    def _extend(self, i: int, *, lower: bool = False) -> int:
        """The last word of the name that begins at i."""
        last = i
        upper = self.words[i].shape is Shape.UPPER
        while last + 1 < len(self.words) and last - i < cues.MOST_WORDS - 1 and self._joins(last):
            after = self.words[last + 1]
            if self._continues(last + 1, upper) or (after.low in cues.SUFFIXES and after.shape is not Shape.LOWER):
                last += 1
            elif (
                after.low in cues.PARTICLES
                and last + 2 < len(self.words)
                and self._joins(last + 1)
                and self._continues(last + 2, upper)
            ):
                last += 2
            elif (
                lower
                and after.shape is Shape.LOWER
                and self.known.surname(after.low)
                and not self.known.everyday(after.low)
            ):
                last += 1
            else:
                break
        return last

    def _joins(self, i: int) -> bool:
        """Words i and i+1 stand side by side, an initial's full stop or a nickname's quotes allowed."""
        gap = self.text[self.words[i].end : self.words[i + 1].start]
        if gap in (" ", "  "):
            return True
        if self.words[i].shape is Shape.INITIAL and gap in (". ", "."):
            return True
        return (
            gap in (' "', '" ', " (", ") ", " '", "' ")
            and self.words[i + 1].shape is Shape.CAPITAL
            and gap.strip() in ('"', "'")
        )

    def _name(self, i: int, last: int, strength: Strength) -> Candidate:
        return Candidate(self.words[i].start, self._end(last), Label.NAME, strength)

    def _end(self, last: int) -> int:
        """An initial at the end takes its full stop along."""
        end = self.words[last].end
        return end + 1 if self.words[last].shape is Shape.INITIAL and self.text[end : end + 1] == "." else end

    def _dotted(self, i: int) -> bool:
        return self.text[self.words[i].end : self.words[i + 1].start] in (". ", ".")

    def _initial_ends(self, i: int) -> bool:
        """L. or L followed by punctuation: an initial, not a letter that stands for something."""
        return (
            self.text[self.words[i].end : self.words[i].end + 1] in (".", ",", ")", "?", "")
            or self._end(i) > self.words[i].end
        )

    def _head_follows(self, last: int) -> bool:
        if last + 1 >= len(self.words):
            return False
        gap = self.text[self.words[last].end : self.words[last + 1].start]
        return self.words[last + 1].low in self.known.heads and gap in (" ", "'s ", "-")

    def _clinical(self, i: int, last: int) -> bool:
        return any(
            w.low in self.known.eponyms or w.low in self.known.heads or self.known.clinical_form(w.low)
            for w in self.words[i : last + 1]
        )

    def _verb_follows(self, i: int, verbs: frozenset[str]) -> bool:
        return i + 1 < len(self.words) and self._joins(i) and self.words[i + 1].low in verbs

    def _clinical_before(self, i: int) -> bool:
        """Polycythemia Vera: a name word that only finishes a term."""
        before = self.words[i - 1] if i else None
        if before is None or before.shape is not Shape.CAPITAL or not self._joins(i - 1):
            return False
        return before.low in self.known.clinical or self.known.clinical_form(before.low)

    def _plain(self, low: str) -> bool:
        return self.known.everyday(low) or low in self.known.ambiguous

    def _starts_line(self, i: int) -> bool:
        start = self.words[i].start
        return start == 0 or self.text[start - 1] in '\n|"'

    def _label_before(self, i: int) -> bool:
        start = self.words[i].start
        return self.text[max(0, start - 3) : start].rstrip(" ").endswith(":")

    def _starts_sentence(self, i: int) -> bool:
        before = self.text[max(0, self.words[i].start - 3) : self.words[i].start].rstrip(" ")
        return before == "" or before[-1] in ".!?\n:]"

    @staticmethod
    def _space(cue: str) -> bool:
        return cue[-1:] == " "
