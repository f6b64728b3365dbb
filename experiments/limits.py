"""How much is taken to be meant at all."""

MOST_RUNS = 1_000_000  # of one experiment
LARGEST_SEED = 2**63 - 1  # as abm.chance.checked_seed has it; here for what must not load the model
