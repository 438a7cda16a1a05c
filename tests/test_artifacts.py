"""Files and folders that are whole or absent."""

import pytest

from cifake_core.store import artifacts


def _half_done(context) -> None:
    with context as place:
        (place / "half" if place.is_dir() else place).write_text("half")
        raise InterruptedError


def test_a_file_or_folder_that_was_not_finished_leaves_nothing_and_the_one_there_was_stays(tmp_path):
    (tmp_path / "table.md").write_text("old")
    with pytest.raises(InterruptedError):
        _half_done(artifacts.whole_file(tmp_path / "table.md"))
    with pytest.raises(InterruptedError):
        _half_done(artifacts.whole_folder(tmp_path / "run"))
    assert (tmp_path / "table.md").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["table.md"]


def test_what_is_written_may_be_read_by_whom_anything_else_written_there_may(tmp_path):
    """A workspace on a cluster is shared, and an exported table is sent to others."""
    (tmp_path / "plain.md").touch()
    (tmp_path / "plain").mkdir()
    with artifacts.whole_file(tmp_path / "table.md") as temporary:
        temporary.write_text("whole")
    with artifacts.whole_folder(tmp_path / "run"):
        pass
    assert (tmp_path / "table.md").stat().st_mode == (tmp_path / "plain.md").stat().st_mode
    assert (tmp_path / "run").stat().st_mode == (tmp_path / "plain").stat().st_mode
