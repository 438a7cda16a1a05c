"""Layouts of sets that people have published, each with a trap in it: every picture's label and split are compared with the truth."""

import json

import pytest

from cifake_core.errors import BadInput
from tests.import_truth import counts, imported, pairs, png, put, rows_of

# ---- folders


@pytest.mark.parametrize(("real", "fake"), [("AI_free", "AI"), ("without_ai", "with_ai"), ("ai-free-images", "ai-images"), ("free_photos", "free_ai_images"), ("real_free", "ai")])
def test_words_that_deny_ai_mean_real(workspace, tmp_path, real, fake):
    assert counts(imported(workspace, put(tmp_path / "mine", pairs(3, real, fake)))) == {"train": (3, 3)}


@pytest.mark.parametrize("test", ["testingdata", "testdata", "holdout", "test_unseen"])
def test_pictures_held_out_under_other_names_stay_out_of_train(workspace, tmp_path, test):
    source = put(tmp_path / "mine", {**pairs(3, "trainingdata/real", "trainingdata/ai"), **pairs(2, f"{test}/real", f"{test}/ai", first=10)})
    assert counts(imported(workspace, source)) == {"train": (3, 3), "test": (2, 2)}


def test_a_folder_that_holds_everything_is_no_generator(workspace, tmp_path):
    made = ("dalle", "glide_100_10", "ldm_100")
    files = {f"diffusion_datasets/{name}/1_fake/{i}.png": png(10 * n + i, 1) for n, name in enumerate(made) for i in range(2)}
    files |= {f"diffusion_datasets/laion/0_real/{i}.png": png(50 + i, 0) for i in range(2)}
    rows = rows_of(imported(workspace, put(tmp_path / "mine", files)))
    assert {row["path"].split("/")[1]: row["generator"] for row in rows} == {name: name for name in made} | {"laion": ""}


# ---- lists

PICTURES = {f"images/{i:03d}{'ab'[fake]}.png": png(i, fake) for i in range(3) for fake in (0, 1)}
TOLD = {name: ("FAKE" if name[-5] == "b" else "REAL") for name in PICTURES}


def lines(rows, head: str = "file,label") -> str:
    return "\n".join([*([head] if head else []), *(",".join(map(str, row)) for row in rows)]) + "\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", lines(TOLD.items(), head="")),  # no line of names
        ("t.csv", lines(TOLD.items()).replace(",", "|")),
        ("t.csv", lines(TOLD.items()).encode("utf-16")),
        ("t.csv", lines((f"C:\\set\\{name.upper()}".replace("/", "\\"), label) for name, label in TOLD.items())),
        ("t.json", json.dumps({"data": [{"file": name, "label": label} for name, label in TOLD.items()]})),
    ],
    ids=["headless", "bars", "utf-16", "windows-paths", "json-data"],
)
def test_lists_as_tools_write_them(workspace, tmp_path, name, content):
    columns = ("label=column 2",) if name == "t.csv" and content == lines(TOLD.items(), head="") else ()
    assert counts(imported(workspace, put(tmp_path / "mine", {**PICTURES, name: content}), columns=columns)) == {"train": (3, 3)}


def test_rows_that_cannot_be_read_are_counted(workspace, tmp_path):
    broken = lines(TOLD.items()).replace("images/001a.png,REAL", "images/001a.png,REAL,cats, dogs")
    account = imported(workspace, put(tmp_path / "mine", {**PICTURES, "t.csv": broken})).record["source"]["account"]
    assert account["left_out"]["rows of a list that cannot be read"] == {"count": 1, "examples": ["images/001a.png,REAL,cats, dogs (t.csv)"]}
    spoilt = "\n".join([*(json.dumps({"file_name": name, "label": label}) for name, label in TOLD.items()), '{"file_na'])
    made = imported(workspace, put(tmp_path / "lines", {**PICTURES, "m.jsonl": spoilt}), name="lines")
    assert counts(made) == {"train": (3, 3)}
    assert made.record["source"]["account"]["left_out"]["rows of a list that cannot be read"]["count"] == 1


def test_names_that_train_and_test_share_are_told_apart_by_the_lists_own_name(workspace, tmp_path):
    files = {f"{split}/{i}.png": png(first + i, i % 2) for split, first in (("train", 0), ("test", 100)) for i in range(6)}
    lists = {f"{split}.csv": lines(((f"{i}.png", i % 2) for i in range(6)), "id,label") for split in ("train", "test")}
    assert counts(imported(workspace, put(tmp_path / "mine", files | lists))) == {"train": (3, 3), "test": (3, 3)}


def test_a_picture_that_any_list_keeps_for_test_stays_out_of_train(workspace, tmp_path):
    lists = {"all.csv": lines(TOLD.items()), "test.csv": lines(list(TOLD.items())[4:])}
    assert counts(imported(workspace, put(tmp_path / "mine", PICTURES | lists))) == {"train": (2, 2), "test": (1, 1)}


def test_a_list_of_some_pictures_does_not_lose_those_whose_folders_say_the_label(workspace, tmp_path):
    source = put(tmp_path / "mine", {**pairs(3, "real", "fake"), "l.csv": lines((f"real/00{i}.png", "real") for i in range(3))})
    assert counts(imported(workspace, source)) == {"train": (3, 3)}


def test_a_list_of_web_addresses_is_refused_with_that_reason(workspace, tmp_path):
    source = put(tmp_path / "mine", {"t.csv": lines(((f"https://a.example/{i}.jpg", i % 2) for i in range(4)), "url,label")})
    with pytest.raises(BadInput, match="t.csv names its pictures by web addresses; .* download them"):
        imported(workspace, source / "t.csv")
