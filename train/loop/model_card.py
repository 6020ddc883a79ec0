"""The model card, `README.md` of a model folder: what the model is, how it was made and how it does."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from huggingface_hub import ModelCardData

from diffusionact.weights import INDEX_NAME

from ..configs import TrainingConfig, dump_config

GRID = "validation.png"
TAGS = ["diffusionact", "face-reenactment", "diffusion-autoencoder"]

WHOLE = """\
```python
from diffusionact import DiffusionActPipeline

pipeline = DiffusionActPipeline.from_pretrained("{name}")
```

The folder also goes to `--model` of the `diffusionact` command, to the app, and to the ComfyUI nodes."""

PARTS = """\
This is not a whole model: other stages of training read it, by a folder in their configs. Its parts
load one by one: {parts}."""

TEXT = """\
{front}
# {title}

A model for one-shot face reenactment with a diffusion autoencoder (DiffusionAct), as the training stage `{stage}` left
it after {step} steps. Weights are the moving average over the steps.

## Use

{use}

## Training

- stage: `{stage}`, {size} px, seed {seed}
- data: `{data}`, {frames} training frames

<details><summary>Configuration</summary>

```yaml
{config}```

</details>

## Validation

On people that training did not see, measured by the training run itself.

{figures}

{grid}

## Licence

Not stated yet. Whoever publishes this model states the licence here; it must fit the licences of the training images
and of the networks that the training used.

## Before you use it

Animate only people who have agreed to it, and say that the images are generated. Images and clips that DiffusionAct
writes carry a note of that in their files. The model repeats the gaps of its training images: people unlike them come
out worse.
"""


def write_model_card(
    folder: Path,
    config: TrainingConfig,
    step: int,
    frames: int,
    figures: Mapping[str, float],
    images: Path,
) -> None:
    """Write `README.md`, and the newest validation grid beside it.

    Args:
        folder: the model folder, complete but for this.
        config: of the run.
        step: optimiser steps done.
        frames: how many images were trained on.
        figures: name -> figure of the last validation, perhaps none.
        images: folder of the validation grids.
    """
    grids = sorted(images.glob("step-*.png"))
    if grids:
        shutil.copyfile(grids[-1], folder / GRID)
    front = ModelCardData(library_name="diffusionact", tags=TAGS).to_yaml()
    text = TEXT.format(
        front=f"---\n{front}\n---\n",
        title=Path(config.run_folder).resolve().name,
        stage=config.stage,
        step=step,
        use=_use(folder, config),
        size=config.data.sample_size,
        seed=config.seed,
        data=Path(config.data.folder).name,
        frames=frames,
        config=dump_config(config),
        figures=_table(figures),
        grid=f"![Validation grid]({GRID})" if grids else "",
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def _use(folder: Path, config: TrainingConfig) -> str:
    if (folder / INDEX_NAME).is_file():
        return WHOLE.format(name=config.hub.repository or config.run_folder + "/model")
    parts = sorted(path.name for path in folder.iterdir() if path.is_dir())
    return PARTS.format(parts=", ".join(f"`{name}`" for name in parts))


def _table(figures: Mapping[str, float]) -> str:
    if not figures:
        return "There was no validation yet."
    rows = [f"| {name} | {value if isinstance(value, int) else f'{value:.4g}'} |" for name, value in figures.items()]
    return "\n".join(["| figure | value |", "|---|---|", *rows])
