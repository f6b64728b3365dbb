"""The study end to end: its files, its report and its honesty in the corner cases."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from abm.parameters import FUNCTIONS
from abm.scenario import load_scenario
from calibration.posterior import Posterior
from experiments.effect import WITH, WITHOUT
from results.figures import FIGURES
from results.report import command, inline_svg, typeset
from results.study import DOSES, make_study, run_study

pytestmark = pytest.mark.slow
REPLICATES, FEW, MONTHS = 41, 4, 30  # enough for a screening, and too few
REACHES = ("", ", low reach", ", high reach")
ARMS = {WITH, *(f"only {name}{end}" for name in FUNCTIONS for end in REACHES), *(f"{fte:g} FTE" for fte in DOSES)}
VOID = {"meta", "link", "br"}


def scenario(**overrides):
    return load_scenario("tiny", {name.replace("__", "."): value for name, value in overrides.items()}, months=MONTHS)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder of a study, and what it said to the terminal."""
    folder = tmp_path_factory.mktemp("study")
    return folder, make_study(scenario(), folder, replicates=REPLICATES, seed=7)


def page(one, folder, **options):
    make_study(one, folder, **{"replicates": FEW, "seed": 7} | options)
    return (folder / "report.html").read_text(encoding="utf-8")


def test_every_file_is_there_and_nothing_else(made):
    folder, _ = made
    files = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    tables = {"runs.parquet", "trajectories.parquet", "effects.csv", "functions.csv", "screening.csv"}
    tables |= {"increments.csv", "unmeasured.csv", "report.html", "manifest.json"}
    assert files == tables | {f"figures/{one.name}.{kind}" for one in FIGURES for kind in ("png", "svg")}
    assert all((folder / file).stat().st_size > 400 for file in files)


def test_tables_hold_every_arm_and_run(made):
    folder, _ = made
    runs, months = (pd.read_parquet(folder / f"{name}.parquet") for name in ("runs", "trajectories"))
    assert runs.groupby("arm").size().to_dict() == dict.fromkeys({*ARMS, WITHOUT}, REPLICATES)
    assert len(months) == 2 * REPLICATES * MONTHS
    assert set(months["month"]) == set(range(1, MONTHS + 1))
    ends = months[months["month"] == MONTHS].set_index(["arm", "replicate"])["exchanges"]
    again = runs.set_index(["arm", "replicate"]).loc[ends.index, "exchanges"]
    pd.testing.assert_series_equal(ends, again)
    assert runs.groupby("replicate")["seed"].nunique().eq(1).all()


def test_effects_are_the_differences_of_the_runs(made):
    folder, _ = made
    effects = pd.read_csv(folder / "effects.csv").set_index(["arm", "indicator"])
    assert set(effects.index.get_level_values("arm")) == ARMS
    runs = pd.read_parquet(folder / "runs.parquet").groupby("arm")["found_broker"].mean()
    for arm in ARMS:
        assert effects.loc[(arm, "found_broker"), "mean"] == pytest.approx(runs[arm] - runs[WITHOUT])
    assert effects.loc[(WITH, "found_broker"), "mean"] > 0
    assert effects.loc[("only meeting", "found_broker"), "mean"] == 0


def test_the_terminal_says_replicates_seed_and_what_the_ranking_rests_on(made):
    _, text = made
    assert f"{REPLICATES} pairs of runs, seed 7" in text
    assert f"mean of {REPLICATES} pairs, seed 7" in text
    assert "depends on the assumed reach of one FTE" in text
    for row in ("Brokerage", "Meeting place", "All together", "public cost, MSEK"):
        assert row in text


def test_report_asks_nothing_of_the_network(made):
    text = (made[0] / "report.html").read_text(encoding="utf-8")
    assert set(re.findall(r"\w+://[^/\"'\s<]+", text)) <= {"http://www.w3.org"}
    for forbidden in ("src=", "@import", "<script", "<iframe", "<style type"):
        assert forbidden not in text
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", text))
    assert all(target.startswith(("#", "data:")) for target in re.findall(r'href="([^"]*)"', text))
    assert "default-src 'none'" in text


class Outline(HTMLParser):
    """Collects ids, headings and labels, and checks that elements close in order."""

    def __init__(self):
        super().__init__()
        self.ids, self.references, self.headings, self.open, self.images = [], [], [], [], 0

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.references += [value[1:] for name, value in attrs if name.endswith("href") and value.startswith("#")]
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "svg":
            self.images += 1
            assert attributes["role"] == "img"
            assert len(attributes["aria-label"]) > 40
        if tag == "th":
            assert attributes["scope"] in ("row", "col")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_report_is_well_formed_and_accessible(made):
    text = (made[0] / "report.html").read_text(encoding="utf-8")
    outline = Outline()
    outline.feed(text)
    assert not outline.open
    assert len(outline.ids) == len(set(outline.ids))
    assert set(outline.references) <= set(outline.ids)
    assert outline.images == len(FIGURES)
    assert outline.headings[0] == 1
    assert outline.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(outline.headings, outline.headings[1:], strict=False))
    assert text.count("<table") == text.count("<caption")


def test_markup_in_names_is_escaped(tmp_path):
    one = scenario()
    town = one.region.municipality[0].model_copy(update={"name": "A <b>& $x$"})
    region = one.region.model_copy(update={"title": "<script>x</script>", "municipality": (town,)})
    made = replace(one, name="a <b>c", region=region.model_copy(update={"anchor": (), "utility": ()}))
    text = page(made, tmp_path, replicates=2)
    assert "<b>" not in text
    assert "<script" not in text
    assert "a &lt;b&gt;c" in text


def test_figures_are_the_same_bytes_again(made, tmp_path):
    make_study(scenario(), tmp_path, replicates=REPLICATES, seed=7, workers=1)
    for one in FIGURES:
        for kind in ("png", "svg"):
            file = f"figures/{one.name}.{kind}"
            assert (tmp_path / file).read_bytes() == (made[0] / file).read_bytes(), file


def test_no_centre_leaves_the_functions_out_and_says_why(made, tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "functions.png").write_text("of an earlier study")
    text = page(scenario(facilitator__fte=0.0), tmp_path)
    assert "Nobody works at a resource centre" in text
    assert "What each function does alone" not in text
    assert not (tmp_path / "figures" / "functions.png").exists()
    assert set(pd.read_csv(tmp_path / "effects.csv")["arm"]) == {WITH, *(f"{fte:g} FTE" for fte in DOSES)}


def test_a_centre_without_planned_staff_has_no_effect(tmp_path):
    text = page(scenario(facilitator__staff_path="0:0"), tmp_path)
    assert "Nobody works at a resource centre" in text
    assert "nan" not in text.lower().replace("finance", "").replace("financial", "")


def test_other_facilitators_and_interventions_are_said(tmp_path):
    file = tmp_path / "own.toml"
    file.write_text(
        'region = "tiny"\nmonths = 30\n[parameters]\nfacilitator.coordination = 0.5\ninterventions.grant.level = 0.2\n'
        '[[facilitator]]\nname = "business support"\nfte = 2\nstart = -24\n'
        "shares = { leadership = 0.2, knowledge = 0.4, policy = 0, brokerage = 0.4, meeting = 0 }\n"
    )
    text = page(load_scenario(file), tmp_path / "study")
    assert "In force with and without the centre: business support (2 FTE); investment grant 0.2 share" in " ".join(
        text.split()
    )
    assert f"kretslopp study {file}" in text.replace("&#39;", "'")
    manifest = json.loads((tmp_path / "study" / "manifest.json").read_text())
    assert manifest["facilitators"][0]["name"] == "business support"
    arms = set(pd.read_parquet(tmp_path / "study" / "runs.parquet")["arm"])
    assert not any("reach" in arm for arm in arms)  # it would be the others' reach as well


def test_one_pair_gives_no_interval(tmp_path):
    text = page(scenario(), tmp_path, replicates=1)
    assert "one pair of runs has no interval" in text
    assert "1 pair of runs, seed 7" in text
    assert not re.search(r"\bnan\b", text)


def test_an_interval_that_includes_zero_is_said_to(tmp_path):
    text = page(scenario(facilitator__fte=0.01), tmp_path)
    assert "the interval includes zero" in text


def test_manifest_lists_arms_and_comes_last(made):
    content = json.loads((made[0] / "manifest.json").read_text(encoding="utf-8"))
    assert content["arms"][:2] == [WITHOUT, WITH]
    assert content["replicates"] == REPLICATES
    newest = max(made[0].rglob("*.*"), key=lambda file: file.stat().st_mtime_ns)
    assert newest.name == "manifest.json"


def test_the_dose_of_the_scenario_is_the_centre_itself():
    study = run_study(scenario(facilitator__fte=4.0), replicates=FEW, seed=7, quick=True)
    np.testing.assert_array_equal(study.arms.end(WITH, "carbon"), study.arms.end("4 FTE", "carbon"))


def test_gross_cost_is_a_ratio_of_means(made):
    runs = pd.read_parquet(made[0] / "runs.parquet").groupby("arm")[["public_outlay", "carbon"]].mean().loc[WITH]
    study = run_study(scenario(), replicates=REPLICATES, seed=7, quick=True)  # the same runs of the arms
    assert study.centre.gross_cost.value == pytest.approx(1e6 * runs["public_outlay"] / runs["carbon"])


def test_command_names_what_differs_from_the_region():
    study = run_study(scenario(prices__volatility=2.0, facilitator__fte=3.0), replicates=2, seed=7)
    words = command(study)
    assert words.startswith("kretslopp study tiny --replicates 2 --months 30 --seed 7")
    assert "--set prices.volatility=2.0" in words
    assert "--set facilitator.fte=3.0" in words
    assert words.count("--set") == 2


def test_ids_of_a_figure_are_its_own():
    body = '<path id="a"/><use href="#a" clip-path="url(#b)"/></svg>'
    svg = f'<?xml version="1.0"?><svg viewBox="0 0 9 9" width="9pt">{body}'
    assert inline_svg(svg, "map", 'the "map"') == (
        '<svg role="img" aria-label="the &#34;map&#34;" xmlns="http://www.w3.org/2000/svg" '
        'xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9"><path id="map-a"/>'
        '<use href="#map-a" clip-path="url(#map-b)"/></svg>'
    )


def test_numbers_do_not_break():
    assert typeset("+3 (1 to 5)") == "+3 (1\u00a0to\u00a05)"
    assert (
        typeset("28 200 t CO2e and 12 %, seed 1 000") == "28\u00a0200\u00a0t\u00a0CO₂e and 12\u00a0%, seed 1\u00a0000"
    )


def test_a_posterior_gets_a_table_in_text_report_and_file(tmp_path):
    values = np.linspace(0.5, 2.0, 12)[:, None]
    posterior = Posterior("posterior.csv", ("transaction.multiplier",), values, np.full(12, 1 / 12))
    text = make_study(scenario(), tmp_path, replicates=FEW, seed=7, posterior=posterior)
    assert "10 draws from the posterior of 1 parameters, 40 pairs in all, seed 7" in " ".join(text.split())
    assert "What the parameters leave open" in (tmp_path / "report.html").read_text(encoding="utf-8")
    table = pd.read_csv(tmp_path / "posterior.csv").set_index("indicator")
    known = table.dropna(subset=["mean"])  # a share of nobody is not defined
    assert (known["ci_low"] <= known["ci_high"]).all()
    assert table["mean"].isna().equals(table["ci_low"].isna())
    assert table.loc["adoption", "pairs"] == 40
    assert "--posterior posterior.csv" in (tmp_path / "report.html").read_text(encoding="utf-8")
    make_study(scenario(), tmp_path, replicates=FEW, seed=7)
    assert not (tmp_path / "posterior.csv").exists()
