"""What the page's tests share: the browser, and a visit to the page that keeps account of what the page does."""

from __future__ import annotations

import base64
import importlib.util
import shutil
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TOKEN = "correct-horse-battery-staple-of-tests"  # noqa: S105 - of a gallery that lives for a test
#: Whoever is called that runs a script, if a page takes names for markup.
HOSTILE = '<img src=x onerror="window.owned=1"><script>window.owned=1</script>&amp;$x'
#: In the example, from the left: the man in the orange pullover, of whom the gallery has six pictures.
ORANGE = 3
#: Milliseconds after which a test gives up: far more than anything here takes.
PATIENCE = 30_000

#: Text whose contrast with what is behind it is below 4.5 (WCAG's AA; 3 from 24 px on), but for what is switched off.
CONTRAST = """() => {
  const parts = (text) => {
    const numbers = text.match(/-?[\\d.]+/g).map(Number);
    const unit = text.startsWith("color(") ? 255 : 1;
    return [...numbers.slice(0, 3).map((one) => one * unit), numbers[3] ?? 1];
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((one, at) => one * a + below[at] * (1 - a));
  const light = (colour) => {
    const linear = (one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = colour.map((one) => linear(one / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) {
      const colour = parts(getComputedStyle(one).backgroundColor);
      layers.push(colour);
      if (colour[3] === 1) break;
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const weak = [];
  let texts = 0;
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((one) => one.nodeType === 3 && one.textContent.trim());
    if (!own || !element.checkVisibility({ visibilityProperty: true }) || element.closest(":disabled")) continue;
    texts += 1;
    const style = getComputedStyle(element);
    const ground = behind(element);
    const [a, b] = [light(over(parts(style.color), ground)), light(ground)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5))
      weak.push(`${ratio.toFixed(2)} ${element.className} ${element.textContent.slice(0, 40)}`);
  }
  return [texts, weak];
}"""


def missing() -> str:
    """Return why there is no browser here, or nothing."""
    if CHROMIUM is None:
        return "no Chromium is installed"
    for name in ("playwright", "fastapi", "uvicorn", "multipart"):
        if importlib.util.find_spec(name) is None:
            return f"{name} is not installed"
    return ""


class Visit:
    """A page in a context of its own: no cookies, no storage."""

    def __init__(self, browser: Any, address: str, where: str = "", *, cookies: Any = (), **options: Any) -> None:
        options = {"viewport": {"width": 1280, "height": 860}, **options}
        self.address = address
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(PATIENCE)
        self.context.add_cookies(list(cookies))
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.expected: set[int] = set()
        self._complaints: list[str] = []
        self._closed = False
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self._complaints.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: (self._complaints.append("a dialog of the browser"), dialog.dismiss()))
        self.page.add_init_script(
            "window.broken = []; addEventListener('securitypolicyviolation', (event) => "
            "window.broken.push(`${event.violatedDirective} ${event.blockedURI}`))"
        )
        self.page.goto(address + where)

    def _console(self, message: Any) -> None:
        if message.type not in ("error", "warning"):
            return
        # The browser itself logs refused requests; a test says which ones it provokes.
        if any(f"status of {status}" in message.text for status in self.expected):
            return
        self._complaints.append(f"{message.type}: {message.text}")

    def forgive(self, text: str) -> None:
        """Drop complaints that a test has provoked."""
        self._complaints = [one for one in self._complaints if text not in one]

    def close(self) -> None:
        """Leave the page, and keep what went wrong on it."""
        self._complaints = self.complaints()
        self._closed = True
        self.context.close()

    def complaints(self) -> list[str]:
        """Return what went wrong: console errors, broken policy, requests to elsewhere, scripts of names that ran."""
        if self._closed:
            return self._complaints
        away = [url for url in self.requests if not url.startswith((self.address, "blob:", "data:"))]
        broken, owned = self.page.evaluate("[window.broken, Boolean(window.owned)]")
        return [*self._complaints, *broken, *away, *(["a name ran as a script"] if owned else [])]

    def example(self) -> None:
        """First click: have the example's people boxed."""
        self.page.get_by_role("button", name="Try the example").click()
        self.page.wait_for_selector(".stage .box")

    def pick(self, number: int = 3) -> None:
        """Second click: search for a person of the picture, counted from the left."""
        self.page.locator(".stage .box").nth(number).click(position={"x": 8, "y": 12})
        self.settled()

    def settled(self) -> None:
        """Wait until matches are there and no search is under way."""
        self.page.wait_for_selector(".match")
        self.page.wait_for_selector(".results:not([aria-busy])")

    def matches(self) -> list[int]:
        """Return the detection_ids of the matches in their order."""
        found = self.page.locator(".match").evaluate_all("all => all.map(one => Number(one.dataset.detection))")
        return [int(one) for one in found]

    def judged(self, act: Any) -> None:
        """Do something after which another search is answered, and wait for what it shows."""
        with self.page.expect_response(lambda response: response.url.endswith("/api/search")):
            act()
        self.settled()

    def drop(self, *paths: Path, on: str = ".drop") -> None:
        """Drag files over the page, and let them go."""
        files = [[path.name, base64.b64encode(path.read_bytes()).decode()] for path in paths]
        self.page.evaluate(
            """([files, on]) => {
              const data = new DataTransfer();
              for (const [name, text] of files) {
                const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
                data.items.add(new File([bytes], name, { type: name.endsWith(".txt") ? "text/plain" : "image/jpeg" }));
              }
              const send = (kind, target) =>
                target.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: data }));
              send("dragenter", document.body);
              const zones = document.querySelectorAll(on);
              send("dragover", zones[zones.length - 1]);
              send("drop", zones[zones.length - 1]);
            }""",
            [files, on],
        )

    def wide(self) -> int:
        """Return by how many pixels the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
