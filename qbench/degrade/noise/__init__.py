"""Noise of sensors and of other kinds, and pictures taken in little light."""
