"""Evaluation: the paper's protocols and figures on prepared frames, beside baselines, as a report.

A frame set (`frame_set.py`) gives videos; a protocol (`protocols.py`) makes pairs of them; the plan (`plan.py`) says
which images the tables need; the runner (`runner.py`) makes, measures and keeps them; `report.py` writes the pages.
"""

from .frame_set import FrameSet, load_frame_set
from .observer import FrameSetObserver, Observer
from .protocols import PROTOCOLS, Protocol, ProtocolOptions, Steps, make_protocol, read_pairs
from .rendering import Abilities
from .report import write_report
from .result_store import ResultStore
from .runner import ModelEntry, Runner, RunOptions

__all__ = [
    "PROTOCOLS",
    "Abilities",
    "FrameSet",
    "FrameSetObserver",
    "ModelEntry",
    "Observer",
    "Protocol",
    "ProtocolOptions",
    "ResultStore",
    "RunOptions",
    "Runner",
    "Steps",
    "load_frame_set",
    "make_protocol",
    "read_pairs",
    "write_report",
]
