"""Broken inputs, each with the line that it must give and the exit code.

Each module `kind_*.py` holds the cases of one kind of fault in `CASES`; `test_corpus.py` runs them all."""
