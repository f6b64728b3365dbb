"""How many runs each part of a study has: replicates go where they narrow what is shown.

All arms have as many pairs as were asked for. What each function adds has replicates until it is known as well as the
effect that it is a part of; its ranking over the ranges of reach, until chance has little of what is seen there; and
the screening has what these leave. All of it goes by counts of runs and by what they found, never by the clock, so that
the same seed has the same digits on any machine.
"""

from __future__ import annotations

from experiments.attribution import centres, to_run
from experiments.effect import PairedEffect, same_run
from experiments.methods import least_runs
from experiments.precision import UntilNarrow, UntilSteady
from experiments.questions import all_inputs, read_outcome
from results.drawing import Study

# Replicates at first and at most: of what each function adds, and at each point of the ranges of reach
FIRST_SHARES, MOST_SHARES = 30, 100
FIRST_RANKS, MOST_RANKS = 5, 20
CHANCE = 30.0  # over the number of pairs: what chance may have of the variance over the ranges of reach
RUNS = 125  # a pair, of all parts together: with a hundred pairs, about half of what they would have at their most
SCREENED, SCREENED_FOR = 45, "effect.adoption"  # runs of the screening a pair, at most, and what it is of


def share_replicates(centre: PairedEffect) -> int | UntilNarrow:
    """Until what a function adds is known as well as the effect that it is a part of: widths of intervals in living
    exchanges."""
    whole, most = centre["exchanges"], min(centre.pairs, MOST_SHARES)
    width = whole.ci_high - whole.ci_low
    return UntilNarrow(width, "exchanges", min(FIRST_SHARES, most), most) if width > 0.0 else most


def reach_replicates(pairs: int) -> UntilSteady:
    """Until chance has little of the variance over the ranges: three tenths with a hundred pairs, less with more."""
    most = min(pairs, MOST_RANKS)
    return UntilSteady(CHANCE / pairs, min(FIRST_RANKS, most), most)


def screening_runs(study: Study) -> int:
    """What the other parts have left of `RUNS` a pair; at least what a screening needs, unless pairs are too few for
    it (0), and at most `SCREENED` a pair."""
    scenario, pairs = study.scenario, study.arms.pairs
    most = SCREENED * min(pairs, MOST_SHARES)
    least = least_runs(len(all_inputs(scenario)), read_outcome(SCREENED_FOR, scenario))
    return min(max(RUNS * pairs - runs_so_far(study), least), most) if most >= least else 0


def runs_so_far(study: Study) -> int:
    """Of all parts but the posterior, which is asked for beside them."""
    arms, shares, ranks, over = study.arms, study.attribution, study.ranks, study.unmeasured
    runs = arms.pairs * len(set(map(same_run, arms.scenarios.values())))
    runs += shares[0].replicates * len(to_run(centres(study.scenario), arms)) if shares else 0
    runs += ranks.runs if ranks else 0
    return runs + (2 * over.points * over.replicates if over else 0)


def allocation_words(study: Study) -> str:
    """How many runs the parts of a study had, and why so many; empty where none was explained."""
    shares, ranks, screening = study.attribution, study.ranks, study.screening
    if not shares:
        return ""
    said = (
        f"Runs go where they narrow what is shown. What each function adds has {shares[0].replicates} replicates: as "
        f"many as make what a function adds as sure as the whole effect, from {FIRST_SHARES} to {MOST_SHARES} if "
        "there are as many pairs. "
    )
    if ranks is not None:
        said += (
            f"The ranges of reach have {ranks.replicates} at each point: as many as keep chance within "
            f"{100.0 * min(CHANCE / study.arms.pairs, 1.0):.3g} % of the variance over the points, from {FIRST_RANKS} "
            f"to {MOST_RANKS}. "
        )
    if screening is not None:
        said += f"The screening has {screening.runs} runs, of what these leave of {RUNS} a pair. "
    return said.rstrip()
