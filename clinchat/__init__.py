"""Wiring of ClinChat: settings, addresses, task queue. It holds no feature and imports nothing heavy."""

__version__ = "0.9.0"
