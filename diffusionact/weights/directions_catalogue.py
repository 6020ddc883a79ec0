"""The files of "Finding Directions" that a user may bring: its model, and its face coefficients; see `catalogue.py`.

No hash is published for any of them.
"""

from __future__ import annotations

from .official_file import DIRECTIONS_FOLDER_NAME, EMOCA_FOLDER_NAME, OfficialFile

_AUTHORS = "the authors of StelaBou/stylegan_directions_face_reenactment"
_HOW_TO_GET = "download it by the links in the README of StelaBou/stylegan_directions_face_reenactment"
_LICENCE = "none stated by the authors: ask them before any use beyond trying; trained on VoxCeleb, for research"

DIRECTIONS_ENTRIES: tuple[OfficialFile, ...] = (
    OfficialFile(
        name="stylegan-voxceleb",
        purpose="StyleGAN2, the generator of the model directions",
        file_names=("stylegan-voxceleb.pt",),
        origin=_AUTHORS,
        how_to_get=_HOW_TO_GET,
        licence=f"{_LICENCE}; fine-tuned from FFHQ, whose images are non-commercial",
        component=DIRECTIONS_FOLDER_NAME,
        num_parameters=24_767_458 + 174_736,
    ),
    OfficialFile(
        name="e4e-voxceleb",
        purpose="e4e, the inversion encoder of the model directions",
        file_names=("e4e-voxceleb.pt",),
        origin=_AUTHORS,
        how_to_get=_HOW_TO_GET,
        licence=_LICENCE,
        component=DIRECTIONS_FOLDER_NAME,
        num_parameters=209_450_688,
    ),
    OfficialFile(
        name="directions",
        purpose="the matrix A of the model directions; the three files become one model",
        file_names=("A_matrix.pt",),
        origin=_AUTHORS,
        how_to_get=_HOW_TO_GET,
        licence=_LICENCE,
        component=DIRECTIONS_FOLDER_NAME,
        num_parameters=65_536,
    ),
    OfficialFile(
        name="deca",
        purpose="shape, pose, camera and expression coefficients of the face reader deca",
        file_names=("deca_model.tar",),
        origin="yfeng95/DECA, and data.tar.gz of the authors of Finding Directions",
        how_to_get="download deca_model.tar by the links in the README of yfeng95/DECA, after accepting the terms",
        licence="DECA: Max Planck, non-commercial scientific research only",
        component=f"{EMOCA_FOLDER_NAME}/deca_encoder.safetensors",
        num_parameters=25_848_108,
    ),
)
