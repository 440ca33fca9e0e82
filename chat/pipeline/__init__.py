"""From a masked question to a recorded answer. Read run.py first."""
