"""Where the person segmenter's net is read from."""

import io
import tarfile

import pytest

from tools.person_segmenter import MEMBER, read_net

NET = b"\x1c\x00\x00\x00TFL3" + bytes(16)


def write_archive(path, member):
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo(member)
        entry.size = len(NET)
        archive.addfile(entry, io.BytesIO(NET))
    return path


def test_net_is_read_from_the_package_and_from_the_bare_file(tmp_path):
    bare = tmp_path / "selfie_segmentation.tflite"
    bare.write_bytes(NET)
    assert read_net(bare) == NET
    assert read_net(write_archive(tmp_path / "package.tgz", MEMBER)) == NET


def test_other_files_are_rejected_with_what_to_pass(tmp_path):
    other = tmp_path / "other.bin"
    other.write_bytes(bytes(64))
    with pytest.raises(ValueError, match="pass one of these"):
        read_net(other)
    with pytest.raises(ValueError, match="pass the npm package"):
        read_net(write_archive(tmp_path / "other.tgz", "package/index.js"))
