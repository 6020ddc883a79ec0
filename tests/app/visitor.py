"""What a visitor does on the page, by the names that the page shows."""

from pathlib import Path

from browser import PATIENCE_MS


class Visitor:
    """One open page.

    Args:
        page: playwright's Page on the app.
    """

    def __init__(self, page):
        self.page = page
        page.set_default_timeout(PATIENCE_MS)
        page.wait_for_selector("#animate-start")

    def tab(self, name: str) -> None:
        """Open one of the page's tabs."""
        self.page.get_by_role("tab", name=name, exact=True).click()

    def upload(self, element: str, *files: Path) -> None:
        """Give files to an upload field."""
        self.page.set_input_files(f"#{element} input[type=file]", [str(file) for file in files])

    def choose(self, source: Path, driving: Path, frames: int) -> None:
        """Fill in the Animate tab at the lowest quality and wait for the estimate."""
        self.upload("animate-source", source)
        self.upload("animate-driving", driving)
        self.few_frames(frames)

    def few_frames(self, frames: int) -> None:
        """Ask for a number of frames, once the video is known."""
        page = self.page
        page.wait_for_function("document.querySelector('#estimate').innerText.includes('100 frames')")
        if not page.locator("#frames").is_visible():
            page.get_by_role("button", name="Options").first.click()
        # The video sets the slider; a number typed before that would be overwritten.
        page.wait_for_function("document.querySelector('#frames input[type=range]')?.value === '100'")
        page.locator("#frames input[type=number]").fill(str(frames))
        page.keyboard.press("Tab")
        page.wait_for_function(f"document.querySelector('#estimate').innerText.startsWith('{frames} frame')")

    def wait_for_text(self, element: str, text: str) -> str:
        """Wait until an element says something; returns all it says."""
        script = "([id, text]) => document.getElementById(id).innerText.includes(text)"
        self.page.wait_for_function(script, arg=[element, text])
        return self.page.locator(f"#{element}").inner_text()

    def toast(self, text: str) -> str:
        """The message that pops up with a text in it."""
        return self.page.locator(".toast-body", has_text=text).first.inner_text()

    def video(self, element: str) -> dict:
        """Wait until a video can play; its length in seconds and size in pixels."""
        self.page.wait_for_function(
            "id => { const v = document.querySelector(`#${id} video`); return v && v.readyState >= 1; }", arg=element
        )
        return self.page.evaluate(
            "id => { const v = document.querySelector(`#${id} video`);"
            " return {seconds: v.duration, width: v.videoWidth, height: v.videoHeight, url: v.src}; }",
            element,
        )
