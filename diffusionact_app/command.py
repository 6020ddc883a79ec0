"""The command that starts the app: `diffusionact app`, or `python -m diffusionact_app`; imports gradio when it runs."""

from __future__ import annotations

import argparse
import os
from importlib.util import find_spec

from diffusionact.checks import check_in_range
from diffusionact.weights import PHOTO_NAME

from .settings import AppSettings, Limits

DESCRIPTION = "A page in the browser: animate, edit expressions, live, batch."


def add_command(commands: argparse._SubParsersAction) -> None:
    """Add `app` to the commands of `diffusionact`; the entry point of the group "diffusionact.commands"."""
    add_arguments(commands.add_parser("app", help="a page in the browser: animate, edit expressions, live, batch"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the app, and what runs it."""
    model = os.environ.get("DIFFUSIONACT_MODEL", PHOTO_NAME)
    parser.add_argument("--model", default=model, help="as for reenact (default: DIFFUSIONACT_MODEL, or photo)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")
    parser.add_argument("--tracker", default="open", help="the face reader, as for reenact (default: %(default)s)")
    parser.add_argument("--host", help="address to listen on; 0.0.0.0 lets others in (default: this machine only)")
    parser.add_argument("--port", type=int, help="default: the first free one from 7860")
    parser.add_argument("--root-path", help="path under which a proxy serves the app, such as /faces")
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    parser.add_argument("--max-frames", type=int, default=750, help="most frames of one video (default: %(default)s)")
    parser.add_argument("--max-upload-mb", type=int, default=64, help="largest upload (default: %(default)s)")
    parser.add_argument("--queue", type=int, default=16, help="jobs that may wait (default: %(default)s)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Start the app and serve until interrupted.

    Raises:
        ModuleNotFoundError: if gradio, or the package of the face reader, is not installed.
        ValueError: if an option is out of range.
        FileNotFoundError: if there is no such model, or a file of the face reader is missing.
        OSError: if the port is taken.
    """
    if find_spec("gradio") is None:
        raise ModuleNotFoundError(
            'gradio, which the app needs, is not installed. Install it with: pip install "diffusionact[app]"'
        )
    settings = make_settings(options)
    from .serving import serve

    serve(settings)


def make_settings(options: argparse.Namespace) -> AppSettings:
    """The settings that options describe.

    Raises:
        ValueError: if a number is out of range.
    """
    if options.port is not None:
        check_in_range("--port", options.port, 1, 65535)
    check_in_range("--max-frames", options.max_frames, 2, 100_000)
    check_in_range("--max-upload-mb", options.max_upload_mb, 1, 100_000)
    check_in_range("--queue", options.queue, 1, 10_000)
    return AppSettings(
        model=options.model,
        device=options.device,
        face_reader=options.tracker,
        host=options.host,
        port=options.port,
        root_path=options.root_path,
        open_browser=options.open,
        limits=Limits(frames=options.max_frames, upload_mb=options.max_upload_mb, queue=options.queue),
    )
