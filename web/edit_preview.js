// Edit Pose follows its sliders: once it has run with a source, every change shows a geometry preview on the node.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

const NODE = "DiffusionAct_EditPose";
const MIX = "mix_";

async function fetchPreview(edit, sliders) {
  const answer = await api.fetchApi("/diffusionact/edit_preview", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ edit, sliders }),
  });
  return answer.ok ? URL.createObjectURL(await answer.blob()) : null;
}

async function showOnNode(node, url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  // The first is what the canvas draws, the second what nodes of the newer pages look at.
  node.imgs = [image];
  if (app.nodePreviewImages) app.nodePreviewImages[String(node.id)] = [url];
  app.graph.setDirtyCanvas(true, true);
  const shown = node.diffusionactUrl;
  node.diffusionactUrl = url;
  if (shown) setTimeout(() => URL.revokeObjectURL(shown), 1000);
}

function followSliders(node) {
  const sliders = node.widgets.filter((widget) => typeof widget.value === "number" && !widget.name.startsWith(MIX));
  let busy = false, isStale = false;
  async function follow() {
    isStale = true;
    if (busy || !node.diffusionactEdit) return;
    busy = true;
    try {
      while (isStale) {
        isStale = false;
        const url = await fetchPreview(node.diffusionactEdit, Object.fromEntries(sliders.map((s) => [s.name, s.value])));
        if (url) await showOnNode(node, url);
      }
    } finally {
      busy = false;
    }
  }
  for (const slider of sliders) {
    const callback = slider.callback;
    slider.callback = function (...values) {
      const result = callback?.apply(this, values);
      follow();
      return result;
    };
  }
}

app.registerExtension({
  name: "DiffusionAct.EditPreview",
  nodeCreated(node) {
    if (node.comfyClass !== NODE) return;
    followSliders(node);
    const executed = node.onExecuted;
    node.onExecuted = function (output) {
      node.diffusionactEdit = output?.diffusionact_edit?.[0];
      return executed?.apply(this, arguments);
    };
  },
});
