"""Pickled checkpoints are read without running anything in them."""

import pathlib
import pickle
import re
import sys
import types
import zipfile
from collections import defaultdict

import numpy as np
import pytest
import torch

from diffusionact.conversion.checkpoints import read_checkpoint, state_dict_of


class Dangerous:
    """Creates a file when it is unpickled carelessly."""

    def __init__(self, path: pathlib.Path):
        self.path = path

    def __reduce__(self):
        return (pathlib.Path.touch, (self.path,))


def test_tensors_and_plain_values_are_read(tmp_path):
    torch.save({"weights": {"a": torch.arange(3.0)}, "loss": np.float64(0.25), "epoch": 3}, tmp_path / "a.pt")
    content = read_checkpoint(tmp_path / "a.pt")
    assert content["loss"] == 0.25 and content["epoch"] == 3
    assert state_dict_of(content, "weights", tmp_path)["a"].tolist() == [0.0, 1.0, 2.0]


def test_numbers_of_an_older_numpy_are_read(tmp_path):
    torch.save({"loss": np.float32(0.25)}, tmp_path / "new.pt")
    old, new = b"numpy.core.multiarray", b"numpy._core.multiarray"
    with zipfile.ZipFile(tmp_path / "new.pt") as source, zipfile.ZipFile(tmp_path / "old.pt", "w") as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, content.replace(new, old) if name.endswith("data.pkl") else content)
    assert read_checkpoint(tmp_path / "old.pt")["loss"] == 0.25


def test_classes_of_lightning_are_read_as_inert_values(tmp_path, monkeypatch):
    module = types.ModuleType("pytorch_lightning.callbacks.model_checkpoint")
    callback = type("ModelCheckpoint", (), {"__module__": module.__name__})
    module.ModelCheckpoint = callback
    with monkeypatch.context() as patch:
        for name in ("pytorch_lightning", "pytorch_lightning.callbacks", module.__name__):
            patch.setitem(sys.modules, name, module)
        torch.save({"callbacks": {callback: {"best_model_path": "x"}}, "state_dict": {}}, tmp_path / "last.ckpt")
    assert read_checkpoint(tmp_path / "last.ckpt")["state_dict"] == {}


def test_the_format_before_pytorch_1_6_is_read(tmp_path):
    torch.save({"a": torch.arange(3.0)}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert read_checkpoint(tmp_path / "old.pth")["a"].tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("new", [True, False])
def test_settings_of_omegaconf_are_read_as_inert_values(tmp_path, foreign_class, new):
    config, metadata, node = (
        foreign_class(f"omegaconf.{module}", name)()
        for module, name in (("dictconfig", "DictConfig"), ("base", "ContainerMetadata"), ("nodes", "AnyNode"))
    )
    config.__dict__ = {"_metadata": metadata, "_content": {"jaw": node}, "kind": dict}
    content = {"state_dict": {"a": torch.ones(2)}, "hyper_parameters": config, "counts": defaultdict(list)}
    torch.save(content, tmp_path / "a.ckpt", _use_new_zipfile_serialization=new)
    assert read_checkpoint(tmp_path / "a.ckpt")["state_dict"]["a"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("new", [True, False])
def test_code_in_a_checkpoint_is_rejected_and_not_run(tmp_path, new):
    content = {"state_dict": Dangerous(tmp_path / "ran")}
    torch.save(content, tmp_path / "a.pt", _use_new_zipfile_serialization=new)
    with pytest.raises(ValueError, match=r"weights and plain values only, received .*a\.pt.*Nothing in it was run"):
        read_checkpoint(tmp_path / "a.pt")
    assert not (tmp_path / "ran").exists()


def test_truncated_and_other_files_are_rejected(tmp_path):
    (tmp_path / "other.pt").write_bytes(pickle.dumps({"a": 1}))
    torch.save({"a": torch.zeros(1000)}, tmp_path / "whole.pt")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "whole.pt").read_bytes()[:2000])
    for name in ("other.pt", "cut.pt"):
        with pytest.raises(ValueError, match=rf"Expected .*by PyTorch, received .*{name} \(\d+ bytes\).*again"):
            read_checkpoint(tmp_path / name)


@pytest.mark.parametrize("length", [20, 200, 2000])
def test_a_truncated_file_of_the_old_format_is_rejected(tmp_path, length):
    torch.save({"a": torch.zeros(1000)}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    (tmp_path / "cut.pth").write_bytes((tmp_path / "old.pth").read_bytes()[:length])
    with pytest.raises(ValueError, match=r"received .*cut\.pth.*again"):
        read_checkpoint(tmp_path / "cut.pth")


def test_a_file_of_the_old_format_without_a_weight_is_rejected(tmp_path):
    torch.save({"a": torch.zeros(3)}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    content = (tmp_path / "old.pth").read_bytes()
    key = re.search(rb"X\x0f?.\x00\x00\x00(\d{6,})", content)[1]  # of the storage; it stands there twice
    assert content.count(key) == 2
    (tmp_path / "bad.pth").write_bytes(content.replace(key, key[::-1], 1))
    with pytest.raises(ValueError, match=r"received .*bad\.pth.*again"):
        read_checkpoint(tmp_path / "bad.pth")


def test_a_checkpoint_that_is_no_dict_is_rejected(tmp_path):
    torch.save([torch.zeros(1)], tmp_path / "a.pt")
    with pytest.raises(ValueError, match="named parts, received .* with a list"):
        read_checkpoint(tmp_path / "a.pt")


def test_a_checkpoint_that_unpacks_to_more_than_it_is_is_rejected(tmp_path):
    torch.save({"weights": {"a": torch.zeros(1 << 18)}}, tmp_path / "a.pt")
    with (
        zipfile.ZipFile(tmp_path / "a.pt") as source,
        zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            target.writestr(name, source.read(name))
    with pytest.raises(ValueError, match="without compression, received .* bytes packed into"):
        read_checkpoint(tmp_path / "bomb.pt")


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Expected a checkpoint, received .*nowhere\.pt.*Check"):
        read_checkpoint(tmp_path / "nowhere.pt")


def test_a_part_with_other_things_than_tensors_is_rejected(tmp_path):
    for part in ({"a": 1}, {1: torch.ones(1)}, [1], None):
        with pytest.raises(ValueError, match="Expected a checkpoint with the weights 'net'"):
            state_dict_of({"net": part}, "net", tmp_path)
