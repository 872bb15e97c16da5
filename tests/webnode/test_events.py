"""The change feed over HTTP: what is told, to whom, from where on, and when it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tests.accounts import accounts_of, signed_in
from tests.api import Api
from tests.server_process import ServerProcess
from tests.waiting import wait_until
from tests.webnode.feeds import Feed


@pytest.fixture(scope="module")
def people(server: ServerProcess) -> Iterator[dict[str, Api]]:
    """Two who publish, and a Reader."""
    yield {
        "ed": signed_in(server, "ed", "Contributor"),
        "eve": signed_in(server, "eve", "Contributor"),
        "rod": signed_in(server, "rod", "Reader"),
    }
    with accounts_of(server) as accounts:
        for name in ("ed", "eve", "rod"):
            accounts.remove(name)


@dataclass
class Scene:
    """One thing, and what is done to it."""

    api: Api
    name: str
    ids: dict[str, str] = field(default_factory=dict)

    def publish(self) -> str:
        self.api.publish(self.name, "y = 1")
        return self.name

    def publish_without_a_version(self) -> str:
        self.api.ok("POST", f"/services/{self.name}", 201, json={"code": "y = 1"})
        return self.name

    def describe(self) -> str:
        self.api.ok("PATCH", f"/services/{self.name}/V1.0", json={"description": "better"})
        return self.name

    def recode(self) -> str:
        self.api.ok("PATCH", f"/services/{self.name}/V1.0", json={"code": "y = 2"})
        return self.name

    def unpublish(self) -> str:
        self.api.ok("DELETE", f"/services/{self.name}/V1.0")
        return self.name

    def open(self) -> str:
        self.ids["session"] = self.api.session(name=self.name)
        return self.ids["session"]

    def close(self) -> str:
        self.api.ok("DELETE", f"/sessions/{self.ids['session']}")
        return self.ids["session"]

    def die(self) -> str:
        self.api.send("POST", f"/sessions/{self.ids['session']}/execute", json={"code": "import os; os._exit(3)"})
        return self.ids["session"]

    def save(self) -> str:
        body = {"name": self.name}
        answer = self.api.ok("POST", f"/sessions/{self.ids['session']}/snapshot", 201, json=body)
        self.ids["snapshot"] = answer["snapshotId"]
        return self.ids["snapshot"]

    def forget(self) -> str:
        self.api.ok("DELETE", f"/snapshots/{self.ids['snapshot']}")
        return self.ids["snapshot"]


Step = Callable[[Scene], str]
# What is done before, what is done, and what is told of it.
TOLD: dict[str, tuple[list[Step], Step, str, str]] = {
    "published": ([], Scene.publish, "service", "created"),
    "published without a version": ([], Scene.publish_without_a_version, "service", "created"),
    "described": ([Scene.publish], Scene.describe, "service", "changed"),
    "recoded": ([Scene.publish], Scene.recode, "service", "changed"),
    "unpublished": ([Scene.publish], Scene.unpublish, "service", "removed"),
    "session opened": ([], Scene.open, "session", "created"),
    "session closed": ([Scene.open], Scene.close, "session", "removed"),
    "session died": ([Scene.open], Scene.die, "session", "removed"),
    "snapshot saved": ([Scene.open], Scene.save, "snapshot", "created"),
    "snapshot deleted": ([Scene.open, Scene.save], Scene.forget, "snapshot", "removed"),
}


@pytest.mark.parametrize("case", TOLD)
def test_what_happens_is_told(case: str, people: dict[str, Api]) -> None:
    before, step, kind, change = TOLD[case]
    scene = Scene(people["ed"], "Told" + case.title().replace(" ", ""))
    for earlier in before:
        earlier(scene)
    with Feed(scene.api) as feed:
        assert feed.next().type == "reset"
        subject = step(scene)
        event = feed.until(
            lambda event: subject in (event.data["name"], event.data.get("id")) and event.data.get("state") is None
        )
        assert (event.type, event.data["kind"], event.data["change"]) == (kind, kind, change)
        assert (event.data["name"], event.data["owner"]) == (scene.name, "ed")
        assert ("version" in event.data) == (kind == "service")
        assert ("exit code 3" in event.data.get("reason", "")) == (case == "session died")
    if "session" in scene.ids:
        scene.api.send("DELETE", f"/sessions/{scene.ids['session']}")


def test_one_event_for_each_change(people: dict[str, Api]) -> None:
    scene = Scene(people["ed"], "OnceTold")
    with Feed(scene.api) as feed:
        for step in (scene.publish, scene.describe, scene.recode, scene.unpublish):
            step()
        told = [feed.of(scene.name).data["change"] for _ in range(4)]
    assert told == ["created", "changed", "changed", "removed"]


def test_a_refused_change_is_not_told(people: dict[str, Api]) -> None:
    scene = Scene(people["ed"], "FeedRefused")
    with Feed(scene.api) as feed:
        feed.next()
        scene.api.error("POST", "/services/FeedRefused/V1.0", 400, json={"code": "y ="})
        scene.publish()
        scene.api.error("POST", "/services/FeedRefused/V1.0", 409, json={"code": "y = 1"})
        people["eve"].error("DELETE", "/services/FeedRefused/V1.0", 403)
        scene.unpublish()
        assert [feed.next().data["change"] for _ in range(2)] == ["created", "removed"]


@pytest.mark.parametrize("other", ["eve", "rod", "admin"])
def test_sessions_and_snapshots_are_told_to_their_owner_only(other: str, people: dict[str, Api], api: Api) -> None:
    scene = Scene(people["ed"], f"Private{other}")
    with Feed(people.get(other, api)) as others, Feed(scene.api) as own:
        for step in (scene.open, scene.save, scene.forget, scene.close, scene.publish, scene.unpublish):
            step()
        seen = [others.next() for _ in range(3)]
        assert [(event.type, event.data.get("change")) for event in seen] == [
            ("reset", None),
            ("service", "created"),
            ("service", "removed"),
        ]
        for kind in ("session", "snapshot"):
            own.until(lambda event, kind=kind: event.type == kind and event.data["change"] == "created")


def test_a_working_session_is_told(people: dict[str, Api]) -> None:
    scene = Scene(people["ed"], "Working")
    scene.open()
    with Feed(scene.api) as feed:
        scene.api.execute(scene.ids["session"], "import time; time.sleep(2.5)")
        states = [feed.of(scene.ids["session"]).data["state"] for _ in range(2)]
    assert states == ["busy", "idle"]
    scene.close()


def test_a_version_that_breaks_is_told(server: ServerProcess, api: Api) -> None:
    blobs = server.data_dir / "blobs"
    before = set(blobs.rglob("*"))
    path = api.publish("Breaking", "y = x", snapshotId=api.snapshot("x = 'of a version that will be broken'"))
    api.ok("DELETE", "/services/Breaking/V1.0/pool")
    with Feed(api) as feed:
        feed.next()
        (content,) = (file for file in set(blobs.rglob("*")) - before if file.is_file())
        content.chmod(0o600)
        content.write_bytes(b"damaged")
        api.error("POST", path, 500, json={})
        event = feed.of("Breaking")
    assert (event.data["kind"], event.data["change"]) == ("service", "changed")
    assert api.ok("GET", "/services/Breaking/V1.0")[0]["broken"]
    api.ok("DELETE", "/services/Breaking/V1.0")


# ------------------------------------------------------------------------------------------------------ from where on


@pytest.mark.parametrize("way", ["after", "last_event_id"])
def test_it_goes_on_after_a_cursor(way: str, people: dict[str, Api]) -> None:
    scene = Scene(people["ed"], f"Resumed-{way}")
    with Feed(scene.api) as feed:
        cursor = feed.next().id
        scene.publish()
        published = feed.next()
    scene.describe()
    scene.unpublish()
    with Feed(scene.api, **{way: cursor}) as feed:
        again = [feed.next() for _ in range(3)]
        assert again[0] == published
        assert [event.data["change"] for event in again] == ["created", "changed", "removed"]
    with Feed(scene.api, **{way: published.id}) as feed:
        assert [feed.next() for _ in range(2)] == again[1:]


def test_the_header_counts_before_the_query(people: dict[str, Api]) -> None:
    scene = Scene(people["ed"], "Headed")
    with Feed(scene.api) as feed:
        first = feed.next().id
        scene.publish()
        second = feed.next().id
    scene.unpublish()
    with Feed(scene.api, after=first, last_event_id=second) as feed:
        assert feed.next().data["change"] == "removed"


UNKNOWN = {
    "none": lambda known: None,
    "nonsense": lambda known: "nonsense",
    "another's": lambda known: "0" * 12 + "-" + known.rpartition("-")[2],
    "to come": lambda known: known.rpartition("-")[0] + "-99999999",
    "no number": lambda known: known.rpartition("-")[0] + "-²",
    "long": lambda known: known.rpartition("-")[0] + "-" + "9" * 5000,
    "negative": lambda known: known.rpartition("-")[0] + "--1",
}


@pytest.mark.parametrize("cursor", UNKNOWN)
def test_without_a_cursor_to_go_on_from_it_begins_with_a_reset(cursor: str, people: dict[str, Api]) -> None:
    scene = Scene(people["ed"], "Reset")
    with Feed(scene.api) as feed:
        known = feed.next().id
    with Feed(scene.api, after=UNKNOWN[cursor](known)) as feed:
        reset = feed.next()
        assert (reset.type, reset.data["kind"]) == ("reset", "reset")
        scene.publish()
        scene.unpublish()
        assert feed.next().data["change"] == "created"
    with Feed(scene.api, after=reset.id) as feed:
        assert [feed.next().data["change"] for _ in range(2)] == ["created", "removed"]


# ------------------------------------------------------------------------------------------------------------ its end


def _revoked(server: ServerProcess, api: Api) -> None:
    api.ok("DELETE", "/login/refreshToken", params={"refreshToken": api.tokens["refresh_token"]})


def _renewed(server: ServerProcess, api: Api) -> None:
    api.ok("POST", "/login/refreshToken", json={"refreshToken": api.tokens["refresh_token"]})


def _demoted(server: ServerProcess, api: Api) -> None:
    with accounts_of(server) as accounts:
        accounts.change_role("flo", "Reader")


@pytest.mark.parametrize("end", [_revoked, _renewed, _demoted])
def test_it_ends_with_the_token(
    end: Callable[[ServerProcess, Api], None], server: ServerProcess, people: dict[str, Api]
) -> None:
    api = signed_in(server, "flo", "Contributor")
    with Feed(api) as feed:
        feed.next()
        end(server, api)
        wait_until(lambda: api.send("GET", "/services").status_code == 401)
        began = time.monotonic()
        # What is told from then on isn't told here.
        Scene(people["ed"], "Unheard").publish()
        Scene(people["ed"], "Unheard").unpublish()
        assert list(feed.events()) == []
        assert time.monotonic() - began < 10
    with accounts_of(server) as accounts:
        accounts.remove("flo")


def test_an_idle_one_ends_with_the_token_too(server: ServerProcess) -> None:
    api = signed_in(server, "flo", "Contributor")
    with Feed(api) as feed:
        feed.next()
        _revoked(server, api)
        began = time.monotonic()
        assert list(feed.events()) == []
        assert time.monotonic() - began < 10
    with accounts_of(server) as accounts:
        accounts.remove("flo")


def test_the_server_s_end_waits_for_no_listener(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server("--ServeApp.drain_seconds=60")
    api = Api(server)
    feeds = [Feed(api) for _ in range(20)]
    cursors = {feed.next().id for feed in feeds}
    began = time.monotonic()
    assert server.terminate() == 0
    assert time.monotonic() - began < 30
    for feed in feeds:
        assert list(feed.events()) == []
        feed.response.close()
    # Nobody can say what was told by the server that has ended.
    with Feed(Api(start_server()), after=cursors.pop()) as feed:
        assert feed.next().type == "reset"


def test_listeners_that_leave_are_forgotten(people: dict[str, Api]) -> None:
    """More than may listen at a time come and go."""
    for _ in range(40):
        feeds = [Feed(people["rod"]) for _ in range(30)]
        for feed in feeds:
            feed.response.close()
    with Feed(people["rod"]) as feed:
        assert feed.next().type == "reset"


def test_it_is_not_kept_on_the_way(people: dict[str, Api]) -> None:
    with Feed(people["rod"]) as feed:
        assert feed.response.headers["content-type"].startswith("text/event-stream")
        assert feed.response.headers["cache-control"] == "no-store"
        assert feed.response.headers["x-request-id"]
