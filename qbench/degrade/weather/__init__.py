"""Haze and rain."""
