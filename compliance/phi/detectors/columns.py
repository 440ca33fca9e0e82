"""Numbers known by their place: a column under a header, a field of an HL7 segment."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compliance.phi.types import Candidate, Label, Strength

_NR = r"[ _]?(?:id|no|nr|num|number|#)"
_HEADERS: tuple[tuple[Label, re.Pattern[str]], ...] = tuple(
    (label, re.compile(pattern, re.IGNORECASE))
    for label, pattern in (
        (Label.SSN, r"ssn|ss ?#|social"),
        (
            Label.MRN,
            r"mrn|mr ?#|fin|csn"
            rf"|(?:pt|patient|person|hosp(?:ital)?|chart|record|med(?:ical)?)(?:[ _]?rec(?:ord)?)?(?:{_NR})?"
            rf"|enc(?:ounter)?(?:{_NR})?|visit{_NR}",
        ),
        (
            Label.HEALTH_PLAN,
            rf"mbi|(?:member|subscriber|policy|medicare|medicaid)(?:{_NR})?|(?:payer|ins|insurance|group){_NR}",
        ),
        (Label.ACCOUNT, rf"(?:acct|account|guarantor)(?:{_NR})?"),
        (Label.LICENSE, rf"npi|dea|licen[sc]e(?:{_NR})?"),
        (Label.DEVICE, rf"s/n|sn|udi|(?:serial|lot|device)(?:{_NR})?"),
        (Label.PHONE, rf"(?:phone|tel|telephone|cell|mobile|contact)(?:{_NR})?"),
        (
            Label.OTHER_ID,
            r"\w{0,12}[ _]?(?:id|uid|guid)"
            rf"|(?:accession|specimen|subject|claim|user)(?:{_NR})?|(?:acc|order|rx|case){_NR}",
        ),
    )
)
_SEPARATORS = (",", "|", "\t", ";")
_FEWEST = 3  # columns: two may be a sentence with a comma
_LONGEST = 30  # characters of a header cell
# The fields of HL7 version 2 that number the patient, the stay, the policy, the order or the sender, counted from 1.
_SEGMENTS: dict[str, dict[int, Label]] = {
    "PID": {2: Label.MRN, 3: Label.MRN, 4: Label.MRN, 18: Label.ACCOUNT, 19: Label.SSN, 20: Label.LICENSE},
    "PV1": {5: Label.MRN, 19: Label.MRN, 50: Label.MRN},
    "IN1": {2: Label.HEALTH_PLAN, 8: Label.HEALTH_PLAN, 36: Label.HEALTH_PLAN, 49: Label.HEALTH_PLAN},
    "ORC": {2: Label.OTHER_ID, 3: Label.OTHER_ID},
    "OBR": {2: Label.OTHER_ID, 3: Label.OTHER_ID},
    "EVN": {5: Label.OTHER_ID},
    "MSH": {8: Label.OTHER_ID, 10: Label.OTHER_ID},
    "MRG": {1: Label.MRN},
}
_SEGMENT = re.compile(rf"(?:^|[\r\n])[ \t]{{0,8}}(?P<name>{'|'.join(_SEGMENTS)})\|(?P<rest>[^\r\n]{{0,4000}})")
_NUMBER = re.compile(r"(?=[A-Za-z._-]{0,20}\d)[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,38}[A-Za-z0-9])?")


def detect(text: str) -> Iterator[Candidate]:
    """The numbers of HL7 messages and of tables with a header."""
    if "|" in text:
        yield from _segments(text)
    if "\n" in text:
        yield from _tables(text)


def _segments(text: str) -> Iterator[Candidate]:
    for segment in _SEGMENT.finditer(text):
        labels, at = _SEGMENTS[segment["name"]], segment.start("rest")
        first = 2 if segment["name"] == "MSH" else 1  # the separator behind MSH is its field 1
        for place, field in enumerate(segment["rest"].split("|"), first):
            for repeat in re.finditer(r"[^~]+", field) if place in labels else ():
                number = _NUMBER.match(repeat.group())
                if number and len(number.group()) > 2:
                    start = at + repeat.start()
                    yield Candidate(start, start + number.end(), labels[place], Strength.FIRM)
            at += len(field) + 1


def _tables(text: str) -> Iterator[Candidate]:
    """The cells under a header such as "mrn" or "member_id"."""
    header: dict[int, Label] = {}
    separator, count, at = "", 0, 0
    for line in text.split("\n"):
        if header and 0 < count <= line.count(separator) + 1:
            yield from _row(line, separator, header, at)
        else:
            separator, header = _header(line)
            count = line.count(separator) if separator else 0  # a row may lack its last cell
        at += len(line) + 1


def _header(line: str) -> tuple[str, dict[int, Label]]:
    """The separator of a line of column names and the columns that hold numbers; empty for any other line."""
    if len(line) > 1000 or sum(map(str.isdigit, line)) > 3:
        return "", {}
    for separator in _SEPARATORS:
        cells = [cell.strip(" \"'*\r") for cell in line.strip(" |" if separator == "|" else " ").split(separator)]
        if len(cells) >= _FEWEST and max(map(len, cells)) < _LONGEST:
            return separator, {
                place: label
                for place, cell in enumerate(cells)
                for label, name in _HEADERS[::-1]
                if name.fullmatch(cell)
            }
    return "", {}


def _row(line: str, separator: str, header: dict[int, Label], at: int) -> Iterator[Candidate]:
    start = at + len(line) - len(line.lstrip(" |" if separator == "|" else " "))
    for place, cell in enumerate(line[start - at :].split(separator)):
        lead = len(cell) - len(cell.lstrip(" \"'"))
        number = _NUMBER.match(cell, lead)
        if place in header and number and sum(map(str.isdigit, number.group())) > 2:
            yield Candidate(start + lead, start + number.end(), header[place], Strength.FIRM)
        start += len(cell) + 1
