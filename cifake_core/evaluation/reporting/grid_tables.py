"""The paper's two tables of the grid, feature extractors and dense heads, as cells of text with our own figures.

It lays out what `over_seeds.of_grid` found; a cell that was not trained is a dash.
"""

from dataclasses import dataclass

from cifake_core.detectors.topology import (
    CHOSEN_EXTRACTOR,
    CONV_LAYERS,
    DENSE_LAYERS,
    EXTRACTOR_FILTERS,
    HEAD_UNITS,
    Topology,
)


@dataclass(frozen=True)
class GridTable:
    """A title, a heading row, and a row for each number of layers."""

    title: str
    heading: list[str]
    rows: list[list[str]]


def grid_tables(table: dict) -> list[GridTable]:
    """Those of the two that have a trained cell; test accuracy, or validation accuracy without a test split, in %."""
    rows = {row["network"]: row for row in table["rows"]}
    part = "test" if any(row["test"] for row in rows.values()) else "validation"

    def cell(topology: Topology) -> str:
        found = (rows.get(str(topology)) or {}).get(part)
        return percent(found) if found else "–"

    head = f"{CHOSEN_EXTRACTOR.filters} filters × {CHOSEN_EXTRACTOR.conv_layers} layers"
    found = [
        GridTable(
            f"Feature extractors: filters by convolution layers, {part} accuracy, %",
            ["layers", *(f"{filters} filters" for filters in EXTRACTOR_FILTERS)],
            [[str(layers), *(cell(Topology(filters, layers)) for filters in EXTRACTOR_FILTERS)] for layers in CONV_LAYERS],
        ),
        GridTable(
            f"Dense heads on {head}: units by dense layers, {part} accuracy, %",
            ["layers", *(f"{units} units" for units in HEAD_UNITS)],
            [[str(layers), *(cell(_head(units, layers)) for units in HEAD_UNITS)] for layers in DENSE_LAYERS],
        ),
    ]
    return [one for one in found if any(text != "–" for row in one.rows for text in row[1:])]


def _head(units: int, layers: int) -> Topology:
    return Topology(CHOSEN_EXTRACTOR.filters, CHOSEN_EXTRACTOR.conv_layers, units, layers)


def percent(spread: dict | None) -> str:
    """ "94.18 ± 0.21": mean and sample standard deviation; one seed has none; a dash for nothing."""
    if spread is None:
        return "–"
    return f"{100 * spread['mean']:.2f}" + (f" ± {100 * spread['sd']:.2f}" if spread["sd"] is not None else "")
