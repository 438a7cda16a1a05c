"""How often a picture from outside the training domain gets a firm verdict: python -m benchmarks.outside_domain RUN

For each kind of picture, as it would be brought and as a 32-pixel file: how many get no firm verdict (outside the training
domain, or unsure), with exact 95 % intervals; and how many of the run's own test images are refused. Options: `--images`
a kind (100), `--own` test images (2000, 0 = all), `--seed`, `--other NAME` (the test images of another dataset of the
workspace, by label; repeatable), `--parquet FILE` (pictures of a Parquet, as `other`), `--cases FOLDER` (single files).
"""

import argparse
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.outside_pictures import HELD_OUT, SEEN, as_file, as_small, rendered_scene
from cifake_core.detectors import runs
from cifake_core.explanations import trying
from cifake_core.explanations.predictor import Predictor
from cifake_core.explanations.verdict import OUTSIDE, UNSURE
from cifake_core.images import codec
from cifake_core.images.image_set import ImageSet
from cifake_core.images.schema import LABELS
from cifake_core.metrics import intervals
from cifake_core.store.workspace import Workspace


class Bench:
    """One run before pictures of many kinds."""

    def __init__(self, options: argparse.Namespace) -> None:
        workspace = Workspace.current()
        self.workspace, self.options = workspace, options
        self.run = runs.open_run(workspace, options.run)
        self.own = ImageSet.open(workspace, self.run.dataset)
        formats = self.own.record["formats"]
        self.jpeg = max(formats, key=formats.get) == "JPEG"
        self.predictor = Predictor.of(workspace, self.run)
        self.rows: list[dict] = []

    def words(self, files: list[bytes]) -> list[str]:
        return [trying.judged(self.predictor, codec.decode_file(data), self.jpeg)[1].word for data in files]

    def report(self, group: str, name: str, files: list[bytes]) -> None:
        """A row of the table: the pictures as brought, and as 32-pixel files where they were larger or smaller."""
        brought = self.words(files)
        small = brought
        if any(Image.open(io.BytesIO(data)).size != (32, 32) for data in files):
            small = self.words([as_file(as_small(codec.decode(data))) for data in files])
        row = {"group": group, "kind": name, "n": len(files)}
        for way, words in (("brought", brought), ("32 px", small)):
            row[way] = sum(word in (OUTSIDE, UNSURE) for word in words)
            row[f"{way} outside"] = words.count(OUTSIDE)
        self.rows.append(row)
        print(
            f"| {name} | {len(files)} | {share(row['brought'], len(files))} | {row['brought outside'] / len(files):.0%} "
            f"| {share(row['32 px'], len(files))} | {row['32 px outside'] / len(files):.0%} |",
            flush=True,
        )


def share(count: int, n: int) -> str:
    """ "97.0 % (91.5 – 99.4)": with the exact interval."""
    found = intervals.share(count, n)
    return f"{100 * found.value:.1f} % ({100 * found.low:.1f} – {100 * found.high:.1f})"


def main() -> None:
    options = _options()
    bench = Bench(options)
    print(f"{bench.run.id}: {bench.predictor.domain}; JPEG 75 first: {bench.jpeg}; seed {options.seed}\n")
    part = bench.own.part("test")
    _own_images(bench, part)
    print("\n| kind | n | no firm verdict, as brought | outside | no firm verdict, as a 32-pixel file | outside |\n|---|---|---|---|---|---|")
    random = np.random.default_rng(options.seed)

    def own() -> np.ndarray:
        return np.ascontiguousarray(part.pixels[int(random.integers(len(part)))].transpose(1, 2, 0))

    scenes = {} if "rendered scenes" in bench.predictor.domain else {"rendered scene": rendered_scene}
    for group, kinds in (("seen", SEEN | scenes), ("held out", HELD_OUT)):
        for name, make in kinds.items():
            bench.report(group, name, [as_file(make(random, own)) for _ in range(options.images)])
    for name in options.other:
        _other_dataset(bench, name, random)
    for file in options.parquet:
        _parquet(bench, Path(file), random)
    _summary(bench)
    _cases(bench)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--own", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--other", action="append", default=[])
    parser.add_argument("--parquet", action="append", default=[])
    parser.add_argument("--cases", default="")
    parser.add_argument("--json", default="", help="file for the rows")
    return parser.parse_args()


def _own_images(bench: Bench, part) -> None:
    count = bench.options.own or len(part)
    rows = np.sort(np.random.default_rng(bench.options.seed).permutation(len(part))[:count])
    words = np.array(bench.words(bench.own.encoded_rows("test", rows)))
    refused, unsure = int((words == OUTSIDE).sum()), int((words == UNSURE).sum())
    print(f"own test images: refused as outside {share(refused, len(rows))}, unsure {share(unsure, len(rows))}, n = {len(rows)}")
    for label, word in enumerate(LABELS):
        mine = words[part.labels[rows] == label]
        print(f"  {word}: refused {share(int((mine == OUTSIDE).sum()), len(mine))}, n = {len(mine)}")
    bench.rows.append({"group": "own", "kind": "own test images", "n": len(rows), "outside": refused, "unsure": unsure})


def _other_dataset(bench: Bench, name: str, random: np.random.Generator) -> None:
    other = ImageSet.open(bench.workspace, name)
    split = "test" if other.has("test") else "train"
    labels = other.manifest("test" if split == "test" else "train+validation")["label"].to_numpy()
    for label in np.unique(labels):
        rows = random.permutation(np.flatnonzero(labels == label))[: bench.options.images]
        bench.report("other dataset", f"{name}, {LABELS[label]}", other.encoded_rows(split, np.sort(rows)))


def _parquet(bench: Bench, file: Path, random: np.random.Generator) -> None:
    table = pd.read_parquet(file)
    column = "image_data" if "image_data" in table else "image"
    rows = random.permutation(len(table))[: bench.options.images]
    files = [cell["bytes"] if isinstance(cell, dict) else cell for cell in table[column].iloc[rows]]
    bench.report("other dataset", file.stem, files)


def _summary(bench: Bench) -> None:
    outside = [row for row in bench.rows if row["group"] != "own"]
    print()
    for title, rows in (("all kinds", outside), *((f"kinds {group}", [r for r in outside if r["group"] == group]) for group in ("seen", "held out", "other dataset"))):
        if rows:
            n = sum(row["n"] for row in rows)
            print(f"{title} ({len(rows)}): no firm verdict {share(sum(r['brought'] for r in rows), n)} as brought, {share(sum(r['32 px'] for r in rows), n)} as 32-pixel files, n = {n}")
    if bench.options.json:
        Path(bench.options.json).write_text(json.dumps(bench.rows, indent=1))


def _cases(bench: Bench) -> None:
    for file in sorted(Path(bench.options.cases).glob("*")) if bench.options.cases else ():
        _, verdict = trying.judged(bench.predictor, codec.decode_file(file.read_bytes()), bench.jpeg)
        print(f"{file.name}: {verdict.word}, {verdict.fake_probability:.1%} fake; {'; '.join(verdict.reasons)}")


if __name__ == "__main__":
    main()
