"""Which medicines a text names."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st

from chat.interactions.names import Kind, Mention, Names

DATA = Path(settings.BASE_DIR) / "chat" / "interactions" / "data"
DEV = Path(settings.BASE_DIR).parent / "shared" / "data" / "drugs" / "dev.jsonl"
FILES = ("drugs", "combinations", "classes", "aliases")


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text().splitlines()]


def recognizer(*, backwards: bool = False) -> Names:
    order = -1 if backwards else 1
    ordinary = (DATA / "ordinary_words.txt").read_text().split()
    return Names(**{name: rows(name)[::order] for name in FILES}, ordinary=ordinary)


NAMES = recognizer()


def found(text: str) -> list[tuple[str, str]]:
    """What is found, as written, with its ids."""
    return [(mention.text, "|".join(mention.ids)) for mention in NAMES.find(text)]


def ids(text: str) -> set[str]:
    return {one for mention in NAMES.find(text) for one in mention.ids}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Is Eliquis safe with naproxen?", [("Eliquis", "apixaban"), ("naproxen", "naproxen")]),
        ("metoprolol tartrate 25 mg", [("metoprolol tartrate", "metoprolol")]),
        ("verapamil HCl SR 240", [("verapamil HCl", "verapamil")]),
        ("Septra DS twice daily", [("Septra DS", "sulfamethoxazole|trimethoprim")]),
        ("losartan/HCTZ 50/12.5", [("losartan/HCTZ", "losartan|hydrochlorothiazide")]),
        ("aspirin/dipyridamole", [("aspirin/dipyridamole", "aspirin|dipyridamole")]),
        ("naltrexone + bupropion", [("naltrexone", "naltrexone"), ("bupropion", "bupropion")]),
        ("digoxin/verapamil", [("digoxin", "digoxin"), ("verapamil", "verapamil")]),
        ("atenolol25mg", [("atenolol", "atenolol")]),
        ("1.enalapril 5 2)digoxin", [("enalapril", "enalapril"), ("digoxin", "digoxin")]),
        ("amiodarone-induced lung disease", [("amiodarone", "amiodarone")]),
        ("the patient's lithium's high", [("lithium", "lithium")]),
        ("calcium\ncarbonate", [("calcium\ncarbonate", "calcium carbonate")]),
        ("Saint John\u2019s wort", [("Saint John\u2019s wort", "st john's wort")]),
        (
            "an ACE-inhibitor or β-blockers",
            [("ACE-inhibitor", "class:ace_inhibitor"), ("β-blockers", "class:beta_blocker")],
        ),
        ("HEPARIN;FENTANYL", [("HEPARIN", "heparin"), ("FENTANYL", "fentanyl")]),
        (
            "\uff44\uff49\uff47\uff4f\uff58\uff49\uff4e, naproxèn",
            [("\uff44\uff49\uff47\uff4f\uff58\uff49\uff4e", "digoxin"), ("naproxèn", "naproxen")],
        ),
        ("Tylenol #3", [("Tylenol #3", "codeine|acetaminophen")]),
    ],
)
def test_names_are_found_where_they_stand(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("paracetamol", {"acetaminophen"}),
        ("sulphasalazine", {"sulfasalazine"}),
        ("oestradiol with warfarin", {"estradiol", "warfarin"}),
        ("ferrous sulphate", {"ferrous sulfate"}),
        ("diltiazem hcl", {"diltiazem"}),
        ("glargine 12 units", {"insulin glargine"}),
        ("phenobarb", {"phenobarbital"}),
        ("amio drip, on warfarin", {"amiodarone", "warfarin"}),
        ("vit K1 5 mg", {"phytonadione"}),
    ],
)
def test_other_spellings_and_short_forms(text: str, expected: set[str]) -> None:
    assert ids(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Potassium 6.2 on the gas, repeat now?",
        "magnesium of 1.1 mg/dL",
        "Calcium was 12.4",
        "Iron deficiency in pregnancy",
        "Zinc level in hair loss",
        "The gold standard is a biopsy",
        "Thyroid nodules on ultrasound",
        "ASA class II, Mallampati 3",
        "T3 N2 M0 rectal cancer",
        "The CBD measured 9 mm",
        "MRA of the neck",
        "MOM is at the bedside",
        "IRON STUDIES WERE NORMAL AND FERRITIN LOW",
        "Alcohol use disorder: which questionnaire?",
        "Caffeine and sleep apnoea testing",
        "Nicotine dependence score",
        "Vitamin B12 level of 150",
        "Free testosterone in the morning",
        "Progesterone receptor positive carcinoma",
        "Neuroleptic malignant syndrome: CK?",
        "Opioid use disorder criteria",
        "A lithium battery in the oesophagus",
        "Ella, 7 years old, with a cough",
        "Mr. Bayer has a new murmur",
        "Mrs. Savella, 44, with a rash",
        "A detached retina, is it an emergency?",
        "well versed in the subject",
        "Plan B if the stent fails",
        "She takes a vitamin a day",
    ],
)
def test_laboratory_values_people_and_diseases_are_no_medicines(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("potassium 40 mEq PO", {"potassium chloride"}),
        ("iron 325 mg daily", {"ferrous sulfate"}),
        ("iron and levothyroxine", {"ferrous sulfate", "levothyroxine"}),
        ("ASA 81", {"aspirin"}),
        ("Given ASA 325 in the ambulance", {"aspirin"}),
        ("asa 81mg", {"aspirin"}),
        ("T3 5 mcg", {"liothyronine"}),
        ("she takes MOM nightly", {"magnesium hydroxide"}),
        ("digoxin with a potassium of 2.8", {"digoxin"}),
        ("alcohol on disulfiram", {"alcohol", "disulfiram"}),
        ("melatonin and alcohol", {"melatonin", "alcohol"}),
        ("INH/EMB, later PZA", {"isoniazid", "ethambutol", "pyrazinamide"}),
        ("Ella 30 mg once", {"ulipristal"}),
        ("VPA level with meropenem", {"valproic acid", "meropenem"}),
        ("PT ON ASA 81 MG AND PRASUGREL", {"aspirin", "prasugrel"}),
    ],
)
def test_the_same_words_with_a_dose_or_beside_a_medicine_are(text: str, expected: set[str]) -> None:
    assert ids(text) == expected


MISSPELLED = {
    "warferine": "warfarin",
    "amytriptaline": "amitriptyline",
    "carvedelol": "carvedilol",
    "fenitoin": "phenytoin",
    "levothyroxcine": "levothyroxine",
    "escitalopran": "escitalopram",
    "hydroclorothiazide": "hydrochlorothiazide",
    "rivaroxiban": "rivaroxaban",
    "lasiks": "furosemide",
    "seraquel": "quetiapine",
    "Zanax": "alprazolam",
    "benzodiazapines": "class:benzodiazepine",
}


@pytest.mark.parametrize(("written", "meant"), MISSPELLED.items())
def test_a_misspelled_name_is_read_as_the_one_it_is_near(written: str, meant: str) -> None:
    (mention,) = NAMES.find(f"on {written} since May")
    assert (mention.text, mention.ids, mention.kind) == (written, (meant,), Kind.MISSPELLING)


def test_a_misspelling_is_called_by_the_name_it_was_read_as() -> None:
    names = [mention.name for mention in NAMES.find("coumadine, warfrin, warferine, Zanax and metropolol")]
    assert names == ["Coumadin", "warfarin", "warfarin", "Xanax", "metoprolol"]


@pytest.mark.parametrize(
    "text",
    [
        "The PPI ratio (polyp per intubation) fell this year",
        "A CCB of two hours is charged by the hospital",
        "Fumarase acts late in the TCA cycle",
        "Is the arb on the second page of the form?",
        "Valvuloplasty (VPA) on Monday; who is on the VPA list?",
        "MPA here means the motor point assessment",
        "Speech therapy (PTU) unit: PTU has no beds",
        "APAP pressures of 12 and a leak",
        "He lives near Norco and coughs",
        "Retired from work at Exelon, now with asbestosis",
        "Norco, California, fire smoke exposure",
        "Gave Ella a sticker after the vaccine visit",
        "Toddler Camila limps",
        "Growth on sorbitol MacConkey plates",
        "Blood agar with vancomycin and colistin stayed clean",
        "Clindamycin-resistant strep in the throat swab",
        "A zotarolimus- or sirolimus-eluting stent?",
        "Methylene blue stain of the smear",
        "Lactulose breath test at 90 minutes",
        "Glucagon stimulation test for short stature",
        "Overnight dexamethasone suppression test: cortisol 6",
        "Penicillin allergy label in a toddler",
        "A rash after penicillin as a child? Allergic to penicillin, they say",
        "Silver nitrate for a granuloma",
        "The dip was nitrates positive",
        "TMP 40 on the circuit",
        "CT without IV contrast for a stone",
        "A pleasant gent with a cough",
        "Cortisone reductase deficiency",
        "Mineralocorticoid excess with low renin",
        "A penicillin-binding protein mutation",
        "Curare-like or atropine-like effects of a toxin",
        "Her MPH in 2019 was in epidemiology",
        "Add T3 to the labs",
    ],
)
def test_words_of_the_laboratory_places_and_other_meanings_are_no_medicines(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("long-term PPI use and fractures", {"class:ppi"}),
        ("ppi (proton pump inhibitor) and clopidogrel", {"class:ppi", "clopidogrel"}),
        ("TCA overdose, wide QRS", {"class:tca"}),
        ("Are CCBs first line?", {"class:calcium_channel_blocker"}),
        ("on an ARB", {"class:arb"}),
        ("verapamil and dig 0.25", {"verapamil", "digoxin"}),
        ("gave Norco and ketorolak", {"hydrocodone", "acetaminophen", "ketorolac"}),
        ("gave Ella 30 mg", {"ulipristal"}),
        ("the child metoprolal", {"metoprolol"}),
        ("dexamethasone suppression test while on carbamazepine", {"dexamethasone", "carbamazepine"}),
        ("penicillin 250 mg and methotrexate", {"class:penicillin", "methotrexate"}),
        ("Norco 7.5/325, refill?", {"hydrocodone", "acetaminophen"}),
        ("Exelon with oxybutynin", {"rivastigmine", "oxybutynin"}),
        ("RIF/INH/PZA/EMB all four", {"rifampin", "isoniazid", "pyrazinamide", "ethambutol"}),
        ("warf 3, metro 500 tid", {"warfarin", "metronidazole"}),
        ("clarithro on top of simva", {"clarithromycin", "simvastatin"}),
        ("the old gent takes warfarin", {"warfarin"}),
        ("gent and vanco troughs", {"gentamicin", "vancomycin"}),
        ("digoxinandquinidine", {"digoxin", "quinidine"}),
        ("ok:onapixabanplusaspirin", {"apixaban", "aspirin"}),
        ("zoledronic asid, ferus sulfate", {"zoledronic acid", "ferrous sulfate"}),
        ("calcium carbonete at noon", {"calcium carbonate"}),
        ("levoflaxin since Monday", {"levofloxacin"}),
    ],
)
def test_the_same_names_meant_as_medicines(text: str, expected: set[str]) -> None:
    assert ids(text) == expected


@pytest.mark.parametrize("word", ["pred", "dex", "keto", "levo"])
def test_a_short_form_of_two_medicines_is_not_read(word: str) -> None:
    assert found(f"on {word} and warfarin") == [("warfarin", "warfarin")]


def test_no_data_no_names() -> None:
    empty = Names(drugs=[], combinations=[], classes=[], aliases=[])
    assert not empty.find("warfarin 5 mg")
    assert not empty.complete("war")
    assert not empty.entry("warfarin").suggestions


def test_a_misspelled_word_of_a_name_of_several() -> None:
    assert found("isosorbide mononitrat and insulin glargin") == [
        ("isosorbide mononitrat", "isosorbide mononitrate"),
        ("insulin glargin", "insulin glargine"),
    ]


@pytest.mark.parametrize(
    "word",
    re.findall(
        r"\w+",
        "proposal protocol stent apart alive template concert wayfaring ability neuro meantime channel cortisol dioxin"
        " thoracic systolic enable lasik asciminib cefixime levocabastine microdose hydroxylysine",
    ),
)
def test_a_word_of_the_language_is_never_a_misspelled_name(word: str) -> None:
    assert found(f"The {word} was discussed") == []


@pytest.mark.parametrize("typo", ["diabets", "treatmet", "complet", "reviw", "certin", "clinicl", "programe", "actve"])
def test_a_typing_error_in_an_ordinary_word_is_no_medicine(typo: str) -> None:
    assert found(f"the {typo} of the patient") == []


PAIRS = """
hydralazine/hydroxyzine clonidine/clonazepam clonidine/Klonopin Celebrex/Celexa Celebrex/Cerebyx Celexa/Cerebyx
Lamictal/Lamisil Zyprexa/Zyrtec Zyprexa/Zantac Zyrtec/Zantac Zantac/Xanax bupropion/buspirone prednisone/prednisolone
glipizide/glyburide tramadol/trazodone metformin/metronidazole Losec/Lasix Luvox/Lasix vinblastine/vincristine
daunorubicin/doxorubicin dopamine/dobutamine methadone/methylphenidate quinidine/quinine sulfadiazine/sulfasalazine
tiagabine/tizanidine chlorpromazine/chlorpropamide carboplatin/cisplatin lamotrigine/lamivudine ephedrine/epinephrine
fluoxetine/fluvoxamine fluoxetine/duloxetine paroxetine/fluoxetine oxycodone/hydrocodone hydrocodone/hydromorphone
nifedipine/nicardipine nifedipine/nimodipine amlodipine/amiloride rifampin/rifaximin rifabutin/rifapentine
sitagliptin/saxagliptin sumatriptan/zolmitriptan valacyclovir/valganciclovir penicillin/penicillamine
cetirizine/levocetirizine dexmethylphenidate/methylphenidate guaifenesin/guanfacine risperidone/ropinirole
medroxyprogesterone/methylprednisolone azathioprine/azithromycin acetazolamide/acetohexamide captopril/carvedilol
Zocor/Zoloft Paxil/Plavix Lexapro/Loxapine Prilosec/Prozac Prozac/Proscar Toradol/Tramadol Seroquel/Serzone
Inderal/Adderall Diovan/Dilantin Keppra/Kaletra Lantus/Latuda Novolog/Humalog Actos/Actonel Avandia/Coumadin
"""


@pytest.mark.parametrize("pair", re.findall(r"\S+", PAIRS))
def test_look_alikes_are_never_crossed(pair: str) -> None:
    """Each side is itself, and no single slip makes it the other; a slip may be read as no medicine at all."""
    sides = pair.split("/")
    own = [{one for mention in NAMES.entry(side).mentions for one in mention.ids} for side in sides]
    assert not (own[0] & own[1])
    for mine, other, name in ((own[0], own[1], sides[0]), (own[1], own[0], sides[1])):
        for slip in _slips(name.lower()):
            read = ids(f"changed to {slip} today")
            assert not (read & other), slip
            if mine:
                assert read <= mine or not read, slip


def _slips(word: str) -> Iterator[str]:
    """Every single slip in a word but for its first letter: a letter left out, doubled, exchanged, or another vowel."""
    for i in range(1, len(word)):
        yield word[:i] + word[i + 1 :]
        yield word[:i] + word[i] + word[i:]
        if i + 1 < len(word):
            yield word[:i] + word[i + 1] + word[i] + word[i + 2 :]
        if word[i] in "aeiouy":
            yield from (word[:i] + vowel + word[i + 1 :] for vowel in "aeiouy")


def test_a_word_as_near_to_one_as_to_another_is_suggested_and_not_read() -> None:
    assert NAMES.find("prednisolne for croup") == ()
    entry = NAMES.entry("prednisolne 5 mg")
    assert entry.mentions == ()
    assert set(entry.suggestions) >= {"prednisone", "prednisolone"}
    assert len(entry.suggestions) <= 3


def test_a_slip_between_two_look_alikes_is_asked_about() -> None:
    entry = NAMES.entry("zyrtac 10 mg")
    assert entry.mentions == ()
    assert set(entry.suggestions) >= {"Zyrtec", "Zantac"}


def test_every_alias_is_itself_in_a_list() -> None:
    for row in rows("aliases"):
        entry = NAMES.entry(row["alias"])
        assert [(m.text, m.ids) for m in entry.mentions] == [(row["alias"], tuple(row["ids"]))], row


def test_every_alias_is_itself_beside_a_medicine() -> None:
    """Some are measured, eaten or somebody's name as well and need a context; the data marks only part of them."""
    for row in rows("aliases"):
        mentions = NAMES.find(f"stable on dabigatran and {row['alias']}, refill?")
        assert (row["alias"], tuple(row["ids"])) in [(m.text, m.ids) for m in mentions], row


def test_an_alias_that_needs_no_context_is_found_without_one() -> None:
    unsure = [
        row["alias"]
        for row in rows("aliases")
        if not row["needs_context"] and tuple(row["ids"]) not in [m.ids for m in NAMES.find(f"About {row['alias']}.")]
    ]
    assert len(unsure) < 95, (
        unsure
    )  # hormones, vitamins, short forms, given names: see chat/interactions/names/doubtful.py


def test_every_synonym_of_a_class_is_the_class() -> None:
    for row in rows("classes"):
        for synonym in row["synonyms"]:
            mentions = NAMES.find(f"warfarin and {synonym}")
            assert (synonym, (f"class:{row['id']}",)) in [(m.text, m.ids) for m in mentions], row["id"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Coumadin 5 mg PO daily", [("Coumadin", ("warfarin",))]),
        ("potassium 20", [("potassium", ("potassium chloride",))]),
        ("an SSRI", [("SSRI", ("class:ssri",))]),
        ("levothyroxine 50 mcg for thyroid", [("levothyroxine", ("levothyroxine",))]),
        ("metformin 500, iron 65", [("metformin", ("metformin",)), ("iron", ("ferrous sulfate",))]),
        ("take iron with food", [("iron", ("ferrous sulfate",))]),
        ("lisinopril / HCTZ", [("lisinopril", ("lisinopril",)), ("HCTZ", ("hydrochlorothiazide",))]),
        ("clopidogrel + ASA", [("clopidogrel", ("clopidogrel",)), ("ASA", ("aspirin",))]),
        ("Norco 5/325 prn", [("Norco", ("hydrocodone", "acetaminophen"))]),
        ("варфарин", []),
        ("وارفارين", []),
        ("\x00\u200b😀", []),
        ("", []),
    ],
)
def test_an_entry_of_a_list(text: str, expected: list[tuple[str, tuple[str, ...]]]) -> None:
    entry = NAMES.entry(text)
    assert entry.text == text
    assert [(m.text, m.ids) for m in entry.mentions] == expected
    assert not (entry.mentions and entry.suggestions)


@pytest.mark.parametrize(
    ("prefix", "first"),
    [
        ("war", "warfarin"),
        ("LISIN", "lisinopril"),
        ("bactrimd", "Bactrim DS"),
        ("john", "st john's wort"),
        ("naproxè", "naproxen"),
        ("toprol x", "Toprol-XL"),
        ("hctz", "HCTZ"),
        ("simvva", "simvastatin"),
        ("ssri", "SSRI"),
    ],
)
def test_completion(prefix: str, first: str) -> None:
    offered = NAMES.complete(prefix)
    assert offered[0].name == first
    assert len(offered) <= 8
    assert len({one.name.lower() for one in offered}) == len(offered)


def test_completion_offers_common_medicines_first() -> None:
    common = {row["id"] for row in rows("drugs") if row["common_us"]}
    offered = NAMES.complete("met", limit=5)
    assert len(offered) == 5
    assert all(one.ids[0] in common for one in offered)
    assert NAMES.complete("") == NAMES.complete("qqqqq") == NAMES.complete("war", limit=0) == ()


def test_the_order_of_the_rows_makes_no_difference() -> None:
    other = recognizer(backwards=True)
    for row in rows("aliases"):
        text = f"{row['alias']} with warfrin"
        assert other.find(text) == NAMES.find(text)
    assert other.complete("a", 30) == NAMES.complete("a", 30)


_WORDS = st.sampled_from(
    ["warfarin", "Bactrim DS", "metoprolol/HCTZ", "ASA", "potassium", "5.9", "mg", "81", "β-blocker", "naproxèn", "St.",
     "John\u2019s wort", "\u200b", "\n", "warferin", "calcium", "and", "-", "ИЛИ", "ﬁ", "İ", "™", "²", "a", "insulin"]
)  # fmt: skip
_TEXTS = st.one_of(
    st.text(max_size=200), st.lists(_WORDS, max_size=20).map(" ".join), st.lists(_WORDS, max_size=20).map("".join)
)


@given(_TEXTS)
@trying(max_examples=300, deadline=None)
def test_mentions_lie_in_the_text_in_order_and_never_overlap(text: str) -> None:
    for mentions in (NAMES.find(text), NAMES.entry(text).mentions):
        end = 0
        for mention in mentions:
            assert end <= mention.start < mention.end <= len(text)
            assert text[mention.start : mention.end] == mention.text
            assert mention.ids
            end = mention.end
    assert NAMES.find(text) == NAMES.find(text)
    assert len(NAMES.entry(text).suggestions) <= 3
    assert len(NAMES.complete(text)) <= 8


@pytest.mark.parametrize(
    "text", ["x" * 10_000, "warfarin " * 1_200, "\u0301" * 10_000, "metoprlol " * 1_000, "-/" * 5_000]
)
def test_long_texts_are_read(text: str) -> None:
    assert (len(NAMES.find(text)) > 1_000) == ("warfarin" in text)
    assert len(NAMES.entry(text).suggestions) <= 3


@pytest.mark.skipif(not DEV.exists(), reason=f"{DEV} is not on this machine")
def test_the_development_set() -> None:
    counts: Counter[str] = Counter()
    trapped: list[tuple[Mention, ...]] = []
    for line in DEV.read_text().splitlines():
        item = json.loads(line)
        if item["type"] != "text":
            counts["unread"] += sum(len(NAMES.entry(name).mentions) != 1 for name in item["drugs"])
            continue
        gold = {one for mention in item["mentions"] for one in mention["ids"]}
        mentions = NAMES.find(item["text"])
        read = {one for mention in mentions for one in mention.ids}
        counts.update(right=len(gold & read), wrong=len(read - gold), missed=len(gold - read))
        trapped += [mentions] if mentions and item["category"] in {"trap", "hard_trap"} else []
    precision = counts["right"] / (counts["right"] + counts["wrong"])
    recall = counts["right"] / (counts["right"] + counts["missed"])
    assert trapped == []
    assert counts["unread"] == 0
    assert precision >= 0.985
    assert 2 * precision * recall / (precision + recall) >= 0.985
