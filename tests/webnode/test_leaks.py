"""What a call may leave behind for the next one, by kind of leak and by the version's isolation."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import server_process
from tests.api import Api, definitions
from tests.webnode.kinds_of_leaks import LEAKS, MODES, SESSION

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "isolation.md"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server with one worker per version, so that each call sees what the one before it has left."""
    running = server_process.start(tmp_path_factory.mktemp("leaks"), "--ServeApp.workers=1")
    yield Api(running)
    running.stop()


class Service:
    """A version that looks at what is left of a leak, or causes one, by its inputs."""

    def __init__(self, api: Api, snapshot: str, isolation: str, elsewhere: Path) -> None:
        looks = "\n".join(f"if look == {what!r}:\n    seen = repr({leak.look})" for what, leak in LEAKS.items())
        changes = "\n".join(f"if leak == {what!r}:\n    {leak.change}" for what, leak in LEAKS.items())
        self._api = api
        self._name = f"Isolation-{isolation}"
        self._init = (
            "start_random = random.getstate()[1][-1]; start_numpy = int(np.random.get_state()[2]); "
            f"mark = {secrets.token_hex()!r}; elsewhere = {str(elsewhere)!r}; warmed(0)"
        )
        self._path = api.publish(
            self._name,
            f"seen = ''\n{looks}\n{changes}\n",
            snapshotId=snapshot,
            initCode=self._init,
            isolation=isolation,
            inputParameterDefinitions=definitions(look="character", leak="character"),
            outputParameterDefinitions=definitions(seen="character"),
        )

    def seen(self, what: str) -> str:
        """What a call sees of it."""
        answer = self._api.consume(self._path, look=what, leak="")
        assert answer["success"], answer["errorMessage"]
        return str(answer["outputParameters"]["seen"])

    def leave(self, what: str) -> None:
        """A call that leaves it behind."""
        answer = self._api.consume(self._path, look="", leak=what)
        assert answer["success"], answer["errorMessage"]

    def begin_anew(self) -> None:
        """Other workers: what isn't undone must not be seen by the next test."""
        self._init += " "
        self._api.ok("PATCH", f"/services/{self._name}/V1.0", json={"initCode": self._init})


@pytest.fixture(scope="module")
def services(api: Api, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Service]:
    snapshot = api.snapshot(SESSION)
    return {mode: Service(api, snapshot, mode, tmp_path_factory.mktemp("elsewhere")) for mode in MODES}


@pytest.mark.parametrize("isolation", MODES)
@pytest.mark.parametrize("what", LEAKS)
def test_leaks(services: dict[str, Service], isolation: str, what: str) -> None:
    service = services[isolation]
    before = service.seen(what)
    undone = True
    for _ in range(2):
        service.leave(what)
        undone = service.seen(what) == before and undone
    if not undone:
        service.begin_anew()
    assert undone == (isolation not in LEAKS[what].stays)


def test_the_documentation_says_the_same() -> None:
    """Each kind of leak stands in the table, with what each isolation does about it."""
    documented: dict[str, tuple[str, ...]] = {}
    for line in DOCUMENTATION.read_text().splitlines():
        if line.startswith("|") and line.endswith(("undone |", "stays |")):
            kinds, *outcomes = (cell.strip() for cell in line.strip("|").split("|"))
            for kind in kinds.split("; "):
                assert kind not in documented
                documented[kind] = tuple(outcomes)
    tested = {
        what: tuple("stays" if mode in leak.stays else "undone" for mode in MODES) for what, leak in LEAKS.items()
    }
    assert documented == tested
