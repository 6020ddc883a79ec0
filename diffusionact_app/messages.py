"""What a visitor reads when something cannot be done: the three parts of our own errors, never a traceback."""

from __future__ import annotations

import functools
import inspect
import logging
import re
import uuid
from collections.abc import Callable

import gradio as gr
import torch

logger = logging.getLogger(__name__)

# Folders of the server are nobody's business: '/tmp/app/3f/face.png' becomes 'face.png'.
FOLDERS = re.compile(r"(?<![\w.])(?:[A-Za-z]:)?[\\/](?:[^\\/\s'\"]+[\\/])+")


def errors_as_messages(handler: Callable) -> Callable:
    """Wrap a handler, or a generator of updates, so that every error becomes a `gr.Error` with a plain message."""
    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def generate(*arguments, **named):
            try:
                yield from handler(*arguments, **named)
            except Exception as error:
                raise as_message(error) from error

        return generate

    @functools.wraps(handler)
    def call(*arguments, **named):
        try:
            return handler(*arguments, **named)
        except Exception as error:
            raise as_message(error) from error

    return call


def as_message(error: Exception) -> gr.Error:
    """The message for an error; unforeseen ones are logged here with a number that the visitor can quote."""
    if isinstance(error, gr.Error):
        return error
    if isinstance(error, (ValueError, OSError)):
        return _error("That did not work", plain(str(error)))
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        text = "There is not enough memory for this job. Choose a smaller photo, or try again later."
        return _error("Out of memory", text)
    number = uuid.uuid4().hex[:8]
    logger.error("unforeseen error %s", number, exc_info=error)
    text = f"An error inside the app ended the job. Try again; it is logged as {number}."
    return _error("Something broke", text)


def plain(message: str) -> str:
    """A message without the server's folders."""
    return FOLDERS.sub("", message)


def _error(title: str, text: str) -> gr.Error:
    return gr.Error(text, title=title, duration=15, print_exception=False)
