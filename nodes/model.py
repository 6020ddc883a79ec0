"""Load DiffusionAct: a model folder, the bundled model or a Hub repository -> MODEL."""

from __future__ import annotations

import comfy.model_management
import torch
from comfy_api.latest import io

from ..diffusionact.generation import load_engine, preferred_dtype
from ..diffusionact.weights.model_folder import PHOTO_NAME
from .comfy.model_management import manage
from .comfy.schema import ModelSocket, make_schema
from .comfy.weights_folder import fetch_model, folder_fingerprint, model_folder, model_names, problem_with_model

DTYPES = ("auto", "float32", "float16", "bfloat16")


class LoadModel(io.ComfyNode):
    """Loads the networks under ComfyUI's memory management."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs."""
        return make_schema(
            "LoadModel",
            display_name="Load DiffusionAct",
            description="Loads a DiffusionAct model. The bundled models photo and demo need no download.",
            search_aliases=["face reenactment", "portrait animation", "diffusion act", "load face model"],
            inputs=[
                io.Combo.Input(
                    "model",
                    options=model_names(),
                    default=PHOTO_NAME,
                    tooltip="photo is bundled: it moves the photo itself by geometry, sharp, 512 pixels, without a "
                    "generative model. demo is bundled, too: a small diffusion model for drawn people, 128 pixels. "
                    "Others are folders in models/diffusionact or in the extra model paths.",
                ),
                io.Combo.Input(
                    "dtype",
                    options=list(DTYPES),
                    default="auto",
                    tooltip="Number format of the networks that like half precision. auto takes it where your "
                    "device is faster with it.",
                ),
                io.String.Input(
                    "repository",
                    default="",
                    optional=True,
                    placeholder="name/model",
                    tooltip="A Hugging Face repository, as name/model. It is downloaded into models/diffusionact, "
                    "checked, and used in place of the model above. Empty: nothing is downloaded.",
                ),
            ],
            outputs=[ModelSocket.Output("model_out", display_name="model", tooltip="For all other nodes of the pack.")],
        )

    @classmethod
    def validate_inputs(cls, model: str | None = None, repository: str | None = "") -> bool | str:
        """A plain message where the model is not there; None comes over a link that has not run yet."""
        if model is None or repository is None:
            return True
        return problem_with_model(model, repository) or True

    @classmethod
    def fingerprint_inputs(cls, model: str | None = None, dtype: str | None = None, repository: str | None = "") -> str:
        """Changes when the files of the model change."""
        return "" if model is None or repository is None else folder_fingerprint(model, repository.strip())

    @classmethod
    def execute(cls, model: str, dtype: str, repository: str = "") -> io.NodeOutput:
        """Load the model onto the offload device."""
        problem = problem_with_model(model, repository)  # names that come over a link were not validated
        if problem:
            raise ValueError(problem)
        repository = repository.strip()
        folder = fetch_model(repository) if repository else model_folder(model)
        engine = load_engine(folder)
        device = comfy.model_management.get_torch_device()
        chosen = preferred_dtype(engine, device) if dtype == "auto" else getattr(torch, dtype)
        return io.NodeOutput(manage(engine, chosen))


NODES: list[type[io.ComfyNode]] = [LoadModel]
