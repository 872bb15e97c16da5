"""`%%remote` and `%remote`."""

from __future__ import annotations

from IPython.core.error import UsageError
from IPython.core.magic import line_cell_magic, magics_class, no_var_expand

from jupyter_deployr.magics.failures import RemoteCellFailed, one_line
from jupyter_deployr.magics.shown_output import ShownOutput
from jupyter_deployr.magics.verbs import Verbs, raw_verb


@magics_class
class RemoteVerbs(Verbs):
    """Code in the remote session."""

    @line_cell_magic
    @no_var_expand
    @raw_verb()
    def remote(self, line: str, cell: str | None) -> None:
        """Run a cell, or the rest of the line, in the notebook's remote session.

        Shows what the code prints and displays while it runs, and the value of its last expression. An error fails the
        cell and shows the remote traceback. The stop button interrupts the remote code; the session and its variables
        live on. The first call starts the session.

        Example::

            %%remote
            from sklearn import datasets, svm
            iris = datasets.load_iris()
            clf = svm.SVC().fit(iris.data, iris.target)

            %remote clf.score(iris.data, iris.target)
        """
        if cell is not None and line.strip():
            raise UsageError("%%remote takes nothing on its own line; the code begins on the next one")
        if cell is None and not line.strip():
            raise UsageError("%remote needs code to run")
        shown = ShownOutput(self.ipython)
        try:
            response = self.session.run(line, shown.show) if cell is None else self.session.run_cell(cell, shown.show)
        finally:
            shown.end()
        if not response.success:
            message = one_line(response.error_message or "The remote code failed.")
            raise RemoteCellFailed(message, response.traceback or [])
