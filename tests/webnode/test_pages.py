"""The pages for people: what they are sent with, and what a browser makes of them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.api import Api, definitions
from tests.server_process import PASSWORD

ASSETS = [
    "docs.js",
    "exact_json.js",
    "redoc.css",
    "redoc.js",
    "redoc.standalone.js",
    "service.css",
    "service.js",
    "swagger-ui-bundle.js",
    "swagger-ui.css",
]
PAGES = ["/docs", "/redoc", "/api/Any/V1.0/docs"]
HOSTILE = "<img src=x onerror=\"alert('img')\"><script>alert('script')</script> & more"


class Markup(HTMLParser):
    """What a page loads, and what in it would run without being loaded."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.inline: list[str] = []
        self._in_script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_script = tag in ("script", "style")
        for name, value in attrs:
            if name in ("src", "href"):
                self.loads.append(value or "")
            if name.startswith("on") or name == "style":
                self.inline.append(name)

    def handle_data(self, data: str) -> None:
        if self._in_script and data.strip():
            self.inline.append(data)


def fetch(api: Api, path: str) -> requests.Response:
    return requests.get(api.url + path, timeout=60)


# ------------------------------------------------------------------------------------------------- without a browser


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_open_and_loads_from_here_only(path: str, api: Api) -> None:
    response = fetch(api, path)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    markup = Markup(response.text)
    assert markup.inline == []
    scripts = [urlsplit(load) for load in markup.loads if not load.startswith("data:,")]
    assert scripts
    for load in scripts:
        assert not load.scheme
        assert not load.netloc
        assert Path(load.path).name in ASSETS


@pytest.mark.parametrize("path", [*PAGES, "/assets/service.js"])
def test_what_a_page_is_sent_with(path: str, api: Api) -> None:
    headers = fetch(api, path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-cache"
    assert "set-cookie" not in headers
    if path in PAGES:
        policy = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == "'self'"
        assert policy["frame-ancestors"] == "'none'"
        assert "unsafe" not in headers["content-security-policy"]


@pytest.mark.parametrize("name", ASSETS)
def test_assets_are_served(name: str, api: Api) -> None:
    response = fetch(api, f"/assets/{name}")
    assert response.status_code == 200
    kind = "text/css" if name.endswith(".css") else "text/javascript"
    assert response.headers["content-type"] == f"{kind}; charset=utf-8"
    assert len(response.content) > 20


@pytest.mark.parametrize(
    "name", ["docs.html", "..", "%2e%2e%2fsettings.py", "..%5Csettings.py", "%00", "service.js.map"]
)
def test_nothing_else_is_served(name: str, api: Api) -> None:
    assert fetch(api, f"/assets/{name}").status_code in (400, 404)


def test_the_page_says_nothing_of_what_is_there(api: Api) -> None:
    api.publish("Known", "y = 1", description="secret plans")
    known, unknown = (fetch(api, f"/api/{name}/V1.0/docs") for name in ("Known", "Unknown"))
    assert known.content == unknown.content
    assert known.headers["etag"] == unknown.headers["etag"]


# ---------------------------------------------------------------------------------------------------- with a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    assert found, "these tests need Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield running
        running.close()


class Seen:
    """What a page did that nobody should have to see."""

    def __init__(self, page: Page, host: str) -> None:
        self.faults: list[str] = []
        self.asked_elsewhere: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("dialog", lambda dialog: (self.faults.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("console", lambda line: self.faults.append(line.text) if line.type == "error" else None)
        page.on("request", lambda request: self._look(request.url, host))

    def _look(self, url: str, host: str) -> None:
        if urlsplit(url).netloc != host and not url.startswith(("data:", "blob:")):
            self.asked_elsewhere.append(url)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty tab with nothing stored."""
    context = browser.new_context()
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()


@pytest.fixture
def seen(page: Page, api: Api) -> Seen:
    """What goes wrong in `page`."""
    return Seen(page, urlsplit(api.url).netloc)


def test_swagger_ui_shows_the_core_api(page: Page, seen: Seen, api: Api) -> None:
    page.goto(f"{api.url}/docs")
    expect(page.locator("#operations-Session_APIs-executeCode, [id$=executeCode]").first).to_be_visible()
    assert seen.faults == []
    assert seen.asked_elsewhere == []


def test_swagger_ui_sends_requests(page: Page, seen: Seen, api: Api) -> None:
    page.goto(f"{api.url}/docs")
    page.get_by_role("button", name="Authorize").click()
    page.locator("input[aria-label*=auth]").fill(api.tokens["access_token"])
    page.locator(".modal-btn.authorize").click()
    page.get_by_role("button", name="Close", exact=True).click()
    operation = page.locator("[id$=-getComputeNodes]")
    operation.get_by_role("button").first.click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table .response .response-col_status")).to_contain_text("200")
    expect(operation.locator(".live-responses-table")).to_contain_text('"local"')
    assert seen.faults == []


def test_redoc_shows_the_core_api(page: Page, seen: Seen, api: Api) -> None:
    page.goto(f"{api.url}/redoc")
    expect(page.get_by_role("heading", name="Execute Code")).to_be_visible()
    expect(page.get_by_alt_text("redocly logo")).to_be_attached()
    assert seen.faults == []
    assert seen.asked_elsewhere == []


CODE = """
print('console <b>line</b>')
open('report.txt', 'w').write('written')
double = x * 2
shouted = word.upper()
"""


def publish(api: Api, name: str) -> str:
    api.publish(
        name,
        CODE,
        description=HOSTILE,
        inputParameterDefinitions=[
            {"name": "x", "type": "numeric", "description": HOSTILE, "maximum": 100},
            *definitions(word="character", flag="logical", items="vector"),
            {"name": "color", "type": "character", "enum": ["red", "<b>green</b>"], "default": "red"},
        ],
        outputParameterDefinitions=definitions(double="numeric", shouted="character"),
        outputFileNames=["report.txt", "missing.txt"],
    )
    return f"{api.url}/api/{name}/V1.0/docs"


def sign_in(page: Page, password: str = PASSWORD) -> None:
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def fill(page: Page, **values: str) -> None:
    for name, value in values.items():
        field = page.locator(f"[name={name}]")
        if field.evaluate("field => field.tagName") == "SELECT":
            field.select_option(label=value)
        else:
            field.fill(value)


def test_sign_in_and_run(page: Page, seen: Seen, api: Api) -> None:
    page.goto(publish(api, "Page"))
    sign_in(page)
    expect(page.get_by_role("heading", name="Page V1.0")).to_be_visible()
    assert page.title() == "Page V1.0"
    fill(page, x="2.5", word="<i>loud</i>", flag="true", items="[1, 2]")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("The service ran.")).to_be_visible()
    assert page.locator("#outputs th").all_text_contents() == ["double", "shouted"]
    assert page.locator("#outputs td").all_text_contents() == ["5.0", '"<I>LOUD</I>"']
    assert page.locator("#console").text_content() == "console <b>line</b>\n"
    assert page.locator("#files li").all_text_contents() == ["report.txt", "missing.txt: not written"]
    with page.expect_download() as download:
        page.get_by_role("button", name="report.txt").click()
    assert Path(download.value.path()).read_text() == "written"
    with page.expect_download() as download:
        page.get_by_role("button", name="openapi.json").click()
    assert json.loads(Path(download.value.path()).read_text())["info"]["title"] == "Page"
    assert seen.faults == []
    assert seen.asked_elsewhere == []


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_as_dark_as_their_reader_wants(browser: Browser, path: str, scheme: Any, api: Api) -> None:
    context = browser.new_context(color_scheme=scheme)
    context.set_default_timeout(30_000)
    try:
        page = context.new_page()
        page.goto(api.url + path)
        expect(page.locator("h1, h2").first).to_be_visible()
        text, ground = page.evaluate(COLOURS)
        assert (brightness(text) > 0.7, brightness(ground) < 0.2) == (
            (True, True) if scheme == "dark" else (False, False)
        )
    finally:
        context.close()


def test_what_redoc_paints_in_its_main_colour_can_be_read_in_the_dark(browser: Browser, api: Api) -> None:
    context = browser.new_context(color_scheme="dark")
    context.set_default_timeout(30_000)
    try:
        page = context.new_page()
        page.goto(f"{api.url}/redoc")
        choices = page.locator("#redoc span + div > button")
        expect(choices.first).to_be_visible()
        ground = brightness(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert ground < 0.1
        painted = [page.locator("a[download]").first, page.locator("#redoc span", has_text="Any of").first]
        for element in (*painted, choices.nth(0), choices.nth(1)):
            colour = element.evaluate("element => getComputedStyle(element).color")
            assert brightness(colour) > 0.6, element
        for choice in (choices.nth(0), choices.nth(1)):
            behind = choice.evaluate("element => getComputedStyle(element).backgroundColor")
            assert behind.endswith("/ 0.15)"), "next to nothing is laid over the ground"
    finally:
        context.close()


# Of the first heading, and of what is behind it.
COLOURS = """() => {
  const heading = Array.from(document.querySelectorAll("h1, h2")).find((one) => one.getClientRects().length);
  let behind = heading;
  const ground = (element) => getComputedStyle(element).backgroundColor;
  while (behind.parentElement && ground(behind) === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
  const seen = ground(behind) === "rgba(0, 0, 0, 0)" ? ground(document.body) : ground(behind);
  return [getComputedStyle(heading).color, seen === "rgba(0, 0, 0, 0)" ? "rgb(255, 255, 255)" : seen];
}"""


def brightness(colour: str) -> float:
    red, green, blue = (float(part) for part in re.findall(r"[0-9.]+", colour)[:3])
    return (0.3 * red + 0.59 * green + 0.11 * blue) / 255


EXACT = "9007199254740993"
EXACT_CODE = r"""
same = x; digits = str(x)
values = [x, -x, 18446744073709551615, 5.0, 0.1, 1e300]
mixed = ['"5.0 \\', x, None]
"""


def test_numbers_are_shown_and_sent_exactly(page: Page, seen: Seen, api: Api) -> None:
    api.publish(
        "Exact",
        EXACT_CODE,
        inputParameterDefinitions=[
            {"name": "x", "type": "integer", "example": int(EXACT), "minimum": -int(EXACT)},
            {"name": "free", "type": "integer", "default": int(EXACT)},
            {"name": "choice", "type": "numeric", "enum": [int(EXACT), 2.5], "default": 2.5},
        ],
        outputParameterDefinitions=definitions(same="integer", digits="character", values="vector", mixed="vector"),
    )
    page.goto(f"{api.url}/api/Exact/V1.0/docs")
    sign_in(page)
    expect(page.locator("[name=x]")).to_have_value(EXACT)
    assert page.locator(".note").all_text_contents() == [
        f"from -{EXACT}",
        f"{EXACT} if left empty",
        "2.5 if left empty",
    ]
    assert page.locator("[name=choice] option").all_text_contents() == ["", EXACT, "2.5"]
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("The service ran.")).to_be_visible()
    assert page.locator("#outputs td").all_text_contents() == [
        EXACT,
        f'"{EXACT}"',
        f"[{EXACT},-{EXACT},18446744073709551615,5.0,0.1,1e+300]",
        f'["\\"5.0 \\\\",{EXACT},null]',
    ]
    with page.expect_download() as download:
        page.get_by_role("button", name="openapi.json").click()
    assert json.loads(Path(download.value.path()).read_text()) == api.ok("GET", "/api/Exact/V1.0/openapi.json")
    assert seen.faults == []


def test_names_and_descriptions_are_text(page: Page, seen: Seen, api: Api) -> None:
    page.goto(publish(api, "Hostile"))
    sign_in(page)
    expect(page.locator("#description")).to_have_text(HOSTILE)
    assert page.locator(".note").first.text_content() == HOSTILE
    assert page.locator("main img, main script, main b").count() == 0
    assert page.locator("[name=color] option").all_text_contents() == ["", "red", "<b>green</b>"]
    assert seen.faults == []


def test_faults_are_shown_at_their_fields(page: Page, api: Api) -> None:
    page.goto(publish(api, "Faulty"))
    sign_in(page)
    run = page.get_by_role("button", name="Run")
    fill(page, x="many", word="w", flag="false")
    run.click()
    expect(page.get_by_role("alert")).to_have_text(
        re.compile(r"x: a number is expected\.\s*items: a value is missing\.")
    )
    assert page.locator("[aria-invalid]").evaluate_all("fields => fields.map(field => field.name)") == ["x", "items"]
    fill(page, x="101", items="[1]")
    run.click()
    expect(page.get_by_role("alert")).to_contain_text("100")
    assert page.locator("[aria-invalid]").evaluate_all("fields => fields.map(field => field.name)") == ["x"]
    fill(page, x="1")
    run.click()
    expect(page.get_by_text("The service ran.")).to_be_visible()
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_failing_service_says_so(page: Page, api: Api) -> None:
    api.publish("Failing", "print('before')\nundefined")
    page.goto(f"{api.url}/api/Failing/V1.0/docs")
    sign_in(page)
    page.get_by_role("button", name="Run").click()
    expect(page.locator("#outcome")).to_have_text("NameError: name 'undefined' is not defined")
    assert page.locator("#console").text_content() == "before\n"


def test_a_pasted_token_serves_as_well(page: Page, api: Api) -> None:
    page.goto(publish(api, "Pasted"))
    page.get_by_label("access token").fill(f"Bearer {api.tokens['access_token']}")
    page.get_by_role("button", name="Use the token").click()
    expect(page.get_by_role("heading", name="Pasted V1.0")).to_be_visible()
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("User name")).to_be_visible()
    assert "Pasted" not in page.locator("body").inner_text()
    assert page.locator("#token").input_value() == ""


@pytest.mark.parametrize(
    ("name", "password", "token", "said"),
    [
        ("Refused", "wrong", None, "password"),
        ("Refused", None, "no.such.token", "token"),
        ("Refused", None, "kein Schlüssel", "not an access token"),
        ("NoSuchService", PASSWORD, None, "There is no service"),
    ],
    ids=["password", "token", "no token at all", "service"],
)
def test_who_is_refused_sees_nothing(name: str, password: Any, token: Any, said: str, page: Page, api: Api) -> None:
    page.goto(f"{api.url}/api/{name}/V1.0/docs")
    if token is None:
        sign_in(page, password)
    else:
        page.get_by_label("access token").fill(token)
        page.get_by_role("button", name="Use the token").click()
    expect(page.get_by_role("alert")).to_contain_text(said)
    expect(page.locator("#service")).to_be_hidden()
    expect(page.get_by_label("User name")).to_be_visible()
