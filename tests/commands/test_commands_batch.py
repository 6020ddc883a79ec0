"""Tables of jobs: every row is a run of `reenact`, and one that fails does not stop the others."""

import json
import sys

import fsspec
import pytest
from PIL import Image

from diffusionact.cli import main, parse_row
from diffusionact.commands.loading import HeldPipeline
from diffusionact.demo import __path__ as demo
from diffusionact.generation.warm_start import WarmStartEngine

HEAD = "source,output,motion,seconds,model,steps,inversion-steps,dtype,device,paste-back"


@pytest.fixture
def table(tmp_path, portrait, tiny_model_folder, monkeypatch):
    """Write rows of (source, output, motion); returns the table. Copies from stores lie beside it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Image.fromarray(portrait.numpy()).save(tmp_path / "face.png")
    Image.new("RGB", (64, 64)).save(tmp_path / "empty.png")

    def write(*rows):
        lines = [f"{','.join(row)},0.12,{tiny_model_folder},2,2,float32,cpu,yes" for row in rows]
        (tmp_path / "jobs.csv").write_text("\n".join([HEAD, *lines]) + "\n")
        return tmp_path / "jobs.csv"

    return write


def test_rows_are_rendered_and_not_twice(table, tmp_path, caplog):
    jobs = table(("empty.png", "none.mp4", "nod"), ("face.png", "nod.mp4", "nod"))
    assert main(["batch", str(jobs)]) == 1, "the first row shows no face"
    assert not (tmp_path / "none.mp4").exists()
    written = (tmp_path / "nod.mp4").stat().st_mtime_ns
    with caplog.at_level("INFO"):
        main(["batch", str(jobs)])
    assert "is there already" in caplog.text
    assert (tmp_path / "nod.mp4").stat().st_mtime_ns == written


def test_a_table_of_lines_is_rendered_from_and_into_a_store(table, tmp_path, tiny_model_folder):
    table()
    store = fsspec.filesystem("memory")
    store.put_file(str(tmp_path / "face.png"), "/jobs/face.png")
    options = {"motion": "nod", "seconds": 0.12, "model": str(tiny_model_folder), "steps": 2, "inversion-steps": 2}
    rows = [
        {"source": source, "output": output, "device": "cpu", "paste-back": False, "start": None, **options}
        for source, output in (("face.png", "out/nod.mp4"), ("none.png", "out/none.mp4"))
    ]
    rows[0] |= {"save_poses": "memory://jobs/poses/nod.safetensors", "warm_start": 0.5, "paste-back": True}
    store.pipe_file("/jobs/a.jsonl", "\n".join(map(json.dumps, rows)).encode())
    assert main(["batch", "memory://jobs/a.jsonl"]) == 1, "the second row has no source"
    assert [name.rpartition("/")[2] for name in store.ls("/jobs/out", detail=False)] == ["nod.mp4"]
    assert store.exists("/jobs/poses/nod.safetensors")
    summary = json.loads(store.cat_file("/jobs/a.jsonl.summary.json"))
    assert summary["done"] == {"written": 1}
    assert [(row["name"], row["tries"]) for row in summary["set_aside"]] == [("out/none.mp4", 3)]
    main(["batch", "memory://jobs/a.jsonl"])
    assert json.loads(store.cat_file("/jobs/a.jsonl.summary.json"))["done"] == {"there already": 1}


def test_a_driver_of_a_face_comes_from_a_store(table, tmp_path, tiny_model_folder):
    table()
    store = fsspec.filesystem("memory")
    store.put_file(str(tmp_path / "face.png"), "/drive/face.png")
    store.put_file(f"{demo[0]}/media/photo_driving.mp4", "/drive/clips/driver.mp4")
    row = {"source": "face.png", "output": "out.mp4", "model": str(tiny_model_folder), "device": "cpu", "end": "0.05"}
    row |= {"drive": "0=clips/driver.mp4", "steps": 2, "inversion-steps": 2}
    store.pipe_file("/drive/a.jsonl", json.dumps(row).encode())
    assert main(["batch", "memory://drive/a.jsonl"]) == 0
    assert store.exists("/drive/out.mp4")


def test_a_held_model_is_loaded_anew_for_another_warm_start(tiny_model_folder):
    held, words = HeldPipeline(), ["reenact", "a.png", "-o", "a.mp4", "--model", str(tiny_model_folder)]
    plain, warm = (held.load(parse_row([*words, "--warm-start", share])) for share in ("0", "0.5"))
    assert not isinstance(plain.engine, WarmStartEngine) and warm.engine.share == 0.5
    assert held.load(parse_row([*words, "--warm-start", "0.5"])) is warm


def test_a_model_without_a_unet_says_what_compiling_needs():
    words = ["reenact", "a.png", "-o", "a.mp4", "--model", "photo", "--device", "cpu", "--compile"]
    with pytest.raises(ValueError, match="for --compile and --attention, received one of 'warp'"):
        HeldPipeline().load(parse_row(words))


def test_without_ray_the_extra_is_named(table, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["batch", str(table(("face.png", "a.mp4", "nod"))), "--ray"]) == 2
    assert 'pip install "diffusionact[scale]"' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("source,output\n", "received none"),
        ("source,output\nface.png\n", "row 1"),
        ('source,output\nface.png," "\n', "row 1"),
        ("source,output\nface.png,a.mp4\nface.png,a.mp4\n", "rows 1 and 2"),
        ("source,output,matte\nface.png,a.mp4,m.mp4\nface.png,b.mp4,m.mp4\n", "every row's matte"),
        ("source,output,smothing\nface.png,out.mp4,0.3\n", "options of reenact in row 1"),
    ],
)
def test_wrong_tables_are_rejected_before_anything_is_rendered(text, reason, tmp_path, capsys):
    (tmp_path / "jobs.csv").write_text(text)
    assert main(["batch", str(tmp_path / "jobs.csv")]) == 2
    assert reason in capsys.readouterr().err
