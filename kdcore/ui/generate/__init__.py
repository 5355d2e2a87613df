"""Panels of the Generate page."""
