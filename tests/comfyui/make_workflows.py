"""Writes the templates of `workflows/` from their sources: `make workflows`, or `make workflows NAMES="one another"`.

A source, `workflow_sources/NAME.json`, has the nodes in API format and says how they lie:

    note        lines of Markdown for the note left of the first column
    columns     [{"title": str, "nodes": [id, ...]}, ...] from left to right; a column with a title gets a frame
    nodes       {id: {"class_type", "inputs", optional "title" and "size": [width, height]}}; widgets that are not
                named have their defaults
    thumbnail   node ids or files of the input folder, up to three images: the last one large, the others left of it;
                of clips the same frame, the middle of the shortest

ComfyUI's page lays the nodes out and saves them, then its server runs them for the thumbnail.
"""

import argparse
import json
import shutil
import tempfile
import uuid
from functools import partial
from pathlib import Path
from typing import Any

import av
from browser import launched_browser, open_page_in
from comfyui_client import ComfyUIClient
from comfyui_page import fit_view, load_api_format, load_ui_format, open_comfyui, saved, shown_prompt
from comfyui_process import ROOT, Installation, ServerProcess, copy_demo_media
from PIL import Image, ImageOps

SOURCES = Path(__file__).resolve().parent / "workflow_sources"
WORKFLOWS = ROOT / "workflows"
TITLE_HEIGHT, ROW_GAP, COLUMN_GAP, FRAME = 30, 40, 60, 20  # px of the page at 100 %
FRAME_TITLE_HEIGHT = 40
NOTE_SIZE = (380, 420)
NOTE_COLOURS = {"color": "#233", "bgcolor": "#355"}
FRAME_COLOUR = "#3f789e"
RESULT_SIZE, INSET_SIZE = 400, 200  # together an image of 3 : 2
THUMBNAIL_COLOUR = "#222"
BEHIND_COLOUR = "#3f789e"  # seen through what is transparent


def without_nulls(value: Any) -> Any:
    """The page saves many empty fields and names in the language it runs in; drop them, but keep open links."""
    if isinstance(value, dict):
        kept = {key: without_nulls(item) for key, item in value.items() if key != "localized_name"}
        return {key: item for key, item in kept.items() if item is not None or key in ("link", "links")}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def place_column(column: dict[str, Any], nodes: dict[str, dict], left: float) -> tuple[float, float]:
    """Stack a column's nodes, equally wide, from y = 0 down; returns its right edge and lower edge."""
    top, width = 0.0, max(nodes[name]["size"][0] for name in column["nodes"])
    for name in column["nodes"]:
        nodes[name]["pos"] = [left, top + TITLE_HEIGHT]
        nodes[name]["size"][0] = width
        top += TITLE_HEIGHT + nodes[name]["size"][1] + ROW_GAP
    return left + width, top - ROW_GAP


def place_nodes(graph: dict[str, Any], source: dict[str, Any]) -> list[dict[str, Any]]:
    """Give every node of a saved graph its position; returns the frames around the columns that have a title."""
    nodes = {str(node["id"]): node for node in graph["nodes"]}
    for name, node in nodes.items():
        wished = source["nodes"][name]
        node["size"] = [max(pair) for pair in zip(node["size"], wished.get("size", (0, 0)), strict=True)]
        if "title" in wished:
            node["title"] = wished["title"]
    frames, left = [], 0.0
    for number, column in enumerate(source["columns"], 1):
        right, bottom = place_column(column, nodes, left)
        if "title" in column:
            top = -FRAME - FRAME_TITLE_HEIGHT
            box = [left - FRAME, top, right - left + 2 * FRAME, bottom - top + FRAME]
            frames.append({"id": number, "title": column["title"], "bounding": box, "color": FRAME_COLOUR, "flags": {}})
        left = right + 2 * FRAME + COLUMN_GAP
    return frames


def add_note(graph: dict[str, Any], source: dict[str, Any]) -> None:
    """Put the source's note left of the first column."""
    size = list(source.get("note_size", NOTE_SIZE))
    corner = [-size[0] - FRAME - COLUMN_GAP, TITLE_HEIGHT - FRAME - FRAME_TITLE_HEIGHT]
    number = graph["last_node_id"] = graph["last_node_id"] + 1
    note = {"id": number, "type": "MarkdownNote", "title": "About", "pos": corner, "size": size, "mode": 0, "order": 0}
    note |= {"flags": {}, "inputs": [], "outputs": [], "properties": {}, "widgets_values": ["\n".join(source["note"])]}
    graph["nodes"].append(note | NOTE_COLOURS)


def api_format(source: dict[str, Any]) -> dict[str, Any]:
    """A source's nodes without what only concerns the layout."""
    return {name: {key: node[key] for key in ("class_type", "inputs")} for name, node in source["nodes"].items()}


def make_template(page, name: str, source: dict[str, Any]) -> dict[str, Any]:
    """The source as the page saves it.

    Raises:
        ValueError: if the page would run something else than the source says.
    """
    load_api_format(page, api_format(source))
    for _ in range(2):  # nodes grow when their images have come, and once more when their column makes them wider
        page.wait_for_timeout(1000)
        graph = saved(page)
        graph["groups"] = place_nodes(graph, source)
        load_ui_format(page, graph)
    add_note(graph, source)
    load_ui_format(page, graph)
    shown = without_nulls(saved(page))
    shown["id"] = str(uuid.uuid5(uuid.NAMESPACE_URL, f"diffusionact/workflows/{name}"))
    shown["extra"].pop("ds", None)
    would_run = shown_prompt(page)
    for node, wished in api_format(source).items():
        got = would_run.get(node, {"class_type": None, "inputs": {}})
        if got["class_type"] != wished["class_type"] or not wished["inputs"].items() <= got["inputs"].items():
            raise ValueError(f"{name}: node {node} should run {wished}, the page would run {got}")
    return shown


def images_of(file: Path) -> list[Image.Image]:
    """All frames of a clip, or the one image."""
    if file.suffix.lower() not in (".mp4", ".webm", ".mkv", ".mov"):
        image = Image.open(file).convert("RGBA")
        return [Image.alpha_composite(Image.new("RGBA", image.size, BEHIND_COLOUR), image).convert("RGB")]
    with av.open(file) as container:
        return [frame.to_image() for frame in container.decode(video=0)]


def make_thumbnail(client: ComfyUIClient, prompt: dict[str, Any], names: list[str], file: Path) -> None:
    """Run a workflow and make one image of `names`, its nodes or input files."""
    run = client.run(prompt, timeout=1800)
    if run.status != "success":
        raise ValueError(f"{file.stem} ended with {run.status}: {run.error}")
    inputs = client.server.base / "input"
    clips = [images_of(file) for item in names for file in run.files.get(item, [inputs / item])]
    middle = min((len(clip) for clip in clips if len(clip) > 1), default=0) // 2
    *insets, large = [clip[min(middle, len(clip) - 1)] for clip in clips]
    sheet = Image.new("RGB", (RESULT_SIZE + INSET_SIZE, RESULT_SIZE), THUMBNAIL_COLOUR)
    sheet.paste(ImageOps.fit(large, (RESULT_SIZE, RESULT_SIZE)), (INSET_SIZE, 0))
    top = (RESULT_SIZE - INSET_SIZE * len(insets)) // 2
    for number, inset in enumerate(insets):
        sheet.paste(ImageOps.fit(inset, (INSET_SIZE, INSET_SIZE)), (0, top + number * INSET_SIZE))
    sheet.save(file, quality=85)


def main() -> None:
    """Make the named templates, or all."""
    parser = argparse.ArgumentParser(description="Write workflows/NAME.json and .jpg from their sources.")
    parser.add_argument("names", nargs="*", help="templates to make; all by default")
    parser.add_argument("--keep-thumbnails", action="store_true", help="do not run them, leave the images")
    parser.add_argument("--screenshots", type=Path, help="also leave an image of each opened template in this folder")
    options = parser.parse_args()
    installation = Installation.find()
    if installation is None:
        parser.error("no ComfyUI: run `make comfyui` or set COMFYUI_DIR")
    base = Path(tempfile.mkdtemp())
    copy_demo_media(base)
    server = ServerProcess(installation, base)
    try:
        client = ComfyUIClient(server)
        with launched_browser() as browser:
            page = open_comfyui(partial(open_page_in, browser), client)
            for name in options.names or sorted(file.stem for file in SOURCES.glob("*.json")):
                source = json.loads((SOURCES / f"{name}.json").read_text(encoding="utf-8"))
                template = make_template(page, name, source)
                text = json.dumps(template, indent=1, ensure_ascii=False)
                (WORKFLOWS / f"{name}.json").write_text(text + "\n", encoding="utf-8")
                if options.screenshots:
                    opened = open_comfyui(partial(open_page_in, browser), client)
                    load_ui_format(opened, template)
                    fit_view(opened)
                    opened.screenshot(path=options.screenshots / f"{name}.png")
                    opened.close()
                if not options.keep_thumbnails:
                    make_thumbnail(client, shown_prompt(page), source["thumbnail"], WORKFLOWS / f"{name}.jpg")
                print(WORKFLOWS / f"{name}.json")
    finally:
        server.stop()
        shutil.rmtree(base)


if __name__ == "__main__":
    main()
