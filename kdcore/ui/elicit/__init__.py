"""Panels of the Elicit page."""
