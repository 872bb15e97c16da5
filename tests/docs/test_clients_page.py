"""The commands of docs/clients.md, as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.server_process import PASSWORD, ServerProcess

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
_BLOCK = re.compile(r"<!-- run -->\n```(bash|python)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def script(page: str) -> str:
    """The blocks of the page that are marked, as one shell script."""
    parts = ["set -euo pipefail"]
    for language, block in _BLOCK.findall(page):
        parts.append(block if language == "bash" else f"python3 - <<'END OF BLOCK'\n{block}END OF BLOCK\n")
    return "\n".join(parts)


def test_the_page_shows_what_works(server: ServerProcess, tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert len(_BLOCK.findall(text)) == text.count("<!-- run -->") == 12
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SERVER": server.url,
        "DEPLOYR_SERVER": server.url,
        "DEPLOYR_USERNAME": "admin",
        "DEPLOYR_PASSWORD": PASSWORD,
        "NO_PROXY": "127.0.0.1",
    }
    ran = subprocess.run(
        ["bash", "-c", script(text)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    words = ("signature", "price", "refused", "answer", "record", "waited", "step", "finished")
    words += ("published", "versions", "called", "batch", "listed", "deleted")
    assert [line for line in ran.stdout.splitlines() if line.startswith(words)] == [
        "signature (kind: character, count: integer = 1) -> numeric",
        "price 14.0 2.0",
        "refused Prices V1.0: 'cuont' is not an input; did you mean 'count'? (its inputs: kind, count).",
        "answer True {'total': 4.0}",
        "record 0 2.0",
        "record 1 4.0",
        "record 2 6.0",
        "waited Complete",
        "step 0",
        "step 1",
        "step 2",
        "finished True",
        "published /api/Doubled/V1.0",
        "versions ['V1.0']",
        "called True 42",
        "batch [2, 4]",
        "called True 21.0",
        "listed ['Doubled']",
        "deleted 200",
    ]
