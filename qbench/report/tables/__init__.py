"""Tables: each a view of the grids of a run."""
