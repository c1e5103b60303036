"""What is found when results are looked through for a submission."""

from dataclasses import dataclass, field


@dataclass
class Collected:
    """problems: a line each. files: content by path in the archive, of what has no problem."""

    problems: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
