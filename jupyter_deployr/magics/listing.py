"""A list of services that a notebook shows as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_deployr.protocol.models import ParameterDefinition, WebService

_HEADINGS = ("Service", "Version", "Inputs", "Outputs", "Description", "Published by")
_WIDEST = 60


class ServiceListing(list["WebService"]):
    """The versions themselves, in a list; displayed, a table of them."""

    def _repr_html_(self) -> str:
        if not self:
            return "<p>No services.</p>"
        from jupyter_deployr.client.tables import html_table

        return html_table(_HEADINGS, map(_row, self))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(_as_text([_HEADINGS, *map(_row, self)]) if self else "No services.")


def _row(service: WebService) -> tuple[str, ...]:
    return (
        service.name,
        f"{service.version} (broken)" if service.broken else service.version,
        _parameters(service.input_parameter_definitions),
        _parameters(service.output_parameter_definitions),
        " ".join((service.description or "").split()),
        service.version_published_by or "",
    )


def _parameters(definitions: Iterable[ParameterDefinition]) -> str:
    return ", ".join(f"{each.name}: {each.type}" for each in definitions)


def _as_text(rows: Sequence[Sequence[str]]) -> str:
    short = [[cell if len(cell) <= _WIDEST else cell[: _WIDEST - 1] + "…" for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*short, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in short)
