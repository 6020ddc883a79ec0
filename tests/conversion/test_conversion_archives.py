"""Files behind folders and archives: found, unpacked inside their folder, within limits."""

import io
import os
import tarfile
import zipfile

import pytest
import torch

from diffusionact.conversion import archives
from diffusionact.conversion.archives import found_files


@pytest.fixture
def find(tmp_path):
    """Files that are found: how they are shown (below tmp_path) -> content; a problem is raised."""
    (tmp_path / "temporary").mkdir()

    def run(*paths):
        found = list(found_files(paths, tmp_path / "temporary"))
        for problem in (file.problem for file in found if file.problem):
            raise ValueError(problem)
        return {file.shown.replace(f"{tmp_path}/", ""): file.path.read_bytes() for file in found}

    return run


def zipped(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(path, files, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def outside(tmp_path):
    """Everything in tmp_path that is not in the temporary folder."""
    return sorted(path.name for path in tmp_path.rglob("*") if "temporary" not in path.parts)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_known_kinds_of_files_come_out_of_a_tar(tmp_path, find, mode):
    path = tarred(tmp_path / "a.tar", {"m/cfg.yaml": b"1", "m/b/c.ckpt": b"22", "m/readme.txt": b"no"}, mode)
    assert find(path) == {"a.tar: m/b/c.ckpt": b"22", "a.tar: m/cfg.yaml": b"1"}


def test_zips_folders_and_single_files_are_looked_into_together(tmp_path, find):
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "deep" / "x.pkl").write_bytes(b"x")
    (tmp_path / "folder" / "notes.md").write_bytes(b"no")
    zipped(tmp_path / "folder" / "b.zip", {"FLAME/generic_model.pkl": b"y"})
    (tmp_path / "single.bin").write_bytes(b"z")
    found = find(tmp_path / "folder", tmp_path / "single.bin")
    shown = {"folder/b.zip: FLAME/generic_model.pkl": b"y", "folder/deep/x.pkl": b"x", "single.bin": b"z"}
    assert found == shown


def test_an_archive_inside_an_archive_is_opened_but_not_for_ever(tmp_path, find):
    inner = zipped(tmp_path / "inner.zip", {"a.pkl": b"a"}).read_bytes()
    middle = zipped(tmp_path / "middle.zip", {"inner.zip": inner}).read_bytes()
    assert find(tmp_path / "middle.zip") == {"middle.zip: inner.zip: a.pkl": b"a"}
    zipped(tmp_path / "outer.zip", {"middle.zip": middle})
    assert list(find(tmp_path / "outer.zip")) == ["outer.zip: middle.zip: inner.zip"]


@pytest.mark.parametrize("new", [True, False])
def test_pytorchs_own_files_are_no_archives_whatever_they_are_called(tmp_path, find, new):
    torch.save({"a": torch.zeros(2)}, tmp_path / "gaze.tar", _use_new_zipfile_serialization=new)
    assert list(find(tmp_path / "gaze.tar")) == ["gaze.tar"]


@pytest.mark.parametrize("name", ["../evil.pkl", "a/../../evil.pkl", "/tmp/evil.pkl", "..\\evil.pkl", "C:\\evil.pkl"])
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_name_that_leads_out_of_the_archive_is_rejected(tmp_path, find, name, pack):
    path = pack(tmp_path / "a.archive", {name: b"evil"})
    with pytest.raises(ValueError, match=r"Expected files inside the archive's own folder, received .*evil\.pkl"):
        find(path)
    assert outside(tmp_path) == ["a.archive"]
    assert not os.path.exists("/tmp/evil.pkl")


def test_links_and_devices_are_passed_over(tmp_path, find):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, kind in (
            ("link.pkl", tarfile.SYMTYPE),
            ("hard.pkl", tarfile.LNKTYPE),
            ("device.pkl", tarfile.CHRTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/hostname"
            archive.addfile(info)
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        link = zipfile.ZipInfo("link.pkl")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/hostname")
    assert find(tmp_path / "a.tar", tmp_path / "b.zip") == {}


def test_a_file_that_unpacks_to_more_than_it_says_is_rejected(tmp_path, find):
    path = zipped(tmp_path / "bomb.zip", {"a.pkl": b"0" * 100_000})
    content = path.read_bytes()
    said = (100_000).to_bytes(4, "little")
    assert content.count(said) == 2
    path.write_bytes(content.replace(said, (10).to_bytes(4, "little")))
    with pytest.raises(ValueError, match="Expected"):
        find(path)


@pytest.mark.parametrize(("limit", "value"), [("MAX_MEMBER_BYTES", 10), ("MAX_UNPACKED_BYTES", 30), ("MAX_MEMBERS", 1)])
def test_too_much_in_an_archive_is_rejected_before_it_is_unpacked(tmp_path, find, monkeypatch, limit, value):
    path = zipped(tmp_path / "a.zip", {"a.pkl": b"0" * 20, "b.pkl": b"0" * 20})
    monkeypatch.setattr(archives, limit, value)
    with pytest.raises(ValueError, match=r"Expected (an archive of )?at most .*Unpack it yourself"):
        find(path)
    assert [file for file in (tmp_path / "temporary").rglob("*") if file.is_file()] == []


def test_a_disk_without_room_is_an_error_before_anything_is_written(tmp_path, find, monkeypatch):
    path = zipped(tmp_path / "a.zip", {"a.pkl": b"0" * 20})
    monkeypatch.setattr(archives, "SPARE_BYTES", 2**60)
    with pytest.raises(OSError, match=r"Expected \d+ MiB free to unpack .*a\.zip, received .*Free some space"):
        find(path)


def test_damaged_archives_are_rejected(tmp_path, find):
    path = zipped(tmp_path / "a.zip", {"a.pkl": os.urandom(5000)})
    content = bytearray(path.read_bytes())
    content[2000] ^= 255
    path.write_bytes(content)
    twice = tarred(tmp_path / "b.tar", {"a.pkl": b"1"}, "w")
    with tarfile.open(twice, "a") as archive:
        archive.addfile(tarfile.TarInfo("a.pkl"))
    for damaged in (path, twice):
        with pytest.raises(ValueError, match=r"Expected a whole archive, received .*Download it again"):
            find(damaged)


def test_damage_of_every_kind_is_said_in_words(tmp_path, find):
    content = {"a.pkl": os.urandom(1_500_000)}  # more than one block of bzip2
    listing = bytearray(zipped(tmp_path / "a.zip", content).read_bytes())
    listing[listing.find(b"PK\x01\x02")] ^= 255
    damaged = {"listing.zip": bytes(listing)}
    for mode in ("w:gz", "w:bz2", "w:xz"):
        packed = bytearray(tarred(tmp_path / "a.tar", content, mode).read_bytes())
        damaged[f"{mode[2:]}_cut.tar"] = bytes(packed[:-200_000])
        packed[-200_000:-100_000] = os.urandom(100_000)
        damaged[f"{mode[2:]}_overwritten.tar"] = bytes(packed)
    damaged["cut_early.tar"] = tarred(tmp_path / "a.tar", content).read_bytes()[:40]
    for name, packed in damaged.items():
        (tmp_path / name).write_bytes(packed)
        with pytest.raises(ValueError, match=rf"Expected a whole archive, received .*{name} .*Download it again"):
            find(tmp_path / name)


@pytest.mark.parametrize("name", ["x" * 300 + ".pkl", "a\0b.pkl"])
def test_names_that_no_disk_takes_are_said_in_words(tmp_path, find, name):
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("a.pkl")
        info.pax_headers, info.size = {"path": name}, 1
        archive.addfile(info, io.BytesIO(b"1"))
    with pytest.raises((ValueError, OSError), match="^Expected .* received "):
        find(tmp_path / "a.tar")


def test_a_path_that_does_not_exist_stops_before_any_work(tmp_path, find):
    path = zipped(tmp_path / "a.zip", {"a.pkl": b"a"})
    with pytest.raises(FileNotFoundError, match=r"received .*nowhere, which is none"):
        find(path, tmp_path / "nowhere")
    assert list((tmp_path / "temporary").iterdir()) == []
