"""The patterns and word sets the name detector looks for around a name."""

from __future__ import annotations

import re

TITLE = re.compile(
    r"\b(?:(?:M(?:r|rs|s|x|iss|ister|adam)|mrs?|Drs?|drs?|DR|MRS|Prof(?:essor)?|Doctor|Nurse|Coach"
    r"|Rev(?:erend)?|Pastor|Rabbi|Chaplain|Officer|Sgt|Sergeant|Capt|Captain|Lt|Judge|Sister|Father|Mother|Aunt"
    r"|Uncle|Grandma|Grandpa)\b\.?"
    r"|(?:ms|mx|MR|MS|prof|nurse|coach|doctor)\b(?:\.|(?= [A-Z][a-z])|(?<=[a-z]) )) {0,2}"
)
KIN = (
    "son|daughter|wife|husband|spouse|partner|mother|father|mom|mum|dad|brother|sister|aunt|uncle|cousin|niece"
    "|nephew|grandmother|grandfather|grandma|grandpa|grandson|granddaughter|boyfriend|girlfriend|fiance|fiancee"
    "|friend|neighbor|neighbour|roommate"
    "|guardian|caregiver|carer|caretaker|kin|nok|contact|proxy|nurse|rn|lpn|cna|midwife|doula"
)
ROLE = (
    "patient|patients|pt|pts|client|clients|np|pa|pa-c|attending|surgeon|provider|physician|resident|intern"
    "|fellow|pcp|hospitalist|therapist|pharmacist|worker|specialist|cardiologist|oncologist"
    "|neurologist|dermatologist|psychiatrist|pediatrician|gynecologist|urologist|nephrologist|endocrinologist"
    "|gastroenterologist|pulmonologist|rheumatologist|anesthesiologist|radiologist|dentist|veteran|participant"
    "|user|manager|clinician|technician|tech|paramedic|emt"
)
ROLES = frozenset(ROLE.split("|"))
KINSHIP = frozenset(KIN.split("|"))
ROLE_LINK = re.compile(
    r"(?: (?:is|was|named?|called|like|name is|of|viewed patient))?(?:: ?| - | )[\"'(]?", re.IGNORECASE
)
BY_LINK = re.compile(r" (?=[A-Z])")
NEWBORN = re.compile(r"\b(?P<name>(?:Baby (?:Boy|Girl)|BB|BG|Twin [AB]) [A-Z][\w'-]{1,30})")
FAMILY = re.compile(
    r"\b[Tt]he (?P<name>[A-Z][\w'-]{1,30})(?= (?:twins?|triplets|family|baby|babies|brothers"
    r"|sisters|siblings|kids)\b)"
)
AFTER_NAMED = re.compile(
    r"\b(?:(?:(?:first|last|full|maiden|legal|preferred|given|family|user's|patient'?s?|pt'?s?|her|his|my|their"
    r"|whose|the) )?name(?:'s| is| was|d)?|named|(?:prefers to be |likes to be )?called|goes by|known as"
    r"|a\.?k\.?a\.?|alias|nicknamed"
    r"|(?:follow(?:ed|ing)?[- ]?up|f/u|spoke|speak|talk(?:ed)?|met|discuss(?:ed)?|consult(?:ed)?) (?:with|to)"
    r"|(?:seen|treated|evaluated|followed|referred|managed|examined|prescribed|ordered) by"
    r"|(?:i am|i'm|this is)(?= [A-Z])|signed(?: by)?|dictated by|on behalf of|attn|cc|re|from|to|author"
    r"|attending|surgeon|provider|referring|pcp|patient|pt|client|contact|dear|regarding)\b(?::? {1,2}|: ?)[\"'(]?",
    re.IGNORECASE,
)
MEETING = (
    *("follow", "f/u", "sp", "talk", "met ", "discuss", "consult", "seen", "treated", "evaluated", "referred by"),
    *("managed", "examined", "prescribed", "ordered"),
)
GREETING = re.compile(
    r"(?:\b(?:hi|hello|hey|hiya|dear|welcome|good (?:morning|afternoon|evening)|thanks|thank you|okay|alright"
    r"|so|well|bye|goodbye|nice to meet you|name is|name's|next patient is|patient is|this is)) ?,? (?:there ,? ?)?",
    re.IGNORECASE,
)
GREETING_SURE = ("hi", "hello", "hey", "hiya", "dear", "name", "next")
AGE = r"\d{1,3}\s?-?\s?(?:y(?:ea)?rs?\b|year|y\.?/?o\b|yo[mf]?\b|y/?[mf]\b|[MF]\b|(?:fe)?male\b)"
BEFORE_AGE = re.compile(
    rf"(?:,? \(?(?:(?:is|was) (?:now |currently )?an? (?:\w+ ){{0,2}}?)?|,|\()-?{AGE}|, \d{{1,3}}(?=,"
    rf"| )(?! ?(?:mg|mcg|units|ml|g)\b)",
    re.IGNORECASE,
)
BEFORE_ID = re.compile(
    r",? ?[-/(]? ?(?:\(?(?:mrn|m\.r\.n|dob|d\.o\.b|ssn|born|acct|date of birth)\b|\d{1,4}[/-]\d{1,2}[/-]\d{1,4}"
    r"|\d{1,2}-[A-Z][a-z]{2}-\d{2,4}|\(\d{6,10}\)|\((?:spouse|wife|husband|son|daughter|mother|father|alias"
    r"|patient|pt)\))",
    re.IGNORECASE,
)
DEGREE = re.compile(
    r",? (?:M\.?D\b|D\.?O\.?\b(?=[,.;)\n]|$)|R\.?N\b|N\.?P\b|PA-C\b|Ph\.?D\b|PharmD\b|DPM\b|CRNA\b|DDS\b|LCSW\b"
    r"|FNP\b|MBBS\b|LPN\b)"
)
CARET = re.compile(r"(?<![\w^])[A-Za-z][A-Za-z'-]{1,40}\^[A-Za-z][A-Za-z'-]{0,40}(?:\^[A-Za-z.'-]{0,20}){0,4}")
INITIALS = re.compile(r"(?<![\w.])(?:pt|patient|mr|mrs|ms|dr)\.? (?P<name>(?:[A-Z]\. ?){1,3}(?!\w))", re.IGNORECASE)
PARTICLES_WORDS = "bin|ibn|bint|al|el|van|von|der|den|de|da|di|del|della|dos|du|la|le|ten|ter|y|san|st|abu|ben"
PARTICLES = frozenset(PARTICLES_WORDS.split("|"))
SUFFIXES = {"jr", "sr", "ii", "iii", "iv"}
PERSON_VERBS_WORDS = "wants|needs|says|denies|reports|takes|asks|refuses|complains|presented|presents"
PERSON_VERBS = frozenset(PERSON_VERBS_WORDS.split("|"))
LOWER_VERBS = PERSON_VERBS | {"is", "has", "was", "had", "from"}
NO_PERSON_AFTER_TITLE_WORDS = (
    "who|appointment|visit|note|office|said|says|will|is|was|and|or|to|for|the|on|in|at|of|has|had|can|may"
)
NO_PERSON_AFTER_TITLE = frozenset(NO_PERSON_AFTER_TITLE_WORDS.split("|"))
MOST_WORDS = 5
