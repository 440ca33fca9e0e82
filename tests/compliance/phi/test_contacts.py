from __future__ import annotations

import pytest

from compliance.phi.detectors import contacts
from tests.compliance.phi.found import found


@pytest.mark.parametrize(
    ("text", "label", "value"),
    [
        ("call 628-555-0174 about the biopsy", "PHONE", "628-555-0174"),
        ("reach family on (425)555-0118 today", "PHONE", "(425)555-0118"),
        ("her mobile's 5035550148", "PHONE", "5035550148"),
        ("ph (773) 555 0126 x41", "PHONE", "(773) 555 0126 x41"),
        ("reachable at 312.867.4490 x218", "PHONE", "312.867.4490 x218"),
        ("ph 802-5550171", "PHONE", "802-5550171"),
        ("nurse line 1 (888) 5550 142", "PHONE", "1 (888) 5550 142"),
        ("contact: +44 20 7946 0958", "PHONE", "+44 20 7946 0958"),
        ("caller 011 52 33 3615 8820", "PHONE", "011 52 33 3615 8820"),
        ("Work 555.0139", "PHONE", "555.0139"),
        ("pgr 555-2291 not answering", "PHONE", "555-2291"),
        ("pager 44217", "PHONE", "44217"),
        ("pager 71-4408", "PHONE", "71-4408"),
        ("questions: x4412", "PHONE", "x4412"),
        ("page me x4-7719.", "PHONE", "x4-7719"),
        ("voicemail from 555 0107: son", "PHONE", "555 0107"),
        ("text STOP to 70955", "PHONE", "70955"),
        ("fax 4-4418 the form", "FAX", "4-4418"),
        ("reach me at 4412", "PHONE", "4412"),
        ("nurse line 4-2213", "PHONE", "4-2213"),
        ("call *61-2204", "PHONE", "*61-2204"),
        ("five five five, zero one nine nine", "PHONE", "five five five, zero one nine nine"),
        ("Fax 480-555-0163 the report", "FAX", "480-555-0163"),
        ("fax results to 206.555.0193", "FAX", "206.555.0193"),
        ("mail t.vander+labs@old-mail.example now", "EMAIL", "t.vander+labs@old-mail.example"),
        ("lily.chan [at] river.example", "EMAIL", "lily.chan [at] river.example"),
        ("lily at river dot example dot org", "EMAIL", "lily at river dot example dot org"),
        ("lily.chan at gmail.com", "EMAIL", "lily.chan at gmail.com"),
        ("h u g h . p @ outlook . com", "EMAIL", "h u g h . p @ outlook . com"),
        ("see https://portal.example.org/u/70935518.", "URL", "https://portal.example.org/u/70935518"),
        ("blog livingwithlupus.blogspot.com", "URL", "livingwithlupus.blogspot.com"),
        ("open mychart.acme.health/pt/4471", "URL", "mychart.acme.health/pt/4471"),
        ("POST /patients/8831/orders", "MRN", "8831"),
        ("host 198.51.100.23 sent it", "IP", "198.51.100.23"),
        ("from 2001:db8:0:7::2b today", "IP", "2001:db8:0:7::2b"),
        ("gateway 8C:2E:71:D0:96:4F", "DEVICE", "8C:2E:71:D0:96:4F"),
    ],
)
def test_ways_to_reach_somebody(text: str, label: str, value: str) -> None:
    assert (label, value) in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "rapid response called at 0635, call at 0730",
        "12:30:45 on telemetry, I:E 1:2:4, v1.2.3.4",
        "see clinicaltrials.gov, cdc.gov and https://www.cdc.gov/flu/index.html",
        "poison control 1-800-222-1222, crisis line 988, call 911, 800-273-8255",
        "30 x 500 mg, x3 days, 500-1000 mg, NNT 100-1000, page 12, see page 1234",
        "roc 1.2 mg/kg @ 24 h, seen at rest. dot plot; +370 mL",
    ],
)
def test_times_doses_and_what_belongs_to_the_public_stay(text: str) -> None:
    assert [text[start:end] for start, end, label, _ in contacts.detect(text) if label] == []
