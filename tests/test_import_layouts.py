"""Every layout people bring: each picture gets the right label, split, class and generator, or the import asks in one sentence."""

import json
import tarfile
import zipfile

import pyarrow as pa
import pytest

from cifake_core.errors import BadInput
from tests.import_truth import IMAGE, cells, counts, imported, pairs, png, put, rows_of, run, saved, table


def told(made, *columns: str) -> dict[str, tuple]:
    """{path: values of those columns}; a single column's value stands alone."""
    return {row["path"]: tuple(row[c] for c in columns) if len(columns) > 1 else row[columns[0]] for row in rows_of(made)}


# ---- folders


@pytest.mark.parametrize(
    ("real", "fake"),
    [("real", "ai"), ("nature", "ai"), ("Real", "AI_Generated"), ("training_real", "training_fake"), ("real_images", "fake_images"),
     ("human", "stable_diffusion"), ("photographs", "synthetic"), ("original", "deepfake"), ("non-ai", "ai"), ("0_real", "1_fake")],
)  # fmt: skip
def test_words_for_real_and_fake_are_understood_in_folders(workspace, tmp_path, real, fake):
    assert counts(imported(workspace, put(tmp_path / "mine", pairs(4, real, fake)))) == {"train": (4, 4)}


def test_names_that_say_nothing_are_asked_about_and_answered(workspace, tmp_path):
    source = put(tmp_path / "mine", pairs(3, "train/quagga", "train/zebra"))
    with pytest.raises(BadInput, match=r"'quagga', 'zebra' say neither real nor fake; .*--real 'quagga' --fake 'zebra'"):
        imported(workspace, source)
    assert counts(imported(workspace, source, real=["quagga"], fake=["zebra"])) == {"train": (3, 3)}
    numbered = put(tmp_path / "numbered", pairs(3, "0", "1"))
    half = put(tmp_path / "half", pairs(2, "Celeb-real", "Celeb-synthesis"))
    with pytest.raises(BadInput, match="'Celeb-synthesis' says neither real nor fake; say which it is, --real 'Celeb-synthesis' or --fake 'Celeb-synthesis'"):
        imported(workspace, half, name="half")
    with pytest.raises(BadInput, match="'0', '1' say neither"):
        imported(workspace, numbered)
    assert counts(imported(workspace, numbered, name="names", label_names=["real", "fake"])) == {"train": (3, 3)}
    turned = put(tmp_path / "turned", pairs(3, "1", "0"))
    assert counts(imported(workspace, turned, name="turned", label_names=["fake", "real"])) == {"train": (3, 3)}


def test_one_known_name_beside_unknown_ones_is_asked_about_not_half_imported(workspace, tmp_path):
    source = put(tmp_path / "art", {**pairs(2, "baroque", "AI_baroque"), **pairs(2, "cubism", "AI_cubism", first=10)})
    with pytest.raises(BadInput, match="'baroque', 'cubism' say neither"):
        imported(workspace, source)
    assert counts(imported(workspace, source, real=("baroque", "cubism"))) == {"train": (4, 4)}


@pytest.mark.parametrize(
    "folders",
    [
        ("real/nature", "fake/nature", "real/cat", "fake/cat"),  # a class here, no label
        ("deepfake/0_real", "deepfake/1_fake", "biggan/0_real", "biggan/1_fake"),  # generators of ForenSynths
        ("imagenet_ai_0419_sdv4/train/nature", "imagenet_ai_0419_sdv4/train/ai", "imagenet_glide/train/nature", "imagenet_glide/train/ai"),
        ("real-vs-fake/train/real", "real-vs-fake/train/fake", "real-vs-fake/test/real", "real-vs-fake/test/fake"),
    ],
)
def test_what_stands_beside_a_folder_decides_what_its_name_means(workspace, tmp_path, folders):
    source = put(tmp_path / "real_vs_fake", {**pairs(2, *folders[:2]), **pairs(2, *folders[2:], first=10)})
    assert sum(n for pair in counts(imported(workspace, source)).values() for n in pair) == 8


def test_folders_that_contradict_each_other_are_refused(workspace, tmp_path):
    for number, path in enumerate(("real/fake/a.png", "midjourney/photo/a.png")):
        with pytest.raises(BadInput, match="lies in a REAL and a FAKE folder at once"):
            imported(workspace, put(tmp_path / str(number), {path: png(1, 1)}))


def test_pictures_without_a_label_are_left_out_even_if_the_collections_name_says_one(workspace, tmp_path):
    source = put(tmp_path / "ai_images", {**pairs(2, "train/real", "train/fake"), "test/a.png": png(50, 0), "b.png": png(51, 0)})
    made = imported(workspace, source)
    assert counts(made) == {"train": (2, 2)}
    assert made.record["source"]["account"]["left_out"]["in no folder that says real or fake"]["count"] == 2
    alone = put(tmp_path / "x" / "test_FAKE", {"a.png": png(5, 1)})  # nothing inside says anything: the folder itself does
    assert counts(imported(workspace, alone, name="alone")) == {"test": (0, 1)}


def test_an_archives_own_name_is_no_label_if_it_says_more(workspace, tmp_path):
    with pytest.raises(BadInput, match="'cats', 'dogs' say neither"):
        imported(workspace, put(tmp_path / "ai_detection", pairs(2, "cats", "dogs")))


def test_class_folders_of_photographs_only_need_their_label_and_keep_their_classes(workspace, tmp_path):
    source = put(tmp_path / "cifar10_png", {f"train/{name}/{i}.png": png(10 * c + i, 0) for c, name in enumerate(("airplane", "frog")) for i in range(3)})
    with pytest.raises(BadInput, match="'airplane', 'frog' say neither .*--label real"):
        imported(workspace, source)
    made = imported(workspace, source, label="real")
    assert told(made, "class_label") == {f"train/{n}/{i}.png": c for c, n in ((0, "airplane"), (6, "frog")) for i in range(3)}


def test_two_sources_of_one_kind_each(workspace, tmp_path):
    photos, made_up = put(tmp_path / "a", {f"{i}.png": png(i, 0) for i in range(3)}), put(tmp_path / "b", {f"x/{i}.png": png(i, 1) for i in range(2)})
    assert counts(imported(workspace, reals=[str(photos)], fakes=[str(made_up)])) == {"train": (3, 2)}


# ---- splits, classes, generators


def forensynths(root):
    files = {}
    for split, n, first in (("train", 3, 0), ("val", 2, 50), ("test/progan", 2, 100)):
        for c, name in enumerate(("airplane", "train", "tvmonitor")):
            files |= pairs(n, f"{split}/{name}/0_real", f"{split}/{name}/1_fake", first=first + 10 * c)
    for g, name in enumerate(("biggan", "crn")):
        files |= pairs(2, f"test/{name}/0_real", f"test/{name}/1_fake", first=200 + 10 * g)
    return put(root, files)


def test_forensynths_test_stays_test_train_stays_a_class_and_only_generators_are_generators(workspace, tmp_path):
    made = imported(workspace, forensynths(tmp_path / "forensynths"))
    assert counts(made) == {"train": (15, 15), "test": (10, 10)}
    rows = rows_of(made)
    assert {row["path"].split("/")[1]: row["generator"] for row in rows if row["split"] == "test" and row["label"]} == {
        "progan": "progan", "biggan": "biggan", "crn": "crn",
    }  # fmt: skip
    assert {row["generator"] for row in rows if row["split"] == "train" or not row["label"]} == {""}
    assert {row["class_label"] for row in rows if "/airplane/" in row["path"]} == {0}
    assert {row["provenance"] for row in rows if "/train/" in row["path"]} == {json.dumps({"class": "train"})}


@pytest.mark.parametrize("part", ["test/progan", "test"])
def test_a_part_of_forensynths_alone_takes_its_split_and_generator_from_the_folder_that_was_given(workspace, tmp_path, part):
    made = imported(workspace, forensynths(tmp_path) / part)
    rows = rows_of(made)
    assert "progan" in {row["generator"] for row in rows}
    assert {row["split"] for row in rows} == {"test"} if part == "test" else {"train"}


def test_genimage_names_its_generators_above_the_split(workspace, tmp_path):
    files = {}
    for g, name in enumerate(("ADM", "imagenet_ai_0424_wukong", "unheard_of")):
        for s, split in enumerate(("train", "val")):
            files |= pairs(2, f"{name}/{split}/nature", f"{name}/{split}/ai", first=20 * g + 10 * s)
    made = imported(workspace, put(tmp_path / "genimage", files))
    assert {row["path"].split("/")[0]: row["generator"] for row in rows_of(made) if row["label"]} == {
        "ADM": "ADM", "imagenet_ai_0424_wukong": "imagenet_ai_0424_wukong", "unheard_of": "unheard_of",
    }  # fmt: skip


def test_an_unknown_class_folder_is_never_a_generator_unless_the_user_says_so(workspace, tmp_path):
    source = put(tmp_path / "mine", {**pairs(2, "tvmonitor/REAL", "tvmonitor/FAKE"), **pairs(2, "playground/REAL", "playground/FAKE", first=20)})
    assert set(told(imported(workspace, source), "generator").values()) == {""}
    said = imported(workspace, source, name="said", generator_folders=["playground"])
    assert {row["generator"] for row in rows_of(said) if "playground/FAKE" in row["path"]} == {"playground"}


def test_the_outermost_split_folder_decides(workspace, tmp_path):
    source = put(tmp_path / "x", {**pairs(2, "test/train/real", "test/train/fake"), **pairs(2, "train/val/real", "train/val/fake", first=10)})
    assert set(told(imported(workspace, source), "split").values()) == {"train", "test"}
    assert all(split == path.split("/")[0] for path, split in told(imported(workspace, source), "split").items())


def test_splits_in_longer_names_are_told_by_what_stands_beside_them(workspace, tmp_path):
    files = {**pairs(2, "my_train_pics/real", "my_train_pics/fake"), **pairs(2, "my_test_pics/real", "my_test_pics/fake", first=10)}
    assert counts(imported(workspace, put(tmp_path / "a", files))) == {"train": (2, 2), "test": (2, 2)}
    cycle = {**pairs(2, "trainA", "trainB"), **pairs(2, "testA", "testB", first=10)}
    said = {"real": ("trainA", "testA"), "fake": ("trainB", "testB")}
    assert counts(imported(workspace, put(tmp_path / "b", cycle), name="cycle", **said)) == {"train": (2, 2), "test": (2, 2)}


# ---- archives


def zipped(path, files: dict[str, bytes], separator: str = "/"):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name.replace("/", separator), data)
    return path


def tarred(path, files: dict[str, bytes], mode: str = "w"):
    import io

    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo("./" + name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def test_archives_of_every_kind_give_the_set_that_the_folder_gives(workspace, tmp_path):
    files = {**pairs(3, "set/train/REAL", "set/train/FAKE"), **pairs(2, "set/test/REAL", "set/test/FAKE", first=10)}
    folder = imported(workspace, put(tmp_path / "folder", files), name="folder")
    packed = {
        "zip": zipped(tmp_path / "a.zip", files), "windows": zipped(tmp_path / "b.zip", files, "\\"), "tar": tarred(tmp_path / "c.tar", files),
        "gz": tarred(tmp_path / "d.tar.gz", files, "w:gz"), "xz": tarred(tmp_path / "e.tar.xz", files, "w:xz"),
        "nested": zipped(tmp_path / "f.zip", {"download/inner.zip": (tmp_path / "a.zip").read_bytes()}),
    }  # fmt: skip
    for name, path in packed.items():
        assert imported(workspace, path, name=name).digest == folder.digest, name


def test_a_tar_that_leads_out_or_unpacks_to_too_much_is_refused_and_its_links_are_counted(workspace, tmp_path, monkeypatch):
    from cifake_core.images.sources import tarball

    with pytest.raises(BadInput, match="leads out of the archive"):
        imported(workspace, tarred(tmp_path / "a.tar", {"../../real/x.png": png(1, 0)}))
    with tarfile.open(tmp_path / "b.tar", "w") as archive:
        link = tarfile.TarInfo("fake/secret.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with tarfile.open(tmp_path / "b.tar", "a") as archive:
        archive.add(put(tmp_path / "p", {"a.png": png(1, 0)}) / "a.png", "real/a.png")
    result = run(workspace, tmp_path / "b.tar", name="links")
    assert result["account"]["left_out"]["links that lead out of the source"]["examples"] == ["fake/secret.png (a link in an archive)"]
    monkeypatch.setattr(tarball, "MAX_TOTAL_BYTES", 1000)
    with pytest.raises(BadInput, match="too much; split it"):
        imported(workspace, tarred(tmp_path / "c.tar.gz", pairs(3, "real", "fake"), "w:gz"))
    (tmp_path / "d.tar.gz").write_bytes(b"no archive")
    with pytest.raises(BadInput, match="d.tar.gz is damaged"):
        imported(workspace, tmp_path / "d.tar.gz")


# ---- tables


@pytest.mark.parametrize("names", [("FAKE", "REAL"), ("AiArtData", "RealArt"), ("AI", "Real"), ("deepfake", "original")])
def test_class_label_names_decide_not_their_order(workspace, tmp_path, names):
    images, labels = cells(4)
    source = table(tmp_path / "train-00000-of-00001.parquet", {"image": images, "label": [1 - fake for fake in labels]}, {"label": list(names)})
    assert counts(imported(workspace, source)) == {"train": (4, 4)}


def test_class_label_names_that_say_nothing_are_asked_about(workspace, tmp_path):
    images, labels = cells(4)
    source = table(tmp_path / "x.parquet", {"image": images, "label": [1 - fake for fake in labels]}, {"label": ["zebra", "quagga"]})
    with pytest.raises(BadInput, match="'zebra', 'quagga' say neither|'quagga', 'zebra' say neither"):
        imported(workspace, source)
    assert counts(imported(workspace, source, real=["quagga"], fake=["zebra"])) == {"train": (4, 4)}


def test_many_files_ask_the_same_question_once(workspace, tmp_path):
    for shard_number in range(3):
        images, labels = cells(2, 10 * shard_number)
        table(tmp_path / f"train-{shard_number}.parquet", {"image": images, "label": labels}, {"label": ["quagga", "zebra"]})
    with pytest.raises(BadInput, match=r"^In train-0.parquet, 'quagga', 'zebra' say .* \(the same in 2 more\)\.$"):
        imported(workspace, tmp_path)


def test_names_of_generators_as_labels_are_fakes_of_those_generators(workspace, tmp_path):
    images = [{"bytes": png(i, i > 0), "path": None} for i in range(3)]
    made = imported(workspace, table(tmp_path / "x.parquet", {"image": images, "label": [0, 1, 2]}, {"label": ["human", "stable_diffusion", "midjourney"]}))
    assert [row["generator"] for row in rows_of(made)] == ["", "stable_diffusion", "midjourney"]


def test_names_of_numbers_are_read_from_the_dataset_card_where_the_file_has_none(workspace, tmp_path):
    images, labels = cells(3)
    table(tmp_path / "hub" / "data" / "train-0.parquet", {"image": images, "label": [1 - fake for fake in labels]})
    card = "---\ndataset_info:\n  features:\n  - name: image\n    dtype: image\n  - name: label\n    dtype:\n      class_label:\n        names:\n          '0': FAKE\n          '1': REAL\n---\n# A set\n"
    put(tmp_path / "hub", {"README.md": card})
    assert counts(imported(workspace, tmp_path / "hub", name="folder")) == {"train": (3, 3)}
    assert counts(imported(workspace, tmp_path / "hub" / "data" / "train-0.parquet", name="file")) == {"train": (3, 3)}


def test_bare_numbers_are_read_by_the_convention_that_is_said_aloud_and_the_user_overrides_it(workspace, tmp_path):
    images, labels = cells(3)
    source = table(tmp_path / "a.parquet", {"image": images, "label": labels})
    imported(workspace, source, name="plain")
    assert "0 was read as real and 1 as fake" in run(workspace, source, name="plain")["conventions"][0]
    turned = table(tmp_path / "b.parquet", {"image": images, "label": [1 - fake for fake in labels]})
    assert counts(imported(workspace, turned, name="turned", label_names=["fake", "real"])) == {"train": (3, 3)}


def test_the_split_of_a_parquet_is_its_folders_and_test_is_never_put_into_train(workspace, tmp_path):
    for split, first in (("train", 0), ("test", 10)):
        images, labels = cells(2, first)
        table(tmp_path / "default" / split / "0000.parquet", {"image": images, "label": labels})
    assert counts(imported(workspace, tmp_path, name="folder")) == {"train": (2, 2), "test": (2, 2)}
    assert counts(imported(workspace, tmp_path / "default" / "test" / "0000.parquet", name="file")) == {"test": (2, 2)}
    images = [{"bytes": png(50, 0), "path": "train/real/a.png"}]
    assert counts(imported(workspace, table(tmp_path / "test-1.parquet", {"image": images, "label": ["real"]}), name="both")) == {"test": (1, 0)}


@pytest.mark.parametrize(
    "convert",
    [float, bool, str, lambda fake: "fake" if fake else "Real photo", lambda fake: "AI-generated" if fake else "human", lambda fake: [fake], lambda fake: "True" if fake else "False"],
    ids=["float", "bool", "digits", "words", "more words", "list", "true and false"],
)
def test_labels_as_people_write_them(workspace, tmp_path, convert):
    images, labels = cells(3)
    assert counts(imported(workspace, table(tmp_path / "x.parquet", {"image": images, "label": list(map(convert, labels))}))) == {"train": (3, 3)}


@pytest.mark.parametrize("column", ["labels", "Label", "target", "is_fake", "ai_generated", "is_real", "real", "class"])
def test_columns_that_are_named_after_a_label(workspace, tmp_path, column):
    images, labels = cells(3)
    told_by = [1 - fake if "real" in column else "ai" if column == "class" and fake else "real" if column == "class" else fake for fake in labels]
    assert counts(imported(workspace, table(tmp_path / "x.parquet", {"image": images, column: told_by}))) == {"train": (3, 3)}


def test_several_columns_that_could_be_the_label_are_asked_about(workspace, tmp_path):
    images, labels = cells(3)
    source = table(tmp_path / "x.parquet", {"image": images, "Label_A": labels, "Label_B": [3 * fake for fake in labels]})
    with pytest.raises(BadInput, match="'Label_A', 'Label_B'; choose one"):
        imported(workspace, source)
    assert counts(imported(workspace, source, columns=["label=Label_A"])) == {"train": (3, 3)}
    with pytest.raises(BadInput, match="has no column 'nope'"):
        imported(workspace, source, columns=["label=nope"])


def test_words_beside_bare_numbers_say_what_they_mean(workspace, tmp_path):
    images, labels = cells(3)
    columns = {"image": images, "label": [1 - fake for fake in labels], "label_str": ["fake" if fake else "real" for fake in labels]}
    assert counts(imported(workspace, table(tmp_path / "x.parquet", columns))) == {"train": (3, 3)}


def test_other_columns_as_people_write_them(workspace, tmp_path):
    images, labels = cells(2)
    columns = {
        "image": images, "label": labels, "class_label": ["cat", "truck", "lynx", None], "prompt": [["a cat"], ["a", "b"], [], None],
        "seed": ["7", "8.0", "nine", None], "model": ["sd", "sd", "", "flux"],
    }  # fmt: skip
    rows = rows_of(imported(workspace, table(tmp_path / "x.parquet", columns)))
    assert [row["class_label"] for row in rows] == [3, 9, -1, -1]
    assert [row["prompt"] for row in rows] == ["a cat", "a; b", "", ""]
    assert [None if row["seed"] is None or row["seed"] != row["seed"] else row["seed"] for row in rows][:2] == [7, 8]
    assert [row["generator"] for row in rows] == ["", "sd", "", "flux"]
    assert [json.loads(row["provenance"]) for row in rows][2] == {"class": "lynx", "seed": "nine"}


def test_gaps_are_left_out_and_counted(workspace, tmp_path):
    images, _ = cells(3)
    result = run(workspace, table(tmp_path / "x.parquet", {"image": [None, *images[1:]], "label": [0, None, -1, 1, 0, 1]}))
    assert {reason: entry["count"] for reason, entry in result["account"]["left_out"].items()} == {"without a picture": 1, "without a label": 2}
    with pytest.raises(BadInput, match="All 6 labels of y.parquet are missing or −1"):
        run(workspace, table(tmp_path / "y.parquet", {"image": images, "label": [-1] * 6}), name="y")


def test_paths_instead_of_pictures_are_read_beside_the_table_and_nowhere_else(workspace, tmp_path):
    _, labels = cells(2)
    names = [f"p/{i}_{fake}.png" for i in range(2) for fake in (0, 1)]
    images = [{"bytes": None, "path": name} for name in names]
    folder = put(tmp_path / "set", {name: png(i, fake) for name, (i, fake) in zip(names, [(0, 0), (0, 1), (1, 0), (1, 1)], strict=True)})
    source = table(folder / "train.parquet", {"image": images, "label": labels})
    assert counts(imported(workspace, source, name="file")) == {"train": (2, 2)}
    assert counts(imported(workspace, folder, name="folder")) == {"train": (2, 2)}
    text = table(tmp_path / "set" / "text.parquet", {"file_name": names, "label": labels})
    assert counts(imported(workspace, text, name="text")) == {"train": (2, 2)}
    put(tmp_path, {"secret.png": png(9, 0)})
    for name, where in (("up", tmp_path / "set" / "up.parquet"), ("alone", tmp_path / "elsewhere" / "x.parquet")):
        out = table(where, {"image": [{"bytes": None, "path": "../secret.png"}], "label": ["real"]})
        with pytest.raises(BadInput, match="holds paths only"):
            imported(workspace, out, name=name)
        out.unlink()


def test_a_table_in_a_folder_names_nothing_outside_it(workspace, tmp_path):
    put(tmp_path, {"secret.png": png(9, 0), "set/real/a.png": png(1, 0)})
    table(tmp_path / "set" / "x.parquet", {"file_name": ["real/a.png", "../secret.png"], "label": ["real", "real"]})
    result = run(workspace, tmp_path / "set")
    assert result["account"] == {"seen": 2, "imported": 1, "left_out": {"listed but not there": {"count": 1, "examples": ["../secret.png (only its path is given)"]}}}


def test_pictures_as_bare_bytes_or_without_a_path(workspace, tmp_path):
    images, labels = cells(2)
    data = [cell["bytes"] for cell in images]
    assert counts(imported(workspace, table(tmp_path / "a.parquet", {"img": data, "label": labels}), name="bytes")) == {"train": (2, 2)}
    assert counts(imported(workspace, table(tmp_path / "b.parquet", {"picture": [{"bytes": d} for d in data], "label": labels}), name="struct")) == {"train": (2, 2)}


def test_a_column_of_reals_beside_a_column_of_fakes(workspace, tmp_path):
    reals, fakes = ([{"bytes": png(i, fake), "path": None} for i in range(3)] for fake in (0, 1))
    path = tmp_path / "pairs.parquet"
    pa.parquet.write_table(pa.table({"real_image": pa.array(reals, IMAGE), "generated_image": pa.array(fakes, IMAGE), "caption": ["a"] * 3}), path)
    assert counts(imported(workspace, path)) == {"train": (3, 3)}


def test_tables_of_one_kind_are_labelled_by_their_own_name_or_folder(workspace, tmp_path):
    for fake, name in ((0, "real.parquet"), (1, "fake/train-0.parquet")):
        table(tmp_path / "set" / name, {"image": [{"bytes": png(i, fake), "path": None} for i in range(3)], "prompt": ["a"] * 3})
    made = imported(workspace, tmp_path / "set")
    assert counts(made) == {"train": (3, 3)}
    assert len(made.record["source"]["conventions"]) == 2
    nameless = table(tmp_path / "x.parquet", {"image": [{"bytes": png(1, 0), "path": None}], "prompt": ["a"]})
    with pytest.raises(BadInput, match="x.parquet has no column that says real or fake .*--label fake"):
        imported(workspace, nameless)


def test_a_table_of_other_things_beside_pictures_is_counted_not_read(workspace, tmp_path):
    source = put(tmp_path / "mine", pairs(2, "real", "fake"))
    table(source / "embeddings.parquet", {"vector": [0.5, 0.25]})
    assert counts(imported(workspace, source)) == {"train": (2, 2)}


def test_an_arrow_dataset_as_saved_to_disk(workspace, tmp_path):
    for split, first in (("train", 0), ("test", 10)):
        images, labels = cells(3, first)
        made = pa.table({"image": pa.array(images, IMAGE), "label": [1 - fake for fake in labels]})
        features = {"info": {"features": {"label": {"names": ["FAKE", "REAL"], "_type": "ClassLabel"}}}}
        made = made.replace_schema_metadata({"huggingface": json.dumps(features)})
        put(tmp_path / "disk" / split, {"state.json": "{}", "dataset_info.json": "{}"})
        with pa.ipc.new_stream(tmp_path / "disk" / split / "data-00000-of-00001.arrow", made.schema) as out:
            out.write_table(made)
    assert counts(imported(workspace, tmp_path / "disk")) == {"train": (3, 3), "test": (3, 3)}


# ---- lists, WebDataset, patterns


def named(n: int) -> dict[str, bytes]:
    return {f"images/{i}{fake}x.png": png(i, fake) for i in range(n) for fake in (0, 1)}


def listing(n: int, real="0", fake="1", head="file_name,label", folder="images/") -> str:
    return head + "\n" + "".join(f"{folder}{i}{label}x.png,{(real, fake)[label]}\n" for i in range(n) for label in (0, 1))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("train.csv", listing(3)),
        ("train.csv", "," + listing(3).replace("\nimages", "\n0,images")),  # pandas' index as a first column
        ("labels.csv", listing(3, head="id,target", folder="").replace(".png", "")),  # Kaggle's ids: no folder, no suffix
        ("metadata.csv", listing(3, head="filename,is_real", real="True", fake="False", folder="/kaggle/input/some set/images/")),
        ("x.tsv", listing(3, "real", "ai", head="path,source").replace(",", "\t")),
        ("x.csv", "\ufeff" + listing(3, "Real", "Fake", head="image;class").replace(",", ";")),
        ("metadata.jsonl", "".join(json.dumps({"file_name": n, "label": "fake" if "1x" in n else "real"}) + "\n" for n in named(3))),
        ("labels.json", json.dumps({n: {"label": "FAKE" if "1x" in n else "REAL"} for n in named(3)})),
        ("labels.json", json.dumps({n: int("1x" in n) for n in named(3)})),
        ("faces.csv", listing(3, "1,real", "0,fake", head="path,label,label_str")),
    ],
)  # fmt: skip
def test_lists_tell_labels(workspace, tmp_path, name, text):
    result = counts(imported(workspace, put(tmp_path / "mine", {**named(3), name: text})))
    assert result == {"train": (3, 3)}


def test_a_list_may_be_given_by_itself_with_chosen_columns(workspace, tmp_path):
    source = put(tmp_path / "mine", {**named(3), "notes.csv": listing(3, "quagga", "zebra", head="where,what"), "other.csv": "a,b\n1,2\n"})
    said = {"columns": ("image=where", "label=what"), "real": ("quagga",), "fake": ("zebra",)}
    assert counts(imported(workspace, source / "notes.csv", **said)) == {"train": (3, 3)}
    assert counts(imported(workspace, source, name="folder", **said)) == {"train": (3, 3)}
    with pytest.raises(BadInput, match="other.csv names no picture that lies beside it"):
        imported(workspace, source / "other.csv", name="other")


@pytest.mark.parametrize("words", [True, False])
def test_folders_say_more_than_bare_numbers_and_paths_may_begin_inside_the_source(workspace, tmp_path, words):
    files = {}
    for split, first in (("train", 0), ("test", 40)):  # Kaggle's 140k faces: 1 is real
        files |= pairs(3, f"faces/real-vs-fake/{split}/real", f"faces/real-vs-fake/{split}/fake", first=first)
        rows = [(1 - fake, ("real", "fake")[fake], i) for i in range(first, first + 3) for fake in (0, 1)]
        files[f"{split}.csv"] = ("id,label,label_str,path,prompt\n" if words else "id,label,path,prompt\n") + "".join(
            f"{i},{number},{word + ',' if words else ''}{split}/{word}/{i:03d}.png,a face\n" for number, word, i in rows
        )
    made = imported(workspace, put(tmp_path / "mine", files))
    assert counts(made) == {"train": (3, 3), "test": (3, 3)}
    assert {row["prompt"] for row in rows_of(made)} == {"a face"}


def test_splits_of_lists_and_what_they_do_not_list(workspace, tmp_path):
    files = {**named(4), "train.csv": listing(2), "test.csv": "id\nimages/30x.png\n", "gone.csv": "file_name,label\nimages/nowhere.png,1\nimages/20x.png,0\n"}
    result = run(workspace, put(tmp_path / "mine", files))
    assert result["counts"] == {"train": {"real": 3, "fake": 2}}
    left = {reason: entry["count"] for reason, entry in result["account"]["left_out"].items()}
    assert left == {"not listed in the manifest": 3, "read for what they say about pictures": 2, "not a picture by their suffix": 1, "listed but not there": 1}
    assert result["account"]["seen"] == 8 + 3 + 1
    both = put(tmp_path / "both", {**named(3), "a.csv": "file_name,label,split\nimages/00x.png,0,test\nimages/01x.png,1,train\n"})
    assert counts(imported(workspace, both, name="column")) == {"train": (0, 1), "test": (1, 0)}


def test_a_picture_listed_twice_counts_once_and_never_as_both(workspace, tmp_path):
    twice = put(tmp_path / "a", {**named(2), "a.csv": listing(2), "b.csv": listing(1)})
    assert run(workspace, twice)["account"]["left_out"]["listed twice"]["count"] == 2
    with pytest.raises(BadInput, match="is listed as 0 and as 1|is listed as 1 and as 0"):
        run(workspace, put(tmp_path / "b", {**named(2), "a.csv": listing(2), "b.csv": listing(2, "1", "0")}), name="b")


def test_artifact_counts_every_kind_of_fake_as_fake_and_names_the_generator(workspace, tmp_path):
    files = {f"stylegan2/x/{i}.png": png(i, 1) for i in range(2)} | {f"afhq/cat/{i}.png": png(i, 0) for i in range(2)}
    head = "filename,image_path,target,category\n"
    files["stylegan2/metadata.csv"] = head + "".join(f"{i}.png,x/{i}.png,6,cat\n" for i in range(2))
    files["afhq/metadata.csv"] = head + "".join(f"{i}.png,cat/{i}.png,0,cat\n" for i in range(2))
    made = imported(workspace, put(tmp_path / "artifact", files))
    assert told(made, "label", "generator", "class_label") == {
        "afhq/cat/0.png": (0, "", 3), "afhq/cat/1.png": (0, "", 3), "stylegan2/x/0.png": (1, "stylegan2", 3), "stylegan2/x/1.png": (1, "stylegan2", 3),
    }  # fmt: skip


def test_a_list_that_tells_no_label_adds_what_it_says_to_pictures_in_folders(workspace, tmp_path):
    files = {**pairs(2, "real", "fake"), "metadata.csv": "file_name,prompt,seed,model\nfake/000.png,a cat,7,sd15\n"}
    rows = {row["path"]: row for row in rows_of(imported(workspace, put(tmp_path / "mine", files)))}
    assert (rows["fake/000.png"]["prompt"], rows["fake/000.png"]["seed"], rows["fake/000.png"]["generator"]) == ("a cat", 7, "sd15")
    assert rows["fake/001.png"]["prompt"] == ""


def shard(n: int, first: int, side) -> dict[str, bytes]:
    files = {}
    for number, (i, fake) in enumerate((i, fake) for i in range(first, first + n) for fake in (0, 1)):
        files[f"{number:06d}.png"] = png(i, fake)
        files |= {f"{number:06d}.{suffix}": data.encode() for suffix, data in side(fake).items()}
    return files


@pytest.mark.parametrize(
    "side",
    [lambda fake: {"cls": str(fake), "txt": "a cat"}, lambda fake: {"json": json.dumps({"label": ("real", "ai")[fake], "prompt": "a cat"})}],
    ids=["cls and txt", "json"],
)
def test_webdataset_shards(workspace, tmp_path, side):
    tarred(put(tmp_path / "wds", {"readme.txt": "x"}) / "train-0000.tar", shard(2, 0, side))
    tarred(tmp_path / "wds" / "test-0000.tar", shard(2, 10, side))
    made = imported(workspace, tmp_path / "wds")
    assert counts(made) == {"train": (2, 2), "test": (2, 2)}
    assert {row["prompt"] for row in rows_of(made)} == {"a cat"}


def test_labels_in_file_names_by_a_pattern(workspace, tmp_path):
    files = {f"{('real', 'sd')[fake]}_frog_{i}.png": png(i, fake) for i in range(2) for fake in (0, 1)} | {"cover.png": png(99, 0)}
    source = put(tmp_path / "flat", files)
    with pytest.raises(BadInput, match="does not say what is real and what is fake"):
        imported(workspace, source)
    begin = put(tmp_path / "begin", {f"train/{('real', 'fake')[fake]}-{i}.png": png(i, fake) for i in range(2) for fake in (0, 1)})
    with pytest.raises(BadInput, match=r"their names do: add --label-pattern '\(\?P<label>\[A-Za-z\]\+\)\[\^/\]\*\$'"):
        imported(workspace, begin, name="begin")
    assert counts(imported(workspace, begin, name="begin", label_pattern="(?P<label>[A-Za-z]+)[^/]*$")) == {"train": (2, 2)}
    said = {"label_pattern": r"^(?P<label>real|sd)_(?P<class>[a-z]+)_", "fake": ("sd",)}
    made = imported(workspace, source, **said)
    assert set(told(made, "class_label").values()) == {6}
    assert counts(made) == {"train": (2, 2)}
    assert run(workspace, source, **said)["account"]["left_out"]["names that do not fit the pattern"]["examples"] == ["cover.png"]
    for pattern, sentence in (("(", "no regular expression"), ("(real)", "group named label"), ("(?P<label>x)y", "fits none of the 5")):
        with pytest.raises(BadInput, match=sentence):
            imported(workspace, source, name="bad", label_pattern=pattern)


def test_the_suffix_says_nothing_where_the_content_does(workspace, tmp_path):
    files = {"real/a.png": saved(1, 0, "BMP"), "fake/noext": saved(1, 1, "PNG"), "fake/x.0001": saved(2, 1, "PNG"), "fake/notes": b"hello"}
    assert counts(imported(workspace, put(tmp_path / "mine", files))) == {"train": (1, 2)}
