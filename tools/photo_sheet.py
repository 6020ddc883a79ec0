"""The sheet of docs/photo_warp.md: photos as they are and in seven poses.

    pip download --no-deps comfyui-workflow-templates-media-api comfyui-workflow-templates-media-image
    python -m tools.photo_sheet FOLDER

FOLDER holds these packages (MIT) unpacked, at any depth; their people are AI-generated. The first row is NASA's
portrait of an astronaut.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from PIL import Image

from diffusionact.face.pose.editing import PoseEdit
from diffusionact.images import load_image, model_to_uint8
from diffusionact.pipelines.preview import GeometryPreview

from .scene_images import ASTRONAUT, OUTPUT, sheet
from .template_media import find_media

PEOPLE = (
    "image_z_image_turbo-1",
    "flux1_krea_dev-1",
    "hidream_i1_dev-1",
    "image_longcat_text_to_image-1",
    "hidream_i1_full-1",
)
EDITS = (
    PoseEdit(),
    PoseEdit(yaw=-20),
    PoseEdit(yaw=20),
    PoseEdit(pitch=12),
    PoseEdit(eyes=-1),
    PoseEdit(mouth_open=0.6),
    PoseEdit(smile=0.8),
    PoseEdit(gaze_horizontal=20),
)
SIDE = 160


def main() -> None:
    """Render the sheet and save it beside the other images of the docs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the packages lie unpacked")
    folder = parser.parse_args().folder
    torch.set_num_threads(1)
    photos = [ASTRONAUT, *(find_media(folder, name) for name in PEOPLE)]
    preview = GeometryPreview(2 * SIDE)
    sheet([posed(preview, photo) for photo in photos], SIDE).save(OUTPUT / "photo_warp.jpg", quality=90)


def posed(preview: GeometryPreview, photo: Path) -> list[Image.Image]:
    """The photo of a path in every pose of the sheet."""
    source = preview.read(load_image(photo))
    frames = (model_to_uint8(preview.edited(source, edit))[0] for edit in EDITS)
    return [Image.fromarray(frame.numpy()) for frame in frames]


if __name__ == "__main__":
    main()
