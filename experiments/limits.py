"""How much is taken to be meant at all."""

MOST_RUNS = 1_000_000  # of one experiment
