"""Figures and images in the files that TensorBoard reads, written by the thread that logs them.

TensorBoard's own writer has a thread for it, whose errors, such as that of a full disk, end in a traceback beside the
message of the run. A line of figures is small enough to be waited for.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import numpy as np
from accelerate.tracking import GeneralTracker, on_main_process
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard.summary import image, scalar

VERSION = "brain.Event:2"  # of the format; only from this version on readers hide what a session made again


class EventFile:
    """A new file of events, for one session of a run.

    Args:
        path: where it is written; what is there is lost.
        first_step: readers hide what earlier files of the folder have from this step on.

    Raises:
        OSError: here and below where a file cannot be written, of which nothing is held back until later.
    """

    def __init__(self, path: Path, first_step: int) -> None:
        self._file = path.open("wb")
        self._records = RecordWriter(self._file)
        self._write(Event(file_version=VERSION))
        self._write(Event(step=first_step, session_log=SessionLog(status=SessionLog.START)))

    def write(self, summaries: list[Summary], step: int) -> None:
        """Write figures or images of a step."""
        for summary in summaries:
            self._write(Event(step=step, summary=summary))

    def close(self) -> None:
        """End the file."""
        self._file.close()

    def _write(self, event: Event) -> None:
        event.wall_time = time.time()
        self._records.write(event.SerializeToString())
        self._records.flush()


class EventFileTracker(GeneralTracker):
    """What accelerate calls to log into `FOLDER/tensorboard`; arguments as of `EventFile`."""

    name = "tensorboard"
    requires_logging_directory = True

    def __init__(self, run_folder: Path, first_step: int) -> None:
        super().__init__()
        self._events: EventFile | None = None
        self._begin(run_folder / self.name, first_step)

    @on_main_process
    def _begin(self, folder: Path, first_step: int) -> None:
        """Begin the file of this session, named as TensorBoard's own are: it sorts sessions by that."""
        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{time.time_ns()}"
        self._events = EventFile(folder / name, first_step)

    @property
    def tracker(self) -> EventFile | None:
        """The file; the main process alone has one."""
        return self._events

    @on_main_process
    def log(self, values: dict[str, float], step: int | None = None) -> None:
        """Write figures of a step."""
        self._events.write([scalar(name, value) for name, value in values.items()], step)

    @on_main_process
    def log_images(self, values: dict[str, np.ndarray], step: int) -> None:
        """Write images (H, W, 3) uint8 of a step."""
        self._events.write([image(name, pixels, dataformats="HWC") for name, pixels in values.items()], step)

    @on_main_process
    def finish(self) -> None:
        """End the file."""
        self._events.close()
