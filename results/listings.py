"""What there is to choose from, as rows: read from the same declarations that the model uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Row = dict[str, Any]


def regions() -> list[Row]:
    """Regions that come with the model. By-products and opportunities are those of one draw of the firms (seed 1)."""
    import numpy as np

    from abm.regions import load_region, region_names
    from abm.scenario import load_scenario
    from abm.simulate import build

    rows = []
    for name in region_names():
        region, scenario = load_region(name), load_scenario(name)
        world, _ = build(scenario, 1)
        all_rows: list[Any] = [*region.municipality, *region.anchor, *region.utility, *region.facilitator]
        sources = [str(row.source) for row in all_rows]
        sourced = sum(any("judgement" not in part for part in source.split(";")) for source in sources)
        rows.append(
            {
                "name": name,
                "title": region.title,
                "country": region.country,
                "municipalities": len(region.municipality),
                "named_plants": len(region.anchor),
                "utilities": len(region.utility),
                "facilitators": len(region.facilitator),
                "firms": int(scenario.values["population.firms"]),
                "byproducts": int(np.unique(world.pairs["byproduct"]).size),
                "opportunities": len(world.pairs),
                "sources": f"{sourced} of {len(sources)} rows name a source, the others are judgement",
            }
        )
    return rows


def parameters() -> list[Row]:
    """Every parameter; `low` and `high` bound a sweep."""
    from abm.parameters import PARAMETERS

    names = ("name", "default", "low", "high", "unit", "meaning", "source")
    return [
        {name: getattr(parameter, name) for name in names}
        | ({"choices": list(parameter.choices)} if parameter.choices else {})
        for parameter in PARAMETERS
    ]


def byproducts() -> list[Row]:
    """Every by-product with all its figures."""
    from abm.catalogue import catalogue

    return [row.model_dump() for row in catalogue().byproduct_rows]


def rules() -> list[Row]:
    """Decision rules."""
    from abm.rules import RULES

    return [
        {"name": rule.name, "meaning": rule.meaning, "source": rule.source, "parameters": list(rule.parameters)}
        for rule in RULES.values()
    ]


def interventions() -> list[Row]:
    """Dated policies besides the resource centre: what each does, who pays it, the parameters that set it."""
    from abm.interventions import INTERVENTIONS
    from abm.parameters import PARAMETERS

    rows = []
    for one in INTERVENTIONS.values():
        level = one.level
        rows.append(
            {
                "name": one.name,
                "title": one.title,
                "level": level.name,
                "unit": level.unit,
                "low": level.low,
                "high": level.high,
                "payer": one.payer,
                "indicator": one.flow or "public_cost",
                "meaning": one.meaning,
                "parameters": [row.name for row in PARAMETERS if row.name.startswith(f"interventions.{one.name}.")],
            }
        )
    return rows


def indicators() -> list[Row]:
    """What is observed each month."""
    from abm.observe import INDICATORS

    return [{"name": one.name, "unit": one.unit, "meaning": one.meaning} for one in INDICATORS]


def targets() -> list[Row]:
    """What the model is held against (calibrate, validate)."""
    from calibration.targets import load_targets

    return [
        {
            "name": point.name,
            "use": point.target.use,
            "unit": point.target.unit,
            "observed": point.observed,
            "sd": point.sd,
            "discrepancy": point.discrepancy,
            "meaning": point.target.meaning,
            "source": point.target.source,
        }
        for point in load_targets().points
    ]


LISTINGS: dict[str, Callable[[], list[Row]]] = {
    "regions": regions,
    "parameters": parameters,
    "byproducts": byproducts,
    "rules": rules,
    "interventions": interventions,
    "indicators": indicators,
    "targets": targets,
}

WIDTH = 44  # characters of a cell in the text form


def as_text(rows: list[Row]) -> str:
    """Rows as a table of short cells; the JSON form has everything."""
    columns = [name for name in rows[0] if not isinstance(rows[0][name], dict | list)]
    cells = [columns] + [[_cell(row.get(name), name == columns[-1]) for name in columns] for row in rows]
    widths = [max(len(line[number]) for line in cells) for number in range(len(columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells
    )


def _cell(value: Any, last: bool) -> str:
    text = "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    return text if last or len(text) <= WIDTH else text[: WIDTH - 1] + "…"
