"""How models travel: the spelling of their members, and their JSON."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, TypeAdapter
from pydantic.alias_generators import to_camel, to_pascal

from jupyter_deployr.protocol.strict_json import write_json_with_nan

# No inputs in validation errors: they may be passwords and tokens.
CAMEL = ConfigDict(alias_generator=to_camel, populate_by_name=True, serialize_by_alias=True, hide_input_in_errors=True)
PASCAL = ConfigDict(
    alias_generator=to_pascal, populate_by_name=True, serialize_by_alias=True, hide_input_in_errors=True
)
# Some servers write `expires_on` as a number.
SNAKE = ConfigDict(coerce_numbers_to_str=True, hide_input_in_errors=True)


def to_wire(model: Any) -> bytes:
    """A model, or a list of them, as the request body that travels. Null members are left out, as clients expect.

    Values may be arrays and frames, as `write_json` takes them; nulls inside a value stay, and so do NaN and the
    infinities, as bare tokens: of null, remote code would get None. Raises TypeError naming the type that has no JSON
    form.
    """
    return write_json_with_nan(TypeAdapter(type(model)).dump_python(model, by_alias=True, exclude_none=True))
