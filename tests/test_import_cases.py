"""The inputs that real users bring, built from the real CIFAKE: each picture's label is compared with the truth. Skipped without them."""

import importlib.util
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cifake_core.cli import app
from cifake_core.images.codec import decode
from cifake_core.images.image_set import ImageSet
from cifake_core.store.workspace import Workspace

pytestmark = pytest.mark.data

CASES = Path(os.environ.get("CIFAKE_CASES", Path(__file__).parents[2] / "shared" / "cases"))
BUILT = (
    "class-labels converted-parquet forensynths folder-words suffixes links latin1-name column-types windows-zip manifests one-label broken-files "
    "copy-names native-sizes"
)


@pytest.fixture(scope="module")
def cases(tmp_path_factory) -> Path:
    """A folder with every case of an import."""
    if not (CASES / "build.py").exists():
        pytest.skip(f"the cases are not in {CASES}; set CIFAKE_CASES to their folder")
    made = importlib.util.spec_from_file_location("cases_build", CASES / "build.py")
    build = importlib.util.module_from_spec(made)
    made.loader.exec_module(build)
    root = tmp_path_factory.mktemp("cases")
    for name in BUILT.split():
        build.CASES[name](root / name)
    return root


@pytest.fixture(scope="module")
def truth(real_data) -> dict[bytes, int]:
    """Small coarse copies of the pictures the cases are made of → label; coarse, for some went through JPEG."""
    import pyarrow.parquet as pq

    table = pq.read_table(real_data / "cifake-test.parquet", columns=["image", "label"])
    labels = np.array(table["label"])
    rows = [row for label in (0, 1) for row in np.flatnonzero(labels == label)[:800]]
    return {coarse(decode(table["image"][int(row)].as_py()["bytes"])): int(labels[row]) for row in rows}


def coarse(pixels: np.ndarray) -> np.ndarray:
    """Means of 4 × 4 blocks, uint8: what JPEG leaves alone."""
    return pixels.reshape(8, 4, 8, 4, 3).mean((1, 3)).astype(np.float32).tobytes()


def run(source: Path, *options: str) -> tuple[dict | str, list[dict]]:
    """(result, manifest rows), or (the error's sentence, [])."""
    done = CliRunner().invoke(app, ["import", str(source), "--name", "case", "--json", *options])
    if done.exception is not None:
        return str(done.exception), []
    made = ImageSet.open(Workspace.current(), "case")
    rows = []
    for split in made.record["rows"]:
        part = made.part("test" if split == "test" else "train+validation")
        rows += [row | {"pixels": pixels.transpose(1, 2, 0)} for row, pixels in zip(part.manifest.to_dict("records"), part.pixels, strict=True)]
    return json.loads(done.stdout.splitlines()[-1]), rows


def counts(result: dict) -> dict[str, tuple[int, int]]:
    return {split: (told["real"], told["fake"]) for split, told in result["counts"].items()}


def check_labels(rows: list[dict], truth: dict[bytes, int]) -> None:
    """The nearest picture of the truth has the label the import gave."""
    known = np.stack([np.frombuffer(key, np.float32) for key in truth])
    labels = np.array(list(truth.values()))
    found = np.stack([np.frombuffer(coarse(row["pixels"]), np.float32) for row in rows])
    distance = (found**2).sum(1)[:, None] + (known**2).sum(1)[None] - 2 * found @ known.T
    assert labels[distance.argmin(1)].tolist() == [row["label"] for row in rows]


EXPECTED = [
    ("class-labels/FAKE_REAL", (), {"train": (20, 20)}),
    ("class-labels/AiArtData_RealArt", (), {"train": (20, 20)}),
    ("class-labels/AI_Real", (), {"train": (20, 20)}),
    ("class-labels/zebra_quagga", ("--fake", "quagga", "--real", "zebra"), {"train": (20, 20)}),
    ("converted-parquet", (), {"train": (20, 20), "test": (10, 10)}),
    ("forensynths", (), {"train": (36, 36), "test": (24, 24)}),
    *((f"folder-words/{name}", (), {"train": (5, 5)}) for name in ("real+ai", "nature+ai", "Real+AI_Generated", "training_real+training_fake", "real_images+fake_images")),
    ("folder-words/0+1", ("--label-names", "real,fake"), {"train": (5, 5)}),
    ("suffixes", (), {"train": (30, 40)}),
    ("links/datasets--someone--CIFAKE", (), {"train": (20, 20)}),
    ("links/half", (), {"train": (10, 10)}),
    ("latin1-name", (), {"train": (5, 5)}),
    *((f"column-types/{name}.parquet", (), {"train": (10, 10)}) for name in ("label_words", "label_float", "label_bool", "column_labels", "class_label_text", "prompt_list")),
    ("column-types/image_null.parquet", (), {"train": (9, 10)}),
    ("windows-zip/dataset.zip", (), {"train": (10, 10)}),
    ("manifests/csv", (), {"train": (10, 10)}),
    ("manifests/imagefolder", (), {"train": (10, 10)}),
    ("one-label", ("--label", "real"), {"train": (10, 0)}),
    ("broken-files", (), {"train": (60, 60)}),
    ("copy-names", (), {"train": (31, 30)}),
    ("native-sizes", ("--resize",), {"train": (40, 40)}),
]  # fmt: skip


@pytest.mark.parametrize(("case", "options", "wanted"), EXPECTED, ids=[case for case, _, _ in EXPECTED])
def test_every_case_is_read_with_the_right_label_of_every_picture(cases, truth, case, options, wanted):
    result, rows = run(cases / case, *options)
    assert counts(result) == wanted
    check_labels(rows, truth)
    account = result["account"]
    assert account["seen"] == account["imported"] + sum(entry["count"] for entry in account["left_out"].values())


@pytest.mark.parametrize(
    ("case", "options", "sentence"),
    [
        ("class-labels/zebra_quagga", (), "'quagga', 'zebra' say neither|'zebra', 'quagga' say neither"),
        ("folder-words/0+1", (), "'0', '1' say neither real nor fake"),
        ("column-types/label_minus1.parquet", (), "All 20 labels of label_minus1.parquet are missing or −1"),
        ("column-types/paths_only.parquet", (), "holds paths only"),
        ("one-label", (), "--label real"),
        ("broken-files", ("--strict",), "3 files cannot be imported: FAKE/empty.jpg .*FAKE/truncated.jpg .*REAL/page.jpg"),
    ],
)
def test_what_is_refused_says_the_true_reason_and_what_to_add(cases, case, options, sentence):
    said, _ = run(cases / case, *options)
    assert isinstance(said, str)
    assert re.search(sentence, said), said


def test_the_cases_with_more_to_them(cases):
    _, rows = run(cases / "forensynths")
    assert {row["generator"] for row in rows} == {"", "progan", "biggan", "stargan"}
    assert {row["class_label"] for row in rows if "/airplane/" in row["path"]} == {0}
    assert {row["split"] for row in rows if row["path"].startswith("test/")} == {"test"}
    workspace = Workspace.current()
    ImageSet.delete(workspace, "case")
    _, rows = run(cases / "copy-names")
    assert {row["class_label"] for row in rows} == {-1}
    ImageSet.delete(workspace, "case")
    result, rows = run(cases / "one-label", "--label", "real")
    assert {row["class_label"] for row in rows} == {0, 6}
    assert result["warnings"]
    ImageSet.delete(workspace, "case")
    result, _ = run(cases / "broken-files")
    assert result["account"]["left_out"]["broken"]["count"] == 3
    ImageSet.delete(workspace, "case")
    _, rows = run(cases / "column-types" / "class_label_text.parquet")
    assert {row["class_label"] for row in rows} == {3}
