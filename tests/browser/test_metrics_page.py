"""Clicks through Metrics, and looks whether exactly the right images come back."""

import re

import numpy as np
import pandas as pd
import pytest

from cifake_core.detectors import runs
from cifake_core.evaluation import scored, selecting
from cifake_core.evaluation.selecting import Selection
from cifake_core.store import marks
from tests.browser.looking import ids, pick_option, wait_for_ids

CELLS = {
    "TN": (0, 0), "FP": (0, 1), "FN": (1, 0), "TP": (1, 1),
    "real": (0, None), "fake": (1, None), "called real": (None, 0), "called fake": (None, 1),
}  # fmt: skip


def stored_ids(server, scores, cell: str, threshold: float) -> list[str]:
    """Ids of that cell straight from the files of the store, the most confidently wrong first: none of the app's own code."""
    predictions = pd.read_parquet(server.workspace.home / "runs" / scores.run.id / "predictions-test.parquet")
    images = pd.read_parquet(server.workspace.home / "images" / "tiny" / "test.parquet", columns=["image_id", "label"])
    assert predictions["image_id"].tolist() == images["image_id"].tolist()
    truth, verdict = CELLS[cell]
    logits = predictions["logit"].astype(float)
    called = (1 / (1 + np.exp(-logits)) >= threshold).astype(int)
    inside = ((images["label"] == truth) | (truth is None)) & ((called == verdict) | (verdict is None))
    rightness = (logits - np.log(threshold / (1 - threshold))) * (2 * images["label"] - 1)
    return images["image_id"][inside].iloc[np.argsort(rightness[inside], kind="stable")].tolist()


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_each_cell_row_and_column_of_the_matrix_shows_exactly_its_images_in_the_store(page, settled, scores, server, by):
    threshold = _threshold_with_mistakes(scores)
    page.goto(f"/metrics?metrics_threshold={threshold}")
    settled(page)
    wait_for_ids(page, ids(scores, Selection(), threshold))
    for cell in CELLS:
        button = page.locator(f'button[data-pick="{cell}"]')
        if by == "mouse":
            button.click()
        else:
            button.focus()
            page.keyboard.press("Space")
        page.wait_for_selector(f'button[data-pick="{cell}"][aria-pressed="true"]')
        settled(page)
        expected = stored_ids(server, scores, cell, threshold)
        wait_for_ids(page, expected[:48])
        assert page.get_by_text(f"{len(expected):,} of 200 images").count() == 1


def _threshold_with_mistakes(scores) -> float:
    """The threshold of the slider at which the emptiest of the four cells is fullest."""
    steps = np.round(np.arange(1, 1000) / 1000, 3)
    counts = [scores.confusion(float(step)) for step in steps]
    return float(max(zip(steps, counts, strict=True), key=lambda pair: min(pair[1].fp, pair[1].fn, pair[1].tp, pair[1].tn))[0])


def test_a_link_restores_threshold_cell_class_order_and_open_image(page, settled, scores):
    page.goto(
        "/metrics?metrics_threshold=0.3&metrics_cell=all+fakes&metrics_class=frog&metrics_sort=surest&metrics_image=2"
    )
    settled(page)
    expected = ids(scores, Selection("fake", class_label=6, sort="surest"), 0.3)
    wait_for_ids(page, expected)
    assert page.locator("button.tile[aria-current=true]").get_attribute("data-id") == expected[1]
    page.get_by_role("spinbutton", name="Image no.").press("ArrowUp")
    page.get_by_role("spinbutton", name="Image no.").press("Enter")
    page.wait_for_function("document.location.search.includes('metrics_image=3')")


def test_a_step_of_the_threshold_changes_the_tiles_verdicts_and_builds_no_tile_anew(page, settled, scores):
    rows = selecting.rows(scores, Selection(sort="stored order"), 0.5)[:48]
    said = scores.probabilities[rows]
    below = int(np.argmax(np.where(said < 0.5, said, 0)))  # the one whose verdict changes first
    lower = np.floor(1000 * said[below]) / 1000
    start = min(0.999, lower + 0.005)
    page.goto(f"/metrics?metrics_sort=stored+order&metrics_threshold={start:.3f}")
    settled(page)
    wait_for_ids(page, scores.image_ids[rows].tolist())
    tile = page.locator("button.tile").nth(below)
    assert "called real" in tile.get_attribute("aria-label")
    colour = "b => getComputedStyle(b).backgroundColor"
    before = tile.locator(".bar b").nth(1).evaluate(colour)
    stayed = []
    for arrow, verdict in (("ArrowLeft", "called fake"), ("ArrowRight", "called real"), ("ArrowLeft", "called fake")):
        page.locator("button.tile").evaluate_all("tiles => tiles.forEach(tile => (tile.old = true))")
        page.get_by_role("slider", name="Threshold: called fake").focus()
        for _ in range(6):
            page.keyboard.press(arrow)
        wait_until(page, lambda verdict=verdict: verdict in tile.get_attribute("aria-label"))
        settled(page)
        assert (tile.locator(".bar b").nth(1).evaluate(colour) != before) == (verdict == "called fake")
        stayed.append(page.locator("button.tile").evaluate_all("tiles => tiles.filter(tile => tile.old).length"))
    assert len(rows) in stayed  # not each time: on a machine that is out of breath Streamlit itself may mount the whole view again


def test_rapid_steps_to_and_fro_keep_the_connection(page, settled):
    page.goto("/metrics")
    settled(page)
    page.get_by_role("slider", name="Threshold: called fake").focus()
    for sweep in range(16):
        for _ in range(6):
            page.keyboard.press(("ArrowLeft", "ArrowRight")[sweep % 2])
        page.wait_for_timeout(100 + 60 * sweep)
        assert page.get_by_text("Connection error").count() == 0
    settled(page)
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("document.location.search.includes('metrics_threshold=0.499')")  # it still answers


def test_the_matrix_and_the_tiles_work_from_the_keyboard(page, settled, scores):
    page.goto("/metrics")
    settled(page)
    page.locator('button[data-pick="fake"]').focus()
    page.keyboard.press("Enter")
    expected = ids(scores, Selection("fake"))
    wait_for_ids(page, expected)
    settled(page)
    page.locator("button.tile").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_selector(f'button.tile[data-id="{expected[1]}"][aria-current="true"]')


def chosen_ids(page) -> set[str]:
    return set(page.locator('button.tile[aria-selected="true"]').evaluate_all("tiles => tiles.map(tile => tile.dataset.id)"))


def wait_until(page, holds) -> None:
    for _ in range(100):
        if holds():
            return
        page.wait_for_timeout(150)
    assert holds()


def test_many_images_are_chosen_by_mouse_and_keys_stay_over_pages_and_filters_and_are_tagged_and_taken(
    page, settled, scores, server
):
    page.goto("/metrics")
    settled(page)
    every = ids(scores, Selection(), most=200)
    tiles = page.locator("button.tile")
    tiles.nth(1).click(modifiers=["Control"])
    tiles.nth(4).click(modifiers=["Shift"])  # no wait between: no click may be lost
    tiles.nth(2).click(modifiers=["Control"])  # off again
    page.get_by_text("3 chosen").wait_for()
    tiles.nth(9).focus()
    page.keyboard.press("Space")
    page.get_by_text("4 chosen").wait_for()
    assert page.locator('button.tile[aria-current="true"]').count() == 0  # choosing opens nothing
    wanted = [every[place] for place in (1, 3, 4, 9)]
    assert chosen_ids(page) == set(wanted)
    settled(page)
    page.get_by_test_id("stPaginationNext").click()
    wait_for_ids(page, every[48:96])
    page.get_by_text("Select", exact=True).click()
    settled(page)
    tiles.nth(0).click()  # with the switch on, a plain click chooses
    page.get_by_text("5 chosen").wait_for()
    wanted.append(every[48])
    pick_option(page, "Images", "all fakes")
    settled(page)
    page.get_by_text("5 chosen").wait_for()
    link = page.evaluate("document.location.search")
    assert "metrics_chosen=" in link
    page.get_by_text("Only these", exact=True).click()
    wait_for_ids(page, wanted)
    assert chosen_ids(page) == set(wanted)
    with page.expect_download() as download:
        page.get_by_role("button", name="Table (CSV)").first.click()
    assert pd.read_csv(download.value.path())["image_id"].tolist() == wanted
    page.get_by_role("button", name="Tag", exact=True).click()
    field = page.get_by_test_id("stPopoverBody").locator("input")
    field.fill("strange")
    field.press("Enter")
    page.get_by_role("button", name="Tag them").click()
    wait_until(page, lambda: marks.tags(server.workspace, "tiny").get("strange") == set(wanted))
    settled(page)
    off = page.get_by_role("button", name="Take it off")
    if not off.is_visible():  # the page has run anew for the new tag; the popover may be shut by that or not
        page.get_by_role("button", name="Tag", exact=True).click()
    off.click()
    wait_until(page, lambda: not marks.tags(server.workspace, "tiny").get("strange"))
    page.goto("/metrics" + link)  # the link restores what was chosen
    page.get_by_text("5 chosen").wait_for()
    settled(page)
    page.get_by_role("button", name="Clear", exact=True).click()
    page.get_by_text("5 chosen").wait_for(state="detached")
    wait_until(page, lambda: "metrics_chosen" not in page.url and not chosen_ids(page))


def test_the_keys_left_and_right_open_the_images_beside_the_open_one_and_nothing_else(page, settled, scores):
    page.goto("/metrics?metrics_page=1")
    settled(page)
    every = ids(scores, Selection(), most=200)
    page.locator("button.tile").nth(46).click()
    page.wait_for_selector(f'button.tile[data-id="{every[46]}"][aria-current="true"]')
    page.get_by_alt_text("where the network looked").wait_for()
    settled(page)
    page.keyboard.press("ArrowRight")  # the focus is on the open tile and goes along
    page.wait_for_selector(f'button.tile[data-id="{every[47]}"][aria-current="true"]')
    settled(page)
    page.keyboard.press("ArrowRight")  # turns the page
    page.wait_for_selector(f'button.tile[data-id="{every[48]}"][aria-current="true"]')
    wait_for_ids(page, every[48:96])
    settled(page)
    page.get_by_role("heading", name="The images").click()  # the focus is nowhere
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector(f'button.tile[data-id="{every[47]}"][aria-current="true"]')
    settled(page)
    page.get_by_role("slider", name="Threshold").focus()
    page.keyboard.press("ArrowRight")  # this is the slider's
    page.wait_for_function("document.location.search.includes('metrics_threshold=0.501')")
    settled(page)
    assert "metrics_image=48" in page.url
    page.locator("button.tile").nth(3).focus()
    page.keyboard.press("ArrowRight")  # this one moves among the tiles
    page.keyboard.press("Space")
    page.get_by_text("1 chosen").wait_for()
    settled(page)
    assert "metrics_image=48" in page.url
    page.get_by_role("button", name="Next Shortcut").click()
    page.wait_for_function("document.location.search.includes('metrics_image=49')")


def test_the_threshold_moves_matrix_numbers_and_images_together(page, settled, scores):
    page.goto("/metrics?metrics_cell=called+fake")
    settled(page)
    slider = page.get_by_role("slider", name="Threshold")
    slider.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("document.location.search.includes('metrics_threshold=0.505')")
    settled(page)
    counts = scores.confusion(0.505)
    assert page.locator('button[data-pick="TP"] .big').inner_text() == f"{counts.tp:,}"
    assert page.locator('button[data-pick="FP"] .big').inner_text() == f"{counts.fp:,}"
    wait_for_ids(page, ids(scores, Selection("called fake"), 0.505))
    page.get_by_role("img", name="the threshold stands at 0.505").wait_for()
    found = f"{100 * counts.tp / (counts.tp + counts.fn):.2f} % of fakes found"
    page.get_by_role("img", name=found).wait_for()


def test_every_panel_of_charts_draws_without_a_fault(page, settled):
    page.goto("/metrics")
    settled(page)
    for panel, alt in (("By class", "right verdicts by class"), ("Unsure", "Accuracy against coverage"), ("Curves", "ROC curve")):
        page.get_by_test_id("stButtonGroup").get_by_text(panel, exact=True).click()
        settled(page)
        page.get_by_role("img", name=alt).locator("svg path").nth(1).wait_for(state="attached")  # a ribbon may have no width
    chart = page.get_by_role("img", name=re.compile("Scores of .* real images above"))
    chart.hover()
    told = chart.locator(".tip")
    told.wait_for()
    assert re.fullmatch(r"[\d.]+ – [\d.]+ %\n\d+ real\n\d+ fake", told.inner_text())
    page.goto("/metrics?metrics_view=Numbers&metrics_unseen=true")
    settled(page)
    page.get_by_test_id("stVegaLiteChart").nth(2).wait_for()
    page.get_by_text("so both figures are the same").wait_for()


def test_a_tag_on_the_open_image_is_kept_and_filters_the_gallery(page, settled, scores, server):
    page.goto("/metrics?metrics_image=1")
    settled(page)
    expected = ids(scores, Selection())[0]
    marks.tag(server.workspace, scores.run.dataset, [expected], "odd")
    page.goto("/metrics?metrics_mark=tag:+odd")
    settled(page)
    wait_for_ids(page, [expected])


def test_two_networks_are_compared_by_the_images_on_which_they_disagree(page, settled, choose, server):
    page.goto("/metrics?metrics_view=Two+networks")
    settled(page)
    choose(page, "Compare with", 1)
    page.get_by_text("McNemar").first.wait_for()
    first, second = (scored.scored(server.workspace, run) for run in runs.runs(server.workspace)[:2])
    right = [one.verdicts(0.5) == one.labels for one in (first, second)]
    gap = np.abs(first.probabilities - second.probabilities)
    for pick, inside in (("both right", right[0] & right[1]), ("both wrong", ~right[0] & ~right[1]), ("first", right[0] & ~right[1])):
        page.locator(f'button[data-pick="{pick}"]').click()
        page.wait_for_selector(f'button[data-pick="{pick}"][aria-pressed="true"]')
        settled(page)
        rows = np.flatnonzero(inside)
        wait_for_ids(page, first.image_ids[rows[np.argsort(-gap[rows], kind="stable")]][:48].tolist())
