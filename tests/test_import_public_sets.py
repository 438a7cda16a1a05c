"""Layouts of sets that people have published, each with a trap in it: every picture's label and split are compared with the truth."""

import pytest

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
