"""Clicks through Unseen generators: a study is started on the page, its matrix leads to images, and the album shows them all."""

import re

import pytest

from tests.many_generators import GENERATORS, many_images

BOX = "div => { const it = div.getBoundingClientRect(); return [it.x, it.y, it.width, it.height] }"


@pytest.fixture(scope="module")
def many(server):
    return many_images(server.workspace)


def pick(page, label: str, option: str) -> None:
    page.get_by_test_id("stSelectbox").filter(has_text=re.compile(rf"^{label}")).locator("input").click()
    page.get_by_role("option", name=option, exact=True).click()


def test_a_study_started_on_the_page_ends_in_a_matrix_whose_cells_show_their_images_and_in_an_album_with_maps(page, settled, many):
    page.goto("/unseen")
    settled(page)
    pick(page, "Study", "Cross-generator matrix: learn from one, judge on another")
    settled(page)
    pick(page, "Photographs of", "tiny")
    settled(page)
    page.get_by_text("study matrix --dataset tiny --generators many").wait_for()
    page.get_by_role("button", name="Start this study").click()
    page.get_by_role("heading", name="Cross-generator AUC").wait_for()
    settled(page)
    chart = page.get_by_test_id("stVegaLiteChart").last
    chart.scroll_into_view_if_needed()
    drawing = chart.locator("canvas, svg.marks").first
    x, y, width, height = drawing.evaluate(BOX)
    for across, down in ((0.6, 0.35), (0.6, 0.4), (0.6, 0.45), (0.6, 0.3), (0.6, 0.5)):
        page.mouse.click(x + across * width, y + down * height)
        page.wait_for_timeout(1500)
        settled(page)
        if page.get_by_text("fakes judged by").count():
            break
    named = page.get_by_text("fakes judged by").inner_text()
    assert re.search(r"24 fakes judged by (board|stripe); family (board|stripe)", named)
    shown = page.get_by_role("heading", name=re.compile(r"^(board|stripe)-[a-d]$"))
    assert shown.inner_text() in GENERATORS
    page.get_by_alt_text(f"most suspicious fakes of {shown.inner_text()}").wait_for()

    page.get_by_text("What each generator's fakes look like").click()
    settled(page)
    for name in GENERATORS:
        page.get_by_alt_text(f"24 fakes of {name}", exact=True).wait_for()
    page.get_by_test_id("stSelectbox").filter(has_text="Below each row").locator("input").click()
    page.get_by_role("option").filter(has_text="seed").first.click()
    page.get_by_alt_text(re.compile("^where the network looked at 24 fakes of ")).nth(len(GENERATORS) - 1).wait_for()
