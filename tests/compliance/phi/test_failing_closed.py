from __future__ import annotations

import traceback

import pytest

from compliance import phi
from compliance.phi import engine
from compliance.phi.types import Candidate

SECRET = "Mr. Delacroix 518-44-7720"


def broken(text: str) -> list[Candidate]:
    raise ValueError(f"cannot read {text}")


def assert_says_nothing(error: BaseException) -> None:
    assert error.__cause__ is None
    assert error.__context__ is None
    told = str(error) + repr(error) + "".join(traceback.format_exception(error))
    assert "Delacroix" not in told
    assert "7720" not in told


@pytest.mark.parametrize("call", [phi.find, phi.mask])
def test_a_broken_detector_refuses_the_text_and_tells_nothing(call: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_scans", [broken])
    with pytest.raises(phi.PhiUnavailable) as caught:
        call(SECRET)  # type: ignore[operator]
    assert_says_nothing(caught.value)


def test_a_text_beyond_the_limit_is_refused() -> None:
    with pytest.raises(phi.PhiUnavailable) as caught:
        phi.find(SECRET + "x" * phi.MAX_CHARS)
    assert_says_nothing(caught.value)


def test_the_longest_question_the_form_accepts_is_read() -> None:
    text = ("Lasix 40 mg BID for Mr. Delacroix. " * 600)[:20_000]
    assert len(phi.find(text)) > 500
