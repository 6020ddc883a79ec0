"""Tables of jobs: every row is a run of `reenact`, and one that fails does not stop the others."""

import pytest
from PIL import Image

from diffusionact.cli import main

HEAD = "source,output,motion,seconds,model,steps,inversion-steps,dtype,device,paste-back"


@pytest.fixture
def table(tmp_path, portrait, tiny_model_folder):
    """Write rows of (source, output, motion); returns the table."""
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


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("source,output\n", "received none"),
        ("source,output\nface.png\n", "row 1"),
        ("source,output,smothing\nface.png,out.mp4,0.3\n", "options of reenact in row 1"),
    ],
)
def test_wrong_tables_are_rejected_before_anything_is_rendered(text, reason, tmp_path, capsys):
    (tmp_path / "jobs.csv").write_text(text)
    assert main(["batch", str(tmp_path / "jobs.csv")]) == 2
    assert reason in capsys.readouterr().err
