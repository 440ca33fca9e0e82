"""Compliance as executable checks: the catalogue, the checks, what they found, and the score that follows."""
