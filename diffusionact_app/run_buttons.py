"""Start, Stop, and Leave the queue: what a press does before a job's turn, during it, and after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import gradio as gr
from gradio.components import Component

from .messages import errors_as_messages
from .sessions import Sessions
from .status import ready_html

WAITING = ready_html("Waiting", "Other visitors come first; it starts by itself.")
# gradio says nothing of a queue that is full.
FAILED = ready_html("Ready", "That was not made. If no message says why, the queue is full: try again later.")


class RunButtons:
    """The buttons of a tab that renders videos, made inside the current row.

    Args:
        label: of the first button.
        prefix: of the buttons' ids in the page.
        sessions: who is told to stop.
    """

    def __init__(self, label: str, prefix: str, sessions: Sessions):
        self.sessions = sessions
        self.start = gr.Button(label, variant="primary", size="lg", elem_id=f"{prefix}-start")
        self.stop = gr.Button("Stop", variant="stop", size="lg", interactive=False, elem_id=f"{prefix}-stop")
        self.leave = gr.Button("Leave the queue", size="lg", visible=False, elem_id=f"{prefix}-leave")

    def connect(
        self, run: Callable, inputs: set[Component], outputs: Iterable[Component], status: gr.HTML, ready: str
    ) -> None:
        """Make the first button run a job.

        Args:
            run: generator of updates, as dictionaries; it tells `running` or `idle` with each.
            inputs: given to `run` as one dictionary.
            outputs: what `run` updates besides the status and the buttons.
            status: says that a job waits.
            ready: what it says otherwise.
        """
        mine = [status, self.start, self.stop, self.leave]
        at_once: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}

        def wait() -> dict:
            return {
                status: WAITING,
                self.start: gr.Button(interactive=False),
                self.stop: gr.Button(visible=False),
                self.leave: gr.Button(visible=True),
            }

        def back() -> dict:
            return {status: ready, **self.idle()}

        running = self.start.click(wait, None, mine, **at_once).then(
            errors_as_messages(run),
            inputs,
            [*outputs, *mine],
            show_progress="hidden",
            concurrency_id="render",
            api_visibility="private",
        )
        running.failure(lambda: {status: FAILED, **self.idle()}, None, mine, **at_once)
        self.leave.click(back, None, mine, cancels=[running], **at_once)
        self.stop.click(self._stop, None, [self.stop], **at_once)

    def running(self) -> dict:
        """Updates for a job at work; with every frame, because the page may lose the first of updates in a row."""
        return {
            self.start: gr.Button(interactive=False),
            self.stop: gr.Button(interactive=True, visible=True),
            self.leave: gr.Button(visible=False),
        }

    def idle(self) -> dict:
        """Updates for no job."""
        return {
            self.start: gr.Button(interactive=True),
            self.stop: gr.Button(interactive=False, visible=True),
            self.leave: gr.Button(visible=False),
        }

    def _stop(self, request: gr.Request) -> Any:
        self.sessions.stop(request.session_hash)
        return gr.Button(interactive=False)
