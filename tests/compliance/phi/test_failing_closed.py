from __future__ import annotations

import re
import threading
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


def test_a_detector_that_hangs_is_given_up_and_so_are_those_that_wait_behind_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    free = threading.Event()

    def hangs(text: str) -> list[Candidate]:
        free.wait()
        return []

    monkeypatch.setattr(engine, "_scans", [hangs])
    monkeypatch.setattr(engine, "_places", threading.BoundedSemaphore(1))
    monkeypatch.setattr(engine._state, "deadline_seconds", 0.05)
    try:
        for _ in range(3):
            with pytest.raises(phi.PhiUnavailable) as caught:
                phi.mask(SECRET)
            assert_says_nothing(caught.value)
        assert [t.name for t in threading.enumerate()].count("phi") == 1
    finally:
        free.set()


def test_what_comes_after_the_deadline_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(text: str) -> list[Candidate]:
        re.match(r"(a|a)*b", "a" * 22)  # holds every other thread of the process for some seconds
        return []

    monkeypatch.setattr(engine, "_scans", [slow])
    monkeypatch.setattr(engine._state, "deadline_seconds", 0.05)
    with pytest.raises(phi.PhiUnavailable):
        phi.mask(SECRET)


@pytest.mark.parametrize(
    "text",
    [
        "\ud800 Mr. Delacroix \udfff",
        "\x00\x01\xff Mr. Delacroix",
        "Mr. \ud83dDelacroix",
        bytes(range(256)).decode("latin-1"),
    ],
    ids=["surrogates", "controls", "half a pair", "all bytes"],
)
def test_broken_text_is_masked_and_comes_back(text: str) -> None:
    masked = phi.mask(text)
    assert "Delacroix" not in masked.text
    assert phi.restore(masked.text, masked.new, masked.spellings) == text


def test_a_text_beyond_the_limit_is_refused() -> None:
    with pytest.raises(phi.PhiUnavailable) as caught:
        phi.find(SECRET + "x" * 1_000_000)
    assert_says_nothing(caught.value)


def test_the_longest_question_the_form_accepts_is_read() -> None:
    text = ("Lasix 40 mg BID for Mr. Delacroix. " * 600)[:20_000]
    assert len(phi.find(text)) > 500
