"""Many independent tasks, each done once: in this process or on Ray, with files in any store that fsspec knows."""

from .arguments import add_arguments, run_tasks
from .stores import (
    LocalCopies,
    content_stamp,
    exists,
    is_remote,
    join,
    list_files,
    parent,
    publish,
    read_range,
    read_text,
    write_text,
)
from .summary import Summary
from .tasks import MAX_TRIES, Outcome, run_in_process

__all__ = [
    "MAX_TRIES",
    "LocalCopies",
    "Outcome",
    "Summary",
    "add_arguments",
    "content_stamp",
    "exists",
    "is_remote",
    "join",
    "list_files",
    "parent",
    "publish",
    "read_range",
    "read_text",
    "run_in_process",
    "run_tasks",
    "write_text",
]
