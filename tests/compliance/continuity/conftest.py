"""What costs most is made once for all tests of a process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def template(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The portal that each test of a restore gets a copy of."""
    from tests.compliance.continuity import portal

    with django_db_blocker.unblock(), portal.prepared():
        yield


@pytest.fixture
def in_memory() -> Iterator[None]:
    """For a test that unpacks whole copies of the tests' server: thousands of files each."""
    from tests.compliance.continuity import live

    with live.in_memory():
        yield
