"""The table of networks as text: lines for a terminal, Markdown for a document, CSV for a spreadsheet, JSON whole."""

import json
import shlex
from pathlib import Path

import pandas as pd

from cifake_core.errors import BadInput
from cifake_core.evaluation import exporting
from cifake_core.evaluation.reporting.grid_tables import GridTable, grid_tables, percent
from cifake_core.store import artifacts

ENDINGS = (".md", ".csv", ".json")
_COLUMNS = ("network", "seeds", "epochs", "test, %", "without duplicates, %", "validation, %", "parameters", "seconds a run")
_SPREADS = ("test", "without_duplicates", "validation", "seconds")


def as_lines(table: dict) -> list[str]:
    """For a terminal: columns aligned; of a grid its picture first; the paper's figure last where it applies."""
    pictures = [line for one in _pictures(table) for line in (one.title, *_aligned([one.heading, *one.rows]), "")]
    return [*pictures, *_aligned([_COLUMNS, *_body(table)]), *_notes(table)]


def _aligned(rows: list) -> list[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def as_markdown(table: dict) -> str:
    """A title; of a grid its picture and the commands; then a row a network, and what the figures are."""
    title = f"# Networks trained on `{table['dataset']}`"
    pictures = [line for one in _pictures(table) for line in (f"**{one.title}**", "", *_piped([one.heading, *one.rows]), "")]
    return "\n".join([title, "", *_commands(table), *pictures, *_piped([_COLUMNS, *_body(table)]), "", "\n\n".join(_notes(table)), ""])


def _commands(table: dict) -> list[str]:
    """What makes a grid's table anew, as a block of code."""
    if "grid" not in table:
        return []
    named = f"--dataset {shlex.quote(table['dataset'])} --grid {table['grid']['name']}"
    options = "".join(f" --{name.replace('_', '-')} {value}" for name, value in table["grid"]["settings"].items() if name != "precision")
    seeds = ",".join(map(str, sorted({seed for row in table["rows"] for seed in row["seeds"]})))
    return ["```", f"python -m cifake_core train {named}{options} --seeds {seeds}", f"python -m cifake_core table {named}", "```", ""]


def _piped(rows: list) -> list[str]:
    heading, *body = (f"| {' | '.join(row)} |" for row in rows)
    return [heading, "|" + "---|" * len(rows[0]), *body]


def _pictures(table: dict) -> list[GridTable]:
    return grid_tables(table) if "grid" in table else []


def as_csv(table: dict) -> bytes:
    """Numbers alone, shares of 1, a column a figure, nothing rounded; empty where there is none."""
    return exporting.csv(pd.DataFrame([_flat(row, table) for row in table["rows"]]))


def _flat(row: dict, table: dict) -> dict:
    known = {"network": row["network"], "seeds": " ".join(str(seed) for seed in row["seeds"]), "parameters": row["parameters"]}
    known |= {"differs_in": _different(row, _alike(row, table)), "hardware": "; ".join(row["hardware"])}
    figures = {f"{name}_{part}": (row[name] or {}).get(part) for name in _SPREADS for part in ("mean", "sd")}
    if len(row["hardware"]) > 1:  # a mean over different hardware is nobody's time
        figures |= {"seconds_mean": None, "seconds_sd": None}
    return known | row["settings"] | figures


def write(table: dict, out: Path) -> Path:
    """In the form its ending names; raises BadInput for another ending."""
    if out.suffix not in ENDINGS:
        raise BadInput(f"A table of networks is written as {', '.join(ENDINGS)}, not as {out.name!r}; change the name's ending.")
    forms = {".md": lambda: as_markdown(table).encode(), ".csv": lambda: as_csv(table), ".json": lambda: json.dumps(table, indent=1).encode()}
    with artifacts.whole_file(out.absolute()) as temporary:
        temporary.write_bytes(forms[out.suffix]())
    return out


def _body(table: dict) -> list[list[str]]:
    return [_cells(row, _different(row, _alike(row, table))) for row in table["rows"]]


def _alike(row: dict, table: dict) -> list[dict]:
    return [other for other in table["rows"] if other["network"] == row["network"]]


def _different(row: dict, alike: list[dict]) -> str:
    """Of rows of the same network, what tells this one from the others, epochs (a column) apart: "batch size 128, patience 0"."""
    numbers = [_numbers(other) for other in alike if other.get("preset")]
    told = _unlike(row["settings"], [other["settings"] for other in alike], leave="epochs")
    if row.get("preset"):
        told += _unlike(_numbers(row), numbers, leave="")
    elif numbers:
        told.append("an older version's")  # whose runs did not keep the preset's numbers
    return ", ".join(told)


def _unlike(mine: dict, all_of_them: list[dict], leave: str) -> list[str]:
    names = dict.fromkeys(name for one in all_of_them for name in one if name != leave)
    return [f"{name.replace('_', ' ')} {mine.get(name, '–')}" for name in names if len({str(one.get(name)) for one in all_of_them}) > 1]


def _numbers(row: dict) -> dict:
    """The preset's own, those of its recipe beside the others; what the settings say again is left out."""
    preset = row["preset"] | row["preset"].get("recipe", {})
    return {name: value for name, value in preset.items() if name != "recipe" and name not in row["settings"]}


def _cells(row: dict, different: str) -> list[str]:
    shares = (percent(row[name]) for name in ("test", "without_duplicates", "validation"))
    asked, best = row["settings"].get("epochs"), row["best_epochs"]
    epochs = f"{asked}, best {min(best)}" + (f" – {max(best)}" if max(best) > min(best) else "") if asked else "–"
    network = row["network"] + (f" ({different})" if different else "")
    return [network, str(len(row["seeds"])), epochs, *shares, f"{row['parameters']:,}", _seconds(row)]


def _seconds(row: dict) -> str:
    """The mean of runs on like hardware; of different hardware the span, for their mean is nobody's time."""
    took = row["seconds"]["values"]
    return f"{min(took):,.0f} – {max(took):,.0f}" if len(row["hardware"]) > 1 else f"{row['seconds']['mean']:,.0f}"


def _notes(table: dict) -> list[str]:
    notes = []
    if "grid" in table:
        asked = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in table["grid"]["settings"].items())
        notes.append(f"{len(table['rows'])} of the {table['grid']['networks']} networks of the grid {table['grid']['name']!r}, all trained with {asked}.")
    order = "in the grid's order" if "grid" in table else "the best on validation first"
    notes.append(f"Mean ± sample standard deviation over seeds, at threshold 0.5, {order}.")
    if table["n_test"]:
        notes.append(f"{table['n_test']:,} test images, of which {table['n_seen']:,} also lie pixel by pixel in train or validation.")
    if table["paper_accuracy"] is not None:
        notes.append(f"The paper's best network (Bird and Lotfi 2024): {100 * table['paper_accuracy']:.2f} %.")
    return notes
