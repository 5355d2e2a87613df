"""Panels of the Datasets page."""
