"""The reference's numbers: float64 and numpy's legacy random stream, value for value where the stream is shared."""
