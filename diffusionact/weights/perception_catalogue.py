"""The files behind losses and metrics that a user may bring for training and evaluation; see `catalogue.py`.

Hashes: torchvision's names state their first digits; LPIPS's are those of the package lpips 0.1.4; the others are as
several public projects that check them give them. FaRL's is published nowhere that we know.
"""

from __future__ import annotations

from .official_file import PERCEPTION_FOLDER_NAME, OfficialFile

_IMAGENET_TERMS = "trained on ImageNet, whose images are for non-commercial research"
_TORCHVISION = "https://download.pytorch.org/models"
_LPIPS = "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/v0.1"
_LPIPS_LICENCE = "BSD-2-Clause (LPIPS, code and weights)"


def _component(name: str) -> str:
    return f"{PERCEPTION_FOLDER_NAME}/{name}.safetensors"


def _torchvision(name: str, purpose: str, file_name: str, num_parameters: int) -> OfficialFile:
    return OfficialFile(
        name=name,
        purpose=purpose,
        file_names=(file_name,),
        origin=f"torchvision, {_TORCHVISION}/{file_name}",
        how_to_get=f"`diffusionact weights fetch {name}`",
        licence=f"torchvision: BSD-3-Clause code; {_IMAGENET_TERMS}",
        component=_component(name),
        num_parameters=num_parameters,
        sha256_starts=(file_name.removesuffix(".pth").rpartition("-")[2],),
        url=f"{_TORCHVISION}/{file_name}",
    )


def _lpips(backbone: str, title: str, sha256_start: str) -> OfficialFile:
    name = f"lpips-{backbone}"
    return OfficialFile(
        name=name,
        purpose=f"learnt layer weights of {title}: the metric LPIPS, or the perceptual loss",
        file_names=(f"{backbone}.pth",),
        origin="richzhang/PerceptualSimilarity, folder lpips/weights/v0.1; also inside the package lpips",
        how_to_get=f"`diffusionact weights fetch {name}`",
        licence=_LPIPS_LICENCE,
        component=_component(name),
        sha256_starts=(sha256_start,),
        url=f"{_LPIPS}/{backbone}.pth",
    )


PERCEPTION_ENTRIES: tuple[OfficialFile, ...] = (
    _torchvision("vgg19", "VGG19: the perceptual loss", "vgg19-dcbb9e9d.pth", 143_667_240),
    OfficialFile(
        name="arcface",
        purpose="ArcFace IR-SE50: the identity loss; the metrics CSIM, TL-ID, TG-ID",
        file_names=("model_ir_se50.pth",),
        origin="links in the README of TreB1eN/InsightFace_Pytorch",
        how_to_get="download it by the links in the README of TreB1eN/InsightFace_Pytorch",
        licence="MIT code; trained on MS-Celeb-1M faces, so expect research use only",
        component=_component("arcface"),
        num_parameters=43_824_064,
        sha256_starts=("a035c76825",),
    ),
    OfficialFile(
        name="insightface",
        purpose="insightface's ArcFace (IResNet or MobileFaceNet): the same as arcface; any one of the three files",
        file_names=("w600k_r50.onnx", "glintr100.onnx", "w600k_mbf.onnx"),
        origin="insightface's sets of models buffalo_l, antelopev2 and buffalo_s",
        how_to_get="download buffalo_l, antelopev2 or buffalo_s by the README of deepinsight/insightface",
        licence="insightface: MIT code; the models for non-commercial research only",
        component=_component("insightface"),
        sha256_starts=("4c06341c33", "4ab1d6435d", "9cc6e4a75f"),
    ),
    OfficialFile(
        name="face_parsing",
        purpose="BiSeNet, parsing of faces: the background loss",
        file_names=("79999_iter.pth",),
        origin="links in the README of zllrunning/face-parsing.PyTorch",
        how_to_get="download it by the links in the README of zllrunning/face-parsing.PyTorch",
        licence="MIT code; trained on CelebAMask-HQ, non-commercial research only",
        component=_component("face_parsing"),
        sha256_starts=("468e13ca13",),
    ),
    OfficialFile(
        name="farl",
        purpose="FaRL ViT-B/16: the style loss",
        file_names=("FaRL-Base-Patch16-LAIONFace20M-ep64.pth",),
        origin="the releases of FacePerceiver/FaRL",
        how_to_get="download it from the releases of FacePerceiver/FaRL",
        licence="MIT code; trained on LAION-Face, whose images have terms of their own",
        component=_component("farl"),
    ),
    _torchvision("alexnet", "AlexNet: feature maps of LPIPS-Alex", "alexnet-owt-7be5be79.pth", 61_100_840),
    _lpips("alex", "LPIPS-Alex", "df73285e35"),
    _torchvision("vgg16", "VGG16: feature maps of LPIPS-VGG", "vgg16-397923af.pth", 138_357_544),
    _lpips("vgg", "LPIPS-VGG", "a78928a0af"),
)
