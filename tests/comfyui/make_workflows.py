"""Writes the templates of `workflows/` from their sources: `make workflows`, or `make workflows NAMES="one another"`.

A source, `workflow_sources/NAME.json`, has the nodes in API format and says how they lie:

    note        lines of Markdown for the note left of the first column
    columns     [{"title": str, "nodes": [id, ...]}, ...] from left to right; a column with a title gets a frame
    nodes       {id: {"class_type", "inputs", optional "title" and "size": [width, height]}}
    thumbnail   node ids or files of the input folder, shown side by side; the first file of a node, a clip's middle

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
from PIL import Image

SOURCES = Path(__file__).resolve().parent / "workflow_sources"
WORKFLOWS = ROOT / "workflows"
TITLE_HEIGHT, ROW_GAP, COLUMN_GAP, FRAME = 30, 40, 60, 20  # px of the page at 100 %
FRAME_TITLE_HEIGHT = 40
NOTE_SIZE = (380, 420)
NOTE_COLOURS = {"color": "#233", "bgcolor": "#355"}
FRAME_COLOUR = "#3f789e"
THUMBNAIL_HEIGHT = 384


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


def lay_out(graph: dict[str, Any], source: dict[str, Any]) -> None:
    """Give every node of a saved graph its place, and add frames and the note."""
    nodes = {str(node["id"]): node for node in graph["nodes"]}
    for name, node in nodes.items():
        wished = source["nodes"][name]
        node["size"] = [max(pair) for pair in zip(node["size"], wished.get("size", (0, 0)), strict=True)]
        if "title" in wished:
            node["title"] = wished["title"]
    left = 0.0
    for number, column in enumerate(source["columns"], 1):
        right, bottom = place_column(column, nodes, left)
        if "title" in column:
            top = -FRAME - FRAME_TITLE_HEIGHT
            box = [left - FRAME, top, right - left + 2 * FRAME, bottom - top + FRAME]
            frame = {"id": number, "title": column["title"], "bounding": box, "color": FRAME_COLOUR, "flags": {}}
            graph["groups"].append(frame)
        left = right + 2 * FRAME + COLUMN_GAP
    size = list(source.get("note_size", NOTE_SIZE))
    place = [-size[0] - FRAME - COLUMN_GAP, TITLE_HEIGHT - FRAME - FRAME_TITLE_HEIGHT]
    number = graph["last_node_id"] + 1
    note = {"id": number, "type": "MarkdownNote", "title": "About", "pos": place, "size": size, "mode": 0, "order": 0}
    note |= {"flags": {}, "inputs": [], "outputs": [], "properties": {}, "widgets_values": ["\n".join(source["note"])]}
    graph["nodes"].append(note | NOTE_COLOURS)
    graph["last_node_id"] = number


def api_format(source: dict[str, Any]) -> dict[str, Any]:
    """A source's nodes without what only concerns the layout."""
    return {name: {key: node[key] for key in ("class_type", "inputs")} for name, node in source["nodes"].items()}


def make_template(page, name: str, source: dict[str, Any]) -> dict[str, Any]:
    """The source as the page saves it.

    Raises:
        ValueError: if the page would run something else than the source says.
    """
    load_api_format(page, api_format(source))
    page.wait_for_timeout(1000)  # nodes grow when their pictures have come
    graph = saved(page)
    lay_out(graph, source)
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


def picture_of(file: Path) -> Image.Image:
    """A picture, or the middle frame of a clip."""
    if file.suffix.lower() not in (".mp4", ".webm", ".mkv", ".mov"):
        return Image.open(file).convert("RGB")
    with av.open(file) as container:
        frames = list(container.decode(video=0))
    return frames[len(frames) // 2].to_image()


def make_thumbnail(client: ComfyUIClient, source: dict[str, Any], file: Path) -> None:
    """Run the source and put the pictures it names side by side."""
    run = client.run(api_format(source), timeout=1800)
    if run.status != "success":
        raise ValueError(f"{file.stem} ended with {run.status}: {run.error}")
    shown = {item: run.files.get(item, [client.server.base / "input" / item])[0] for item in source["thumbnail"]}
    pictures = [picture_of(item) for item in shown.values()]
    pictures = [item.resize((item.width * THUMBNAIL_HEIGHT // item.height, THUMBNAIL_HEIGHT)) for item in pictures]
    sheet = Image.new("RGB", (sum(item.width for item in pictures), THUMBNAIL_HEIGHT))
    left = 0
    for item in pictures:
        sheet.paste(item, (left, 0))
        left += item.width
    sheet.save(file, quality=88)


def main() -> None:
    """Make the named templates, or all."""
    parser = argparse.ArgumentParser(description="Write workflows/NAME.json and .jpg from their sources.")
    parser.add_argument("names", nargs="*", help="templates to make; all by default")
    parser.add_argument("--keep-thumbnails", action="store_true", help="do not run them, leave the pictures")
    parser.add_argument("--screenshots", type=Path, help="also leave a picture of each opened template in this folder")
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
                    fit_view(page)
                    page.screenshot(path=options.screenshots / f"{name}.png")
                if not options.keep_thumbnails:
                    make_thumbnail(client, source, WORKFLOWS / f"{name}.jpg")
                print(WORKFLOWS / f"{name}.json")
    finally:
        server.stop()
        shutil.rmtree(base)


if __name__ == "__main__":
    main()
