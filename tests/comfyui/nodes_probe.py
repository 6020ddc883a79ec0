"""Runs inside ComfyUI's own Python: `nodes_probe.py COMFYUI BASE` loads the pack as ComfyUI does.

It reads names of probes from stdin, a line each, and answers each with a line of JSON. A probe calls the nodes' classes
in a running ComfyUI without a server, looks at what a server does not show, and leaves everything as it was.
"""

import asyncio
import json
import os
import sys
import traceback
from pathlib import Path
from unittest.mock import patch

import torch

BASE = Path(sys.argv[2]).resolve()
PACK = next((BASE / "custom_nodes").iterdir())
MOTION = {
    "face": "follow", "face_number": 0, "missing_face": "interpolate", "relative_motion": False, "reference_frame": 0,
    "smoothing": 0.0, "expression_gain": 1.0, "head_motion": "turn", "detection_threshold": 0.5,
}  # fmt: skip


def load_pack() -> dict:
    """The pack's node classes by id without prefix."""
    os.chdir(sys.argv[1])
    sys.path.insert(0, os.getcwd())
    import comfy.options

    comfy.options.enable_args_parsing()
    sys.argv[1:] = ["--cpu", "--disable-api-nodes", "--base-directory", str(BASE)]
    import utils.extra_config  # noqa: F401 - before `comfy/utils.py` takes the name, as in ComfyUI's main.py

    import nodes

    assert asyncio.run(nodes.load_custom_node(str(PACK), module_parent="custom_nodes"))
    mappings = nodes.NODE_CLASS_MAPPINGS
    return {name.removeprefix("DiffusionAct_"): mappings[name] for name in mappings if name.startswith("DiffusionAct_")}


def load_still(name: str) -> torch.Tensor:
    """An image of the input folder as an IMAGE."""
    import numpy as np
    from PIL import Image

    return torch.from_numpy(np.array(Image.open(BASE / "input" / name).convert("RGB")))[None] / 255


class Session:
    """The demo model, an encoded source, and the codes of a few poses, made by the nodes."""

    def __init__(self) -> None:
        self.nodes = load_pack()
        self.model = self.run("LoadModel", model="demo", dtype="float32")[0]
        self.source = self.run(
            "EncodeSource", model=self.model, image=load_still("source.png"), face="largest", face_number=0,
            inversion_steps=3,
        )[0]  # fmt: skip
        poses = [self.pose(yaw=float(yaw)) for yaw in range(-10, 15, 5)]
        self.codes = [self.run("Reenact", model=self.model, source=self.source, pose=pose)[0] for pose in poses]

    def run(self, name: str, **inputs):
        """Execute a node under inference mode, as ComfyUI does."""
        with torch.inference_mode():
            return self.nodes[name].execute(**inputs)

    def library(self, name: str):
        """A module of the pack's own copy of the library."""
        return sys.modules[self.nodes["Reenact"].__module__.replace("nodes.render", f"diffusionact.{name}")]

    def adapter(self, name: str):
        """A module of `nodes/comfy`."""
        return sys.modules[self.nodes["Reenact"].__module__.replace("render", f"comfy.{name}")]

    def pose(self, **sliders: float):
        return self.run("EditPose", source=self.source, **sliders)[0]

    def clip_codes(self):
        """All codes as one clip."""
        from dataclasses import replace

        concatenate = self.library("types").concatenate
        return replace(self.codes[0], conditioning=concatenate([codes.conditioning for codes in self.codes]))

    def decode(self, chunk_size: int = 4) -> torch.Tensor:
        how = {"preset": "custom", "steps": 2, "scheduler": "ddim", "chunk_size": chunk_size}
        return self.run("Decode", model=self.model, source=self.source, codes=self.clip_codes(), **how)[0]


def out_of_memory(session: Session) -> dict:
    """The device has room for two frames: sizes of the UNet's batches, and how far the result is from the plain one."""
    plain, sizes = session.decode(), []

    def run_out(module, arguments):
        sizes.append(len(arguments[0]))
        if sizes[-1] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    hook = session.model.pipeline.unet.register_forward_pre_hook(run_out)
    limited = session.decode()
    hook.remove()
    return {"sizes": sizes, "difference": (limited - plain).abs().max().item(), "frames": len(limited)}


def chunk_sizes(session: Session) -> dict:
    """How far results are apart for chunks of one, three and five frames."""
    plain = session.decode(5)
    return {str(size): (session.decode(size) - plain).abs().max().item() for size in (1, 3)}


def interruption(session: Session) -> dict:
    """Cancel is pressed in the third UNet call: how many calls happen, and what is raised."""
    import comfy.model_management as management

    calls = []

    def press_cancel(module, arguments):
        calls.append(1)
        if len(calls) == 3:
            management.interrupt_current_processing()

    hook = session.model.pipeline.unet.register_forward_pre_hook(press_cancel)
    try:
        session.decode(1)
        raised = None
    except management.InterruptProcessingException as error:
        raised = type(error).__name__
    hook.remove()
    return {"calls": len(calls), "raised": raised}


def interruption_while_tracking(session: Session) -> dict:
    """Cancel is pressed in the third frame of a clip without any face: how many frames are looked at."""
    from fractions import Fraction

    import comfy.model_management as management
    from comfy_api.latest import InputImpl, Types

    grey = Types.VideoComponents(images=torch.full((20, 96, 96, 3), 0.5), frame_rate=Fraction(25))
    image, frames = load_still("source.png"), []
    landmarker = session.library("face.readers.open.landmarker")

    def press_cancel(module, arguments):
        if isinstance(module, landmarker.FaceLandmarker) and arguments[0].shape[1:3] == (96, 96):
            frames.append(1)
            if len(frames) == 3:
                management.interrupt_current_processing()

    hook = torch.nn.modules.module.register_module_forward_pre_hook(press_cancel)
    inputs = {"preset": "custom", "steps": 1, "scheduler": "ddim", "chunk_size": 4, "paste_back": False} | MOTION
    try:
        session.run(
            "ReenactVideo", model=session.model, image=image, driving=InputImpl.VideoFromComponents(grey),
            inversion_steps=1, **inputs,
        )  # fmt: skip
        raised = None
    except management.InterruptProcessingException as error:
        raised = type(error).__name__
    hook.remove()
    return {"frames": len(frames), "raised": raised}


def odd_images(session: Session) -> dict:
    """Pasting a face that resizing left out of range; what is said of one that was cut, and of an empty batch."""
    sharp = torch.nn.functional.interpolate(session.decode()[:1].movedim(-1, 1), scale_factor=2, mode="bicubic")
    sharp = (sharp * 3 - 1).movedim(1, -1)
    how = {"source": session.source, "feather": 0.1, "match_colour": True}
    pasted = session.run("PasteBack", image=sharp, **how)[0]
    found = {"beyond": (sharp.min() < 0 and sharp.max() > 1).item(), "low": pasted.min().item()}
    encode = {"model": session.model, "face": "largest", "face_number": 0, "inversion_steps": 1}
    for name, call in {
        "cut": lambda: session.run("PasteBack", image=sharp[:, 20:], **how),
        "empty": lambda: session.run("EncodeSource", image=torch.zeros(0, 64, 64, 3), **encode),
    }.items():
        try:
            call()
        except ValueError as error:
            found[name] = str(error)
    return found


def warping_devices(session: Session) -> dict:
    """Where faces are read and images warped on ComfyUI's devices of several kinds."""
    import comfy.model_management as management

    found, conversion = {}, session.adapter("conversion")
    for name in ("cuda:0", "mps", "cpu"):
        with patch.object(management, "get_torch_device", return_value=torch.device(name)):
            found[name] = str(conversion.warping_device())
    return found


def photo_device(session: Session) -> dict:
    """Where the bundled model photo works, and where what it has lies, when ComfyUI works on a Mac's graphics."""
    import comfy.model_management as management

    with patch.object(management, "get_torch_device", return_value=torch.device("mps")):
        model = session.run("LoadModel", model="photo", dtype="float32")[0]
    engine = model.pipeline.engine
    lies = {str(value.device) for value in vars(engine).values() if isinstance(value, torch.Tensor)}
    return {"works": str(model.pipeline.device), "lies": sorted(lies), "managed": model.patcher is not None}


def memory_size(session: Session) -> dict:
    """Bytes that ComfyUI takes the networks for, and bytes that they have."""
    weights = {id(weight): weight for weight in session.model.patcher.model.parameters()}.values()
    return {"told": session.model.patcher.model_size(), "real": sum(weight.nbytes for weight in weights)}


def low_memory(session: Session) -> dict:
    """ComfyUI loads a third of the weights and fetches the others layer by layer."""
    import comfy.model_management as management

    patcher, codes = session.model.patcher, session.clip_codes().conditioning

    def decode() -> torch.Tensor:  # past the node, which would load all of it: a CPU never lacks room for a CPU's model
        with torch.inference_mode():
            return session.model.pipeline.decode(session.source.codes, codes, 2)

    plain = decode()
    management.unload_all_models()
    unloaded = patcher.loaded_size()
    patcher.load(patcher.load_device, lowvram_model_memory=patcher.model_size() // 3)
    fetched = sum(getattr(module, "comfy_cast_weights", False) for module in patcher.model.modules())
    loaded, partial = patcher.loaded_size() / patcher.model_size(), patcher.model.model_lowvram
    difference = (decode() - plain).abs().max().item()
    patcher.detach()
    return {"unloaded": unloaded, "fetched": fetched, "loaded": loaded, "partial": partial, "difference": difference}


def bounding_box(session: Session) -> dict:
    """Two people, the larger one on the left: where the middle of the encoded face lies, in widths."""
    large, found = load_still("source.png"), {}
    small = torch.nn.functional.interpolate(large.movedim(-1, 1), scale_factor=0.6, mode="bilinear", antialias=True)
    both = torch.full((1, large.shape[1], 2 * large.shape[2], 3), 0.5)
    both[:, :, : large.shape[2]] = large
    both[:, -small.shape[2] :, -small.shape[3] :] = small.movedim(1, -1)
    box = {"x": 1.6 * large.shape[2], "y": 0.5 * large.shape[1], "width": 60, "height": 60}
    inputs = {"model": session.model, "image": both, "face": "largest", "face_number": 0, "inversion_steps": 1}
    for name, boxes in (("without", None), ("with", [[box]])):
        mask = session.run("EncodeSource", bounding_box=boxes, **inputs)[2][0]
        found[name] = (torch.arange(mask.shape[1]) * mask.sum(0)).sum().item() / mask.sum().item() / mask.shape[1]
    return found


def faces_of_a_clip(session: Session) -> dict:
    """One of two faces of a VIDEO changes, with its sound; the lips rest, as that is silent."""
    from fractions import Fraction

    from comfy_api.latest import InputImpl, Types

    still = load_still("source.png")
    sound = {"waveform": torch.zeros(1, 1, 16000), "sample_rate": 16000}
    parts = Types.VideoComponents(images=torch.cat([still, still], dim=2), audio=sound, frame_rate=Fraction(25))
    changes = {f"take_{part}": True for part in ("lips", "eyes", "brows", "gaze", "head")}
    video = session.run(
        "ReenactClip", model=session.model, clip=InputImpl.VideoFromComponents(parts), preset="custom", steps=1,
        scheduler="ddim", sound="auto", faces="1 = own", still_when_silent=True, silence_level=-40.0,
        relative_motion=False, driver_end="stop", eye_contact=0.0, blink=1.0, mouth=1.0, smoothing=0.0, **changes,
    )[0]  # fmt: skip
    made = video.get_components()
    change = (made.images - parts.images).abs().mean((0, 1, 3))
    halves = [float(half.mean()) for half in change.chunk(2)]
    return {"frames": len(made.images), "sound": made.audio is not None, "halves": sorted(halves)}


def values_stay(session: Session) -> dict:
    """Whether running nodes twice changes what they were given, and the result."""
    before = [tensor.clone() for tensor in tensors_of(session.source)]
    first, second = session.decode(), session.decode()
    pose = session.pose(smile=1.0)
    rows = [tensor.clone() for tensor in tensors_of(pose.rows)]
    session.run("Reenact", model=session.model, source=session.source, pose=pose)
    same = [torch.equal(a, b) for a, b in zip(before, tensors_of(session.source), strict=True)]
    same += [torch.equal(a, b) for a, b in zip(rows, tensors_of(pose.rows), strict=True)]
    devices = {str(tensor.device) for tensor in tensors_of(session.source)}
    return {"inputs_same": all(same), "results_same": torch.equal(first, second), "devices": sorted(devices)}


def landmarks(session: Session) -> dict:
    """FACE_LANDMARKS with the pack's own measurements: how far the poses are from those of the tracker, pixels."""
    from fractions import Fraction

    import av
    from comfy_api.latest import InputImpl, Types

    with av.open(str(BASE / "input" / "driving.mp4")) as container:
        frames = [torch.from_numpy(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)][:12]
    tracker = session.adapter("landmarks").OpenFaceTracker()
    names = session.adapter("landmarks").EXPRESSION_NAMES
    found = [[as_comfyui(faces, names)] for faces in tracker.landmarker(torch.stack(frames))]
    parts = Types.VideoComponents(images=torch.stack(frames) / 255, audio=None, frame_rate=Fraction(25))
    driving, inputs = InputImpl.VideoFromComponents(parts), {"source": session.source, "tracker": "open"}
    motion = MOTION | {"missing_face": "error", "frame_rate": 25.0}
    tracked = session.run("ExtractPose", driving=driving, **inputs, **motion)[0]
    given = session.run("ExtractPose", driving=driving, face_landmarks={"frames": found}, **inputs, **motion)[0]
    apart = (tracked.rows.landmarks - given.rows.landmarks).abs().max().item()
    return {"apart": apart, "turned": (given.rows.head_pose.amax(0) - given.rows.head_pose.amin(0)).max().item()}


def as_comfyui(faces, names) -> dict:
    """The largest face as ComfyUI's node hands it on: x and y in the frame, all three in a square of 192."""
    points = faces.points[0]
    low, high = points[:, :2].amin(0), points[:, :2].amax(0)
    inside = points * (192 / (high - low).max())
    values = dict(zip(names, faces.blendshapes[0].tolist(), strict=True))
    return {
        "landmarks_xy": points[:, :2].numpy(), "landmarks_3d": inside.numpy(), "score": 0.9, "presence": 5.0,
        "bbox_xyxy": torch.cat([low, high]).numpy(), "blendshapes": values,
    }  # fmt: skip


def kept_edits(session: Session) -> dict:
    """Edits of six sources, begun from a pose of five rows: how many sources are kept, and rows in memory for each."""
    from dataclasses import replace

    previewing, concatenate = session.adapter("previewing"), session.library("types").concatenate
    rows = concatenate([session.pose(yaw=float(yaw)).rows for yaw in range(5)])
    codes = session.source.codes
    for number in range(6):
        other = {name: tensor + number for name, tensor in codes.codes.items()}
        previewing.remember_edit(replace(session.source, codes=replace(codes, codes=other)), rows)
    kept = previewing._edits.values()
    held = {tensor.untyped_storage().nbytes() / tensor.nbytes for edit in kept for tensor in tensors_of(edit.pose)}
    return {"sources": len({id(edit.source) for edit in kept}), "rows": sorted(held)}


def tensors_of(value) -> list[torch.Tensor]:
    """All tensors in a tree of dataclasses and dictionaries."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        return [tensor for item in value.values() for tensor in tensors_of(item)]
    names = getattr(value, "__dataclass_fields__", {})
    return [tensor for name in names for tensor in tensors_of(getattr(value, name))]


def answer(session: Session, name: str) -> str:
    """What a probe found as JSON, {"failed": traceback} if it could not."""
    try:
        return json.dumps(globals()[name](session))
    except Exception:
        return json.dumps({"failed": traceback.format_exc()})


if __name__ == "__main__":
    session = Session()
    for line in sys.stdin:
        print("PROBE " + answer(session, line.strip()), flush=True)
