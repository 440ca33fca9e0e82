"""The question bank in plain Python: what a module's files hold, drawing a form, grading, statistics. No Django.

An institution replaces the starter set in training/content/ with its own; docs/training.md describes the format.
"""
