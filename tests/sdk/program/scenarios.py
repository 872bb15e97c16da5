"""What a user of the SDK does, one function each. It returns what the user saw, as JSON has it.

The functions of this file run on Python 3.7, too.
"""

import datetime
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy
import pandas
from azureml.common.http_client import HttpException
from azureml.deploy import DeployClient
from azureml.deploy.server import MLServer
from published import prepare, scaled


class Desk:
    """A server, an account on it, and a beginning for the names of services that is nobody else's."""

    def __init__(self, url, account, password, prefix):
        self.url = url
        self.account = account
        self.prefix = prefix
        self.client = self.signed_in((account, password))

    def signed_in(self, auth):
        """A new client."""
        return DeployClient(self.url, auth=auth, use=MLServer)

    def name(self, rest):
        """The name of a service."""
        return self.prefix + rest

    def deploy(self, rest, version="1", **options):
        """Publish; returns the SDK's object for the service."""
        return self.client.deploy_service(self.name(rest), version=version, **options)

    def left(self):
        """How many sessions and snapshots the account has."""
        return [len(self.client._http_client.get(path).json()) for path in ("/sessions", "/snapshots")]


def plain(value):
    """A value with its type, where JSON hasn't one of its own."""
    if isinstance(value, pandas.DataFrame):
        return {"DataFrame": {str(name): plain(value[name].tolist()) for name in value.columns}}
    if isinstance(value, numpy.ndarray):
        return {type(value).__name__: plain(value.tolist())}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return "NaN" if isinstance(value, float) and value != value else value


def seen(response):
    """What a response tells its caller."""
    return {
        "error": response.error,
        "console": response.console_output,
        "outputs": {name: plain(value) for name, value in sorted(response.outputs.items())},
    }


def fault(call, *arguments, **options):
    """The status and the message of the exception that a call ends with."""
    try:
        return f"no exception, but {call(*arguments, **options)!r}"
    except HttpException as error:
        return [error.status, json.loads(error.body)["message"]]
    except ValueError as error:
        return ["ValueError", str(error)]


def finished(batch):
    """Poll a batch as the SDK's documents do; returns the last answer."""
    deadline = time.time() + 60
    while True:
        answer = batch.results()
        if answer.state in ("Complete", "Failed"):
            return answer
        assert time.time() < deadline, answer.state
        time.sleep(0.05)


def sign_in(desk):
    """A password, a token that one has already, and neither."""
    token = desk.client._http_client.authorization[len("Bearer ") :]
    return {
        "wrong password": fault(desk.signed_in, (desk.account, "Wrong-Horse-7")),
        "token": isinstance(desk.signed_in(token).list_services(), list),
        "no token": fault(desk.signed_in("none").list_services)[0],
        "nobody": fault(desk.signed_in(None).list_services)[0],
    }


def from_a_function(desk):
    """A function with its init function, objects and models."""
    service = desk.deploy(
        "Function",
        code_fn=scaled,
        init_fn=prepare,
        objects={"factor": 10},
        models={"weights": numpy.array([0.5, 2.0])},
        inputs={"shift": int, "x": float},
        outputs={"y": float},
        description="Scales",
    )
    known = service.capabilities()
    return {
        "left behind": desk.left(),
        "class": type(service).__name__,
        "documented": [line.strip() for line in service.scaled.__doc__.splitlines() if "float" in line],
        "known": {name: known[name] for name in ("published_by", "runtime", "description", "operation_id")},
        "inputs": known["inputs_encoded"],
        "called": seen(service.scaled(2, 1)),
        "again": seen(service.scaled(0.25, 0)),
        "swagger": '"operationId":"scaled"' in service.swagger().replace(" ", ""),
    }


def from_a_string(desk):
    """Code as text, an init code, several outputs, and the fluent way of saying it."""
    service = (
        desk.client.service(desk.name("String"))
        .version("v1.0.0-alpha")
        .description("Größe")
        .alias("shout")
        .code_str("length = len(text)\nloud = text.upper() + mark", "mark = '!'")
        .inputs(text=str)
        .outputs(length=int, loud="str")
        .deploy()
    )
    return {
        "described": service.capabilities()["description"],
        "operation": service.capabilities()["operation_id"],
        "called": seen(service.shout("größer")),
    }


def types(desk):
    """Each type as input and output; what the code got, and what came back."""
    groups = [
        {"int": 3, "float": 2, "str": "größer"},
        {"bool": True, "array": numpy.array([1, 2.5]), "matrix": numpy.matrix([[1, 2], [3, 4]])},
        {"DataFrame": pandas.DataFrame({"b": [1, 2], "a": ["p", "q"]})},
    ]
    told = {}
    for group in groups:
        code = ["got = []"]
        for kind in group:
            code.append(f"out_{kind} = in_{kind}; got.append(type(in_{kind}).__name__)")
        service = desk.deploy(
            "Types",
            "-".join(group),
            code_str="\n".join(code),
            inputs={"in_" + kind: kind for kind in group},
            outputs={"got": list, **{"out_" + kind: kind for kind in group}},
        )
        told["-".join(group)] = seen(service.consume(*group.values()))["outputs"]
        told["no " + "-".join(group)] = fault(service.consume, *[None] * len(group))
    return told


def empty_and_missing_values(desk):
    """What there is none of, in and out."""
    code = "size = x.size; v = [1.5, float('nan')]; n = float('nan')"
    service = desk.deploy(
        "Empty", code_str=code, inputs={"x": "DataFrame"}, outputs={"size": int, "v": list, "n": float}
    )
    return {
        "no rows": seen(service.consume(pandas.DataFrame({"a": []})))["outputs"],
        "no columns": seen(service.consume(pandas.DataFrame()))["outputs"],
    }


def objects(desk):
    """Objects that any Python of the SDK can send."""
    sent = {
        "dict": {"a": [1, (2, 3)], "b": None},
        "array": numpy.arange(3.0),
        "day": datetime.date(2017, 10, 5),
        "bytes": b"\x00\xff",
        "set": {1},
    }
    code = "y = repr([dict, array.tolist(), day, bytes, set])"
    return seen(desk.deploy("Objects", code_str=code, objects=sent, outputs={"y": str}).consume())


def objects_of_this_python(desk):
    """A function and a frame, which aren't the same on each Python."""
    # As in a notebook, where functions belong to the main module.
    main = vars(sys.modules["__main__"])
    exec("def twice(x):\n    return 2 * x", main)
    told = {}
    for version, code, sent in (
        ("function", "y = twice(21)", {"twice": main["twice"]}),
        ("frame", "y = frame.a.sum()", {"frame": pandas.DataFrame({"a": [1, 2]})}),
    ):
        try:
            service = desk.deploy("Python", version, code_str=code, objects=sent, outputs={"y": int})
            told[version] = seen(service.consume())["outputs"]
        except HttpException as error:
            told[version] = [error.status, json.loads(error.body)["message"]]
    return told


def redeploy(desk):
    """Each part of a version can be changed alone."""
    name = desk.name("Redeploy")
    started = {"code_str": "y = k * x", "objects": {"k": 5}, "inputs": {"x": float}, "outputs": {"y": float}}
    told = {"at first": seen(desk.deploy("Redeploy", **started).consume(2))["outputs"]}
    for what, changes in (
        ("description", {"description": "new"}),
        ("code and objects", {"code_str": "y = k + x", "objects": {"k": 7}}),
        ("inputs and outputs", {"inputs": {"x": int}, "outputs": {"y": int, "z": str}, "code_str": "y = x; z = 'z'"}),
    ):
        service = desk.client.redeploy_service(name, version="1", **changes)
        told[what] = seen(service.consume(2))["outputs"]
    service = desk.client.redeploy_service(
        name,
        version="1",
        code_fn=scaled,
        objects={"factor": 3, "weights": numpy.array([1.0])},
        inputs={"x": float, "shift": int},
        outputs={"y": float},
        artifacts=["a.txt"],
    )
    told["function and artifacts"] = [seen(service.scaled(2, 1))["outputs"], service.capabilities()["artifacts"]]
    return {
        **told,
        "described": service.capabilities()["description"],
        "versions": len(desk.client.list_services(name)),
        "unknown": fault(desk.client.redeploy_service, name, version="2", description="new"),
        "no version": fault(desk.client.redeploy_service, name, description="new"),
    }


def batch(desk):
    """The three forms of records, their results, the list of executions."""
    service = desk.deploy(
        "Batch", code_str="y = x * 2 if flag else 1 / x", inputs={"x": float, "flag": bool}, outputs={"y": float}
    )
    columns = {"x": [1, 2, 0], "flag": [True, False, False]}
    rows = [{"x": 1.0, "flag": True}, {"x": 2.0, "flag": False}, {"x": 0.0, "flag": False}]
    told = {}
    for kind, records in (("dict", columns), ("list", rows), ("DataFrame", pandas.DataFrame(columns))):
        started = service.batch(records, 2).start()
        answer = finished(started)
        told[kind] = [answer.state, answer.completed_item_count, answer.total_item_count]
        told[kind] += [[seen(answer.execution(i)) for i in range(answer.total_item_count)]]
        again = service.get_batch(started.execution_id)
        told[kind] += [started.execution_id in service.list_batch_executions(), again.results(False).state]
    started.cancel()
    return {
        **told,
        "cancelled": fault(started.results),
        "listed": len(service.list_batch_executions()),
        "wrong": seen(finished(service.batch([{"x": "one", "flag": True}]).start()).execution(0)),
        "default": finished(service.batch({"x": [3] * 25, "flag": [True] * 25}).start()).completed_item_count,
    }


def artifacts(desk):
    """Files that the code writes, of a call and of a batch."""
    code = "open('t.txt', 'w').write('x is %d' % x)\nif x:\n    open('b.bin', 'wb').write(bytes([0, 255, x]))"
    service = desk.deploy("Artifacts", code_str=code, inputs={"x": int}, artifacts=["t.txt", "b.bin"])
    called = service.consume(7)
    missing = service.consume(0)
    started = service.batch({"x": [0, 1]}).start()
    finished(started)
    with tempfile.TemporaryDirectory() as folder:
        (saved,) = started.download(1, "b.bin", folder)
        downloaded = [Path(saved).name, list(Path(saved).read_bytes())]
    return {
        "declared": service.capabilities()["artifacts"],
        "called": [called.artifact("t.txt", encoding="utf-8"), list(called.artifact("b.bin"))],
        "missing": [missing.artifact("t.txt", encoding="utf-8"), missing.artifact("b.bin")],
        "listed": [started.list_artifacts(0), started.list_artifacts(1)],
        "read": started.artifact(0, "t.txt").decode(),
        "downloaded": downloaded,
        "not written": fault(started.artifact, 0, "b.bin"),
        "no record": fault(started.list_artifacts, 2),
    }


def code_that_fails(desk):
    """A failing call is an answer, no exception."""
    service = desk.deploy("Fails", code_str="print('before'); y = p", outputs={"y": int})
    return seen(service.consume())


def code_that_cannot_be_published(desk):
    """A failing publication leaves neither session nor snapshot."""
    return {
        "no code": fault(desk.deploy, "Refused"),
        "syntax": fault(desk.deploy, "Refused", code_str="y ="),
        "left behind": desk.left(),
    }


def the_same_version_twice(desk):
    """The second is refused, and leaves neither session nor snapshot."""
    desk.deploy("Twice", code_str="y = 1", outputs={"y": int})
    told = fault(desk.deploy, "Twice", code_str="y = 2", outputs={"y": int})
    service = desk.client.get_service(desk.name("Twice"), version="1")
    return {
        "refused": told,
        "left behind": desk.left(),
        "called": seen(service.consume())["outputs"],
    }


def versions(desk):
    """List, get and delete, with a version and without."""
    client, name = desk.client, desk.name("Versions")
    published = [desk.deploy("Versions", None, code_str="y = 0", outputs={"y": int})]
    for version in ("2.0", "1.0"):
        published.append(desk.deploy("Versions", version, code_str="y = " + version, outputs={"y": float}))
    given = published[0].capabilities()["version"]
    told = {
        "given": len(given),
        "listed": [each["version"] == given or each["version"] for each in client.list_services(name)],
        "one": [each["version"] for each in client.list_services(name, version="2.0")],
        "all": str(client.list_services()).count(name),
        "latest": seen(client.get_service(name).consume())["outputs"],
        "got": seen(client.get_service(name, version="2.0").consume())["outputs"],
        "deleted": client.delete_service(name, version="1.0"),
        "then latest": seen(client.get_service(name).consume())["outputs"],
        "gone": fault(client.get_service, name, version="1.0"),
        "deleted twice": fault(client.delete_service, name, version="1.0"),
        "called": fault(published[2].consume),
    }
    for version in (given, "2.0"):
        client.delete_service(name, version=version)
    return {**told, "none": client.list_services(name), "nothing": fault(client.get_service, name)}


def names(desk):
    """Names that have to be encoded in a path, and those that make no Python class."""
    told = {}
    for rest, version in (("With space", "1 0"), ("Größe", "1.0.0-rc.1")):
        desk.deploy(rest, version, code_str="y = 1", outputs={"y": int})
        service = desk.client.get_service(desk.name(rest), version=version)
        known = service.capabilities()
        told[rest] = [known["name"] == desk.name(rest), known["version"], seen(service.consume())["outputs"]]
        told[rest] += [len(service.swagger()) > 1000, desk.client.delete_service(desk.name(rest), version=version)]
    return told


def realtime(desk):
    """The SDK sends the form; this server says that it doesn't offer it."""
    options = {"version": "1", "serialized_model": b"blob of a model"}
    return {
        "deployed": fault(desk.client.deploy_realtime, desk.name("Realtime"), **options)[0],
        "without version": fault(desk.client.deploy_realtime, desk.name("Realtime"), serialized_model=b"blob")[0],
        "redeployed": fault(desk.client.redeploy_realtime, desk.name("Realtime"), description="d", **options)[0],
    }


ALL = [
    sign_in,
    from_a_function,
    from_a_string,
    types,
    empty_and_missing_values,
    objects,
    objects_of_this_python,
    redeploy,
    batch,
    artifacts,
    code_that_fails,
    code_that_cannot_be_published,
    the_same_version_twice,
    versions,
    names,
    realtime,
]
