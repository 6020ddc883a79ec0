"""Files in a store: copied once, anew when they change, and put in one piece."""

import sys

import fsspec
import pytest

from diffusionact.scale import LocalCopies, exists, join, list_files, parent, publish, read_range


@pytest.fixture
def store():
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/photos/a.png", b"first")
    yield memory
    memory.rm("/photos", recursive=True)


def test_a_copy_is_kept_until_its_object_changes(store, tmp_path):
    copies = LocalCopies(tmp_path)
    copy = copies.fetch("memory://photos/a.png")
    assert (copy.read_bytes(), copy.suffix) == (b"first", ".png")
    assert copies.fetch("memory://photos/a.png") == copy
    store.pipe_file("/photos/a.png", b"second")
    assert copies.fetch("memory://photos/a.png").read_bytes() == b"second"


def test_copies_that_were_used_longest_ago_make_room(store, tmp_path):
    copies = LocalCopies(tmp_path, max_bytes=10)
    first = copies.fetch("memory://photos/a.png")
    store.pipe_file("/photos/b.png", b"123456")
    second = copies.fetch("memory://photos/b.png")
    assert second.exists() and not first.exists()


def test_files_are_put_listed_and_read_in_parts(store, tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"0123456789")
    publish(tmp_path / "clip.mp4", "memory://photos/out/clip.mp4")
    assert exists("memory://photos/out/clip.mp4") and not exists("memory://photos/out/other.mp4")
    assert list_files("memory://photos/out", ".mp4") == ["memory://photos/out/clip.mp4"]
    for path in ("memory://photos/out/clip.mp4", str(tmp_path / "clip.mp4")):
        assert read_range(path, 2, 3) == b"234"


def test_names_are_seen_from_the_folder_of_their_table():
    assert parent("s3://bucket/a/jobs.csv") == "s3://bucket/a"
    assert join("s3://bucket/a", "b/c.png") == "s3://bucket/a/b/c.png"
    assert join("folder", "b.png") == "folder/b.png"
    assert join("folder", "/b.png") == "/b.png"
    assert join("folder", "s3://bucket/b.png") == "s3://bucket/b.png"


def test_a_store_without_its_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(ModuleNotFoundError, match=r"diffusionact\[scale\]"):
        exists("s3://bucket/a.png")
