"""What a visitor meets whose job has to wait, in a headless browser: the queue, leaving it, and the turn that comes."""

import pytest
from visitor import Visitor

pytest.importorskip("gradio", reason="gradio (app extra) is absent")
pytestmark = pytest.mark.slow


def test_visitor_in_the_queue_is_told_so_can_leave_and_come_again(
    open_page, app, source_file, driving_file, long_driving_file
):
    third = Visitor(open_page(app.url))
    third.choose(source_file, driving_file, 3)
    busy = [Visitor(open_page(app.url)) for _ in range(2)]
    for visitor in busy:
        visitor.upload("animate-source", source_file)
        visitor.upload("animate-driving", long_driving_file)
        visitor.wait_for_text("estimate", "700 frames")
    for visitor in busy:
        visitor.page.locator("#animate-start").click()
    for visitor in busy:
        visitor.wait_for_text("animate-status", "Frame ")
    start, leave = third.page.locator("#animate-start"), third.page.locator("#animate-leave")
    start.click()
    third.wait_for_text("animate-status", "Waiting")
    leave.wait_for()
    assert start.is_disabled() and not third.page.locator("#animate-stop").is_visible()
    leave.click()
    third.wait_for_text("animate-status", "Ready")
    assert start.is_enabled() and not leave.is_visible()
    start.click()
    third.wait_for_text("animate-status", "Waiting")
    for visitor in busy:
        visitor.page.locator("#animate-stop").click()
        visitor.wait_for_text("animate-status", "Stopped")
    assert "3 frames" in third.wait_for_text("animate-status", "Done")
    assert third.page.locator("#animate-start").is_enabled() and not leave.is_visible()
