"""The Space's folder, and the GPU that Spaces lend."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

pytest.importorskip("gradio", reason="gradio (app extra) is absent")

ROOT = Path(__file__).resolve().parents[2]
FILL = ROOT / "space" / "fill.py"

# In place of the package that exists on Spaces only: it tells what was asked for, and calls. As there, of an error that
# is not gradio's only the class arrives.
SPACES = """
import gradio

def GPU(duration):
    def decorate(handler):
        def call(*arguments):
            print("asked for", duration(*arguments))
            try:
                yield from handler(*arguments)
            except gradio.Error:
                raise
            except Exception as error:
                raise gradio.Error(type(error).__name__)
        return call
    return decorate
"""
JOB = """
from pathlib import Path
import sys
from diffusionact import DiffusionActPipeline
from diffusionact.generation import Sampling
from diffusionact.video import open_frames
from diffusionact_app.animation import AnimateJob
from diffusionact_app.context import make_context
from diffusionact_app.sessions import Sessions
from diffusionact_app.settings import Limits
from diffusionact_app.shared_model import SharedModel

model, source, faceless, driving, folder = map(Path, sys.argv[1:])
model = SharedModel(DiffusionActPipeline.from_pretrained(model))
context = make_context(model, Limits(), Sessions(folder / "r", 60))
for photo in (source, faceless):
    try:
        job = AnimateJob(photo, open_frames(driving), folder, sampling=Sampling(2, "ddim"), frames=3)
        *_, last = context.animate(job)
        print(last.stage, last.done)
    except Exception as error:
        print(error.message)
"""


def run(*words, **options) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, **options)


@pytest.fixture(scope="module")
def space(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("space") / "filled"
    done = run(FILL, folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_front_matter_names_the_app_and_the_tested_gradio(space):
    import gradio

    front = yaml.safe_load((space / "README.md").read_text().split("---")[1])
    assert (space / front["app_file"]).is_file()
    assert front["sdk"] == "gradio" and front["sdk_version"] == gradio.__version__
    assert len(front["short_description"]) <= 60


def test_requirements_are_installable_lines_without_what_spaces_bring(space):
    names = {Requirement(line).name for line in (space / "requirements.txt").read_text().splitlines()}
    assert {"torch", "diffusers", "av", "spaces"} <= names
    assert "gradio" not in names


def test_filled_folder_runs_on_its_own(space):
    done = run("gradio_app.py", "--model", "nowhere", cwd=space, env=os.environ | {"PYTHONPATH": ""})
    assert done.returncode == 2
    assert "nowhere" in done.stderr and "Traceback" not in done.stderr


def test_filling_again_keeps_git_and_foreign_folders_are_left_alone(space, tmp_path):
    (space / ".git").mkdir(exist_ok=True)
    assert run(FILL, space).returncode == 0
    assert (space / ".git").is_dir()
    (tmp_path / "letters.txt").write_text("dear")
    refused = run(FILL, tmp_path)
    assert refused.returncode == 2 and "letters.txt" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]


@pytest.mark.slow
def test_lent_gpu_is_asked_for_as_long_as_needed_and_reports_errors(
    tiny_model_folder, source_file, faceless_file, driving_file, tmp_path
):
    (tmp_path / "spaces.py").write_text(SPACES)
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    environment = os.environ | {"SPACES_ZERO_GPU": "true", "PYTHONPATH": path}
    ran = run("-c", JOB, tiny_model_folder, source_file, faceless_file, driving_file, tmp_path, env=environment)
    done, failed = ran.stdout.split("\n")[:2], ran.stdout.split("\n")[2:]
    assert done == ["asked for 15", "done 3"], ran.stderr
    assert any("No face found in the image" in line for line in failed), ran.stdout + ran.stderr
