"""Downloads against a real server that breaks off: continued, checked, and never half there under the final name."""

import hashlib

import pytest
import requests
from http_files import serving

from diffusionact.weights.download import check_still_encrypted, download

CONTENT = bytes(range(256)) * 5000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server():
    with serving(CONTENT) as server:
        yield server


def fetch(server, path, sha256_start=SHA256[:10]):
    download(server.url, path, sha256_start, progress=False, pause_s=0.0)


def test_a_file_arrives_whole(server, tmp_path):
    fetch(server, tmp_path / "new" / "file.pth")
    assert (tmp_path / "new" / "file.pth").read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file.pth"]


def starts(server):
    return [int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0 for asked in server.requests]


def test_a_connection_that_breaks_off_is_continued_where_it_stopped(server, tmp_path):
    server.break_after = len(CONTENT) // 10
    fetch(server, tmp_path / "file.pth")
    assert (tmp_path / "file.pth").read_bytes() == CONTENT
    steps = [after - before for before, after in zip(starts(server), starts(server)[1:], strict=False)]
    assert len(steps) >= 10 and min(steps) > len(CONTENT) // 20, "nearly all of what arrived is kept"


def test_what_an_earlier_run_left_is_continued(server, tmp_path):
    server.break_after, server.answers_left = len(CONTENT) // 10, 3
    with pytest.raises(OSError, match=r"Expected file\.pth from http.*received \d+ bytes and then 5 times .*goes on"):
        fetch(server, tmp_path / "file.pth")
    assert [path.name for path in tmp_path.iterdir()] == ["file.pth.part"]
    arrived = (tmp_path / "file.pth.part").read_bytes()
    assert len(arrived) > len(CONTENT) // 5 and CONTENT.startswith(arrived)
    server.break_after, server.answers_left, server.requests = None, None, []
    fetch(server, tmp_path / "file.pth")
    assert starts(server) == [len(arrived)]
    assert (tmp_path / "file.pth").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["file.pth"]


def test_a_server_without_ranges_sends_it_again_from_the_beginning(server, tmp_path):
    (tmp_path / "file.pth.part").write_bytes(CONTENT[:1000])
    server.knows_ranges = False
    fetch(server, tmp_path / "file.pth")
    assert (tmp_path / "file.pth").read_bytes() == CONTENT


def test_a_part_that_is_whole_already_is_only_checked(server, tmp_path):
    (tmp_path / "file.pth.part").write_bytes(CONTENT)
    fetch(server, tmp_path / "file.pth")
    assert (tmp_path / "file.pth").read_bytes() == CONTENT and server.requests == [f"bytes={len(CONTENT)}-"]


def test_a_part_that_is_longer_than_the_file_is_thrown_away(server, tmp_path):
    (tmp_path / "file.pth.part").write_bytes(CONTENT + b"more")
    fetch(server, tmp_path / "file.pth")
    assert (tmp_path / "file.pth").read_bytes() == CONTENT


def test_another_file_than_the_published_one_is_rejected_and_removed(server, tmp_path):
    with pytest.raises(ValueError, match=rf"sha256 begins with 619a316812 .*received {SHA256}\. It was removed"):
        fetch(server, tmp_path / "file.pth", "619a316812")
    assert list(tmp_path.iterdir()) == []


def test_a_part_of_another_file_does_not_get_through(server, tmp_path):
    (tmp_path / "file.pth.part").write_bytes(b"x" * 1000)
    with pytest.raises(ValueError, match=r"It was removed: run the command again"):
        fetch(server, tmp_path / "file.pth")
    fetch(server, tmp_path / "file.pth")
    assert (tmp_path / "file.pth").read_bytes() == CONTENT


def test_a_file_that_is_no_longer_there_is_an_error_at_once(server, tmp_path):
    server.status = 404
    with pytest.raises(OSError, match=r"Expected file\.pth from http.*received: 404 .*--url.*weights import"):
        fetch(server, tmp_path / "file.pth")
    assert len(server.requests) == 1 and list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_is_named(tmp_path):
    with serving(CONTENT) as server:
        pass
    with pytest.raises(OSError, match=r"received 0 bytes and then 5 times nothing .*Check the connection"):
        fetch(server, tmp_path / "file.pth")


@pytest.mark.parametrize("url", ["file:///etc/hostname", "no address"])
def test_other_addresses_than_http_are_rejected(tmp_path, url):
    with pytest.raises(OSError, match=r"Expected file\.pth from .*Look whether the address"):
        download(url, tmp_path / "file.pth", SHA256, progress=False, pause_s=0.0)


def test_an_encrypted_address_may_not_be_redirected_to_a_plain_one():
    with pytest.raises(requests.RequestException, match="a redirection to http://b/c, which is not encrypted"):
        check_still_encrypted("HTTPS://a/c", "http://b/c")
    for asked, answered in (
        ("https://a/c", "https://b/c"),
        ("http://a/c", "http://b/c"),
        ("http://a/c", "https://b/c"),
    ):
        check_still_encrypted(asked, answered)


def test_a_disk_that_fails_is_a_clear_error(server, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="^Expected a folder for weights .*received .*Choose .*DIFFUSIONACT_WEIGHTS"):
        fetch(server, tmp_path / "file" / "file.pth")
    (tmp_path / "file.pth.part").mkdir()
    with pytest.raises(OSError, match=r"^Expected to be able to write .*file\.pth\.part.*received .*check"):
        fetch(server, tmp_path / "file.pth")
