"""The paper's own face tracking: face detector, landmarks, EMOCA's encoders, FLAME and gaze, with the authors' weights.

The weights are the user's (their licences are non-commercial). `diffusionact weights import` puts them into one folder:

    face_detector.safetensors         S3FD, names of `FaceDetector`
    landmark_net.safetensors          2D-FAN-4, names of `LandmarkNet`
    coefficient_encoders.safetensors  `shape_and_pose.*` (E_flame) and `expression.*` (E_expression)
    gaze_net.safetensors              ETH-XGaze, names of `GazeNet`
    flame.safetensors                 names and shapes of `FlameTensors`
    deca_encoder.safetensors          E_flame of DECA, for the face reader `deca`
"""

from .components import COMPONENTS, DECA_COMPONENTS, EmocaNetworks, build_network, load_emoca_networks
from .flame import FlameModel

__all__ = ["COMPONENTS", "DECA_COMPONENTS", "EmocaNetworks", "FlameModel", "build_network", "load_emoca_networks"]
