"""What the catalogue says of files, and that the page of licences names all of them."""

from pathlib import Path

import pytest

from diffusionact.weights import CATALOGUE

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "licences.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_the_page_of_licences_names_every_file(entry):
    for name in entry.file_names:
        assert all(part in PAGE for part in name.split("/")[0].split("*"))


def test_names_and_parts_are_told_apart():
    assert len({entry.name for entry in CATALOGUE}) == len(CATALOGUE)
    # Two files make the head, and three the model of directions.
    several = ("emoca/flame.safetensors", "directions")
    parts = [entry.component for entry in CATALOGUE if entry.component and entry.component not in several]
    assert len(set(parts)) == len(parts)


def test_what_may_be_fetched_has_a_hash_to_check():
    for entry in CATALOGUE:
        assert entry.url == "" or (entry.url.startswith("https://") and len(entry.sha256_starts[0]) >= 8)
        assert all(set(start) <= set("0123456789abcdef") for start in entry.sha256_starts)
