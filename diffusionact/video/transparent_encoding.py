"""How files with alpha are encoded: what the bundled FFmpeg both writes and reads back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..images import PROVENANCE
from ..transparency import continued_colours

XMP_FLAG = 0x04  # of the chunk VP8X: an XMP chunk follows


@dataclass(frozen=True)
class TransparentEncoding:
    """A container and codec with alpha.

    Attributes:
        container: FFmpeg's name.
        codec, pixels: of the images.
        options: of the codec.
        container_options: of the container.
        has_sound: the container takes sound.
    """

    container: str
    codec: str
    pixels: str
    options: Mapping[str, str]
    container_options: Mapping[str, str]
    has_sound: bool


TRANSPARENT_ENCODINGS = {
    ".mov": TransparentEncoding(
        "mov", "prores_ks", "yuva444p10le", {"profile": "4444", "vendor": "apl0"}, {"movflags": "+faststart"}, True
    ),
    ".webm": TransparentEncoding(
        "webm", "libvpx-vp9", "yuva420p", {"crf": "18", "b:v": "0", "deadline": "good", "cpu-used": "4"}, {}, True
    ),
    ".webp": TransparentEncoding("webp", "libwebp_anim", "bgra", {"quality": "90"}, {"loop": "0"}, False),
}


def padded_rgba(frame: Tensor, padding: tuple[tuple[int, int], ...]) -> np.ndarray:
    """A frame uint8 (H, W, 4) for a lossy codec, which would smear what lies under transparent pixels into the edge."""
    colours = continued_colours(frame[..., :3], frame[..., 3])
    return np.pad(torch.cat([colours, frame[..., 3:]], dim=-1).numpy(), padding, mode="edge")


def note_provenance_in_webp(path: Path) -> None:
    """Add the note of origin to an animated WebP file, whose writer knows no metadata, as an XMP chunk."""
    with path.open("r+b") as file:
        head = bytearray(file.read(30))
        if head[12:16] != b"VP8X":  # a still image without the chunk that says what there is
            return
        note = (
            '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            '<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:description><rdf:Alt><rdf:li '
            f'xml:lang="x-default">{PROVENANCE}</rdf:li></rdf:Alt></dc:description></rdf:Description></rdf:RDF>'
            "</x:xmpmeta>"
        ).encode()
        file.seek(0, 2)
        file.write(b"XMP " + len(note).to_bytes(4, "little") + note + b"\0" * (len(note) % 2))
        size = file.tell() - 8
        head[20] |= XMP_FLAG
        head[4:8] = size.to_bytes(4, "little")
        file.seek(0)
        file.write(head)
