"""Clicks through the Generate page in a real browser: launch a few images of a tiny random model, watch, look, mark, take away."""

import re
import zipfile

import pytest

from cifake_core.images.image_set import ImageSet
from cifake_core.jobs import queue
from cifake_core.jobs.states import State
from tests.browser.looking import until
from tests.generator_models import tiny_stable_diffusion

WAIT_S = 300  # a job starts a process that imports torch and diffusers; minutes on a machine that is busy with other tests
FORM = "/generate?generate_open=true&generate_from=Folder+on+this+server&generate_folder=tiny-sd"


@pytest.fixture(scope="module")
def model(server):
    """A randomly initialised Stable Diffusion in the folder the page may read."""
    return tiny_stable_diffusion(server.import_folder / "tiny-sd")


@pytest.fixture(scope="module")
def images(server, model) -> ImageSet:
    """Four images of it, with their full-size originals."""
    from cifake_core.generators.generating import Generate
    from cifake_core.step import Context

    step = Generate("shown", str(model), 2, ("cat", "dog"), seed=3, steps=2, size=64, keep_originals=True)
    step.run(Context(server.workspace))
    return ImageSet.open(server.workspace, "shown")


def test_a_launch_fills_the_preview_and_becomes_a_set_that_is_shown(page, settled, server, model):
    page.goto(f"{FORM}&generate_per_class=12&generate_classes=cat&generate_classes=dog&generate_size=64&generate_steps=40")
    settled(page)
    page.get_by_text("24 images").first.wait_for()
    page.get_by_role("textbox", name="Name of the image set").fill("clicked")
    page.keyboard.press("Enter")
    page.get_by_text("--name clicked").wait_for()
    page.get_by_role("button", name="Make these images").dblclick()
    page.get_by_alt_text(re.compile("The latest .* images of Make 24 images as clicked")).wait_for(timeout=1000 * WAIT_S)
    page.get_by_text("24 images · no two alike").wait_for(timeout=1000 * WAIT_S)  # by itself, without a reload
    assert ImageSet.open(server.workspace, "clicked").record["classes"]["train"]["fake"] == {"cat": 12, "dog": 12}
    assert len([job for job in queue.jobs(server.workspace) if job.arguments.get("name") == "clicked"]) == 1


def test_a_cancelled_launch_keeps_what_is_done(page, settled, server, model):
    page.goto(f"{FORM}&generate_per_class=200&generate_classes=cat&generate_classes=dog&generate_size=64&generate_steps=40")
    settled(page)
    page.get_by_role("textbox", name="Name of the image set").fill("halved")
    page.keyboard.press("Enter")
    page.get_by_text("--name halved").wait_for()
    page.get_by_role("button", name="Make these images").click()
    page.get_by_alt_text(re.compile("The latest .* images of Make 400 images as halved")).wait_for(timeout=1000 * WAIT_S)
    page.get_by_role("button", name="Cancel").first.click()
    until(lambda: [job for job in queue.jobs(server.workspace) if job.state == State.CANCELLED and job.kind == "generate"], WAIT_S)
    page.get_by_text(re.compile(r"was stopped: \d+ of 400 images are made")).wait_for(timeout=1000 * WAIT_S)
    page.get_by_role("button", name="Keep what is done").click()
    until(lambda: "halved" in {image_set.name for image_set in ImageSet.list(server.workspace)}, WAIT_S)
    assert 0 < ImageSet.open(server.workspace, "halved").record["rows"]["train"] < 400


def test_a_click_opens_an_image_with_its_original_and_another_marks_it(page, settled, server, images):
    page.goto("/generate?generate_open=false&generate_set=shown")
    settled(page)
    page.get_by_role("button", name="cat, made").first.click()
    page.get_by_alt_text("The cat before it was shrunk").wait_for()
    page.wait_for_url(re.compile("generate_image=1"))
    page.get_by_text("Mark it", exact=True).click()
    page.get_by_role("button", name="dog, made").first.click()
    page.get_by_text("Leave out 1 marked").click()
    page.get_by_role("button", name="Make the set without them").click()
    until(lambda: "shown-2" in {image_set.name for image_set in ImageSet.list(server.workspace)}, WAIT_S)
    assert ImageSet.open(server.workspace, "shown-2").record["classes"]["train"]["fake"] == {"cat": 2, "dog": 1}


def test_the_set_is_downloaded_as_cifakes_own_folders(page, settled, server, images, tmp_path):
    page.goto("/generate?generate_open=false&generate_set=shown")
    settled(page)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CIFAKE folders (zip)").click()
    waiting.value.save_as(tmp_path / "shown.zip")
    with zipfile.ZipFile(tmp_path / "shown.zip") as packed:
        assert sorted(packed.namelist()) == [f"train/FAKE/{name}/000{number}.jpg" for name in ("cat", "dog") for number in (0, 1)]  # two classes: numbers would not be read back
