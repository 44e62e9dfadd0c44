"""Two or more runs, models or methods against each other, sample by sample; a run against a paper's figures."""
