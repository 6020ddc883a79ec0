"""DiffusionAct Reenact Video: an image and a VIDEO -> a VIDEO, frame by frame, in flat memory; and Paste Back."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import InputImpl, io, ui
from torch import Tensor

from ..diffusionact.pipelines.full_resolution import SOURCE_SIZE
from ..diffusionact.types import CropTransform, map_tensors
from .comfy.conversion import one_frame, to_frames, to_image, to_model, warping_device
from .comfy.face_reading import make_reader, tracker_input
from .comfy.full_resolution import MODEL_SIZE, SizedFrames, detailed_images, moved_images, resolution_input
from .comfy.inputs import (
    chosen_sampling,
    inversion_steps_input,
    motion_inputs,
    pose_options,
    sampling_inputs,
    trim_inputs,
)
from .comfy.model_management import LoadedModel
from .comfy.pasting import Pasting, check_faces, crop_of
from .comfy.progress import NodeProgress
from .comfy.rendering import encode, stream
from .comfy.schema import ESSENTIALS_CATEGORY, ModelSocket, PoseSocket, SourceSocket, make_schema
from .comfy.values import Pose, Source
from .comfy.video import open_driving, temporary_video, write_video


class ReenactVideo(io.ComfyNode):
    """The whole way in one node; memory does not grow with the length of the video."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs."""
        return make_schema(
            "ReenactVideo",
            display_name="DiffusionAct Reenact Video",
            description="Animates the face of an image with a driving video. Works frame by frame, so that long "
            "videos need no more memory than short ones; rate and sound are those of the driving video.",
            search_aliases=["animate portrait", "talking head", "face reenactment", "long video"],
            essentials_category=ESSENTIALS_CATEGORY,
            is_output_node=True,
            inputs=[
                ModelSocket.Input("model", tooltip="From Load DiffusionAct."),
                io.Image.Input("image", tooltip="The image of the person to animate."),
                io.Video.Input("driving", tooltip="The video that drives."),
                *sampling_inputs(),
                *motion_inputs(),
                inversion_steps_input(),
                io.Boolean.Input(
                    "paste_back",
                    default=False,
                    tooltip="On: the whole image with the face in it. Off: the face alone.",
                ),
                tracker_input(optional=True),
                *trim_inputs(),
                resolution_input(with_model_size=True),
            ],
            outputs=[io.Video.Output("video", tooltip="The reenacted video, a file in the temporary folder.")],
        )

    @classmethod
    def execute(
        cls,
        model: LoadedModel,
        image: Tensor,
        driving: io.Video.Type,
        preset: str,
        steps: int,
        scheduler: str,
        chunk_size: int,
        inversion_steps: int,
        paste_back: bool,
        tracker: str = "open",
        start: float = 0.0,
        end: float = 0.0,
        resolution: str = MODEL_SIZE,
        **motion: Any,
    ) -> io.NodeOutput:
        """Encode, then write frame after frame into a file."""
        sampling = chosen_sampling(model.pipeline.engine, preset, steps, scheduler)
        clip, options, reader = open_driving(driving, 0.0, start, end), pose_options(**motion), make_reader(tracker)
        source = encode(model, one_frame(image), "largest", inversion_steps, reader)
        pasting = Pasting(on_warping_device(source.codes.crop)) if paste_back else None
        sized = SizedFrames(model, source, resolution, pasting)
        frames = stream(sized.model, source, reader, clip, options, sampling, chunk_size)
        path = temporary_video()
        write_video(path, map(sized.finish, frames), clip)
        shown = ui.SavedResult(path.name, "", io.FolderType.temp)
        return io.NodeOutput(InputImpl.VideoFromFile(str(path)), ui=ui.PreviewVideo([shown]))


class PasteBack(io.ComfyNode):
    """Lays reenacted faces over the image that they were cut from."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs."""
        return make_schema(
            "PasteBack",
            display_name="Paste Back (DiffusionAct)",
            description="Lays the reenacted face over the whole image, with a soft border and matched colours. The "
            "face may have been upscaled before.",
            search_aliases=["composite face", "stitch", "uncrop", "blend face"],
            inputs=[
                io.Image.Input("image", tooltip="The reenacted faces, from Decode or from an upscaler after it."),
                SourceSocket.Input("source", tooltip="The source; it knows the whole image and where the face was."),
                io.Float.Input(
                    "feather",
                    default=0.1,
                    min=0.0,
                    max=0.5,
                    step=0.01,
                    tooltip="Width of the soft border, as a share of the face's square.",
                ),
                io.Boolean.Input(
                    "match_colour",
                    default=True,
                    tooltip="Gives the face the brightness and colours of the original.",
                ),
                io.Image.Input(
                    "originals",
                    optional=True,
                    tooltip="Whole images to paste over in place of the source's own: one, or one for each face. "
                    "They may be larger.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Only this part is pasted. Of the size of the whole image, or square over the face.",
                ),
                PoseSocket.Input(
                    "pose",
                    optional=True,
                    tooltip="The pose that Reenact had. With it the faces get the fine detail of the source's image, "
                    "at its own resolution, before they are pasted.",
                ),
                io.Boolean.Input(
                    "whole_image",
                    default=False,
                    optional=True,
                    tooltip="For the model photo, with a pose: the whole image moves, with hair and neck and without "
                    "any edge. It is rendered anew at its own resolution; image, feather and match_colour do nothing.",
                ),
            ],
            outputs=[
                io.Image.Output("image_out", display_name="image", tooltip="The whole images."),
                io.Mask.Output("mask_out", display_name="mask", tooltip="What was pasted."),
            ],
        )

    @classmethod
    def execute(
        cls,
        image: Tensor,
        source: Source,
        feather: float,
        match_colour: bool,
        originals: Tensor | None = None,
        mask: Tensor | None = None,
        pose: Pose | None = None,
        whole_image: bool = False,
    ) -> io.NodeOutput:
        """Paste every frame; only the results are all in memory."""
        full = source.image[None] if originals is None else originals
        if whole_image:
            return io.NodeOutput(*moved_images(source, pose, full, mask))
        image = image if pose is None else detailed_images(image, source, pose, SOURCE_SIZE)
        check_faces(full, image)
        pasting = Pasting(on_warping_device(crop_of(source, full)), feather, match_colour, mask)
        return io.NodeOutput(*pasted(pasting, full, image))


def pasted(pasting: Pasting, full: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
    """IMAGE and MASK of faces (F, S, S, 3 or 4) over one or F full images; only the results are all in memory."""
    device, progress = pasting.crop.matrix.device, NodeProgress(len(faces))
    results = to_image(torch.empty(len(faces), *full.shape[1:3], 3))
    shares = to_image(torch.empty(len(faces), *full.shape[1:3]))
    for index in range(len(faces)):
        frame = full[min(index, len(full) - 1)][None]
        frame = frame[0] if frame.dtype == torch.uint8 else to_frames(frame)[0]
        face = to_model(faces[index : index + 1], device)
        results[index : index + 1] = pasting.frame(frame, face, index)
        shares[index : index + 1] = pasting.share(frame, face, index)
        progress.advance_to(index + 1)
    return results, shares


def on_warping_device(crop: CropTransform) -> CropTransform:
    """The crop where images are warped."""
    return map_tensors(crop, lambda tensor: tensor.to(warping_device()))


NODES: list[type[io.ComfyNode]] = [PasteBack, ReenactVideo]
