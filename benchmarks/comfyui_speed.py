"""Speed of the ComfyUI nodes on the demo media: seconds a frame, and the share of time outside the UNet.

    python benchmarks/comfyui_speed.py --output benchmarks/results/comfyui_speed.json

Needs a ComfyUI: `make comfyui`, or COMFYUI_DIR and COMFYUI_PYTHON. The nodes run inside it, called as it calls them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PRESETS = ("fast", "balanced", "paper")
MARK = "ROW "


class Stopwatch:
    """Times the nodes, and the UNet's calls inside them."""

    def __init__(self, unet):
        self.seconds_in_unet = 0.0
        self._forward = unet.forward
        unet.forward = self._timed

    def _timed(self, *arguments, **named):
        started = time.perf_counter()
        result = self._forward(*arguments, **named)
        self.seconds_in_unet += time.perf_counter() - started
        return result

    def measure(self, name: str, frames: int, work):
        """Run `work`, print a row, return its result."""
        self.seconds_in_unet, started = 0.0, time.perf_counter()
        result = work()
        seconds = time.perf_counter() - started
        share = 100 * (1 - self.seconds_in_unet / seconds)
        row = {"node": name, "seconds": seconds, "seconds_per_frame": seconds / frames, "outside_unet_percent": share}
        print(MARK + json.dumps({key: round(value, 4) if key != "node" else value for key, value in row.items()}))
        return result


def measure_nodes() -> None:
    """In ComfyUI's Python: every node of the video workflow, and the one that does it all."""
    import torch

    sys.path.insert(0, str(ROOT / "tests" / "comfyui"))
    import nodes_probe

    nodes = nodes_probe.load_pack()
    from comfy_api.latest import InputImpl

    def run(name: str, **inputs):
        with torch.inference_mode():
            return nodes[name].execute(**inputs)

    started = time.perf_counter()
    model = run("LoadModel", model="demo", dtype="auto")[0]
    watch = Stopwatch(model.pipeline.unet)
    image = nodes_probe.load_still("source.png")
    clip = InputImpl.VideoFromFile(str(nodes_probe.BASE / "input" / "driving.mp4"))
    frames = clip.get_frame_count()
    encoding = {"model": model, "image": image, "face": "largest", "face_number": 0, "inversion_steps": 20}
    source = watch.measure("Encode Source", 1, lambda: run("EncodeSource", **encoding)[0])
    tracking = {"tracker": "open", "frame_rate": 25.0, **nodes_probe.MOTION}
    pose = watch.measure("Extract Pose", frames, lambda: run("ExtractPose", source=source, driving=clip, **tracking)[0])
    codes = watch.measure("Reenact", frames, lambda: run("Reenact", model=model, source=source, pose=pose)[0])
    sampling = {"steps": 20, "scheduler": "ddim", "chunk_size": 4}
    for preset in PRESETS:
        decode = {"model": model, "source": source, "codes": codes, "preset": preset, **sampling}
        watch.measure(f"Decode, {preset}", frames, lambda decode=decode: run("Decode", **decode))
        if preset == PRESETS[0]:
            first = time.perf_counter() - started
            row = {"node": "model, source, poses and 100 frames, fast", "seconds": round(first, 4)}
            print(MARK + json.dumps(row))
    for preset in PRESETS:
        whole = {"model": model, "image": image, "driving": clip, "preset": preset, "inversion_steps": 20}
        whole |= {"paste_back": False, **sampling, **nodes_probe.MOTION}
        watch.measure(f"Reenact Video, {preset}", frames, lambda whole=whole: run("ReenactVideo", **whole))


def main() -> None:
    """Print the table and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="OpenMP threads (default: %(default)s)")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT / "tests" / "comfyui"))
    from comfyui_process import PACK_FOLDER, Installation, copy_demo_media, copy_pack

    installation = Installation.find()
    if installation is None:
        raise SystemExit("Expected a ComfyUI, found none; run `make comfyui`, or set COMFYUI_DIR and COMFYUI_PYTHON.")
    with tempfile.TemporaryDirectory() as folder:
        copy_demo_media(Path(folder))
        copy_pack(Path(folder) / "custom_nodes" / PACK_FOLDER)
        command = [installation.python, Path(__file__).resolve(), installation.comfyui, folder]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        environment["OMP_NUM_THREADS"] = str(options.threads)
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, encoding="utf-8", check=True)
    rows = [json.loads(line.removeprefix(MARK)) for line in done.stdout.splitlines() if line.startswith(MARK)]
    for row in rows:
        print("  ".join(f"{name} {value}" for name, value in row.items()))
    if options.output:
        options.output.write_text(json.dumps({"threads": options.threads, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    # ComfyUI's Python gets two arguments, its folder and the base folder, which nodes_probe reads.
    measure_nodes() if len(sys.argv) == 3 and Path(sys.argv[1]).is_dir() else main()
