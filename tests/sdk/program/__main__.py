"""Run the SDK against a server: `python program URL ACCOUNT PREFIX TOLD [--record TRAFFIC]`.

The password is in DEPLOYR_PASSWORD; the names of all services begin with PREFIX, and the account has no sessions and no
snapshots. TOLD becomes a JSON file of what each scenario returned, or of the traceback it ended with. TRAFFIC becomes a
JSON file of the requests that were sent, and of what the SDK read of the answers.
"""

import argparse
import json
import logging
import os
import traceback
from pathlib import Path

import newer_python

newer_python.repair()

import recording  # noqa: E402
import scenarios  # noqa: E402


def main():
    """The program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("account")
    parser.add_argument("prefix")
    parser.add_argument("told", type=Path)
    parser.add_argument("--record", type=Path)
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)

    recorder = recording.Recorder() if given.record else None
    told = {}
    for scenario in scenarios.ALL:
        if recorder:
            recorder.begin(scenario.__name__)
        try:
            # Each begins with its own sign-in, so that each can be replayed alone.
            desk = scenarios.Desk(given.url, given.account, os.environ["DEPLOYR_PASSWORD"], given.prefix)
            told[scenario.__name__] = scenario(desk)
        except Exception:
            told[scenario.__name__] = traceback.format_exc()
    given.told.write_text(json.dumps(told))
    if recorder:
        recorder.write(given.record)


main()
