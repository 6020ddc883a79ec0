"""WebDataset shards of synthetic frames: one sample a frame, the frames of an identity together and in order.

A shard is written under a temporary name and renamed when whole, so that an interrupted run continues where it stopped.
"""

import io
import json
import tarfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from .frames import Frame, identity_frames
from .head import Head

IDENTITIES_PER_SHARD = 32
INDEX_NAME = "index.json"
CONVENTIONS = {
    "landmarks": "68x2 px, iBUG order, x right, y down, integer k is the centre of pixel k",
    "pupils": "2x2 px, projected iris centres, the subject's right eye first, same pixels",
    "head_pose": "yaw, pitch, roll in degrees, R = Ry(yaw) Rx(pitch) Rz(roll); + image right, down, counter-clockwise",
    "gaze": "true eye-in-head pitch, yaw in radians; + up, + image left",
    "expression": "weights of the facial actions named in the index, in [0,1]",
    "labels.png": "0 background, 1 person (hair, neck, clothes), 2 face",
}


@dataclass(frozen=True)
class ShardConfig:
    """What a folder of shards holds; identity i depends on (seed, i, frames, motion) only."""

    identities: int
    frames: int
    size: int
    seed: int
    motion: str

    @property
    def shard_count(self) -> int:
        """Number of shards."""
        return -(-self.identities // IDENTITIES_PER_SHARD)

    def members(self, shard: int) -> range:
        """Identities of a shard."""
        return range(shard * IDENTITIES_PER_SHARD, min(self.identities, (shard + 1) * IDENTITIES_PER_SHARD))


def shard_name(shard: int) -> str:
    """File name of a shard."""
    return f"synthetic-{shard:05d}.tar"


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=4)
    return buffer.getvalue()


def sample_files(frame: Frame, identity: int, number: int) -> dict[str, bytes]:
    """Extension -> content of one sample."""
    truth = {
        "landmarks": np.round(frame.landmarks.astype(float), 3).tolist(),
        "pupils": np.round(frame.pupils.astype(float), 3).tolist(),
        "head_pose": np.round(frame.head_pose.astype(float), 4).tolist(),
        "gaze": np.round(frame.gaze.astype(float), 5).tolist(),
        "expression": np.round(frame.expression.astype(float), 5).tolist(),
        "identity": identity,
        "frame": number,
    }
    return {"png": _png(frame.image), "labels.png": _png(frame.labels), "json": json.dumps(truth).encode()}


def write_shard(head: Head, config: ShardConfig, shard: int, folder: Path) -> int:
    """Render and write one shard unless it is there; returns the number of frames it holds."""
    path = folder / shard_name(shard)
    count = len(config.members(shard)) * config.frames
    if path.exists():
        return count
    unfinished = path.with_suffix(".tar.tmp")
    with tarfile.open(unfinished, "w", format=tarfile.USTAR_FORMAT) as archive:
        for identity in config.members(shard):
            frames = identity_frames(head, config.seed, identity, config.frames, config.size, config.motion)
            for number, frame in enumerate(frames):
                for extension, content in sample_files(frame, identity, number).items():
                    # WebDataset splits a name at its first point, so keys hold none.
                    entry = tarfile.TarInfo(f"{identity:06d}_{number:04d}.{extension}")
                    entry.size = len(content)
                    archive.addfile(entry, io.BytesIO(content))
    unfinished.rename(path)
    return count


def prepare_folder(config: ShardConfig, folder: Path, action_names: list[str]) -> None:
    """Create the folder and its index, or check that the index there is the same.

    Raises:
        ValueError: if the folder holds shards of another configuration.
    """
    counts = [len(config.members(shard)) * config.frames for shard in range(config.shard_count)]
    shards = [{"name": shard_name(shard), "count": count} for shard, count in enumerate(counts)]
    index = {"config": asdict(config), "count": config.identities * config.frames, "conventions": CONVENTIONS,
             "action_names": action_names, "shards": shards}  # fmt: skip
    path = folder / INDEX_NAME
    if path.exists() and json.loads(path.read_text())["config"] != asdict(config):
        raise ValueError(
            f"Expected {folder} to be empty or to hold shards of {asdict(config)}; "
            f"got {json.loads(path.read_text())['config']}; choose another --output or the same arguments."
        )
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(index, indent=1) + "\n")
