"""Which sectors exchange with which, held against the cases that MAESTRI collected.

python -m results.sectorpairs FOLDER
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from abm.catalogue import catalogue
from abm.scenario import Scenario, load_scenario
from abm.simulate import simulate
from experiments.files import write_csv, write_text
from experiments.pairs import Ratio, fieller
from experiments.runner import replicate_seeds, run_all
from results import markdown
from results.regiontable import PAIRS, REGIONS, SEED

# Exchanges from donor to receiver (NACE divisions): all pairs with five or more of the 305 of MAESTRI's library of
# industrial symbiosis cases, own count; 32 of the 305 are within one division.
MAESTRI_TOTAL, MAESTRI_WITHIN = 305, 32
MAESTRI = {
    ("24", "23"): 21,
    ("20", "20"): 10,
    ("38", "24"): 9,
    ("35", "23"): 9,
    ("24", "20"): 9,
    ("19", "20"): 9,
    ("24", "24"): 6,
    ("20", "35"): 6,
    ("17", "20"): 6,
    ("10", "35"): 6,
    ("10", "20"): 6,
    ("10", "01"): 6,
    ("17", "23"): 5,
    ("11", "20"): 5,
}
DIVISIONS = {  # NACE Rev. 2
    "01": "farming",
    "10": "food",
    "11": "drinks",
    "17": "paper",
    "19": "refining",
    "20": "chemicals",
    "23": "cement, glass, stone",
    "24": "metals",
    "35": "energy",
    "38": "waste",
}
TOP = 10
BASIS = (
    f"Made by `make published` (`python -m results.sectorpairs`): living exchanges after 15 years with a centre of "
    f"4 FTE, {PAIRS} replicates a region, seed {SEED}; shares of sums over replicates with 95 % intervals (Fieller). "
    "Divisions of NACE Rev. 2. Observed: the cases of MAESTRI, 305 exchanges worth telling to somebody, no sample."
)


def pair_counts(scenario: Scenario, seed: int) -> np.ndarray:
    """Living exchanges at the horizon, shape (donor division, receiver division) of `divisions()`."""
    network, of = simulate(scenario, seed).network, _place_of_sector()
    counts = np.zeros((len(divisions()),) * 2)
    np.add.at(counts, (of[network.sector[network.supplier]], of[network.sector[network.receiver]]), 1.0)
    return counts


def divisions() -> list[str]:
    """NACE divisions of the model's sectors, in order."""
    return sorted({row.nace2 for row in catalogue().sectors})


def _place_of_sector() -> np.ndarray:
    return np.array([divisions().index(row.nace2) for row in catalogue().sectors])


def possible() -> set[tuple[str, str]]:
    """Pairs of divisions between which some by-product can go."""
    table, sectors = catalogue(), catalogue().sectors
    can = (table.supply_intensity > 0).astype(int).T @ (table.demand_intensity > 0).astype(int)
    return {(sectors[donor].nace2, sectors[receiver].nace2) for donor, receiver in np.argwhere(can)}


def pairs_frame(counts: np.ndarray) -> pd.DataFrame:
    """A row a pair that occurs or that MAESTRI has often; `counts` has shape (replicate, donor, receiver)."""
    names, can = divisions(), possible()
    rows = []
    for pair in sorted({*can, *MAESTRI}):
        seen = pair[0] in names and pair[1] in names
        of_pair = counts[:, names.index(pair[0]), names.index(pair[1])] if seen else np.zeros(len(counts))
        if of_pair.any() or pair in MAESTRI:
            share = fieller(of_pair, counts.sum(axis=(1, 2)), "share")
            rows.append(
                {
                    "donor": pair[0],
                    "receiver": pair[1],
                    "possible": pair in can,
                    "share": share.value,
                    "ci_low": share.ci_low,
                    "ci_high": share.ci_high,
                    "maestri": MAESTRI[pair] / MAESTRI_TOTAL if pair in MAESTRI else None,
                }
            )
    return pd.DataFrame(rows).sort_values(["share", "donor", "receiver"], ascending=[False, True, True])


def within(counts: np.ndarray) -> Ratio:
    """Share of exchanges within one division."""
    return fieller(np.trace(counts, axis1=1, axis2=2), counts.sum(axis=(1, 2)), "share")


def main(folder: Path) -> None:
    """Write sector_pairs.csv and sectors.md."""
    seeds = replicate_seeds(SEED, PAIRS)
    counts = {name: np.array(run_all(partial(pair_counts, load_scenario(name)), seeds)) for name in REGIONS}
    frames = {name: pairs_frame(found) for name, found in counts.items()}
    write_csv(folder / "sector_pairs.csv", pd.concat(frames, names=["region"]).reset_index("region"))
    write_text(folder / "sectors.md", "\n".join(_page(counts, frames)))


def _page(counts: dict[str, np.ndarray], frames: dict[str, pd.DataFrame]) -> list[str]:
    lines = ["# Which sectors exchange with which", "", BASIS, ""]
    lines += markdown.head(("region", "within one division", "metals to cement, glass, stone", "its rank"))
    shares = [f"{count / MAESTRI_TOTAL:.1%}" for count in (MAESTRI_WITHIN, MAESTRI["24", "23"])]
    lines.append(markdown.row(("MAESTRI", *shares, "1")))
    for name, frame in frames.items():
        place = list(zip(frame["donor"], frame["receiver"], strict=True)).index(("24", "23"))
        row, share = frame.iloc[place], within(counts[name])
        cement = _share(row["share"], row["ci_low"], row["ci_high"])
        inside = _share(share.value, share.ci_low, share.ci_high)
        title, rank = load_scenario(name).region.title, f"{place + 1} of {len(frame)}"
        lines.append(markdown.row((title, inside, cement, rank)))
    frame = frames[REGIONS[0]]
    lines += ["", f"## The commonest pairs in {load_scenario(REGIONS[0]).region.title}", "", *_pairs(frame.head(TOP))]
    told = frame[frame["maestri"].notna()].sort_values("maestri", ascending=False, kind="stable")
    lines += ["", "## MAESTRI's commonest pairs, there", "", *_pairs(told), "", _words(frame), ""]
    return lines


def _pairs(frame: pd.DataFrame) -> list[str]:
    lines = markdown.head(("donor", "receiver", "model", "MAESTRI"))
    for row in frame.to_dict("records"):
        model = _share(row["share"], row["ci_low"], row["ci_high"]) if row["possible"] else "no by-product"
        told = "under 1.6 %" if pd.isna(row["maestri"]) else f"{row['maestri']:.1%}"
        lines.append(markdown.row((_division(row["donor"]), _division(row["receiver"]), model, told)))
    return lines


def _words(frame: pd.DataFrame) -> str:
    often = frame[frame["maestri"].notna()]
    lacking = often[~often["possible"]]
    shared = often[often["share"] > 0.0]
    return (
        f"Of MAESTRI's {len(often)} commonest pairs the model can make {len(often) - len(lacking)} and makes "
        f"{len(shared)}; they are {often['share'].sum():.0%} of its exchanges there and {often['maestri'].sum():.0%} "
        "of MAESTRI's. The rest of the model's exchanges follow who is there: builders, metal goods, machines and "
        "wholesale are six in ten of the firms that are drawn, while MAESTRI's cases are heavy industry."
    )


def _share(value: float | None, low: float | None, high: float | None) -> str:
    if value is None or low is None or high is None:
        return "not defined"
    return f"{value:.1%} ({low:.1%} to {high:.1%})"


def _division(number: str) -> str:
    names = {row.nace2: row.name for row in reversed(catalogue().sectors)}
    return f"{number} {DIVISIONS.get(number, names.get(number, ''))}".strip()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
