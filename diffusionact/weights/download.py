"""Downloads a file in pieces that survive an interruption, and checks its hash; by HTTP through `requests`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import requests
from tqdm import tqdm

from .. import images
from .folders import make_weights_folder
from .provenance import sha256_of_file

PART_SUFFIX = ".part"
# Small, since the last piece before a break is lost.
CHUNK_BYTES = 2**14
TIMEOUT_S = (10, 60)  # to connect, and between two pieces
ATTEMPTS = 5  # in a row that bring nothing
# Of the user's way to the server; the rest are the server's own answers, which asking again does not change.
PASSING_ERRORS = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


def download(url: str, path: Path, sha256_start: str, progress: bool = True, pause_s: float = 1.0) -> None:
    """Download a file; what an earlier attempt left in `<path>.part` is kept and continued.

    Args:
        url: http or https; redirections are followed, but not from https to plain http; proxies of the environment are
            used.
        path: where it goes once it is whole and its hash is right.
        sha256_start: first digits of its sha256.
        progress: show a bar.
        pause_s: after a break; doubled with each attempt that brings nothing.

    Raises:
        OSError: if the server does not answer, refuses, the connection stays broken, or the disk refuses.
        ValueError: if the file is another one than was published; nothing is kept then.
    """
    make_weights_folder(path.parent)
    part = path.with_name(path.name + PART_SUFFIX)
    with tqdm(desc=path.name, unit="B", unit_scale=True, disable=not progress) as bar:
        attempt, is_whole = 0, False
        while not is_whole:
            done, reason = _size(part), "it ended early"
            try:
                is_whole = _continue(url, part, bar)
            except PASSING_ERRORS as error:
                reason = str(error)
            except requests.RequestException as error:
                raise OSError(
                    f"Expected {path.name} from {url}, received: {error}. Look whether the address still holds, or "
                    "give another one with --url; a file that you have is taken by `diffusionact weights import`."
                ) from error
            except OSError as error:
                raise images.unwritable(part, error) from error
            attempt = 0 if _size(part) > done else attempt + 1
            if attempt == ATTEMPTS:
                raise OSError(
                    f"Expected {path.name} from {url}, received {_size(part)} bytes and then {ATTEMPTS} times nothing "
                    f"({reason}). Check the connection and run the command again: it goes on from there."
                )
            if not is_whole:
                time.sleep(pause_s * 2**attempt)
    received = sha256_of_file(part)
    if not received.startswith(sha256_start):
        part.unlink()
        raise ValueError(
            f"Expected a file whose sha256 begins with {sha256_start} from {url}, received {received}. It was removed: "
            "run the command again, or bring the file yourself with `diffusionact weights import`."
        )
    os.replace(part, path)


def _continue(url: str, part: Path, bar: tqdm) -> bool:
    """Ask for what is missing and append it; returns whether the file is whole."""
    done = _size(part)
    # Not compressed on the way: places in the file would mean something else.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            total = response.headers.get("Content-Range", "").rpartition("/")[2]
            if total == str(done):
                return True
            part.unlink()
            return False
        response.raise_for_status()
        check_still_encrypted(url, response.url)
        if not response.headers.get("Content-Range", "").startswith(f"bytes {done}-"):
            done = 0  # the server sends everything from the beginning
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else None
        bar.total, bar.n = total, done
        with part.open("ab" if done else "wb") as sink:
            _copy(response, sink, bar)
    return total is None or _size(part) == total


def check_still_encrypted(asked: str, answered: str) -> None:
    """Raise requests.RequestException if an https address was redirected to a plain one."""
    if urlsplit(asked).scheme == "https" and urlsplit(answered).scheme != "https":
        raise requests.RequestException(f"a redirection to {answered}, which is not encrypted")


def _copy(response: requests.Response, sink: BinaryIO, bar: tqdm) -> None:
    for chunk in response.iter_content(CHUNK_BYTES):
        sink.write(chunk)
        bar.update(len(chunk))


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0
