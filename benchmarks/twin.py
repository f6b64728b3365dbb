"""How much faster is the engine than the same model written plainly in Mesa?"""

from __future__ import annotations

from abm.scenario import load_scenario
from abm.simulate import simulate
from benchmarks.report import Criterion, Result, Table
from benchmarks.timing import Effort, Subject, alternate
from tests.twin import RegionModel

ENGINE_RUNS = 20  # timed together, since one is too short


def measure(effort: Effort) -> Result:
    """The twin of the tests and the engine, on Östergötland and the same seed in each round, spin-up included."""
    scenario = load_scenario("ostergotland")

    def twin(seed: int) -> int:
        model = RegionModel(scenario, seed)
        model.run_model()
        return int(model.datacollector.model_vars["exchanges"][-1])

    def engine(seed: int) -> int:
        return [int(simulate(scenario, seed)["exchanges"][-1]) for _ in range(ENGINE_RUNS)][-1]

    engine(0)
    times = alternate(effort.rounds, {"twin": Subject(twin), "engine": Subject(engine, ENGINE_RUNS)})
    if times.answers["twin"] != times.answers["engine"]:
        raise ValueError(f"twin and engine do not agree on the exchanges at the horizon: {times.answers}")
    rows = tuple((name, times.spread(name), times.ratio("twin", name)) for name in times.seconds)
    months = scenario.spin_up_months + scenario.months
    return Result(
        "the plain Mesa model against the engine",
        (Table("One run of Östergötland", ("", "seconds", "twin takes so many times as long"), rows),),
        (
            f"`tests/twin` is the model written from MODEL.md as Mesa agents; both run the same {months} months of the "
            "same scenario and seed, a seed a round, and collect all indicators.",
            f"Exchanges at the horizon, the same in both: {', '.join(map(str, times.answers['engine']))}.",
        ),
        (Criterion("engine at least 100 times as fast as the twin", times.ratio("twin", "engine"), at_least=100.0),),
    )
