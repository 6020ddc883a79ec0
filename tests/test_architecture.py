"""Walks every import of the package: arrows that must not be reversed."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "diffusionact"
FILES = sorted(PACKAGE.rglob("*.py"))
NODES = ROOT / "nodes"
APP = ROOT / "diffusionact_app"
APP_FILES = sorted(APP.rglob("*.py"))
NODE_FILES = sorted(NODES.rglob("*.py"))
# Beside the library; none of them is imported by it.
AROUND = {"train", "portraits", "tools", "benchmarks", "nodes", "diffusionact_app", "gradio_app"}
BANNED = AROUND | {"gradio", "accelerate", "cv2", "numba", "comfy", "comfy_api", "folder_paths"}
TOP = {"pipelines", "commands", "cli", "evaluation", "live"}
# room -> rooms it must not import
REVERSED = {
    "images": {"*"},
    "checks": {"*"},
    "types": {"*"},
    "devices": {"*"},
    "models": TOP | {"face", "weights", "generation", "video", "data", "perception", "losses", "metrics"},
    "schedulers": TOP | {"face", "models", "weights", "generation", "video", "data"},
    "face": TOP | {"models", "schedulers", "generation", "video", "data", "losses", "metrics", "perception"},
    "motion": TOP | {"models", "schedulers", "generation", "video", "data", "losses", "metrics", "warping", "weights"},
    "warping": TOP | {"models", "schedulers", "generation", "video", "data", "losses", "metrics"},
    "generation": TOP | {"video", "data", "losses", "metrics", "perception"},
    "pipelines": {"commands", "cli", "evaluation", "live", "losses", "metrics", "perception"},
    "losses": TOP | {"models", "schedulers", "generation", "weights", "video", "metrics"},
    "metrics": TOP | {"models", "schedulers", "generation", "weights", "video", "losses"},
    "perception": TOP | {"models", "schedulers", "generation", "video", "metrics"},
    "data": TOP | {"models", "schedulers", "generation", "video", "losses", "metrics"},
    "evaluation": {"commands", "cli", "live", "losses"},
    "live": {"commands", "cli", "evaluation", "data", "losses", "metrics", "perception", "weights"},
    "weights": TOP | {"models", "face", "generation"},
    "video": TOP | {"models", "face", "generation"},
    "conversion": TOP,
    "scale": TOP | {"models", "schedulers", "generation", "face", "video", "data", "losses", "metrics", "perception"},
}


def imports_of(file: Path) -> list[tuple[int, str, list[str]]]:
    """(level, module, names) of every import statement; level 0 is absolute."""
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found += [(0, alias.name, []) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.level, node.module or "", [alias.name for alias in node.names]))
    return found


def rooms_imported(file: Path) -> set[str]:
    """First-level rooms of the package that a file imports relatively."""
    depth = len(file.relative_to(PACKAGE).parts)
    rooms = set()
    for level, module, names in imports_of(file):
        if level == depth:  # relative to the package's root
            rooms |= {module.split(".")[0]} if module else set(names)
    return rooms


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_arrows_between_rooms_hold(file):
    room = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    forbidden = REVERSED.get(room, set())
    imported = rooms_imported(file)
    assert not (imported if "*" in forbidden else imported & forbidden)
    if room not in ("conversion", "commands"):
        assert "conversion" not in imported


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_package_imports_itself_relatively_and_nothing_banned(file):
    for level, module, names in imports_of(file):
        assert "*" not in names
        if level == 0:
            assert module.split(".")[0] not in BANNED | {"diffusionact"}


@pytest.mark.parametrize("file", NODE_FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_nodes_work_in_a_folder_of_any_name(file):
    """Without the library being installed: all that is ours is imported relatively, from the pack's own folder."""
    out_of_the_room = len(file.relative_to(ROOT).parts)
    for level, module, names in imports_of(file):
        assert "*" not in names
        if level == 0:
            assert module.split(".")[0] not in AROUND | {"diffusionact", "gradio", "accelerate"}
        elif level == out_of_the_room:
            assert module.split(".")[0] == "diffusionact"
            assert not {"conversion", "commands", "cli"} & {*module.split("."), *names}
        else:
            assert level < out_of_the_room


def test_only_nodes_import_comfyui():
    for file in (file for room in (PACKAGE, APP, ROOT / "train", ROOT / "portraits") for file in room.rglob("*.py")):
        imported = {module.split(".")[0] for _, module, _ in imports_of(file)}
        assert not imported & {"comfy", "comfy_api", "folder_paths"}, file


@pytest.mark.parametrize("file", NODE_FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_execute_is_short(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef) and node.name == "execute":
            assert node.end_lineno - node.body[0].lineno < 20


def test_entry_point_imports_nothing_until_it_is_called():
    tree = ast.parse((ROOT / "__init__.py").read_text())
    imported = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert [alias.name for node in imported for alias in node.names] == ["logging"]
    assert "NODE_CLASS_MAPPINGS" not in ast.dump(tree), "with it, ComfyUI would not look at the entry point"


def test_public_names_are_the_agreed_ones():
    import diffusionact

    assert sorted(diffusionact.__all__) == sorted(
        [
            "DDIMScheduler",
            "DiffusionActPipeline",
            "FacePose",
            "OpenFaceTracker",
            "PoseOptions",
            "ReenactedFrame",
            "ReenactmentEncoder",
            "SemanticEncoder",
            "SourceCodes",
            "UNet",
        ]
    )


# Of the app: what works without a page, and so without gradio.
APP_WORK = {"animation", "background", "checks", "command", "composing", "costs", "examples", "fair_lock", "sessions"}
APP_WORK |= {"live_sessions", "settings", "shared_model", "vision", "zero_gpu", "jobs", "clip_job", "group_job"}
APP_WORK |= {"group_clip_job", "rendering", "scene_panels"}


@pytest.mark.parametrize("file", APP_FILES, ids=lambda file: file.name)
def test_app_sees_the_library_from_outside(file):
    for level, module, names in imports_of(file):
        assert "*" not in names
        if level == 0:
            assert module.split(".")[0] not in BANNED - {"gradio", "diffusionact_app"}
            assert not any(part.startswith("_") for part in module.split(".") if part != "__future__")
        if file.stem in APP_WORK:
            assert module.split(".")[0] != "gradio"


def test_one_file_imports_ray_and_the_pipelines_do_not_know_it():
    rooms = [ROOT / "train", ROOT / "portraits", APP, NODES, PACKAGE]
    files = [file for room in rooms for file in room.rglob("*.py")]
    with_ray = [file for file in files if "ray" in {module.split(".")[0] for _, module, _ in imports_of(file)}]
    assert with_ray == [PACKAGE / "scale" / "ray_cluster.py"]
    below = [file for file in FILES if file.relative_to(PACKAGE).parts[0] not in ("commands", "scale")]
    assert not [file for file in below if "scale" in rooms_imported(file)]


def test_nobody_but_the_app_imports_gradio():
    rooms = [ROOT / "train", ROOT / "benchmarks", NODES, PACKAGE]
    for file in (file for room in rooms for file in room.rglob("*.py")):
        assert "gradio" not in {module.split(".")[0] for _, module, _ in imports_of(file)}, file
