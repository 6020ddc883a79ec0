"""Start the app: model, folder for files, page, server. No telemetry, no share link, nothing fetched but the model."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

# Read by gradio when it is imported.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import gradio as gr
import torch
from gradio.utils import get_upload_folder

from diffusionact import DiffusionActPipeline
from diffusionact.devices import choose_device

from .context import make_context
from .examples import DEMO_MEDIA, MEDIA
from .page import build_page
from .sessions import Sessions
from .settings import AppSettings
from .shared_model import SharedModel
from .theme import STYLE, make_theme
from .zero_gpu import IS_ZERO_GPU

logger = logging.getLogger(__name__)

# Visits that gradio remembers, at 0.2 MB each; every call of the API is one, and nobody says when it is over.
MAX_VISITS = 500


def make_page(settings: AppSettings) -> gr.Blocks:
    """Load the model and build the page.

    Raises:
        FileNotFoundError: if there is no such model, or a file of the face reader is missing.
        ModuleNotFoundError: if the package of the face reader is not installed.
        ValueError: if it cannot be loaded, or there is no such device or face reader.
    """
    _set_threads(settings.threads)
    files = _files_folder(settings.files)
    device = choose_device(settings.device)
    pipeline = DiffusionActPipeline.from_pretrained(settings.model, device=device, face_reader=settings.face_reader)
    model = SharedModel(pipeline, Path(settings.model).name)
    if not IS_ZERO_GPU:  # there is no GPU outside of calls
        model.warm_up()
    sessions = Sessions(files / "results", settings.limits.keep_seconds)
    return build_page(make_context(model, settings.limits, sessions))


def serve(settings: AppSettings, block: bool = True) -> gr.Blocks:
    """Start the app; with `block` until it is interrupted.

    Raises:
        ConnectionError: if the page cannot be reached from this machine.
        OSError: if the port is taken.
    """
    logging.getLogger("httpx").setLevel(logging.WARNING)
    page = make_page(settings)
    page.queue(max_size=settings.limits.queue, default_concurrency_limit=settings.limits.at_once)
    launch(
        page,
        server_name=settings.host,
        server_port=settings.port,
        root_path=settings.root_path,
        inbrowser=settings.open_browser,
        share=False,
        theme=make_theme(),
        css_paths=[STYLE],
        max_file_size=settings.limits.upload_mb * 1024 * 1024,
        state_session_capacity=MAX_VISITS,
        allowed_paths=[str(MEDIA), str(DEMO_MEDIA)],
        enable_monitoring=False,
        run_history=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        footer_links=["api"],
        prevent_thread_lock=True,
        quiet=True,
    )
    logger.info("The app is at %s (model: %s, files: %s)", page.local_url, settings.model, get_upload_folder())
    if block:
        page.block_thread()
    return page


def launch(page: gr.Blocks, **options: Any) -> None:
    """Call `page.launch`, once more where a busy machine took longer than the 3 s in which gradio must reach itself.

    Raises:
        ConnectionError: if the page still cannot be reached.
        OSError: if the port is taken.
    """
    for is_last in (False, True):
        try:
            page.launch(**options)
            return
        except ValueError as error:
            if "localhost is not accessible" not in str(error):
                raise
            page.close()
            if is_last:
                raise ConnectionError(
                    "Expected the page to answer from this machine within 3 s, received nothing. Let a proxy leave out "
                    "this machine (NO_PROXY=127.0.0.1,localhost), or start again when less is going on."
                ) from error


def _set_threads(threads: int | None) -> None:
    """Half of the processors: they are mostly hyper-threads, and small networks get slower with more."""
    if threads is None and "OMP_NUM_THREADS" not in os.environ:
        threads = max(1, (os.cpu_count() or 2) // 2)
    if threads is not None:
        torch.set_num_threads(threads)


def _files_folder(chosen: Path | None) -> Path:
    """The folder for uploads and results, as gradio knows it too."""
    if chosen is None and "GRADIO_TEMP_DIR" in os.environ:
        chosen = Path(os.environ["GRADIO_TEMP_DIR"])
    if chosen is None:
        chosen = Path(tempfile.mkdtemp(prefix="diffusionact-app-"))
        atexit.register(shutil.rmtree, chosen, ignore_errors=True)
    chosen = chosen.resolve()
    chosen.mkdir(parents=True, exist_ok=True)
    os.environ["GRADIO_TEMP_DIR"] = str(chosen)
    return chosen
