"""`diffusionact app`: start the Gradio app. It is a package of its own, because the library does not know gradio."""

from __future__ import annotations

import argparse
import importlib
import importlib.util

from ..checks import check_in_range


def run(options: argparse.Namespace) -> None:
    """Start the app and serve until interrupted.

    Raises:
        ValueError: if gradio is not installed, or an option is out of range.
        FileNotFoundError: if there is no such model.
        OSError: if the port is taken.
    """
    if importlib.util.find_spec("gradio") is None or importlib.util.find_spec("diffusionact_app") is None:
        raise ValueError(
            "Expected the app's packages, received an installation without them. "
            'Install them with: pip install "diffusionact[app]"'
        )
    if options.port is not None:
        check_in_range("--port", options.port, 1, 65535)
    check_in_range("--max-frames", options.max_frames, 2, 100_000)
    check_in_range("--max-upload-mb", options.max_upload_mb, 1, 100_000)
    check_in_range("--queue", options.queue, 1, 10_000)
    settings = importlib.import_module("diffusionact_app.settings")
    serving = importlib.import_module("diffusionact_app.serving")
    limits = settings.Limits(frames=options.max_frames, upload_mb=options.max_upload_mb, queue=options.queue)
    serving.serve(
        settings.AppSettings(
            model=options.model,
            device=options.device,
            host=options.host,
            port=options.port,
            root_path=options.root_path,
            open_browser=options.open,
            limits=limits,
        )
    )
