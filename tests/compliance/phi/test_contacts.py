from __future__ import annotations

import pytest

from tests.compliance.phi.found import found


@pytest.mark.parametrize(
    ("text", "label", "value"),
    [
        ("call 628-555-0174 about the biopsy", "PHONE", "628-555-0174"),
        ("reach family on (425)555-0118 today", "PHONE", "(425)555-0118"),
        ("her mobile's 5035550148", "PHONE", "5035550148"),
        ("ph (773) 555 0126 x41", "PHONE", "(773) 555 0126 x41"),
        ("contact: +44 20 7946 0958", "PHONE", "+44 20 7946 0958"),
        ("pager 44217", "PHONE", "44217"),
        ("Fax 480-555-0163 the report", "FAX", "480-555-0163"),
        ("fax results to 206.555.0193", "FAX", "206.555.0193"),
        ("mail t.vander+labs@old-mail.example now", "EMAIL", "t.vander+labs@old-mail.example"),
        ("lily.chan [at] river.example", "EMAIL", "lily.chan [at] river.example"),
        ("lily at river dot example dot org", "EMAIL", "lily at river dot example dot org"),
        ("see https://portal.example.org/u/70935518.", "URL", "https://portal.example.org/u/70935518"),
        ("blog livingwithlupus.blogspot.com", "URL", "livingwithlupus.blogspot.com"),
        ("host 198.51.100.23 sent it", "IP", "198.51.100.23"),
        ("from 2001:db8:0:7::2b today", "IP", "2001:db8:0:7::2b"),
    ],
)
def test_ways_to_reach_somebody(text: str, label: str, value: str) -> None:
    assert found(text) == [(label, value)]


@pytest.mark.parametrize("text", ["rapid response called at 0635", "12:30:45 on telemetry", "see clinicaltrials.gov"])
def test_times_and_public_registers_stay(text: str) -> None:
    assert found(text) == []
