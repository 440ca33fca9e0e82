"""Numbers known by their shape or their check digit alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from compliance.phi.detectors.codes import public_code
from compliance.phi.detectors.measures import UNIT, any_of
from compliance.phi.types import Candidate, Label, Strength


def luhn(number: str) -> bool:
    """The check digit of payment cards."""
    total = 0
    for i, digit in enumerate(int(c) for c in reversed(number) if c.isdigit()):
        doubled = digit * 2 if i % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def npi(number: str) -> bool:
    """The check digit of National Provider Identifiers: Luhn behind the prefix 80840."""
    return luhn("80840" + number)


def dea(number: str) -> bool:
    """The check digit of DEA registrations: the 1st, 3rd and 5th and twice the 2nd, 4th and 6th end in the 7th."""
    d = [int(c) for c in number if c.isdigit()]
    return (d[0] + d[2] + d[4] + 2 * (d[1] + d[3] + d[5])) % 10 == d[6]


def iban(number: str) -> bool:
    """ISO 13616: with the first four moved to the end and letters as numbers, the remainder by 97 is 1."""
    bare = re.sub(r"\W", "", number).upper()
    return int("".join(str(int(c, 36)) for c in bare[4:] + bare[:4])) % 97 == 1


def nhs(number: str) -> bool:
    """The check digit of NHS numbers: weights 10 to 2, modulus 11."""
    d = [int(c) for c in number if c.isdigit()]
    return (11 - sum(w * n for w, n in zip(range(10, 1, -1), d, strict=False)) % 11) % 11 == d[9]


def vin(number: str) -> bool:
    """Letters and digits enough for a vehicle number. The check digit decides nothing: only North America has it."""
    return sum(map(str.isdigit, number)) >= 4 and sum(map(str.isalpha, number)) >= 3


class Shape(NamedTuple):
    """A form and what it is. WEAK where clinical wording, or a code everybody shares, may have it too."""

    label: Label
    strength: Strength
    pattern: str
    check: Callable[[str], bool] | None = None


_ALONE = r"(?<![\w./-])"
_MBI_LETTER, _MBI_ANY = "[AC-HJKMNP-RT-Y]", "[AC-HJKMNP-RT-Y0-9]"
_SECONDS = r"(?:\d{1,2}(?:\.\d{1,4})?(?:\"|'')\s?)?"

_SURE = (
    Shape(Label.SSN, Strength.FIRM, r"(?<![\w.-])\d ?\d ?\d ?[-. ] ?\d \d ?[-. ] ?\d \d \d \d(?![\w-]|\.\d)"),
    Shape(Label.SSN, Strength.WEAK, r"(?<![\w.-])\d(?:-\d){8}(?![\w-]|\.\d)"),
    Shape(Label.SSN, Strength.FIRM, r"(?<!\w)[xX*]{3}-?[xX*]{2}-?\d{4}(?!\d)"),
    Shape(
        Label.HEALTH_PLAN,  # Medicare beneficiary
        Strength.FIRM,
        rf"(?<!\w)[1-9]{_MBI_LETTER}{_MBI_ANY}\d[ -]?{_MBI_LETTER}{_MBI_ANY}\d[ -]?{_MBI_LETTER}{{2}}\d\d(?!\w)",
    ),
    Shape(Label.ACCOUNT, Strength.FIRM, r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)", iban),
    Shape(Label.ACCOUNT, Strength.FIRM, r"(?<![\w./$-])[2-6]\d(?:[ -]?\d){11,17}(?![\w%-]|[.,/]\d)", luhn),
    Shape(Label.LICENSE, Strength.FIRM, r"(?<![\w./$-])[12]\d{9}(?![\w%-]|[.,/]\d)", npi),
    Shape(Label.LICENSE, Strength.FIRM, r"(?<!\w)[A-HJ-NPR-UX][A-Z9] ?\d{7}(?![\w%-])", dea),
    Shape(Label.LICENSE, Strength.FIRM, r"(?<!\w)\d\dD\d{7}(?![\w-])"),  # CLIA
    Shape(Label.VEHICLE, Strength.FIRM, r"(?<![\w-])(?=[A-Za-z]{0,12}\d)[A-HJ-NPR-Za-hj-npr-z0-9]{17}(?![\w-])", vin),
    Shape(Label.DEVICE, Strength.FIRM, r"(?:\((?:01|1[0157]|2[01]|24[01]|30)\)[A-Za-z0-9./-]{1,20}){2,6}"),  # UDI
    Shape(Label.DEVICE, Strength.FIRM, r"(?<!\w)[A-Z]\d{4} ?\d{2} ?\d{6}(?!\w)"),  # blood donation, ISBT 128
    Shape(Label.MRN, Strength.FIRM, r"(?<=[^\W\d_] [(\[])(?!(?:19|20)\d\d(?:19|20)\d\d)#?\d{5,10}(?=[)\]])"),
    Shape(Label.MRN, Strength.FIRM, r"(?<!\w)[A-Za-z]{0,8}(?i:mrn)[A-Za-z]{0,3}[-_]?\d{3,15}(?!\w)"),
    Shape(Label.OTHER_ID, Strength.FIRM, r"(?<![\w-])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?![\w-])"),
    Shape(
        Label.LOCATION, Strength.FIRM, r"(?<![\w.])-?\d{1,2}\.\d{4,8}°?\s?[NS]?,\s?-?\d{1,3}\.\d{4,8}°?(?:\s?[EW]\b)?"
    ),
    Shape(
        Label.LOCATION,
        Strength.FIRM,
        rf"(?<![\w.])\d{{1,2}}°\s?\d{{1,2}}'\s?{_SECONDS}[NS],?\s?\d{{1,3}}°\s?\d{{1,2}}'\s?{_SECONDS}[EW]",
    ),
)
_LIKELY = (
    # also glued to a word: [NAME-518-44-7720]
    Shape(Label.SSN, Strength.WEAK, r"(?<=[A-Za-z_#-])(?<!\d-)(?!000|666)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?!\d|-\d)"),
    Shape(Label.SSN, Strength.FIRM, r"(?<![\w./-])(?!000|666)\d{3}([_/])(?!00)\d{2}\1(?!0000)\d{4}(?![\w/-])"),
    Shape(Label.SSN, Strength.WEAK, r"(?<![\w.-])(?!000|666)\d{3}([- .])(?!00)\d{2}\1(?!0000)\d{4}(?![\w-]|\.\d)"),
    Shape(Label.HEALTH_PLAN, Strength.WEAK, rf"{_ALONE}\d{{3}} \d{{3}} \d{{4}}(?![\w%-]|[.,/]\d)", nhs),
    Shape(Label.DEVICE, Strength.WEAK, r"(?<![\w.])(?:1\.2|1\.3|2\.16|2\.25)(?:\.\d{1,40}){4,14}(?![\w])"),  # DICOM
    # hashes and keys
    Shape(Label.OTHER_ID, Strength.WEAK, r"(?<!\w)(?=[a-fA-F]{0,30}\d)(?=\d{0,30}[a-fA-F])[0-9a-fA-F]{20,128}(?!\w)"),
    Shape(
        Label.OTHER_ID,
        Strength.WEAK,
        r"(?<![\w/+=])(?=(?:[A-Za-z]{0,9}\d){4})(?=(?:\d{0,9}[A-Za-z]){4})[A-Za-z0-9]{18,200}(?![\w/+=])",
    ),
    # letters and digits: S24-19903, TR-408116, HI 55201877, 90417265A, 31K-77205, SP-24-11802, PG-R-118840
    Shape(Label.OTHER_ID, Strength.WEAK, rf"{_ALONE}[A-Z]{{1,4}}\d{{2}}-\d{{3,8}}(?:-\d{{1,4}})?(?![\w-])"),
    Shape(Label.OTHER_ID, Strength.WEAK, rf"{_ALONE}[A-Z]{{1,6}}-?\d{{5,12}}(?:-\d{{1,6}})?[A-Z]?(?![\w-])(?!{UNIT})"),
    Shape(
        Label.OTHER_ID,
        Strength.WEAK,
        rf"{_ALONE}(?!ID|NO|PT|DL|SN|IS|AT|TO|ON|MR|OR|OF|BY)[A-Z]{{2}} \d{{7,10}}(?![\w-]|[.,/]\d)",
    ),
    Shape(Label.OTHER_ID, Strength.WEAK, rf"{_ALONE}\d{{5,12}}-?[A-Z]{{1,5}}(?![\w>-])"),
    Shape(Label.OTHER_ID, Strength.WEAK, rf"{_ALONE}\d{{2,4}}[A-Z]{{1,2}}-\d{{4,8}}(?![\w-])"),
    Shape(Label.OTHER_ID, Strength.WEAK, rf"{_ALONE}[A-Z]{{1,5}}(?:-[A-Z]{{1,5}})?-\d{{2,6}}-\d{{2,8}}(?![\w-])"),
    Shape(Label.OTHER_ID, Strength.WEAK, rf"{_ALONE}[A-Z]{{1,5}}-[A-Z]{{1,5}}-\d{{4,10}}(?![\w-])"),
    Shape(Label.OTHER_ID, Strength.WEAK, rf"{_ALONE}(?:rx|fp|id|pt)\d{{5,12}}(?![\w-])"),
    Shape(Label.OTHER_ID, Strength.WEAK, rf"{_ALONE}\d{{2,4}}-[A-Z]{{1,3}}-\d{{3,8}}(?![\w-])"),
    Shape(Label.OTHER_ID, Strength.WEAK, rf"{_ALONE}\d{{6,12}}-\d{{1,3}}(?![\w-]|[.,/]\d)"),  # a member and who of them
    # digits in groups
    Shape(Label.OTHER_ID, Strength.WEAK, rf"{_ALONE}\d{{4}} \d{{4}} \d{{4}}(?![\w-]| \d|[.,/]\d)"),
    Shape(Label.OTHER_ID, Strength.WEAK, rf"{_ALONE}[0-3]\d[01]\d{{3}}-\d{{4}}(?![\w-]| \d|[.,/]\d)"),  # birth number
    Shape(Label.OTHER_ID, Strength.WEAK, rf"{_ALONE}\d{{2,5}}-\d{{2,5}}-\d{{3,6}}(?![\w-]|[.,]\d)(?!{UNIT})"),
    Shape(Label.OTHER_ID, Strength.WEAK, rf"{_ALONE}\d{{3,5}}-\d{{4,6}}-\d{{1,2}}(?![\w-]|[.,]\d)"),
    Shape(Label.OTHER_ID, Strength.WEAK, rf"{_ALONE}(?:[A-Z] )?\d(?: \d){{6,15}}(?!\w| ?\d|[.,]\d)"),
    # digits in a run: seven or more, five or more behind a zero, or behind #
    Shape(
        Label.OTHER_ID,
        Strength.WEAK,
        rf"(?<![\w./$-])(?!(?:19|20)\d\d(?:19|20)\d\d\b)\d{{7,24}}(?![\w%-]|[.,]\d)(?!{UNIT})",
    ),
    Shape(Label.OTHER_ID, Strength.WEAK, rf"(?<![\w./$,·-])0\d{{4,12}}(?![\w%-]|[.,]\d)(?!{UNIT})"),
    Shape(
        Label.OTHER_ID,
        Strength.WEAK,
        r"(?<![\w&])(?<!MIM )#\s?(?:\d{5,12}|(?!(?:19|20)\d\d)\d{4}|0\d{2,6}"
        r"|(?=[A-Z]{0,4}-?\d)[A-Z0-9-]{6,14})(?![\w%-])",
    ),
)
_SHAPES = tuple((shape, re.compile(shape.pattern)) for shape in (*_SURE, *_LIKELY))
_CARS = any_of(
    """van suv motorcycle moped scooter minivan sedan pickup hatchback coupe taxi cab uber lyft toyota camry corolla
    prius
    rav4 tacoma tundra sienna honda civic accord cr-?v odyssey ford f-?150 explorer escape bronco mustang fusion focus
    chev(?:y|rolet) silverado malibu impala tahoe suburban equinox gmc sierra jeep wrangler cherokee dodge ram chrysler
    nissan altima sentra rogue subaru outback forester hyundai elantra sonata tucson kia sorento optima mazda
    volkswagen vw
    jetta bmw mercedes audi lexus acura buick cadillac lincoln tesla volvo"""
)
_PLATE = re.compile(
    rf"\b(?i:plates?|registration|reg|tag|car|vehicle|truck|tail|placard|{_CARS})\b"
    r"(?:\s(?i:no\.?|number|is|was|outside|#|[a-z]{2,10})){0,3}[\s:#(]{1,3}(?:(?i:[a-z]{2})\s|[A-Z][a-z]{3,12}\s)?"
    r"(?P<value>(?=[A-Z -]{0,5}\d)[A-Z0-9]{1,4}[ -]?[A-Z0-9]{2,5}(?: ?[A-Z]{1,3})?)(?![\w-])(?!\s?(?i:mph|miles|mg|ml))"
)


def detect(text: str) -> Iterator[Candidate]:
    """Whatever has one of the forms and passes its check."""
    for shape, pattern in _SHAPES:
        for match in pattern.finditer(text):
            value = match.group()
            shared = shape.strength is Strength.WEAK and public_code(value)
            if not shared and (shape.check is None or shape.check(value)):
                yield Candidate(match.start(), match.end(), shape.label, shape.strength)
    for match in _PLATE.finditer(text):
        if sum(map(str.isdigit, match["value"])) > 1 and any(map(str.isalpha, match["value"])):
            yield Candidate(match.start("value"), match.end("value"), Label.VEHICLE, Strength.FIRM)
