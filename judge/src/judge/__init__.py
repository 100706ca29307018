"""Judge whether a likelihood belongs to a probability distribution.

    from judge import judge

    verdict = judge(nats, shape=(1, 28, 28), values=2, data=images, claim=0.15)
    print(verdict.report())

`nats` is any function from integer arrays to the negative log-probability of each
variable. Only NumPy is needed; PyTorch and Pillow are used if they are installed and
asked for.
"""

from judge.errors import CannotJudgeError
from judge.judging import judge
from judge.picture import draw_leaks
from judge.places import pixel_order
from judge.torch_modules import nats_from_logits
from judge.verdict import Finding, Verdict

__all__ = [
    "CannotJudgeError",
    "Finding",
    "Verdict",
    "draw_leaks",
    "judge",
    "nats_from_logits",
    "pixel_order",
]
