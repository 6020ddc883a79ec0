"""The pack's own socket types, and one of ComfyUI's; what travels on them is in `values.py`."""

from comfy_api.latest import io

ModelSocket = io.Custom("DIFFUSIONACT_MODEL")
SourceSocket = io.Custom("DIFFUSIONACT_SOURCE")
PoseSocket = io.Custom("DIFFUSIONACT_POSE")
CodesSocket = io.Custom("DIFFUSIONACT_CODES")
LandmarksSocket = io.Custom("FACE_LANDMARKS")
