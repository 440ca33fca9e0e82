"""The tables of training and approvals."""

from training.models.approvals import AccessRequest, ApprovalReminder, Delegation, StageDecision
from training.models.certificates import Certificate, CertificateReminder
from training.models.content import ModuleVersion
from training.models.learning import Accommodation, Answer, Attempt, Enrolment, LessonRead
from training.models.statements import Statement

__all__ = [
    "AccessRequest",
    "Accommodation",
    "Answer",
    "ApprovalReminder",
    "Attempt",
    "Certificate",
    "CertificateReminder",
    "Delegation",
    "Enrolment",
    "LessonRead",
    "ModuleVersion",
    "StageDecision",
    "Statement",
]
