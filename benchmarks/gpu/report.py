"""The results as tables for people."""

from __future__ import annotations

from collections.abc import Mapping

from .sections import Row


def print_report(results: Row, titles: Mapping[str, str]) -> None:
    """One Markdown table a section, what was left out below it."""
    print("\n" + ", ".join(f"{name} {value}" for name, value in results["machine"].items()))
    for name, section in results["sections"].items():
        state = "" if section["finished"] else ", out of time"
        print(f"\n## {titles[name]} ({section['seconds']:.0f} s{state})\n")
        print_table(section["rows"])
        for word, reasons in (("left out", section["left_out"]), ("FAILED", section["failed"])):
            for case, reason in reasons.items():
                print(f"{word}: {case}: {reason}")


def print_table(rows: list[Row]) -> None:
    """Rows may lack some of the columns."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    if not columns:
        return
    print("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))
    for row in rows:
        print("| " + " | ".join(_words(row.get(column, "")) for column in columns) + " |")


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "NO"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
