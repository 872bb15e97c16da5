"""What all commands of `jupyter deployr` share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import ClassVar, NoReturn

from jupyter_core.application import JupyterApp
from traitlets import Bool, Unicode

from jupyter_deployr import __version__
from jupyter_deployr.protocol.places import default_data_dir

_HELP = frozenset({"h", "help", "help-all", "version", "V"})


def fail(reason: object) -> NoReturn:
    """End with a one-line reason on stderr."""
    sys.exit(f"jupyter deployr: {str(reason).strip()}")


class Command(JupyterApp):
    """What all commands share: the data directory they are about, and one-line errors for what they are given."""

    version = __version__
    raise_config_file_errors = Bool(True)
    data_dir = Unicode(help="Where the server keeps everything; by default `deployr` in Jupyter's data directory.").tag(
        config=True
    )
    aliases = {"data-dir": "Command.data_dir", "config": "JupyterApp.config_file"}
    flags = {}
    operands: ClassVar[tuple[str, ...]] = ()
    """What the command takes besides options, all of it needed."""

    @property
    def directory(self) -> Path:
        """The data directory."""
        return Path(self.data_dir).expanduser().resolve() if self.data_dir else default_data_dir().resolve()

    def initialize(self, argv: list[str] | None = None) -> None:
        given = sys.argv[1:] if argv is None else argv
        if not (given and given[0] in self.subcommands):
            self._refuse_unknown(given)
        try:
            super().initialize(argv)
        except Exception as error:
            # A configuration file is Python and may fail in any way.
            fail(f"{self.config_file}: {type(error).__name__}: {error}" if self.config_file else error)
        if self.config_file and not Path(self.config_file).is_file():
            fail(f"the configuration file {self.config_file} is not there")
        if self.subapp is None:
            self._check_operands(self.extra_args)

    def _check_operands(self, given: list[str]) -> None:
        if len(given) > len(self.operands):
            fail(f"unexpected argument {given[len(self.operands)]!r}; see --help")
        if len(given) < len(self.operands):
            fail(f"the {self.operands[len(given)]} is missing; see --help")

    def _refuse_unknown(self, given: list[str]) -> None:
        """A misspelt option would otherwise be dropped, and another server started than the one that was meant."""
        for word in given:
            name = word.lstrip("-").partition("=")[0]
            if word.startswith("-") and not self._is_option(name):
                fail(f"unknown option {word.partition('=')[0]}; see --help")

    def _is_option(self, name: str) -> bool:
        if name in self.aliases or name in self.flags or name in _HELP or name.isdigit():
            return True
        owner, dot, trait = name.partition(".")
        return bool(dot) and any(
            kind.__name__ == owner and kind.class_traits().get(trait)
            for kind in type(self).mro()
            if hasattr(kind, "class_traits")
        )


class CommandGroup(Command):
    """A command that has subcommands and does nothing without one."""

    def start(self) -> None:
        if self.subapp is None:
            self.print_help()
            sys.exit(2)
        super().start()
