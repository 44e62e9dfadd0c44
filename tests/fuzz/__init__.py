"""Random input, of which nothing but an error in one line may come. `tox -e fuzz` tries much more of it.

The variable QBENCH_FUZZ is the number of examples of each test."""
