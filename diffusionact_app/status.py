"""Progress, estimates and summaries as small pieces of HTML, read out politely by screen readers."""

from __future__ import annotations

from html import escape

from .costs import in_words
from .jobs import JobProgress
from .settings import Limits


def ready_html(
    title: str = "Ready", note: str = "Choose a photo and a video, or an example, and press Animate."
) -> str:
    """What stands there before and between jobs."""
    return _block(f"<strong>{escape(title)}</strong> <span>{escape(note)}</span>", 0.0)


def line_html(title: str, note: str) -> str:
    """A status without a bar."""
    return (
        f'<div class="status-line" role="status" aria-live="polite"><strong>{escape(title)}</strong> '
        f"<span>{escape(note)}</span></div>"
    )


def progress_html(progress: JobProgress, title: str = "") -> str:
    """One line and a bar; a title goes in front."""
    done = max(progress.done, progress.rendered)
    share = min(1.0, done / progress.total) if progress.total else 0.0  # totals may be a header's guess
    spent = in_words(progress.seconds)
    prefix = f"{escape(title)}: " if title else ""
    if progress.stage == "encoding":
        line = f"<strong>{prefix}Reading the source</strong>"
        if progress.total:
            line += f" <span>step {progress.done} of {progress.total}</span>"
        return _block(line, share, live="off")
    if progress.stage == "rendering" and not progress.done:
        return _block(f"<strong>{prefix}Rendering the first frames</strong>", share, live="off")
    if progress.stage == "rendering":
        each = progress.rendering_seconds / progress.done
        left = in_words(each * max(0, progress.total - progress.done))
        line = (
            f"<strong>{prefix}Frame {progress.done} of {progress.total}</strong> <span>{each:.2f} s per frame</span> "
            f"<span>about {left} left</span>"
        )
        return _block(line, share, live="off")
    words = {"done": "Done", "stopped": "Stopped", "broken": "Broke off"}
    line = f"<strong>{prefix}{words[progress.stage]}</strong> <span>{_frames(progress)} in {spent}</span>"
    if progress.done:
        line += f" <span>{progress.rendering_seconds / progress.done:.2f} s per frame</span>"
    if progress.without_face:
        line += f" <span>{progress.without_face} without a face, {progress.faceless}</span>"
    return _block(line, share)


def estimate_html(
    seconds: float | None = None, frames: int = 0, of_frames: int | None = None, limits: Limits | None = None
) -> str:
    """How long the job would take."""
    if seconds is None:
        return '<p class="estimate">The time it takes is shown here before you start.</p>'
    count = f"{frames} frame{'s' if frames > 1 else ''}"
    if of_frames and of_frames > frames:
        count += f" of {of_frames}"
    text, kind = f"{count}, about {in_words(seconds)}.", "estimate"
    if limits is not None and seconds > limits.seconds:
        text += f" The limit is {in_words(limits.seconds)}: choose fewer frames or a lower quality."
        kind += " too-long"
    return f'<p class="{kind}">{text}</p>'


def _frames(progress: JobProgress) -> str:
    if progress.stage == "done":
        return f"{progress.done} frame{'s' if progress.done > 1 else ''}"
    return f"{progress.done} of {progress.total} frames"


def _block(line: str, share: float, live: str = "polite") -> str:
    """`live` is "off" for what changes many times a second, which nobody wants to hear."""
    percent = round(100 * share)
    return (
        f'<div class="status" role="status" aria-live="{live}"><div class="status-line">{line}</div>'
        f'<div class="bar" role="progressbar" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{percent}" '
        f'aria-label="Progress"><div style="width:{percent}%"></div></div></div>'
    )
