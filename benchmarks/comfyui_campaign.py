"""A real ComfyUI with this pack under mutated workflows, and under many runs in a row.

    python benchmarks/comfyui_campaign.py fuzz --cases 1000 --seed 0
    python benchmarks/comfyui_campaign.py fuzz --cases 300 --files
    python benchmarks/comfyui_campaign.py fuzz --only 17
    python benchmarks/comfyui_campaign.py runs --runs 200
    python benchmarks/comfyui_campaign.py runs --runs 200 --control

Needs a ComfyUI: `make comfyui`, or COMFYUI_DIR and COMFYUI_PYTHON. Workflows are posted to /prompt as its page does it:
values, links, nodes, bytes of sound ones and the files that they load are changed, and each must end in a result or a
clear error. Runs that would take long are cancelled after a while, which they must follow. Cases and seeds are as in
`fuzz`.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np  # noqa: E402
from fuzz_mutations import Random, mutated_bytes, mutated_safetensors, mutated_tree  # noqa: E402
from guarded import end_with_us  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "comfyui")]
from clips import write_driver  # noqa: E402
from comfyui_client import ComfyUIClient, Run  # noqa: E402
from comfyui_memory import control, endure, install_probe  # noqa: E402
from comfyui_process import Installation, ServerProcess, copy_demo_media  # noqa: E402
from graphs import Graph  # noqa: E402

PREFIX = "DiffusionAct_"
PATIENCE_S = 10  # then a run is cancelled
HANG_S = 60
CLEAR_WORDS = ("Expected", "No face", "Out of memory")
Workflow = dict[str, Any]


def main() -> None:
    """Start ComfyUI, do what was chosen; exit code 1 if a case went wrong."""
    parser = argparse.ArgumentParser(description="A real ComfyUI under mutated workflows, or many runs.")
    parser.add_argument("what", choices=("fuzz", "runs"))
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="number of the one case to run")
    parser.add_argument("--files", action="store_true", help="only the workflow that loads a saved source and pose")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--control", action="store_true", help="runs of ComfyUI's own nodes alone")
    options = parser.parse_args()
    installation = Installation.find()
    if installation is None:
        parser.error("Expected a ComfyUI: run `make comfyui`, or name one by COMFYUI_DIR.")
    with tempfile.TemporaryDirectory() as folder:
        server = ServerProcess(installation, make_base(Path(folder)), started=end_with_us)
        try:
            client = ComfyUIClient(server)
            if options.what == "fuzz":
                row = fuzz(client, options)
            else:
                graphs = [control(client)] if options.control else [make(client) for make in (posed, driven, at_once)]
                row = endure(client, graphs, options.runs)
        finally:
            server.stop()
    print(json.dumps(row), flush=True)
    raise SystemExit(bool(row.get("bad")))


def make_base(folder: Path) -> Path:
    """ComfyUI's folders with a tiny model, a photo and a clip of four frames."""
    from tiny_model import make_tiny_model

    make_tiny_model(folder / "models" / "diffusionact" / "tiny")
    copy_demo_media(folder)
    write_driver(folder / "input" / "short.mp4", 4)
    install_probe(folder)
    return folder


def seeds(client: ComfyUIClient) -> list[Workflow]:
    """Workflows that hold every node of the pack, each a fraction of a second long."""
    quick = [make(client).prompt for make in (posed, driven, moved, saved, loaded, at_once)]
    return [*quick, *quick, *quick, whole_photo(client).prompt]


def _begun(client: ComfyUIClient, model: str = "tiny") -> Graph:
    graph = Graph(client)
    loaded = graph.add("model", f"{PREFIX}LoadModel", model=model, dtype="float32")
    photo = graph.add("photo", "LoadImage", image="source.png" if model == "tiny" else "photo.jpg")
    graph.add("source", f"{PREFIX}EncodeSource", model=loaded, image=photo, inversion_steps=2)
    return graph


def _rendered(graph: Graph, pose: list) -> None:
    model, source = ["model", 0], ["source", 0]
    codes = graph.add("codes", f"{PREFIX}Reenact", model=model, source=source, pose=pose)
    steps = {"preset": "custom", "steps": 1}
    graph.add("decode", f"{PREFIX}Decode", model=model, source=source, codes=codes, **steps)
    graph.add("video", "SaveVideo", video=["decode", 1], filename_prefix="video")


def posed(client: ComfyUIClient) -> Graph:
    """Sliders, pasted back, with detail."""
    graph = _begun(client)
    pose = graph.add("edit", f"{PREFIX}EditPose", source=["source", 0], yaw=10.0)
    _rendered(graph, pose)
    graph.add("detail", f"{PREFIX}AddDetail", image=["decode", 0], source=["source", 0], pose=pose)
    graph.add("paste", f"{PREFIX}PasteBack", image=["detail", 0], source=["source", 0], originals=["photo", 0])
    graph.add("show", "PreviewImage", images=["paste", 0])
    return graph


def driven(client: ComfyUIClient) -> Graph:
    """A clip's pose, previewed and rendered."""
    graph = _begun(client)
    clip = graph.add("clip", "LoadVideo", file="short.mp4")
    pose = graph.add("pose", f"{PREFIX}ExtractPose", source=["source", 0], driving=clip)
    graph.add("preview", f"{PREFIX}PreviewMotion", source=["source", 0], pose=pose)
    graph.add("show", "PreviewImage", images=["preview", 0])
    _rendered(graph, pose)
    return graph


def moved(client: ComfyUIClient) -> Graph:
    """A motion without a driver."""
    graph = _begun(client)
    _rendered(graph, graph.add("motion", f"{PREFIX}MakeMotion", source=["source", 0], seconds=0.2))
    return graph


def saved(client: ComfyUIClient) -> Graph:
    """What is kept in files."""
    graph = _begun(client)
    pose = graph.add("edit", f"{PREFIX}EditPose", source=["source", 0], smile=0.5)
    graph.add("keep_source", f"{PREFIX}SaveSource", source=["source", 0], filename_prefix="diffusionact/kept")
    graph.add("keep_pose", f"{PREFIX}SavePose", pose=pose, filename_prefix="diffusionact/nod")
    return graph


def loaded(client: ComfyUIClient) -> Graph:
    """What comes from files, see `SavedFiles`."""
    graph = Graph(client)
    graph.add("model", f"{PREFIX}LoadModel", model="tiny", dtype="float32")
    graph.add("source", f"{PREFIX}LoadSource", file="source.safetensors")
    graph.add("show", "PreviewImage", images=["source", 1])
    _rendered(graph, graph.add("pose", f"{PREFIX}LoadPose", file="pose.safetensors"))
    return graph


class SavedFiles:
    """A source and a pose with sound in the input folder, made by the nodes that save them."""

    def __init__(self, client: ComfyUIClient) -> None:
        base, graph = client.server.base, _begun(client)
        clip = graph.add("clip", "LoadVideo", file="short.mp4")
        pose = graph.add("pose", f"{PREFIX}ExtractPose", source=["source", 0], driving=clip)
        graph.add("one", f"{PREFIX}SaveSource", source=["source", 0], filename_prefix="diffusionact/source")
        graph.add("two", f"{PREFIX}SavePose", pose=pose, filename_prefix="diffusionact/pose", with_audio=True)
        if (run := client.run(graph.prompt)).status != "success":
            raise RuntimeError(f"Expected saved files, received {run.error}.")
        self._input = base / "input"
        self._whole = {
            name: (base / "output/diffusionact" / f"{name}_00001_.safetensors").read_bytes()
            for name in ("source", "pose")
        }
        self.write()

    def write(self, damage: Random | None = None) -> None:
        """Write both; one of them, in half of the cases, with another content."""
        damaged = list(self._whole)[int(damage.integers(2))] if damage and damage.random() < 0.5 else None
        for name, content in self._whole.items():
            content = mutated_safetensors(content, damage) if name == damaged else content
            (self._input / f"{name}.safetensors").write_bytes(content)


def at_once(client: ComfyUIClient) -> Graph:
    """Photo and clip to video in one node, and a group."""
    graph = _begun(client)
    clip, steps = graph.add("clip", "LoadVideo", file="short.mp4"), {"preset": "custom", "steps": 1}
    inputs = {"model": ["model", 0], "image": ["photo", 0]}
    graph.add("all", f"{PREFIX}ReenactVideo", **inputs, driving=clip, inversion_steps=2, **steps)
    graph.add("video", "SaveVideo", video=["all", 0], filename_prefix="video")
    graph.add("group", f"{PREFIX}ReenactGroup", **inputs, faces="all = nod", seconds=0.2, **steps)
    graph.add("people", "SaveVideo", video=["group", 0], filename_prefix="group")
    return graph


def whole_photo(client: ComfyUIClient) -> Graph:
    """The model that moves a photo, and a clip with another expression."""
    graph = _begun(client, "photo")
    _rendered(graph, graph.add("motion", f"{PREFIX}MakeMotion", source=["source", 0], seconds=0.12))
    clip = graph.add("clip", "LoadVideo", file="short.mp4")
    graph.add("person", f"{PREFIX}ReenactClip", model=["model", 0], clip=clip, blink=0.5)
    graph.add("same", "SaveVideo", video=["person", 0], filename_prefix="person")
    return graph


def mutated_workflow(workflow: Workflow, random: Random, outputs: Mapping[str, int]) -> bytes:
    """The body of /prompt with one to three changes: values, links, nodes; sometimes bytes."""
    changed = copy.deepcopy(workflow)
    for _ in range(int(random.integers(1, 4))):
        name = list(changed)[int(random.integers(len(changed)))]
        node, choice = changed[name], random.random()
        if not isinstance(node, dict) or not isinstance(node.get("inputs"), dict):
            continue
        if choice < 0.6:
            node["inputs"] = as_inputs(mutated_tree(node["inputs"], random))
        elif choice < 0.85 and node["inputs"]:
            _relink(changed, node["inputs"], random)
        elif choice < 0.93:
            changed[name] = mutated_tree(node, random)
            if isinstance(changed[name], dict):
                changed[name]["inputs"] = as_inputs(changed[name].get("inputs"))
        elif len(changed) > 1:
            del changed[name]
    _link_to_what_is_there(changed, outputs)
    content = json.dumps({"prompt": changed}).encode()
    return mutated_bytes(content, random) if random.random() < 0.05 else content


def as_inputs(value: Any) -> dict[str, Any]:
    """A node without inputs ends ComfyUI's own worker, whosever node it is: those are left out."""
    return value if isinstance(value, dict) else {}


def _link_to_what_is_there(workflow: Workflow, outputs: Mapping[str, int]) -> None:
    """Links to an output that a node has not end ComfyUI's own worker, whosever node it is: they get the first."""
    counts = {name: outputs.get(str(node.get("class_type")), 1) for name, node in _nodes(workflow).items()}
    for node in _nodes(workflow).values():
        for value in node["inputs"].values():
            is_link = isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)
            if is_link and isinstance(value[1], (int, float)) and not 0 <= value[1] < counts.get(value[0], 1):
                value[1] = 0


def _nodes(workflow: Workflow) -> dict[str, Any]:
    return {name: node for name, node in workflow.items() if isinstance(node, dict) and "inputs" in node}


def _relink(workflow: Workflow, inputs: dict[str, Any], random: Random) -> None:
    """An input from another output."""
    name = list(inputs)[int(random.integers(len(inputs)))]
    inputs[name] = [list(workflow)[int(random.integers(len(workflow)))], int(random.choice([0, 0, 0, 1, 2]))]


def fuzz(client: ComfyUIClient, options: argparse.Namespace) -> dict[str, Any]:
    """Post mutated workflows; what became of them."""
    files, counts, started = SavedFiles(client), Counter(), time.perf_counter()
    bases = [loaded(client).prompt] if options.files else seeds(client)
    for base in bases[-7:]:
        run = client.run(base)
        if run.status != "success":
            raise RuntimeError(f"Expected a sound workflow, received {run.error}.")
    outputs = {name: len(node["output"]) for name, node in client.object_info().items()}
    before = client.server.memory() >> 20
    for number in range(options.first, options.first + options.cases) if options.only is None else [options.only]:
        random = np.random.default_rng([options.seed, number])
        base = bases[int(random.integers(len(bases)))]
        files.write(random)
        body = mutated_workflow(base, random, outputs)
        outcome, words = judged(client, body)
        counts[outcome] += 1
        if outcome in BAD or options.only is not None:
            print(f"case {number}: {outcome}: {words}", flush=True)
        if (number + 1) % 100 == 0:
            print(json.dumps({"cases": number + 1, **counts}), flush=True)
        if client.server.process.poll() is not None:
            raise RuntimeError(f"ComfyUI is dead after case {number}:\n{client.server.log()[-3000:]}")
    grown = (client.server.memory() >> 20) - before
    bad = sum(counts[outcome] for outcome in BAD)
    seconds = round(time.perf_counter() - started)
    return {"cases": counts.total(), **counts, "bad": bad, "grown_mb": grown, "seconds": seconds}


RESULT, REJECTED, CLEAR, FOREIGN, CANCELLED = "result", "rejected", "clear error", "error of another node", "cancelled"
UNCLEAR, HANG, BROKEN = BAD = ("unclear error", "hang", "error of the server")


def judged(client: ComfyUIClient, body: bytes) -> tuple[str, str]:
    """What became of a workflow, and in which words."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{client.server.url}/prompt", with_client(body, client), headers)
    log = len(client.server.log())
    try:
        with urllib.request.urlopen(request, timeout=HANG_S) as answer:
            prompt_id = json.load(answer)["prompt_id"]
    except urllib.error.HTTPError as error:
        words = error.read().decode(errors="replace")
        printed = client.server.log()[log:]
        is_ours = "custom_nodes" in words or ("Traceback" in printed and "custom_nodes" in printed)
        return (BROKEN, words + printed[-1500:]) if is_ours else (REJECTED, words[:600])
    except TimeoutError:
        return HANG, "no answer"
    with client.changed:
        run = client.runs.setdefault(prompt_id, Run(prompt_id))
    return ended(client, run)


def with_client(body: bytes, client: ComfyUIClient) -> bytes:
    """The same with the name of the client that is told of its events, where it still is JSON."""
    try:
        return json.dumps(json.loads(body) | {"client_id": client.client_id}).encode()
    except (ValueError, TypeError):
        return body


def ended(client: ComfyUIClient, run: Run) -> tuple[str, str]:
    """The end of a run, and its error."""
    is_long = False
    try:
        client.wait_for(lambda: run.status != "running", PATIENCE_S)
    except TimeoutError:
        is_long = True
        client.interrupt()
        try:
            client.wait_for(lambda: run.status != "running", HANG_S)
        except TimeoutError:
            return HANG, f"{run.executed[-1:]} after {HANG_S} s"
    if run.status == "success":
        return RESULT, ""
    if run.status == "interrupted":
        return (CANCELLED if is_long else UNCLEAR), str(run.error)
    words = f"{run.error['node_type']}: {run.error['exception_type']}: {run.error['exception_message']}"
    if not run.error["node_type"].startswith(PREFIX):
        return FOREIGN, words
    if any(word in words for word in CLEAR_WORDS):
        return CLEAR, words
    return UNCLEAR, words + "".join(run.error["traceback"][-3:])


if __name__ == "__main__":
    main()
