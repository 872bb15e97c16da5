"""What the SDK sends, and what it reads of the answers."""

import base64
import json
import os
import re

import requests

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TOLD_ANEW = {"access_token": "token", "sessionId": "session", "snapshotId": "snapshot", "BatchExecutionId": "batch"}


class WatchedObject(dict):
    """A JSON object of an answer that notes which of its members are read."""

    def __init__(self, value, path, note):
        dict.__init__(self, {name: watched(each, path + "/" + name, note) for name, each in value.items()})
        self._path = path
        self._note = note
        # What the SDK adds to the object itself.
        self._added = set()

    def __getitem__(self, name):
        self.get(name)
        return dict.__getitem__(self, name)

    def __setitem__(self, name, value):
        dict.__setitem__(self, name, value)
        self._added.add(name)

    def get(self, name, default=None):
        value = dict.get(self, name, default)
        if name not in self._added:
            self._note(self._path + "/" + name, value)
        return value


class WatchedArray(list):
    """A JSON array of an answer that notes which of its elements are read."""

    def __init__(self, value, path, note):
        list.__init__(self, [watched(each, path + "/" + str(index), note) for index, each in enumerate(value)])
        self._path = path
        self._note = note

    def __getitem__(self, index):
        path = self._path + "/" + str(index)
        # Under the index as it is asked for: the last may be -1.
        value = watched(list.__getitem__(self, index), path, self._note)
        self._note(path, value)
        return value


def watched(value, path, note):
    """The same value, noting what is read of it under `path`, a JSON pointer."""
    if isinstance(value, dict):
        return WatchedObject(value, path, note)
    return WatchedArray(value, path, note) if isinstance(value, list) else value


class WatchedResponse(requests.Response):
    """A response that notes what is read of it, in `reads`."""

    def json(self, **options):
        content = requests.Response.content.fget(self)
        return watched(json.loads(content.decode("utf-8")), "", self.note)

    def note(self, path, value):
        if value is not None or path not in self.reads:
            self.reads[path] = value

    @property
    def text(self):
        self.whole.append("text")
        return requests.Response.text.fget(self)

    @property
    def content(self):
        self.whole.append("bytes")
        return requests.Response.content.fget(self)


class Recorder:
    """Writes down each exchange of the program from when it is made."""

    def __init__(self):
        self._scenarios = []
        send = requests.Session.send

        def recording_send(session, request, **options):
            response = send(session, request, **options)
            response.__class__ = WatchedResponse
            response.reads = {}
            response.whole = []
            self._scenarios[-1][1].append((request, response))
            return response

        requests.Session.send = recording_send

    def begin(self, scenario):
        """What follows belongs to this scenario."""
        self._scenarios.append((scenario, []))

    def write(self, path):
        """Write all of it. In the answers, "reads" are JSON pointers with the values found there."""
        told = {name: _Telling().exchanges(exchanges) for name, exchanges in self._scenarios}
        first = next(iter(told.values()))[0]["headers"]
        common = {name: value for name, value in first.items() if name != "Authorization"}
        for exchanges in told.values():
            for exchange in exchanges:
                headers = exchange.pop("headers")
                differing = {name: headers.get(name) for name in common if headers.get(name) != common[name]}
                if headers.get("Authorization") != "Bearer {token1}" and exchange["path"] != "/login":
                    differing["Authorization"] = headers.get("Authorization")
                if differing:
                    exchange["headers"] = differing
        # One exchange a line.
        lists = ",\n".join(f"  {json.dumps(name)}: [\n{_lines(told[name])}\n  ]" for name in told)
        path.write_text(f'{{"headers": {json.dumps(common)},\n "scenarios": {{\n{lists}\n }}}}\n', encoding="utf-8")


def _lines(exchanges):
    return ",\n".join("   " + json.dumps(exchange, ensure_ascii=False) for exchange in exchanges)


def _is_nested(value):
    """Whether more is inside than the SDK reads at once."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(isinstance(each, (dict, list)) for each in inside) and not _is_matrix(value)


def _is_matrix(value):
    return isinstance(value, list) and all(isinstance(row, list) and not _is_nested(row) for row in value)


class _Telling:
    """The exchanges of one scenario, with names in braces for what each run has anew."""

    def __init__(self):
        self._names = {}

    def exchanges(self, exchanges):
        """All of them; polls of a batch become one."""
        told = []
        for request, response in exchanges:
            exchange = self._exchange(request, response)
            if told and "until" in exchange and told[-1]["path"] == exchange["path"]:
                told.pop()
            told.append(exchange)
        return told

    def _exchange(self, request, response):
        answer = {"status": response.status_code}
        if response.reads:
            answer["reads"] = {
                path: self._value(path, value)
                for path, value in response.reads.items()
                if not any(other.startswith(path + "/") for other in response.reads)
            }
        # The SDK logs the bytes of each response; it is the next read that counts.
        if response.whole[1:] and response.status_code < 400:
            if response.whole[1] == "bytes":
                answer["base64"] = base64.b64encode(requests.Response.content.fget(response)).decode()
            else:
                answer["text"] = True
        exchange = {"method": request.method, "path": self._named(request.path_url)}
        exchange["headers"] = {
            name: self._named(str(value)) for name, value in request.headers.items() if name != "Content-Length"
        }
        exchange.update(self._body(request))
        exchange["answer"] = answer
        if response.reads.get("/state") in ("Complete", "Failed", "InProgress", "Pending", "Ready"):
            exchange["until"] = {"/state": "Complete"}
        return exchange

    def _value(self, path, value):
        member = path.rsplit("/", 1)[-1]
        if member == "creationTime":
            return "{time}"
        if _is_nested(value):
            return "{object}" if isinstance(value, dict) else "{array}"
        if isinstance(value, str) and value not in self._names:
            kind = _TOLD_ANEW.get(member) or ("id" if _GUID.fullmatch(value) else None)
            if kind:
                count = sum(each.startswith("{" + kind) for each in self._names.values())
                self._names[value] = f"{{{kind}{count + 1}}}"
        return self._names.get(value, value) if isinstance(value, str) else value

    def _named(self, text):
        for value, name in self._names.items():
            text = text.replace(value, name)
        return text

    def _body(self, request):
        if not request.body:
            return {}
        body = request.body if isinstance(request.body, bytes) else request.body.encode()
        if request.headers.get("Content-Type") == "application/json":
            value = json.loads(body.decode())
            # As text and not as bytes only where the text gives the same bytes again.
            if json.dumps(value).encode() == body:
                if request.path_url == "/login" and value["password"] == os.environ["DEPLOYR_PASSWORD"]:
                    value["password"] = "{password}"
                return {"json": json.loads(self._named(json.dumps(value)))}
        return {"base64": base64.b64encode(body).decode()}
