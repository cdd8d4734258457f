import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.serve.page.conftest import Demo, serving
from tests.serve.page.support import HOSTILE, ORANGE, TOKEN, Visit

pytestmark = pytest.mark.slow


def fail(route: Any, status: int, sentence: str) -> None:
    route.fulfill(status=status, content_type="application/json", body=json.dumps({"error": sentence}))


def test_a_dropped_picture_a_second_one_and_one_drawn_by_hand(visit: Any, scenes: list[Path]) -> None:
    one: Visit = visit()
    one.page.wait_for_selector(".scene-card")
    one.drop(scenes[1])
    one.page.wait_for_selector(".stage .box")
    one.pick(1)
    alone = one.page.locator(".match .similarity").first.inner_text()
    one.drop(scenes[2])  # on the zone for another picture of the same person
    one.page.locator(".advice", has_text="Click whom").wait_for()
    assert one.page.locator(".picture-tabs button").all_inner_texts() == [scenes[1].name, scenes[2].name]
    one.judged(lambda: one.page.locator(".stage .box").nth(1).click(position={"x": 8, "y": 8}))
    assert one.page.locator(".query-item").count() == 2
    assert one.page.locator(".match .similarity").first.inner_text() != alone
    frame = one.page.locator(".stage .frame").bounding_box()
    one.page.get_by_role("button", name="Draw a box").click()
    one.page.mouse.move(frame["x"] + 0.4 * frame["width"], frame["y"] + 0.4 * frame["height"])
    one.page.mouse.down()
    one.page.mouse.move(frame["x"] + 0.5 * frame["width"], frame["y"] + 0.9 * frame["height"])
    one.judged(one.page.mouse.up)
    assert one.page.locator(".query-item").count() == 2  # the box that was chosen in that picture gave way
    assert "drawn by hand" in one.page.locator(".query-list").inner_text()
    one.judged(lambda: one.page.get_by_role("button", name="Take this picture out").nth(1).click())
    assert one.page.locator(".query-item").count() == 1
    assert one.page.locator(".match .similarity").first.inner_text() == alone


def test_mistakes_are_told_where_they_happen(visit: Any, tmp_path: Path) -> None:
    one: Visit = visit()
    one.expected = {400, 415, 503}
    one.page.wait_for_selector(".scene-card")
    (tmp_path / "page.jpg").write_bytes(b"<html>")
    one.drop(tmp_path / "page.jpg")
    one.page.locator(".toast.error").wait_for()
    assert one.page.locator(".toast.error").inner_text().startswith("page.jpg: cannot be read as")
    assert one.page.locator(".welcome").is_visible()
    one.example()
    tries = []
    one.page.route("**/api/search", lambda route: (tries.append(1), fail(route, 400, "k: is <b>wrong</b>; give 5")))
    one.page.locator(".stage .box").nth(ORANGE).click(position={"x": 8, "y": 12})
    one.page.get_by_text("k: is <b>wrong</b>; give 5").wait_for()
    one.page.unroute("**/api/search")
    one.page.get_by_role("button", name="Try again").click()
    one.settled()
    assert tries == [1]


def test_no_calibration_no_words(visit: Any) -> None:
    one: Visit = visit("#/timeline")

    def without(route: Any) -> None:
        answer = route.fetch()
        body = answer.json()
        body["calibration"] = None
        for match in body.get("matches", []):
            match.update(probability=None, false_match_rate=None, one_in=None)
        route.fulfill(response=answer, json=body)

    for path in ("**/api/gallery", "**/api/search"):
        one.page.route(path, without)
    one.page.goto(one.address)
    one.page.reload()
    one.page.locator(".scene-card .box").first.click(position={"x": 5, "y": 5})
    one.settled()
    assert one.page.locator(".meaning").count() == 0
    assert one.page.locator(".note").inner_text().startswith("These weights come without a calibration")
    assert one.page.locator(".threshold-words").inner_text().startswith("Without a calibration")
    assert one.page.locator(".tick").count() == 0


def test_a_picture_is_added_under_a_name_with_markup(visits: Any, demo: Demo, scenes: list[Path]) -> None:
    one: Visit = visits(demo.address)
    one.expected = {401}
    page = one.page
    page.get_by_label("Token").fill(TOKEN)
    page.keyboard.press("Enter")
    page.wait_for_selector(".scene-card")
    one.drop(scenes[0])
    page.wait_for_selector(".stage .box")
    page.get_by_text("Add this picture to the gallery").click()
    page.get_by_label("Name of the scene").fill(HOSTILE)
    page.get_by_label("Camera, if known").fill(HOSTILE)
    page.get_by_role("button", name="Add to the gallery").click()
    page.get_by_text("The picture itself is not kept").wait_for()
    one.pick(0)
    hostile = page.locator(".match", has_text=HOSTILE).first
    hostile.locator(".crop").click()
    page.locator("dialog[open]").get_by_text(f"Scene {HOSTILE}").wait_for()
    page.locator("dialog[open]").get_by_text("The picture is not at hand").wait_for()


def test_a_stored_person_is_one_click_away(visit: Any) -> None:
    one: Visit = visit()
    box = one.page.locator(".scene-card .box").first
    number = int(box.get_attribute("data-detection"))
    box.click(position={"x": 5, "y": 5})
    one.settled()
    assert number not in one.matches()
    assert "from the gallery" in one.page.locator(".query-item").inner_text()


def test_a_service_that_only_reads_offers_nothing_that_writes(
    visits: Any, demo: Demo, tmp_path: Path, scenes: list[Path]
) -> None:
    with serving(tmp_path, demo.gallery, "--read-only") as address:
        one: Visit = visits(address, "#/people")
        page = one.page
        page.wait_for_selector(".person-card")
        assert "read only" in page.locator("#gallery-facts").inner_text()
        assert page.locator(".pick, .tools button").count() == 0
        page.locator(".person-card a").first.click()
        page.wait_for_selector(".appearance")
        assert page.get_by_role("button", name="Forget").count() == page.locator(".rename").count() == 0
        page.goto(address + "#/search")
        page.wait_for_selector(".scene-card")
        assert not page.get_by_role("button", name="Try the example").count()
        one.drop(scenes[0])
        page.wait_for_selector(".stage .box")
        assert not page.get_by_text("Add this picture").count()
        page.get_by_role("button", name="Search for person 1").click()
        one.settled()
        one.close()


def test_an_empty_gallery_fills_from_the_page(visits: Any, tmp_path: Path, scenes: list[Path]) -> None:
    """One scene kept with its picture, grouped, then searched: all from the page."""
    with serving(tmp_path, tmp_path / "new", "--pictures", tmp_path / "kept") as address:
        one: Visit = visits(address)
        page = one.page
        page.get_by_role("heading", name="This gallery is empty").wait_for()
        for view, text in (("people", "This gallery is empty"), ("timeline", "This gallery is empty.")):
            page.goto(f"{address}#/{view}")
            page.get_by_text(text).wait_for()
        page.goto(address + "#/search")
        one.drop(scenes[0])
        page.wait_for_selector(".stage .box")
        found = page.locator(".stage .box").count()
        page.get_by_text("Add this picture to the gallery").click()
        page.get_by_label("Camera, if known").fill("door")
        page.get_by_label("Time, if known (UTC)").fill("2026-11-27T08:30:00")
        page.get_by_role("button", name="Add to the gallery").click()
        page.get_by_text("The picture is kept.").wait_for()
        page.goto(address + "#/people")
        page.get_by_role("button", name="Group now").click()
        page.get_by_role("heading", name=f"{found} people").wait_for()
        page.goto(address + "#/timeline")
        page.locator(".bar-button:not(.none)").click()
        page.get_by_text("2026-11-27 08:30").first.wait_for()
        page.wait_for_function("() => document.querySelector('.scene-card img')?.naturalWidth > 0")
        page.locator(".scene-card .box").first.click(position={"x": 5, "y": 5})
        one.settled()
        assert len(one.matches()) == found - 1
        one.close()


def test_a_service_that_is_gone_is_said_to_be(visits: Any, demo: Demo, tmp_path: Path) -> None:
    with serving(tmp_path, demo.gallery, "--read-only") as address:
        one: Visit = visits(address)
        one.page.wait_for_selector(".scene-card")
    one.page.get_by_role("link", name="People").click()
    one.page.get_by_text("The service does not answer.").wait_for()
    assert one.page.get_by_role("button", name="Try again").is_visible()
    assert one.complaints()
    one.forgive("ERR_CONNECTION")


def test_boxes_are_drawn_with_the_keyboard_and_pictures_pasted(visit: Any, scenes: list[Path]) -> None:
    one: Visit = visit()
    page = one.page
    one.example()
    one.pick(ORANGE)
    page.get_by_text("Several boxes").click()
    one.judged(lambda: page.locator(".stage .box").nth(5).click(position={"x": 8, "y": 8}))
    assert page.locator(".query-item").count() == 2
    assert page.locator(".stage .box[aria-pressed=true]").count() == 2
    one.judged(lambda: page.locator(".stage .box").nth(5).click(position={"x": 8, "y": 8}))
    assert page.locator(".query-item").count() == 1
    page.get_by_role("button", name="Draw a box").click()
    before = page.locator(".draft").bounding_box()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    after = page.locator(".draft").bounding_box()
    assert after["x"] > before["x"]
    assert after["width"] == pytest.approx(before["width"], abs=1)
    assert after["height"] > before["height"]
    page.keyboard.press("Escape")
    assert page.locator(".draft").count() == 0
    page.get_by_role("button", name="Draw a box").click()
    with page.expect_response(lambda response: response.url.endswith("/api/embed")) as answered:
        one.judged(lambda: page.keyboard.press("Enter"))
    [person] = answered.value.json()["people"]
    assert person["score"] is None
    assert "drawn by hand" in page.locator(".query-list").inner_text()
    text = base64.b64encode(scenes[4].read_bytes()).decode()
    page.evaluate(
        """(text) => {
          const data = new DataTransfer();
          const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
          data.items.add(new File([bytes], "pasted.jpg", { type: "image/jpeg" }));
          document.body.dispatchEvent(new ClipboardEvent("paste", { bubbles: true, clipboardData: data }));
        }""",
        text,
    )
    page.locator(".advice", has_text="Click whom").wait_for()
    assert page.get_by_alt_text("The picture pasted.jpg").is_visible()
    assert page.locator(".query-item").count() == 0  # a new search


def test_a_picture_that_is_too_large_is_not_sent_and_a_busy_service_is_asked_again(visit: Any, tmp_path: Path) -> None:
    one: Visit = visit("#/timeline")
    one.expected = {503}
    page = one.page

    def small(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "max_upload_bytes": 1000})

    page.route("**/api/gallery", small)
    page.goto(one.address)
    page.reload()
    page.wait_for_selector(".scene-card")
    (tmp_path / "large.jpg").write_bytes(bytes(3_000_000))
    one.drop(tmp_path / "large.jpg")
    page.get_by_text("large.jpg has 3.0 MB; at most 0.0 MB can be sent.").wait_for()
    assert not [url for url in one.requests if url.endswith("/api/detect")]
    tries: list[int] = []

    def busy(route: Any) -> None:
        tries.append(1)
        if len(tries) == 1:
            route.fulfill(status=503, headers={"Retry-After": "1"}, json={"error": "busy"})
        else:
            route.continue_()

    page.route("**/api/search", busy)
    page.locator(".scene-card .box").first.click(position={"x": 5, "y": 5})
    one.settled()
    assert len(tries) == 2


def test_files_that_are_no_pictures(visit: Any, tmp_path: Path) -> None:
    one: Visit = visit()
    one.page.wait_for_selector(".scene-card")
    (tmp_path / "notes.txt").write_text("not a picture")
    one.drop(tmp_path / "notes.txt")
    one.page.get_by_text("That was no picture.").wait_for()


def test_searches_do_not_wait_behind_pictures(visit: Any) -> None:
    """Four pictures load at a time, and what left the page gives its place up; on the way back they come."""
    one: Visit = visit("#/timeline")
    one.page.wait_for_selector(".bar-button")
    held: list[Any] = []
    one.page.route("**/*.jpg*", lambda route: held.append(route))
    one.page.get_by_role("link", name="Search", exact=True).click()
    one.page.wait_for_selector(".scene-card")
    one.page.wait_for_timeout(300)
    assert len(held) == 4
    one.page.locator(".scene-card .box").first.click(position={"x": 5, "y": 5})
    one.page.wait_for_selector(".match")
    one.page.wait_for_timeout(300)
    assert len(held) == 8
    assert all("crop.jpg" in route.request.url for route in held[4:])
    one.page.unroute("**/*.jpg*")
    one.page.go_back()
    one.page.wait_for_function("() => document.querySelector('.scene-card img')?.naturalWidth > 0")


def test_back_leads_to_where_one_was(visit: Any) -> None:
    one: Visit = visit("#/people")
    page = one.page
    page.wait_for_selector(".person-card")
    page.locator(".person-card a").last.scroll_into_view_if_needed()
    where = page.evaluate("scrollY")
    assert where > 300
    page.locator(".person-card a").last.click()
    page.wait_for_selector(".appearance")
    assert page.evaluate("scrollY") == 0
    page.go_back()
    page.wait_for_selector(".person-card")
    page.wait_for_function("(where) => Math.abs(scrollY - where) < 5", arg=where)
    asked = len([url for url in one.requests if "/api/people?" in url])
    assert asked == 1


def test_names_of_any_length_fit(visit: Any) -> None:
    one: Visit = visit("#/timeline", viewport={"width": 360, "height": 740})
    long = "camera-" + "x" * 300

    def lengthen(route: Any) -> None:
        answer = route.fetch()
        body = answer.json()
        body["name"] = long
        body["cameras"] = [{"camera": f"{long}-{number}", "images": 1} for number in range(60)]
        route.fulfill(response=answer, json=body)

    def rename(route: Any) -> None:
        answer = route.fetch()
        body = answer.json()
        for match in body["matches"]:
            match.update(camera=long, person_name=long, image_id=long)
        route.fulfill(response=answer, json=body)

    one.page.route("**/api/gallery", lengthen)
    one.page.route("**/api/search", rename)
    for where, ready in (("#/timeline", ".bar-button"), ("#/people", ".person-card"), ("", ".scene-card")):
        one.page.goto(one.address + where)
        one.page.reload()
        one.page.wait_for_selector(ready)
        assert one.wide() == 0, where
    one.page.locator(".scene-card .box").first.click(position={"x": 3, "y": 3})
    one.settled()
    one.page.locator(".filters > summary").click()
    one.page.get_by_label("Find a camera").fill("-59")
    assert one.page.locator(".chip.check:visible").count() == 1
    assert one.wide() == 0
    one.page.get_by_role("button", name="More matches").click()
    one.page.wait_for_function("() => document.querySelectorAll('.match').length === 48")
    one.page.locator(".match .crop").first.click()
    one.page.locator("dialog .facts").wait_for()
    assert one.wide() == 0
    assert one.page.evaluate("document.querySelector('dialog').scrollWidth <= innerWidth")


def test_nobody_one_person_and_whoever_goes_elsewhere_meanwhile(visit: Any, scenes: list[Path]) -> None:
    one: Visit = visit("#/people")
    page = one.page
    page.wait_for_selector(".person-card")
    keep: list[int] = [0]

    def some(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "people": answer.json()["people"][: keep[0]]})

    page.route("**/api/detect", some)
    one.drop(scenes[3])
    page.get_by_role("heading", name="Nobody was found in this picture.").wait_for()
    page.get_by_role("button", name="The whole picture is the person").click()
    one.settled()
    assert "drawn by hand" in page.locator(".query-list").inner_text()
    page.get_by_role("button", name="Start again").click()
    page.wait_for_selector(".welcome")
    keep[0] = 1
    one.drop(scenes[3])
    one.settled()  # there is nobody else to click
    assert "detected" in page.locator(".query-list").inner_text()
    page.unroute("**/api/detect")
    held: list[Any] = []
    page.route("**/api/detect", lambda route: held.append(route))
    one.drop(scenes[4])
    page.get_by_text(f"Looking for people in {scenes[4].name}").wait_for()
    page.get_by_role("link", name="People").click()
    page.wait_for_selector(".person-card")
    [route] = held
    route.fulfill(json={"width": 10, "height": 10, "people": []})
    page.wait_for_timeout(300)
    assert page.url.endswith("#/people")
    page.go_back()
    one.settled()
