"""A browser without a window, as a person would use it: Debian's Chromium, driven by Selenium."""

import base64
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.needs import need_module, need_program

BROWSERS = ("chromium", "google-chrome")
HOW = "apt-get install chromium chromium-driver"
ARGUMENTS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars")

# Returns the texts whose contrast with their background is below a limit (WCAG 2.2, success criterion 1.4.3).
LOW_CONTRAST = """
const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
const rgba = (colour) => {
  canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = "transparent";  // stays if the colour is invalid
  canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255];
};
const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
const background = (element) => {
  const layers = [];
  for (let e = element; e; e = e.parentElement) layers.push(rgba(getComputedStyle(e).backgroundColor));
  return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
};
const luminance = (colour) => {
  const [r, g, b] = colour.map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const faults = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement, text = walker.currentNode.textContent.trim();
  if (!text || ["SCRIPT", "STYLE", "OPTION"].includes(element.tagName) || !element.checkVisibility()) continue;
  const style = getComputedStyle(element), behind = background(element);
  const ink = over(rgba(element instanceof SVGElement ? style.fill : style.color), behind);
  const [low, high] = [luminance(ink), luminance(behind)].sort((a, b) => a - b);
  const ratio = (high + 0.05) / (low + 0.05);
  if (ratio < arguments[0]) faults.push([text.slice(0, 40), element.tagName, Math.round(100 * ratio) / 100]);
}
return faults;
"""


@contextmanager
def browser(width: int = 1280, height: int = 1000) -> Iterator[Any]:
    """Yield a driver of Chromium that records requests and messages; without Chromium skip the test, or fail in CI."""
    webdriver = need_module("selenium.webdriver", "pip install '.[test]'")
    options = webdriver.ChromeOptions()
    options.binary_location = next(filter(None, map(shutil.which, BROWSERS)), "") or need_program(BROWSERS[0], HOW)
    for argument in (*ARGUMENTS, f"--window-size={width},{height}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(need_program("chromedriver", HOW)))
    try:
        yield driver
    finally:
        driver.quit()


def open_page(driver: Any, path: Path, scheme: str = "light", width: int | None = None) -> None:
    """Open a file in a colour scheme, and in a window of some width."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    if width is not None:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.get(path.absolute().as_uri())


def requests(driver: Any) -> list[str]:
    """Return the addresses that pages requested since the last call."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    return [
        message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"
    ]


def load_milliseconds(driver: Any) -> float:
    """Return how long the page took until its `load` event ended."""
    return driver.execute_script("return performance.getEntriesByType('navigation')[0].loadEventEnd")


def picture_of(driver: Any, selector: str) -> bytes:
    """Return a PNG of the first element with a selector, also where it is higher than the window."""
    script = "const r = document.querySelector(arguments[0]).getBoundingClientRect();"
    script += "return {x: r.x + scrollX - 12, y: r.y + scrollY, width: r.width + 24, height: r.height, scale: 1}"
    options = {"format": "png", "captureBeyondViewport": True, "clip": driver.execute_script(script, selector)}
    return base64.b64decode(driver.execute_cdp_cmd("Page.captureScreenshot", options)["data"])
