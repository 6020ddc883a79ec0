"""Commands that other packages bring: entry points of the group "diffusionact.commands".

An entry point is a function that takes argparse's sub-parsers and adds its own, as in `diffusionact_app.command`. It
should import what is heavy only when its command runs.
"""

from __future__ import annotations

import argparse
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec

ENTRY_POINT_GROUP = "diffusionact.commands"
# The app lies beside the library, which does not import it. Named here too, because a checkout, a Space, or an editable
# install that is older than the entry point has no metadata that lists it.
APP = EntryPoint("app", "diffusionact_app.command:add_command", ENTRY_POINT_GROUP)
APP_PACKAGE = "diffusionact_app"
APP_HINT = 'The app is not installed. Install it with: pip install "diffusionact[app]"'


def add_installed_commands(commands: argparse._SubParsersAction) -> None:
    """Add the commands of installed packages. One that cannot be loaded says so when it is called."""
    points = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
    if APP.name not in points and find_spec(APP_PACKAGE) is not None:
        points[APP.name] = APP
    for name, point in sorted(points.items()):
        try:
            add_command = point.load()
        except (ImportError, AttributeError) as error:
            _add_broken_command(commands, name, _reason(point, error))
        else:
            add_command(commands)
    if APP.name not in points:
        _add_broken_command(commands, APP.name, APP_HINT)


def _reason(point: EntryPoint, error: Exception) -> str:
    missing = getattr(error, "name", None) or ""
    if point.name == APP.name and missing.split(".")[0] == APP_PACKAGE:
        return APP_HINT
    return f"The command {point.name!r} could not be loaded from {point.value} ({error}). Reinstall its package."


def _add_broken_command(commands: argparse._SubParsersAction, name: str, reason: str) -> None:
    def run(options: argparse.Namespace) -> None:
        raise ModuleNotFoundError(reason)

    # With another prefix, options are words like all others: whatever was asked for, the reason is what helps.
    parser = commands.add_parser(name, help="not installed completely", prefix_chars="+", add_help=False)
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    parser.set_defaults(run=run)
