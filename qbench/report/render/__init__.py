"""Renderers: each turns a report into text, a picture or lines on a terminal."""
