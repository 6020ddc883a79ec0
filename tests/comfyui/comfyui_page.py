"""ComfyUI's page in a browser: opening it, and what its own code does with workflows."""

from collections.abc import Callable
from typing import Any

from comfyui_client import ComfyUIClient

# The page's own menus differ from version to version; these few calls are what custom nodes of many years rely on.
READY = "window.app?.vueAppReady && window.app.graph && window.app.extensionManager.spinner === false"


def open_comfyui(open_page: Callable, client: ComfyUIClient, width: int = 1600, height: int = 1000):
    """A playwright page with an empty graph, without the greeting that a first visit brings."""
    client.post("/settings/Comfy.TutorialCompleted", True)
    page = open_page(client.server.url, width, height)
    page.wait_for_function(READY)
    return page


def load_api_format(page, prompt: dict[str, Any]) -> None:
    """Show an API-format workflow."""
    page.evaluate("prompt => window.app.loadApiJson(prompt, 'workflow')", prompt)


def load_ui_format(page, workflow: dict[str, Any]) -> None:
    """Show a UI-format workflow."""
    page.evaluate("workflow => window.app.loadGraphData(workflow)", workflow)


def saved(page) -> dict[str, Any]:
    """The shown workflow as the page would save it, in UI format."""
    return page.evaluate("() => window.app.graph.serialize()")


def shown_prompt(page) -> dict[str, Any]:
    """What pressing Run would send: the shown workflow in API format, without titles."""
    prompt = page.evaluate("async () => (await window.app.graphToPrompt()).output")
    return {node: {key: value for key, value in found.items() if key != "_meta"} for node, found in prompt.items()}


def fit_view(page) -> None:
    """Zoom so that the whole graph is seen."""
    page.evaluate("() => window.app.extensionManager.command.execute('Comfy.Canvas.FitView')")
    page.wait_for_timeout(600)  # the zoom is animated


def open_template(page, pack: str, name: str) -> None:
    """Open the template browser, choose a pack there and click one of its templates."""
    before = page.evaluate("() => window.app.graph.id")
    page.get_by_role("button", name="Templates").click()
    page.get_by_text(pack, exact=True).click()
    page.get_by_test_id(f"template-workflow-{name}").click()
    page.wait_for_function("before => window.app.graph.id !== before", arg=before)
    page.get_by_test_id(f"template-workflow-{name}").wait_for(state="hidden")  # the dialog fades out


def set_widget(page, node_type: str, name: str, value: Any) -> None:
    """Type a value into the one node of a type."""
    page.evaluate(
        """([type, name, value]) => {
            const node = window.app.graph.nodes.find(node => node.type === type)
            node.widgets.find(widget => widget.name === name).value = value
        }""",
        [node_type, name, value],
    )


def press_run(page) -> None:
    """Click the Run button."""
    page.get_by_test_id("queue-button").click()
