"""`diffusionact evaluate` from its words to its pages, with a tiny model whose images show faces."""

import json
import re
import sys
from urllib.parse import unquote

import pytest
from tiny_model import make_faithful_model

from diffusionact.cli import main
from diffusionact.evaluation import Runner

WORDS = (
    "--steps",
    "2",
    "--inversion-steps",
    "2",
    "--cross-pairs",
    "2",
    "--step-values",
    "1",
    "--inversion-step-values",
    "2",
)
FEW = ("--frames-per-video", "2")
ONE = ("--videos", "1", *FEW)
BOTH = ("--protocol", "self", "cross", *FEW)
PROTOCOLS = ("self", "cross", "steps", "inversion_steps", "temporal")


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    """A model whose images show a face."""
    return make_faithful_model(tmp_path_factory.mktemp("faithful") / "model")


@pytest.fixture(scope="module")
def evaluate_into(data_folder, identity_file, model_folder):
    """Run the command; returns exit code and output folder."""

    def run(folder, *options, model=None):
        words = ["evaluate", "--data", str(data_folder), "-o", str(folder), "--identity", str(identity_file)]
        words += ["--model", model or f"tiny={model_folder}", "--device", "cpu", "--dtype", "float32", *WORDS]
        return main([*words, *options]), folder

    return run


@pytest.fixture
def evaluate(evaluate_into, tmp_path):
    """The same, into folders of the test."""

    def run(*options, output="report", model=None):
        return evaluate_into(tmp_path / output, *options, model=model)

    return run


@pytest.fixture(scope="module")
def whole(evaluate_into, tmp_path_factory):
    """The report of a run that nothing broke off; do not write into it."""
    return evaluate_into(tmp_path_factory.mktemp("whole") / "report", *BOTH)[1]


def tables(folder):
    return {table["name"]: table for table in json.loads((folder / "results.json").read_text())["tables"]}


def figures(folder):
    """Figures of pixels, which do not depend on what went through the networks together."""
    return {
        (name, row["label"], column): value
        for name, table in tables(folder).items()
        for row in table["rows"]
        for column, value in row["values"].items()
        if column in ("PSNR", "SSIM", "L1")
    }


def counts(folder):
    return {(name, row["label"]): row["frames"] for name, table in tables(folder).items() for row in table["rows"]}


def parts(folder):
    return sorted((folder / "parts").iterdir())


@pytest.mark.slow
def test_all_protocols_end_in_a_report_with_baselines_and_the_papers_own(evaluate):
    code, folder = evaluate("--protocol", *PROTOCOLS)
    assert code == 0
    found = tables(folder)
    assert list(found) == ["self", "truth", "cross", "steps", "inversion_steps", "temporal"]
    labels = {name: [row["label"] for row in table["rows"]] for name, table in found.items()}
    assert labels["self"] == ["copied source", "warped source", "tiny", "tiny, target reconstructed"]
    assert labels["cross"] == ["copied source", "warped source", "copied driver", "tiny"]
    assert labels["inversion_steps"] == ["copied source", "warped source", "random x_T", "T_xT = 2"]
    assert found["self"]["paper"][0]["values"]["PSNR"] == 19.7
    copied = found["cross"]["rows"]
    assert copied[0]["values"]["CSIM"] == pytest.approx(1.0, abs=1e-5) and copied[2]["values"]["APD"] == 0
    assert found["self"]["rows"][0]["values"]["NME"] > 2 * found["self"]["rows"][1]["values"]["NME"]  # the warp follows
    html = (folder / "report.html").read_text()
    assert html.count("data:image/png;base64,") >= 20 and "data:image/svg+xml;base64," in html
    assert not re.search(r'(src|href)="(?!data:|#)', html)  # nothing is loaded from elsewhere
    for name in re.findall(r'(?:src="|\]\()([^")]+)', (folder / "report.md").read_text()):
        assert (folder / unquote(name)).is_file()
    assert (folder / "pairs.json").is_file()


def test_what_a_model_cannot_sample_is_said_before_any_work(evaluate, monkeypatch, capsys):
    monkeypatch.setattr(Runner, "run", lambda runner: pytest.fail("work had begun"))
    code, _ = evaluate(*ONE, "--scheduler", "distilled")
    assert code == 2 and "decoder of few steps" in capsys.readouterr().err


@pytest.mark.slow
def test_evaluate_without_the_extra_leaves_out_page_and_plots(evaluate, monkeypatch, caplog):
    caplog.set_level("INFO")
    for package in ("jinja2", "matplotlib"):
        monkeypatch.setitem(sys.modules, package, None)
    code, folder = evaluate(*ONE)
    assert code == 0
    assert "jinja2 and matplotlib" in caplog.text and "pip install diffusionact[evaluate]" in caplog.text
    assert tables(folder)["self"]["rows"] and "## Self reenactment" in (folder / "report.md").read_text()
    assert not (folder / "report.html").exists() and not (folder / "plots").exists()
    assert str(folder / "report.md") in caplog.text


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_with_the_same_figures(evaluate, whole, monkeypatch):
    finished = []
    add = Runner._add

    def interrupted(self, method, task, *rest):
        if len(finished) == 5:
            raise KeyboardInterrupt
        finished.append((method, task.key))
        add(self, method, task, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(Runner, "_add", interrupted)
        code, folder = evaluate(*BOTH, output="resumed")
    assert code == 130 and not (folder / "report.html").exists()
    (path,) = parts(folder)
    before = path.read_bytes()
    assert before.count(b"\n") == 5
    path.write_bytes(before + b'{"method": "tiny", "key')
    assert evaluate(*BOTH, output="resumed")[0] == 0
    assert path.read_bytes().startswith(before)  # what was finished was not made again
    assert figures(folder) == pytest.approx(figures(whole), rel=1e-4, abs=1e-4)
    assert counts(folder) == counts(whole)


@pytest.mark.slow
def test_parts_made_apart_have_the_figures_of_the_whole(evaluate, whole):
    code, folder = evaluate(*BOTH, "--part", "2/2", output="parts")
    assert code == 0 and not (folder / "report.html").exists()
    assert evaluate(*BOTH, "--part", "1/2", output="parts")[0] == 0
    assert [path.name for path in parts(folder)] == ["part-000-of-002.jsonl", "part-001-of-002.jsonl"]
    assert figures(folder) == pytest.approx(figures(whole), rel=1e-4, abs=1e-4)
    assert counts(folder) == counts(whole)


@pytest.mark.slow
def test_parts_on_ray_have_the_figures_of_the_whole(evaluate, whole):
    pytest.importorskip("ray", reason="Ray (extra scale) is absent")
    code, folder = evaluate(*BOTH, "--ray", "--ray-workers", "2", output="ray")
    assert code == 0
    assert json.loads((folder / "ray_summary.json").read_text())["done"] == {"done": 16}
    assert figures(folder) == pytest.approx(figures(whole), rel=1e-4, abs=1e-4)
    assert counts(folder) == counts(whole)


@pytest.mark.slow
def test_evaluate_rejects_changed_settings_and_adds_other_models(evaluate, tmp_path, capsys):
    assert evaluate(*ONE)[0] == 0
    assert evaluate(*ONE, "--steps", "3")[0] == 2
    assert "steps: 2" in capsys.readouterr().err
    other = make_faithful_model(tmp_path / "other", fine_tuned=True)
    assert evaluate(*ONE, model=f"tiny={other}")[0] == 2
    assert "model 'tiny', weights" in capsys.readouterr().err
    code, folder = evaluate(*ONE, model=f"other={other}")
    assert code == 0
    assert [row["label"] for row in tables(folder)["self"]["rows"]][2] == "other"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--part", "3/2"), "Expected a part such as 2/4"),
        (("--frames-per-video", "1"), "--frames-per-video"),
        (("--step-values", "0"), "a number of steps"),
        (("--protocol", "large_pose"), "Expected pairs for the protocol 'large_pose'"),
        (("--pairs", "nowhere.json"), "nowhere.json"),
        (("--data", "nowhere"), "Expected shards"),
        (("--model", "a=x", "a=y"), "names of their own"),
        (("--identity", "nowhere.pt"), "nowhere.pt"),
    ],
)
def test_bad_options_are_rejected_with_a_clear_error(evaluate, capsys, words, message):
    code, _ = evaluate(*words)
    assert code == 2
    assert message in capsys.readouterr().err


def test_frames_without_a_face_are_counted_and_named():
    from diffusionact.evaluation.report import lost_frames

    line = {"source": "a_0000", "driving": ["a_0001", "a_0002"], "found": [True, False], "without_driver": ["a_0003"]}
    lost, left_out = lost_frames({("tiny", "key"): line})
    assert lost == {"tiny": ["a_0000 > a_0002"]} and left_out == ["a_0003"]
