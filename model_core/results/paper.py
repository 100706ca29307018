"""Tables 2 to 6 of "Pixel Recurrent Neural Networks" (arXiv 1601.06759), and which networks of ours are theirs."""

from dataclasses import dataclass, field
from typing import Literal

from model_core.config import NetworkConfig, preset

SOURCE = "arXiv 1601.06759"

TEXT, BILSTM, LISTED, LATER, REAL_NVP, SUMMARY, MEMORY = "¹", "²", "³", "⁴", "⁵", "⁶", "*"
WHERE_READ = {
    TEXT: "the paper's own text, section 5",
    BILSTM: "the table of binarized MNIST in a later paper (Variational Bi-LSTMs)",
    LISTED: "the results that Papers with Code lists for the paper",
    LATER: "the tables of CIFAR-10 in the papers on inverse autoregressive flow and on PixelCNN++",
    REAL_NVP: "table 1 of the paper on Real NVP",
    SUMMARY: "a public summary of section 5, whose address was not kept",
    MEMORY: "quoted from memory: nobody here has read it anywhere",
}
"""Sources of the paper's numbers, by the mark that each number bears. What we have of the paper has no tables."""


@dataclass(frozen=True)
class PaperScore:
    """One line of a table.

    read, train_read: where the numbers were read, marks of WHERE_READ. config, or where the paper gives no size,
    network: what a model of ours must be to stand beside it.
    """

    model: str
    score: float
    read: str = MEMORY
    bound: str = ""
    train: float | None = None
    train_read: str = MEMORY
    config: NetworkConfig | None = None
    network: str = ""

    def is_of(self, config: NetworkConfig) -> bool:
        """True if a network of this config is the one that this line scores."""
        return config == self.config if self.config is not None else config.network == self.network


@dataclass(frozen=True)
class PaperTable:
    """One table: its unit is `nats` or `bits_per_dim`, its data the beginning of what our cards call the data."""

    number: int
    title: str
    unit: Literal["nats", "bits_per_dim"]
    data: str
    splits: tuple[str, ...]
    """Splits of our scores that compare with it."""
    scores: tuple[PaperScore, ...] = field(default=())
    takes_others: bool = False
    """Lists models of ours at other sizes below the paper's."""


_CIFAR_ROW = preset("cifar10-row-lstm")
_MNIST_DIAGONAL = preset("mnist-diagonal-bilstm")

_TABLE_2 = PaperTable(
    2,
    "Residual and skip connections, 12-layer Row LSTM, CIFAR-10 validation",
    "bits_per_dim",
    "CIFAR-10",
    ("valid",),
    (
        PaperScore("neither", 3.22, config=_CIFAR_ROW.with_overrides(residual=False, skip=False)),
        PaperScore("skip only", 3.09, SUMMARY, config=_CIFAR_ROW.with_overrides(residual=False)),
        PaperScore("residual only", 3.07, SUMMARY, config=_CIFAR_ROW.with_overrides(skip=False)),
        PaperScore("both", 3.06, TEXT, config=_CIFAR_ROW),
    ),
)

_TABLE_3 = PaperTable(
    3,
    "Depth, Row LSTM, CIFAR-10 validation",
    "bits_per_dim",
    "CIFAR-10",
    ("valid",),
    tuple(
        PaperScore(
            f"{layers} layer{'s' if layers > 1 else ''}",
            score,
            config=_CIFAR_ROW.with_overrides(layers=layers),
            read={1: SUMMARY, 12: TEXT}.get(layers, MEMORY),
        )
        for layers, score in ((1, 3.30), (2, 3.20), (3, 3.17), (6, 3.09), (9, 3.08), (12, 3.06))
    ),
)

_TABLE_4 = PaperTable(
    4,
    "Binarized MNIST, test",
    "nats",
    "binarized MNIST",
    ("test",),
    (
        PaperScore("DBM 2hl", 84.62, bound="≈"),
        PaperScore("DBN 2hl", 84.55, BILSTM, bound="≈"),
        PaperScore("NADE", 88.33, BILSTM),
        PaperScore("EoNADE 2hl (128 orderings)", 85.10),
        PaperScore("EoNADE-5 2hl (128 orderings)", 84.68, BILSTM),
        PaperScore("DLGM", 86.60, bound="≈"),
        PaperScore("DLGM 8 leapfrog steps", 85.51, BILSTM, bound="≈"),
        PaperScore("DARN 1hl", 84.13, BILSTM, bound="≈"),
        PaperScore("MADE 2hl (32 masks)", 86.64),
        PaperScore("DRAW", 80.97, BILSTM, bound="≤"),
        PaperScore("PixelCNN (size not given)", 81.30, LISTED, network="pixel-cnn"),
        PaperScore("Row LSTM (size not given)", 80.54, network="row-lstm"),
        PaperScore(
            "Diagonal BiLSTM (1 layer, h = 32)",
            80.75,
            BILSTM,
            config=_MNIST_DIAGONAL.with_overrides(layers=1, hidden=32),
        ),
        PaperScore("Diagonal BiLSTM (7 layers, h = 16)", 79.20, BILSTM, config=_MNIST_DIAGONAL),
    ),
    takes_others=True,
)

_TABLE_5 = PaperTable(
    5,
    "CIFAR-10, test (training in brackets)",
    "bits_per_dim",
    "CIFAR-10",
    ("test",),
    (
        PaperScore("uniform distribution", 8.00, LATER),
        PaperScore("multivariate Gaussian", 4.70, LATER),
        PaperScore("NICE", 4.48, LATER),
        PaperScore("Deep Diffusion", 4.20),
        PaperScore("Deep GMMs", 4.00, LATER),
        PaperScore("RIDE", 3.47),
        PaperScore("PixelCNN (15 layers, h = 128)", 3.14, LISTED, train=3.08, config=preset("cifar10-pixelcnn")),
        PaperScore("Row LSTM (12 layers, h = 128)", 3.07, SUMMARY, train=3.00, config=_CIFAR_ROW),
        PaperScore(
            "Diagonal BiLSTM (12 layers, h = 128)", 3.00, LATER, train=2.93, config=preset("cifar10-diagonal-bilstm")
        ),
    ),
    takes_others=True,
)

_TABLE_6 = PaperTable(
    6,
    "Downsampled ImageNet, validation (training in brackets)",
    "bits_per_dim",
    "downsampled ImageNet of van den Oord",
    ("valid", "test"),
    (
        PaperScore(
            "32 x 32, Row LSTM (12 layers, h = 384)",
            3.86,
            REAL_NVP,
            train=3.83,
            train_read=REAL_NVP,
            config=preset("imagenet32-row-lstm"),
        ),
        PaperScore(
            "64 x 64, Row LSTM (4 layers, h = 512)",
            3.63,
            REAL_NVP,
            train=3.57,
            train_read=REAL_NVP,
            config=preset("imagenet64-row-lstm"),
        ),
    ),
    takes_others=True,
)

TABLES = (_TABLE_2, _TABLE_3, _TABLE_4, _TABLE_5, _TABLE_6)
