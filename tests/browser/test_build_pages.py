"""Clicks through the Start, Data and Train pages in a real browser: import, launch, watch, cancel, delete."""

import re
import shutil

import pytest

from cifake_core.detectors import runs
from cifake_core.images.image_set import ImageSet
from cifake_core.jobs import queue
from cifake_core.jobs.states import State
from tests.browser.looking import until
from tests.conftest import drawn

WAIT_S = 240  # a job starts a process that imports torch; minutes on a machine that is busy with other tests


@pytest.fixture
def folder(server):
    """A CIFAKE-like folder of our own drawn images inside the allowed folder: 2 splits × 2 labels × 30."""
    from cifake_core.images.codec import encode_png

    root = server.import_folder / "drawn"
    for split, start in (("train", 0), ("test", 1000)):
        for label, word in enumerate(("REAL", "FAKE")):
            (root / split / word).mkdir(parents=True)
            for number in range(30):
                data = encode_png(drawn(label, number % 10, start + number))
                (root / split / word / f"{number:04d}.png").write_bytes(data)
    yield root
    shutil.rmtree(root)


def test_a_deep_link_opens_its_page_inside_the_frame(page, settled):
    page.goto("/train?train_set=tiny")
    settled(page)
    assert page.get_by_role("heading", name="Train", exact=True).is_visible()
    assert page.get_by_test_id("stSidebarNav").get_by_text("Grad-CAM").is_visible()


def test_the_riddle_is_answered_and_the_answer_is_in_the_link(page, settled):
    page.goto("/")
    settled(page)
    page.get_by_text("Show the answer").click()
    page.get_by_text("Framed blue").wait_for()
    assert "home_answer=true" in page.url


def test_importing_a_folder_makes_a_set_that_is_shown_and_can_be_deleted(page, settled, server, folder):
    page.goto("/data?data_from=From+this+server&data_path=drawn")  # a link to the preview
    settled(page)
    page.get_by_role("heading", name="What was understood").wait_for()
    page.get_by_role("textbox", name="Name of the image set").fill("browsed")
    page.get_by_role("button", name="Import", exact=True).click()
    until(lambda: "browsed" in {image_set.name for image_set in ImageSet.list(server.workspace)}, WAIT_S)
    page.goto("/data?data_set=browsed")
    settled(page)
    page.get_by_text("train 30 real + 30 fake · test 30 real + 30 fake").wait_for()
    page.get_by_text("browse only").first.wait_for()  # 30 of a label are too few to learn from
    page.get_by_alt_text("Reals and fakes of every class in browsed, side by side").wait_for()
    page.get_by_role("button", name="Delete this image set").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    until(lambda: "browsed" not in {image_set.name for image_set in ImageSet.list(server.workspace)}, WAIT_S)


def test_a_folder_outside_the_allowed_ones_is_refused_in_one_sentence(page, settled, server):
    page.goto("/data?data_from=From+this+server")
    settled(page)
    page.get_by_text("Import images").first.click()
    typed = page.get_by_role("textbox", name="Files or folders, separated by commas")
    typed.fill("/etc")
    typed.press("Enter")
    page.get_by_text("Nothing that may be imported lies there").wait_for()


def test_a_double_click_trains_one_cell_once_and_the_finished_run_appears(page, settled, server):
    before = {run.id for run in runs.runs(server.workspace)}
    page.goto("/train?train_set=tiny&train_grid=My+own+cells&train_cells=16x3-64x1&train_epochs=1&train_seeds=5")
    settled(page)
    _open_launch(page, settled)
    page.get_by_text("1 training", exact=False).first.wait_for()
    page.get_by_role("button", name="Train these networks").dblclick()
    page.get_by_text("Train 16x3-64x1 on tiny").first.wait_for()
    until(lambda: [run for run in runs.runs(server.workspace) if run.topology == "16x3-64x1" and run.seed == 5], WAIT_S)
    assert len([job for job in queue.jobs(server.workspace) if job.arguments.get("seeds") == [5]]) == 1
    assert len({run.id for run in runs.runs(server.workspace)} - before) == 1
    until(lambda: all(job.is_final for job in queue.jobs(server.workspace)), WAIT_S)
    page.get_by_test_id("stMain").get_by_text("took").first.wait_for(timeout=1000 * WAIT_S)  # by itself, without a reload
    page.get_by_text(re.compile(r"^3 runs\.")).wait_for()


def test_a_click_on_a_cell_of_the_plan_changes_what_is_trained(page, settled):
    page.goto("/train?train_set=tiny")
    settled(page)
    _open_launch(page, settled)
    page.get_by_text(re.compile("6 trainings")).wait_for()
    picture = page.get_by_test_id("stPlotlyChart").first
    picture.scroll_into_view_if_needed()
    picture.locator(".scatterlayer .trace path.point").nth(3).click(force=True)  # 128x1-64x1, not in the quick grid
    page.get_by_text(re.compile("7 trainings")).wait_for()
    page.wait_for_url(re.compile("128x1-64x1"))  # the choice is in the link


def test_a_link_to_an_open_launch_form_opens_it_with_its_choice(page, settled):
    page.goto("/train?train_set=tiny&train_grid=Small+preset&train_seeds=3&train_epochs=56&train_batch=128&train_rate=0.004&train_patience=0")
    settled(page)
    button = page.get_by_role("button", name="Train these networks")
    assert not button.is_visible()  # folded away, as its link says
    _open_launch(page, settled)
    page.wait_for_url(re.compile("train_form=true"))
    page.reload()
    button.wait_for()
    page.get_by_text("python -m cifake_core train --dataset tiny --preset small --seeds 3 --epochs 56").wait_for()


def test_a_running_training_is_cancelled_and_its_finished_cells_stay(page, settled, server):
    before = {run.id for run in runs.runs(server.workspace)}
    page.goto("/train?train_set=tiny&train_grid=My+own+cells&train_cells=32x2-64x1&train_epochs=500&train_seeds=9&train_patience=0")
    settled(page)
    _open_launch(page, settled)
    page.get_by_role("button", name="Train these networks").click()
    until(lambda: [job for job in queue.jobs(server.workspace) if job.state == State.RUNNING], WAIT_S)
    page.get_by_role("button", name="Cancel").first.click()
    until(lambda: [job for job in queue.jobs(server.workspace) if job.state == State.CANCELLED], WAIT_S)
    page.get_by_test_id("stMain").get_by_text(re.compile("cancelled")).first.wait_for(timeout=1000 * WAIT_S)
    assert {run.id for run in runs.runs(server.workspace)} == before


def _open_launch(page, settled) -> None:
    """The launch form is folded away once there are runs; its button moves until all is drawn, and a click beside it is lost."""
    if not page.get_by_role("button", name="Train these networks").is_visible():
        page.get_by_text("Launch", exact=True).click()
    page.get_by_role("button", name="Train these networks").wait_for()
    settled(page)


def parquet(path, rows: list[tuple[bytes, int]]):
    """A Hugging Face Parquet whose ClassLabel numbers follow the alphabet: 0 is fake."""
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    cells = pa.array([{"bytes": data, "path": None} for data, _ in rows], pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    features = {"image": {"_type": "Image"}, "label": {"names": ["FAKE", "REAL"], "_type": "ClassLabel"}}
    table = pa.table({"image": cells, "label": [1 - label for _, label in rows]})
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})}), path)
    return path


def test_two_uploaded_parquet_files_become_one_set_which_the_page_then_shows(page, settled, server, tmp_path):
    from cifake_core.images.codec import encode_png

    given = [
        parquet(tmp_path / f"{split}-00000.parquet", [(encode_png(drawn(label, n % 10, start + n)), label) for n in range(count) for label in (0, 1)])
        for split, count, start in (("train", 12, 5000), ("test", 7, 6000))
    ]
    page.goto("/data?data_from=Upload")
    settled(page)
    page.get_by_text("Import images").first.click()
    page.locator('input[type="file"]').set_input_files([str(path) for path in given])
    page.get_by_role("heading", name="What was understood").wait_for()
    settled(page)
    for path in given:
        page.get_by_text(path.name).first.wait_for()
    assert page.get_by_test_id("stFileUploaderFile").count() == 0  # the server holds them no longer, the disk does
    page.get_by_alt_text("Picture 1 of those named FAKE").first.wait_for()
    page.get_by_role("textbox", name="Name of the image set").fill("uploaded")
    page.get_by_role("button", name="Import", exact=True).click()
    until(lambda: "uploaded" in {image_set.name for image_set in ImageSet.list(server.workspace)}, WAIT_S)
    page.get_by_text("train 12 real + 12 fake · test 7 real + 7 fake").wait_for()  # opened by itself
    assert "data_set=uploaded" in page.url
    page.get_by_text("Seen 38 files and rows: 38 imported, 0 left out.").wait_for()
    found = ImageSet.open(server.workspace, "uploaded")
    truth = [label for _ in range(12) for label in (0, 1)]
    assert found.manifest("train+validation")["label"].tolist() == truth
