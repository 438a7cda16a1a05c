"""Clicks through Grad-CAM and Try an image: other maps, files, masks."""

import io
import re
from urllib.parse import urlencode

import numpy as np
import pandas as pd
from PIL import Image

from cifake_core.detectors import runs
from cifake_core.evaluation.selecting import Selection
from pages.shared.pickers import run_label
from tests.browser.looking import ids, pick_option, wait_for_ids


def most_wrong_fakes(scores, most: int) -> list[str]:
    """From the stored predictions themselves: fakes, the lowest probability of fake first."""
    said = pd.read_parquet(scores.run.folder / "predictions-test.parquet").set_index("image_id")["logit"]
    fakes = said.loc[scores.image_ids[scores.labels == 1]]
    return fakes.sort_values(kind="stable").index[:most].tolist()


def heat_on_screen(page) -> str:
    """The bytes of the picture that all maps of the page are cut from."""
    read = """async tile => {
      const url = getComputedStyle(tile).backgroundImage.slice(5, -2)
      return Array.from(new Uint8Array(await (await fetch(url)).arrayBuffer())).join()
    }"""
    return page.locator("i.heat").first.evaluate(read)


def test_grad_cam_shows_the_twenty_most_confidently_wrong_fakes_by_another_method_and_opacity(page, settled, scores):
    page.goto("/gradcam?gradcam_show=image+%7C+overlay&gradcam_sort=least+sure&gradcam_cell=all+fakes")
    settled(page)
    wait_for_ids(page, ids(scores, Selection("fake", sort="least sure"), most=20))
    pick_option(page, "Order", "most confidently wrong")
    wrong = most_wrong_fakes(scores, 20)
    wait_for_ids(page, wrong)
    before = heat_on_screen(page)
    pick_option(page, "Method", "HiResCAM")
    page.wait_for_function("document.location.search.includes('gradcam_method=HiResCAM')")
    page.get_by_text(re.compile("HiResCAM.*each map is scaled")).wait_for()
    settled(page)
    assert heat_on_screen(page) != before  # other maps, not only another caption
    page.get_by_role("slider", name="Opacity").focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("document.location.search.includes('gradcam_opacity=0.7')")
    page.wait_for_function(
        "[...document.querySelectorAll('*')].some(e => e.shadowRoot?.querySelector('i.heat')?.style.opacity === '0.7')"
    )
    wait_for_ids(page, wrong)
    page.locator("button.tile").first.click()
    settled(page)
    page.get_by_alt_text("over the image").wait_for()


def test_a_good_and_a_bad_file_are_answered_each_on_its_own(page, settled):
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)).save(out, "PNG")
    page.goto("/try_image")
    settled(page)
    page.locator('input[type="file"]').set_input_files(
        [
            {"name": "good.png", "mimeType": "image/png", "buffer": out.getvalue()},
            {"name": "bad.png", "mimeType": "image/png", "buffer": b"this is not an image"},
        ]
    )
    page.get_by_text("What was done to it before the network looked").wait_for()
    page.get_by_alt_text("Cropped").wait_for()
    page.get_by_test_id("stAlert").filter(has_text="bad.png is not a JPEG, PNG, WEBP, BMP, TIFF, GIF, AVIF or HEIC image").wait_for()


def test_a_test_image_is_tried_with_its_truth(page, settled):
    page.goto("/try_image?try_from=the+test+images&try_number=3")
    settled(page)
    page.get_by_text("The truth").wait_for()
    page.get_by_text("Does the verdict survive?").wait_for()


def test_a_mask_drawn_on_a_test_image_is_kept_and_the_slider_that_needs_it_moves(page, settled, server):
    from cifake_core.explanations import drawn_masks
    from cifake_core.images.image_set import ImageSet

    identity = ImageSet.open(server.workspace, "tiny").manifest("test")["image_id"].iloc[4]
    run = max((run for run in runs.runs(server.workspace) if run.dataset == "tiny"), key=lambda run: run.record["test"]["accuracy"])
    page.goto("/try_image?" + urlencode({"image_id": identity, "try_if_masked": "background", "try_run": run_label(run)}))
    settled(page)
    assert identity in page.url  # the address goes on naming the image
    page.get_by_text("Test image 5").wait_for()
    page.get_by_text("a guess (GrabCut)").wait_for()
    settled(page)
    flattened = page.get_by_alt_text("the altered image, enlarged").get_attribute("src")
    canvas = page.get_by_role("img", name="Paint over the entity of this image").last
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 0.5 * box["height"], steps=6)
    page.mouse.up()
    page.get_by_text("what you painted").wait_for()
    settled(page)
    assert page.get_by_alt_text("the altered image, enlarged").get_attribute("src") != flattened  # another background is gone
    page.get_by_role("button", name="Keep").click()
    page.get_by_text("your kept mask").wait_for()
    mask = drawn_masks.kept(server.workspace, identity)
    assert mask[16, 10:22].all()
    assert not mask[:12].any()
    assert not mask[20:].any()
    page.get_by_text(re.compile(rf"of the map lies on the entity, which covers {mask.mean():.0%} of the picture")).wait_for()


def test_masks_of_a_better_model_are_uploaded_and_a_bad_file_gets_its_sentence(page, settled, scores, server):
    from cifake_core.explanations import given_masks

    def upload(name: str, masks: np.ndarray) -> None:
        out = io.BytesIO()
        np.savez_compressed(out, image_ids=scores.image_ids.astype(str), masks=masks)
        page.locator('input[type="file"]').set_input_files([{"name": name, "mimeType": "application/zip", "buffer": out.getvalue()}])
        page.get_by_text(name).wait_for()
        page.get_by_role("button", name="Import masks").click()

    for kept in given_masks.kept(server.workspace):  # of a first try
        given_masks.forget(server.workspace, kept["name"])
    top = np.zeros((len(scores), 32, 32), bool)
    top[:, :12] = True
    page.goto("/gradcam?gradcam_view=Entity+or+background%3F")
    settled(page)
    page.get_by_text("Masks of a better model").click()
    upload("wide.npz", top[:, :, :20])
    page.get_by_test_id("stAlert").filter(has_text="20 × 32 pixels; give square ones").wait_for()
    upload("upper.npz", top)
    page.get_by_text(re.compile("masks are kept as upper")).wait_for()
    settled(page)  # the form with the list of masks is drawn last, and shuts a list that was opened before it
    found, known = given_masks.matched(given_masks.opened(given_masks.folder_of(server.workspace, "upper")), scores.image_ids)
    assert known.all()
    np.testing.assert_array_equal(found, top)
    page.get_by_test_id("stSelectbox").filter(has_text="Masks of the entity").locator("input").click()
    page.get_by_role("option", name=re.compile("imported: upper")).click()
    page.get_by_text("--masks imported:upper").wait_for()
