"""The published pages in headless Chromium: nothing on the console, nothing asked from outside."""

import functools
import http.server
import shutil
import threading
from pathlib import Path

import pytest
from asv.commands.publish import Publish

from scripts import plugin
from scripts.doctor import examination as examinations
from tests.scripts.doctor_samples import examination
from tests.scripts.stored_project import Project, commit, with_history

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install .[dev]")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
QUIET = ("--disable-component-update", "--disable-sync", "--disable-quic")
VIEWS = ("overview", "explore", "heatmap", "grid", "multiples", "compare", "regressions", "inventory")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A published sample, whose newest commit has a second environment with one benchmark."""
    plugin.setup()
    project = with_history(Project(tmp_path_factory.mktemp("site")))
    result = project.store(commit(project.folder, "second environment"), names=["ops.Add.time_call"], env="other")
    result._params["numba"] = "0.69"
    result.save(str(project.results))
    examinations.store(examination(facts={"SMT": True, "governor": "powersave"}), project.results, "box")
    Publish.run(project.conf, pull=False)
    return project.folder / "html"


@pytest.fixture(scope="module")
def site(folder):
    """Address under which `folder` is served."""
    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *QUIET])
        yield chromium
        chromium.close()


class Visit:
    """A page, and everything it complained about or asked from elsewhere."""

    def __init__(self, browser, base: str, **options):
        self.page = browser.new_context(**options).new_page()
        self.wrong: list[str] = []
        self.page.on("console", lambda m: m.type in ("error", "warning") and self.wrong.append(f"{m.type}: {m.text}"))
        self.page.on("pageerror", lambda error: self.wrong.append(f"exception: {error}"))
        self.page.on("requestfailed", self.failed)
        self.page.on("request", lambda r: r.url.startswith((base, "data:")) or self.wrong.append(f"outside: {r.url}"))

    def failed(self, request) -> None:
        # A page that is left cancels what it still loads, its icon for one: nothing failed.
        if request.failure != "net::ERR_ABORTED":
            self.wrong.append(f"failed: {request.url}")

    def open(self, address: str) -> None:
        self.page.goto(address)
        self.page.wait_for_load_state("networkidle")

    def overflow(self) -> int:
        return self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_pages_are_clean_in_both_themes_and_widths(site, browser, theme, width):
    visit = Visit(browser, site, color_scheme=theme, viewport={"width": width, "height": 900})
    visit.open(site)
    visit.page.wait_for_selector("text=ops.Add.time_call")
    assert visit.overflow() == 0
    visit.page.click("text=Frameworks side by side")
    visit.page.wait_for_load_state("networkidle")
    assert "geometric mean" in visit.page.inner_text("body")
    assert visit.overflow() == 0
    colour = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, colour[4:-1].split(",")[:3])) / 3
    assert brightness > 200 if theme == "light" else brightness < 60
    visit.page.click("text=Machines")
    visit.page.wait_for_load_state("networkidle")
    assert "87 of 100" in visit.page.inner_text("body")
    visit.page.click("summary:has-text('Hardware')")
    assert "A CPU | of <b>this</b> test" in visit.page.inner_text("body")
    assert visit.overflow() == 0
    visit.page.go_back()
    visit.page.click("a[href*='view=explore']")
    visit.page.wait_for_selector("canvas")
    assert visit.wrong == []


def test_every_view_of_the_history_is_clean(site, browser):
    visit = Visit(browser, site)
    visit.open(site)
    for view in VIEWS:
        visit.page.click(f".seg-scroll button:text-is('{view.title()}')")
        visit.page.wait_for_load_state("networkidle")
    visit.open(f"{site}index.html#view=explore&bench=ops.Softmax.time_call")
    # Every environment that can be chosen has a graph of every benchmark.
    for value in ("0.68.1", "0.69"):
        visit.page.select_option(".filter:has-text('numba') select", value)
        visit.page.wait_for_load_state("networkidle")
    assert visit.wrong == []


def test_from_the_disk_the_history_says_how_to_open_it(published, browser):
    page = browser.new_page()
    page.goto((published.folder / "html/index.html").as_uri())
    assert "python -m scripts preview" in page.inner_text("body")
    page.click(".site-note a")
    assert "geometric mean" in page.inner_text("body")


def test_the_check_sees_an_error_and_an_outside_request(site, folder, browser):
    page = (folder / "frameworks.html").read_text()
    spoilt = page.replace("<main>", "<main><img src='http://localhost:9/x.png'><script>nope()</script>")
    (folder / "spoilt.html").write_text(spoilt)
    visit = Visit(browser, site)
    visit.open(f"{site}spoilt.html")
    assert any(each.startswith("outside: http://localhost:9") for each in visit.wrong)
    assert "failed: http://localhost:9/x.png" in visit.wrong
    assert any("nope is not defined" in each for each in visit.wrong)
