"""The doors that foreign files come through, each with small real files to begin with.

A door is made in a folder and called with a mutated file; it returns when it has got all that a user would want of it.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import torch
import yaml
from fuzz_mutations import (
    Random,
    mutated_bytes,
    mutated_json,
    mutated_safetensors,
    mutated_tar,
    mutated_tree,
    mutated_zip,
)
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
MEDIA = ROOT / "diffusionact" / "demo" / "media"
MAX_FRAMES = 8  # read of a driver; mutated headers state millions

Mutation = Callable[[bytes, Random], bytes]


@dataclass(frozen=True)
class Door:
    """How mutated files are made and tried.

    Attributes:
        seeds: name -> content of sound files.
        mutation: changes a content.
        enter: (mutated file, empty folder for outputs) -> None; raises what the door raises.
        clear: classes of error that are messages to the user.
    """

    seeds: dict[str, bytes]
    mutation: Mutation
    enter: Callable[[Path, Path], None]
    clear: tuple[type[Exception], ...] = (ValueError, OSError)


def _face(size: int = 64) -> Image.Image:
    return Image.open(MEDIA / "photo.jpg").convert("RGB").resize((size, size))


def photo_door(folder: Path) -> Door:
    """`load_image`, as for every source."""
    from diffusionact.images import load_image

    face, seeds = _face(), {}
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = Image.open(MEDIA / "photo.jpg").info.get("icc_profile")
    for suffix, kind, options in (
        ("jpg", "JPEG", {"exif": exif}), ("png", "PNG", {"exif": exif}), ("webp", "WEBP", {}), ("gif", "GIF", {}),
        ("tif", "TIFF", {"compression": "tiff_lzw"}), ("bmp", "BMP", {}), ("jp2", "JPEG2000", {}), ("ico", "ICO", {}),
        ("avif", "AVIF", {}), ("ppm", "PPM", {}), ("tga", "TGA", {}),
        ("progressive.jpg", "JPEG", {"progressive": True}),
    ):  # fmt: skip
        buffer = io.BytesIO()
        face.save(buffer, kind, **options | ({"icc_profile": profile} if profile else {}))
        seeds[f"face.{suffix}"] = buffer.getvalue()
    return Door(seeds, mutated_bytes, lambda file, output: load_image(file))


def _clip(folder: Path, suffix: str, codec: str, sound: str | None = None, options: dict | None = None) -> bytes:
    path = folder / f"seed.{suffix}"
    with av.open(str(path), "w", options=options or {}) as container:
        images = container.add_stream(codec, rate=25)
        images.width = images.height = 64
        images.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        track = container.add_stream(sound, rate=48000, layout="stereo") if sound else None
        for index in range(6):
            frame = av.VideoFrame.from_ndarray(np.roll(np.asarray(_face()), index, 1), "rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(images.encode(frame))
        container.mux(images.encode(None))
        if track is not None:
            _tone(container, track)
    return path.read_bytes()


def _tone(container: av.container.OutputContainer, track: av.AudioStream) -> None:
    wave = (8000 * np.sin(np.arange(48000 // 4 * 2) / 20)).astype(np.int16)[None]
    frame = av.AudioFrame.from_ndarray(wave, "s16", "stereo")
    frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
    resampler = av.AudioResampler(track.format, track.layout, track.rate, track.frame_size or None)
    for part in [*resampler.resample(frame), *resampler.resample(None)]:
        container.mux(track.encode(part))
    container.mux(track.encode(None))


def video_door(folder: Path) -> Door:
    """`open_frames` and its frames, damaged ones left out as the command and the app do."""
    from diffusionact.video import open_frames

    seeds = {
        f"clip{number}.{suffix}": _clip(folder, suffix, codec)
        for number, (suffix, codec) in enumerate(
            [("mp4", "libx264"), ("mov", "mpeg4"), ("mkv", "libx264"), ("webm", "libvpx"), ("avi", "mjpeg"),
             ("ts", "mpeg2video"), ("flv", "flv"), ("mp4", "libx265"), ("avi", "mpeg4")]
        )
    }  # fmt: skip
    for suffix, kind in (("gif", "GIF"), ("apng", "PNG"), ("webp", "WEBP")):
        buffer, frames = io.BytesIO(), [_face(48).rotate(10 * turn) for turn in range(4)]
        frames[0].save(buffer, kind, save_all=True, append_images=frames[1:], duration=[40, 40, 80, 40])
        seeds[f"animation.{suffix}"] = buffer.getvalue()

    def enter(file: Path, output: Path) -> None:
        clip = open_frames(file, keep_damaged=True)
        for _ in islice(clip, MAX_FRAMES):
            pass

    return Door(seeds, mutated_bytes, enter)


def sound_door(folder: Path) -> Door:
    """A driver's sound carried into an output, as `reenact` does it."""
    from diffusionact.video import VideoWriter, open_frames

    kinds = [("mp4", "aac"), ("mov", "pcm_s16le"), ("mkv", "flac"), ("webm", "libopus"), ("avi", "mp3"), ("mkv", "ac3")]
    seeds = {
        f"sound{number}.{suffix}": _clip(folder, suffix, "libvpx" if suffix == "webm" else "mpeg4", sound)
        for number, (suffix, sound) in enumerate(kinds)
    }

    def enter(file: Path, output: Path) -> None:
        clip = open_frames(file, keep_damaged=True)
        audio = file if clip.has_audio else None
        with VideoWriter(output / "out.mp4", clip.frame_rate, (32, 32), audio_from=audio, clip=clip) as writer:
            for _ in islice(clip, MAX_FRAMES):
                writer.write(torch.zeros(32, 32, 3, dtype=torch.uint8))

    return Door(seeds, mutated_bytes, enter)


def weights_door(folder: Path) -> Door:
    """A model folder in which one file is another: weights or settings."""
    from tiny_model import make_tiny_model

    from diffusionact.generation import load_components

    model = make_tiny_model(folder / "model")
    seeds = {str(path.relative_to(model)): path.read_bytes() for path in model.rglob("*") if path.is_file()}

    def mutation(content: bytes, random: Random) -> bytes:
        return mutated_json(content, random) if content[:1] == b"{" else mutated_safetensors(content, random)

    def enter(file: Path, output: Path) -> None:
        replaced = _folder_with(model, output.parent / "model", file)
        load_components(replaced)

    return Door(seeds, mutation, enter)


def _folder_with(model: Path, copy: Path, file: Path) -> Path:
    """A folder of links to a model's files, but for the one that `file` is named after ("unet__config.json")."""
    for path in model.rglob("*"):
        target = copy / path.relative_to(model)
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(file if file.name == str(path.relative_to(model)).replace("/", "__") else path)
    return copy


def saved_door(folder: Path) -> Door:
    """Saved poses and saved sources."""
    from diffusionact import FacePose, SourceCodes
    from diffusionact.data.saved_values import load_attachments, load_value, save_value
    from diffusionact.types import CropTransform, FaceCoefficients

    def coefficients(rows: int) -> FaceCoefficients:
        return FaceCoefficients(*(torch.rand(rows, width) for width in (20, 52, 3, 3)), face_model="open")

    def crop(rows: int, size: int) -> CropTransform:
        return CropTransform(torch.rand(rows, 2, 3), size)

    pose = FacePose(
        torch.rand(3, 68, 2), torch.rand(3, 2, 2), torch.rand(3, 3), torch.rand(3, 2), torch.ones(3, dtype=torch.bool),
        coefficients(3), crop(3, 32),
    )  # fmt: skip
    image, codes = torch.rand(1, 3, 32, 32).round(), {"semantic_code": torch.rand(1, 16)}
    source = SourceCodes(image, crop(1, 32), coefficients(1), crop(1, 32), torch.rand(1, 2), codes)
    sound = {"waveform": torch.rand(1, 1, 9)}
    save_value(pose, folder / "pose.safetensors", notes={"frame_rate": "25"}, attached=sound)
    save_value(source, folder / "source.safetensors", model="diffusion")
    seeds = {name: (folder / name).read_bytes() for name in ("pose.safetensors", "source.safetensors")}

    def enter(file: Path, output: Path) -> None:
        load_value(file, FacePose if file.name.startswith("pose") else SourceCodes)
        load_attachments(file)

    return Door(seeds, mutated_safetensors, enter)


def config_door(folder: Path) -> Door:
    """Training configurations."""
    from train.configs import load_config
    from train.stages import STAGES

    files = [*(ROOT / "train" / "configs").glob("*/*.yaml")]
    seeds = {f"{path.parent.name}_{path.name}": path.read_bytes() for path in files}
    settings = {name: stage.Settings for name, stage in STAGES.items()}

    def mutation(content: bytes, random: Random) -> bytes:
        if random.random() < 0.25:
            return mutated_bytes(content, random)
        return yaml.safe_dump(mutated_tree(yaml.safe_load(content), random)).encode()

    return Door(seeds, mutation, lambda file, output: load_config(file, [], settings))


def shards_door(folder: Path) -> Door:
    """Shards of prepared frames."""
    from diffusionact.data.shards import ShardFrame, read_shard, write_shard

    random = np.random.default_rng(0)
    frames = [
        ShardFrame(
            identity="a", video="v", clip="c", frame=index, image=random.integers(0, 256, (32, 32, 3), dtype=np.uint8),
            labels=np.zeros((32, 32), np.uint8),
            **{name: random.random(shape, dtype=np.float32) for name, shape in
               (("landmarks", (68, 2)), ("pupils", (2, 2)), ("head_pose", 3), ("gaze", 2), ("expression", 52))},
        )
        for index in range(3)
    ]  # fmt: skip
    write_shard(folder / "part-00000.tar", frames)
    seeds = {"part-00000.tar": (folder / "part-00000.tar").read_bytes()}
    return Door(seeds, mutated_tar, lambda file, output: list(read_shard(file)) and None)


def checkpoint_door(folder: Path) -> Door:
    """`weights import` of files in the authors' layout, pickles among them."""
    from official_files import TINY, write_all

    from diffusionact.conversion.importing import import_files

    write_all(folder / "official", TINY, ("s3fd", "fan", "gaze", "flame"))
    files = [path for path in (folder / "official").rglob("*") if path.is_file()]
    seeds = {path.name: path.read_bytes() for path in files}

    def mutation(content: bytes, random: Random) -> bytes:
        return mutated_zip(content, random) if content[:2] == b"PK" else mutated_bytes(content, random)

    def enter(file: Path, output: Path) -> None:
        for outcome in import_files([file], output, progress=False):
            if outcome.status == "failed":
                raise ValueError(outcome.result)

    return Door(seeds, mutation, enter)


def upload_door(folder: Path) -> Door:
    """The app's own look at uploads, whatever their names, and what becomes of them next."""
    from diffusionact.images import load_image
    from diffusionact_app.about_tab import read_notes
    from diffusionact_app.checks import check_photo, check_video
    from diffusionact_app.settings import Limits

    seeds = photo_door(folder).seeds | video_door(folder).seeds

    def enter(file: Path, output: Path) -> None:
        if sum(file.read_bytes()[:64]) % 2:
            load_image(check_photo(str(file), Limits()))
        else:
            next(iter(check_video(str(file), Limits())))
        read_notes(file)

    return Door(seeds, mutated_bytes, enter)


def call_door(folder: Path) -> Door:
    """Calls of the app's API with another body: requests to a running app."""
    from fuzz_calls import CallError, RunningCalls

    calls = RunningCalls(folder)
    seeds = {f"{name}.json": json.dumps(body).encode() for name, body in calls.bodies.items()}
    return Door(seeds, mutated_json, lambda file, output: calls.post(file), (CallError,))


DOORS: dict[str, Callable[[Path], Door]] = {
    "photo": photo_door, "video": video_door, "sound": sound_door, "weights": weights_door, "saved": saved_door,
    "config": config_door, "shards": shards_door, "checkpoint": checkpoint_door, "upload": upload_door,
    "call": call_door,
}  # fmt: skip
