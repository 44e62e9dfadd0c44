"""Leaderboards: records to tables, and tables to the terminal, Markdown, LaTeX, CSV, JSON and a picture.

Nothing here loads torch, and the same records give the same bytes."""
