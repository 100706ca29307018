"""What was found, as text and as JSON."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One fault, and where it shows.

    Attributes:
        check: name of the check that found it.
        text: one sentence that names the place.
        place: index of the variable whose probability is wrong; None if there is no
            single one.
        cause: index of the later variable that changes it; None unless `check` is
            `causality`.
    """

    check: str
    text: str
    place: tuple[int, ...] | None = None
    cause: tuple[int, ...] | None = None


@dataclass
class Verdict:
    """The result of `judge`.

    Attributes:
        shape: shape of one image.
        values: values of one variable, V.
        findings: the faults that were found; none if the likelihood is sound.
        checks: name of each check that was made -> what was asked.
        not_made: reasons for which a check was not made, or was made in part.
        notes: remarks that are no faults, such as layers in training mode.
        worst_sum: of the sums of probabilities over all values, the one farthest from
            1; None if no sum was taken.
        bits_per_dim: bits per variable of `data`; None if no data were passed.
        bits_error: standard error of `bits_per_dim`; None if there are fewer than two
            images.
        claim: bits per variable that are claimed for `data`.
        file_bytes: size of the file that was written and decoded.
        file_variables: variables in this file.
        file_bits_said: bits that the model's answers promise for these variables, at
            most 32 for each.
        questions: images about which `nats` was asked.
    """

    shape: tuple[int, ...]
    values: int
    findings: list[Finding] = field(default_factory=list)
    checks: dict[str, str] = field(default_factory=dict)
    not_made: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    worst_sum: float | None = None
    bits_per_dim: float | None = None
    bits_error: float | None = None
    claim: float | None = None
    file_bytes: int | None = None
    file_variables: int = 0
    file_bits_said: float | None = None
    questions: int = 0

    @property
    def sound(self) -> bool:
        """True if no fault was found. This is no proof: places are sampled."""
        return not self.findings

    def found_by(self, check: str) -> list[Finding]:
        """Return the findings of one check."""
        return [finding for finding in self.findings if finding.check == check]

    def report(self) -> str:
        """Return the verdict as text of several lines."""
        lines = [self._headline()]
        lines += [f"  {each.check}: {each.text}" for each in self.findings]
        if self.bits_per_dim is not None:
            error = "" if self.bits_error is None else f" ± {self.bits_error:.4f}"
            claim = "" if self.claim is None else f", claimed {self.claim:g}"
            lines.append(f"bits/dim: {self.bits_per_dim:.4f}{error}{claim}")
        if self.worst_sum is not None:
            lines.append(f"sum of probabilities farthest from 1: {self.worst_sum:.7f}")
        if self.file_bytes is not None and self.file_bits_said is not None:
            lines.append(
                f"file: {self.file_variables} variables in {self.file_bytes} bytes; "
                f"the model promises {self.file_bits_said / 8:.1f}"
            )
        lines += [f"checked {name}: {what}" for name, what in self.checks.items()]
        lines += [f"not checked: {reason}" for reason in self.not_made]
        lines += [f"note: {note}" for note in self.notes]
        lines.append(f"asked about {self.questions:,} images")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """Return the verdict as values that the module json can write.

        Numbers that JSON does not have (NaN, infinities) become text.
        """
        listed = vars(self) | {
            "shape": list(self.shape),
            "findings": [_finding_as_json(each) for each in self.findings],
        }
        return {"sound": self.sound} | {
            name: _number_as_json(value) for name, value in listed.items()
        }

    def _headline(self) -> str:
        if self.sound:
            return "sound: no fault was found"
        count = len(self.findings)
        return f"not sound: {count} finding{'s' if count > 1 else ''}"

    def __repr__(self) -> str:
        first = "" if self.sound else f": {self.findings[0].text}"
        return f"<Verdict {self._headline()}{first}>"


def _finding_as_json(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "text": finding.text,
        "place": None if finding.place is None else list(finding.place),
        "cause": None if finding.cause is None else list(finding.cause),
    }


def _number_as_json(value: Any) -> Any:
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):
        return str(value)
    return value
