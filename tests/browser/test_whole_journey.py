"""The main job end to end in a real browser: import a folder, train the quick grid, read the metrics, see the maps."""

import shutil

import pytest

from cifake_core.detectors import runs
from cifake_core.images.image_set import ImageSet
from tests.browser.looking import until
from tests.conftest import drawn

WAIT_S = 300


@pytest.fixture
def folder(server):
    """A CIFAKE-like folder of our own drawn images: 80 of each label to train on, 20 to test on."""
    from cifake_core.images.codec import encode_png

    root = server.import_folder / "journey"
    for split, count, start in (("train", 80, 0), ("test", 20, 1000)):
        for label, word in enumerate(("REAL", "FAKE")):
            (root / split / word).mkdir(parents=True)
            for number in range(count):
                data = encode_png(drawn(label, number % 10, start + number))
                (root / split / word / f"{number:04d}.png").write_bytes(data)
    yield root
    shutil.rmtree(root)


@pytest.mark.slow
def test_from_a_folder_to_the_maps_of_six_networks(page, settled, server, folder):
    page.goto("/data?data_from=From+this+server&data_path=journey")  # a link to the preview
    settled(page)
    page.get_by_role("heading", name="What was understood").wait_for()
    page.get_by_role("textbox", name="Name of the image set").fill("journey")
    page.get_by_role("button", name="Import", exact=True).click()
    until(lambda: "journey" in {image_set.name for image_set in ImageSet.list(server.workspace)}, WAIT_S)

    page.goto("/train?train_set=journey&train_epochs=2")
    settled(page)
    launch = page.locator("details").filter(has_text="Launch").first
    launch.wait_for()
    if launch.get_attribute("open") is None:  # folded where something was trained before; drawn, but maybe not filled, when it is open
        page.get_by_text("Launch", exact=True).click()
    page.get_by_text("6 trainings").first.wait_for()  # the quick grid is what a newcomer is offered
    page.get_by_role("button", name="Train these networks").click()
    until(lambda: len(_trained(server)) == 6, WAIT_S)
    page.get_by_text("6 runs.").first.wait_for(timeout=60_000)

    page.goto("/metrics")  # the newest run is shown first
    settled(page)
    page.get_by_text("of 40 verdicts are wrong").first.wait_for()
    page.goto("/gradcam")
    settled(page)
    page.get_by_text("of 40 images").first.wait_for()


def _trained(server) -> list:
    return [run for run in runs.runs(server.workspace) if run.dataset == "journey"]
