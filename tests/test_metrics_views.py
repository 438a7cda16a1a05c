"""What the views of Metrics rest on: marks, many runs, neighbours, groups, paired differences, maps of images."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from sklearn import metrics as sk

from cifake_core.detectors import runs
from cifake_core.errors import BadInput, Damaged
from cifake_core.evaluation import alike, comparing, curves, evaluating, many, scored
from cifake_core.evaluation.reporting.contents import against, figures_of
from cifake_core.evaluation.scored import Scored
from cifake_core.explanations import embedding
from cifake_core.explanations.embedding import Embed
from cifake_core.step import Context
from cifake_core.store import marks
from cifake_core.store.workspace import Workspace


def scored_of(logits, labels, generators=None) -> Scored:
    n = len(labels)
    manifest = pd.DataFrame({"generator": generators or [""] * n, "path": [f"{i}.png" for i in range(n)]})
    ids = np.array([f"{i:064x}" for i in range(n)], dtype=object)
    nothing = np.zeros((n, 3, 32, 32), np.uint8)
    labels = np.asarray(labels, np.int8)
    return Scored(runs.Run("a", None, {}), "test", np.asarray(logits, float), labels, np.zeros(n, np.int8), ids, np.zeros(n, bool), manifest, nothing)


def pair(n=1200, seed=5):
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, n)
    signal = random.normal(labels * 2.0 - 1.0, 1.0)
    return scored_of(signal + random.normal(0, 0.5, n), labels), scored_of(signal + random.normal(0, 1.0, n), labels)


def test_tags_and_notes_are_kept_with_the_image_set_and_reading_writes_nothing(workspace):
    assert marks.tags(workspace, "set") == {}
    assert not (workspace.home / marks.FILE).exists()
    assert marks.tag(workspace, "set", ["a", "b"], "  odd   light ") == 2
    assert marks.tag(workspace, "set", ["b", "c"], "odd light") == 1
    assert marks.untag(workspace, "set", ["a"], "odd light") == 1
    marks.note(workspace, "set", "a", "two heads")
    marks.note(workspace, "set", "b", "gone")
    marks.note(workspace, "set", "b", " ")
    assert marks.tags(workspace, "set") == {"odd light": {"b", "c"}}
    assert marks.notes(workspace, "set") == {"a": "two heads"}
    assert marks.tags(workspace, "other") == {}
    with pytest.raises(BadInput, match="1 to 40 characters"):
        marks.tag(workspace, "set", ["a"], "x" * 41)


def test_marks_are_read_at_any_moment_while_another_writer_makes_their_file(tmp_path):
    empty = Workspace(tmp_path)
    (empty.home / marks.FILE).touch()  # SQLite makes the file before it holds a table
    assert (marks.tags(empty, "set"), marks.notes(empty, "set")) == ({}, {})
    with ThreadPoolExecutor(1) as pool:
        for turn in range(30):
            fresh = Workspace(tmp_path / str(turn))
            writing = pool.submit(marks.tag, fresh, "set", ["a"], "odd")
            while not writing.done():
                assert marks.tags(fresh, "set") in ({}, {"odd": {"a"}})
            assert marks.tags(fresh, "set") == {"odd": {"a"}}


def test_a_change_of_many_tags_that_dies_midway_leaves_none_of_them(workspace):
    marks.tag(workspace, "set", ["a"], "first")

    def dying():
        yield "b"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        marks.tag(workspace, "set", dying(), "second")
    assert marks.tags(workspace, "set") == {"first": {"a"}}
    (workspace.home / marks.FILE).write_bytes(b"no database at all, but long enough to be looked at" * 50)
    with pytest.raises(Damaged, match=r"marks\.sqlite cannot be used"):
        marks.tags(workspace, "set")


def test_the_counts_of_every_threshold_equal_those_counted_image_by_image():
    one, _ = pair(500)
    for threshold in (0.001, 0.3, float(one.probabilities[7]), 0.5, 0.999):
        (tn, fp), (fn, tp) = sk.confusion_matrix(one.labels, one.probabilities >= threshold, labels=[0, 1])
        assert one.confusion(threshold).rows() == [[tn, fp], [fn, tp]]
        assert one.confusion(threshold, np.ones(len(one), bool)).rows() == [[tn, fp], [fn, tp]]


def test_coverage_and_accuracy_of_every_band_equal_those_counted_image_by_image():
    one, _ = pair(400)
    table = curves.coverage(one.probabilities, one.labels, 0.4)
    for row in table.itertuples():
        decided = np.abs(one.probabilities - 0.4) >= row.band
        assert row.coverage == pytest.approx(decided.mean())
        if decided.any():
            right = (one.probabilities >= 0.4) == one.labels
            assert row.accuracy == pytest.approx(right[decided].mean())


def test_paired_differences_equal_the_differences_of_scikit_learns_metrics():
    first, second = pair()
    found = comparing.paired_differences(first, second, 0.4)
    labels, called = first.labels, [s.probabilities >= 0.4 for s in (first, second)]
    for name, metric in {
        "accuracy": sk.accuracy_score, "balanced_accuracy": sk.balanced_accuracy_score, "precision": sk.precision_score,
        "recall": sk.recall_score, "f1": sk.f1_score,
    }.items():  # fmt: skip
        assert found[name].value == pytest.approx(metric(labels, called[0]) - metric(labels, called[1])), name
    assert found["auc"].value == pytest.approx(sk.roc_auc_score(labels, first.logits) - sk.roc_auc_score(labels, second.logits))
    assert found["loss"].value == pytest.approx(sk.log_loss(labels, first.probabilities) - sk.log_loss(labels, second.probabilities))
    assert all(e.low < e.value < e.high for e in found.values())


def test_delongs_interval_is_that_of_the_paired_bootstrap():
    first, second = pair(600)
    found = comparing.delong_difference(first.logits, second.logits, first.labels)
    random, drawn = np.random.default_rng(0), []
    by_label = [np.flatnonzero(first.labels == label) for label in (0, 1)]
    for _ in range(400):
        rows = np.concatenate([random.choice(part, len(part)) for part in by_label])
        drawn.append(np.subtract(*(sk.roc_auc_score(first.labels[rows], s.logits[rows]) for s in (first, second))))
    low, high = np.percentile(drawn, [2.5, 97.5])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.2 * (high - low))


def test_groups_of_any_column_hold_the_share_judged_right_of_each_label():
    one = scored_of(logit([0.9, 0.3, 0.2, 0.8]), [1, 1, 0, 0], ["g", "g", "", None])
    assert evaluating.group_columns(one.manifest) == ["class", "generator", "path"]
    rows = {(row["group"], row["truth"]): (row["n"], row["value"]) for row in evaluating.by_group(one, "generator")}
    assert rows == {("g", "fake"): (2, 0.5), ("not said", "real"): (2, 0.5)}


def test_the_nearest_images_are_the_nearest_of_each_label():
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (40, 3, 32, 32), dtype=np.uint8)
    labels = np.arange(40) % 2
    pixels[9] = np.clip(pixels[3].astype(int) + 2, 0, 255)  # same label as 3
    pixels[10] = np.clip(pixels[3].astype(int) + 5, 0, 255)
    found = alike.index(pixels, labels).nearest(3, k=2)
    assert found.same[0] == 9
    assert found.other[0] == 10
    assert 3 not in found.same
    assert found.same_distance[0] == pytest.approx(2, abs=0.1)


def test_the_spread_over_runs_is_the_standard_deviation_of_their_probabilities(lab):
    one = scored.scored(lab, runs.runs(lab)[0])
    found = many.read(many.comparable(lab, one), one)
    assert [run.id for run in found.runs] == [run.id for run in runs.runs(lab)]
    assert found.probabilities[0] == pytest.approx(one.probabilities, abs=1e-6)
    assert found.spread() == pytest.approx(np.abs(found.probabilities[0] - found.probabilities[1]) / 2, abs=1e-6)
    assert not found.spread(like=one.run).any()  # one seed only
    assert [p for _, p in found.of(5)] == sorted(found.probabilities[:, 5].tolist(), reverse=True)


def test_a_map_of_images_is_made_once_and_keeps_neighbours_together(lab):
    run = runs.runs(lab)[0]
    asked = Embed(run.id, limit=80)
    record = asked.run(Context(lab))
    assert record == asked.run(Context(lab))
    assert record["n"] == 80
    (known,) = embedding.embeddings(lab, run)
    table = embedding.points(lab, known["folder"])
    one = scored.scored(lab, run)
    assert (one.image_ids[table["row"]] == table["image_id"]).all()
    fake = one.labels[table["row"]] == 1
    xy = table[["x", "y"]].to_numpy()
    apart = np.linalg.norm(xy[fake].mean(0) - xy[~fake].mean(0))
    assert apart > 0.5 * xy.std()  # the network tells these apart, so its last layer does
    with pytest.raises(BadInput, match="take features or pixels"):
        Embed(run.id, of="smell")


def test_clusters_are_numbered_by_size_and_stray_points_belong_to_none():
    random = np.random.default_rng(0)
    xy = np.concatenate([random.normal(0, 0.1, (20, 2)), random.normal(5, 0.1, (40, 2)), [[50.0, -50.0]]])
    found = embedding.clusters(xy[:, 0], xy[:, 1])
    assert set(found[:20]) == {1}
    assert set(found[20:60]) == {0}
    assert found[60] == -1
    assert (embedding.clusters(np.zeros(3), np.zeros(3)) == -1).all()


def test_evaluate_gives_every_figure_at_once(lab):
    run = runs.runs(lab)[0]
    found, one = figures_of(lab, run, "test", 0.4), scored.scored(lab, run)
    called = one.probabilities >= 0.4
    assert found["metrics"]["accuracy"]["value"] == pytest.approx((called == one.labels).mean())
    assert found["metrics"]["auc"]["value"] == pytest.approx(sk.roc_auc_score(one.labels, one.logits))
    assert found["confusion"] == sk.confusion_matrix(one.labels, called).tolist()
    assert found["by_class"]["airplane"]["value"] == pytest.approx((called == one.labels)[one.class_labels == 0].mean())
    assert found["seeds"] is None
    assert found["calibration"]["ways"]["none"]["brier"]["value"] == pytest.approx(((one.probabilities - one.labels) ** 2).mean())
    assert {"metrics", "confusion", "by_class", "groups", "thresholds", "calibration", "without_duplicates", "seeds"} <= set(found)
    assert found["without_duplicates"]["n"] == 200
    assert sum(row["n"] for row in found["groups"]["class"]) == 200
    assert next(c["name"] for c in found["thresholds"]) == "0.5"
    assert sum(found["curves"]["histogram"]["real"]) == 100
    assert sum(found["curves"]["reliability"]["n"]) == 200
    assert found["curves"]["coverage"]["coverage"][0] == 1
    assert found["curves"]["roc"]["true_positive_rate"][-1] == 1
    json.dumps(found, allow_nan=False)


def test_two_runs_are_compared_from_the_command_line_as_scikit_learn_counts(lab):
    first, second = runs.runs(lab)[:2]
    found = against(lab, first, second, "test", 0.4)
    one, other = (scored.scored(lab, run) for run in (first, second))
    labels, called = one.labels, [s.probabilities >= 0.4 for s in (one, other)]
    gap = sk.accuracy_score(labels, called[0]) - sk.accuracy_score(labels, called[1])
    assert found["accuracy_difference"]["value"] == pytest.approx(gap)
    assert found["differences"]["auc"]["value"] == pytest.approx(
        sk.roc_auc_score(labels, one.logits) - sk.roc_auc_score(labels, other.logits)
    )
    assert found["only_first"] + found["only_second"] == int((called[0] != called[1]).sum())
    json.dumps(found, allow_nan=False)


def test_evaluate_against_another_run_counts_the_images_only_one_has_right(lab):
    from cifake_core.evaluation.reporting import contents

    one, other = runs.runs(lab)[:2]
    right = []
    for run in (one, other):
        table = evaluating.predictions(lab, run, "test")
        right.append((table["fake_probability"] >= 0.4).to_numpy() == (table["label"] == 1).to_numpy())
    found = contents.against(lab, one, other, "test", 0.4)
    assert found["other"] == other.id
    assert found["only_first"] == int((right[0] & ~right[1]).sum())
    assert found["only_second"] == int((right[1] & ~right[0]).sum())
    assert found["accuracy_difference"]["value"] == pytest.approx(right[0].mean() - right[1].mean())
