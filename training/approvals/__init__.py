"""Requests for access: who decides on them, in which order, and what that opens. Read transitions.py first."""
