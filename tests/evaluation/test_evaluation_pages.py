"""The pages of a report: names of images, words, and that the HTML page needs nothing from elsewhere."""

import base64
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from diffusionact.evaluation.image_rows import ImageGrid
from diffusionact.evaluation.markdown_page import markdown_page
from diffusionact.evaluation.plot_data import BarPlot
from diffusionact.evaluation.report_content import Report, Section
from diffusionact.evaluation.runner import MAX_NAME, image_path
from diffusionact.evaluation.tables import PAPER, Table, TableRow
from diffusionact.images import save_png


def report_of(values, grid=None, plots=(), **changes):
    table = Table("self", tuple(values), (TableRow("tiny", "tiny", values, frames=1),), (), "")
    facts = {"facts": {"data": "a & <b>"}, "notes": (), "lost": {}, "left_out": []} | changes
    return Report(sections=(Section(table, plots, grid),), **facts)


@pytest.fixture
def html_page():
    pytest.importorskip("jinja2", reason="Jinja2 (the evaluate extra) is absent")
    from diffusionact.evaluation.html_page import html_page

    return html_page


def test_long_names_of_frames_have_images_of_their_own(tmp_path):
    names = ["tiny-" + "%D0%B4" * 50 + end for end in ("_0000-a", "_0001-b")]
    first, second = (image_path(tmp_path, name) for name in names)
    assert first != second and max(len(path.name) for path in (first, second)) < MAX_NAME
    assert image_path(tmp_path, "tiny-clip_0000-a").name == "tiny-clip_0000-a.png"


def test_both_pages_show_an_image_whose_name_holds_a_slash(tmp_path, portrait, html_page):
    path = image_path(tmp_path, "tiny-ann%2Fclip%2F1_0000-a")
    path.parent.mkdir()
    save_png(path, portrait[:16, :16], provenance=False)
    report = report_of({"PSNR": 20.0}, ImageGrid(("source", "tiny"), ((path, None),)))
    (source,) = (part.partition('"')[0] for part in markdown_page(report, {}).split('<img src="')[1:])
    assert tmp_path / unquote(source) == path and Path(source).name != path.name
    (content,) = re.findall(r'src="data:image/png;base64,([^"]+)"', html_page(report, {}))
    assert base64.b64decode(content) == path.read_bytes()


def test_both_pages_say_what_every_column_is(html_page):
    report = report_of({"NME": 20.0, "yaw r": 0.5, "gaze": 3.0})
    for page in (markdown_page(report, {}), html_page(report, {})):
        assert "distance of the landmarks from those of the true frame" in page
        assert "Pearson's r of yaw" in page.replace("&#39;", "'")


def test_html_page_escapes_names_and_prints_them_once_as_words(html_page):
    report = report_of({"PSNR": 20.0}, notes=("<script>x</script>",), lost={"<i>": ["a > b"]}, left_out=["c & d"])
    page = html_page(report, {})
    for words in ("a &amp; &lt;b&gt;", "&lt;script&gt;x", "&lt;i&gt;: 1", "a &gt; b", "c &amp; d"):
        assert words in page
    assert "<script>" not in page and "<i>" not in page


def test_html_page_loads_nothing_from_elsewhere(html_page):
    plot = BarPlot("PSNR", ["tiny"], [20.0], [0.0], 1)
    document = '<svg xmlns="http://www.w3.org/2000/svg"><text>20.0</text></svg>'
    page = html_page(report_of({"PSNR": 20.0}, plots=(plot,)), {"self": [document]})
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert addresses and all(address.startswith(("data:", "#")) for address in addresses)
    (drawn,) = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', page)
    assert base64.b64decode(drawn).decode() == document


def test_html_page_marks_the_best_row_and_the_row_of_the_paper(html_page):
    rows = (TableRow("v0", "v0", {"PSNR": 20.0}, {"PSNR": 0.5}, 2, 1), TableRow("v1", "v1", {"PSNR": 21.0}, frames=2))
    table = Table("self", ("PSNR",), rows, (TableRow("DiffusionAct", PAPER, {"PSNR": 19.7}),), "1")
    page = html_page(Report({}, (), (Section(table, (), None),), {}, []), {})
    assert re.findall(r'class="best">([\d.]+)', page) == ["21.00"]
    assert "paper: DiffusionAct (table 1)" in page and "not comparable" in page
    assert "±0.50" in page and "1 results without a face" in page


@pytest.mark.parametrize(("package", "owner"), [("jinja2", "html_page.py"), ("matplotlib", "plots.py")])
def test_packages_of_the_extra_are_imported_by_their_owner_only(package, owner):
    library = Path(__file__).parents[2] / "diffusionact"
    importing = re.compile(rf"^\s*(?:import|from) {package}\b", re.MULTILINE)
    assert [file.name for file in library.rglob("*.py") if importing.search(file.read_text())] == [owner]
    # Who imports the owner does so inside a function, where the extra is known to be there.
    early = re.compile(rf"^from \.(?:\w+\.)*{owner.removesuffix('.py')} import", re.MULTILINE)
    assert not [file for file in library.rglob("*.py") if early.search(file.read_text())]
