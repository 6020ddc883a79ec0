"""The model card, and the way to a Hub: a small one on this machine."""

import pytest
import yaml
from test_train_loop import train
from tiny_model import make_tiny_model
from upload_hub import serving_hub

from diffusionact.generation import load_components
from train.configs import load_config
from train.loop.model_card import write_model_card
from train.publish import make_repository, publish
from train.stages import STAGES

SETTINGS = {name: stage.Settings for name, stage in STAGES.items()}


def is_private(asked: dict) -> bool:
    return asked.get("visibility") == "private" or asked.get("private") is True  # new and old huggingface_hub


@pytest.fixture
def hub(monkeypatch):
    with serving_hub() as server:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", "hf_test")
        yield server


@pytest.fixture
def model(write_run, tmp_path):
    """A whole model with its card."""
    config = load_config(write_run(), ["hub.repository=somebody/face"], SETTINGS)
    folder = make_tiny_model(tmp_path / "model")
    (tmp_path / "images").mkdir()
    for step in (2, 10):
        (tmp_path / f"images/step-{step:07d}.png").write_bytes(b"grid of step %d" % step)
    write_model_card(folder, config, 12, 18, {"step": 12345, "psnr": 21.345}, tmp_path / "images")
    return folder


def test_a_card_says_what_the_model_is_and_how_to_load_it(model):
    _, front, text = (model / "README.md").read_text().split("---\n", 2)
    assert yaml.safe_load(front)["library_name"] == "diffusionact"
    assert 'DiffusionActPipeline.from_pretrained("somebody/face")' in text
    assert "after 12 steps" in text and "18 training frames" in text and "| step | 12345 |\n| psnr | 21.34 |" in text
    assert "have agreed" in text and "licence" in text
    assert (model / "validation.png").read_bytes() == b"grid of step 10"
    listed = text.split("```yaml\n")[1].split("```")[0]
    assert yaml.safe_load(listed)["stage"] == "pretrain_diffae"


def test_a_card_of_parts_names_them_instead(model, write_run, tmp_path):
    (model / "model_index.json").unlink()
    write_model_card(model, load_config(write_run(), [], SETTINGS), 1, 18, {}, tmp_path / "none")
    text = (model / "README.md").read_text()
    assert "not a whole model" in text and "`unet`" in text and "from_pretrained" not in text
    assert "no validation" in text


def test_what_arrives_at_the_hub_is_a_model_that_loads(hub, model, tmp_path):
    address = publish(model, "somebody/face", private=True)
    assert address.startswith(f"{hub.url}/somebody/face/commit/")
    assert is_private(hub.repositories["somebody/face"])
    for path, content in hub.files.items():
        (tmp_path / "arrived" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "arrived" / path).write_bytes(content)
    before, after = load_components(model), load_components(tmp_path / "arrived")
    weights = after.unet.state_dict()
    assert all(weight.equal(weights[name]) for name, weight in before.unet.state_dict().items())
    assert {"README.md", "validation.png"} <= set(hub.files)


def test_a_run_publishes_its_model_at_the_end(hub, write_run, tmp_path):
    train(write_run(max_steps=1, validate_every=1), "--push_to_hub", "somebody/autoencoder")
    card = hub.files["README.md"].decode()
    assert "after 1 steps" in card and "psnr_noise" in card and "not a whole model" in card
    weights = "unet/diffusion_pytorch_model.safetensors"
    assert hub.files[weights] == (tmp_path / "run/model" / weights).read_bytes()
    assert hub.files["validation.png"] == (tmp_path / "run/images/step-0000001.png").read_bytes()
    assert "published: " in (tmp_path / "run/train.log").read_text()


def test_a_hub_that_refuses_is_reported_before_and_after_training(hub, model, monkeypatch):
    hub.status = 403
    with pytest.raises(ValueError, match="try again with `python -m train.publish"):
        publish(model, "somebody/face", private=True)
    with pytest.raises(ValueError, match="correct hub.repository"):
        make_repository("not/a/name", private=True)
    monkeypatch.setenv("HF_TOKEN", "")
    monkeypatch.setenv("HF_TOKEN_PATH", "/nonexistent")
    with pytest.raises(ValueError, match="hf auth login"):
        make_repository("somebody/face", private=True)


def test_a_hub_out_of_reach_is_an_error(model, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    with pytest.raises(ValueError, match="hf auth login"):
        make_repository("somebody/face", private=True)
