"""The page in a real browser: it draws every section, works by keyboard, asks the network nothing, and can be read."""

import contextlib
from pathlib import Path

import pytest

from pipeline.report import report
from pipeline.storage import paths
from tests.browser import LOW_CONTRAST, browser, load_milliseconds, open_page, requests
from tests.finished_run import HOSTILE, write_run, write_uploads

LEAST_CONTRAST = 4.5

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def driver():
    with browser() as driver:
        yield driver


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    """A page with hostile names."""
    folder = tmp_path_factory.mktemp("run")
    with contextlib.chdir(folder):
        params = write_run(classes=HOSTILE, ids=["<img src=x onerror=alert(1)>", '"><script>alert(2)</script>'])
        score = {"metric": "accuracy", "out_of_fold": "0.9", "low": "0.88", "high": "0.92", "public": "0.1"}
        write_uploads({**score, "members": HOSTILE[0], "message": '"><script>alert(3)</script>'})
        report(params)
    return folder / paths.PAGE


def visible(driver, selector: str) -> list[str]:
    script = "return [...document.querySelectorAll(arguments[0])].filter((e) => e.checkVisibility()).map((e) => e.id)"
    return driver.execute_script(script, selector)


def test_every_section_is_drawn_and_the_network_is_left_alone(driver, page):
    driver.get_log("browser")
    requests(driver)
    open_page(driver, page)
    heights = driver.execute_script(
        "return [...document.querySelectorAll('main section')].map((e) => e.getBoundingClientRect().height)"
    )
    assert len(heights) == 10 and min(heights) > 60  # nine sections, and the findings
    charts = driver.execute_script("return [...document.querySelectorAll('svg.chart')].map((e) => e.getBBox().width)")
    assert len(charts) >= 8 and min(charts) > 100
    assert [url for url in requests(driver) if not url.startswith(("file:", "data:"))] == []
    assert driver.get_log("browser") == []
    assert load_milliseconds(driver) < 5000  # under a second on an idle machine, see benchmarks


def test_the_filter_works_by_keyboard(driver, page):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    open_page(driver, page)
    shots = "[data-classes]"
    everything = len(visible(driver, shots))
    select = driver.find_element(By.CSS_SELECTOR, "select[data-filters]")
    for _ in range(60):  # by the tabulator alone
        driver.switch_to.active_element.send_keys(Keys.TAB)
        if driver.switch_to.active_element == select:
            break
    driver.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    some = len(visible(driver, shots))
    assert 0 < some < everything
    label = select.get_property("value")
    assert len(visible(driver, f"{shots}[data-classes~='{label}']")) == some
    assert driver.find_element(By.CSS_SELECTOR, "[role=status]").text == f"{some} images"
    select.send_keys(Keys.HOME)
    assert len(visible(driver, shots)) == everything


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_texts_have_enough_contrast(driver, page, scheme):
    open_page(driver, page, scheme)
    background = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    driver.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")
    assert driver.execute_script(LOW_CONTRAST, LEAST_CONTRAST) == []


def test_a_phone_needs_no_scrolling_sideways(driver, page):
    open_page(driver, page, width=390)
    try:
        assert driver.execute_script("return document.documentElement.scrollWidth") <= 390
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_it_prints_all_sections(driver, page):
    open_page(driver, page, "dark")
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert driver.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert len(visible(driver, "main section")) == 10
        assert driver.execute_script(LOW_CONTRAST, LEAST_CONTRAST) == []
    finally:
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
