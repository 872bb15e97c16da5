"""Running notebooks, and asking from elsewhere what they have left."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"


def run(machine: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    """A command at the root of the checkout."""
    return subprocess.run(command, env=machine, cwd=ROOT, capture_output=True, text=True, timeout=300)


def headless(machine: dict[str, str], notebook: Path) -> subprocess.CompletedProcess[str]:
    """`jupyter execute` of a notebook."""
    return run(machine, str(Path(sys.executable).with_name("jupyter")), "execute", str(notebook))


def compared(machine: dict[str, str], notebook: Path) -> subprocess.CompletedProcess[str]:
    """nbval: a run whose outputs are compared with those in the file."""
    sanitize = f"--nbval-sanitize-with={NOTEBOOKS / 'sanitize.cfg'}"
    return run(machine, sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--nbval", sanitize, str(notebook))


def ask_another_process(machine: dict[str, str], question: str) -> object:
    """What an expression on a signed-in `client` gives."""
    done = run(
        machine,
        sys.executable,
        "-c",
        f"import json\nfrom jupyter_deployr.client import connect\nclient = connect()\nprint(json.dumps({question}))",
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
