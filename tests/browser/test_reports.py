"""The pages of reports in a browser: nothing of them scrolls sideways, lacks a name or is too faint to read."""

from __future__ import annotations

from django.urls import reverse

from tests import cast
from tests.browser.conftest import Judged
from tests.compliance.reports import making


def test_the_pages_are_in_order(judged: Judged) -> None:
    report = making.make_month(making.the_month())
    carol = cast.carol()
    addresses = [reverse("reports"), reverse("report", args=[report.pk]), reverse("reports-bundle")]
    assert judged(dict.fromkeys(addresses, carol)) == []
