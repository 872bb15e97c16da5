"""What the SDK, which was made for Python 3.5, lacks on a Python of today. On 3.7 nothing is changed.

Only how Python works is repaired here; what the SDK sends and what it reads of an answer stays its own.
"""

import sys
import types


def repair():
    """Make the SDK importable and its services callable. To be called before the SDK is imported."""
    if sys.version_info < (3, 8):
        return
    # Python 3.12 has no `imp`; the SDK imports it for a way of naming its classes that isn't used here.
    sys.modules.setdefault("imp", types.ModuleType("imp"))

    from azureml.deploy.server import service

    service.function_beget = _consume_method


def _consume_method(template, name, arguments, doc=""):
    """The SDK writes this method by replacing the argument names in a code object, which has more members since 3.8."""
    names = arguments[1:]

    def consume(self, *values):
        if len(values) != len(names):
            raise TypeError(f"{name} takes {names}")
        return self._consume(dict(zip(names, values)))

    consume.__name__ = name
    consume.__doc__ = doc
    return consume
