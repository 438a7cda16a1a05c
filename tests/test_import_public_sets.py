"""Layouts of sets that people have published, each with a trap in it: every picture's label and split are compared with the truth."""

import base64
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cifake_core.errors import BadInput
from cifake_core.images.sources.account import COMPANIONS
from tests.import_truth import IMAGE, cells, counts, imported, pairs, png, put, rows_of, table

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


@pytest.mark.parametrize(("known", "unknown"), [("ddpm", "adm"), ("GANs/BigGAN", "DMs/ADM"), ("midjourney", "novelgen")])
def test_a_folder_of_fakes_whose_name_is_not_known_is_asked_about_not_left_out(workspace, tmp_path, known, unknown):
    files = {f"{split}/{folder}/{i}.png": png(first + i, fake) for split, start in (("train", 0), ("test", 100))
             for folder, first, fake in (("real", start, 0), (known, start, 1), (unknown, start + 50, 1)) for i in range(3)}  # fmt: skip
    source, name = put(tmp_path / "mine", files), unknown.partition("/")[0]
    with pytest.raises(BadInput, match=f"{name!r} says neither real nor fake"):
        imported(workspace, source)
    assert counts(imported(workspace, source, fake=(name,))) == {"train": (3, 6), "test": (3, 6)}


def test_masks_and_thumbnails_beside_the_pictures_are_counted_not_imported(workspace, tmp_path):
    files = pairs(3, "real", "fake") | {f"fake/Masks/{i}.png": png(20 + i, 1) for i in range(3)} | {"real/thumbnails/0.png": png(30, 0)}
    made = imported(workspace, put(tmp_path / "mine", files))
    assert counts(made) == {"train": (3, 3)}
    assert made.record["source"]["account"]["left_out"][COMPANIONS]["count"] == 4


def test_a_folder_named_by_the_user_is_imported_whatever_its_name(workspace, tmp_path):
    files = {f"{folder}/{i}.png": png(first + i, fake) for folder, first, fake in (("masks", 0, 1), ("faces", 10, 0)) for i in range(3)}
    assert counts(imported(workspace, put(tmp_path / "mine", files), real=("faces",), fake=("masks",))) == {"train": (3, 3)}


# ---- lists

PICTURES = {f"images/Pic{i:03d}{'ab'[fake]}.png": png(i, fake) for i in range(3) for fake in (0, 1)}
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

    assert counts(imported(workspace, put(tmp_path / "mine", {**PICTURES, name: content}))) == {"train": (3, 3)}


def test_rows_that_cannot_be_read_are_counted(workspace, tmp_path):
    broken = lines(TOLD.items()).replace("images/Pic001a.png,REAL", "images/Pic001a.png,REAL,cats, dogs")
    account = imported(workspace, put(tmp_path / "mine", {**PICTURES, "t.csv": broken})).record["source"]["account"]
    assert account["left_out"]["rows of a list that cannot be read"] == {"count": 1, "examples": ["images/Pic001a.png,REAL,cats, dogs (t.csv)"]}
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


# ---- tables


def mine(folder, columns: dict, names=None):
    """A Parquet file of five reals and five fakes in turn, with those columns besides."""
    return table(folder / "data" / "train.parquet", {"image": cells(5)[0], **columns}, names)


FAKES = cells(5)[1]
TURNED = [1 - fake for fake in FAKES]


@pytest.mark.parametrize(
    "columns",
    [
        {"label": TURNED, "is_real": TURNED},
        {"is_human": TURNED},
        {"is_not_ai": TURNED},
        {"is_deepfake": FAKES},
        {"isPhoto": [bool(number) for number in TURNED]},
        {"ai_or_not": ["ai" if fake else "not ai" for fake in FAKES]},
    ],
    ids=lambda columns: "+".join(columns),
)
def test_columns_whose_names_or_words_say_the_label_go_before_bare_numbers(workspace, tmp_path, columns):
    assert counts(imported(workspace, mine(tmp_path, columns))) == {"train": (5, 5)}


def test_numbers_that_file_names_or_generators_contradict_are_asked_about(workspace, tmp_path):
    made = mine(tmp_path / "a", {"label": TURNED, "model": ["sdxl" if fake else "" for fake in FAKES]})
    with pytest.raises(BadInput, match="img_0_1.png is fake by its generator and has the number 0; add --label-names fake,real"):
        imported(workspace, made)
    assert counts(imported(workspace, made, label_names=("fake", "real"))) == {"train": (5, 5)}
    paths = [{**cell, "path": f"{'fake' if fake else 'real'}_{cell['path']}"} for cell, fake in zip(cells(5)[0], FAKES, strict=True)]
    with pytest.raises(BadInput, match="real_img_0_0.png is real by its name and has the number 1"):
        imported(workspace, mine(tmp_path / "b", {"image": paths, "label": TURNED}), name="named")
    pairs_of = mine(tmp_path / "c", {"label": FAKES, "model": ["sdxl"] * 10})  # a real, and what was made of it
    assert counts(imported(workspace, pairs_of, name="pairs")) == {"train": (5, 5)}


def test_numbers_beyond_0_and_1_are_all_asked_about(workspace, tmp_path):
    numbers = [fake * (1 + i % 4) for i, fake in enumerate(FAKES)]
    made = mine(tmp_path, {"label": numbers})
    with pytest.raises(BadInput, match="'0', '2', '4' say neither|'2', '4', '0' say neither|'4', '2', '0' say neither"):
        imported(workspace, made)
    assert counts(imported(workspace, made, real=("0",), fake=("2", "4"))) == {"train": (5, 5)}


def test_a_split_column_of_other_words_is_refused_with_what_answers_it(workspace, tmp_path):
    made = mine(tmp_path, {"label": FAKES, "split": ["fold3"] * 10})
    with pytest.raises(BadInput, match="'fold3'; train, validation and test are known here: .* --split train"):
        imported(workspace, made)
    assert counts(imported(workspace, made, split="test")) == {"test": (5, 5)}


@pytest.mark.parametrize("head", ["", "data:image/png;base64,"])
def test_pictures_in_base64_are_read(workspace, tmp_path, head):
    text = [head + base64.b64encode(cell["bytes"]).decode() for cell in cells(5)[0]]
    assert counts(imported(workspace, table(tmp_path / "a.parquet", {"img": text, "label": FAKES}))) == {"train": (5, 5)}


def columns_of_pictures(folder, real: str, *fakes: str):
    made = {(name, fake): [png(10 * n + i, fake) for i in range(3)] for n, (name, fake) in enumerate([(real, 0), *((name, 1) for name in fakes)])}
    return table(folder / "a.parquet", {name: [{"bytes": data, "path": None} for data in files] for (name, _), files in made.items()})


def test_several_columns_of_pictures_are_one_label_each_or_asked_about(workspace, tmp_path):
    assert counts(imported(workspace, columns_of_pictures(tmp_path / "a", "original", "generated"))) == {"train": (3, 3)}
    assert counts(imported(workspace, columns_of_pictures(tmp_path / "b", "real", "sdxl", "midjourney"), name="b")) == {"train": (3, 6)}
    edited = columns_of_pictures(tmp_path / "c", "image", "edited_image")
    with pytest.raises(BadInput, match="several columns of pictures, 'image', 'edited_image', .* --real 'image' --fake 'edited_image'"):
        imported(workspace, edited, name="c")
    assert counts(imported(workspace, edited, name="c", real=("image",), fake=("edited_image",))) == {"train": (3, 3)}


def test_pictures_of_a_second_column_are_not_passed_over_in_silence(workspace, tmp_path):
    made = imported(workspace, mine(tmp_path, {"mask": [png(90 + i, 0) for i in range(10)], "label": FAKES}))
    assert any("those of 'mask' are not read" in sentence for sentence in made.record["source"]["conventions"])


def test_names_of_numbers_hold_for_files_beside_those_that_state_them(workspace, tmp_path):
    train = table(tmp_path / "set" / "data" / "train.parquet", {"image": cells(3)[0], "label": [1 - fake for fake in cells(3)[1]]}, {"label": ["FAKE", "REAL"]})
    images, fakes = cells(2, first=20)
    table(train.with_name("test.parquet"), {"image": images, "label": [1 - fake for fake in fakes]})
    assert counts(imported(workspace, tmp_path / "set")) == {"train": (3, 3), "test": (2, 2)}


def test_numbers_that_the_files_own_folder_contradicts_are_asked_about(workspace, tmp_path):
    for fake, word in enumerate(("real", "fake")):
        table(tmp_path / "set" / word / "train.parquet", {"image": cells(3)[0][fake::2], "label": [0] * 3})
    with pytest.raises(BadInput, match="fake/train.parquet is of fake pictures by its name, but all its labels were read as real; .*--fakes"):
        imported(workspace, tmp_path / "set")
    sources = {f"{word}s": [str(tmp_path / "set" / word / "train.parquet")] for word in ("real", "fake")}
    assert counts(imported(workspace, **sources)) == {"train": (3, 3)}


def test_a_pointer_of_git_lfs_is_named_as_such(workspace, tmp_path):
    source = put(tmp_path / "set", {"a.parquet": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"})
    with pytest.raises(BadInput, match="a.parquet is only a pointer of Git LFS"):
        imported(workspace, source)


def test_labels_that_are_records_and_several_pictures_a_row_are_refused_by_their_own_names(workspace, tmp_path):
    pictures, labels = cells(2)
    records = table(tmp_path / "records.parquet", {"image": pictures, "label": [{"id": n, "name": "real"} for n in labels]})
    with pytest.raises(BadInput, match=r"column 'label' of records.parquet holds records \(id, name\)"):
        imported(workspace, records)
    several = tmp_path / "several.parquet"
    pq.write_table(pa.table({"images": pa.array([[one] for one in pictures], pa.list_(IMAGE)), "label": labels}), several)
    with pytest.raises(BadInput, match="column 'images' of several.parquet holds a list in each row"):
        imported(workspace, several)
    pixels = tmp_path / "pixels.parquet"
    pq.write_table(pa.table({"image": [[[0, 1], [2, 3]]] * 4, "label": labels}), pixels)
    with pytest.raises(BadInput, match="column 'image' of pixels.parquet holds a list in each row"):
        imported(workspace, pixels)


def test_pointers_of_git_lfs_in_place_of_pictures_are_named_as_such(workspace, tmp_path):
    files = pairs(2, "real", "fake") | {"fake/9.png": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n"}
    left = imported(workspace, put(tmp_path / "mine", files)).record["source"]["account"]["left_out"]
    assert "only a pointer of Git LFS" in str(left["broken"]["examples"])
