"""The same corruptions in float32, tables and 16-bit draws: other pixels than the reference's, the same statistics."""
