"""What a ComfyUI holds after many runs: memory, also after the allocator gave back what it keeps, and objects.

A node pack of a few lines, which exists in the benchmark's ComfyUI alone, answers from inside of its process. A control
runs as many workflows without any node of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
from comfyui_client import ComfyUIClient
from graphs import Graph

ADDRESS = "/diffusionact_benchmark/memory"
PROBE = f'''
import ctypes, gc, sys
from collections import Counter
import psutil, torch
from aiohttp import web
from server import PromptServer

NODE_CLASS_MAPPINGS = {{}}
mb = lambda: psutil.Process().memory_info().rss >> 20

@PromptServer.instance.routes.get("{ADDRESS}")
async def memory(request):
    before = mb()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    objects = gc.get_objects()
    types = Counter(type(item).__name__ for item in objects)
    tensors = [item for item in objects if type(item) is torch.Tensor]
    storages = {{t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}}
    ours = [module for name, module in sys.modules.items() if "diffusionact" in name.lower()]
    return web.json_response({{
        "memory_mb": before, "trimmed_mb": mb(), "objects": len(objects), "tensor_mb": sum(storages.values()) >> 20,
        "modules": len(ours), "history": len(PromptServer.instance.prompt_queue.history), "types": dict(types),
    }})
'''


def install_probe(base: Path) -> None:
    """Put the probe among the custom nodes, before ComfyUI starts."""
    folder = base / "custom_nodes" / "benchmark_probe"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(PROBE)


def control(client: ComfyUIClient) -> Graph:
    """Image, clip, scaling, preview and video by ComfyUI's own nodes."""
    graph = Graph(client)
    photo = graph.add("photo", "LoadImage", image="source.png")
    graph.add("scaled", "ImageScale", image=photo, upscale_method="area", width=64, height=64, crop="disabled")
    graph.add("show", "PreviewImage", images=["scaled", 0])
    graph.add("clip", "LoadVideo", file="short.mp4")
    graph.add("parts", "GetVideoComponents", video=["clip", 0])
    graph.add("small", "ImageScale", image=["parts", 0], upscale_method="area", width=64, height=64, crop="disabled")
    graph.add("made", "CreateVideo", images=["small", 0], audio=["parts", 1], fps=25.0)
    graph.add("video", "SaveVideo", video=["made", 0], filename_prefix="control")
    return graph


def change(graph: Graph, number: int) -> None:
    """Another number in a workflow, so that nothing is taken from the cache of an earlier run."""
    if "source" in graph.prompt:
        graph.set("source", inversion_steps=2 + number % 7)
        graph.set("decode" if "codes" in graph.prompt else "all", steps=1 + number % 5)
        return
    for name in ("scaled", "small"):
        graph.set(name, width=64 + 8 * (number % 7), height=64 + 8 * (number % 5))


def endure(client: ComfyUIClient, graphs: Sequence[Graph], runs: int) -> dict[str, Any]:
    """Run workflows in turn again and again; what the process holds after every fifth of the runs."""
    process, states = psutil.Process(client.server.process.pid), []
    for number in range(runs):
        graph = graphs[number % len(graphs)]
        change(graph, number)
        run = client.run(graph.prompt)
        if run.status != "success" or not run.executed:
            raise RuntimeError(f"Expected a result of run {number}, received {run.status}: {run.error}.")
        if (number + 1) % max(1, runs // 5) == 0:
            state = client.get(ADDRESS) | {"files": process.num_fds(), "threads": process.num_threads()}
            states.append({"runs": number + 1} | state)
            print({name: value for name, value in states[-1].items() if name != "types"}, flush=True)
    first, last = (states[index].pop("types") for index in (1, -1))
    grown = sorted(((last[name] - first.get(name, 0), name) for name in last), reverse=True)[:12]
    for state in states:
        state.pop("types", None)
    return {"runs": runs, "states": states, "grown_objects": {name: count for count, name in grown if count > 0}}
