"""Codecs beside baseline JPEG, and the steps between two compressions: grid shift, resizing, cropping."""
