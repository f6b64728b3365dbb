"""A decision rule of one's own for kretslopp: prospect theory.

Value function of Kahneman & Tversky (1979, doi:10.2307/1914185) with the median estimates of Tversky & Kahneman (1992,
doi:10.1007/BF00122574); the reference point is business as usual, so what the exchange earns is a gain and what must be
spent on it a loss.
"""

EXPONENT = 0.88  # diminishing sensitivity
LOSS_AVERSION = 2.25  # how much more a loss weighs than an equal gain


def prospect_theory(prospect):
    """Prospect theory: join if the gain is felt more strongly than the loss."""
    gain, loss = prospect.value, max(prospect.cost, 0.0)
    return gain**EXPONENT > LOSS_AVERSION * loss**EXPONENT
