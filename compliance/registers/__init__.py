"""Registers that people keep beside what ClinChat can look up by itself. Each module is the only writer of its own.

Words that reach these services are masked already, by the forms; who changed what is on record through the triggers of
the tables (compliance.watched).
"""
