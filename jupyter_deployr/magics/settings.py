"""What users can set with `%config DeployRMagics`, or in their IPython configuration."""

from __future__ import annotations

from traitlets import Dict, Float, Unicode
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
    ca = Unicode(
        "",
        help="File of certificate authorities (PEM) to trust for https. Empty: REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE, "
        "else the usual ones.",
    ).tag(config=True)
    client_certificate = Unicode("", help="File of a certificate (PEM) to show to the server.").tag(config=True)
    client_key = Unicode("", help="File of its key, where the certificate's doesn't have it.").tag(config=True)
    proxies = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        help="Address of the proxy for http and for https, an empty one for none. Without them: HTTP_PROXY, "
        "HTTPS_PROXY and NO_PROXY.",
    ).tag(config=True)
    execution_timeout = Float(86_400.0, help="How long a remote cell may run, in seconds.").tag(config=True)
