"""Whether the words around an unsure name speak of a medicine: a dose, a form, a verb of giving, another medicine.

"potassium 20 mEq" is one, "potassium 5.9" is a laboratory value; "ASA 81" is one, "ASA class III" is not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from chat.interactions.names import writing
from chat.interactions.names.doubtful import WARD, WORDLIKE, Need
from chat.interactions.names.forms import Form
from chat.interactions.names.terms import Kind

_UNIT = r"(?:mg|mcg|ug|gm?|grams?|meq|units?|iu|u|puffs?|tab(?:let)?s?|cap(?:sule)?s?|pills?|sprays?|drops?|lozenges?)"
_DOSE = re.compile(
    rf"[\s:(-]{{0,3}}\d[\d.,/-]*\s*-?{_UNIT}\b(?!\s*/\s*d?l\b)"
    r"|[\s:(-]{0,3}\d[\d.,]*\s*mmol\b(?!\s*/)"
)
_FREQUENCY = (
    r"(?:po|iv|ivpb|im|sc|subq|sl|pr|od|daily|nightly|weekly|qd|bid|tid|qid|qhs|qam|qpm|prn|q\d+h|once|twice|x\s?\d)"
)
_PRODUCT = (
    r"(?:gtt|drip|infusions?|tab(?:let)?s?|pills?|capsules?|supplement\w*|patch(?:es)?|gum|lozenges?|inhaler|cream|gel"
    r"|replacement|repletion|therapy|injections?|shots?|boluses|bolus|powder|syrup|juice|iud|implant|ointment"
    r"|prophylaxis|suspension|elixir|vials?|enemas?)"
)
_GIVEN_AFTER = re.compile(rf"\s*(?:\d[\d.,]*\s*)?(?:{_FREQUENCY}|{_PRODUCT})\b")
_BARE_DOSE = re.compile(rf"\s+\d{{2,4}}(?:\s*(?:$|[,;:?!)&+/]|\.(?!\d)|-\s)|\s+(?:and|with|plus|or|{_FREQUENCY})\b)")
_GIVEN_BEFORE = re.compile(
    r"(?:\b(?:takes?|taking|took|taken|start(?:s|ed|ing)?|giv(?:e|en|ing)|gave|got|receiv(?:e|es|ed|ing)"
    r"|prescrib(?:e|ed|ing)|add(?:ed|ing)?|us(?:e|es|ed|ing)|oral|po|iv|hold(?:ing)?|stop(?:ped|ping)?"
    r"|continu(?:e|es|ed|ing)|resum(?:e|ed|ing)|switch(?:ed)?\s+to|baby|otc|chewable|supplement(?:al|ed|ing)?(?:\s+with)?"
    r"|tablets?\s+of|dose\s+of|doses\s+of|load(?:ed)?\s+with|home|administ\w+|drink(?:s|ing)?|chew(?:s|ed|ing)?|prn|refill(?:ed)?)"
    r"(?:\s+(?:on|a|an|some|her|his|their|the|daily|low[ -]dose|high[ -]dose|oral|iv|po|baby|otc|more|extra))*"
    r"|(?:^|[,.;:?!]\s*|\b(?:is|was|are|been|be|pt|patient|already|currently|now|also|and|he's|she's|while|stable|[mf])\s+)"
    r"on(?:\s+(?:an?|some|daily|low[ -]dose|high[ -]dose|oral|iv|home))*)\s+$"
)
_LABORATORY_BEFORE = re.compile(r"(?:^|\W)((?:[a-z0-9]+ (?=of|in|for))?[a-z0-9]+)[\s:-]+$")
_SPOKEN_BEFORE = writing.names("""
    serum, plasma, blood, urine, urinary, ionized, ionised, corrected, total, free, low, high, elevated, raised, normal,
    lead, transferrin, endogenous, dietary, reverse, check, checking, recheck, monitor, monitoring, measure, measured,
    measuring, level of, levels of, rise in, raise, raises, raising, lower, lowers, lowering, her2, positive for,
    history of, spine, bone, deficient in, stage, stain, stained, fasting, morning, salivary, abnormal, borderline
""")
_TITLE_BEFORE = re.compile(r"\b(?:mr|mrs|ms|dr|miss|prof|professor)\.?\s+$")
_PERSON_BEFORE = re.compile(
    r"\b(?:mr|mrs|ms|dr|miss|nurse|named|mother|daughter|sister|wife|aunt|cousin|friend|patient|called|name is)"
    r"\.?,?\s+$"
)
_KIN_BEFORE = re.compile(
    r"\b(?:baby|little|infant|toddler|child|son|boy|girl|twins?|brother|father|husband|niece|nephew|grandmother|grandson"
    r"|granddaughter|fellow|resident|intern|student|colleague|teacher|coach|neighbou?r|gave|give|giving),?\s+$"
)
"""Who or what stands before a given name, and seldom before a medicine."""
_PLACE_BEFORE = re.compile(
    r"\b(?:(?:mov(?:ed|ing)|travel(?:s|ed|led|ing)|flew|drives?|drove|trip|went|back|close)\s+(?:to|from)"
    r"|(?:lives?|lived|living|born|grew up|raised|farm\w*|works?|worked|working|job|practices?)"
    r"\s+(?:in|at|for|near|outside)"
    r"|(?:employed|hired|laid off)\s+(?:by|at|from)|employer|company|visit(?:s|ed|ing)?|near"
    r"|(?:city|town|resident|hospital)\s+(?:of|in)"
    r"|(?:is|comes|came|transferred)\s+from)(?:\s+(?:the|a))?\s+$"
)
_PLACE_AFTER = re.compile(
    r"(?:,\s*(?:florida|fl|california|ca|louisiana|la|texas|tx|syria|inc|llc|corp)\b"
    r"|\s+(?:factory|plant|company|employees?|headquarters|stadium|building|drive|street|avenue|road|hospital|corp\w*"
    r"|inc|energy|worker|region|county|health plan)\b)"
)
_STRENGTHS = re.compile(r"\s+\d+(?:\.\d+)?/\d+(?:\.\d+)?\b(?!\s*/)")
_VALUE_AFTER = re.compile(
    r"(?:\s+(?:of|is|was|were|at|came|back|now|today|still|down|up|only|around|about|near|to)){0,3}\s*[:=<>~]*\s*\d"
)
_ORDERED_AFTER = re.compile(
    r"\s+(?:in\s+(?:19|20)\d\d|degree|(?:to|on|from)\s+(?:the|her|his|my|this)\s+"
    r"(?:panel|labs?|blood|draw|work-?up|requisition|tube|sample|request|report|film|scan))\b"
)
_WORD_AFTER = re.compile(r"[\s-]+(?:of\s+(?:the\s+)?)?([a-z0-9]+)")
_SPOKEN_AFTER = writing.names("""
    level, levels, overload, study, studies, saturation, score, scores, channel, channels, receptor, receptors,
    transporter, finger, fingers, nodule, nodules, function, storm, cancer, disease, disorder, disorders, eye, scan,
    scans, test, tests, testing, panel, resistance, concentration, concentrations, balance, homeostasis, metabolism,
    stone, stones, oxalate, pyrophosphate, intoxication, abuse, misuse, withdrawal, dependence, addiction, hepatitis,
    cirrhosis, history, poisoning, exposure, monitoring, monitor, check, checks, lab, labs, value, values, result,
    results, assay, assays, standard, stage, stages, class, grade, group, criteria, guideline, guidelines, report,
    weighted, swab, swabs, wipe, wipes, pad, pads, rub, use, user, drinker, binding, rich, free, fortified, content,
    goal, target, targets, range, absorption, lesion, lesions, duct, ducts, stent, stents, injury, status, normal, low,
    high, elevated, wasting, gluconate, sulfate, sulphate, citrate, chloride, bicarbonate, sucrose, dextran, phosphate,
    glycinate, picolinate, hydroxide, lactate, septal, embryopathy, ion, biopsy, protein, instability, deficit, gland,
    ultrasound, surgery, bruit, mass, lobe, isthmus, peroxidase, hormone, scar, fracture, sensory, dermatome, sequence,
    mri, brain, head, neck, abdomen, spine, pelvis, drawn, measured, measurement, elevation, stain, staining, synthesis,
    secretion, production, release, pathway, gene, mutation, excretion, clearance, reference, cutoff, specimen, sample
""")
_STEMS_AFTER = (
    "allerg",
    "deficien",
    "screen",
    "chelat",
    "batter",
    "dilat",
    "goit",
    "vertebra",
    "imag",
    "angio",
    "antibod",
    "tumo",
)
"""Words that speak of a test, a disease or a thing, before and after what could be a medicine."""
_LEVEL_AFTER = re.compile(r"[\s-]+(?:levels?|troughs?|concentrations?|toxicity|monitoring)\b")
_BARE = ("aspirin",)
"""Whose bare dose is known to all: "ASA 81"."""
_TABLETS = re.compile(r"\s+(?:75|81|162|300|325|500|650)\b(?![.,]?\d|\s*[%/])")
"""Strengths it is sold in: said with it they are a dose, whatever follows."""
_NUMBER_AFTER = re.compile(r"\s+\d")
_TAKEN_AFTER = re.compile(r"\s+(?:overdoses?|od|ingestion|washout|dosing|dose|toxicity)\b")
_USED_AFTER = re.compile(r"\s+(?:long[- ]term|use|users?|treatment|prophylaxis|rebound|poisoning|interactions?)\b")
_DISEASE_AFTER = re.compile(
    r"[\s-]+(?:use disorder|receptors?|epidemic|crisis|transporters?|dependence|addiction|misuse|abuse|users?|naive"
    r"|contamination|deficien\w+|excess|equivalents?|agonist receptor|stewardship|tubes?|cofactor|dehydrogenase"
    r"|reductase|ferment\w+|permeability|filters?|masks?|toothpaste|soap|canisters?|dressings?"
    r"|synthesis|biosynthesis|sulfatase|profile|cell|in\s+(?:the\s+)?(?:well|drinking|tap|ground) ?water|button|coin"
    r"|disc|triad|dealer|trafficking|lab)\b"
)
_THING_AFTER = re.compile(
    r"-(?:like|binding)\b|\[\w\]|[\s-]+(?:adjuvant|macconkey|(?:salt\s+)?agar|broth|stain(?:s|ed|ing)?|(?:hydrogen\s+)?breath\s+test\w*|discs?\s+diffusion"
    r"|eluting|impregnated|bonded|coated\s+(?:stent|balloon|circuit|catheter|graft)\w*"
    r"|(?:resistan(?:t|ce)|susceptible|sensitive)\s+(?:enter|staph|strep|s\.|e\.|organism|isolate|strain|tb\b|tuberc|gono"
    r"|pneumo|pseudo|kleb|acineto|candida|h\.|cmv|hsv|malaria|bacter|nephrotic|bug|infection|gene|mutation|mycobact|shigella"
    r"|salmonella|germ))"
)
"""A reagent, a coated device, an organism or a likeness that is named after a medicine."""
_THING_BEFORE = re.compile(
    r"\b(?:agar|broth|(?:culture|growth|transport)\s+medi(?:um|a)|plates?|dis[ck]s?)\s+"
    r"(?:contain(?:s|ing)?|with|supplemented\s+with)\s+(?:[a-z-]+(?:,\s+|\s+and\s+|,\s+and\s+)){0,4}$"
)
_TRIED_AFTER = re.compile(
    r"[\s-]+(?:(?:suppression|stimulation|challenge|provocation|infusion|tolerance|loading|stress|skin|patch|prick)\s+"
    r"(?:test\w*|echo\w*|mri|mibi|study|imaging|scan)|challenge\b|renogra\w+|sweat\s+test)"
)
"""A test that is done with a medicine."""
_MEANT_AFTER = re.compile(r"\s+(?:stands\s+for|means|is\s+(?:our|the\s+name)|here\s+(?:is|means))\b")
_PARENTHESIS_AFTER = re.compile(r"s?\s*\(([^()]{3,80})\)")
_PARENTHESIS_BEFORE = re.compile(r"([^()]{3,80}?)\s*\(\s*$")
_SMALL = frozenset(["of", "and", "the", "for", "to", "in", "on", "with", "by", "a"])
_HABIT_AFTER = re.compile(
    r"[\s-]+(?:use disorder|dependence|addiction|misuse|abuse|withdrawal|hepatitis|cirrhosis|septal|swabs?|wipes?|pads?"
    r"|rub|free|intoxication|history|screen\w*|embryopathy|foetal|fetal|dehydrogenase|levels?|scar|naive|counsel\w*)\b"
)
_SUBSTITUTE = re.compile(
    r"\s*(?:patch(?:es)?|gum|lozenges?|inhaler|nasal spray|replacement|citrate|tincture|vaccine|juice)\b"
)
_ASKED_AFTER = re.compile(
    r"\s+(?:ok|okay|safe|fine|compatible|allowed|be\s+(?:taken|given|used|combined|separated|spaced)|interact\w*|binds?"
    r"|affects?|interferes?|reduces?|blocks?|decreases?|with|together)\b"
)
_ASKED_BEFORE = re.compile(
    r"\b(?:(?:interact\w*|combin\w*|mix\w*|react\w*|along|together|taken|given|compatible|interfer\w*|apart|separated?"
    r"|spaced?)\s+(?:with|and|from|by)|separat\w+|spac(?:e|ing)|(?:hours?|hrs?|h)\s+(?:before|after|from))"
    r"(?:\s+(?:an?|the|her|his|oral|any))?\s+$"
)
_TOGETHER = re.compile(
    rf"\s*(?:\d[\d.,/]*\s*-?(?:{_UNIT})?\s*)?(?:{_FREQUENCY}\s*)*"
    r"(?:,?\s*(?:(?:safe|ok|okay|compatible)\s+)?(?:and|&|\+|/|with|plus|or|vs\.?|versus|against)\s*"
    r"(?:an?|the|her|his|oral|iv|daily|some|low[ -]dose)?"
    r"|[-/+&])\s*"
)
_LISTED = re.compile(rf"\s*(?:\d[\d.,/]*\s*-?(?:{_UNIT})?\s*)?(?:{_FREQUENCY}\s*)*[,;/+&-]\s*(?:and\s+)?")
_SPAN = 60
"""Characters that are looked at on either side."""


def dosed(low: str, end: int) -> bool:
    """Whether a dose, route, frequency or form follows."""
    after = low[end : end + _SPAN]
    return bool(_DOSE.match(after) or _GIVEN_AFTER.match(after))


def given(low: str, start: int) -> bool:
    """Whether the words before say that it is taken or given."""
    return bool(_GIVEN_BEFORE.search(low[max(0, start - _SPAN) : start]))


def weighed(low: str, end: int) -> bool:
    """Whether a dose with its unit follows."""
    return bool(_DOSE.match(low[end : end + _SPAN]))


def together(low: str, end: int, start: int) -> bool:
    """Whether two names, one ending and the next beginning there, are named in one breath: "iron and levothyroxine"."""
    return 0 <= start - end <= _SPAN and bool(_TOGETHER.fullmatch(low[end:start]))


def listed(low: str, end: int, start: int) -> bool:
    """Whether two names stand next to each other in a list."""
    return 0 <= start - end <= _SPAN and bool(_LISTED.fullmatch(low[end:start]))


def measured(low: str, start: int, end: int) -> bool:
    """Whether the words around speak of a test, a disease or a person."""
    if _DOSE.match(low[end : end + _SPAN]):
        return False
    before, after = low[max(0, start - _SPAN) : start], low[end : end + _SPAN]
    if _VALUE_AFTER.match(after) or _ORDERED_AFTER.match(after):
        return True
    following, preceding = _WORD_AFTER.match(after), _LABORATORY_BEFORE.search(before)
    if following and (following[1] in _SPOKEN_AFTER or following[1].startswith(_STEMS_AFTER)):
        return True
    return bool(preceding and preceding[1] in _SPOKEN_BEFORE)


def thing(low: str, start: int, end: int) -> bool:
    """Whether the words around make a reagent, a device or an organism of any medicine's name."""
    after, before = low[end : end + _SPAN], low[max(0, start - _SPAN) : start]
    return bool(_THING_AFTER.match(after) or _THING_BEFORE.search(before))


def tried(low: str, end: int) -> bool:
    """Whether the next words make a test of any medicine's name."""
    return bool(_TRIED_AFTER.match(low[end : end + _SPAN]))


def explained(low: str, start: int, end: int) -> tuple[int, int] | None:
    """Where the words stand that the text itself gives for a short form: "EE (eosinophilic esophagitis)"."""
    letters = re.sub("[^a-z]", "", low[start:end])
    if _MEANT_AFTER.match(low[end : end + _SPAN]):
        return end, end
    after = _PARENTHESIS_AFTER.match(low[end : end + 100])
    if after and _initials(after[1]) == letters:
        return end + after.start(1), end + after.end(1)
    before = _PARENTHESIS_BEFORE.search(low[max(0, start - 100) : start])
    if before and len(letters) > 1 and (_initials(before[1]).endswith(letters) or _taken_from(before[1], letters)):
        return max(0, start - 100) + before.start(1), start
    return None


def _initials(words: str) -> str:
    found = re.findall("[a-z]+", words)
    return "".join(word[0] for word in found if word not in _SMALL) if len(found) > 1 else ""


def _taken_from(words: str, letters: str) -> bool:
    """Whether the letters are those of one long word, in their order: "valvuloplasty (VPA)"."""
    word = re.findall("[a-z]+", words)[-1:]
    left = iter("".join(word))
    return len("".join(word)) > len(letters) + 2 and word[0][0] == letters[0] and all(one in left for one in letters)


def disease(low: str, end: int) -> bool:
    """Whether the next words make a disease or a thing of a medicine's name."""
    return bool(_DISEASE_AFTER.match(low[end : end + _SPAN]))


def _asked(low: str, start: int, end: int) -> bool:
    """Whether the question is how it goes with a medicine."""
    before = low[max(0, start - _SPAN) : start]
    return bool(_ASKED_AFTER.match(low[end : end + _SPAN]) or _ASKED_BEFORE.search(before))


def titled(low: str, start: int) -> bool:
    """Whether a title stands before."""
    return bool(_TITLE_BEFORE.search(low[max(0, start - _SPAN) : start]))


def person(low: str, start: int) -> bool:
    """Whether a title or a relation stands before."""
    return bool(_PERSON_BEFORE.search(low[max(0, start - _SPAN) : start]))


def _place(low: str, start: int, end: int) -> bool:
    """Whether the words around speak of a town or a firm."""
    before, after = low[max(0, start - _SPAN) : start], low[end : end + _SPAN]
    return bool(_PLACE_BEFORE.search(before) or _PLACE_AFTER.match(after))


def abbreviated_dose(low: str, end: int) -> bool:
    """Whether a bare whole number of at least two digits follows and the thought ends, as in "ASA 81, digoxin"."""
    return bool(_BARE_DOSE.match(low[end : end + _SPAN]))


@dataclass(frozen=True, slots=True)
class Company:
    """What stands around an unsure name: a sure medicine anywhere in the text, next to it with "and" or "with"
    (`breath`), or next to it in a list (`beside`); `shouted` where the text is all capitals, which then say nothing."""

    any: bool
    breath: bool
    beside: bool
    shouted: bool


def believed(form: Form, low: str, start: int, end: int, company: Company) -> bool:
    """Whether an unsure name is a medicine here."""
    if form.need is Need.NOTHING:
        return company.any
    if form.need is Need.LIKELY:
        return not disease(low, end) and (company.any or not tried(low, end))
    if form.need is Need.HABIT:
        return _habit(low, end, company)
    if form.need in {Need.PERSON, Need.WORD}:
        kin = form.need is Need.PERSON and bool(_KIN_BEFORE.search(low[max(0, start - _SPAN) : start]))
        alike = (
            (given(low, start) and not kin)
            or company.breath
            or company.beside
            or (form.need is Need.WORD and company.any)
        )
        strong = dosed(low, end) or bool(_STRENGTHS.match(low[end : end + _SPAN]))
        return not person(low, start) and not _place(low, start, end) and (strong or alike)
    if dosed(low, end):
        return True
    if form.need is Need.ABBREVIATION:
        known = form.ids == _BARE and bool(_TABLETS.match(low[end : end + _SPAN]))
        bare = known or (abbreviated_dose(low, end) and (company.any or form.ids == _BARE or _unlike_words(form)))
        return bare or _abbreviated(form, low, start, end, company)
    if measured(low, start, end):
        return False
    if form.need is Need.SUBSTANCE:
        return given(low, start) or company.breath or company.beside or company.any
    definite = low[:start].endswith(("the ", "this ", "that "))
    return not definite and (given(low, start) or company.breath or (company.any and _asked(low, start, end)))


def _habit(low: str, end: int, company: Company) -> bool:
    after = low[end : end + _SPAN]
    if _DOSE.match(after) or _SUBSTITUTE.match(after):
        return True
    return company.any and not _HABIT_AFTER.match(after)


def _unlike_words(form: Form) -> bool:
    """Whether it is a short form of the ward that is nothing else."""
    return form.rank == WARD and form.pieces[0] not in WORDLIKE


def _abbreviated(form: Form, low: str, start: int, end: int, company: Company) -> bool:
    after = low[end : end + _SPAN]
    if _unlike_words(form) and _NUMBER_AFTER.match(after):
        return True
    if _TAKEN_AFTER.match(after) or (form.kind is Kind.CLASS and _USED_AFTER.match(after)):
        return True
    if form.rank == WARD and (company.breath or company.beside):
        return True
    if measured(low, start, end) and not (company.any and _LEVEL_AFTER.match(after)):
        return False
    if company.breath or company.beside:
        return True
    if given(low, start):
        return form.kind is Kind.CLASS or not low[:start].endswith((" a ", " an "))
    wordlike = form.rank == WARD and form.pieces[0] in WORDLIKE and not _LEVEL_AFTER.match(after)
    return company.any and not company.shouted and not wordlike
