"""Every way the data's names are written, taken to pieces: spelling variants, joints, classes, generic combinations.

Built once from the rows; the order of the rows makes no difference.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

from chat.interactions.names import doubtful, writing
from chat.interactions.names.doubtful import Need
from chat.interactions.names.near import distance
from chat.interactions.names.terms import Kind

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Form:
    """One way of writing one name. `joints[i]` are the joints allowed before its piece i + 1; `shape` is the only
    writing that counts where case matters. A form without ids is a phrase that names no medicine."""

    pieces: tuple[str, ...]
    joints: tuple[frozenset[str], ...]
    name: str
    ids: tuple[str, ...]
    kind: Kind
    need: Need = Need.NOTHING
    shape: str = ""
    rank: int = 0


_RANKS = {
    Kind.INGREDIENT: 0,
    Kind.COMBINATION: 1,
    Kind.BRAND: 2,
    Kind.SYNONYM: 3,
    Kind.ABBREVIATION: 4,
    Kind.SALT: 5,
    Kind.CLASS: 6,
    Kind.MISSPELLING: 7,
}
"""Which kind a writing is that two rows claim."""
_PLURAL = writing.names("""
    androgens, folates, thyroid hormones
""")
"""Classes whose singular is no class, or means something else."""
_ENGLISH = (
    (re.compile(r"sulf"), "sulph"),
    (re.compile(r"(?<![a-z])estr"), "oestr"),
    (re.compile(r"(?<![a-z])cef"), "ceph"),
    (re.compile(r"(?<![a-z])ceph"), "cef"),
    (re.compile(r"aluminum"), "aluminium"),
    (re.compile(r"amphet"), "amfet"),
    (re.compile(r"(?<=met)h(?=amphet)"), ""),
    (re.compile(r"ximide"), "xamide"),
    (re.compile(r"(?<=[a-z]{4})sporine?(?![a-z])"), "sporin"),
    (re.compile(r"hydrochloride"), "hcl"),
    (re.compile(r"^vitamin (?=[a-z])"), "vit "),
)
"""American and British spellings, and the salts' short form."""
_PLAIN_JOINTS = frozenset(["", " ", "-"])
_COMBINED = frozenset(["/", "-"])


def joints(pieces: Sequence[str], between: Sequence[str], combination: bool) -> tuple[frozenset[str], ...]:
    """The joints a name may be written with, given those the data writes."""
    return tuple(
        _allowed(pieces[i], between[i + 1], pieces[i + 1], combination, i + 2 == len(pieces))
        for i in range(len(pieces) - 1)
    )


def _allowed(before: str, sign: str, after: str, combination: bool, last: bool) -> frozenset[str]:
    """A single letter at the end keeps the sign that joins it, lest "slow K" be a tablet."""
    if combination and sign in {"/", "-"}:
        return _COMBINED
    if sign == " ":
        return frozenset([" ", "-"])
    if sign in {"-", ""}:
        lone = min(len(before), len(after)) == 1 and not before.isdigit() and not after.isdigit()
        return frozenset(["", "-"]) if lone or (last and len(after) == 1) or len(before) == 1 else _PLAIN_JOINTS
    if sign == ".":
        return frozenset([".", " "])
    if sign == "'":
        return frozenset(["'", " "])
    return frozenset([sign, " "])


_FIELDS = {"brands": Kind.BRAND, "synonyms": Kind.SYNONYM, "salts": Kind.SALT}


class Lexicon:
    """All forms, by their pieces."""

    def __init__(
        self,
        drugs: Sequence[Row],
        combinations: Sequence[Row],
        classes: Sequence[Row],
        aliases: Sequence[Row],
        phrases: Iterable[str],
    ) -> None:
        self.common = frozenset(row["id"] for row in drugs if row.get("common_us"))
        self.forms: dict[tuple[str, ...], list[Form]] = defaultdict(list)
        self.longest: dict[str, int] = {}
        self._habits = {row["alias"].lower() for row in aliases if row["needs_context"] and row["type"] == "ingredient"}
        self.named = tuple(self._names(drugs, combinations, aliases))
        self.classed = tuple(form for form in _classes(classes))
        for form in (*self.named, *self.classed, *self._short(), *_generic(combinations, self.named)):
            self._add(form)
        for phrase in phrases:
            self._add(_form(phrase, (), Kind.CLASS, rank=-1))
        for forms in self.forms.values():
            forms.sort(key=lambda f: (f.rank, f.need, f.name, f.ids))

    def _names(self, drugs: Sequence[Row], combinations: Sequence[Row], aliases: Sequence[Row]) -> Iterator[Form]:
        """Names of the aliases, then those that only the other rows have."""
        yield from self._listed(aliases)
        others = [(name, (row["id"],), kind) for row in drugs for name, kind in _own(row)]
        for row in combinations:
            product = tuple(row["ingredients"])
            others += [(name, product, Kind.COMBINATION) for name in (row["name"], *row.get("synonyms", ()))]
        known = {row["alias"].lower() for row in aliases}
        for name, ids, kind in sorted(others):
            if name.lower() not in known:
                yield from self._named(name, ids, kind, {})

    def _listed(self, aliases: Sequence[Row]) -> Iterator[Form]:
        """The aliases; a listed misspelling goes by the name it was meant as."""
        right: dict[tuple[str, ...], list[str]] = defaultdict(list)
        wrong = []
        for row in sorted(aliases, key=lambda r: (r["alias"], r["type"], r["ids"])):
            ids, kind = tuple(row["ids"]), Kind(row["type"])
            if kind is Kind.MISSPELLING:
                wrong.append((row, ids))
            else:
                right[ids].append(row["alias"])
                yield from self._named(row["alias"], ids, kind, row)
        for row, ids in wrong:
            meant = _meant(row["alias"], right[ids])
            yield from (replace(form, name=meant) for form in self._named(row["alias"], ids, Kind.MISSPELLING, row))

    def _add(self, form: Form) -> None:
        kept = self.forms[form.pieces]
        if not any(
            other.ids == form.ids and other.joints == form.joints and other.shape == form.shape for other in kept
        ):
            kept.append(form)
        first = form.pieces[0]
        self.longest[first] = max(self.longest.get(first, 0), len(form.pieces))

    def _named(self, name: str, ids: tuple[str, ...], kind: Kind, row: Row) -> Iterator[Form]:
        """A name with its other spellings, and its pieces written as one word."""
        need = self._need(name, ids, kind, bool(row.get("needs_context")))
        shape = name if row.get("case_sensitive") else ""
        seen: set[str] = set()
        for spelling in _spellings(writing.fold(name)):
            form = _form(spelling, ids, kind, name=name, need=need, shape=shape)
            yield form
            together = "".join(form.pieces)
            if (
                len(form.pieces) > 1
                and len(form.pieces[-1]) > 1
                and together.isalpha()
                and len(together) > 3
                and together not in seen
            ):
                seen.add(together)
                yield _form(together, ids, kind, name=name, need=need, shape="EES" if together == "ees" else "")

    def _need(self, name: str, ids: tuple[str, ...], kind: Kind, marked: bool) -> Need:
        low = writing.fold(name)
        flat = " ".join(writing.read(low).pieces)
        if flat in doubtful.PERSONS:
            return Need.PERSON
        if flat in doubtful.WORDS or (marked and kind is Kind.BRAND):
            return Need.WORD
        if low in doubtful.ELEMENTS:
            return Need.ELEMENT
        if low in doubtful.SHORT or (
            marked and (kind is Kind.ABBREVIATION or not name[1:].islower()) and " " not in name
        ):
            return Need.ABBREVIATION
        if set(ids) <= self._habits and (marked or low in doubtful.MADE):
            return Need.HABIT
        if low in doubtful.MADE:
            return Need.SUBSTANCE
        if marked:
            return Need.ELEMENT
        return Need.LIKELY if low in doubtful.LIKELY else Need.NOTHING

    def _short(self) -> Iterator[Form]:
        """Short forms of the ward, and the second word of an insulin, which is name enough."""
        taken = {form.pieces for form in self.named}
        by_name = {form.name: form for form in self.named if form.kind is Kind.INGREDIENT}
        for short, name in doubtful.SHORTENED.items():
            if name in by_name and (short,) not in taken:
                known = len(short) > 4 and short not in doubtful.WORDLIKE
                need = Need.LIKELY if known else Need.ABBREVIATION
                yield _form(short, by_name[name].ids, Kind.ABBREVIATION, name=name, need=need, rank=doubtful.WARD)
        for name, form in by_name.items():
            words = name.split()
            if len(words) == 2 and words[0] == "insulin" and len(words[1]) > 5 and words[1] != "regular":
                yield _form(words[1], form.ids, Kind.SYNONYM, name=name)


def _own(row: Row) -> Iterator[tuple[str, Kind]]:
    """An ingredient's names."""
    yield row["name"], Kind.INGREDIENT
    for field, kind in _FIELDS.items():
        yield from ((name, kind) for name in row.get(field, ()))


def _meant(misspelled: str, names: Sequence[str]) -> str:
    """The name of the same medicine that a listed misspelling is nearest to."""
    low = misspelled.lower()
    return min(names, key=lambda name: (distance(low, name.lower(), len(low)), name), default=misspelled)


def _form(
    writing_: str,
    ids: tuple[str, ...],
    kind: Kind,
    *,
    name: str = "",
    need: Need = Need.NOTHING,
    shape: str = "",
    rank: int | None = None,
) -> Form:
    text = writing.read(writing_)
    combination = kind is Kind.COMBINATION
    return Form(
        text.pieces,
        joints(text.pieces, text.joints, combination),
        name or writing_,
        ids,
        kind,
        need,
        shape,
        _RANKS[kind] if rank is None else rank,
    )


def _spellings(low: str) -> list[str]:
    """A name in small letters and its other spellings; a possessive also without its apostrophe."""
    found = {low}
    for pattern, other in _ENGLISH:
        if any(pattern.search(name) for name in found):
            found |= {pattern.sub(other, name) for name in found}
    if "'s " in low:
        found |= {name.replace("'s ", ending) for name in found for ending in ("s ", " ")}
    if low.startswith("st"):
        found |= {re.sub(r"^st\.? ", "saint ", name) for name in found}
    return sorted(found, key=lambda name: (name != low, name))


def _classes(classes: Sequence[Row]) -> Iterator[Form]:
    """Classes by label and synonyms, one and many; what two classes could be is the one that lists it."""
    owners: dict[str, set[tuple[int, str]]] = defaultdict(set)
    for row in classes:
        for synonym in row.get("synonyms", ()):
            for variant in _numbers(synonym):
                owners[variant].add((int(variant != synonym), row["id"]))
        for variant in _numbers(row["label"]):
            owners[variant].add((2, row["id"]))
    for name in sorted(owners):
        best = min(owners[name])
        if [rank for rank, _ in owners[name]].count(best[0]) == 1:
            yield from _class(name, best[1])


def _class(name: str, class_id: str) -> Iterator[Form]:
    low = name.lower()
    need = Need.NOTHING
    if low in doubtful.SHORT or low in doubtful.CLASSES:
        need = Need.ABBREVIATION
    elif low in doubtful.ELEMENTS:
        need = Need.ELEMENT
    elif low in doubtful.MADE:
        need = Need.SUBSTANCE
    elif low in doubtful.LIKELY:
        need = Need.LIKELY
    shape = name if low in doubtful.SHORT else ""
    joined = {low, low.replace("-", " "), low.replace("anti-", "anti"), low.replace("vitamin ", "vit ")}
    for spelling in sorted(joined):
        yield _form(spelling, (f"class:{class_id}",), Kind.CLASS, name=name, need=need, shape=shape)


def _numbers(name: str) -> list[str]:
    """A class in the singular and in the plural; not where the singular is no class, or means something else."""
    if not name.endswith("s"):
        return [name, name[:-1] + "ies" if name.endswith("y") else name + "s"]
    if name.endswith(("ss", "us", "is")) or name.lower() in _PLURAL:
        return [name]
    return [name, name[:-3] + "y" if name.endswith("ies") else name[:-1]]


def _generic(combinations: Sequence[Row], names: Sequence[Form]) -> Iterator[Form]:
    """The products' ingredients joined by a sign, in any order, also with the ingredients' short forms."""
    short: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for form in names:
        if form.kind in {Kind.INGREDIENT, Kind.ABBREVIATION} and len(form.ids) == 1 and len(form.pieces) == 1:
            short[form.ids].append(form.pieces[0])
    for ingredients in sorted({tuple(row["ingredients"]) for row in combinations}, key=lambda i: (len(i), i)):
        if len(ingredients) > 3:
            continue
        for order in permutations(ingredients):
            choices: list[list[str]] = [[]]
            for one in order:
                ways = sorted({one, *short.get((one,), ())})
                choices = [[*choice, way] for choice in choices for way in ways]
            for choice in choices:
                yield _form("/".join(choice), ingredients, Kind.COMBINATION, name="/".join(ingredients), rank=2)
