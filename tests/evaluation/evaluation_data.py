"""Frames for the tests of evaluation: made from images, with the turn of the head as text, written as shards."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from diffusionact.data.shards import ShardFrame, write_index, write_shard
from diffusionact.face.expression_names import EXPRESSION_NAMES
from diffusionact.face.geometry.resize import resize_points
from diffusionact.face.readers.open.tracking import OpenFaceTracker
from diffusionact.images import model_to_uint8, resize, uint8_to_model
from diffusionact.perception.arcface import ArcFace

SIZE = 64
SCALE = SIZE / 256


def shard_frame(image: torch.Tensor, person: str, number: int, **changes) -> ShardFrame:
    """A frame at SIZE of an aligned image uint8 (256, 256, 3), with what the tracker sees in it."""
    seen = OpenFaceTracker("largest", "error").observe(image[None])
    small = model_to_uint8(resize(uint8_to_model(image[None]), SIZE))[0]
    facts = {
        "landmarks": resize_points(seen.landmarks[0], 256, SIZE).numpy(),
        "pupils": resize_points(seen.pupils[0], 256, SIZE).numpy(),
        "head_pose": seen.head_pose[0].numpy(),
        "gaze": seen.gaze[0].numpy(),
        "expression": seen.expression[0].numpy(),
    }
    return ShardFrame(
        identity=person,
        video=f"video-{person}",
        clip=f"clip-{person}",
        frame=number,
        image=small.numpy(),
        **facts | changes,
    )


def write_data(folder: Path, people: dict[str, list[ShardFrame]]) -> Path:
    """A data folder with a shard for each person."""
    folder.mkdir(exist_ok=True)
    for number, frames in enumerate(people.values()):
        write_shard(folder / f"part-{number:05d}.tar", frames)
    write_index(folder, EXPRESSION_NAMES, {})
    return folder


def turned(frame: ShardFrame, yaw_deg: float, number: int) -> ShardFrame:
    """The same frame, said to be turned."""
    facts = vars(frame) | {"head_pose": np.array([yaw_deg, 0, 0], dtype=np.float32), "frame": number}
    return ShardFrame(**facts)


def write_tiny_arcface(path: Path) -> Path:
    """ArcFace with four channels and random weights, as a file."""
    torch.manual_seed(0)
    network = ArcFace(4, 8)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, path)
    return path
