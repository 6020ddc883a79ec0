"""Finished work on disk: what a kill, another process and other settings do to it."""

import json

import pytest

from diffusionact.evaluation import ResultStore

SETTINGS = {"data": "abc", "steps": 20, "models": {"v0": {"weights": "1", "dtype": "float32"}}}


def line(key, method="v0", value=1.0):
    return {"method": method, "key": key, "values": {"PSNR": [value]}}


def test_what_was_added_is_there_after_closing(tmp_path):
    with ResultStore(tmp_path, SETTINGS) as store:
        store.add(line("a"))
    with ResultStore(tmp_path, SETTINGS) as store:
        assert store.lines() == {("v0", "a"): line("a")}


def test_a_line_torn_by_a_kill_is_lost_alone_and_the_next_one_is_whole(tmp_path):
    with ResultStore(tmp_path, SETTINGS) as store:
        store.add(line("a"))
        store.add(line("b"))
    (path,) = (tmp_path / "parts").iterdir()
    path.write_bytes(path.read_bytes()[:-9])
    with ResultStore(tmp_path, SETTINGS) as store:
        assert list(store.lines()) == [("v0", "a")]
        store.add(line("c"))
        assert list(store.lines()) == [("v0", "a"), ("v0", "c")]


def test_processes_see_each_others_whole_lines_only(tmp_path):
    with ResultStore(tmp_path, SETTINGS, 0, 2) as first, ResultStore(tmp_path, SETTINGS, 1, 2) as second:
        first.add(line("a"))
        second.add(line("b"))
        with (tmp_path / "parts" / "part-001-of-002.jsonl").open("a") as file:
            file.write('{"method": "v0", "ke')
        assert set(first.lines()) == {("v0", "a"), ("v0", "b")} == set(second.lines())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"steps": 10}, r"\(steps: 20\), received steps: 10"),
        ({"data": "xyz"}, "data: abc"),
        ({"models": {"v0": {"weights": "2", "dtype": "float32"}}}, r"model 'v0', weights: 1\), received .*weights: 2"),
    ],
)
def test_results_of_other_settings_are_rejected(tmp_path, changed, message):
    with ResultStore(tmp_path, SETTINGS) as store:
        store.add(line("a"))
    with pytest.raises(ValueError, match=message):
        ResultStore(tmp_path, SETTINGS | changed)
    with ResultStore(tmp_path, SETTINGS) as store:
        assert len(store.lines()) == 1


def test_another_model_may_be_added_later(tmp_path):
    later = SETTINGS | {"models": {"v1": {"weights": "9", "dtype": "float32"}}}
    for settings in (SETTINGS, later, SETTINGS):
        ResultStore(tmp_path, settings).__exit__(None, None, None)
    assert set(json.loads((tmp_path / "settings.json").read_text())["models"]) == {"v0", "v1"}
