"""What masking must do before it is trusted with a question: fixed texts, invented here, each with a name.

Run once by each process that masks. One text that is masked wrongly, or does not come back as it was, means that a word
list, a library or the model is not what it was when this was released: nothing is masked then, so nothing is taken.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from compliance.phi.tokens import restore
from compliance.phi.types import Label, Masked

# {LABEL:…} must be masked, all of it (as that, tests say; a wrong word for it is no reason to take no question);
# {:…} may be; whatever else stands there must stay.
_MARK = re.compile(r"\{([A-Z_0-9]*):([^}]*)\}")
CASES = {
    # (A) names
    "name": "Can {NAME:Maria Gonzalez} take ibuprofen with lisinopril?",
    "name-lower-case": "which antibiotic for patient {NAME:susan okoro}, sulfa allergy",
    "name-capitals": "Patient: {NAME:WHITFIELD, JAMES}. Gout, colchicine dose?",
    "name-title": "{:Mr.} {NAME:Okafor} needs a statin.",
    "name-clinician": "Seen by {:Dr.} {NAME:Priya Raman} for chest pain.",
    "name-relative": "Her daughter {NAME:Amina} gives the insulin.",
    "name-hl7": "PID|1||||{NAME:NGUYEN^THI^LAN}||F",
    "name-repeated": "{NAME:Maria Lopez} has CKD. Can {NAME:Lopez} have metformin?",
    "name-lookalike-letters": "Is {NAME:M\u0430ria G\u043enzalez} due for a colonoscopy?",
    "name-zero-width": "{NAME:Mar\u200bia Gonz\u200balez} on warfarin, INR 3.4",
    "name-beside-eponym": "{:Mrs.} {NAME:Wilson} has Wilson disease.",
    # (B) places below the state
    "street": "Lives at {LOCATION:1420 Alder Street}{:, }{LOCATION:Springfield}{:, IL }{LOCATION:62704}.",
    "town": "Resident of {LOCATION:Duluth}{:, MN}, COPD.",
    "town-alone": "She lives in {LOCATION:Fresno} with her son.",
    "facility": "Transferred from {FACILITY:Mercy General Hospital} with sepsis.",
    "room": "Patient in room {ROOM:412B} has a fever.",
    # (C) dates, and ages over 89
    "birth-date": "{:DOB} {DATE:03/14/1970}, HFrEF.",
    "date-in-words": "Stent placed on {DATE:March 3, 2024}.",
    "date-iso": "Last A1c {DATE:2024-05-17} was 8.1.",
    "date-without-year": "Seen on {DATE:4/12} for cellulitis.",
    "age-over-89": "{AGE_OVER_89:93}{:-year-old} with a hip fracture.",
    # (D) to (G)
    "phone": "Call the daughter at {PHONE:(415) 555-0142}.",
    "phone-extension": "Reach the clinic at {PHONE:212-555-0187 ext. 44}.",
    "fax": "Fax: {FAX:312-555-0164}",
    "email": "Results to {EMAIL:j.whitfield@example.org} please.",
    "email-in-words": "Write to {EMAIL:jane [at] example [dot] com}.",
    "ssn": "SSN {SSN:078-05-1120}, needs dialysis.",
    # (H) to (M)
    "record-number": "MRN {MRN:00482913}, potassium 5.6.",
    "record-number-full-width": "MRN {MRN:\uff10\uff10\uff14\uff18\uff12\uff19\uff11\uff13}, sodium 128.",
    "health-plan": "Member ID {HEALTH_PLAN:XEH882145097}, prior authorization for Entresto.",
    "account": "Account number {ACCOUNT:88213407}",
    "license": "DEA number {LICENSE:BR7834120}",
    "vehicle": "VIN {VEHICLE:1HGCM82633A004352}",
    "device": "Pacemaker serial number {DEVICE:PJN614420S}",
    # (N) to (R)
    "web-address": "Chart at {URL:https://portal.example.org/p/8812}",
    "network-address": "Logged in from {IP:203.0.113.42}",
    "network-address-6": "Logged in from {IP:2001:db8::8a2e:370:7334}",
    "biometric": "Fingerprint ID {BIOMETRIC:FP-88213-A}",
    "photo": "See photo {PHOTO:wound_gonzalez.jpg}",
    "other-number": "Accession number {OTHER_ID:S24-118823}",
    "typed-token": "What did {OTHER_ID:[NAME-1]} mean?",
    # What a name, a place, a date or a number is not
    "eponyms": "Parkinson disease, Crohn colitis and a Foley catheter in Hodgkin lymphoma.",
    "eponym-signs": "Positive Murphy sign, Wells score 4.5 and Glasgow coma scale 13.",
    "drugs": "Lasix 40 mg BID, Entresto 49/51 and Bactrim DS for 7 days.",
    "doses": "Hydrocodone 5/325 mg q6h, carbidopa/levodopa 25/100.",
    "laboratory": "BNP 1840, K 5.6, creatinine 1.9, troponin 0.04, platelets 88.",
    "blood-pressure": "BP 178/96, HR 112, SpO2 91 on 2 L, MRC 4/5.",
    "ages": "A 54-year-old woman, 28 weeks pregnant, and her 3-month-old.",
    "year": "Mitral valve replaced in 2015, state law of Texas.",
    "relative-times": "Two days ago, then every 6 hours; recheck in 3 months.",
    "codes": "ICD-10 E11.65, CPT 99213, LOINC 4548-4, NCT01234567.",
    "genes": "BRCA1, HLA-B*57:01, JAK2 V617F and CYP2C19 *2.",
    "scores": "CHA2DS2-VASc 4, HAS-BLED 3, MELD 22, Child-Pugh B.",
    "trials": "What did PARADIGM-HF and DAPA-CKD show?",
    "names-that-are-words": "Will the patient need a mark on the skin? Hope so; may rise.",
    "grade": "Grade 3 mucositis, stage IIIB, NYHA class II.",
    "plain-question": "When should metformin be held for iodinated contrast?",
    "hyperkalemia": "First treatment of hyperkalemia with ECG changes?",
    "organisms": "Vancomycin for MRSA, ceftriaxone for Neisseria and E. coli.",
    "vaccines": "Is Prevnar 20 or Pneumovax 23 next after Shingrix?",
    "abbreviations": "HFrEF, CABG, DVT, PE, NSTEMI, AKI on CKD 3b, GFR 38.",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SelfTest:
    """`failed` are names of CASES; `ms` is how long all of them took together."""

    ok: bool
    cases: int
    failed: tuple[str, ...]
    ms: float
    at: datetime


_last: list[SelfTest] = []


def last() -> SelfTest | None:
    """What this process found when it ran the test last; None before."""
    return _last[-1] if _last else None


def run(mask: Callable[[str], Masked]) -> SelfTest:
    """Mask every case. `mask` knows no conversation and no words of the hospital's own, which may say otherwise."""
    started = time.perf_counter()
    failed = tuple(name for name, marked in CASES.items() if not _passes(marked, mask))
    ms = (time.perf_counter() - started) * 1000
    _last[:] = [SelfTest(not failed, len(CASES), failed, round(ms, 1), datetime.now(UTC))]
    return _last[0]


def _passes(marked: str, mask: Callable[[str], Masked]) -> bool:
    text, marks = _read(marked)
    try:
        masked = mask(text)
        back = restore(masked.text, masked.new, masked.spellings)
    except Exception:  # noqa: BLE001  # whatever it was, it is not what masking must do
        return False
    covered, neutral = bytearray(len(text)), bytearray(len(text))
    for span in masked.spans:
        covered[span.start : span.end] = b"\1" * (span.end - span.start)
    for start, end, label in marks:
        neutral[start:end] = b"\1" * (end - start)
        if label and not all(covered[i] for i in range(start, end) if text[i].isalnum()):
            return False
    return back == text and not any(c and not n for c, n in zip(covered, neutral, strict=True))


def _read(marked: str) -> tuple[str, list[tuple[int, int, Label | None]]]:
    """The text of a case without its marks, and where they stood; no label: may be masked."""
    text, marks, at = "", [], 0
    for match in _MARK.finditer(marked):
        text += marked[at : match.start()]
        marks.append((len(text), len(text) + len(match[2]), Label(match[1]) if match[1] else None))
        text += match[2]
        at = match.end()
    return text + marked[at:], marks
