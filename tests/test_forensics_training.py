"""Adding, judging with and training the paper's detectors: where weights come from, what a stream gives, what a kill leaves."""

import itertools
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional

from cifake_core.detectors import loading, networks, runs
from cifake_core.detectors.community_forensics import weights
from cifake_core.detectors.community_forensics.adding import AddDetector, JudgeSet, detectors
from cifake_core.detectors.community_forensics.models import MODELS, model_of
from cifake_core.detectors.community_forensics.streaming import Shards, TrainingStream, endless
from cifake_core.detectors.community_forensics.training import TrainForensics, judged
from cifake_core.errors import BadInput, Cancelled, Conflict, NotFound
from cifake_core.evaluation import evaluating
from cifake_core.images.codec import encode_png
from cifake_core.step import Context
from tests.conftest import drawn


@pytest.fixture
def small(tmp_path):
    """A file with the weights of the 32-pixel detector."""
    torch.manual_seed(3)
    path = tmp_path / "small.safetensors"
    save_file(networks.build("commfor-32").state_dict(), path)
    return path


@pytest.fixture
def shards(tmp_path):
    """Two files with the columns of Community Forensics, sorted by label as the published ones are; 24 pictures."""
    paths = []
    for label in (0, 1):
        rows = [
            {
                "image_name": f"{label}-{n}.png",
                "image_data": encode_png(drawn(label, 0, n)),
                "label": label,
                "model_name": f"maker-{n % 3}",
            }
            for n in range(12)
        ]
        paths.append(str(tmp_path / f"shard-{label}.parquet"))
        pq.write_table(pa.Table.from_pylist(rows), paths[-1], row_group_size=4)
    return paths


# ---- adding and judging


def test_weights_become_a_detector_whose_verdicts_are_a_run(lab, small):
    added = AddDetector(str(small), "commfor-32", "mine").run(Context(lab))
    assert AddDetector(str(small), "commfor-32", "mine").run(Context(lab)) == added
    assert [one["detector"] for one in detectors(lab)] == ["mine"]
    summary = JudgeSet("mine", "tiny").run(Context(lab))
    assert JudgeSet("mine", "tiny").run(Context(lab)) == summary
    run = runs.open_run(lab, summary["run"])
    table = evaluating.predictions(lab, run, "test")
    detector = loading.load(run)
    with torch.no_grad():
        from cifake_core.images.image_set import ImageSet

        pixels = torch.from_numpy(np.array(ImageSet.open(lab, "tiny").part("test").pixels[:5]))
        expected = detector.network(networks.as_input(pixels)).numpy()
    np.testing.assert_allclose(table["logit"][:5], expected, atol=1e-5)
    assert evaluating.evaluate(lab, run, "validation", resamples=10).n == summary["validation"]["n"]
    with pytest.raises(NotFound, match="there are: mine"):
        JudgeSet("other", "tiny").run(Context(lab))


def test_wrong_unsafe_and_unpinned_weights_are_refused_with_the_reason(workspace, tmp_path, small):
    for source, reason in [
        ("OwensLab/commfor-model-384", "not pinned to a commit"),
        ("OwensLab/commfor-model-384@main", "not pinned to a commit"),
        (str(tmp_path / "none"), "no weights at"),
    ]:
        with pytest.raises((BadInput, NotFound), match=reason):
            weights.found(source)
    (tmp_path / "w.pt").write_bytes(b"pickle")
    with pytest.raises(BadInput, match="other formats can run code"):
        weights.found(str(tmp_path / "w.pt"))
    with pytest.raises(BadInput, match="are not those of commfor-224"):
        AddDetector(str(small), "commfor-224").run(Context(workspace))
    broken = {name: value * float("nan") for name, value in load_file(small).items()}
    save_file(broken, tmp_path / "broken.safetensors")
    with pytest.raises(Exception, match="not numbers"):
        AddDetector(str(tmp_path / "broken.safetensors"), "commfor-32").run(Context(workspace))


def test_a_name_that_is_taken_by_other_weights_is_a_conflict(workspace, small, tmp_path):
    AddDetector(str(small), "commfor-32", "mine").run(Context(workspace))
    other = {name: value + 1 for name, value in load_file(small).items()}
    save_file(other, tmp_path / "other.safetensors")
    with pytest.raises(Conflict, match="another detector named 'mine'"):
        AddDetector(str(tmp_path / "other.safetensors"), "commfor-32", "mine").run(Context(workspace))


# ---- streaming


def test_a_stream_mixes_files_sorted_by_label_and_meets_every_picture_once_an_epoch(shards):
    made = Shards.of(shards)
    assert (made.images, len(made.groups)) == (24, 6)
    rows = [row for row, _ in itertools.islice(endless(made, 0), 24)]
    assert [row.label for row in rows] == [0, 1] * 12
    assert len({row.data for row in rows}) == 24
    again = [row.data for row, _ in itertools.islice(endless(made, 0), 24)]
    other = [row.data for row, _ in itertools.islice(endless(made, 1), 24)]
    assert again == [row.data for row in rows] != other


def test_two_processes_share_the_pictures_between_them(shards):
    made = Shards.of(shards)
    first, second = (
        [row.data for row, _ in itertools.islice(endless(made, 0, share, 2, balanced=False), 12)] for share in (0, 1)
    )
    assert not set(first) & set(second)
    assert len(set(first) | set(second)) == 24


def test_a_stream_that_begins_later_gives_what_it_would_have_given_then(shards):
    made, model = Shards.of(shards), MODELS["commfor-32"]
    whole = list(itertools.islice(TrainingStream(made, model, 4, 7), 5))
    late = list(itertools.islice(TrainingStream(made, model, 4, 7, first=3), 2))
    for expected, found in zip(whole[3:], late, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))
    assert whole[0][0].shape == (4, 3, 32, 32)


def test_a_share_with_one_label_says_which_is_missing(shards):
    with pytest.raises(BadInput, match="no fake images"):
        list(itertools.islice(endless(Shards.of(shards[:1]), 0), 2))


# ---- training


def training(shards, name, **changes):
    return TrainForensics(
        tuple(shards), name, "commfor-32", steps=5, batch=4, learning_rate=1e-3, checkpoint_steps=2, **changes
    )


def test_the_rate_climbs_a_fifth_and_falls_to_a_thousandth():
    step = TrainForensics(("x",), "y", steps=100, learning_rate=1.0)
    rates = [step.rate(n) for n in range(100)]
    assert rates[0] == pytest.approx(0.05)
    assert max(rates) == rates[19] == pytest.approx(1)
    assert rates[20] == pytest.approx(1)
    assert rates[60] == pytest.approx(0.5005)
    assert rates[99] < 0.0015
    assert min(rates) >= 0.001


def test_a_killed_training_ends_with_the_weights_of_an_uninterrupted_one(workspace, shards):
    whole = training(shards, "whole", validation=(shards[0], shards[1])).run(Context(workspace))

    def stop(done, total, message):
        if done == 3:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        training(shards, "cut").run(Context(workspace, stop))
    seen = []
    cut = training(shards, "cut").run(Context(workspace, lambda done, total, message: seen.append(done)))
    assert seen[0] == 3  # it went on after the checkpoint of step 2
    assert cut["sha256"] == whole["sha256"]
    assert whole["validation"]["n"] == 24
    assert set(whole["validation"]["generators"]) == {"maker-0", "maker-1", "maker-2"}
    with pytest.raises(Conflict):
        training(shards, "whole", seed=9).run(Context(workspace))

@pytest.mark.slow
def test_two_processes_take_the_step_of_one_with_the_pictures_of_both(workspace, shards, monkeypatch):
    """Distributed data parallel on the CPU, as `accelerate launch` does on GPUs: gradients are averaged over processes."""
    step = TrainForensics(tuple(shards), "two", "commfor-32", steps=1, batch=2, learning_rate=1e-3, precision="fp32", seed=5)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "cifake_core", "forensics", "train", *shards]
    command += ["--name", "two", "--model", "commfor-32", "--steps", "1", "--batch", "2", "--learning-rate", "1e-3", "--precision", "fp32", "--seed", "5"]
    environment = os.environ | {"CIFAKE_HOME": str(workspace.home), "CIFAKE_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    (made,) = detectors(workspace)
    assert made["training"]["processes"] == 2

    torch.manual_seed(5)
    network = networks.build("commfor-32").train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=step.rate(0), weight_decay=step.weight_decay)
    parts = [next(iter(TrainingStream(Shards.of(shards), model_of("commfor-32"), 2, 5, index, 2, 0, True, True))) for index in range(2)]
    pixels, labels = (torch.cat(column) for column in zip(*parts, strict=True))
    functional.binary_cross_entropy_with_logits(network(networks.as_input(pixels)), labels).backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), step.clip)
    optimizer.step()
    found = load_file(next((workspace.home / "detectors" / "two").glob("*.safetensors")))
    for name, value in network.state_dict().items():
        torch.testing.assert_close(found[name], value, atol=2e-5, rtol=0)


def test_training_starts_from_given_weights_but_for_the_classifier(workspace, small, shards):
    tensors = {name.removeprefix("vit."): value for name, value in load_file(small).items()}
    tensors["head.weight"], tensors["head.bias"] = torch.zeros(1000, 96), torch.zeros(1000)  # as timm's ImageNet files
    kept = weights.backbone(tensors, MODELS["commfor-32"])
    assert "vit.head.weight" not in kept
    assert len(kept) == len(tensors) - 2
    del tensors["pos_embed"]
    with pytest.raises(BadInput, match="pos_embed"):
        weights.backbone(tensors, MODELS["commfor-32"])


def test_the_mean_over_generators_weighs_each_the_same():
    logits = np.array([0.0, 1.0, 2.0, -1.0, 3.0, 3.0, 3.0])
    labels = np.array([0, 0, 1, 1, 1, 1, 1])
    makers = np.array(["", "", "a", "a", "b", "b", "b"], dtype=object)
    found = judged(logits, labels, makers)
    assert found["generators"] == pytest.approx({"a": (1 + 2 / 4) / 2, "b": 1.0})
    assert found["mean_average_precision"] == pytest.approx(0.875)
    assert "auc" not in judged(logits[2:], labels[2:], makers[2:])


def test_label_numbers_of_a_shard_mean_what_their_names_say(tmp_path):
    from tests.import_truth import cells, table

    images, labels = cells(2)
    turned = [1 - fake for fake in labels]
    named = table(tmp_path / "a.parquet", {"image": images, "label": turned}, {"label": ["AiArtData", "RealArt"]})
    shards = Shards.of([str(named)])
    assert [row.label for row in shards.rows(list(shards.groups))] == labels
    unknown = Shards.of([str(table(tmp_path / "b.parquet", {"image": images, "label": turned}, {"label": ["quagga", "zebra"]}))])
    with pytest.raises(BadInput, match="'quagga' means neither real nor fake"):
        list(unknown.rows(list(unknown.groups)))
    with pytest.raises(BadInput, match="expected are image and label"):
        Shards.of([str(table(tmp_path / "c.parquet", {"image": images, "target": labels}))])
