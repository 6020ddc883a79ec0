"""What is known of a file that users bring, before anybody has seen it; the parts of the weights folder."""

from __future__ import annotations

from dataclasses import dataclass

MODEL_FOLDER_NAME = "diffusionact"
EMOCA_FOLDER_NAME = "emoca"
PERCEPTION_FOLDER_NAME = "perception"
DIRECTIONS_FOLDER_NAME = "directions"


@dataclass(frozen=True)
class OfficialFile:
    """What is known of a file before anybody has seen it.

    Attributes:
        name: word for it on the command line.
        purpose: what it does here.
        file_names: as published; files are recognised by their content all the same.
        origin: where it comes from, for people.
        how_to_get: what a user does to get it.
        licence: in one line.
        component: path in the weights folder of what it becomes; empty if nothing is made of it.
        num_parameters: values of the networks inside, as far as known.
        sha256_starts: first digits of the hash of the published file, or of each published variant; empty where it is
            nowhere published and so unknown until somebody sees the file.
        url: direct address, only where the terms allow fetching without registration.
    """

    name: str
    purpose: str
    file_names: tuple[str, ...]
    origin: str
    how_to_get: str
    licence: str
    component: str
    num_parameters: int | None = None
    sha256_starts: tuple[str, ...] = ()
    url: str = ""
