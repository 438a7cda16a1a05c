"""Every page from the app's own frame, on an empty workspace and on a used one; and what the first page must not load."""

import subprocess
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).parents[1]
PAGES = [
    "pages/start/home.py",
    "pages/build/data.py",
    "pages/build/generate.py",
    "pages/build/train.py",
    "pages/look/metrics.py",
    "pages/look/gradcam.py",
    "pages/look/findings.py",
    "pages/look/inside.py",
    "pages/look/try_image.py",
    "pages/look/unseen.py",
]
PATIENCE_S = 120  # the first page with torch on a busy machine


def opened(page: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=PATIENCE_S).run()
    return app if page == PAGES[0] else app.switch_page(page).run()


def everything_said(app: AppTest) -> str:
    kinds = ("title", "subheader", "markdown", "caption", "info", "warning", "error")
    return "\n".join(element.value for kind in kinds for element in app.get(kind))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_an_empty_workspace_runs_and_says_what_to_do_next(page, workspace):
    app = opened(page)
    assert not app.exception, app.exception[0].message
    assert not app.error, app.error[0].value
    assert app.title, "a page has a title"
    assert app.get("page_link") or app.button, "a page of an empty workspace leads somewhere"


@pytest.mark.parametrize("page", PAGES)
def test_looking_at_a_page_changes_nothing_in_the_workspace(page, workspace):
    opened(page)
    assert not [path for path in workspace.home.rglob("*") if path.is_file()]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_a_used_workspace_runs_without_an_error(page, lab):
    app = opened(page)
    assert not app.exception, app.exception[0].message
    assert not app.error, app.error[0].value


def test_the_first_page_loads_nothing_heavy_that_streamlit_has_not_loaded_itself(tmp_path):
    """torch and diffusers take seconds; the first page must show within three. (Streamlit itself loads a part of plotly.)"""
    script = (
        "import sys; from streamlit.testing.v1 import AppTest;"
        "before = set(sys.modules);"
        "app = AppTest.from_file('app.py', default_timeout=120).run(); assert not app.exception;"
        "print(sorted({'torch', 'diffusers', 'plotly', 'transformers', 'plotly.subplots', 'sklearn'} & (set(sys.modules) - before)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=300, check=True,
        env={"PATH": "/usr/bin:/bin", "CIFAKE_HOME": str(tmp_path / "home")},
    )  # fmt: skip
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_the_start_page_shows_what_is_there(lab):
    app = opened("pages/start/home.py")
    assert [metric.value for metric in app.metric][:2] == ["1", "2"]


def test_the_data_page_counts_the_images_of_the_chosen_set(lab):
    assert "train 300 real + 300 fake · test 100 real + 100 fake" in everything_said(opened("pages/build/data.py"))


def test_a_set_of_one_label_is_shown_but_not_offered_for_training(workspace):
    from cifake_core.images.building import new_image_set
    from tests.conftest import drawn_images

    new_image_set(workspace, "reals", (image for image in drawn_images({"train": 6}) if image.label == 0), kind="photographs")
    assert "no fake images to train on" in everything_said(opened("pages/build/data.py"))
    train = opened("pages/build/train.py")
    assert "no fake images to train on" in everything_said(train)
    assert "train_launch" not in {button.key for button in train.button}


def test_the_launch_form_shows_the_command_line_that_repeats_it(lab):
    app = opened("pages/build/train.py")
    assert "python -m cifake_core train --dataset tiny --grid quick --seeds 0 --epochs 10" in {code.value for code in app.code}


def test_a_preset_brings_its_settings_and_takes_them_away_again_but_never_the_users_own(lab):
    def chosen(which: str) -> set[str]:
        app.button_group(key="train_grid").set_value(which).run()
        assert not app.exception
        return {code.value for code in app.code}

    command = "python -m cifake_core train --dataset tiny"
    app = opened("pages/build/train.py")
    assert f"{command} --preset small --seeds 0 --epochs 56" in chosen("small")
    assert "287,937 parameters" in everything_said(app)
    assert "70 % of the images with a loss below the mean are left out of an epoch" in everything_said(app)
    assert f"{command} --preset strong --seeds 0 --epochs 60" in chosen("strong")
    assert "left out of an epoch" not in everything_said(app)
    assert f"{command} --grid quick --seeds 0 --epochs 10" in chosen("quick")
    app.number_input(key="train_epochs").set_value(2).run()
    assert f"{command} --grid heads --seeds 0 --epochs 2" in chosen("heads")


def test_launching_twice_queues_one_job(lab, monkeypatch):
    from cifake_core.jobs import launching, queue

    monkeypatch.setattr(launching, "ensure_workers", lambda workspace: 0)
    app = opened("pages/build/train.py")
    for _ in range(2):
        app.button(key="train_launch").click().run()
    assert not app.exception
    (job,) = queue.jobs(lab)
    assert (job.kind, job.arguments["grid"], job.arguments["dataset"]) == ("train", "quick", "tiny")


@pytest.mark.parametrize("typed", ["/etc/passwd", "../../etc/passwd", "/no/such/file", "a" * 5000, "nul\0byte"])
def test_a_path_outside_the_allowed_folders_is_refused_and_starts_no_job(typed, workspace):
    from cifake_core.jobs import queue

    app = opened("pages/build/data.py")
    app.segmented_control(key="data_from").set_value("path").run()
    app.text_input(key="data_path").set_value(typed).run()
    assert app.error
    assert not [button for button in app.button if button.label == "Import"]
    assert not app.exception
    assert not workspace.database.exists() or not queue.jobs(workspace)
