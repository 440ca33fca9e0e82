"""Names that are not always medicines, and what has to speak for each in free text.

The data marks some (`needs_context`); these lists add those it does not.
"""

from __future__ import annotations

from enum import IntEnum

from chat.interactions.names import writing


class Need(IntEnum):
    """What has to speak for a name in free text before it is believed, from nothing to much."""

    NOTHING = 0
    LIKELY = 1  # a medicine unless the very next words make it a disease or a thing: "opioid use disorder"
    SUBSTANCE = 2  # vitamins, hormones: where a medicine is named as well, or it is given
    HABIT = 3  # alcohol, caffeine: where a medicine is named as well, or a product of it
    ABBREVIATION = 4  # a few capitals that mean other things too
    WORD = 5  # a brand that is an English word
    PERSON = 6  # a brand that is somebody's name
    ELEMENT = 7  # potassium, iron: a dose, or given, or in one breath with a medicine


LIKELY = writing.names("""
    activated charcoal, amphetamine, aspirin, barbiturate, barbiturates, botulinum toxin, cocaine, corticosteroid,
    corticosteroids, cortisone, heparin, interleukin-2, lactulose, lithium, mannitol, methamphetamine,
    mineralocorticoid, mineralocorticoids, morphine, niacin, nitrate, nitrates, opiate, opiates, opioid, opioids,
    statin, statins, steroid, steroids
""")
"""Medicines that the next word can make a disease of."""
MADE = writing.names("""
    adrenalin, adrenaline, androgen, androgens, ascorbic acid, calcitonin, calcitriol, dopamine, epinephrine,
    ergocalciferol, estradiol, estrone, ethanol, etoh, folate, folates, folic acid, garlic, ginseng, glucagon,
    lanthanum, melatonin, noradrenaline, norepinephrine, oxytocin, progesterone, retinol, senna, sorbitol,
    testosterone, thyroid hormone, thyroid hormones, thyroxine, tocopherol, tryptophan, vitamin a, vitamin b12, vitamin
    c, vitamin d2, vitamin d3, vitamin e, vitamin k
""")
"""Made by the body, or eaten, as well as taken."""
ELEMENTS = writing.names("""
    gold, penicillin, t3, thyroid, vitamin d
""")
"""Further names that need as much as an element does; the data marks the elements."""
WORDS = writing.names("""
    afrin, allegra, bonine, cambia, compro, doral, exelon, gas x, luminal, norco, plan b, requip, slow k, soma, versed
""")
"""Further brands that are words of the language, or better known as a town or a firm."""
PERSONS = writing.names("""
    alli, antara, bayer, calan, camila, ella, errin, ismo, skyla, sorine, tobi, yasmin
""")
"""Brands that are names of people, towns or firms."""
SHORT = writing.names("""
    apap, atg, cbd, cni, cnis, dhe, drv, fq, fqs, ghb, gtn, lpv, mmf, mra, mras, neta, ntg, pht, ptu, rtv, smx, su,
    sus, tdf, tnk
""")
"""Short forms that the data does not mark, though they are often something else: common bile duct, glaucoma."""
CLASSES = writing.names("""
    arb, ccb, h2ra, ocp, ppi, tca, tki
""")
"""Short forms of classes, in any letter case; the plural is the class."""
PHRASES = writing.names("""
    androgen insensitivity, aspirin exacerbated respiratory disease, botulinum toxin assay, caffeine halothane
    contracture, calcitonin gene related peptide, calcium channel, dietary nitrate, dietary nitrates, digoxin immune
    fab, estradiol receptor, folic acid fortification, glucagon like peptide, halothane contracture, hfa inh, iodine
    stain, lactulose mannitol, lactulose rhamnose, lithium batteries, lithium battery, lithium heparin, lithium ion,
    lugol s iodine stain, lugol s iodine staining, lugol s stain, mcg inh, ml inh, morphine equivalent, morphine
    equivalents, morphine milligram equivalent, morphine milligram equivalents, neuroleptic malignant syndrome, nitrate
    negative, nitrate positive, nitrates negative, nitrates positive, no iodinated contrast, no iv contrast, nsaid
    exacerbated respiratory disease, omega 3 index, opioid peptide, opioid peptides, opioid receptor, potassium
    channel, potassium hydroxide, puff inh, puffs inh, serine protease inhibitor, serine protease inhibitors, silver
    nitrate, steroid hormone, steroid hormones, strep pneumo, thyroid hormone receptor, thyroid hormone resistance,
    urine nitrate, water nitrate, water nitrates, without contrast dye, without iodinated contrast, without iv contrast
""")
"""Phrases that begin or end like a name and name no medicine."""
WARD = 8
"""Rank of the short forms of the ward, which are never written in capitals."""
SHORTENED = {
    "dig": "digoxin",
    "amio": "amiodarone",
    "vanc": "vancomycin",
    "vanco": "vancomycin",
    "dilt": "diltiazem",
    "metop": "metoprolol",
    "spiro": "spironolactone",
    "tacro": "tacrolimus",
    "siro": "sirolimus",
    "gaba": "gabapentin",
    "azithro": "azithromycin",
    "clarithro": "clarithromycin",
    "erythro": "erythromycin",
    "clinda": "clindamycin",
    "doxy": "doxycycline",
    "moxi": "moxifloxacin",
    "ceftriax": "ceftriaxone",
    "vori": "voriconazole",
    "posa": "posaconazole",
    "tobra": "tobramycin",
    "nitro": "nitroglycerin",
    "simva": "simvastatin",
    "atorva": "atorvastatin",
    "rosuva": "rosuvastatin",
    "prava": "pravastatin",
    "methylpred": "methylprednisolone",
    "bup": "buprenorphine",
    "allo": "allopurinol",
    "acyc": "acyclovir",
    "amlo": "amlodipine",
    "ampho": "amphotericin b",
    "apix": "apixaban",
    "aza": "azathioprine",
    "carba": "carbamazepine",
    "caspo": "caspofungin",
    "cefaz": "cefazolin",
    "ceftri": "ceftriaxone",
    "clopi": "clopidogrel",
    "cyclobenz": "cyclobenzaprine",
    "dapto": "daptomycin",
    "enox": "enoxaparin",
    "epi": "epinephrine",
    "escital": "escitalopram",
    "fent": "fentanyl",
    "flucon": "fluconazole",
    "gent": "gentamicin",
    "lamo": "lamotrigine",
    "linez": "linezolid",
    "lisin": "lisinopril",
    "loraz": "lorazepam",
    "mero": "meropenem",
    "metro": "metronidazole",
    "midaz": "midazolam",
    "mino": "minocycline",
    "mirtaz": "mirtazapine",
    "norepi": "norepinephrine",
    "nortrip": "nortriptyline",
    "olanz": "olanzapine",
    "ondans": "ondansetron",
    "oxy": "oxycodone",
    "quetia": "quetiapine",
    "rifamp": "rifampin",
    "risp": "risperidone",
    "rivarox": "rivaroxaban",
    "spironol": "spironolactone",
    "tac": "tacrolimus",
    "traz": "trazodone",
    "warf": "warfarin",
}
"""Short forms of the ward that the data lacks, of one medicine each; read with a context only. "Pred", "dex", "keto"
and "levo" could be two medicines and are not among them."""
WORDLIKE = writing.names("""
    allo, aza, carba, dig, epi, fent, gent, lamo, mero, metro, mino, nitro, oxy, risp, spiro, tac, traz
""")
"""Those that are words or other short forms as well: a medicine elsewhere in the text does not speak for them."""
