"""The report of a study: one HTML page that asks nothing of the network and reads without the code at hand."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from abm.catalogue import catalogue
from abm.parameters import BY_NAME, JUDGEMENT, NEVER, PARAMETERS, Value
from abm.ruleset import entries, rule_meaning
from abm.scenario import Scenario, load_scenario
from experiments.effect import Difference, PairedEffect, Ratio
from experiments.files import commit
from results.drawing import Study, function_label, staff
from results.figures import FIGURES
from results.influence import attribution_rows, attribution_words, shown_rows, words
from results.posteriors import posterior_basis, posterior_rows
from results.tables import HEADLINES, effect_cells, headline_rows, in_both_arms, number, years

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
    "maturity": "By maturity of the municipality",
    "municipality": "By municipality",
}
FEW = 12  # inputs of the screening in a table
ONE_PAIR = "no interval"
REFERENCES = re.compile(r'\b(id="|href="#|url\(#)')
TOGETHER = re.compile(
    r"(?<=\d) (?=\d{3}(?!\d)|%|pp\b|SEK|MSEK|FTE|t\b)|(?<=\bt) (?=CO)"
)  # a number and what belongs to it
INTERVAL = re.compile(r"\(-?\d[\d ,.]* to -?\d[\d ,.]*\)")


# -- small texts


def change(difference: Difference) -> str:
    """An effect with its interval: '+23.5 (21.9 to 25.1)'."""
    return effect_cells(difference)[2].replace("nan to nan", ONE_PAIR)


def is_clear(difference: Difference) -> bool:
    """Whether the interval lies on one side of zero."""
    return difference.ci_low > 0 or difference.ci_high < 0


def ratio_cell(ratio: Ratio) -> str:
    """A cost per tonne with its interval, without the unit."""
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
            "public money, MSEK": number(effect["public_outlay"].mean),
            "marginal cost, SEK/t CO2e": ratio_cell(effect.marginal_cost),
        }
        for fte, effect in study.doses.items()
    ]


def group_rows(study: Study, kind: str) -> list[dict[str, Any]]:
    """Adoption by group with bars in per cent of the longest; municipalities by the size of the effect."""
    prefix = f"adoption.{kind}."
    groups = {name.removeprefix(prefix): study.centre[name] for name in study.arms.columns if name.startswith(prefix)}
    longest = max(max(one.without, one.with_) for one in groups.values()) or 1.0
    order = sorted(groups, key=lambda name: -groups[name].mean) if kind in ("municipality", "sector") else list(groups)
    order = [name for name in order if max(groups[name].without, groups[name].with_) > 0.0 or kind == "municipality"]
    sectors = {sector.id: sector.name for sector in catalogue().sectors}
    rows = []
    for name in order:
        without, with_, _ = effect_cells(groups[name])
        rows.append({
            "name": _size_label(name) if kind == "size" else sectors.get(name, name),
            "without": without,
            "with": with_,
            "change": change(groups[name]),
            "bars": (100 * groups[name].without / longest, 100 * groups[name].with_ / longest),
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


# -- the answer


def answer(study: Study) -> list[str]:
    """The result in plain sentences, with their intervals; says so where the runs do not show an effect."""
    if study.opening is None:
        return [
            f"Nobody works at a resource centre within the {years(study.scenario.months)} simulated "
            f"(staff {study.fte:g} FTE, opening in month {study.scenario.values['facilitator.start']}), so with and "
            "without the centre are the same."
        ]
    exchanges, adoption = study.centre["exchanges"], study.centre["adoption"]
    without, with_, _ = effect_cells(exchanges)
    share_without, share_with, _ = effect_cells(adoption)
    closing = f" and closes after {years(study.closing)}" if study.closing is not None else ""
    first = (
        f"After {years(study.scenario.months)}, {study.scenario.region.title} has on average {with_} living by-product "
        f"exchanges with a resource centre of {study.staff_text} that opens after {years(study.opening)}{closing}, and "
        f"{without} without one. {_difference(exchanges)} "
        f"The share of participants in an exchange is {share_with} against {share_without}. {_difference(adoption)}"
    )
    return [first, *_in_both(study.scenario), *_anyway(exchanges), _cost(study)]


def _in_both(scenario: Scenario) -> list[str]:
    """What works with and without the centre alike."""
    also = in_both_arms(scenario)
    return [f"In force with and without the centre: {'; '.join(also)}."] if also else []


def _difference(difference: Difference) -> str:
    size, interval = _split(change(difference).replace(" pp", " percentage points"))
    text = f"The difference is {size}"
    if difference.pairs == 1:
        return f"{text}: one pair of runs has no interval, so take it as an example."
    if not is_clear(difference):
        doubt = "the interval includes zero, so these runs do not show that the centre changes it"
        return f"{text} (95 % interval {interval}): {doubt}."
    return f"{text} (95 % interval {interval})."


def _anyway(exchanges: Difference) -> list[str]:
    """How much of what is there with the centre would be there without it."""
    if not is_clear(exchanges) or not 0 < exchanges.without < exchanges.with_:
        return []
    part = 100 * exchanges.without / exchanges.with_
    return [
        f"Exchanges also arise without a centre: as many as {part:.0f} % of those that live at the end with the "
        "centre. Only the difference is counted as its effect."
    ]


def _cost(study: Study) -> str:
    """What the difference costs and what a further tonne costs."""
    carbon, ratio = study.centre["carbon"], study.centre.marginal_cost
    text = f"The centre costs the public {number(study.centre['public_cost'].mean)} MSEK over the period. "
    if ratio.value is None or ratio.ci_low is None or ratio.ci_high is None:
        return text + (
            f"Emissions avoided change by {change(carbon)} t CO2e, which is not clearly above zero; a cost per further "
            "tonne cannot be given with these runs."
        )
    value = float(study.scenario.values["worth.carbon_value"])
    relation = "below" if ratio.ci_high < value else "above" if ratio.ci_low > value else "not clearly above or below"
    return text + (
        f"A further {number(carbon.mean)} t CO2e ({number(carbon.ci_low)} to {number(carbon.ci_high)}) are avoided: "
        f"{number(ratio.value)} SEK of public money per further tonne ({number(ratio.ci_low)} to "
        f"{number(ratio.ci_high)}). That is {relation} the {number(value)} SEK that a tonne is taken to be worth to "
        "the public; savings of firms and other benefits come on top."
    )


def tiles(study: Study) -> list[tuple[str, str, str]]:
    """The key figures: label, value, interval."""
    chosen = (
        ("Living exchanges", "exchanges"), ("Participants in an exchange", "adoption"),
        ("Emissions avoided, t CO2e", "carbon"),
    )  # fmt: skip
    rows = [(label, *_split(change(study.centre[name]))) for label, name in chosen]
    return [*rows, ("Public money per further tonne, SEK", *_split(ratio_cell(study.centre.marginal_cost)))]


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
    if type(value) is not str:
        return value
    text = INTERVAL.sub(lambda match: match[0].replace(" ", "\u00a0"), value.replace("CO2e", "CO₂e"))
    return TOGETHER.sub("\u00a0", text)


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
        "answer": answer(study),
        "tiles": tiles(study) if study.opening is not None else [],
        "headlines": headline_rows(centre),
        "unclear": [label for name, label in HEADLINES if not is_clear(centre[name])],
        "function_rows": function_rows(study),
        "dose_rows": dose_rows(study),
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
        "gross": ratio_cell(centre.gross_cost),
        "marginal": ratio_cell(centre.marginal_cost),
        "command": escape(command(study)),
        "version": version("kretslopp"),
        "commit": (commit() or "")[:12],
    }
