"""Whether frames are the same bytes for every chunk size, and whoever their neighbours in a batch are.

python benchmarks/same_bits.py --model photo
python benchmarks/same_bits.py --model demo --steps 2
"""

from __future__ import annotations

import argparse
import json
import os
from itertools import islice
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import torch  # noqa: E402

from diffusionact import DiffusionActPipeline  # noqa: E402
from diffusionact.images import load_image  # noqa: E402
from diffusionact.video import open_frames  # noqa: E402

MEDIA = Path(__file__).resolve().parents[1] / "diffusionact" / "demo" / "media"
CHUNKS = (1, 2, 3, 5, 8)
FRAMES = 8


def main() -> None:
    """Print the largest difference of every chunk size to chunks of one frame, in levels of 255."""
    parser = argparse.ArgumentParser(description="Same bytes for every chunk size.")
    parser.add_argument("--model", default="photo")
    parser.add_argument("--steps", type=int, help="of the diffusion model")
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = ("photo.jpg", "photo_driving.mp4") if options.model == "photo" else ("source.png", "driving.mp4")
    pipeline = DiffusionActPipeline.from_pretrained(options.model, device="cpu")
    source = pipeline.encode_source(load_image(MEDIA / names[0]), num_inversion_steps=options.steps)
    clip = open_frames(MEDIA / names[1])
    rows = {}
    for chunk_size in CHUNKS:
        stream = pipeline.stream(
            source, islice(clip, FRAMES), num_inference_steps=options.steps, chunk_size=chunk_size, frame_rate=25.0
        )
        rows[chunk_size] = torch.cat([frame.image for frame in stream])
    differences = {size: float((rows[size] - rows[1]).abs().max()) * 127.5 for size in CHUNKS}
    print(json.dumps({"model": options.model, "frames": FRAMES, "largest_difference_of_255": differences}))


if __name__ == "__main__":
    main()
