"""Fitting prices: known likelihoods, files right and wrong, checks, and parameters that are found again."""

from __future__ import annotations

import json
import math
import os
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.optimize import check_grad
from scipy.signal import lfilter
from scipy.stats import binom, multivariate_normal
from statsmodels.tsa.stattools import adfuller

from abm.catalogue import COMMODITY, COMMODITY_NUMBERS, Commodity, DataError
from abm.parameters import record
from abm.prices import processes
from abm.scenario import load_scenario
from calibration import pricecheck
from calibration.commodities import LINKS, remake
from calibration.correlations import correlation, one_factor, positive_definite
from calibration.likelihood import components, log_likelihood, log_mean, objective
from calibration.pricecheck import check
from calibration.pricefile import choose, month_number, read_table
from calibration.pricerecovery import TRUTHS, Truth, recovery, simulated
from calibration.prices import NUMBERS, fit, simulated_ahead
from calibration.priceseries import Series, Window, make_deflator, make_series, read_window
from calibration.unitroot import dickey_fuller, tail
from results.pricefits import fits_dict, fits_text, prices_toml
from tests.processes import call

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("KRETSLOPP_SHARED", ROOT.parent / "shared")) / "data"
PINK = SHARED / "worldbank_pinksheet_monthly_nominal_usd_1960_2026.csv"
CPI = SHARED / "us_cpi_monthly_1913_2026.csv"
needs_data = pytest.mark.skipif(not PINK.exists(), reason="price data is not here")
GAPS = np.array([0, 1, 1, 3, 1, 1, 2, 0, 1, 1])
TRUTH = TRUTHS[0]


def _logs(size: int, seed: int = 1) -> np.ndarray:
    return np.cumsum(0.1 * np.random.default_rng(seed).standard_normal(size))


def _month(number: int) -> str:
    return f"{1996 + number // 12}-{number % 12 + 1:02d}"


def _write(file: Path, columns: dict[str, np.ndarray], months: int | None = None) -> Path:
    length = months or len(next(iter(columns.values())))
    frame = pd.DataFrame({name: values[:length] for name, values in columns.items()})
    frame.insert(0, "date", [_month(number) for number in range(length)])
    frame.to_csv(file, index=False)
    return file


@pytest.fixture(scope="module")
def known() -> Series:
    return simulated(TRUTH, 3)


# -- likelihood


def test_without_jumps_it_is_the_normal_density() -> None:
    """Of a stationary process seen with gaps: covariance a^distance s^2 / (1 - a^2), pieces independent."""
    mu, a, q, y = 0.3, 0.9, 0.04, _logs(GAPS.size)
    total, information = 0.0, 0.0
    for piece in (slice(0, 7), slice(7, 10)):
        months = np.cumsum(GAPS[piece])
        covariance = q / (1.0 - a * a) * a ** np.abs(months[:, None] - months)
        total += multivariate_normal.logpdf(y[piece], np.full(months.size, mu), covariance)
        information += np.linalg.inv(covariance).sum()
    assert log_likelihood(mu, a, q, 0.0, 0.1, y, GAPS, False)[0] == pytest.approx(total)
    restricted = log_likelihood(mu, a, q, 0.0, 0.1, y, GAPS, True)[0]
    assert restricted == pytest.approx(total - 0.5 * math.log(information))


def test_a_gap_sums_over_when_jumps_were() -> None:
    """Three months of the mixture: weights, variance, and the density against simulation-free convolution of two."""
    a, q, p, v = 0.9, 0.01, 0.2, 0.3
    parts = components(3, a, q, p, v)
    assert parts[:, 5].sum() == pytest.approx(1.0)
    memory = 1.0 + a**2 + a**4
    assert parts[:, 5] @ parts[:, 1] == pytest.approx((q + p * v) * memory)
    grid = np.linspace(-9.0, 9.0, 4001)  # the month between two values, integrated out by hand

    def density(e: np.ndarray) -> np.ndarray:
        one = components(1, a, q, p, v)
        return sum(row[5] * np.exp(-0.5 * e**2 / row[1]) / np.sqrt(2 * np.pi * row[1]) for row in one)

    by_hand = np.trapezoid(density(grid - a * 0.4) * density(0.7 - a * grid), grid)
    two = components(2, a, q, p, v)
    e = 0.7 - a**2 * 0.4
    mixture = sum(row[5] * np.exp(-0.5 * e**2 / row[1]) / np.sqrt(2 * np.pi * row[1]) for row in two)
    assert mixture == pytest.approx(by_hand, rel=1e-6)


@pytest.mark.parametrize("restricted", [False, True])
@pytest.mark.parametrize("of_price", [False, True])
def test_slopes(restricted: bool, of_price: bool) -> None:
    y, theta = _logs(GAPS.size), np.array([0.1, math.log(0.4), math.log(0.3), math.log(0.5), math.log(0.2)])
    error = check_grad(
        lambda one: objective(one, y, GAPS, restricted, of_price)[0],
        lambda one: objective(one, y, GAPS, restricted, of_price)[1],
        theta,
    )
    assert error < 1e-4


def test_mean_price_is_the_model_s() -> None:
    """The correction between mean log price and mean price is that of abm/prices.py."""
    rows = np.zeros(1, COMMODITY)
    for name, value in {"price": 1.0, "volatility": 0.3, "half_life": 4.0, "jump_rate": 0.4, "jump_sd": 0.5}.items():
        rows[name] = value
    process = processes(rows, record(dict(load_scenario("tiny").values))["prices"], 10.0)
    kappa = math.log(2.0) / 4.0
    value, _ = log_mean(kappa, 0.3, math.exp(-kappa / 12.0), 0.4 / 12.0, 0.25)
    assert value == pytest.approx(process["mean"][0], rel=1e-6)


# -- estimates


@pytest.mark.slow
def test_restricted_likelihood_takes_off_bias() -> None:
    """Without jumps, 40 series of 20 years: the uncorrected half-life is too short, by more than the corrected one.

    Series by series, so that chance between series plays no part.
    """
    truth = Truth("no jumps", 100.0, 0.2, 3.0, 0.0, 0.0)
    fits = [fit(simulated(truth, seed, 240)) for seed in range(1, 41)]
    corrected = np.array([one["half_life_years"].value for one in fits])
    raw = np.array([one.half_life_uncorrected for one in fits])
    assert np.all(corrected >= raw - 1e-3)
    assert np.median(raw) < np.median(corrected) < 4.5
    assert sum("jumps_not_preferred" in one.flags for one in fits) >= 38  # of the criterion: 1 % at most, 40 series


def test_jumps_are_found(known: Series) -> None:
    found = fit(known)
    assert "jumps_not_preferred" not in found.flags
    for name, value in zip(NUMBERS, TRUTH.values, strict=True):
        one = found[name]
        assert one.low is not None
        assert one.low <= one.value
        assert one.high is None or one.value <= one.high
        assert one.low <= value <= (one.high or math.inf)  # this seed: in 95 of 100
    expected = math.sqrt(0.25**2 + 0.23 * 0.32**2)
    assert found.total_volatility == pytest.approx(expected, rel=0.25)
    assert np.std(found.scores) == pytest.approx(1.0, abs=0.15)  # 4 standard errors of 364 normal numbers


def test_the_unit_of_a_price_moves_its_mean_only(known: Series) -> None:
    one, other = fit(known), fit(Series("x", "u", known.months, known.logs + math.log(50.0), ()))
    assert other["long_run_mean"].value == pytest.approx(50.0 * one["long_run_mean"].value, rel=2e-3)
    for name in NUMBERS[1:]:
        assert other[name].value == pytest.approx(one[name].value, rel=5e-3)


def test_missing_months_are_no_obstacle(known: Series) -> None:
    """A tenth of the months left out: the same parameters but for what was lost, well inside the intervals."""
    keep = np.random.default_rng(5).random(known.months.size) > 0.1
    thinned = Series("x", "u", known.months[keep], known.logs[keep], ())
    whole, part = fit(known), fit(thinned)
    assert thinned.gaps.max() > 1
    assert part["volatility"].value == pytest.approx(whole["volatility"].value, rel=0.08)
    assert whole["half_life_years"].low <= part["half_life_years"].value <= (whole["half_life_years"].high or math.inf)


def test_fan_settles_at_the_long_run_mean(known: Series) -> None:
    found = fit(known)
    last = np.exp(simulated_ahead(found, 600, 4000, 1)[:, -1])
    mean = found["long_run_mean"].value
    assert abs(last.mean() - mean) < 4.0 * last.std() / math.sqrt(last.size)


@pytest.mark.slow
@pytest.mark.parametrize("truth", TRUTHS[:2], ids=lambda truth: truth.name)
def test_intervals_hold_the_truth(truth: Truth) -> None:
    """In 60 repetitions; the kept table has 500. A coverage of 90 % would fall below 3 standard errors 1 in 700."""
    table = recovery(truth, 60, seed=21)
    assert np.all(table["coverage"] >= 0.90 - 3.0 * math.sqrt(0.9 * 0.1 / 60))


@pytest.mark.slow
def test_monthly_averages_of_a_daily_price() -> None:
    """Volatility is sqrt(2/3) of the spot price's (Working 1960), returns are autocorrelated, half-lives still held."""
    repetitions, days, months, kappa, volatility = 40, 21, 365, math.log(2.0) / 3.0, 0.25
    random, a = np.random.default_rng(3), math.exp(-kappa / 12.0 / days)
    shocks = random.standard_normal((repetitions, days * months)) * volatility / math.sqrt(2.0 * kappa)
    shocks[:, 1:] *= math.sqrt(1.0 - a * a)  # the first is the stationary law's
    prices = np.exp(lfilter([1.0], [1.0, -a], shocks, axis=1)).reshape(repetitions, months, days).mean(axis=2)
    fits = [fit(Series("x", "u", 12 * 1996 + np.arange(months), np.log(path), ())) for path in prices]
    ratio = np.array([one.total_volatility for one in fits]).mean() / volatility
    assert ratio == pytest.approx(math.sqrt(2.0 / 3.0), abs=0.02)  # one series: 4 %
    assert np.mean([one.series.autocorrelation for one in fits]) == pytest.approx(0.25, abs=4 * 0.05 / math.sqrt(40))
    ends = [(one["half_life_years"].low or 0.0, one["half_life_years"].high or math.inf) for one in fits]
    assert np.mean([low <= 3.0 <= high for low, high in ends]) >= 0.90 - 3.0 * math.sqrt(0.9 * 0.1 / repetitions)


def test_kept_table_of_recovery_holds_what_is_promised() -> None:
    table = pd.read_csv(ROOT / "results" / "published" / "prices" / "recovery.csv")
    assert set(table["parameter"]) == set(NUMBERS)
    assert set(table["case"]) == {truth.name for truth in TRUTHS}
    assert (table["repetitions"] >= 500).all()
    assert table["coverage"].between(0.90, 0.98).all()


# -- unit root, correlation


def test_unit_root_p_values() -> None:
    """Asymptotic critical values with a constant: -3.43, -2.86, -2.57 (MacKinnon 2010, table 1)."""
    for statistic, level in ((-3.43035, 0.01), (-2.86154, 0.05), (-2.56677, 0.10)):
        assert tail(statistic) == pytest.approx(level, rel=0.03)
    stationary = simulated(TRUTHS[2], 1, 600).monthly
    test = dickey_fuller(stationary)
    assert test is not None
    assert test.p < 0.01
    walk = dickey_fuller(_logs(400, seed=4))
    assert walk is not None
    assert walk.p > 0.05
    assert dickey_fuller(np.full(30, np.nan)) is None


def _autoregressive(random: np.random.Generator, size: int, phi: float, shocks: str) -> np.ndarray:
    """A series with a half-life set by `phi` and shocks that are normal, fat-tailed or a moving average."""
    drawn = random.standard_t(3, size + 2) if shocks == "fat" else random.standard_normal(size + 2)
    if shocks == "averaged":
        drawn[2:] += 0.6 * drawn[1:-1] + 0.3 * drawn[:-2]
    return lfilter([1.0], [1.0, -phi], drawn[2:])


@pytest.mark.parametrize("shocks", ["normal", "fat", "averaged"])
@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9, 0.97, 1.0])
def test_unit_root_is_that_of_statsmodels(phi: float, shocks: str) -> None:
    """Statistic, p-value and lags of the maintained package at its own choice of the largest lag, to 1e-9."""
    random = np.random.default_rng([int(100 * phi), len(shocks)])
    for size in (61, 90, 150, 365, 800):
        for level, trend in ((0.0, 0.0), (8.0, 0.02)):
            values = 0.1 * _autoregressive(random, size, phi, shocks) + level + trend * np.arange(size)
            ours = dickey_fuller(values)
            theirs = adfuller(values, regression="c", autolag="BIC", result_object=True)
            assert ours is not None
            assert ours.lags == theirs.lags
            assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-9, abs=1e-9)
            assert ours.p == pytest.approx(theirs.pvalue, abs=1e-9)


def test_unit_root_takes_all_equations_that_the_lags_leave() -> None:
    """Gaps take out the equations they touch, no more; where nothing can be tested there is no verdict."""
    values = _autoregressive(np.random.default_rng(2), 200, 0.5, "normal")
    holes = values.copy()
    holes[[60, 130]] = np.nan
    whole, gappy = dickey_fuller(values), dickey_fuller(holes)
    assert whole is not None
    assert gappy is not None
    assert whole.lags == gappy.lags == 0
    change, before = np.diff(holes), holes[:-1]
    there = np.isfinite(change)
    slope = stats.linregress(before[there], change[there])
    assert gappy.statistic == pytest.approx(slope.slope / slope.stderr, rel=1e-9)
    assert dickey_fuller(np.full(100, 3.0)) is None
    assert dickey_fuller(0.01 * np.arange(100.0)) is None  # a price that grows by the same every month
    assert dickey_fuller(np.zeros(1)) is None


def test_nearest_correlation_matrix() -> None:
    """The example of Higham (2002), section 4."""
    nearest = positive_definite(np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]]))
    assert nearest == pytest.approx(
        np.array([[1.0, 0.7607, 0.1573], [0.7607, 1.0, 0.7607], [0.1573, 0.7607, 1.0]]), abs=1e-4
    )
    assert np.linalg.eigvalsh(nearest)[0] > 0.0
    assert positive_definite(np.eye(2)) == pytest.approx(np.eye(2))


def test_loadings_are_those_of_one_factor() -> None:
    loadings = np.array([0.7, 0.5, 0.3, -0.2])
    matrix = np.outer(loadings, loadings)
    np.fill_diagonal(matrix, 1.0)
    assert one_factor(matrix) == pytest.approx(loadings, abs=1e-6)


def test_correlation_is_pairwise() -> None:
    """Over the months that both have; too few of them: unknown, and nothing is made of it."""
    draws = np.random.default_rng(2).standard_normal((2, 400))
    one = dict(enumerate(draws[0]))
    two = {month: 0.6 * draws[0, month] + 0.8 * draws[1, month] for month in range(100, 400)}
    links = correlation({"one": one, "two": two, "short": dict(list(one.items())[:20])})
    assert links.matrix[1, 0] == pytest.approx(0.6, abs=4 * 0.64 / math.sqrt(300))
    assert links.unknown == 2
    assert links.matrix[2, 0] == 0.0


# -- files


@pytest.mark.parametrize("text", ["1996-03", "1996-03-01", "1996M03", "1996m3", "1996/03/15", "1996-03-01 00:00:00"])
def test_dates(text: str) -> None:
    assert month_number(text) == 12 * 1996 + 2


@pytest.mark.parametrize("text", ["", None, "1996", "1996-13", "March 1996", 3.5])
def test_no_dates(text: object) -> None:
    assert month_number(text) is None


def _workbook(file: Path, prices: dict[str, np.ndarray], first_year: int = 1996) -> Path:
    """The official layout: a title block, names, units, rows like 1960M01, an ellipsis where nothing is."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.title = "AFOSHEET"
    sheet = book.create_sheet("Monthly Prices")
    for line in ("World Bank Commodity Price Data (The Pink Sheet)", "monthly prices in US dollars", "", "Updated"):
        sheet.append([line])
    sheet.append([None, *(f"{name} **" for name in prices)])
    sheet.append([None, *("($/mt)" for _ in prices)])
    for number in range(len(next(iter(prices.values())))):
        cells = [values[number] if np.isfinite(values[number]) else "…" for values in prices.values()]
        sheet.append([f"{first_year + number // 12}M{number % 12 + 1:02d}", *map(_plain, cells)])
    book.save(file)
    return file


def _plain(cell: object) -> object:
    return float(cell) if isinstance(cell, np.floating) else cell


def test_workbook_and_table_give_the_same(tmp_path: Path) -> None:
    prices = {"Iron ore, cfr spot": np.exp(_logs(80)), "Zinc": np.exp(_logs(80, 2))}
    prices["Zinc"][10] = np.nan
    book = read_table(_workbook(tmp_path / "CMO.xlsx", prices))
    plain = read_table(_write(tmp_path / "table.csv", prices))
    assert list(book.columns) == list(plain.columns) == list(prices)
    assert book.units == dict.fromkeys(prices, "($/mt)")
    np.testing.assert_array_equal(book.months, plain.months)
    for name in prices:
        np.testing.assert_allclose(book.numbers(name), plain.numbers(name))


def test_semicolons_and_decimal_commas(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text("Månad;Järnmalm;Zink\n1996-01;1 234,5;..\n1996-02;2,5;3\n\nKälla: någon;;\n", encoding="utf-8-sig")
    table = read_table(file)
    assert table.numbers("Järnmalm").tolist() == [1234.5, 2.5]
    assert math.isnan(table.numbers("Zink")[0])


def test_names_with_commas(tmp_path: Path) -> None:
    table = read_table(_write(tmp_path / "t.csv", dict.fromkeys(["Iron ore, cfr spot", "Zinc"], np.ones(3))))
    assert choose(table, ["zinc,Iron ore, cfr spot"]) == ["Zinc", "Iron ore, cfr spot"]
    with pytest.raises(DataError, match=r"'Iron ore, cfr sport'.*did you mean Iron ore, cfr spot\?"):
        choose(table, ["Iron ore, cfr sport,Zinc"])


GOOD = [f"{_month(number)},{100 + number % 7},{50 + number % 5}" for number in range(72)]


def _changed(row: int, text: str) -> str:
    return "\n".join(["date,a,b", *GOOD[:row], text, *GOOD[row + 1 :]])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("date,a\nfirst,1\nsecond,2\n", "row 2: no dates in the first column"),
        ("1996-01,1\n1996-02,2\n", "no row with the names"),
        (_changed(9, "1996-10,many,55"), "row 11: a: 'many' is not a number"),
        (_changed(9, "1996-10,-3,55"), "row 11: a: -3 is not above 0"),
        (_changed(9, "1996-10,104,0"), "row 11: b: 0 is not above 0"),
        (_changed(9, "1996-09,104,55"), "row 11: 1996-09 is there twice"),
        (_changed(9, "1996-03,104,55"), "row 11: 1996-03 comes after 1996-09"),
        (_changed(9, "October,104,55"), "row 11: date 'October' is not understood"),
        (_changed(9, "1996-10,104,55,9"), "row 11: 4 cells, but 3 columns"),
        (_changed(9, "1996-10,inf,55"), "row 11: a: 'inf' is not a number"),
        ("\n".join(["date,a,b", *GOOD[:59]]), "under 5 years"),
        ("\n".join(["date,a,a", *GOOD]), "'a' is there twice"),
        ("\n".join(["date,a", *(f"{_month(number)},7" for number in range(72))]), "a: the price never changes"),
    ],
)
def test_wrong_files_are_one_line(tmp_path: Path, content: str, expected: str) -> None:
    file = tmp_path / "prices.csv"
    file.write_text(content, encoding="utf-8")
    ended = call("prices", "fit", str(file), cwd=tmp_path)
    assert ended.returncode == 2
    assert len(ended.stderr.strip().splitlines()) == 1
    assert expected in ended.stderr
    assert ended.stdout == ""
    assert [one.name for one in tmp_path.iterdir()] == ["prices.csv"]  # nothing was started


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--series", "bb"], "did you mean b?"),
        (["--from", "spring"], "--from spring"),
        (["--from", "2000"], "under 5 years"),
        (["--from", "1996", "--to", "1999"], "under 5 years"),
        (["--deflator", "cpi.csv"], "cpi.csv: no such file"),
        (["--units", "units.csv"], "units.csv: no such file"),
        (["--out", os.devnull], "--out"),
    ],
)
def test_wrong_options_are_one_line(tmp_path: Path, options: list[str], expected: str) -> None:
    (tmp_path / "prices.csv").write_text("\n".join(["date,a,b", *GOOD]), encoding="utf-8")
    ended = call("prices", "fit", "prices.csv", *options, cwd=tmp_path)
    assert (ended.returncode, len(ended.stderr.strip().splitlines())) == (2, 1)
    assert expected in ended.stderr


def test_a_workbook_that_is_none(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    (tmp_path / "x.xlsx").write_text("date,a\n")
    with pytest.raises(DataError, match="cannot be read as XLSX"):
        read_table(tmp_path / "x.xlsx")
    with pytest.raises(DataError, match="no such file"):
        read_table(tmp_path / "y.xlsx")


# -- checks


def _checked(tmp_path: Path, prices: np.ndarray) -> tuple[str, ...]:
    table = read_table(_write(tmp_path / "t.csv", {"a": prices}))
    window = Window(int(table.months[0]), int(table.months[-1]))
    (series,), _ = make_series(table, window, None, {"a": "USD/t"}, None)
    return series.flags


def test_checks_see_what_is_odd(tmp_path: Path) -> None:
    sound = np.exp(0.5 * _logs(200))
    assert _checked(tmp_path, sound) == ("nominal",)
    broken = np.where(np.arange(200) < 120, sound, 5.0 * sound)
    assert "splice: 2006-01" in _checked(tmp_path, broken)
    spike = sound.copy()
    spike[120] *= 5.0  # comes back at once: a jump, not a splice
    assert not any(flag.startswith("splice") for flag in _checked(tmp_path, spike))
    holes = sound.copy()
    holes[[50, 51, 90]] = np.nan
    assert "missing_months: 3" in _checked(tmp_path, holes)
    yearly = np.repeat(sound[:17], 12)[:200]
    assert any(flag.startswith("contract_quotes: 92 %") for flag in _checked(tmp_path, yearly))
    before = np.r_[yearly[:72], sound[:125]]
    assert "contract_start_left_out: before 2002-01" in _checked(tmp_path, before)
    assert any(flag == "short: 80 months" for flag in _checked(tmp_path, sound[:80]))


def test_short_series_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    short = np.full(100, np.nan)
    short[60:] = np.exp(_logs(40))
    table = read_table(_write(tmp_path / "t.csv", {"a": np.exp(_logs(100)), "b": short}))
    window = Window(int(table.months[0]), int(table.months[-1]))
    kept, left_out = make_series(table, window, None, {}, None)
    assert [one.name for one in kept] == ["a"]
    assert "under 5 years" in left_out["b"]
    with pytest.raises(DataError, match="b: 40 months"):
        make_series(table, window, None, {}, ["b"])


def test_deflator(tmp_path: Path) -> None:
    """A nominal price that follows the index is constant in real terms; a missing month is interpolated and said."""
    index = 100.0 * 1.002 ** np.arange(120)
    level = make_deflator(read_table(_write(tmp_path / "cpi.csv", {"Index": index, "Inflation": index})), 2000)
    months = 12 * 1996 + np.arange(120)
    real = np.log(index) - level.at(months)
    assert np.ptp(real) == pytest.approx(0.0, abs=1e-12)
    assert np.exp(real[0]) == pytest.approx(index[48:60].mean())
    assert math.isnan(level.at(np.array([12 * 1990]))[0])
    index[30] = np.nan
    gap = make_deflator(read_table(_write(tmp_path / "gap.csv", {"Index": index})), 2000)
    assert gap.filled == ("1998-07",)
    np.testing.assert_allclose(gap.at(months), level.at(months), atol=1e-12)
    index[31:34] = np.nan
    with pytest.raises(DataError, match="no index for 4 months after 1998-06"):
        make_deflator(read_table(_write(tmp_path / "gap.csv", {"Index": index})), 2000)
    with pytest.raises(DataError, match=r"base_year 2024: .* has 0 of its 12 months"):
        make_deflator(read_table(tmp_path / "cpi.csv"), 2024)


def test_windows() -> None:
    assert read_window("1996", "2023") == Window(12 * 1996, 12 * 2023 + 11)
    assert read_window("1996-05", "2023-10") == Window(12 * 1996 + 4, 12 * 2023 + 9)


# -- what is written


def test_command_writes_rows_that_the_model_reads(tmp_path: Path) -> None:
    prices = {"Iron ore, cfr spot": 100 * np.exp(_logs(200)), "Zinc": 2000 * np.exp(_logs(200, 2))}
    _write(tmp_path / "pink_prices.csv", prices)
    _write(tmp_path / "cpi.csv", {"Index": 100.0 * 1.002 ** np.arange(190)})
    (tmp_path / "pink_units.csv").write_text('series,unit\n"Iron ore, cfr spot",USD/t\n')
    options = ["--deflator", "cpi.csv", "--base-year", "2000", "--out", "o", "--json"]
    ended = call("prices", "fit", "pink_prices.csv", *options, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "the window ends in 2011-10, with the deflator" in ended.stderr
    found = json.loads(ended.stdout)
    assert set(found["series"]) == set(prices)
    for one in found["series"].values():
        for name in NUMBERS:
            assert isinstance(one[name], float)
            assert {f"{name}_se", f"{name}_low", f"{name}_high"} <= set(one)
        assert isinstance(one["flags"], list)
        assert one["total_volatility"] == pytest.approx(
            math.sqrt(one["volatility"] ** 2 + one["jump_rate"] * one["jump_sd"] ** 2)
        )
    assert found["series"]["Zinc"]["unit"] == "unknown"
    assert "unit_unknown" in found["series"]["Zinc"]["flags"]
    assert found["series"]["Iron ore, cfr spot"]["unit"] == "USD/t"
    written = {one.name for one in (tmp_path / "o").iterdir()}
    tables = {"fits.csv", "correlation.csv", "checks.csv", "prices.toml", "manifest.json"}
    assert tables | {"prices-1.png", "prices-1.svg"} == written
    rows = tomllib.loads((tmp_path / "o" / "prices.toml").read_text(encoding="utf-8"))["commodity"]
    assert [Commodity(**row).id for row in rows] == ["iron_ore_cfr_spot", "zinc"]
    assert rows[1]["price"] == pytest.approx(found["series"]["Zinc"]["long_run_mean"], rel=1e-3)
    table = pd.read_csv(tmp_path / "o" / "fits.csv")
    assert table["volatility"].tolist() == pytest.approx([one["volatility"] for one in found["series"].values()])
    assert json.loads((tmp_path / "o" / "manifest.json").read_text())["kind"] == "price fit"


def test_texts_say_what_is_not_known(known: Series) -> None:
    fits = [fit(known)]
    links = correlation({known.name: fits[0].shocks})
    text = fits_text(fits, links, [], {"b": "too short"}, "prices.csv.")
    assert "half_life_weakly_identified" in text or fits[0]["half_life_years"].high is not None
    assert "b: left out, too short" in text
    assert tomllib.loads(prices_toml(fits, links, "basis", "prices.csv"))["commodity"][0]["loading"] == 0.0
    json.dumps(fits_dict(fits, links, {}, {}), allow_nan=False)


def test_linked_commodities_are_there() -> None:
    content = tomllib.loads(LINKS.read_text(encoding="utf-8"))
    from abm.catalogue import catalogue

    ids = {row.id for row in catalogue().commodity_rows}
    assert {row["id"] for row in content["link"]} <= ids
    assert {row["series"] for row in content["link"]} <= set(content["factor"])


# -- the World Bank's prices, where they are


@needs_data
def test_total_volatilities_of_the_evidence(tmp_path: Path) -> None:
    """Within 10 % of sqrt(12) times the standard deviation of monthly log returns, as the evidence has them."""
    expected = {
        "Aluminum": 0.16300994078386277,
        "Copper": 0.20737274561813767,
        "Iron ore, cfr spot": 0.3363079765286141,
        "Natural gas, Europe": 0.38197179419600974,
        "Urea": 0.40900839215398854,
    }
    names = ",".join(expected)
    ended = call("prices", "fit", str(PINK), "--deflator", str(CPI), "--series", names, "--json", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    series = json.loads(ended.stdout)["series"]
    for name, value in expected.items():
        assert series[name]["total_volatility"] == pytest.approx(value, rel=0.10), name
    assert series["Iron ore, cfr spot"]["start"] == "2006-01"
    assert series["Iron ore, cfr spot"]["unit"] == "($/dmtu)"


@needs_data
def test_oddities_of_the_pink_sheet() -> None:
    table = read_table(PINK)
    window = Window(12 * 1996, 12 * 2026 + 4)
    series, left_out = make_series(table, window, make_deflator(read_table(CPI), 2024), {}, None)
    assert len(series) + len(left_out) == 71
    flags = {one.name: one.flags for one in series}
    assert "splice: 2023-12" in flags["Phosphate rock"]  # 2023-11 is missing
    assert any(flag.startswith("contract_quotes") for flag in flags["Potassium chloride"])
    assert "missing_months: 7" in flags["Wheat, US SRW"]
    broken = {name for name, found in flags.items() if any(flag.startswith("splice") for flag in found)}
    assert len(broken) <= 4  # crises are no splices


@needs_data
@pytest.mark.slow
def test_shipped_rows_are_the_printed_ones() -> None:
    """What the file gives is what is shipped, to the digits that are printed."""
    for one in remake(PINK, CPI):
        row = Commodity(**tomllib.loads(one.row())["commodity"][0])
        for number in COMMODITY_NUMBERS:
            assert getattr(one.shipped, number) == pytest.approx(getattr(row, number), rel=1e-3), one.link.id
        mean = one.shipped.price if one.link.factor is None else one.link.factor * one.fit.window_mean
        assert row.price == pytest.approx(mean, rel=1e-3)
        at_bound = "half_life_at_bound" in one.fit.flags
        assert row.half_life == pytest.approx(3.5 if at_bound else one.fit["half_life_years"].value, rel=1e-3)


# -- does history behave as the fitted process?


@pytest.mark.slow
def test_checks_hold_for_the_process_itself_and_not_for_another():
    """A history of the process is within 95 % of paths of its fit for most properties; a trend or averages are not."""
    found = [one for seed in range(12) for one in check(fit(simulated(TRUTHS[2], seed)))]
    held = sum(one.holds for one in found)
    assert held >= binom.ppf(0.001, len(found), 0.9)  # fitted to that history, so rather more than 95 %
    smooth = simulated(TRUTHS[2], 1)
    averaged = np.convolve(smooth.logs, np.ones(3) / 3, mode="valid")
    series = replace(smooth, months=smooth.months[1:-1], logs=averaged)
    names = {one.name: one for one in check(fit(series))}
    assert not names["return_autocorrelation"].holds
    assert names["return_autocorrelation"].history > 0.4


def test_excursions_and_autocorrelations_of_known_paths():
    flat = np.tile([0.0, 0.0, 0.0, 1.0], 30)[None]
    assert pricecheck.excursions(flat)[0] == pytest.approx(0.25)
    wave = np.sin(2 * np.pi * np.arange(600) / 12)[None]
    assert pricecheck.autocorrelation(wave)[0] == pytest.approx(1.0, abs=0.01)
    assert pricecheck.largest_month(flat)[0] == 1.0
    assert pricecheck.variance(wave)[0] == pytest.approx(0.5, abs=0.01)
