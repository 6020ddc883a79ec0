"""The About tab: what the model can and cannot do, consent, licences, and a look at a file's note of origin."""

from __future__ import annotations

from pathlib import Path

import av
import gradio as gr
from PIL import Image, UnidentifiedImageError

from diffusionact.images import IMAGE_ERRORS, PROVENANCE, open_image, prepare_heic
from diffusionact.video.containers import opened
from diffusionact.weights import DEMO_NAME, PHOTO_NAME

from .context import Context
from .messages import errors_as_messages

CAN = """
### What it does

- Takes **one photo** of a face and moves it as a driving video, or as sliders say: head pose, expression, gaze.
- Changes faces in **video clips**, too, and moves several faces of a photo or a clip at once.
- Keeps the source's face shape. The driver's face shape is not copied.
- Keeps the driver's frame rate and sound, and needs no more memory for a long video than for a short one.

### What it does not do

- It renders a square around the face, {size} px a side, and pastes that into the photo. Hands, body and background
  do not move.
- Large head turns, teeth, glasses, hats and hands in front of the face are hard for it.
- {model}
"""
DEMO = (
    "This is the small **demo model**: {size} px, trained for some two hours on two CPU cores, on synthetic "
    "heads. It is blurred, follows gaze and blinks only roughly, and is not meant for photos of real people."
)
PHOTO = (
    "This is the model **photo**: the photo itself, moved by geometry, without a generative network. It keeps the "
    "photo's sharpness and is believable to about 30 degrees of head turn; hair and neck move along. Cast shadows "
    "stay where they were, and teeth that the photo does not show are drawn."
)
OTHER = "The loaded model is `{name}`. Its own licence and limits apply."
USE = f"""
### Consent and misuse

Re-enact people who agreed to it. Do not use this to deceive, to put words into somebody's mouth, or to get past an
identity check. Say that the result is generated where you show it.

Every video and image made here carries a note in its metadata: *{PROVENANCE}*. You can check a file on this
page. The note is a courtesy and no proof: other programs can remove it.

### Your files

Uploads and results lie in a folder of this server, under names that cannot be guessed. Results go when you close the
page; uploads are removed after about an hour, or when the app ends. There is no telemetry; nothing is sent elsewhere.

### Licences

Code and demo model: Apache-2.0. Example faces: AI-generated, MIT; NASA, public domain. Face reader and person
segmenter: MediaPipe's nets, Apache-2.0. The authors' weights and what belongs to them have licences of their own and
are not part of this app. Paper: Bounareli, Tzelepis, Argyriou, Patras, Tzimiropoulos, "DiffusionAct: Controllable
Diffusion Autoencoder for One-shot Face Reenactment", FG 2025. This is an independent implementation.
"""


def build_about_tab(context: Context) -> None:
    """Two columns of text, and a place to drop a file."""
    size, name = context.model.pipeline.sample_size, context.model.name
    known = {DEMO_NAME: DEMO.format(size=size), PHOTO_NAME: PHOTO}
    model = known.get(name, OTHER.format(name=name))
    with gr.Row(equal_height=False):
        with gr.Column(min_width=300):
            gr.Markdown(CAN.format(size=size, model=model))
            gr.Markdown("### Check a file")
            upload = gr.File(
                label="Photo or video",
                height=130,
                elem_id="about-file",
            )
            answer = gr.Markdown("Drop a file to read its note of origin.", elem_id="about-answer")
        with gr.Column(min_width=300):
            gr.Markdown(USE)
    describe = errors_as_messages(describe_origin)
    upload.change(describe, [upload], [answer], show_progress="hidden", api_visibility="private")


def describe_origin(path: str | None) -> str:
    """What a file's metadata says about its origin, as Markdown.

    Raises:
        ValueError: if the file is neither an image nor a video.
    """
    if path is None:
        return "Drop a file to read its note of origin."
    notes = read_notes(Path(path))
    listed = "".join(f"\n- `{name}`: {value[:200]}" for name, value in notes.items())
    if any(PROVENANCE in value for value in notes.values()):
        return f"**Generated.** {Path(path).name} says so itself:{listed}"
    return f"**No note.** {Path(path).name} does not say that it was generated, which proves nothing.{listed}"


def read_notes(path: Path) -> dict[str, str]:
    """Text metadata of an image or video.

    Raises:
        ValueError: if the file is neither.
    """
    try:
        prepare_heic(path)
        with open_image(path) as image:
            return {name: value for name, value in image.info.items() if isinstance(value, str)}
    except UnidentifiedImageError:
        pass
    except (*IMAGE_ERRORS, Image.DecompressionBombError) as error:
        raise _unreadable(path) from error
    try:
        with opened(path) as container:
            return dict(container.metadata)
    except av.FFmpegError as error:
        raise _unreadable(path) from error


def _unreadable(path: Path) -> ValueError:
    return ValueError(
        f"Expected an image or a video, received {path.name!r}, which does not open. Choose another file."
    )
