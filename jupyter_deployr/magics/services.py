"""`%services` and `%unpublish`."""

from __future__ import annotations

from argparse import Namespace

from IPython.core.magic import line_magic, magics_class

from jupyter_deployr.magics.listing import ServiceListing
from jupyter_deployr.magics.options import argument, magic_arguments
from jupyter_deployr.magics.verbs import Hints, Verbs, verb
from jupyter_deployr.protocol.errors import NotFound

_HINTS: Hints = {NotFound: "`%services` lists what there is."}


@magics_class
class ServiceVerbs(Verbs):
    """What is published."""

    @line_magic
    @verb(_HINTS)
    @magic_arguments()
    @argument("name", nargs="?", help="only the versions of this service, oldest first")
    @argument("version", nargs="?", help="only this version")
    def services(self, options: Namespace, cell: None) -> ServiceListing:
        """List services; assigned to a variable, it is a list of them with all their members.

        Example::

            %services Iris
        """
        client = self.connection.client
        if options.version is not None:
            return ServiceListing(client.get_web_service_version(options.name, options.version))
        if options.name is not None:
            return ServiceListing(client.get_all_web_service_versions_by_name(options.name))
        return ServiceListing(client.get_all_web_services())

    @line_magic
    @verb(_HINTS)
    @magic_arguments()
    @argument("name", help="the service")
    @argument("versions", metavar="version", nargs="+", help="its versions to take away")
    @argument("--missing-ok", action="store_true", help="it is fine if they aren't there in the first place")
    def unpublish(self, options: Namespace, cell: None) -> None:
        """Take versions of a service away.

        Example::

            %unpublish Iris V2.0
        """
        client = self.connection.client
        for version in options.versions:
            try:
                client.delete_web_service_version(options.name, version)
            except NotFound:
                if not options.missing_ok:
                    raise
        print(f"Unpublished: {options.name} {', '.join(options.versions)}")
