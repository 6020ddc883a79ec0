"""The pages of a report: names of images, and words."""

from pathlib import Path
from urllib.parse import unquote

from diffusionact.evaluation.html_page import html_page
from diffusionact.evaluation.image_rows import ImageGrid
from diffusionact.evaluation.markdown_page import markdown_page
from diffusionact.evaluation.report import Report, Section
from diffusionact.evaluation.runner import MAX_NAME, image_path
from diffusionact.evaluation.tables import Table, TableRow
from diffusionact.images import save_png


def report_of(grid, values):
    table = Table("self", tuple(values), (TableRow("tiny", "tiny", values, frames=1),), (), "")
    return Report({"data": "a & b"}, (), (Section(table, (), grid),), {}, [])


def test_long_names_of_frames_have_images_of_their_own(tmp_path):
    names = ["tiny-" + "%D0%B4" * 50 + end for end in ("_0000-a", "_0001-b")]
    first, second = (image_path(tmp_path, name) for name in names)
    assert first != second and max(len(path.name) for path in (first, second)) < MAX_NAME
    assert image_path(tmp_path, "tiny-clip_0000-a").name == "tiny-clip_0000-a.png"


def test_both_pages_show_an_image_whose_name_holds_a_quoted_slash(tmp_path, portrait):
    path = image_path(tmp_path, "tiny-ann%2Fclip%2F1_0000-a")
    path.parent.mkdir()
    save_png(path, portrait[:16, :16], provenance=False)
    report = report_of(ImageGrid(("source", "tiny"), ((path, None),)), {"PSNR": 20.0})
    (source,) = (part.partition('"')[0] for part in markdown_page(report, {}).split('<img src="')[1:])
    assert tmp_path / unquote(source) == path and Path(source).name != path.name
    assert html_page(report).count("data:image/png;base64,") == 1


def test_both_pages_say_what_every_column_is():
    report = report_of(None, {"NME": 20.0, "yaw r": 0.5, "gaze": 3.0})
    for page in (markdown_page(report, {}), html_page(report)):
        assert "distance of the landmarks from those of the true frame" in page
        assert "Pearson's r of yaw" in page.replace("&#x27;", "'")
    assert "a &amp; b" in html_page(report)
