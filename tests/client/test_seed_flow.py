"""The whole way of a model, as a user of a generated client goes it: headers by hand, calls with plain requests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import requests

import jupyter_deployr.client as deployrclient


def test_train_snapshot_publish_consume_manage(server: Any, tmp_path: Path) -> None:
    client = deployrclient.DeployRClient(server.url)
    models = deployrclient.models
    token_response = client.login(models.LoginRequest("admin", server.password))
    headers = {"Authorization": f"Bearer {token_response.access_token}"}
    # A second client, which never logs in, shows that the headers alone do.
    client.close()
    client = deployrclient.DeployRClient(server.url)
    assert client.status(headers).status_code == "pass"

    # Train in a session.
    session_id = client.create_session(
        models.CreateSessionRequest("Session 1", runtime_type="Python"), headers
    ).session_id
    for code in (
        "from sklearn import svm\nfrom sklearn import datasets",
        "clf=svm.SVC()\niris=datasets.load_iris()\nnames={0:'I. setosa',1:'I. versicolor',2:'I. virginica'}",
    ):
        assert client.execute_code(session_id, models.ExecuteRequest(code), headers).success
    trained = client.execute_code(
        session_id,
        models.ExecuteRequest(
            "clf.fit(iris.data, iris.target)\nresult=clf.predict([species_1])\nother_result=clf.predict([species_2])",
            [
                models.WorkspaceObject("species_1", [7, 3.2, 4.7, 1.4]),
                models.WorkspaceObject("species_2", [3, 2.6, 3, 2.5]),
            ],
            ["result", "other_result"],
        ),
        headers,
    )
    assert trained.success, trained.error_message
    assert [(result.name, result.value) for result in trained.output_parameters] == [
        ("result", [1]),
        ("other_result", [1]),
    ]

    # Keep the session's workspace.
    snapshot = client.create_snapshot(session_id, models.CreateSnapshotRequest("Iris Snapshot"), headers)
    assert snapshot.snapshot_id in [each.id for each in client.list_snapshots(headers)]

    # Publish it.
    flower_data = models.ParameterDefinition(name="flower_data", type="vector")
    client.publish_web_service_version(
        "Iris",
        "V1.0",
        models.PublishWebServiceRequest(
            code="iris_species = [names[x] for x in clf.predict([flower_data])]",
            input_parameter_definitions=[flower_data],
            output_parameter_definitions=[models.ParameterDefinition(name="iris_species", type="vector")],
            runtime_type="Python",
            snapshot_id=snapshot.snapshot_id,
        ),
        headers,
    )
    # Session and snapshot may go: the service has its own copy.
    client.close_session(session_id, headers)
    client.delete_snapshot(snapshot.snapshot_id, headers)
    for service in client.get_web_service_version("Iris", "V1.0", headers):
        assert "V1.0" in str(service)
        assert [(each.name, each.type) for each in service.input_parameter_definitions] == [("flower_data", "vector")]
        assert [(each.name, each.type) for each in service.output_parameter_definitions] == [("iris_species", "vector")]

    # Consume it without our client; `headers` replaces the session's default headers, as the field's examples do.
    s = requests.Session()
    s.headers = headers  # type: ignore[assignment]
    swagger = s.get(server.url + "/api/Iris/V1.0/swagger.json", timeout=60).json()
    file = tmp_path / "iris_swagger.json"
    file.write_text(json.dumps(client.get_web_service_swagger("Iris", "V1.0", headers), indent=1))
    assert json.loads(file.read_text()) == swagger
    assert "/api/Iris/V1.0" in swagger["paths"]
    assert "flower_data" in swagger["definitions"]["InputParameters"]["properties"]
    assert "outputParameters" in swagger["definitions"]["WebServiceResult"]["properties"]
    for flower, species in (
        ([7, 3.2, 4.7, 1.4], "I. versicolor"),
        ([3, 2.6, 3, 2.5], "I. versicolor"),
        ([5.1, 3.5, 1.4, 0.2], "I. setosa"),
    ):
        response = s.post(server.url + "/api/Iris/V1.0", json={"flower_data": flower}, timeout=60)
        assert response.status_code == 200
        assert response.json() == {
            "success": True,
            "errorMessage": "",
            "consoleOutput": "",
            "changedFiles": [],
            "outputFiles": {},
            "outputParameters": {"iris_species": [species]},
        }

    # Describe it, and publish a version beside it that answers with a string.
    client.patch_web_service_version(
        "Iris", "V1.0", models.PublishWebServiceRequest(description="By measures", runtime_type="Python"), headers
    )
    (described,) = client.get_web_service_version("Iris", "V1.0", headers)
    assert described.description == "By measures"
    again = s.post(server.url + "/api/Iris/V1.0", json={"flower_data": [7, 3.2, 4.7, 1.4]}, timeout=60)
    assert again.json()["outputParameters"] == {"iris_species": ["I. versicolor"]}

    session_id = client.create_session(models.CreateSessionRequest(runtime_type="Python"), headers).session_id
    client.execute_code(
        session_id,
        models.ExecuteRequest(
            "from sklearn import datasets, svm\niris = datasets.load_iris()\n"
            "names = ['I. setosa', 'I. versicolor', 'I. virginica']\nclf = svm.SVC().fit(iris.data, iris.target)"
        ),
        headers,
    )
    snapshot = client.create_snapshot(session_id, models.CreateSnapshotRequest(), headers)
    client.publish_web_service_version(
        "Iris",
        "V2.0",
        models.PublishWebServiceRequest(
            code="iris_species = [names[x] for x in clf.predict([flower_data])][0]",
            input_parameter_definitions=[flower_data],
            output_parameter_definitions=[models.ParameterDefinition(name="iris_species", type="string")],
            runtime_type="Python",
            snapshot_id=snapshot.snapshot_id,
        ),
        headers,
    )
    second = s.post(server.url + "/api/Iris/V2.0", json={"flower_data": [5.1, 3.5, 1.4, 0.2]}, timeout=60)
    assert second.json()["outputParameters"] == {"iris_species": "I. setosa"}
    listed = {(each.name, each.version): each for each in client.get_all_web_services(headers)}
    assert listed["Iris", "V2.0"].output_parameter_definitions == [
        models.ParameterDefinition("iris_species", "character")
    ]

    # Tidy up.
    client.delete_web_service_version("Iris", "V2.0", headers)
    assert [each.version for each in client.get_all_web_service_versions_by_name("Iris", headers)] == ["V1.0"]
    client.delete_web_service_version("Iris", "V1.0", headers)
    client.close_session(session_id, headers)
    client.delete_snapshot(snapshot.snapshot_id, headers)
    s.close()
    client.close()
