"""Who is calling, and what the roles allow."""

from __future__ import annotations

from dataclasses import dataclass

OWNER = "Owner"
CONTRIBUTOR = "Contributor"
READER = "Reader"


@dataclass(frozen=True)
class Principal:
    """An authenticated user and their role."""

    name: str
    role: str

    @property
    def may_publish(self) -> bool:
        """Whether the role allows publishing at all."""
        return self.role in (OWNER, CONTRIBUTOR)

    def may_change(self, owner: str) -> bool:
        """Whether what belongs to `owner` may be updated and deleted."""
        return self.role == OWNER or (self.role == CONTRIBUTOR and self.name == owner)
