"""Ages over 89. Younger ages are clinical facts and stay, and so do groups of people: "aged 90 and older"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compliance.phi.detectors.measures import any_of
from compliance.phi.lexicon import lexicon
from compliance.phi.normalise import fold
from compliance.phi.types import Candidate, Label, Strength

_ONES = any_of("one two three four five six seven eight nine")
_TEENS = any_of("ten eleven twelve thirteen fourteen fifteen")
_SPOKEN = (
    rf"(?:ninety(?:[\s-]?{_ONES})?"
    rf"|(?:a |one )?hundred(?:[\s-](?:and[\s-])?(?:{_ONES}|{_TEENS}))?(?!\s(?:and\s)?{_ONES}))"
)
_AGE = rf"(?P<age>(?:9\d|1[01]\d|12[0-3])(?!\d)|{_SPOKEN})"
_START = r"(?<![\w./$<>=+-])"  # no part of a number, a range or a comparison
_NO_DURATION = rf"(?!\s{any_of('ago later before earlier prior after of_(?!age) history hx experience')})"
_YEARS = (
    r"\s?-?\s?(?:y(?:ea)?rs?\.?(?:\s?-?\s?(?:old\b|of age|young))|y\s?\.?\s?/?\s?-?o\b\.?|y/?o[mfw]?\b|yr\b"
    r"|y(?=\)|,? [MF]\b)"
    rf"|y\.?\s?[mf]\b|yrs?\b{_NO_DURATION})"
)
# Nothing that would make the number before it a pressure, a saturation, a weight or a count.
_END = (
    r"(?![\w%/-]|:\S)(?![.,]\d)(?!\s?(?:%|x\d|over\s\d|on\s\d|"
    + any_of(
        """bpm mg mcg ml kg lbs? cm mmhg beats degrees deg percent on_ra on_room on_o2 on_oxygen on_nc on_nrb on_vent
        on_hf on_bipap on_cpap systolic sats? days? weeks? months? wks? hours? minutes? times patients pounds pack
        pk"""
    )
    + r"\b))"
)
_RELATIVES = any_of(
    r"""(?:great-?\s?)?grand(?:mother|father|ma|pa|mom|dad|parent) granny gran nana nan papa abuel[oa] husband wife
    mother
    father mom mum dad mama brother sister twin aunt(?:ie)? uncle cousin spouse partner neighbou?r gm gf [mp]g[mf]
    [mp]at(?:ernal)?_g[mf]"""
)
_SOMEBODY = any_of(
    "patient pt resident gentleman lady man woman male female he she who they veteran widow(?:er)? nun priest survivor"
)
_ALMOST = any_of("now also almost nearly only already just about_to_be going_on a")
_AND_THEN = any_of(
    """and with w w/ who years? yrs? both has had have in on now next this so but lives living here from s/p cut not
    still when at_home"""
)
_IT_IS = (
    r"(?:I'm|im|am|he's|she's|she is|he is|pt is"
    r"|(?:she|he|I|pt|patient|who)(?:'ll| will| would| is going to| is about to) be)"
)
_LOOKING = any_of(
    "spry frail healthy vigorous sharp independent active robust young old feisty sprightly good hale well fit"
)
_SAID = any_of(
    r"""aged? turn(?:ed|ing|s) age_of age_is aged_at died_(?:at|aged) d\. lived_to lived_to_be lived_past made_it_to
    lived_until aet\.? aetat\.? reached pushing approaching dead_at
    passed_(?:away_)?at celebrat(?:ed|ing)_(?:his|her)"""
)
_OPENING = r"(?:^|[,(:;.]\s?|\b(?:pt|patient|for|a|an|is|this|our|my|the|of|in|re|hi|named?|[A-Z][a-z]+|[A-Z]{3,})\s)"
_NO_GROUP = r"(?!\s(?!has|is|was|presents|lives|needs|takes)[a-z]+s\b|\s(?:mice|children|people))"

# "whole" is masked where the pattern has it, else "age" alone. A pattern with "cue" says itself whose age it is.
_PATTERNS = (
    # 97-year-old, 93yo, 98 y/o, 102 yrs
    re.compile(rf"{_START}(?P<whole>{_AGE}{_YEARS})", re.IGNORECASE),
    # age 97, aged ninety-one, turned 102, d. 97, lived to 101
    re.compile(rf"\b(?P<cue>{_SAID})[\s:=|,\"']{{1,4}}{_AGE}{_END}", re.IGNORECASE),
    # I'm 94 and, "am 91 and a half"
    re.compile(
        rf"\b(?:{_IT_IS}|born (?:in )?(?:19|20)\d\d,?(?: so| and| is| making \w{{2,4}})?)\s[\"']?(?:{_ALMOST}\s)?{_AGE}"
        rf"(?:\sand a half\b|{_END}(?=\s?(?:[,.;!?)\n\"']|$)|\s{_AND_THEN}\b|\sand\b))",
        re.IGNORECASE,
    ),
    # is 91 and a half
    re.compile(rf"\b(?:is|was|turned)\s{_AGE}\sand a half\b(?=\s?[,.;)]|\s(?:and|with|years)\b|$)", re.IGNORECASE),
    # a spry 94, a very frail 97
    re.compile(rf"\ban? (?:(?:very|quite|remarkably|pretty) )?{_LOOKING}[\s-]{{1,2}}{_AGE}{_END}", re.IGNORECASE),
    # grandmother (104!)
    re.compile(rf"\b(?:{_RELATIVES}|{_SOMEBODY})\s\({_AGE}!{{1,3}}\)", re.IGNORECASE),
    # behind a person: "grandmother, 96, fell", "she is 91 on methotrexate", "who at 91 cut the cord"
    re.compile(
        rf"\b(?:{_RELATIVES}|{_SOMEBODY})(?:,|\s(?:is|was)|'s|\sat)?\s(?:{_ALMOST}\s)?{_AGE}{_END}"
        rf"(?=\s?(?:[,.;:!?)\n]|$|-\s)|\s{_AND_THEN}\b)",
        re.IGNORECASE,
    ),
    # father-in-law (98, DNR)
    re.compile(rf"\b{_RELATIVES}(?:-in-law)?\s\({_AGE}(?=[,)])", re.IGNORECASE),
    # in a family history: "mother d. 93", "MGM 97 stroke"
    re.compile(
        rf"\b{_RELATIVES}(?:\s(?:d|dec|died|lived|alive|living)\.?)?(?:\sat)?\s{_AGE}{_END}(?=\s[A-Za-z&(]|[,.;)]|$)",
        re.IGNORECASE,
    ),
    # her 96th birthday
    re.compile(
        r"(?P<age>(?:9\d|1[01]\d)(?:st|nd|rd|th)|ninet(?:ieth|y-\w{5,7})|(?:one )?hundredth)"
        r"(?=\s(?:birthday|b-?day|year))",
        re.IGNORECASE,
    ),
    # M/92, 93/F
    re.compile(rf"(?<![\w/])[MF]\s?/\s?{_AGE}{_END}(?!\s?/)", re.IGNORECASE),
    re.compile(rf"{_START}{_AGE}\s?/\s?[MF]\b", re.IGNORECASE),
    # between the fields of a heading: "Pennyfeather / 97F / MRN"
    re.compile(rf"(?<=\s[/|]\s){_AGE}\s?(?P<letter>[MF])(?=\s[/|]\s)"),
    # 93 male, 97 F with a hip fracture, (94M)
    re.compile(rf"{_START}{_AGE}\s?(?=(?:fe)?male\b{_NO_GROUP}|woman\b|man\b|lady\b|gentleman\b)", re.IGNORECASE),
    re.compile(
        rf"{_OPENING}{_AGE}\s?(?P<letter>[MF])\b(?![:=/.°-]?\d)(?!\s?(?:fever|temp|yesterday|max))", re.MULTILINE
    ),
)
_DECADE = re.compile(
    r"\bin (?:his|her|their) (?:late |early |mid[- ]?|upper )?(?P<age>(?:'?90'?s|nineties|'?100'?s|hundreds))\b"
    r"|\b(?:early|mid|late)[\s-](?P<few>90'?s|nineties)\b"
    rf"(?=[\s,]{{1,2}}{any_of('yo y/o f m woman man lady gentleman pt patient male female')}\b)",
    re.IGNORECASE,
)
# A name with an age beside it: "Mrs. Goldfarb, ninety-six, asks" and "Ruth (93)"
_APPOSED = re.compile(
    r"(?<!\w)(?P<title>(?:Mr|Mrs|Ms|Miss|Dr|Sister|Father|Rev)\.?\s)?(?P<name>[A-Z][\w'-]{1,30})"
    rf"(?:,\s{_AGE}(?=\s?[,;.)]|\s(?:with|w/|on|here|has|s/p|asks|was|is)\b)|\s\((?P<within>9\d|1[01]\d)[!?]{{0,3}}\))(?![.,]\d)"
)
# Ages in words in a line about a person: "Hollifield, Vergil   ninety-two   Dx C61"
_IN_WORDS = re.compile(
    rf"(?<!\w)(?P<name>[A-Z][\w'-]{{1,30}})(?:(?:,\s|\s-\s|\s{{1,6}})(?P<age>ninety(?:[\s-]?{_ONES})?)"
    rf"(?=\s{{2}}|\s?(?:$|\n|[,.;:|]))|\s(?:is|was)\s(?:{_ALMOST}\s)?(?P<digits>9\d|1[01]\d|ninety(?:[\s-]?{_ONES})?){_END}"
    rf"(?=\s?(?:[,.;!?)\n]|$)|\s{_AND_THEN}\b|\sand\b))"
)
_GROUP = re.compile(
    r"\s?(?:years?|yrs?|y/?o|y)?\s?(?:old|of age)?,?\s?"
    r"(?:(?:or|and|&)\s?(?:older|over|above|up|more|greater|beyond|younger)|\+|to \d|-\s?\d)",
    re.IGNORECASE,
)
_COMPARED = re.compile(
    r"(?:[<>≤≥=]\s?|\b"
    + any_of("over above under than least most beyond exceed(?:s|ing)? between reach(?:es|ing)? up_to to until and")
    + r"(?: the)?(?: age)?(?: of)?\s|\d\s?(?:to|and|-)\s?)$",
    re.IGNORECASE,
)
_MANY = re.compile(
    rf"\b{any_of('patients adults people persons women men individuals those subjects participants population')}\b",
    re.IGNORECASE,
)
_HEAT = re.compile(r"\b(?:temp(?:erature)?s?|tmax|tm|fevers?|febrile|t|f)\b[^.;\n]{0,20}$", re.IGNORECASE)
_ANY = re.compile(r"9\d|1[012]\d|ninet|hundred", re.IGNORECASE)
_NEAR = 24  # characters before an age that may turn it into a limit or a group


def detect(text: str) -> Iterator[Candidate]:
    """Ages of ninety and more of one person, in digits and words."""
    if not _ANY.search(text):
        return
    for pattern in _PATTERNS:
        for match in pattern.finditer(text):
            if not _of_many(text, match) and not _temperature(text, match):
                yield _found(match, "whole" if "whole" in pattern.groupindex else "age")
    for match in _DECADE.finditer(text):
        yield _found(match, "age" if match["age"] else "few")
    for match in _IN_WORDS.finditer(text):
        if _person(match["name"]):
            yield _found(match, match.lastgroup or "age")
    for match in _APPOSED.finditer(text):
        group = "age" if match["age"] else "within"
        if match["title"] or match[group][0].isalpha() or _person(match["name"]):
            yield _found(match, group)


def _of_many(text: str, match: re.Match[str]) -> bool:
    """A limit or a group: "over 90 years", "65 to 95 years", "patients aged 90 or older"."""
    start = match.start("age")
    if _GROUP.match(text, match.end("age")):
        return True
    if "cue" in match.re.groupindex:
        before = text[max(0, match.start() - _NEAR) : match.start()]
        return bool(_MANY.search(before) or _COMPARED.search(before))
    return match.start() == start and bool(_COMPARED.search(text, max(0, start - _NEAR), start))


def _temperature(text: str, match: re.Match[str]) -> bool:
    """101 F and 98F are also fevers; a word of fever before it decides."""
    if "letter" not in match.re.groupindex or match["letter"] == "M":
        return False
    start = match.start("age")
    return bool(_HEAT.search(text, max(0, start - 40), start))


def _person(word: str) -> bool:
    low = fold(word)
    return lexicon().name_word(low) and not lexicon().medical_word(low)


def _found(match: re.Match[str], group: str) -> Candidate:
    return Candidate(match.start(group), match.end(group), Label.AGE_OVER_89, Strength.FIRM)
