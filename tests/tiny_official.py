"""The paper backend small enough for tests: its face networks with weights by rule, a made-up head, a 256 px model."""

from dataclasses import replace

from official_files import TINY, head_buffers
from official_rule import parameter
from seeing_detector import seeing_weights
from tiny_model import make_tiny_components
from torch import nn

from diffusionact.conversion.flame_head import flame_from_checkpoint
from diffusionact.face.readers.deca.reader import DecaFaceReader
from diffusionact.face.readers.emoca.coefficient_encoders import CoefficientEncoders, DecaEncoder
from diffusionact.face.readers.emoca.components import DecaNetworks, EmocaNetworks
from diffusionact.face.readers.emoca.face_detector import FaceDetector
from diffusionact.face.readers.emoca.flame import FlameModel
from diffusionact.face.readers.emoca.gaze_net import GazeNet
from diffusionact.face.readers.emoca.landmark_net import LandmarkNet
from diffusionact.face.readers.emoca.reader import EmocaFaceReader
from diffusionact.generation import ModelComponents, PipelineConfig
from diffusionact.pipelines import DiffusionActPipeline
from diffusionact.schedulers import DDIMScheduler


def make_tiny_networks() -> EmocaNetworks:
    """All networks of the paper's face tracking; the detector sees one face in the middle unless it is dark there."""
    detector = FaceDetector(TINY.width)
    detector.load_state_dict(seeing_weights(FaceDetector(TINY.width)))
    encoders = CoefficientEncoders(50, TINY.width)
    networks = EmocaNetworks(
        detector=detector,
        landmark_net=by_rule(LandmarkNet(TINY.width)),
        encoders=by_rule(encoders),
        gaze_net=by_rule(GazeNet(TINY.width)),
        flame=FlameModel.from_state(flame_from_checkpoint(head_buffers(TINY), "a made-up head")),
    )
    # A face camera sees the head, whatever the image shows.
    encoders.shape_and_pose.out.bias.data[206:209] = encoders.shape_and_pose.out.bias.new_tensor([8.0, 0.0, 0.0])
    for network in vars(networks).values():
        network.eval().requires_grad_(False)
    return networks


def make_tiny_reader() -> EmocaFaceReader:
    return EmocaFaceReader(make_tiny_networks())


def make_tiny_deca() -> DecaFaceReader:
    """The reader of `directions` with tiny networks; it sees what the other one sees."""
    networks = make_tiny_networks()
    encoder = by_rule(DecaEncoder(TINY.width)).eval().requires_grad_(False)
    encoder.encoder.out.bias.data[206:209] = encoder.encoder.out.bias.new_tensor([8.0, 0.0, 0.0])
    return DecaFaceReader(DecaNetworks(networks.detector, networks.landmark_net, encoder, networks.flame))


def make_tiny_official() -> ModelComponents:
    """A 256 px model with two UNets, the official scheduler and landmark frame."""
    return replace(
        make_tiny_components(256, fine_tuned=True),
        scheduler=DDIMScheduler(),
        config=PipelineConfig(landmark_frame="crop224"),
    )


def make_tiny_paper_pipeline() -> DiffusionActPipeline:
    return DiffusionActPipeline(make_tiny_official(), make_tiny_reader())


def by_rule(network: nn.Module) -> nn.Module:
    """Fill a network by the rule, under its own names."""
    state = network.state_dict()
    network.load_state_dict({name: parameter(name, tuple(value.shape)) for name, value in state.items()})
    return network
