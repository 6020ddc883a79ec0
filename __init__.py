"""ComfyUI's way into the pack, and nothing else; the library is `diffusionact/`, the nodes are `nodes/`."""

import logging

WEB_DIRECTORY = "./web"


async def comfy_entrypoint():
    """Hand ComfyUI the list of nodes. Imported here, so that test runners can import this file without ComfyUI."""
    try:
        from .nodes import DiffusionActExtension
    except Exception:
        # ComfyUI shows one line of an error in an entry point; the whole of it helps to find the cause.
        logging.exception("The DiffusionAct nodes could not be loaded")
        raise
    return DiffusionActExtension()
