"""The ablations of the paper's Table 3 in small: four ways to train, each with the same numbers of steps.

    python benchmarks/ablations.py --diffae runs/pretrain_diffae/model --data data/train128 --output runs/ablations

full: all three stages. without_pretraining: stage 2 starts from the semantic encoder. without_batch_split: stages 2 and
3 see self reenactment only. without_fine_tuning: instead of stage 3, stage 2 goes on for as many steps. Runs that are
whole are not repeated, so that the command can be given again after a stop. Two share the machine, one thread each.
The models are then compared by `diffusionact evaluate`, as printed at the end.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / "train" / "configs" / "demo"


@dataclass(frozen=True)
class Run:
    """One run of training.

    Attributes:
        name: of its folder.
        stage: what is trained.
        after: run whose model it goes on from; None takes the DiffAE.
        switches: overrides of the demo's config.
        length: stage whose number of steps it takes; None is its own.
    """

    name: str
    stage: str
    after: str | None
    switches: tuple[str, ...] = ()
    length: str | None = None


NO_SPLIT = ("settings.reconstruction_fraction=0.0",)
# Two chains that run side by side, of about the same length.
CHAINS = (
    (
        Run("pretrained", "pretrain_encoder", None),
        Run("second", "train_encoder", "pretrained"),
        Run("full", "finetune_decoder", "second"),
        Run("without_fine_tuning", "train_encoder", "second", length="finetune_decoder"),
    ),
    (
        Run("second_without_pretraining", "train_encoder", None, ("settings.pretrained=false",)),
        Run("without_pretraining", "finetune_decoder", "second_without_pretraining"),
        Run("second_without_batch_split", "train_encoder", "pretrained", NO_SPLIT),
        Run("without_batch_split", "finetune_decoder", "second_without_batch_split", NO_SPLIT),
    ),
)
VARIANTS = ("full", "without_pretraining", "without_batch_split", "without_fine_tuning")


def overrides(run: Run, options: argparse.Namespace) -> list[str]:
    """What of the demo's config a run changes."""
    folder = options.output / run.after / "model" if run.after else options.diffae
    return [
        f"run_folder={options.output / run.name}",
        f"data.folder={options.data}",
        f"settings.model_folder={folder}",
        f"loop.max_steps={vars(options)[run.length or run.stage]}",
        "loop.max_minutes=null",
        "loop.validate_every=0",
        *run.switches,
        *options.override,
    ]


def train(run: Run, options: argparse.Namespace) -> None:
    """Train one run to its end, from its last checkpoint if it was stopped."""
    folder = options.output / run.name
    if (folder / "done").exists():
        return
    print(f"{run.name}: {run.stage}", flush=True)
    config = str(CONFIGS / f"{run.stage}.yaml")
    command = [sys.executable, str(ROOT / "train" / "train.py"), "--config", config, "--resume", "latest"]
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "output.txt", "a", encoding="utf-8") as output:
        subprocess.run(
            [*command, "--override", *overrides(run, options)],
            check=True, stdout=output, stderr=output, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
    (folder / "done").touch()
    print(f"{run.name}: done", flush=True)


def train_chain(chain: tuple[Run, ...], finished: dict[str, Event], options: argparse.Namespace) -> None:
    """Train the runs of a chain one after the other, each when the run before it has ended."""
    for run in chain:
        if run.after:
            finished[run.after].wait()
        try:
            train(run, options)
        finally:
            finished[run.name].set()  # also after an error, so that nobody waits for ever


def main() -> None:
    """Train all variants and print how to compare them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--diffae", type=Path, required=True, help="model folder of stage 0")
    parser.add_argument("--data", type=Path, required=True, help="shards")
    parser.add_argument("--output", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--pretrain_encoder", type=int, default=1200, help="steps of stage 1")
    parser.add_argument("--train_encoder", type=int, default=150, help="steps of stage 2")
    parser.add_argument("--finetune_decoder", type=int, default=200, help="steps of stage 3")
    parser.add_argument(
        "--override", nargs="*", action="extend", default=[], help="for every run, such as loop.cpu=false"
    )
    options = parser.parse_args()
    finished = {run.name: Event() for chain in CHAINS for run in chain}
    with ThreadPoolExecutor(len(CHAINS)) as pool:
        for chain in [pool.submit(train_chain, chain, finished, options) for chain in CHAINS]:
            try:
                chain.result()
            except subprocess.CalledProcessError as error:
                sys.exit(
                    f"A run ended with status {error.returncode}. See output.txt in its folder in {options.output}."
                )
    models = " ".join(f"{name}={options.output / name / 'model'}" for name in VARIANTS)
    print(f"diffusionact evaluate --model {models} --data HELD_OUT --output {options.output / 'report'}")


if __name__ == "__main__":
    main()
