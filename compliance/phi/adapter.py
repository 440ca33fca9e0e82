"""scrubadub as the frame that runs our detectors. The only module that knows it.

Taken from it: the Detector and Filth interfaces, the Scrubber that runs them, and its phone number detector. Left
aside on purpose: its token lookup (a table shared by everybody, kept for ever), its replacers, its merging of
neighbours (undone here), and its default detectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from compliance.phi.types import Candidate, Strength

Detect = Callable[[str], Iterable[Candidate]]
Scan = Callable[[str], list[Candidate]]


def build_scan(detectors: Mapping[str, Detect]) -> Scan:
    """One function that runs every detector over a text. It holds no state between calls."""
    from scrubadub import Scrubber
    from scrubadub.detectors import Detector, PhoneDetector
    from scrubadub.filth import Filth
    from scrubadub.filth.base import MergedFilth

    from compliance.phi.detectors.contacts import phone_or_fax

    class Run(MergedFilth):  # type: ignore[misc]  # scrubadub ships no types
        """Proposals that touch, kept side by side. Joining their texts, as scrubadub does, takes quadratic time."""

        end: int

        def _update_content(self, other_filth: Any) -> None:
            self.end = max(self.end, other_filth.end)
            self.filths.append(other_filth)

    class Proposal(Filth):  # type: ignore[misc]  # scrubadub ships no types
        """A Filth that remembers our label and strength."""

        type = "phi"

        def __init__(self, text: str, candidate: Candidate, name: str) -> None:
            start, end, _, _ = candidate
            super().__init__(beg=start, end=end, text=text[start:end], detector_name=name)
            self.candidate = candidate

        def merge(self, other_filth: Any) -> Run:
            return Run(self, other_filth)

    class Family(Detector):  # type: ignore[misc]  # scrubadub ships no types
        """One of our detector functions, in scrubadub's shape."""

        def __init__(self, name: str, detect: Detect) -> None:
            super().__init__(name=name)
            self._detect = detect

        def iter_filth(self, text: str, document_name: str | None = None) -> Iterator[Proposal]:
            for candidate in self._detect(text):
                yield Proposal(text, candidate, self.name)

    phone_detector = PhoneDetector(locale="en_US")

    def phones(text: str) -> Iterator[Candidate]:
        for filth in phone_detector.iter_filth(text):
            yield Candidate(filth.beg, filth.end, phone_or_fax(text, filth.beg), Strength.WEAK)

    families = [Family(name, detect) for name, detect in {**detectors, "phones": phones}.items()]
    scrubber = Scrubber(detector_list=families, post_processor_list=[])

    def scan(text: str) -> list[Candidate]:
        found = scrubber.iter_filth(text, run_post_processors=False)
        return [part.candidate for filth in found for part in getattr(filth, "filths", (filth,))]

    return scan
