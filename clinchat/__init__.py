"""Wiring of ClinChat: settings, addresses, task queue. It holds no feature and imports nothing heavy."""

import gc

__version__ = "0.9.0"

# A start makes a hundred thousand objects that stay. To look through them every 700 of them was a fifth of its time.
gc.set_threshold(50_000, 20, 20)
