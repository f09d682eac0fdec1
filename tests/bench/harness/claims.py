"""What the project claims: measured figures with goals. No input or output."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Better = Literal["lower", "higher"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A measured value and its goal. `how` says what was measured and on how large a sample."""

    name: str
    value: float
    unit: str
    goal: float
    better: Better
    how: str = ""

    @property
    def met(self) -> bool:
        """Whether the goal is reached. A value equal to the goal reaches it; NaN does not."""
        return self.value <= self.goal if self.better == "lower" else self.value >= self.goal

    def as_dict(self) -> dict[str, Any]:
        """The claim as the report's JSON has it."""
        return asdict(self) | {"value": round(self.value, 4), "met": self.met}

    def __str__(self) -> str:
        sign = "<=" if self.better == "lower" else ">="
        verdict = "met" if self.met else "NOT MET"
        return f"{verdict:8} {self.name:44} {self.value:10.4g} {sign} {self.goal:g} {self.unit}   {self.how}"
