"""The stage: which sources and targets a phase has, validation, and what is exported."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from diffusionact.conversion.published_networks import read_network_file
from diffusionact.face.readers.deca import entry as deca
from diffusionact.face.readers.open.face_model import OpenFaceModel
from diffusionact.generation import load_engine
from diffusionact.generation.directions import DirectionsEngine
from diffusionact.generation.directions_folder import NETWORKS, write_table_and_index
from diffusionact.models import Directions
from diffusionact.perception import load_identity_network, load_lpips, load_portrait_net

from ...data.frames import Frames
from ...data.noise import generator_at
from ...data.pairs import held_out_pairs
from ..stage import Stage
from ..validation import image_grid
from .face_measure import FaceMeasure
from .objective import DirectionsNetworks, DirectionsObjective, DirectionsWeights, identity_crops
from .portrait_measure import PortraitMeasure
from .single_changes import WHOLE

Phase = Literal["synthetic", "real_synthetic", "paired"]
MeasureName = Literal["deca", "portrait"]


@dataclass(frozen=True)
class DirectionsSettings:
    """Settings of the stage.

    Attributes:
        model_folder: of the engine `directions`: generator, inversion encoder, and a matrix.
        phase: "synthetic": sources and targets are drawn by the generator; "real_synthetic": half of the sources are
            frames of the data; "paired": two frames of one video. The authors' order.
        fresh: start with a new matrix, as the first phase does; False goes on with the folder's.
        measure: who reads faces: "deca", and then ArcFace and LPIPS-AlexNet for the other terms; or "portrait", the
            bundled network of synthetic portraits for all of them, which knows head pose and jaw.
        face_folder: holds the files of the face reader `deca`; None is the weights folder's.
        weights: of the terms.
        validation_images: columns of the validation grid.
    """

    model_folder: str
    phase: Phase = "synthetic"
    fresh: bool = True
    measure: MeasureName = "deca"
    face_folder: str | None = None
    weights: DirectionsWeights = field(default_factory=DirectionsWeights)
    validation_images: int = 8


class TrainDirections(Stage):
    """Train the matrix A; everything else stays as it is.

    In the unpaired phases the second half of a batch changes one parameter alone; its sources are drawn.

    Raises:
        ValueError: if the model is of another engine, or its images have another size than the data.
    """

    name: ClassVar[str] = "train_directions"
    Settings: ClassVar[type] = DirectionsSettings

    def __init__(self, config, frames: Frames, device: torch.device, num_processes: int = 1, process: int = 0):
        super().__init__(config, frames, device, num_processes, process)
        self.engine = self._engine()
        self.directions = self._matrix().to(device).requires_grad_(True).train()
        networks = self._portrait_networks() if self.settings.measure == "portrait" else self._official_networks()
        self.num_parameters = networks.measure.num_parameters
        is_paired = self.settings.phase == "paired"
        self.objective = DirectionsObjective(self.directions, networks, self.settings.weights, is_paired).to(device)
        self.pairs = self.training_pairs()

    @torch.no_grad()
    def batch(self, index: int) -> dict[str, Tensor]:
        """Sources with their codes, targets, and which parameter changes alone."""
        positions = list(self.pairs.order.positions(index))
        if self.settings.phase == "paired":
            sources, targets = self.pairs.batch(index)
            source = self.images("image", sources)
            whole = torch.full((len(positions),), WHOLE, device=self.device)
            return self._entries(source, self.engine.inversion_encoder(source), self.images("image", targets), whole)
        draws = [generator_at(self.config.seed, position) for position in positions]
        w_source, w_target = (self._drawn_codes(draws) for _ in range(2))
        source, target = (self.engine.generator(self.engine.truncate(w)) for w in (w_source, w_target))
        half = len(positions) // 2
        if self.settings.phase == "real_synthetic":
            real = self.images("image", self.pairs.order.batch(index)[:half])
            source = torch.cat([real, source[half:]])
            w_source = torch.cat([self.engine.inversion_encoder(real), w_source[half:]])
        single = torch.stack([torch.randint(self.num_parameters, (), generator=draw) for draw in draws])
        single[:half] = WHOLE
        share = torch.stack([torch.rand((), generator=draw) for draw in draws]).to(self.device)
        return {**self._entries(source, w_source, target, single.to(self.device)), "share": share}

    @torch.no_grad()
    def validate(self) -> tuple[Tensor, dict[str, float]]:
        """Rows: source, target, reenacted, of held-out frames of one video each; and the terms."""
        sources, targets = held_out_pairs(
            self.frames.video, self.frames.validation, self.settings.validation_images, self.config.seed
        )
        source, target = self.images("image", sources), self.images("image", targets)
        w_plus = self.engine.inversion_encoder(source)
        whole = torch.full((len(sources),), WHOLE, device=self.device)
        reenacted, terms = self.objective.reenact(**self._entries(source, w_plus, target, whole))
        grid = image_grid([source, target, reenacted.clamp(-1.0, 1.0)])
        return grid, {name: float(term) for name, term in terms.items()}

    def components(self) -> dict[str, Any]:
        """The whole model, with the matrix as it is now."""
        return {name: getattr(self.engine, name) for name in NETWORKS} | {"directions": self.directions}

    def write_index(self, folder: Path) -> None:
        """See `Stage`."""
        write_table_and_index(folder, replace(self.engine.components, directions=self.directions))

    def _official_networks(self) -> DirectionsNetworks:
        """DECA, ArcFace and LPIPS-AlexNet; the last two only where their terms have a weight."""
        settings, weights = self.settings, self.settings.weights
        folder = None if settings.face_folder is None else Path(settings.face_folder)
        arcface = self.frozen(load_identity_network("arcface", read_network_file)) if weights.identity > 0 else None
        return DirectionsNetworks(
            self.engine,
            FaceMeasure(deca.load(folder).to(self.device).networks),
            None if arcface is None else lambda images: arcface.embed_crops(identity_crops(images)),
            self.frozen(load_lpips("alex", read_network_file)) if weights.perceptual > 0 else None,
        )

    def _portrait_networks(self) -> DirectionsNetworks:
        """One bundled network for all terms."""
        weights = self.settings.weights
        model = OpenFaceModel.from_bundled().to(self.device)
        measure = PortraitMeasure(self.frozen(load_portrait_net("loss")), model)
        return DirectionsNetworks(
            self.engine,
            measure,
            measure.identity if weights.identity > 0 else None,
            measure.perceptual if weights.perceptual > 0 else None,
        )

    def _engine(self) -> DirectionsEngine:
        engine = load_engine(self.settings.model_folder)
        if not isinstance(engine, DirectionsEngine) or engine.sample_size != self.frames.sample_size:
            raise ValueError(
                f"Expected a model of the engine 'directions' for data of {self.frames.sample_size} px, received one "
                f"of {engine.name!r} for {engine.sample_size} px. Set settings.model_folder or data.sample_size."
            )
        return engine.to(self.device)

    def _matrix(self) -> Directions:
        """The matrix to train: another object than the engine's, which is frozen."""
        matrix = Directions.from_config(self.engine.directions.config)
        if not self.settings.fresh:
            matrix.load_state_dict(self.engine.directions.state_dict())
        return matrix

    def _drawn_codes(self, draws: list[torch.Generator]) -> Tensor:
        """(B, R, D) codes of random faces: one row, repeated."""
        z = torch.stack([torch.randn(self.engine.generator.config.style_dim, generator=draw) for draw in draws])
        w = self.engine.generator.mapping(z.to(self.device))
        return w[:, None].expand(-1, self.engine.generator.num_rows, -1)

    def _entries(self, source: Tensor, w_plus: Tensor, target: Tensor, single: Tensor) -> dict[str, Tensor]:
        nothing = torch.zeros(len(source), device=self.device)
        return {"source": source, "w_plus": w_plus, "target": target, "single": single, "share": nothing}
