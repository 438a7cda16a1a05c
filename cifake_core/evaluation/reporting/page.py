"""A report's contents as one HTML text: no script, nothing fetched, every text escaped, light and dark.

It lays out; numbers come from contents.py and drawings from figures.py.
"""

import base64
import json
from html import escape

from cifake_core.evaluation import calibrating
from cifake_core.evaluation.audit.meaning import BLIND
from cifake_core.evaluation.reporting import explained, figures
from cifake_core.evaluation.scored import Scored
from cifake_core.evaluation.selecting import Selection, rows
from cifake_core.images.sprite import sprite
from cifake_core.metrics.intervals import Estimate

MISTAKES = 40  # most confidently wrong images shown
_SHARES = ("accuracy", "balanced_accuracy", "precision", "recall", "specificity", "f1")
_CALIBRATED = {"ece": "calibration error", "loss": "loss", "brier": "Brier score"}
_CAPTIONS = {
    "roc": "ROC: fakes found against reals accused, over all thresholds; the dots are guessing.",
    "precision_recall": "Precision against recall over all thresholds.",
    "scores": "Probabilities of fake: reals upwards, fakes downwards; the dashes are the threshold.",
    "reliability": "Stated probability against observed share, with exact 95 % intervals; the dots are perfect.",
}
# Nothing may be fetched or run, whatever a text in the report says.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_CSS = """
:root { color-scheme: light dark; --real: #2166ac; --fake: #d9660a; --muted: #7b8798; --line: #d8dde5; --ground: #ffffff; --ink: #1b2430; }
@media (prefers-color-scheme: dark) { :root { --real: #6cb0f5; --fake: #ff9d4d; --muted: #93a0b4; --line: #364152; --ground: #11161d; --ink: #e6ebf2; } }
body { background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid var(--line); }
.headline { font-size: 1.15rem; } .quiet { color: var(--muted); }
table { border-collapse: collapse; margin: .8rem 0; display: block; overflow-x: auto; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums; vertical-align: top; }
td:not(:last-child) { white-space: nowrap; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); gap: 1rem; }
figure { margin: 0; } figure svg, figure img { width: 100%; height: auto; } figure img { image-rendering: pixelated; max-width: 40rem; display: block; }
figcaption { color: var(--muted); font-size: .85rem; }
pre { overflow-x: auto; border: 1px solid var(--line); border-radius: .4rem; padding: .7rem; font-size: .85rem; }
@media print { body { max-width: none; } h2 { break-after: avoid; } figure, table { break-inside: avoid; } }
"""


def page(found: dict, view: Scored) -> str:
    """The whole document. `found` and `view` are those of `contents`."""
    sections = [
        _numbers(found),
        _confusion(found),
        _curves(found, view),
        _groups(found),
        _thresholds(found),
        _calibration(found),
        _duplicates(found),
        _robustness(found),
        _audit(found),
        _explained(found),
        _mistakes(found, view),
        _training(found),
        _repeat(found),
    ]
    title = f"{found['run']} on {found['dataset']}"
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n<style>{_CSS}</style>\n'
        f"</head>\n<body>\n<h1>{escape(title)}</h1>\n<p class=\"headline\">{escape(found['headline'])}</p>\n"
        f'<p class="quiet">Real or AI-generated? 1 = fake is the positive label. Threshold {found["threshold"]:g}. '
        f"Written {escape(found['created_at'][:19].replace('T', ' '))} UTC by CIFAKE Lab {escape(found['versions']['cifake_lab'])}.</p>\n"
        + "\n".join(section for section in sections if section)
        + "\n</body>\n</html>\n"
    )


def _numbers(found: dict) -> str:
    lines = [
        (name.replace("_", " "), *_interval(name, estimate), found["definitions"][name])
        for name, estimate in found["metrics"].items()
    ]
    text = _table(("metric", "value", "95 % interval", "what it is"), lines)
    seeds = found["seeds"]
    if seeds:
        text += _paragraph(
            f"Over {seeds['n']} seeds of the same request (threshold 0.5): mean {seeds['mean']:.2%}, standard deviation "
            f"{100 * seeds['sd']:.2f} points."
        )
    return _section("Numbers", text)


def _confusion(found: dict) -> str:
    (tn, fp), (fn, tp) = found["confusion"]
    lines = [("real", f"{tn:,}", f"{fp:,}"), ("fake", f"{fn:,}", f"{tp:,}")]
    return _section("Confusion matrix", _table(("truth", "called real", "called fake"), lines))


def _curves(found: dict, view: Scored) -> str:
    drawn = figures.curve_figures(view, found["threshold"])
    shown = [_figure(svg, _CAPTIONS[name]) for name, svg in drawn.items() if svg]
    return _section("Curves", _figures(shown))


def _groups(found: dict) -> str:
    header = ("", "right", "95 % interval")
    by_class = [(name, *_interval("accuracy", estimate)) for name, estimate in found["by_class"].items()]
    text = _figures([_figure(figures.class_figure(found["by_class"]), "Accuracy of each class with its exact 95 % interval.")])
    text += _table(("class", *header[1:]), by_class)
    makers = [
        (name, f"{estimate['n']:,}", *_interval("accuracy", estimate)) for name, estimate in found["by_generator"].items()
    ]
    if makers:
        text += _table(("generator", "fakes", "called fake", "95 % interval"), makers)
    return _section("By class and generator", text)


def _thresholds(found: dict) -> str:
    if not found["thresholds"]:
        return ""
    lines = [
        (choice["name"], f"{choice['value']:g}", *_interval("accuracy", choice["accuracy"]), choice["meaning"])
        for choice in found["thresholds"]
    ]
    return _section("Thresholds", _table(("threshold", "value", "accuracy", "95 % interval", "how it was chosen"), lines))


def _calibration(found: dict) -> str:
    calibration = found["calibration"]
    if not calibration:
        return ""
    ways, gap = calibration["ways"].values(), "predicted_minus_observed"
    lines = [(word, *("{} ({})".format(*_interval(name, way[name])) for way in ways)) for name, word in _CALIBRATED.items()]
    lines.append(("predicted minus observed", *(calibrating.points(Estimate(**way[gap]), signed=True) for way in ways)))
    header = ("on test, 95 % interval", *(way["title"] for way in ways))
    return _section("Calibration", _paragraph(calibration["meaning"]) + _table(header, lines))


def _duplicates(found: dict) -> str:
    twice = found["without_duplicates"]
    if not twice:
        return ""
    lines = [
        (name.replace("_", " "), *_interval(name, twice["with"][name]), *_interval(name, twice["without"][name]))
        for name in ("accuracy", "recall", "specificity", "auc")
    ]
    header = ("", "all test images", "95 % interval", "without those in train", "95 % interval")
    return _section("Without duplicates", _paragraph(twice["meaning"]) + _table(header, lines))


def _robustness(found: dict) -> str:
    study = found["robustness"]
    if not study:
        return _section("Robustness", _paragraph("Not measured yet; the command is below."))
    lines = [
        (
            f"{row['transform']} {row['strength']:g}",
            *_interval("accuracy", row["accuracy"]),
            _value("accuracy", row["real"]["value"]),
            _value("accuracy", row["fake"]["value"]),
            _value("auc", row["auc"]["value"]),
            {"none": "holds", "threshold": "threshold no longer fits", "signal": "signal suffers"}[row["failure"]],
        )
        for row in study["rows"]
    ]
    always = study["always_right"]
    text = _paragraph(study["meaning"]) + _paragraph(
        f"{always['value']:.1%} of {study['n']:,} images are told right as stored and under every row below."
    )
    text += _figures([_figure(svg, f"Accuracy under {name}.") for name, svg in figures.robustness_figures(study).items()])
    header = ("transform", "accuracy", "95 % interval", "real", "fake", "AUC", "what fails")
    return _section("Robustness", text + _table(header, lines))


def _explained(found: dict) -> str:
    """The paper's claim and our figures, and how far maps can be trusted; nothing where neither was measured."""
    given = found.get("explanations") or {}
    text = ""
    if test := given.get("entity_test"):
        text += f"<blockquote>{escape(test['claim'])}</blockquote>" + _paragraph(test["verdict"][0].upper() + test["verdict"][1:])
        text += _paragraph(test["sentences"]["swap"]) + _table(("", "value", "95 % interval", "images"), explained.entity_lines(test))
        text += _paragraph(f"Masks of the entity: {test['masks']['source']}. Maps at {test['layer']}. {explained.taken(test)}")
    if trust := given.get("trust"):
        text += _paragraph(f"{trust['verdict']} {explained.taken(trust)}") + _table(("map", "layer", "images", "beside random", "deletion", "insertion"), explained.trust_lines(trust))
    if given.get("left_out"):
        text += _paragraph(f"{given['left_out']} results of earlier versions are left out, for their conclusions do not stand any more; measure again.")
    return _section("Entity or background?", text) if text else ""


def _audit(found: dict) -> str:
    audit = found["audit"]
    if not audit:
        return _section("Audit of the images", _paragraph("Not measured yet; the command is below."))
    baselines = [(name, audit["baselines"][name]["meaning"]) for name in BLIND]
    parts = [(name.replace("_", " "), audit[name]["meaning"]) for name in ("duplicates", "near_duplicates", "files", "originals", "spectrum", "colour", "balance")]
    drawn = _figure(figures.spectrum_figure(audit["spectrum"]), "Power by frequency, mean of the images; the bands are ± one standard deviation.")
    return _section("Audit of the images", _table(("", "what was found"), parts + baselines) + _figures([drawn]))


def _mistakes(found: dict, view: Scored) -> str:
    wrong = rows(view, Selection(cell="wrong"), found["threshold"])[:MISTAKES]
    if not len(wrong):
        return _section("Mistakes", _paragraph("None at this threshold."))
    data = base64.b64encode(sprite(view.pixels[wrong], columns=10)).decode()
    fakes = int(view.labels[wrong].sum())
    alt = f"The {len(wrong)} most confidently wrong images: {fakes} fakes called real, {len(wrong) - fakes} reals called fake."
    return _section("Mistakes", f'<figure><img alt="{escape(alt)}" src="data:image/png;base64,{data}"><figcaption>{escape(alt)}</figcaption></figure>')


def _training(found: dict) -> str:
    training, images = found["training"], found["images"]
    settings = [(name.replace("_", " "), str(value)) for name, value in (training["settings"] | training["recipe"]).items()]
    made = [
        ("trained", f"{training['created_at'][:19]} UTC, {training['duration_s']:.0f} s, {training['epochs']} epochs, best {training['best_epoch']}"),
        ("parameters", f"{training['parameters']:,}"),
        ("hardware", f"{training['hardware']}, {training['precision']}"),
        ("versions", ", ".join(f"{name} {number}" for name, number in training["versions"].items())),
        ("weights, SHA-256", training["sha256"].get("weights.safetensors", "")),
        ("images", f"{images['name']}: " + "; ".join(f"{split} {c['real']:,} real, {c['fake']:,} fake" for split, c in images["counts"].items())),
        ("images, digest", images["digest"]),
        ("images, source", json.dumps(images["source"], ensure_ascii=False)[:2000] if images["source"] else "not recorded"),
    ]
    drawn = _figure(figures.history_figure(training["history"]), "Accuracy by epoch.") if training["history"] else ""
    return _section("How it was made", _table(("", ""), settings + made) + _figures([drawn]))


def _repeat(found: dict) -> str:
    return _section("To repeat it", f"<pre>{escape(chr(10).join(found['commands']))}</pre>")


def _section(title: str, body: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n{body}\n</section>"


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>\n"


def _figure(svg: str, caption: str) -> str:
    return f'<figure role="group" aria-label="{escape(caption)}">{svg}<figcaption>{escape(caption)}</figcaption></figure>'


def _figures(shown: list[str]) -> str:
    return f'<div class="figures">{"".join(shown)}</div>\n'


def _table(header: tuple[str, ...], lines: list[tuple]) -> str:
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in line) + "</tr>\n" for line in lines)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody>\n</table>\n"


def _interval(name: str, estimate: dict) -> tuple[str, str]:
    if estimate["value"] is None:
        return "undefined", ""
    return _value(name, estimate["value"]), f"{_value(name, estimate['low'])} – {_value(name, estimate['high'])}"


def _value(name: str, value: float | None) -> str:
    if value is None:
        return "undefined"
    return f"{value:.2%}" if name in _SHARES else f"{value:.4f}"
