"""Sub-parsers of commands, filled when their command is named: no command waits for the packages of another."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any


class LateParser(argparse.ArgumentParser):
    """An `argparse.ArgumentParser` whose arguments are added before it parses for the first time.

    Args:
        add_arguments: adds them; None adds nothing.
        options: of `argparse.ArgumentParser`.
    """

    def __init__(self, *, add_arguments: Callable[[argparse.ArgumentParser], None] | None = None, **options: Any):
        super().__init__(**options)
        self._add_arguments = add_arguments

    def parse_known_args(self, args=None, namespace=None):
        """See `argparse.ArgumentParser`."""
        if self._add_arguments is not None:
            add_arguments, self._add_arguments = self._add_arguments, None
            add_arguments(self)
        return super().parse_known_args(args, namespace)
