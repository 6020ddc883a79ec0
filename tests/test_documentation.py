"""What the pages point at is there: tests by name, images, files, templates; lines and names of tests are short."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "web" / "docs").rglob("*.md"))]
MANUALS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MAX_SCREENSHOT = 250_000  # bytes
MAX_PROSE = 119  # characters of a line
MAX_TEST_NAME = 70


def prose_of(page: Path) -> list[str]:
    """Lines of a page that are neither table nor code."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [line for line in text.splitlines() if not line.startswith(("|", "    "))]


def defined_tests() -> set[str]:
    found = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        found |= set(re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), flags=re.MULTILINE))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_test_that_a_page_names_exists(page):
    named = set(re.findall(r"`(test_\w+)`", page.read_text(encoding="utf-8")))
    assert named <= defined_tests()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", MANUALS, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_of_prose_are_short(page):
    assert [line for line in prose_of(page) if len(line) > MAX_PROSE] == []


def test_names_of_tests_are_short():
    assert sorted(name for name in defined_tests() if len(name) > MAX_TEST_NAME) == []


def test_the_index_leads_to_every_page():
    linked = set(re.findall(r"\]\(([\w./]+\.md)", (ROOT / "docs" / "index.md").read_text(encoding="utf-8")))
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"} <= linked


def test_every_template_has_its_image_in_the_documentation():
    folder = ROOT / "docs" / "images" / "comfyui"
    text = (ROOT / "docs" / "comfyui.md").read_text(encoding="utf-8")
    for workflow in (ROOT / "workflows").glob("*.json"):
        image = folder / f"{workflow.stem}.webp"
        assert f"(images/comfyui/{image.name})" in text
        assert 0 < image.stat().st_size < MAX_SCREENSHOT


CHECKLISTS = {
    "A face reader": 5,
    "A sampler, or a few-step decoder": 5,
    "An engine": 5,
    "A loss": 5,
    "A node": 5,
    "A preset": 5,
    "A conditioning input": 4,
}


def checklists() -> dict[str, list[str]]:
    """Heading of docs/extending.md -> the numbered lines below it."""
    _, *sections = re.split(r"^## ", (ROOT / "docs" / "extending.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = {}
    for section in sections:
        heading, *lines = section.splitlines()
        found[heading] = [line for line in lines if re.match(r"\d+\. ", line)]
    return found


def test_every_kind_of_extension_has_a_checklist():
    assert checklists().keys() == CHECKLISTS.keys()


@pytest.mark.parametrize("heading", CHECKLISTS)
def test_a_checklist_names_few_files_and_all_of_them_exist(heading):
    lines = checklists()[heading]
    assert 0 < len(lines) <= CHECKLISTS[heading]
    for number, line in enumerate(lines, start=1):
        path = re.match(rf"{number}\. `([^`]+)`", line)
        assert path and (ROOT / path[1]).is_file(), line
