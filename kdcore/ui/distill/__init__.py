"""Panels of the Distill page."""
