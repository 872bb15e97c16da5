"""What users can set with `%config DeployRMagics`, or in their IPython configuration."""

from __future__ import annotations

from traitlets import Float, Unicode
from traitlets.config import Configurable


class DeployRMagics(Configurable):
    """The magics' configuration."""

    server = Unicode(
        "",
        help="Address of the server. Empty: the environment variable DEPLOYR_SERVER, else the embedded server, "
        "which starts by itself.",
    ).tag(config=True)
    username = Unicode(
        "", help="Account on the server. Empty: the environment variable DEPLOYR_USERNAME, else admin."
    ).tag(config=True)
    execution_timeout = Float(86_400.0, help="How long a remote cell may run, in seconds.").tag(config=True)
