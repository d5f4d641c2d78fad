"""The HTML page in a real browser, without a network."""

import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest
from sample_reports import causes, small_report

from seedchip.report import Activity, LayerCost, render_html


def browse(*arguments: str) -> subprocess.CompletedProcess:
    program = shutil.which("chromium")
    assert program is not None, "the page's tests need Debian's chromium: apt-get install chromium"
    return subprocess.run([program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                           "--virtual-time-budget=3000", *arguments], capture_output=True, timeout=90, check=True)


class Outline(HTMLParser):
    """Counts elements and collects the cells of each table."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: dict[str, int] = {}
        self.tables: dict[str, list[list[str]]] = {}
        self.table, self.in_cell, self.in_title = "", False, False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags[tag] = self.tags.get(tag, 0) + 1
        if tag == "table":
            self.table = dict(attributes).get("id", "")
            self.tables[self.table] = []
        elif tag == "tr":
            self.tables[self.table].append([])
        elif tag == "title":
            self.in_title = True
        elif tag in ("td", "th"):
            self.tables[self.table][-1].append("")
            self.in_cell = True

    def handle_endtag(self, tag):
        self.in_title = self.in_title and tag != "title"
        self.in_cell = self.in_cell and tag not in ("td", "th")

    def handle_data(self, data):
        if self.in_cell and not self.in_title and data.strip():
            self.tables[self.table][-1][-1] += data.strip()


def long_report():
    """A hundred layers over ten million cycles."""
    layers = tuple(LayerCost(f"layer {i}", "Conv", 100_000, i * 100_000, (i + 1) * 100_000, 10 ** (3 + i % 4),
                             1000 + i, 64) for i in range(100))
    counters = {e: causes(active=6_000_000, semaphore=3_000_000, idle=1_000_000) for e in small_report().counters}
    busy = {e: tuple(20_000 - 150 * ((i * k) % 101) for i in range(480)) for k, e in enumerate(counters, 1)}
    return small_report(cycles=10_000_000, layers=layers, counters=counters, timeline=Activity(20_834, busy))


def test_the_page_shows_every_figure_in_a_browser(tmp_path):
    page = tmp_path / "report.html"
    page.write_text(render_html(small_report()), "utf-8")
    dom = Outline(browse("--dump-dom", page.as_uri()).stdout.decode())
    assert dom.tags["svg"] == 2 + 4 and dom.tags["circle"] == 2
    assert dom.tables["counters"][1] == ["matrix", "", "25.0", "5.0", "0.0", "0.0", "60.0", "0.0", "0.0", "10.0"]
    assert dom.tables["layers"][1][1:5] == ['conv "1"', "Conv", "700", "70.0 %"]
    assert dom.tables["accuracy"][1] == ["y", "0.999500", "0.030000", "31.5", "100.0 %"]
    assert ["cycles", "1,000", "counted"] in dom.tables["summary"]


def test_a_heading_sorts_the_layers(tmp_path):
    page = tmp_path / "report.html"
    click = "<script>document.querySelectorAll('#layers th button')[6].click();</script></body>"
    page.write_text(render_html(small_report(layers=small_report().layers[::-1])).replace("</body>", click), "utf-8")
    dom = Outline(browse("--dump-dom", page.as_uri()).stdout.decode())
    assert [row[5 + 1] for row in dom.tables["layers"][1:]] == ["15,000", "1,000"]


def test_names_from_a_model_cannot_become_markup():
    text = render_html(small_report())
    assert "<script>alert(1)" not in text and "&lt;script&gt;alert(1)" in text


def test_the_page_needs_no_other_file():
    text = render_html(small_report())
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", text)
    assert "http" not in text and "@import" not in text and "url(" not in text


@pytest.mark.parametrize("report", [
    small_report(layers=(), accuracy=None, host_ops=()),
    small_report(macs=0, memory_bytes_read=0, memory_bytes_written=0,
                 layers=(LayerCost("a", "Copy", 0, 0, 0, 0, 0, 0),)),
    small_report(cycles=0, counters={e: causes() for e in small_report().counters},
                 timeline=Activity(1, dict.fromkeys(small_report().counters, ()))),
    long_report()], ids=["bare", "no work", "no cycles", "long"])
def test_unusual_reports_have_a_page_too(report):
    text = render_html(report)
    assert text.count("<svg") >= 2 and "nan" not in text.lower().replace("nano", "") and "Infinity" not in text


def test_the_page_can_be_photographed(tmp_path):
    page, picture = tmp_path / "report.html", tmp_path / "report.png"
    page.write_text(render_html(long_report()), "utf-8")
    browse(f"--screenshot={picture}", "--window-size=1280,1500", page.as_uri())
    from PIL import Image

    with Image.open(picture) as image:
        assert image.size == (1280, 1500) and len(image.convert("RGB").getcolors(1 << 24)) > 50
