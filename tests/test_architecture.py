"""Walks every import of the package: arrows that must not be reversed."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "diffusionact"
FILES = sorted(PACKAGE.rglob("*.py"))
NODES = ROOT / "nodes"
NODE_FILES = sorted(NODES.rglob("*.py"))
NODE_LINES = 100
BANNED = {"train", "nodes", "gradio", "gradio_app", "accelerate", "cv2", "comfy", "comfy_api", "folder_paths"}
# room -> rooms it must not import
REVERSED = {
    "images": {"*"},
    "checks": {"*"},
    "types": {"*"},
    "models": {"face", "pipelines", "weights", "conversion", "commands", "video"},
    "schedulers": {"face", "models", "pipelines", "weights", "conversion", "commands"},
    "face": {"models", "schedulers", "pipelines", "weights", "conversion", "commands"},
    "pipelines": {"conversion", "commands", "cli"},
    "losses": {"models", "schedulers", "pipelines", "weights", "conversion", "commands", "video", "metrics"},
    "metrics": {"models", "schedulers", "pipelines", "weights", "conversion", "commands", "video", "losses"},
    "perception": {"models", "schedulers", "pipelines", "conversion", "commands", "video", "metrics"},
    "warping": {"models", "schedulers", "pipelines", "weights", "conversion", "commands", "evaluation", "video"},
    "shards": {"models", "schedulers", "pipelines", "conversion", "commands", "video", "losses", "metrics"},
    "evaluation": {"conversion", "commands", "cli", "losses", "perception"},
    "weights": {"conversion", "commands", "pipelines", "face"},
    "video": {"models", "face", "pipelines", "conversion", "commands"},
    "conversion": {"commands", "pipelines", "cli"},
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
def test_nodes_work_in_a_folder_of_any_name_without_installing_the_library(file):
    for level, module, names in imports_of(file):
        assert "*" not in names
        if level == 0:
            assert module.split(".")[0] not in {"diffusionact", "nodes", "train", "gradio", "gradio_app", "accelerate"}
        elif level == 2:
            assert module.split(".")[0] == "diffusionact"
            assert not {"conversion", "commands", "cli"} & {*module.split("."), *names}
        else:
            assert level == 1


@pytest.mark.parametrize("file", NODE_FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_node_files_are_short_and_execute_is_shorter(file):
    text = file.read_text()
    assert len(text.splitlines()) <= NODE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.name == "execute":
            assert node.end_lineno - node.body[0].lineno < 20


def test_the_entry_point_imports_nothing_of_comfyui_or_ours_until_it_is_called():
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


APP = ROOT / "diffusionact_app"
APP_FILES = sorted(APP.rglob("*.py"))
# Of the app: what works without a page, and so without gradio.
APP_WORK = {"animation", "checks", "costs", "engine", "examples", "sessions", "settings", "turns", "vision", "zero_gpu"}


@pytest.mark.parametrize("file", APP_FILES, ids=lambda file: file.name)
def test_app_sees_the_library_from_outside_and_only_its_page_sees_gradio(file):
    for level, module, names in imports_of(file):
        assert "*" not in names
        if level == 0:
            assert module.split(".")[0] not in BANNED - {"gradio"}
            assert not any(part.startswith("_") for part in module.split(".") if part != "__future__")
        if file.stem in APP_WORK:
            assert module.split(".")[0] != "gradio"


def test_nobody_but_the_app_imports_gradio():
    rooms = [ROOT / "train", ROOT / "benchmarks", NODES, PACKAGE]
    for file in (file for room in rooms for file in room.rglob("*.py")):
        assert "gradio" not in {module.split(".")[0] for _, module, _ in imports_of(file)}, file
