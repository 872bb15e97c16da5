"""The context variables that a call starts with."""

from __future__ import annotations

import contextvars
import decimal


def context_for_calls() -> contextvars.Context:
    """The context variables as they are now, to be copied for each call.

    Decimal's is left out, because a copy would hold the same object, which arithmetic itself changes: who asks for it
    in a call gets a new one, with the settings that there are now.
    """
    now = decimal.getcontext()
    fresh = decimal.DefaultContext
    fresh.prec, fresh.rounding, fresh.Emin, fresh.Emax = now.prec, now.rounding, now.Emin, now.Emax
    fresh.capitals, fresh.clamp = now.capitals, now.clamp
    fresh.traps.update(now.traps)
    context = contextvars.Context()
    for variable, value in contextvars.copy_context().items():
        if not isinstance(value, decimal.Context):
            context.run(variable.set, value)
    return context
