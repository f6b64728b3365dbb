"""Write the tables of the manual from the declarations that the model uses: `make docs`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from abm.catalogue import catalogue
from results.listings import byproducts, indicators, parameters

FOLDER = Path(__file__).parent


def table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for row in rows:
        lines.append("| " + " | ".join(_cell(row.get(column)) for column in columns) + " |")
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {_cell(part)}" for key, part in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value).replace("|", "/")


def pages() -> dict[str, str]:
    """Text of each page by file name."""
    note = "Written by `make docs` from the declarations; do not edit.\n\n"
    names = ("name", "default", "low", "high", "unit", "meaning", "source", "choices")
    flows = (
        "id",
        "name",
        "kind",
        "unit",
        "commodity",
        "donors",
        "receivers",
        "substitution",
        "processing",
        "gate_fee",
        "landfill_share",
        "transport",
        "capex",
        "permit",
        "reach",
        "emission_saving",
        "mass",
        "disposed",
        "imported",
        "examples",
        "source",
    )
    prices = ("id", "name", "price", "volatility", "half_life", "jump_rate", "jump_sd", "loading", "source")
    commodities = [row.model_dump() for row in catalogue().commodity_rows]
    return {
        "parameters.md": "# Parameters\n\n" + note + table(parameters(), names),
        "indicators.md": "# Indicators\n\n"
        + note
        + table(indicators(), ("name", "unit", "meaning"))
        + "\nThen adoption by group: `adoption.size.*`, `.maturity.*` (of the municipality at month 0), "
        "`.municipality.*`, `.sector.*`.\n",
        "byproducts.md": "# By-products and the raw materials they replace\n\n"
        + note
        + "Units and meanings of the columns: head of `byproducts.toml` and `commodities.toml` in `abm/data`.\n\n"
        + table(byproducts(), flows)
        + "\n"
        + table(commodities, prices),
    }


if __name__ == "__main__":
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
