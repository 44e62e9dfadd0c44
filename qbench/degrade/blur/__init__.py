"""Blur by motion, by defocus and by a Gaussian, and the loss of resolution."""
