"""Which medicines a text names: ingredients, brands, salts, combinations, short forms, misspellings, classes.

Deterministic: the same text and the same data give the same mentions, whatever the order of the rows. Plain Python;
the caller reads the files.
"""

from __future__ import annotations

import bisect
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from chat.interactions.names import context, doubtful, writing
from chat.interactions.names.doubtful import WARD, Need
from chat.interactions.names.forms import Form, Lexicon
from chat.interactions.names.near import LONGEST, SHORTEST, TWO_EDITS, Spelling, distance, sound
from chat.interactions.names.terms import Entry, Kind, Mention, Suggestion
from chat.interactions.names.writing import Written

_SHORT = 4
"""A name up to this length is not read out of letters and digits run together, unless a unit follows."""
_LETTERS = 5
"""Letters of a short form at most."""
_GLUED = 8
_RUN = 80
"""Letters run together that are taken apart: more than the first, at most the second."""
_BETWEEN = frozenset(["on", "and", "with", "plus", "or"])
_PIECES = 4
"""Pieces that are looked at where the first is misspelled."""
_LOOKED_AT = 20
"""Words of an entry that suggestions are sought for."""
_SALTS = writing.names("""
    acetate, anhydrous, besilate, besylate, bisulfate, bromide, citrate, dihydrate, fumarate, hcl, hydrobromide,
    hydrochloride, maleate, mesilate, mesylate, monohydrate, phosphate, succinate, sulfate, sulphate, tartrate,
    tosylate, trihydrate
""")
_ARTICLE = re.compile(r"\s+(?!and\b|with\b|or\b|plus\b|to\b|supplement|toxicity)[a-z]")
"""What follows the "a" of "a vitamin a day"."""
_UNITS = re.compile(r"\d+(?:\.\d+)?(?:mg|mcg|g|ml|units?|meq|iu|k)?(?![a-z0-9])")
_SINGLE = frozenset([Need.NOTHING, Need.SUBSTANCE])
_SPEAKING = frozenset([Need.SUBSTANCE, Need.HABIT, Need.ABBREVIATION])
_NEVER_MEANT = frozenset([Kind.MISSPELLING, Kind.ABBREVIATION])
_NEVER_NEAR = frozenset([Need.WORD, Need.PERSON, Need.ABBREVIATION])
_OFFERED = [
    Kind.INGREDIENT,
    Kind.BRAND,
    Kind.COMBINATION,
    Kind.SYNONYM,
    Kind.ABBREVIATION,
    Kind.CLASS,
    Kind.SALT,
]
"""Kinds that are completed, in this order."""
_CAPITALS = 0.8
"""From this share of capitals on a text is shouted, and capitals say nothing."""


class _Found(NamedTuple):
    first: int  # piece
    last: int
    form: Form
    misspelled: bool


class Names:
    """The recogniser. Rows as in the files of chat/interactions/data; `ordinary` are words that are never a misspelled
    name, as ordinary_words.txt there lists them."""

    def __init__(
        self,
        *,
        drugs: Sequence[Mapping[str, Any]],
        combinations: Sequence[Mapping[str, Any]],
        classes: Sequence[Mapping[str, Any]],
        aliases: Sequence[Mapping[str, Any]],
        ordinary: Collection[str] = (),
    ) -> None:
        self._lexicon = Lexicon(drugs, combinations, classes, aliases, doubtful.PHRASES)
        self._forms = self._lexicon.forms
        self._pieces = {piece for pieces in self._forms for piece in pieces}
        self._alone = {
            pieces[0]
            for pieces, forms in self._forms.items()
            if len(pieces) == 1 and forms[0].ids and forms[0].need <= Need.LIKELY and not forms[0].shape
        }
        self._doubles = self._doubled()
        self._spelling = Spelling(self._meanings(), ordinary, self._ingredients())
        self._completions = self._completed()

    def find(self, text: str) -> tuple[Mention, ...]:
        """The mentions in free text, left to right, never overlapping."""
        written = self._read(text)
        found = self._decided(written, list(self._candidates(written)))
        return tuple(_mention(text, written, one) for one in found)

    def entry(self, text: str) -> Entry:
        """One entry of a medicine list. That it is a list is context enough for any name it begins with or lists."""
        written = self._read(text)
        found = self._entered(written, list(self._candidates(written, listed=True)))
        mentions = tuple(_mention(text, written, one) for one in found)
        return Entry(text, mentions, () if mentions else self._suggestions(written))

    def complete(self, prefix: str, limit: int = 8) -> tuple[Suggestion, ...]:
        """Names that go on as the prefix begins, at the start of any of their words."""
        key = _squeezed(prefix)
        if not key or limit < 1:
            return ()
        found = sorted(self._beginning(key) or self._resembling(key))
        found.sort(key=lambda position: self._keys[position] != key)
        seen: dict[str, Suggestion] = {}
        for form, alike in ((self._shown[position], self._keys[position]) for position in found):
            one = alike.removesuffix("s") if form.kind is Kind.CLASS else alike
            seen.setdefault(one, Suggestion(form.name, form.ids, form.kind))
            if len(seen) == limit:
                break
        return tuple(seen.values())

    # Reading

    def _read(self, text: str) -> Written:
        written = writing.read(text)
        longest = max(map(len, written.pieces), default=0)
        return writing.apart(written, self._parts) if longest > _GLUED else written

    def _parts(self, piece: str) -> tuple[int, ...]:
        """Lengths of the words where names, and words between names, were run together: "onwarfarinandaspirin"."""
        if not _GLUED < len(piece) <= _RUN or piece in self._pieces or not piece.isascii():
            return ()
        ways: list[tuple[int, ...] | None] = [()] + [None] * len(piece)
        for end in range(2, len(piece) + 1):
            for start in range(end - 1):
                before, word = ways[start], piece[start:end]
                if before is not None and (word in _BETWEEN or (len(word) > _SHORT + 1 and word in self._alone)):
                    ways[end] = (*before, len(word))
                    break
        found = ways[-1] or ()
        return found if len(found) > 1 else ()

    def _candidates(self, written: Written, *, listed: bool = False) -> Iterator[_Found]:
        """Names from left to right, the longest first, phrases that are none among them."""
        i = 0
        while i < len(written.pieces):
            exact = self._exact(written, i, listed=listed)
            if exact and exact[0] == i and exact[1].need is Need.ELEMENT and self._heard(written, i):
                exact = None
            found = exact or self._heard(written, i) or self._slipped(written, i)
            if found is None:
                i += 1
                continue
            last = self._salted(written, *found)
            yield _Found(i, last, found[1], exact is None)
            i = last + 1

    def _exact(self, written: Written, i: int, *, listed: bool) -> tuple[int, Form] | None:
        """The longest name that begins with piece i: its last piece and its form."""
        pieces = written.pieces
        for n in range(min(self._lexicon.longest.get(pieces[i], 0), len(pieces) - i), 0, -1):
            for form in self._forms.get(tuple(pieces[i : i + n]), ()):
                if self._written_so(written, i, form, listed=listed) and not self._continued(written, i + n, form):
                    return i + n - 1, form
        return None

    def _continued(self, written: Written, following: int, form: Form) -> bool:
        """Whether what looks like a product is the beginning of a longer list: "RIF/INH/PZA/EMB"."""
        return (
            form.kind is Kind.COMBINATION
            and "/" in form.name
            and following < len(written.pieces)
            and written.joints[following] == "/"
            and (written.pieces[following],) in self._forms
        )

    def _written_so(self, written: Written, i: int, form: Form, *, listed: bool) -> bool:
        """Whether joints, letter case and what touches the name on either side allow this form."""
        n = len(form.pieces)
        if any(written.joints[i + 1 + k] not in form.joints[k] for k in range(n - 1)):
            return False
        start, end = written.starts[i], written.ends[i + n - 1]
        shape = written.shaped[start:end]
        if form.shape and not (shape == form.shape or (shape.islower() and context.weighed(written.low, end))):
            return False
        if not listed and not _as_a_name(written, start, end, form):
            return False
        if form.rank == WARD and len(shape) > 1 and shape.isupper():
            return False
        return _free(written, start, end)

    def _heard(self, written: Written, i: int) -> tuple[int, Form] | None:
        """A name of two words of which one is right and the other sounds nearly right: "valproic asid"."""
        if i + 1 >= len(written.pieces) or written.joints[i + 1] != " ":
            return None
        for wrong, right in ((i + 1, i), (i, i + 1)):
            piece = written.pieces[wrong]
            if len(piece) < _SHORT or piece in self._pieces or self._spelling.plain(piece) or not piece.isascii():
                continue
            meant = {
                form.ids: form
                for form in self._doubles.get((written.pieces[right], wrong - i), ())
                if form.pieces[wrong - i][0] == piece[0] and _sounds(piece, form.pieces[wrong - i])
            }
            if len(meant) == 1:
                return i + 1, next(iter(meant.values()))
        return None

    def _doubled(self) -> dict[tuple[str, int], list[Form]]:
        """Names of two words, by either of the words and the place of the other."""
        doubles: dict[tuple[str, int], list[Form]] = defaultdict(list)
        for pieces, forms in self._forms.items():
            form = forms[0]
            plain = form.ids and form.need in _SINGLE and form.kind not in {Kind.SALT, Kind.MISSPELLING}
            if len(pieces) == 2 and plain and all(len(piece) >= _SHORT and piece.isalpha() for piece in pieces):
                doubles[pieces[0], 1].append(form)
                doubles[pieces[1], 0].append(form)
        return doubles

    def _slipped(self, written: Written, i: int) -> tuple[int, Form] | None:
        longest = max(self._lexicon.longest.get(written.pieces[i], 0), 1)
        pieces = list(written.pieces[i : i + max(longest, _PIECES)])
        wrong = next((k for k, piece in enumerate(pieces) if piece not in self._pieces), None)
        if wrong is None or (wrong > 0 and wrong >= longest):
            return None
        meant = self._spelling.nearest(pieces[wrong])
        if meant is None or context.person(written.low, written.starts[i]):
            return None
        pieces[wrong] = meant
        for n in range(min(self._lexicon.longest.get(pieces[0], 0), len(pieces)), wrong, -1):
            for form in self._forms.get(tuple(pieces[:n]), ()):
                joined = all(written.joints[i + 1 + k] in form.joints[k] for k in range(n - 1))
                free = _free(written, written.starts[i], written.ends[i + n - 1])
                if joined and free and form.ids and not form.shape:
                    return i + n - 1, form
        return None

    def _salted(self, written: Written, last: int, form: Form) -> int:
        """A salt that the data does not list belongs to the name all the same."""
        following = last + 1
        if form.kind not in {Kind.INGREDIENT, Kind.SYNONYM, Kind.MISSPELLING} or following >= len(written.pieces):
            return last
        if form.need is Need.NOTHING and written.pieces[following] in _SALTS and written.joints[following] == " ":
            return following
        return last

    def _entered(self, written: Written, found: Sequence[_Found]) -> Iterator[_Found]:
        """The names of an entry, less what a medicine is for or does: "levothyroxine 50 mcg for thyroid"."""
        believed = {one.first for one in self._decided(written, found)}
        end = None
        for one in (one for one in found if one.form.ids):
            start = written.starts[one.first]
            beside = end is None or context.together(written.low, end, start) or context.listed(written.low, end, start)
            if beside or one.first in believed:
                yield one
                end = written.ends[one.last]

    def _decided(self, written: Written, found: Sequence[_Found]) -> list[_Found]:
        """Those that the words around allow to be medicines. Each that is believed may speak for its neighbours."""
        low, shouted = written.low, _shouted(written.shaped)
        real = [one for one in found if one.form.ids]
        real = [one for one in real if not context.thing(low, written.starts[one.first], written.ends[one.last])]
        other = {one.form.pieces for one in real if _otherwise(written, one, real)}
        real = [one for one in real if one.form.pieces not in other]
        spans = [(written.starts[one.first], written.ends[one.last]) for one in real]
        plain = [one.form.need is Need.NOTHING for one in real]
        sure = [need and not context.tried(low, end) for need, (_, end) in zip(plain, spans, strict=True)]
        self._mutual(low, real, spans, sure)
        for k in (*range(len(real)), *reversed(range(len(real)))) if not all(sure) else ():
            if sure[k]:
                continue
            start, end = spans[k]
            sides = [(spans[k - 1][1], start)] if k > 0 and sure[k - 1] else []
            sides += [(end, spans[k + 1][0])] if k + 1 < len(real) and sure[k + 1] else []
            company = context.Company(
                any=any(sure),
                breath=any(context.together(low, *side) for side in sides),
                beside=any(context.listed(low, *side) for side in sides),
                shouted=shouted,
            )
            sure[k] = context.believed(real[k].form, low, start, end, company)
        return [one for one, believed in zip(real, sure, strict=True) if believed]

    @staticmethod
    def _mutual(low: str, real: Sequence[_Found], spans: Sequence[tuple[int, int]], sure: list[bool]) -> None:
        """Two unsure names in one breath speak for each other: "melatonin with alcohol"."""
        for k in range(len(real) - 1):
            pair = {real[k].form.need, real[k + 1].form.need}
            if pair <= _SPEAKING and pair & {Need.SUBSTANCE, Need.ABBREVIATION} and pair != {Need.SUBSTANCE}:
                named = [not context.measured(low, *spans[one]) for one in (k, k + 1)]
                if all(named) and context.together(low, spans[k][1], spans[k + 1][0]):
                    sure[k] = sure[k + 1] = True

    # Suggesting

    def _suggestions(self, written: Written) -> tuple[str, ...]:
        """Names like its words, and names its words begin."""
        names: dict[str, None] = {}
        for piece in written.pieces[:_LOOKED_AT]:
            if piece in self._pieces:
                continue
            for word in self._spelling.suggest(piece):
                for form in self._forms.get((word,), ())[:1]:
                    if form.ids and form.kind not in _NEVER_MEANT and form.kind is not Kind.CLASS:
                        names.setdefault(form.name)
            if len(piece) >= _SHORT and not names:
                names.update(dict.fromkeys(self._shown[k].name for k in sorted(self._beginning(piece))))
        return tuple(names)[:3]

    def _meanings(self) -> dict[str, str]:
        """The words a misspelled one may have been meant as, with what each stands for: the ingredients of the name
        it is alone, else itself. Words of the language, short forms and misspellings are not among them."""
        meanings: dict[str, str] = {}
        for forms in self._forms.values():
            for form in forms:
                if form.ids and form.kind not in _NEVER_MEANT and form.need not in _NEVER_NEAR:
                    for piece in form.pieces:
                        meanings.setdefault(piece, piece)
        for pieces, forms in self._forms.items():
            if len(pieces) == 1 and pieces[0] in meanings and forms[0].ids:
                meanings[pieces[0]] = "|".join(forms[0].ids)
        return meanings

    def _ingredients(self) -> list[str]:
        """Ingredients of one word, of which no context is needed."""
        return sorted(
            form.pieces[0]
            for form in self._lexicon.named
            if form.kind is Kind.INGREDIENT and len(form.pieces) == 1 and form.need is Need.NOTHING
        )

    def _completed(self) -> list[tuple[str, int]]:
        """Beginnings of words of names, sorted, each with the position of its form."""
        shown: dict[tuple[str, tuple[str, ...]], Form] = {}
        for form in (*self._lexicon.named, *self._lexicon.classed):
            if form.kind in _OFFERED:
                shown.setdefault((form.name, form.ids), form)
        self._shown = sorted(shown.values(), key=self._order)
        self._keys = [_squeezed(form.name) for form in self._shown]
        keys = []
        for position, form in enumerate(self._shown):
            words = writing.read(form.name).pieces
            keys += [("".join(words[k:]), position) for k in range(len(words))]
        return sorted(keys)

    def _beginning(self, key: str) -> set[int]:
        """Positions of the names of which a word begins so."""
        at = bisect.bisect_left(self._completions, (key, -1))
        found = set()
        while at < len(self._completions) and self._completions[at][0].startswith(key):
            found.add(self._completions[at][1])
            at += 1
        return found

    def _resembling(self, key: str) -> set[int]:
        """Positions of the names of which a word begins nearly so, with the same letter; the nearest alone."""
        if not SHORTEST <= len(key) <= LONGEST:
            return set()
        found: dict[int, set[int]] = defaultdict(set)
        for at in range(bisect.bisect_left(self._completions, (key[0], -1)), len(self._completions)):
            word, position = self._completions[at]
            if word[0] != key[0]:
                break
            reach = 1 if len(key) < TWO_EDITS else 2
            cost = min(distance(key, word[:length], reach) for length in (len(key) - 1, len(key), len(key) + 1))
            if cost <= reach:
                found[cost].add(position)
        return found[min(found)] if found else set()

    def _order(self, form: Form) -> tuple[object, ...]:
        """Common medicines first, then by kind, then by the alphabet."""
        common = all(one in self._lexicon.common for one in form.ids)
        return (not common, _OFFERED.index(form.kind), form.name.lower(), form.name, form.ids)


def _sounds(word: str, name: str) -> bool:
    """Whether a word is a name but for one letter or one sound."""
    return distance(word, name, 1) <= 1 or distance(sound(word), sound(name), 1) <= 1


def _squeezed(name: str) -> str:
    return "".join(writing.read(name).pieces)


def _shouted(shaped: str) -> bool:
    letters = [c for c in shaped[:400] if c.isalpha()]
    return len(letters) > 12 and sum(map(str.isupper, letters)) >= _CAPITALS * len(letters)


def _as_a_name(written: Written, start: int, end: int, form: Form) -> bool:
    """Whether what is a word or somebody's name as well is written as a brand, and no "a" is an article."""
    if form.need in {Need.WORD, Need.PERSON} and not written.shaped[start].isupper():
        return context.dosed(written.low, end)
    if form.kind in {Kind.BRAND, Kind.COMBINATION} and context.titled(written.low, start):
        return False
    article = form.pieces[-1] == "a" and len(form.pieces) > 1 and written.shaped[end - 1] == "a"
    return not (article and _ARTICLE.match(written.low, end))


def _otherwise(written: Written, one: _Found, real: Sequence[_Found]) -> bool:
    """Whether the text says that a short form stands for something that is no medicine."""
    start, end = written.starts[one.first], written.ends[one.last]
    if one.form.kind not in {Kind.ABBREVIATION, Kind.CLASS} or end - start > _LETTERS:
        return False
    words = context.explained(written.low, start, end)
    others = (written.starts[other.first] for other in real if other.form.pieces != one.form.pieces)
    return words is not None and not any(words[0] <= other < words[1] for other in others)


def _free(written: Written, start: int, end: int) -> bool:
    """Whether the name stands for itself, or is long enough to be read beside the digits or letters it touches."""
    low = written.low
    before = "" if start in written.cuts else low[start - 1 : start]
    after = "" if end in written.cuts else low[end : end + 1]
    if not (before.isalnum() or after.isalnum()):
        return True
    if after.isalpha() or before.isalpha():
        return False
    if end - start > _SHORT:
        return True
    return not before.isdigit() and bool(_UNITS.match(low, end))


def _mention(text: str, written: Written, found: _Found) -> Mention:
    start, end = written.start(found.first), written.end(found.last)
    if found.form.name.endswith(".") and text[end : end + 1] == ".":
        end += 1
    kind = Kind.MISSPELLING if found.misspelled else found.form.kind
    return Mention(start, end, text[start:end], found.form.ids, found.form.name, kind)
