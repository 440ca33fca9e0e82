"""What speaks for and against a word being part of a person's name, as named reasons. The points are in name_points.

Every word gets the reasons of the word itself (how often it is a name, how often English, its shape), of what stands
before and behind its run of joined words (title, role, age, head of an eponym), and of its joined neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from compliance.phi.detectors import name_cues as cues
from compliance.phi.detectors.name_words import abbreviations, commonness, facts_of, in_phrases, named_things
from compliance.phi.lexicon import Facts, Lexicon
from compliance.phi.words import Shape, Word

_HOPELESS = -5  # power of two of the name odds below which a small word is never a name: "the", "patient"


@dataclass(slots=True)
class Evidence:
    """The reasons for each word of one text."""

    text: str
    words: Sequence[Word]
    known: Lexicon
    casual: bool = False
    shouted: frozenset[int] = frozenset()  # words in lines written in capitals
    titled: frozenset[int] = frozenset()  # words in lines written Like This
    phrases: frozenset[int] = frozenset()  # words inside a clinical term of several words

    def __post_init__(self) -> None:
        self.casual = _casual(self.words)
        self.shouted, self.titled = _lines(self.text, self.words)
        self.phrases = in_phrases(self.words)

    def facts(self, i: int) -> Facts:
        return facts_of(self.known, self.words[i])

    def eponym(self, i: int) -> bool:
        low = self.words[i].low
        return self.known.eponym(low) or not named_things().isdisjoint((low, *low.split("-")))

    # -- whether a word is looked at

    def possible(self, i: int) -> bool:
        """Small words of the language are no names whatever stands around them; all others are weighed."""
        word = self.words[i]
        if word.shape is Shape.INITIAL:
            if cues.SEX_BEHIND_AGE.search(self.text, max(0, word.start - 14), word.end):
                return False
            return (word.low != "i" or self.end(i) > word.end) and not cues.DOTTED_DEGREE.match(self.text, word.start)
        facts = self.facts(i)
        if word.shape is Shape.LOWER or i in self.shouted:
            if word.low in cues.NO_SMALL_NAMES:
                return False
        elif word.low in cues.NO_NAMES and not (facts.surname > 4 and facts.odds > 3):
            return False
        if cues.STAFF_ENDING.search(word.low[-14:]) or len(word.low) == 1 or self._species(i):
            return False
        named = facts.surname or facts.given or facts.listed_given or facts.listed_surname
        if word.shape is Shape.LOWER or i in self.shouted:
            if named:
                return facts.odds > _HOPELESS or bool(facts.listed_given and word.shape is not Shape.LOWER)
            return not (facts.word or facts.medical or facts.drug or self.known.everyday(word.low))
        return facts.word < 6 or (bool(named) and facts.odds > _HOPELESS)

    def _species(self, i: int) -> bool:
        """The coli of E. coli."""
        word = self.words[i]
        return (
            word.shape is Shape.LOWER
            and bool(i)
            and len(self.words[i - 1].low) == 1
            and self.text[self.words[i - 1].end : word.start] in (" ", ". ", ".")
            and cues.SPECIES.fullmatch(word.low) is not None
            and self.facts(i).given < 3
        )

    # -- the word itself

    def own(self, i: int) -> Iterator[str]:
        word, facts = self.words[i], self.facts(i)
        yield from self._shape(i)
        if word.shape is Shape.INITIAL:
            return
        yield from commonness(facts)
        if "'" in word.low or (word.low.startswith(("mc", "mac")) and word.shape is Shape.CAPITAL):
            prefixed = self._prefixed(word) and "-" not in word.low
            yield "O' or Mc" if prefixed else "apostrophe"
        if "-" in word.low:
            given = any(self.known.given_tier(part) > 3 for part in word.low.split("-"))
            yield "double family name" if word.shape is Shape.CAPITAL and not given else "hyphen"
        yield from self._clinical(i, facts)
        yield from self._place(word.low)
        if not any(facts):
            yield from self._unknown(i)

    def _clinical(self, i: int, facts: Facts) -> Iterator[str]:
        low = self.words[i].low
        if i in self.phrases:
            yield "part of a clinical term"
        if facts.drug:
            yield "drug"
        if facts.medical:
            yield "medical word"
        if self.eponym(i):
            yield "eponym"
        elif facts.eponym:
            yield "name in a disease"
        if low in abbreviations():
            yield "abbreviation"
        if self.known.everyday(low):
            yield "everyday word with a capital" if self._case(i) == "capital inside" else "everyday word"
        elif self.known.plain_form(low):
            yield "ending of a drug or disease" if self.known.clinical_form(low) else "ending of a plain word"

    def _place(self, low: str) -> Iterator[str]:
        if low in self.known.heads or low in self.known.generic:
            yield "head or facility word"
        if self.known.us_place(low) >= 5 or self.known.world_city(low) >= 6:
            yield "town"

    def _unknown(self, i: int) -> Iterator[str]:
        word = self.words[i]
        if word.shape is Shape.UPPER and i not in self.shouted:
            yield "unknown in capitals"
        if cues.NO_SYLLABLE.match(word.low):
            yield "unknown without a syllable"
        if cues.TERM_ENDING.search(word.low[-9:]):
            yield "unknown with the ending of a term"

    def _prefixed(self, word: Word) -> bool:
        written = self.text[word.start : word.end]
        return (
            written[:2] in ("O'", "D'")
            or (written[:2] == "Mc" and written[2:3].isupper())
            or (written[:3] == "Mac" and written[3:4].isupper())
        )

    def _shape(self, i: int) -> Iterator[str]:
        word, facts = self.words[i], self.facts(i)
        if len(word.low) == 2:
            yield "two letters"
        yield self._case(i)
        if word.shape is Shape.LOWER and len(word.low) < 5 and facts.given < 4 and facts.surname < 5:
            yield "small, short and rare"
        if facts.word > 2 and facts.odds < 6:
            if word.shape is Shape.LOWER and facts.odds < 5:
                yield "small and mostly English"
            elif word.shape is not Shape.LOWER and (i in self.titled or i in self.shouted or self.starts_sentence(i)):
                yield "English word that has to be a capital"

    def _case(self, i: int) -> str:
        word = self.words[i]
        if word.shape is Shape.INITIAL:
            return "initial with a full stop" if self.end(i) > word.end else "initial"
        if i in self.shouted:
            return "line in capitals"
        if word.shape is Shape.UPPER:
            return "short capitals" if len(word.low) < 5 else "long capitals"
        if word.shape is Shape.LOWER:
            return "small in a casual text" if self.casual else "small in a careful text"
        if word.shape is Shape.OTHER:
            return "mixed case"
        if i in self.titled:
            return "capital in a heading"
        return "capital at a start" if self.starts_sentence(i) else "capital inside"

    # -- what stands before

    def before(self, i: int) -> Iterator[str]:
        """The cue directly before word i."""
        word = self.words[i]
        if i in self.phrases and i - 1 in self.phrases:  # the Mary of "Sister Mary Joseph"
            return
        lead = self.text[max(0, word.start - 14) : word.start]
        if cues.BEHIND_AGE.search(lead):
            yield "behind an age"
        if cues.IS_IN_BED.search(self.text[max(0, word.start - 24) : word.start]):
            yield "label"
        if i == 0 or "\n" in self.text[self.words[i - 1].end : word.start]:
            yield from self._at_line_start(i)
            return
        last = self.words[i - 1]
        gap = self.text[last.end : word.start]
        if len(gap) > 6:
            return
        yield from self._title_before(i, last, gap)
        yield from self._person_before(i, last, gap)
        yield from self._named_before(i, last, gap)
        if gap.replace(" ", "") in ("", ","):
            yield from self._addressed(last)
        if gap == " ":
            yield from self._small_word_before(i, last)
        if "(" in gap:
            yield "in brackets"

    def _title_before(self, i: int, last: Word, gap: str) -> Iterator[str]:
        small = self.words[i].shape is Shape.LOWER
        if last.low in cues.LEADING and not small and gap in (" ", ". "):
            yield "particle before"
        if gap == ". " and small and last.shape is Shape.LOWER and len(last.low) == 1:
            yield "small initial before"
        if last.low in cues.TITLES and gap in (" ", ". ", ".", "  "):
            stop = "." in gap and (last.shape is not Shape.UPPER or i in self.shouted)  # not "moderate MR. Discharged"
            sure = last.low not in cues.UNSURE_TITLES or last.shape is Shape.CAPITAL or stop
            yield "title" if sure else "unsure title"

    def _addressed(self, last: Word) -> Iterator[str]:
        """Hi Joanna; [doctor] okay, Joanna."""
        if last.low in cues.GREETINGS:
            yield "greeting"
        elif last.low in cues.ADDRESSES and "]" in self.text[max(0, last.start - 12) : last.start]:
            yield "address"

    def _person_before(self, i: int, last: Word, gap: str) -> Iterator[str]:
        bare, person = gap.strip(" \"'("), self._person_cue(last.low)
        if bare in (":", "=", "=>") or gap.startswith('":'):
            yield "label" if last.low in cues.LABELS or person else "colon"
        elif person and bare == "":
            yield f"{person} before"
        elif person and bare in (",", "-", "/", ";", "."):
            yield f"{person} and a mark before"
        if last.low in cues.LINKS and i > 1 and self._side_by_side(i - 2):
            linked = self._person_cue(self.words[i - 2].low)
            if last.low == "of":
                linked = "kin" if linked == "kin" or self.words[i - 2].low == "family" else ""
            if last.low in ("is", "was") and self.words[i - 2].low in cues.CHILD:
                linked = "role"
            if linked:
                yield f"{linked} before"

    def _named_before(self, i: int, last: Word, gap: str) -> Iterator[str]:
        near = i - 1 if last.low in ("literally", "actually", "really", "also", "just") else i
        named = last.low in cues.NAMED or self._lows(near - 2, near) in cues.NAMED_PAIRS
        if named and gap.strip(" \"'(,") == "":
            yield "named"
        if (gap == "'s " and last.low in cues.INTRODUCED) or (
            gap == " " and (last.low in ("i'm", "im") or self._lows(i - 2, i) in cues.INTRODUCING)
        ):
            yield "introducing"

    def _person_cue(self, low: str) -> str:
        if low in cues.KIN:
            return "kin"
        if low in cues.ROLES:
            return "role"
        return "staff" if (low in cues.STAFF and len(low) > 1) or cues.STAFF_ENDING.search(low[-14:]) else ""

    def _small_word_before(self, i: int, last: Word) -> Iterator[str]:
        spoken = last.low in ("with", "to", "w", "by") and i > 1 and self.words[i - 2].low in cues.SPOKEN
        if spoken:
            yield "dealt with"
        else:
            yield from (reason for words, reason in cues.WORDS_BEFORE if last.low in words)

    def _at_line_start(self, i: int) -> Iterator[str]:
        start = self.words[i].start
        line = self.text.rfind("\n", 0, start) + 1
        mark = self.text[line:start].strip()
        if mark in ("-", "--", "~", "/s/", "/s"):
            yield "behind a dash"
        elif mark == "" and i and line:
            above = self.text[self.text.rfind("\n", 0, line - 1) + 1 : line - 1].strip().lower()
            if above.rstrip(",.!").endswith(cues.CLOSINGS):
                yield "signature"
        elif mark.endswith((":", "=")):
            yield "colon"
        if mark == "":
            yield "line start"

    # -- what stands behind

    def behind(self, i: int) -> Iterator[str]:
        """The cue directly behind word i."""
        word = self.words[i]
        end = self.end(i)
        if cues.DEGREE.match(self.text, end):
            yield "degree"
        telephone = cues.BEFORE_TELEPHONE.match(self.text, end)
        if telephone:
            yield "number or date follows"
        else:
            yield from self._figure_behind(word, end)
        if self._role_follows(i, end):
            yield "role follows"
        if i + 1 < len(self.words) and not telephone:
            yield from self._word_behind(word, self.words[i + 1], self.text[end : self.words[i + 1].start])
        if self.text[end : end + 1] == ":" and i + 1 < len(self.words):
            yield "colon follows"
        if self.text[end : end + 2].strip(" ")[:1] in (",", "?", "!") and self._comma_before(word):
            yield "between commas"

    def _figure_behind(self, word: Word, end: int) -> Iterator[str]:
        graded = self.known.eponym(word.low) or word.low in named_things()
        if graded and cues.GRADE.match(self.text, end):
            yield "amount follows"
            return
        for pattern, reason in cues.FIGURES_BEHIND:
            if pattern.match(self.text, end):
                if word.shape is not Shape.INITIAL or reason not in ("dose follows", "amount follows"):
                    yield reason
                return

    def _word_behind(self, word: Word, after: Word, gap: str) -> Iterator[str]:
        if gap in (" ", "'s ", "-", "' ") and (after.low in self.known.heads or after.low in self.known.facilities):
            yield "thing follows" if after.low in cues.COMMON_THINGS and gap == " " else "head follows"
        elif gap == "'s " and after.low in cues.POSSESSIONS:
            yield "possession"
        if gap == " ":
            found = [reason for words, reason in cues.WORDS_BEHIND if after.low in words]
            if found:
                yield found[0]
            elif after.shape is Shape.LOWER and word.shape is not Shape.LOWER and self.known.medical_word(after.low):
                yield "medical word follows"

    def _comma_before(self, word: Word) -> bool:
        return self.text[max(0, word.start - 3) : word.start].rstrip(" ").endswith(",")

    def _role_follows(self, i: int, end: int) -> bool:
        """(wife), the night nurse; and Lam from acute pain, Albright is the social worker."""
        bracket = cues.IN_BRACKETS.match(self.text, end)
        if bracket and (self._person_cue(bracket["role"].lower()) or bracket["role"].lower() in cues.ONES):
            return True
        near = self.words[i + 2 : i + 6]
        return cues.FROM_STAFF.match(self.text, end) is not None and any(
            word.low in cues.STAFF or word.low in cues.KIN for word in near
        )

    # -- joined neighbours

    def beside(self, i: int) -> Iterator[str]:
        if i and self.joins(i - 1):
            yield from self._neighbour(i - 1, i, "left")
        if i + 1 < len(self.words) and self.joins(i):
            yield from self._neighbour(i + 1, i, "right")
        if i + 1 < len(self.words) and self.turned(i):
            facts = self.facts(i + 1)
            if self.words[i + 1].shape is Shape.INITIAL or (facts.given > 2 and facts.odds > 3):
                yield "turned with a given name"
        if i and self.turned(i - 1):
            facts = self.facts(i - 1)
            if facts.surname > 2 and facts.odds > 3:
                yield "turned with a family name"

    def _neighbour(self, j: int, i: int, side: str) -> Iterator[str]:
        other, facts = self.words[j], self.facts(j)
        if other.shape is Shape.INITIAL:
            yield f"initial {side}" if self.end(j) > other.end or side == "left" else "bare initial right"
        elif not _alike(other, self.words[i]):
            return
        elif self.eponym(j) and self.eponym(i):
            yield f"clinical word {side}"
        elif (facts.given > 3 if side == "left" else facts.surname > 3) and facts.odds > 4 and not facts.drug:
            yield f"name {side}"
        elif facts.given + facts.surname and facts.odds > 0 and not (facts.drug or facts.medical):
            yield f"maybe name {side}"
        elif facts.medical or facts.drug or self.eponym(j):
            yield f"clinical word {side}"
        elif side == "left" and not self.known.everyday(other.low) and facts.word < 4:
            yield "unknown left"

    def turned(self, i: int) -> bool:
        """Words i and i+1 may be "Lopez, Maria"."""
        gap = self.text[self.words[i].end : self.words[i + 1].start]
        return (
            (gap in (", ", ",") or (gap == "/" and self.words[i].shape is self.words[i + 1].shape is Shape.UPPER))
            and not (self.eponym(i) and self.eponym(i + 1))
            and (_alike(self.words[i], self.words[i + 1]) or self.words[i + 1].shape is Shape.INITIAL)
        )

    # -- geometry

    def joins(self, i: int) -> bool:
        """Words i and i+1 stand side by side, an initial's full stop or a nickname's quotes allowed."""
        gap = self.text[self.words[i].end : self.words[i + 1].start]
        if gap == " ":
            return True
        if gap in (". ", ".") and (self.words[i].shape is Shape.INITIAL or self.words[i].low == "st"):
            return True
        return gap in (' "', '" ', " '", "' ", ' ("', '") ')

    def _side_by_side(self, i: int) -> bool:
        return self.text[self.words[i].end : self.words[i + 1].start] == " "

    def end(self, i: int) -> int:
        """An initial at the end takes its full stop along."""
        end = self.words[i].end
        return end + 1 if self.words[i].shape is Shape.INITIAL and self.text[end : end + 1] == "." else end

    def starts_sentence(self, i: int) -> bool:
        if i and (self.words[i - 1].low in cues.TITLES or self.words[i - 1].shape is Shape.INITIAL):
            return False
        before = self.text[max(0, self.words[i].start - 4) : self.words[i].start].rstrip(" \"'(*-")
        return before == "" or before[-1] in ".!?\n:]|"

    def _lows(self, start: int, stop: int) -> tuple[str, ...]:
        return tuple(word.low for word in self.words[max(0, start) : stop])


def _alike(left: Word, right: Word) -> bool:
    return (left.shape is Shape.LOWER) == (right.shape is Shape.LOWER)


def _casual(words: Sequence[Word]) -> bool:
    """Written without care for capitals: sentences that begin small, "i", or no capitals at all."""
    return bool(words) and (
        words[0].shape is Shape.LOWER
        or any(w.low == "i" and w.shape is Shape.LOWER for w in words)
        or all(w.shape is not Shape.CAPITAL for w in words)
    )


def _lines(text: str, words: Sequence[Word]) -> tuple[frozenset[int], frozenset[int]]:
    shouted: list[int] = []
    titled: list[int] = []
    line: list[int] = []
    for i, word in enumerate(words):
        line.append(i)
        if i + 1 == len(words) or "\n" in text[word.end : words[i + 1].start]:
            long = [words[j].shape for j in line if len(words[j].low) > 3]
            if len(long) > 2 and sum(s is Shape.UPPER for s in long) > 0.7 * len(long):
                shouted += line
            elif len(long) > 2 and sum(s is not Shape.LOWER for s in long) > 0.75 * len(long):
                titled += line
            line = []
    return frozenset(shouted), frozenset(titled)
