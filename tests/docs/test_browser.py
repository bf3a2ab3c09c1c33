"""Every page of the site and of a report in Chromium: on a wide screen, on a telephone, in print.

``bash .ci/full browser`` builds them, and names their folders in ``NEUROTASKS_PAGES``.
"""

import os
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
FOLDERS = [Path(folder) for folder in os.environ.get("NEUROTASKS_PAGES", "").split(":") if folder]
PAGES = [page for folder in FOLDERS for page in sorted(folder.rglob("*.html"))]
MEDIA = {"wide": (1440, "screen"), "telephone": (390, "screen"), "print": (718, "print")}  # pixels
FAULTS = r"""async () => {
    const faults = [], shown = e => e.checkVisibility() && e.getClientRects().length;
    const name = e => `<${e.tagName.toLowerCase()} class="${e.className}"> `
        + (e.textContent || e.src || "").trim().slice(0, 60);
    const root = document.documentElement;
    if (root.scrollWidth > innerWidth) faults.push(`the page is ${root.scrollWidth} px wide`);
    for (const image of document.images) {
        image.loading = "eager";
        await image.decode().catch(() => faults.push(`no image: ${image.src.slice(0, 99)}`));
        if (!image.alt) faults.push(`an image without words: ${image.src.slice(0, 99)}`);
    }
    for (const cell of document.querySelectorAll("td, th"))
        if (shown(cell) && cell.scrollWidth > cell.clientWidth + 1)
            faults.push(`text runs out of ${name(cell)}`);
    const range = document.createRange();
    const printed = matchMedia("print").matches;  // where long names in tables must be broken
    const whole = printed ? "table:not(:has(th:nth-child(7))) th" : "td, th, td code";
    for (const cell of document.querySelectorAll(whole))
        for (const text of [...cell.childNodes].filter(node => node.nodeType === 3 && shown(cell)))
            for (const word of text.data.matchAll(printed ? /\S+/g : /[\w.]+/g)) {
                range.setStart(text, word.index);
                range.setEnd(text, word.index + word[0].length);
                if (range.getClientRects().length > 1) faults.push(`a word is broken: ${word[0]}`);
            }
    for (const drawing of document.querySelectorAll("svg[role=img]")) {
        const box = drawing.getBBox(), seen = drawing.getBoundingClientRect();
        const {width, height} = drawing.viewBox.baseVal.width ? drawing.viewBox.baseVal : seen;
        if (box.x + box.width > width + 1 || box.y + box.height > height + 1)
            faults.push(`a drawing loses its edge: ${name(drawing)}`);
    }
    if (printed)  // where nothing can be scrolled
        for (const e of document.querySelectorAll("table, pre, code, img, svg, p, li, h1, h2, h3"))
            if (shown(e) && e.getBoundingClientRect().right > innerWidth + 1)
                faults.push(`cut off: ${name(e)}`);
    return faults;
}"""

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium here")


class Handler(SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/favicon.ico":  # which browsers ask servers for, and not files
            self.send_response(204)
            self.end_headers()
        else:
            super().do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


def faults(browser, file, medium, folder):
    """Return in sentences what is wrong with a page of a folder, which is served over HTTP."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    threading.Thread(target=server.serve_forever).start()
    width, media = MEDIA[medium]
    found = []
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.on("console", lambda m: found.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    try:
        page.emulate_media(media=media)
        address = f"http://127.0.0.1:{server.server_port}/{file.relative_to(folder)}"
        page.goto(address, wait_until="networkidle")
        found += page.evaluate(FAULTS)
        if media == "print" and not page.pdf(format="A4").startswith(b"%PDF"):
            found.append("no PDF")
    finally:
        page.close()
        server.shutdown()
        server.server_close()
    return found


@pytest.mark.parametrize("medium", MEDIA)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: "/".join(page.parts[-3:]))
def test_page(browser, page, medium):
    (folder,) = [folder for folder in FOLDERS if page.is_relative_to(folder)]
    assert faults(browser, page, medium, folder) == []


@pytest.mark.parametrize(
    ("medium", "body", "fault"),
    [
        ("wide", "<script>nothing()</script>", "nothing is not defined"),
        ("wide", '<img src="missing.png" alt="words">', "no image"),
        ("wide", '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">', "without words"),
        ("telephone", '<p style="width: 391px">wide', "px wide"),
        ("telephone", '<table><td style="max-width: 9px">collision', "runs out of <td"),
        ("print", '<table><th style="width: 9px; overflow-wrap: anywhere">word', "word is broken"),
        (
            "telephone",
            '<table><td style="width: 9px; overflow-wrap: anywhere"><code>long_name</code>',
            "broken: long_name",
        ),
        (
            "telephone",
            '<svg role="img" width="500" style="max-width: 100%"><rect width="500" height="9"/>',
            "loses its edge",
        ),
        ("print", '<div style="overflow: auto"><pre style="width: 800px">', "cut off: <pre"),
    ],
)
def test_faults_are_found(browser, tmp_path, medium, body, fault):
    page = tmp_path / "index.html"
    head = '<meta name="viewport" content="width=device-width">'
    page.write_text(f"<!doctype html>{head}<body>")
    assert faults(browser, page, medium, tmp_path) == []
    page.write_text(f"<!doctype html>{head}<body>{body}")
    assert any(fault in found for found in faults(browser, page, medium, tmp_path))
