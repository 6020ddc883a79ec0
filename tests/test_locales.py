"""Help pages and translations keep step with the nodes: every node, input and output of the inventory is covered."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
INVENTORY = json.loads((ROOT / "tests" / "nodes" / "inventory.json").read_text(encoding="utf-8"))
LANGUAGES = sorted(folder.name for folder in (ROOT / "locales").iterdir())
PAGES = ROOT / "web" / "docs"
SECTIONS = 5  # example, inputs, outputs, hints, what goes wrong


def inputs_of(node: str) -> dict[str, str]:
    return INVENTORY[node]["required"] | INVENTORY[node]["optional"]


def translation(language: str, file: str) -> dict:
    return json.loads((ROOT / "locales" / language / f"{file}.json").read_text(encoding="utf-8"))


def page_of(node: str, language: str) -> Path:
    """English pages are also what readers of other languages get; the schema's own texts are English."""
    return PAGES / f"{node}.md" if language == "en" else PAGES / node / f"{language}.md"


def names_in_table(page: str, section: int) -> list[str]:
    """The names in code type in the first column of a section's table."""
    rows = re.split(r"^## .*$", page, flags=re.MULTILINE)[section].splitlines()
    return [found[1] for row in rows if (found := re.match(r"\|[^|`]*`([^`|]+)` \|", row))]


def test_there_is_a_language_besides_english():
    assert LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("node", INVENTORY)
def test_every_name_and_tooltip_is_translated(language, node):
    translated = translation(language, "nodeDefs")[node]
    assert translated["display_name"] and translated["description"]
    assert translated["inputs"].keys() == inputs_of(node).keys()
    assert sorted(translated["outputs"]) == [str(number) for number in range(len(INVENTORY[node]["outputs"]))]
    texts = [*translated["inputs"].values(), *translated["outputs"].values()]
    assert all(text["name"] and text["tooltip"] for text in texts)


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_name_nothing_else(language):
    assert translation(language, "nodeDefs").keys() == INVENTORY.keys()
    assert "DiffusionAct" in translation(language, "main")["nodeCategories"]


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
@pytest.mark.parametrize("node", INVENTORY)
def test_every_node_has_a_help_page_that_lists_its_inputs_and_outputs(language, node):
    page = page_of(node, language).read_text(encoding="utf-8")
    assert page.startswith("# ")
    assert len(re.findall(r"^## ", page, flags=re.MULTILINE)) == SECTIONS
    assert names_in_table(page, 2) == list(inputs_of(node))
    assert names_in_table(page, 3) == [name for name, _ in INVENTORY[node]["outputs"]]


def test_there_is_no_page_of_a_node_that_is_not_there():
    pages = {page.stem for page in PAGES.glob("*.md")} | {folder.name for folder in PAGES.iterdir() if folder.is_dir()}
    assert pages == INVENTORY.keys()
