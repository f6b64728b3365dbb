"""The report of a study: one HTML page that asks nothing of the network and reads without the code at hand."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from abm.catalogue import catalogue
from abm.parameters import BY_NAME, JUDGEMENT, NEVER, PARAMETERS, Value
from abm.ruleset import entries, rule_meaning
from abm.scenario import Scenario, load_scenario
from experiments.effect import OUTLAY, PairedEffect
from experiments.files import commit
from experiments.pairs import Difference, Ratio
from experiments.risk import ASKED, risk_of
from experiments.unmeasured import Unmeasured
from results.allocation import allocation_words
from results.answer import Beyond, answer, is_clear
from results.drawing import Study, function_label, staff
from results.figures import FIGURES
from results.influence import attribution_rows, attribution_words, shown_rows, words
from results.posteriors import posterior_basis, posterior_rows
from results.tables import (
    FUTURES,
    HEADLINES,
    LITTLE,
    LITTLE_NOTE,
    OPTION,
    effect_cells,
    futures_text,
    headline_rows,
    number,
    risk_text,
    span_text,
    unbroken,
    unit_of,
    years,
)

RANKING = (
    "The ranking depends on the assumed reach of one FTE in each function (cases, trainings, municipal steps and "
    "relief, registrations and screenings, attendances: judgement). Low and high reach: the ends of the range swept."
)
SHOWN_ALWAYS = (
    "facilitator.fte", "facilitator.cost", "facilitator.start", "facilitator.stop", "population.firms",
    "appraisal.rule", "run.spin_up",
)  # fmt: skip
GROUPS = {
    "size": "By size of the participant",
    "sector": "By sector",
    "maturity": "By the municipality's maturity at month 0",
    "municipality": "By municipality",
}
FEW = 12  # inputs of the screening in a table
REFERENCES = re.compile(r'\b(id="|href="#|url\(#)')


# -- small texts


def change(difference: Difference) -> str:
    """An effect with its interval: '+23.5 (21.9 to 25.1)'."""
    return effect_cells(difference)[2]


def ratio_cell(ratio: Ratio) -> str:
    """A ratio with its interval, without the unit."""
    if ratio.value is None:
        return "not defined"
    if ratio.ci_low is None or ratio.ci_high is None:
        return "no bounded interval"
    return f"{number(ratio.value)} ({number(ratio.ci_low)} to {number(ratio.ci_high)})"


def value_text(value: Value) -> str:
    """A parameter's value as people write it."""
    return value if isinstance(value, str) else "never" if value == NEVER else f"{value:,.12g}".replace(",", " ")


# -- tables


def function_rows(study: Study) -> list[dict[str, str]]:
    """Each function alone, strongest first, then the whole centre; empty if no function has staff."""
    if not study.functions:
        return []
    order = sorted(study.functions, key=lambda name: -study.functions[name]["exchanges"].mean)
    rows = []
    for name in [*order, None]:
        effect = study.centre if name is None else study.functions[name]
        low, high = study.reach.get(name or "", (None, None))
        rows.append({
            "function": function_label(name) if name else "All together",
            "FTE": f"{staff(study.scenario, name) if name else study.fte:.3g}",
            "living exchanges": change(effect["exchanges"]),
            "at low reach": change(low["exchanges"]) if low else "",
            "at high reach": change(high["exchanges"]) if high else "",
            "participants in an exchange": change(effect["adoption"]),
        })  # fmt: skip
    return rows


def dose_rows(study: Study) -> list[dict[str, str]]:
    """Effect and cost by the size of the centre."""
    return [
        {
            "FTE": f"{fte:g}",
            "living exchanges": change(effect["exchanges"]),
            "participants in an exchange": change(effect["adoption"]),
            "emissions avoided, t CO2e": change(effect["carbon"]),
            "public cost, MSEK": number(effect[OUTLAY].mean),
            "average cost, SEK/t CO2e": ratio_cell(effect.average_cost),
            "average cost, SEK per exchange": ratio_cell(effect.exchange_cost),
        }
        for fte, effect in study.doses.items()
    ]


def step_rows(study: Study) -> list[dict[str, str]]:
    """What each step in the size of the centre adds, and its marginal cost."""
    return [
        {
            "FTE": one.name,
            "living exchanges": change(one.exchanges),
            "emissions avoided, t CO2e": change(one.carbon),
            "public cost, MSEK": change(one.outlay),
            "marginal cost, SEK/t CO2e": ratio_cell(one.marginal_cost),
            "marginal cost, SEK per exchange": ratio_cell(one.exchange_cost),
        }
        for one in study.increments
    ]


def unmeasured_rows(study: Study) -> list[dict[str, str]]:
    """Effects over the ranges of what nobody has measured, beside those at the study's values."""
    found = study.unmeasured
    if found is None:
        return []
    rows = []
    for name, label in HEADLINES:
        one, effects, small = study.centre[name], found.effects[name], study.small.get(name)
        known = effects[~np.isnan(effects)]
        below = risk_text(risk_of(known, small) if small else None, one.unit)
        rows.append({
            "effect on": label,
            "unit": unit_of(one.unit),
            "mean at the study's values": effect_cells(one)[2].split(" (")[0],
            "nine points in ten": span_text(*found.span(name), one.unit),
            "points with little (95 %)": below,
        })  # fmt: skip
    return rows


def unmeasured_basis(found: Unmeasured) -> str:
    """What the table rests on."""
    return (
        f"{found.points} points spread over the declared ranges of {len(found.values)} parameters that nobody has "
        f"measured (a Latin hypercube; their source is judgement, or one cluster), {found.replicates} pairs of runs "
        f"at each, seed {found.seed}. What is left of chance in so few pairs is in it. One row a point: unmeasured.csv."
    )


def group_rows(study: Study, kind: str) -> list[dict[str, Any]]:
    """Adoption by group with bars in per cent of the longest; municipalities and sectors by the size of the effect.

    Sectors without participants are left out; of other groups nothing is known then, which is not 0.
    """
    prefix = f"adoption.{kind}."
    groups = {name.removeprefix(prefix): study.centre[name] for name in study.arms.columns if name.startswith(prefix)}
    known = {name: one for name, one in groups.items() if not math.isnan(one.mean)}
    longest = max([one.without for one in known.values()] + [one.with_ for one in known.values()], default=0.0) or 1.0
    ranked = sorted(known, key=lambda name: -known[name].mean)
    absent = [name for name in groups if name not in known]
    order = {"sector": ranked, "municipality": ranked + absent}.get(kind, list(groups))
    sectors = {sector.id: sector.name for sector in catalogue().sectors}
    rows = []
    for name in order:
        one = groups[name]
        without, with_, _ = effect_cells(one)
        rows.append({
            "name": _size_label(name) if kind == "size" else sectors.get(name, name),
            "without": without,
            "with": with_,
            "change": change(one) + (f"; {one.pairs} of {study.arms.pairs} pairs" if one.left_out else ""),
            "bars": tuple(0.0 if math.isnan(value) else 100 * value / longest for value in (one.without, one.with_)),
        })  # fmt: skip
    return rows


def _size_label(name: str) -> str:
    words = name.split("_")
    return f"{' '.join(words) if words[0].isalpha() else ' to '.join(words)} employees"


def rule_rows(scenario: Scenario) -> list[dict[str, str]]:
    """Who follows which rule, the default first."""
    whom = [(str(scenario.values["appraisal.rule"]), ""), *entries(str(scenario.values["appraisal.mix"]))]
    return [
        {"name": Path(rule).name, "whom": who, "meaning": rule_meaning(rule, scenario.rule_files).rstrip(".")}
        for rule, who in whom
    ]


def assumption_rows(scenario: Scenario) -> list[dict[str, str]]:
    """Parameters that describe the centre, and all that differ from their default."""
    rows = []
    for parameter in PARAMETERS:
        value = scenario.values[parameter.name]
        differs = value != parameter.default
        if differs or parameter.name in SHOWN_ALWAYS:
            rows.append({
                "name": parameter.name,
                "meaning": parameter.meaning,
                "value": value_text(value),
                "unit": parameter.unit if parameter.unit not in ("-", "name", "count") else "",
                "default": value_text(parameter.default) if differs else "",
                "source": parameter.source,
            })  # fmt: skip
    return rows


# -- the first screen


def study_answer(study: Study) -> list[str]:
    """The answer of a study, in paragraphs."""
    one = study.doses[1.0]["exchanges"]
    return answer(study.centre, study.scenario, Beyond(one, study.break_even, study.unmeasured))


def tiles(study: Study) -> list[tuple[str, str, str, str]]:
    """The key figures: label, value, interval, and what nine futures in ten bring."""
    chosen = (
        ("Living exchanges", "exchanges"), ("Participants in an exchange", "adoption"),
        ("Emissions avoided, t CO2e", "carbon"),
    )  # fmt: skip
    rows = [(label, *_split(change(study.centre[name])), futures_text(study.centre[name])) for label, name in chosen]
    return [*rows, ("Average public cost a tonne, SEK", *_split(ratio_cell(study.centre.average_cost)), "")]


def _split(text: str) -> tuple[str, str]:
    """Value and interval of 'value (interval)'."""
    value, _, interval = text.partition(" (")
    return value, interval.rstrip(")")


# -- the page


def inline_svg(svg: str, name: str, label: str) -> Markup:
    """An SVG as part of the page: ids of its own, scaled by the page, named for those who do not see it."""
    body = svg[svg.index("<svg") :]
    for element in ("metadata", "style", "title"):
        body = re.sub(rf"<{element}\b.*?</{element}>", "", body, flags=re.DOTALL)
    head, rest = body.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', head)
    rest = REFERENCES.sub(lambda match: f"{match[1]}{name}-", rest)
    namespaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    tag = Markup('<svg role="img" aria-label="{}" ').format(label)
    return tag + Markup(f"{namespaces} {box[0] if box else ''}>{rest}")


def command(study: Study) -> str:
    """The command that makes the study again, whatever file its scenario came from."""
    scenario = study.scenario
    base = load_scenario(scenario.region_source).values
    settings = [f"{name}={value}" for name, value in scenario.values.items() if value != base[name]]
    in_file = scenario.firms or scenario.facilitators  # these are in no setting
    source = scenario.source if in_file else scenario.region_source
    words = ["kretslopp", "study", source, "--replicates", str(study.centre.pairs)]
    words += ["--months", str(scenario.months), "--seed", str(study.centre.seed)]
    words += ["--posterior", study.posterior.source] if study.posterior else []
    words += ["--quick"] if study.quick else []
    words += [f"{OPTION}={name}={one.value:.12g}" for name, one in study.small.items() if one.source == ASKED]
    return shlex.join([*words, *(word for setting in settings for word in ("--set", setting))])


def gain_text(study: Study) -> str:
    """What pairing is worth, measured on these runs; empty where it cannot be."""
    adoption = study.centre["adoption"]
    if adoption.pairing_gain is None or adoption.pairing_gain_ci is None or math.isnan(adoption.pairing_gain):
        return ""
    low, high = adoption.pairing_gain_ci
    return f"{adoption.pairing_gain:.1f} ({low:.1f} to {high:.1f})"


def typeset(value: Any) -> Any:
    """Text as it is printed: no line break in a number, its unit or an interval; what is not plain text as it is."""
    return unbroken(value.replace("CO2e", "CO₂e")) if type(value) is str else value


def report_html(study: Study, drawings: Mapping[str, str]) -> str:
    """The page; `drawings` are the SVG texts of the figures by name."""
    templates = Path(__file__).with_name("templates")
    environment = Environment(
        loader=FileSystemLoader(templates), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=typeset,
    )  # fmt: skip
    environment.filters["start_upper"] = lambda text: text[:1].upper() + text[1:]
    captions = {one.name: one.full_caption(study) for one in FIGURES if one.name in drawings}
    figures = {
        one.name: {
            "title": one.title,
            "caption": captions[one.name],
            "svg": inline_svg(drawings[one.name], one.name, f"{one.title}. {captions[one.name]}"),
        }
        for one in FIGURES
        if one.name in drawings
    }
    return environment.get_template("report.html.j2").render(figures=figures, **_content(study))


def _content(study: Study) -> dict[str, Any]:
    centre: PairedEffect = study.centre
    judged = sum(one.source.startswith(JUDGEMENT) for one in BY_NAME.values())
    return {
        "study": study,
        "region": study.scenario.region.title,
        "horizon": years(study.scenario.months),
        "answer": study_answer(study),
        "tiles": tiles(study) if study.opening is not None else [],
        "headlines": headline_rows(centre),
        "unclear": [label for name, label in HEADLINES if not is_clear(centre[name])],
        "function_rows": function_rows(study),
        "dose_rows": dose_rows(study),
        "step_rows": step_rows(study),
        "unmeasured_rows": unmeasured_rows(study),
        "unmeasured_words": unmeasured_basis(study.unmeasured) if study.unmeasured else "",
        "futures": FUTURES,
        "little": LITTLE,
        "little_note": LITTLE_NOTE,
        "share_rows": attribution_rows(study.attribution, "exchanges", study.ranks) if study.attribution else [],
        "share_words": attribution_words(study.attribution, "exchanges", study.ranks) if study.attribution else "",
        "screening_rows": shown_rows(study.screening, FEW) if study.screening else [],
        "screening_words": f"{words(study.screening)} {study.screening.basis}." if study.screening else "",
        "posterior_rows": posterior_rows(study.posterior) if study.posterior else [],
        "posterior_words": posterior_basis(study.posterior) if study.posterior else "",
        "groups": {title: group_rows(study, kind) for kind, title in GROUPS.items()},
        "assumptions": assumption_rows(study.scenario),
        "rules": rule_rows(study.scenario),
        "judged": f"{judged} of {len(PARAMETERS)}",
        "reach": RANKING,
        "gain": gain_text(study),
        "allocation": allocation_words(study),
        "gross": ratio_cell(centre.gross_cost),
        "average": ratio_cell(centre.average_cost),
        "command": escape(command(study)),
        "version": version("kretslopp"),
        "commit": (commit() or "")[:12],
    }
