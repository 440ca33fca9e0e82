"""The words and patterns around a name that speak for a person, or against one."""

from __future__ import annotations

import re


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# -- before the name

TITLES = _set(
    "mr mrs ms mx miss mister madam dr drs doctor doctors prof professor rev reverend pastor rabbi imam chaplain"
    " sgt sergeant capt captain lt lieutenant officer deputy detective judge sir dame lord lady coach senora senor br"
    " sra srta mme mlle madame monsieur herr frau"
)
UNSURE_TITLES = _set("mr ms miss lady lord lt capt coach sir officer judge doctor doctors")
"""Also mitral regurgitation, multiple sclerosis …: believed where they are written like a title, "Mr" or "Mr."."""
KIN = _set(
    "son sons daughter daughters wife husband spouse partner mother father mom mum mama dad daddy brother brothers"
    " sister sisters aunt auntie uncle cousin cousins niece nephew grandmother grandfather grandma grandpa granddad"
    " grandad nana abuela abuelo grandson grandsons granddaughter granddaughters boyfriend girlfriend fiance fiancee"
    " friend neighbor neighbour roommate guardian caregiver carer caretaker kin nok proxy twin twins sibling"
    " siblings stepson stepdaughter stepmother stepfather widow widower parents parent kids godmother bf gf sis mil"
    " fil dtr hcp poa surrogate in-law daughter-in-law son-in-law mother-in-law father-in-law sister-in-law"
    " brother-in-law"
)
ROLES = _set("patient patients pt pts client clients subject proband inmate veteran resident survivor member mr#")
STAFF = _set(
    "nurse rn lpn cna np pa pa-c md do midwife doula attending surgeon provider physician doctor intern fellow pcp"
    " gp hospitalist therapist pharmacist pharmd worker specialist cardiologist oncologist neurologist dermatologist"
    " psychiatrist psychologist pediatrician gynecologist urologist nephrologist endocrinologist intensivist"
    " gastroenterologist pulmonologist rheumatologist anesthesiologist anaesthetist radiologist pathologist dentist"
    " hematologist neurosurgeon ophthalmologist podiatrist obstetrician geriatrician dietitian nutritionist"
    " consultant manager clinician technician tech paramedic emt coordinator counselor interpreter scribe student"
    " registrar secretary clerk supervisor director sister matron charge crna ot slp msw lcsw sw hematology oncology"
    " cardiology neurology nephrology onc cards neuro nephro heme pulm psych surgery ortho gi id ent obgyn derm"
    " rheum endo uro icu anesthesia pharmacy rad path pharm navigator transplant palliative hospice foreman teacher"
    " boss foster case-manager caseworker psychotherapist physiotherapist physio counsellor optometrist mgr aide vol"
    " volunteer prescriber inv investigator pct hha sitter orderly paramedics dispatcher preceptor proctor ophtho anes"
    " rads trauma"
)
LABELS = _set(
    "name names patient pt client provider physician author family given surname lastname firstname fullname"
    " patientname patient_name last_name first_name last first middle maiden preferred nickname alias aka from to cc"
    " bcc attn re regarding signed by dictated transcribed reviewed approved contact nok guarantor subscriber"
    " employee user owner sender recipient signature signatory witness consenting mrs mr ms dr attending surgeon"
    " referring ordering primary pcp rn nurse interpreter caller participant emergency display dear member resident"
)
NAMED = _set("named called nicknamed alias aka name's known-as renamed spelled née nee")
NAMED_PAIRS = frozenset(
    {
        *((owner, "name") for owner in ("first", "last", "full", "family", "maiden", "given", "patient", "pts")),
        *((owner, "name") for owner in ("her", "his", "their", "my")),
        *(("name", "is"), ("name", "was"), ("name", "of"), ("by", "name"), ("surname", "is")),
        *(("goes", "by"), ("known", "as"), ("vda", "de"), ("viuda", "de")),
        *(("baby", "boy"), ("baby", "girl"), ("bb", "boy"), ("bb", "girl")),
    }
)
INTRODUCING = frozenset({("i", "am"), ("this", "is")})
INTRODUCED = _set("she he it that name patient")
"""With a possessive 's before a name: she's Ngozi."""
GREETINGS = _set("hi hello hey hiya dear thanks welcome morning afternoon evening bye goodbye hola cheers regards")
CLOSINGS = ("thanks", "regards", "sincerely", "thank you", "best", "yours", "cheers", "love")
ADDRESSES = _set("okay ok alright so well sorry yes no right oh thank yeah please and")
DEALT_WITH = _set(
    "by per ask asked asking tell told telling page paged text texted remind called call calling cc meet met notify"
    " notified inform informed contacted consulted cleared saw see emailed updated msg messaged thank attn signed"
    " visited examined evaluated treated admitted discharged transferred referred paging reassure reassured"
    " counseled discharge"
)
FOR_PERSON = _set("with w for to from re regarding about between until")
THING_BEFORE = _set(
    "on of in at via using than vs versus near into start starting started stop hold give gave giving taking take"
    " takes took add added increase decrease switch switched restart resume received receiving prescribed prescribe"
    " trial like under after before during speaks speaking"
)
SPOKEN = _set(
    "spoke spoken speak talk talked talking discuss discussed met meet follow followed followup f/u consult"
    " consulted reviewed sat checked confirmed visit visited chatted conference referred dw sent called appointment"
    " appt along sit seen"
)
"""Before "with" or "to" they make a person of what follows: spoke with Lopez."""
ARTICLES = _set("the a an this that these those each any no some his her my your our their which what its all other")
LINKS = _set("is was named called like are were of")

# -- after the name

SURE_VERBS = _set(
    "says said wants wanted asks asked denies denied reports reported refuses refused states stated lives lived"
    " thinks told called wrote complains complained complaining endorses agrees agreed declines declined admits"
    " admitted signed knows feels felt messaged texted phoned cleared rang spoke paged arrived insists worries works"
    " smokes drinks drives speaks texts calls tells loves hates likes worked believes remembers understands understood"
    " consented prefers requested requests ordered"
)
DOING = _set(
    "has had got gets takes took needs needed looks looked came went comes goes presents presented weighs started"
    " stopped developed returns returned underwent tolerated tolerates fell seems desatted coded passed died keeps"
    " kept tried pulled walked slept ate vomited missed lost gave eats sleeps gained stays stayed left"
    " opened froze cried laughed smiled shared described recalled attended born"
)
LIKELY_VERBS = _set(
    "is was can should would could did does will here appears remains continues who again not just still today"
    " tonight already"
)
ALSO_KNOWN = _set("family families household twins twin baby triplets kids brothers sisters jr sr again here")
BEDSIDE = re.compile(
    r" ?[,(/-]? ?(?:in |@ ?)?(?:rm|room|bed|bay|ward|unit|cubicle|pod|icu)\.? ?#?(?:\d|[A-Z]\b)", re.IGNORECASE
)
IN_BED = re.compile(
    r" (?:in|from|@) (?:(?:rm|room|bed|bay|ward|unit)\.? )?#?\d{1,4}-?[A-Z]?\d?"
    r"(?![\d.]| ?(?:min|h|d|w|m|y|%|hours?|days?|weeks?|months?|years?|to)\b)",
    re.IGNORECASE,
)
AGE = (
    r"\d{1,3}\s?-?\s?(?:y(?:ea)?rs?\b|year|y\.?/?o\b|yo[mf]?\b|y/?[mf]\b|[MF]\b|mo?s?\b|(?:fe)?male\b|wks?\b"
    r"|days? old)"
)
BEFORE_AGE = re.compile(
    rf"(?:,? \(?(?:(?:is|was) (?:now |currently )?an? (?:[\w-]+ ){{0,2}}?|age[ds]? )?|,|\()-?{AGE}"
    rf"| \d{{2}}(?=[,;])|, \d{{1,3}}(?=,| )(?! ?(?:mg|mcg|units|ml|g)\b)|,? [MF](?= \d|,|/)",
    re.IGNORECASE,
)
IS_IN_BED = re.compile(r"\b(?:bed|rm|room|bay) ?#?\w{1,5}(?: is|:|,| =) $", re.IGNORECASE)
BEFORE_TELEPHONE = re.compile(
    r",? ?[-(]? ?(?:cell|mobile|home|work|tel|phone)?(?: phone)?[:#]? ?\(?\d{3}[) .-]{1,2}\d{3}[ .-]\d{4}\b",
    re.IGNORECASE,
)
BEHIND_AGE = re.compile(
    r"(?:\b\d{1,3} ?-?(?:yo|y/?o|yr|year)s?[ -]?(?:old )?(?:[mf]|male|female|man|woman|boy|girl)?"
    r"|\b\d{1,3} ?[mf]|\b(?:m|f)),? ?$",
    re.IGNORECASE,
)
BEFORE_ID = re.compile(
    r",? ?[-/(\[]? ?(?:\(?(?:mrn|m\.r\.n|dob|d\.o\.b|ssn|born|b\.|acct|id|emp|mr#|med rec|date of birth|deceased"
    r"|tel|phone|ext|npi|dea|lic|bar no|pager)\b"
    r"|\d{1,2}(?P<mark>[/.-])\d{1,2}(?P=mark)\d{2,4}\b|\d{4}-\d\d-\d\d|(?:0?[1-9]|1[0-2])/(?:0?[1-9]|[12]\d|3[01])(?![\d/])"
    r"|#? ?\d{6,10}\b"
    r"|\d{1,2}-?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\b|\d{1,2}-[A-Z][a-z]{2}-\d{2,4}|\(\d{6,10}\)|#\d)",
    re.IGNORECASE,
)
SEX_BEHIND_AGE = re.compile(r"\d{1,3} ?-?(?:yo|y/o|y\.o\.|yrs?|years?)(?:[ -]old)? ?[MF]$", re.IGNORECASE)
"""The letter of "61yo F Ludmila Petrenko" is no initial."""
GRADE = re.compile(r" (?:\d{1,2}(?=[,;])|[IV]{2,4}(?![\w'])|[A-D]\.?(?= [a-z]|$|\n))")
"""Behind the name of a scale: Braden 17, Fitzpatrick VI, Schizas B."""
CHILD = _set("child baby infant newborn toddler")
IN_BRACKETS = re.compile(
    r",? ?[(,-] ?(?:his|her|their|my|our|the|a|pt'?s?|patient'?s?)? ?(?:(?:older|younger|eldest|charge|home|social|icu"
    r"|floor|night|day|head|wound|derm|resident) )?(?P<role>[a-z]+(?:-in-law)?)\b",
    re.IGNORECASE,
)
DEGREE = re.compile(
    r",? \(?(?:M\.?D\b|D\.?O\.?\b(?= ?[,.;/)\n]|$)|R\.?N\b|N\.?P\b|PA-C\b|Ph\.?D\b|PharmD\b|DPM\b|CRNA\b|DDS\b|LCSW\b"
    r"|RDCS\b|RVT\b|RT\b|CCC-SLP\b|FNP\b|MBBS\b|LPN\b|MSW\b|DNP\b|BSN\b|CNM\b|RD\b|DPT\b|OTR\b|FACS\b|MPH\b|Esq\b"
    r"|PA\b|RPh\b|CNA\b|ARNP\b|FRCP)"
)
DOTTED_DEGREE = re.compile(
    r"(?<![\w.])(?:[MD]\. ?[DO]\.|[RN]\. ?[NP]\.|P\. ?A\.|Ph\. ?D|U\. ?S\.|[BT]\. ?I\. ?D|[AP]\. ?M\.)"
    r"|(?<=M\.)D\.|(?<=R\.)N\.|(?<=D\.)O\.|(?<=U\.)S\."
)
"""Letters with full stops that are no initials."""
DOSE = re.compile(
    r"(?:'s)? ?-? ?(?:\d[\d.,/-]{0,12} ?"
    r"(?:mg|mcg|ug|g|ml|l|units?|u|iu|meq|mmol|tabs?|puffs?|%|bid|tid|qd|qid|qhs|daily|po|iv|fr|x)\b"
    r"|(?:bid|tid|qd|qid|qhs|prn|iv|po|im|sc|xr|er|sr|hct|cr|drip|gtt|infusion|patch|tablets?|capsules?|inhaler|level"
    r"|dose|dosing|therapy|injections?|vs\b))",
    re.IGNORECASE,
)
ONES = _set("guy lady man woman gentleman gent kid fella one boy girl")
"""In brackets or behind a comma they say of whom: Crohn, the guy in 6."""
NUMBER = re.compile(r":? ?[<>=~-]{0,2} ?\d")
COMMON_THINGS = _set(
    "pain level levels unit units heart joint muscle line point pulse pump rash reaction report risk tumor ulcer"
    " mutation view test testing trial study type area angle bleed fracture fever incision injury hernia vein lesion"
    " murmur tremor spasm cancer hypertension dementia angina anemia diet brace boot cast drain shunt stent repair"
    " operation procedure ring swab clinic hospital center care room ward house place school lab"
)
STAFF_ENDING = re.compile(r".{3}(?:ologist|ographer|therapist|ician|iatrist|dontist|surgeon|nurse)$")
POSSESSIONS = _set(
    "mom mum dad chart room labs lab bp pressure creatinine wife husband son daughter mother father brother sister"
    " family condition history pain k potassium inr hgb meds med dose discharge appointment visit insurance mri ct"
    " ekg ecg record records results result case question wound kidney kidneys liver heart knee hip back blood sugar"
    " sugars glucose a1c temp fever code phone number address doctor nurse pcp bed iv line tube care plan"
)

PARTICLES = _set(
    "bin ibn bint al el van von der den de da di del della dos das du la le ten ter y san st abu ben ni ap"
)
ALSO_NAMES = _set(
    "dean earl lane sister dame judge miss nana iris md sis do charge gi id case np intern pa ot cards lord lt psych"
)
NEVER_NAMES = _set(
    "md rn np do lpn cna lmsw lcsw msw cpnp arnp aprn dnp fnp facc facs phd pharmd dpt crna frcp mbbs dds dpm rdcs"
    " esq bsn rph ccrn okay ok yeah yes yep no oh great perfect alright right sure well so good fine wow hmm uh um"
    " please sorry thank exactly correct recorder leader sitter observer witness sender recipient rav imam sheikh"
    " father brother sister mother maam ma'am sir bid tid qid ward clinic floor unit er ed icu lab labs team bay login"
    " tel fax cigna humana"
)
NO_NAMES = (TITLES | KIN | STAFF | ROLES) - ALSO_NAMES | NEVER_NAMES
"""No part of a name, though they stand where names stand."""
NO_SMALL_NAMES = NO_NAMES | SURE_VERBS | DOING | LIKELY_VERBS | DEALT_WITH | GREETINGS | SPOKEN | ALSO_KNOWN
FROM_STAFF = re.compile(r" (?:from|is the|is her|is his|is our|is my|was the|at) (?=[a-zA-Z])")
TERM_ENDING = re.compile(
    r"(?:metry|meter|graph|scope|tomy|plasty|pathy|opsy|emia|uria|osis|oses|itis|algia|plegia|paresis|thymia|phonia"
    r"|phasia|trophy|plasia|genic|genous|lytic|lysis|static|tropic|phobia|philia|penia|cytic|cytes?|blast|oid|ose|ase"
    r"|ide|ate|ine|ene|yl|ol|one|in|um|us|ae|ii|al|ic|ous|ive|ing|ed|ly|ion|ment|ness|ity|able|ible|ance|ence|ism|ist"
    r"|logy|ins|ils|ents|ants|otes|ents|says|ides|ases|ax|ex|ix|yx|pril|mab|nib|tan|vir|ts|ers|ions|ics|als|oms|phage|gens?|some|tox|tab|cap)$"
)
SPECIES = re.compile(r"[a-z]{2,14}(?:is|us|um|ii|ae|ans|ens|coli|ori|ida|osa|oides|diff)$")
"""Behind an initial the second word of an organism: E. faecalis."""
NO_SYLLABLE = re.compile(
    r"[^aeiouy]+$|(?!ll|aa)(.)\1|(?!ng|mb|mc|ts|dz|dj|hm|gb|kp|nd|nk|mp|nt|pf|cz|mn|kn|gn|ps|tz|dv|dm|tk|hn|ks|zb|zd|vl|sz)"
    r"[bcdfghjkmnpqtvwxz][bcdfgjkmnpqstvxz]"
)
"""An unknown word that cannot be spoken is an abbreviation: Bcx, Pplat."""
SUFFIXES = _set("jr sr ii iii iv")
BETWEEN = re.compile(r" ?(?:\([^()\n]{1,24}\))?(?:[,;/] ?| & |\n(?:- |\d{1,2}[.)] |\* )?)")
LEADING = _set("bin ibn bint al el van von der den de da di del della dos das du la le ten ter abu ben ni mac st")
CUES = frozenset(
    {
        *("title", "unsure title", "kin before", "role before", "staff before", "label", "named", "greeting"),
        *("dealt with", "signature", "behind a dash", "behind an age", "degree", "age follows", "role follows"),
        *("number or date follows", "kin and a mark before", "role and a mark before", "staff and a mark before"),
        *("person verb", "bed follows", "address", "possession", "family follows", "second word behind a cue"),
        *("doing", "second word before a cue", "turned with a given name", "turned with a family name"),
        *("small initial before",),
    }
)
"""Reasons that make a name firm."""
NEED_A_CUE = frozenset(
    {
        *("name in a disease", "unknown word", "short capitals", "long capitals", "drug", "medical word", "hyphen"),
        *("capital inside", "capital at a start", "English word that has to be a capital", "small, short and rare"),
    }
)
NEED_A_SURE_CUE = frozenset({"eponym", "double family name"})
"""Reasons that weigh more where nothing around the word speaks for a person."""
COMPANY = CUES | {
    *("name left", "name right", "maybe name left", "maybe name right", "initial left", "initial right", "O' or Mc"),
    "particle before",
}
"""With one of these a word does not stand alone."""
SURE = COMPANY - {
    *(
        "number or date follows",
        "doing",
        "dealt with",
        "O' or Mc",
        "maybe name left",
        "maybe name right",
        "behind an age",
    ),
    *("particle before", "second word before a cue", "behind a dash"),
    *("role and a mark before", "staff and a mark before", "kin and a mark before"),
}
"""With one of these even an eponym is a person."""
WORDS_BEFORE = (
    (DEALT_WITH, "dealt with"),
    (FOR_PERSON, "for or from"),
    (THING_BEFORE, "word before a thing"),
    (ARTICLES, "article"),
)
WORDS_BEHIND = (
    (SURE_VERBS, "person verb"),
    (DOING, "doing"),
    (LIKELY_VERBS, "likely verb"),
    (ALSO_KNOWN, "family follows"),
    ({"and", "or", "vs", "versus"}, "and follows"),
    (ARTICLES - {"all"}, "article follows"),
)
FIGURES_BEHIND = (
    (BEFORE_AGE, "age follows"),
    (BEFORE_ID, "number or date follows"),
    (IN_BED, "bed follows"),
    (BEDSIDE, "bed follows"),
    (DOSE, "dose follows"),
    (NUMBER, "amount follows"),
)
