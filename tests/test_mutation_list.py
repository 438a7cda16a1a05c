"""The lists of mutations fit the code, and the runner tells killed from survived. Trying all of them is `benchmarks/mutations.py`."""

import importlib.util
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).parents[1] / "benchmarks" / "mutations.py"


@pytest.fixture(scope="module")
def runner():
    spec = importlib.util.spec_from_file_location("mutation_runner", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_every_mutation_still_fits_the_code_and_names_tests_that_exist(runner):
    wrong = {entry.id: text for entry in runner.load() if (text := runner.problem(entry))}
    assert not wrong


def entry(runner, **changes):
    usual = {
        "area": "a",
        "id": "i",
        "breaks": "It is wrong.",
        "file": "code.py",
        "old": "1",
        "new": "2",
        "tests": ("tests/test_code.py",),
    }
    return runner.Mutation(**{**usual, **changes})


def test_a_text_that_is_not_there_once_or_a_test_that_is_missing_is_a_problem(runner, tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "code.py").write_text("x = 1\ndef f():\n    return 3, 3\n")
    (tmp_path / "tests" / "test_code.py").write_text("def test_it():\n    pass\n")

    def said(**changes):
        return runner.problem(entry(runner, **changes), tmp_path)

    assert said() == ""
    assert "occurs 0 times" in said(old="7")
    assert "occurs 2 times" in said(old="3", new="4")
    assert said(old="3", new="4", count=2) == said(old="3", new="4", after="return") == ""
    assert "no test tests/test_code.py::test_gone" in said(tests=("tests/test_code.py::test_gone",))
    assert "no file tests/test_gone.py" in said(tests=("tests/test_gone.py",))
    assert said(new="1") == "`new` equals `old`"
    assert "invalid syntax" in said(new="=")


def test_only_the_first_place_behind_the_anchor_is_changed(runner):
    assert (
        entry(runner, old="3", new="4", after="f():").applied("a = 3\ndef f():\n    return 3, 3\n")
        == "a = 3\ndef f():\n    return 4, 3\n"
    )


def result(code, **results):
    return {"code": code, "results": results}


def test_failing_tests_kill_passing_ones_let_survive_and_none_at_all_is_an_error(runner):
    plain, same = entry(runner), entry(runner, equivalent="the loop is empty")
    assert runner.judged(plain, result(1, t="failed"), "") == ("killed", "t")
    assert runner.judged(plain, result(0, t="passed"), "") == ("survived", "")
    assert runner.judged(plain, result(4), "not found") == ("error", "not found")
    assert runner.judged(plain, result(-1), "") == ("killed", "out of time")
    assert runner.judged(same, result(0, t="passed"), "") == ("equivalent", "the loop is empty")
    assert runner.judged(same, result(1, t="failed"), "")[0] == "error"


def test_tests_that_fail_or_are_skipped_without_the_mutation_are_an_error(runner):
    node = "tests/test_code.py::test_it"
    assert runner.fails_unbroken(entry(runner), {node: ("passed", 1.0)}) == ""
    assert "fails without" in runner.fails_unbroken(entry(runner), {node: ("passed", 1.0), node + "2": ("failed", 1.0)})
    assert "was not run" in runner.fails_unbroken(entry(runner), {node: ("skipped", 0.0)})
    assert "was not run" in runner.fails_unbroken(entry(runner, tests=(node,)), {node + "_more": ("passed", 1.0)})


def test_an_outcome_holds_until_the_entry_the_code_or_the_tests_change(runner, tmp_path, monkeypatch):
    (tmp_path / "tests").mkdir()
    (tmp_path / "code.py").write_text("x = 1\n")
    (tmp_path / "tests" / "test_code.py").write_text("def test_it():\n    pass\n")
    monkeypatch.setattr(runner, "ROOT", tmp_path)
    plain = entry(runner)

    def valid(status="killed", detail="", of=plain, now=plain):
        return bool(
            runner.still_valid(
                {"i": runner.Outcome(status, detail, 1.0, before or runner.fingerprint(of, detail))}, [now]
            )
        )

    before, killer = "", "tests/test_code.py::test_it[a-b]"
    assert valid()
    assert valid("equivalent")
    assert not valid("survived")
    assert not valid("error")
    assert not valid(now=entry(runner, new="3"))
    before = runner.fingerprint(plain, killer)
    (tmp_path / "tests" / "test_code.py").write_text("def test_it():\n    pass\n\n\ndef test_more():\n    pass\n")
    assert valid(detail=killer)
    (tmp_path / "tests" / "test_code.py").write_text("def test_it():\n    assert 1\n\n\ndef test_more():\n    pass\n")
    assert not valid(detail=killer)
    before = runner.fingerprint(plain)
    (tmp_path / "code.py").write_text("x = 1  # edited\n")
    assert not valid()
