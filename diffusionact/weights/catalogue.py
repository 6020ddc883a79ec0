"""Every file of the authors that a user may bring: what it is for, where it comes from, and on what terms.

A new file is one more entry here, in `directions_catalogue.py` or in `perception_catalogue.py`, and one more
recogniser in `conversion/recognition.py`.
"""

from __future__ import annotations

from .directions_catalogue import DIRECTIONS_ENTRIES
from .official_file import EMOCA_FOLDER_NAME, MODEL_FOLDER_NAME, OfficialFile
from .perception_catalogue import PERCEPTION_ENTRIES

_FACE_ALIGNMENT_LICENCE = "face-alignment: BSD-3-Clause code by Adrian Bulat; no separate terms stated for the weights"
_MPI_LICENCE = "Max Planck, non-commercial scientific research only"
_AUTHORS_README = "links in the README of StelaBou/Diffusion-Act"
_DOWNLOADS = "https://www.adrianbulat.com/downloads/python-fan"

OFFICIAL_ENTRIES: tuple[OfficialFile, ...] = (
    OfficialFile(
        name="diffusionact",
        purpose="reenactment encoder and both UNets",
        file_names=("diffusionact_model.pt",),
        origin="DiffusionAct's authors",
        how_to_get=f"download it by the {_AUTHORS_README}",
        licence="none stated by the authors: ask them before any use beyond trying",
        component=MODEL_FOLDER_NAME,
        num_parameters=2 * 138_341_891 + 30_150_400 + 30_150_412,
    ),
    OfficialFile(
        name="diffae",
        purpose="for comparison only: `convert --diffae` holds diffusionact_model.pt against it",
        file_names=("last.ckpt",),
        origin="phizaz/diffae, model ffhq256_autoenc",
        how_to_get="download ffhq256_autoenc by the links in the README of phizaz/diffae",
        licence="MIT code; trained on FFHQ, whose images are non-commercial",
        component="",
        num_parameters=2 * 168_492_291,
    ),
    OfficialFile(
        name="s3fd",
        purpose="face detector",
        file_names=("s3fd-619a316812.pth",),
        origin="face-alignment's download page",
        how_to_get="`diffusionact weights fetch s3fd`",
        licence=_FACE_ALIGNMENT_LICENCE,
        component=f"{EMOCA_FOLDER_NAME}/face_detector.safetensors",
        num_parameters=22_459_110,
        sha256_starts=("619a316812",),
        url=f"{_DOWNLOADS}/s3fd-619a316812.pth",
    ),
    OfficialFile(
        name="fan",
        purpose="68 landmarks that the crops are taken by; the metric NME",
        file_names=("2DFAN4-11f355bf06.pth.tar",),
        origin="face-alignment's download page",
        how_to_get="`diffusionact weights fetch fan`",
        licence=_FACE_ALIGNMENT_LICENCE,
        component=f"{EMOCA_FOLDER_NAME}/landmark_net.safetensors",
        num_parameters=23_820_176,
        sha256_starts=("11f355bf06",),
        url=f"{_DOWNLOADS}/2DFAN4-11f355bf06.pth.tar",
    ),
    OfficialFile(
        name="gaze",
        purpose="direction of gaze; the gaze loss",
        file_names=("gaze_estimation_model.tar",),
        origin="ETH-XGaze (xucong-zhang/ETH-XGaze), passed on by DiffusionAct's authors",
        how_to_get=f"download it by the {_AUTHORS_README}",
        licence="CC BY-NC-SA 4.0 (ETH-XGaze): non-commercial, share alike",
        component=f"{EMOCA_FOLDER_NAME}/gaze_net.safetensors",
        num_parameters=25_561_130,
    ),
    OfficialFile(
        name="emoca",
        purpose="shape, pose, camera and expression coefficients; the shape and head pose losses",
        file_names=("EMOCA_v2_lr_mse_20/detail/checkpoints/*.ckpt", "cfg.yaml"),
        origin="emoca.is.tue.mpg.de",
        how_to_get="register at emoca.is.tue.mpg.de, accept the terms, download the model EMOCA_v2_lr_mse_20",
        licence=f"EMOCA: {_MPI_LICENCE}",
        component=f"{EMOCA_FOLDER_NAME}/coefficient_encoders.safetensors",
        num_parameters=51_505_566,
    ),
    OfficialFile(
        name="flame",
        purpose="face model: coefficients to 68 landmarks; not needed where EMOCA's checkpoint holds its buffers",
        file_names=("generic_model.pkl", "flame2023.pkl"),
        origin="flame.is.tue.mpg.de (FLAME 2020 or 2023)",
        how_to_get="register at flame.is.tue.mpg.de, accept the terms, download FLAME 2020 or 2023",
        licence=f"FLAME: {_MPI_LICENCE}, unless the download page of your version says otherwise",
        component=f"{EMOCA_FOLDER_NAME}/flame.safetensors",
    ),
    OfficialFile(
        name="flame-landmarks",
        purpose="where the 68 landmarks lie on FLAME's mesh; goes together with flame",
        file_names=("landmark_embedding.npy",),
        origin="yfeng95/DECA, folder data",
        how_to_get="take data/landmark_embedding.npy from the repository yfeng95/DECA",
        licence=f"DECA: {_MPI_LICENCE}",
        component=f"{EMOCA_FOLDER_NAME}/flame.safetensors",
    ),
)
CATALOGUE = OFFICIAL_ENTRIES + DIRECTIONS_ENTRIES + PERCEPTION_ENTRIES


def catalogue_entry(name: str) -> OfficialFile:
    """The entry of that name.

    Raises:
        ValueError: if there is none.
    """
    for entry in CATALOGUE:
        if entry.name == name:
            return entry
    names = ", ".join(entry.name for entry in CATALOGUE)
    raise ValueError(f"Expected the name of a file: {names}; received {name!r}. See `diffusionact weights list`.")
