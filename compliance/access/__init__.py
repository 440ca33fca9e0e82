"""Who may do what: the policy, the decision and the doors that ask for it."""

from compliance.access.decisions import allows, clearance_needs, require, rule_for
from compliance.access.doors import door, public, works_read_only
from compliance.access.errors import Locked
from compliance.access.roles import POLICY, Action, Role, UnknownAction

__all__ = [
    "POLICY",
    "Action",
    "Locked",
    "Role",
    "UnknownAction",
    "allows",
    "clearance_needs",
    "door",
    "public",
    "require",
    "rule_for",
    "works_read_only",
]
