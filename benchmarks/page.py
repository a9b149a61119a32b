"""Measure the page: bytes, seconds of the stage, milliseconds to load.

    python -m benchmarks.page [FOLDER]

Run it in a folder where `dvc repro` has finished. It runs the stage `report` once more and opens the page in a warm
Chromium without a window (`apt-get install chromium chromium-driver`). With FOLDER, it also writes pictures of the
whole page and of each section, from the first task that has it, to FOLDER as small PNGs.
"""

import io
import resource
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image

from benchmarks import results
from pipeline.config.schema import load_params
from pipeline.storage import paths
from tests.browser import browser, load_milliseconds, open_page, picture_of

WIDTH_PIXELS, TALLEST_PIXELS = 1120, 1400
COLOURS = 256  # of a PNG
LOADS = 5


def main() -> None:
    """Measure, print one line, and draw the pictures."""
    tasks = list(load_params(paths.PARAMS).tasks)
    started = time.monotonic()
    subprocess.run([sys.executable, "-m", "pipeline.report"], check=True)
    seconds = time.monotonic() - started
    peak_bytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    with browser(WIDTH_PIXELS) as driver:
        loads = []
        for _ in range(LOADS):
            open_page(driver, paths.PAGE)
            loads.append(load_milliseconds(driver))
    figures = {"bytes": paths.PAGE.stat().st_size, "load_milliseconds": sorted(loads)[LOADS // 2]}
    results.write("page", [{"task": ", ".join(tasks), "seconds": seconds, "peak_gib": peak_bytes / 2**30, **figures}])
    print(f"{seconds:.1f} s, {figures['bytes']:,} bytes, loaded in {figures['load_milliseconds']:.0f} ms")
    if len(sys.argv) > 1:
        draw_pictures(Path(sys.argv[1]), tasks)


def draw_pictures(folder: Path, tasks: list[str]) -> None:
    """Write pictures of the page in the working folder: of the first task in light and dark, and of each section."""
    folder.mkdir(parents=True, exist_ok=True)
    with browser(WIDTH_PIXELS) as driver:
        halves = []
        for scheme in ("light", "dark"):
            open_page(driver, paths.PAGE, scheme)
            halves.append(_cut(picture_of(driver, f"article#{tasks[0]}")))
        both = Image.new("RGB", (sum(half.width for half in halves), halves[0].height))
        both.paste(halves[0], (0, 0))
        both.paste(halves[1], (halves[0].width, 0))
        save_picture(both, folder / "page.png")
        open_page(driver, paths.PAGE)
        script = "return [...document.querySelectorAll('main section[id]')].map((e) => [e.className, e.id])"
        sections: dict[str, str] = {}
        for name, identity in driver.execute_script(script):
            sections.setdefault(name, identity)
        for name, identity in sections.items():
            save_picture(_cut(picture_of(driver, f"#{identity}")), folder / f"{name}.png")


def _cut(png: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(png)).convert("RGB")
    return image.crop((0, 0, image.width, min(image.height, TALLEST_PIXELS)))


def save_picture(image: Image.Image, path: Path) -> None:
    """Write a small PNG."""
    image.quantize(COLOURS, Image.Quantize.MAXCOVERAGE).save(path, optimize=True)


if __name__ == "__main__":
    main()
