"""Restoring on trial, and the questions that a restored copy must answer."""
