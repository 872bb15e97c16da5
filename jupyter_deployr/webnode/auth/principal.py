"""Who is calling, and what the roles allow."""

from __future__ import annotations

from dataclasses import dataclass

OWNER = "Owner"
CONTRIBUTOR = "Contributor"
READER = "Reader"

ROLES = (OWNER, CONTRIBUTOR, READER)


@dataclass(frozen=True)
class Principal:
    """An authenticated user and their role."""

    name: str
    role: str

    @property
    def may_publish(self) -> bool:
        """Whether the role allows publishing at all."""
        return self.role in (OWNER, CONTRIBUTOR)

    @property
    def may_run_code(self) -> bool:
        """Whether the role allows sessions: who has one can do all that the server's account can."""
        return self.may_publish

    @property
    def administers(self) -> bool:
        """Whether the role allows changing how the server runs."""
        return self.role == OWNER

    def may_change(self, owner: str) -> bool:
        """Whether what belongs to `owner` may be updated and deleted."""
        return self.role == OWNER or (self.role == CONTRIBUTOR and self.name == owner)
