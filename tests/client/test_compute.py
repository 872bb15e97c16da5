"""The operations on workers and compute nodes, against a running server."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jupyter_deployr.client import BadRequest, DeployRClient, NotFound
from jupyter_deployr.protocol.models import (
    CreateOrUpdateServicePoolRequest,
    PublishWebServiceRequest,
    ServicePoolStatusResponse,
    UpdateComputeNodesRequest,
)
from tests.waiting import wait_until


def test_the_pool_of_a_version(client: DeployRClient) -> None:
    client.publish_web_service_version("PooledHere", "V1.0", PublishWebServiceRequest(code="y = 1"))
    assert "started" in client.create_or_update_service_pool(
        "PooledHere", "V1.0", CreateOrUpdateServicePoolRequest(1, 2)
    )
    running = [ServicePoolStatusResponse("local", "Success")]
    wait_until(lambda: client.get_service_pool_status("PooledHere", "V1.0") == running)
    assert "ended" in client.delete_service_pool("PooledHere", "V1.0")
    assert client.get_service_pool_status("PooledHere", "V1.0") == [ServicePoolStatusResponse("local", "NotFound")]
    assert "started" in client.create_or_update_service_pool(
        "PooledHere", "V1.0", CreateOrUpdateServicePoolRequest(1, 10)
    )
    with pytest.raises(BadRequest, match="MaxPoolSize"):
        client.create_or_update_service_pool("PooledHere", "V1.0", CreateOrUpdateServicePoolRequest(10, 5))
    client.delete_web_service_version("PooledHere", "V1.0")
    with pytest.raises(NotFound):
        client.get_service_pool_status("PooledHere", "V1.0")


def test_the_compute_nodes(client: DeployRClient) -> None:
    assert client.get_compute_nodes().compute_nodes == ["local"]
    client.set_compute_nodes(UpdateComputeNodesRequest(["local"]))
    client.add_compute_node(UpdateComputeNodesRequest(["local"]))


@pytest.mark.parametrize(
    "change",
    [DeployRClient.set_compute_nodes, DeployRClient.add_compute_node, DeployRClient.remove_compute_node],
    ids=lambda change: change.__name__,
)
def test_compute_nodes_that_are_refused(
    change: Callable[[DeployRClient, UpdateComputeNodesRequest], None], client: DeployRClient
) -> None:
    with pytest.raises(BadRequest, match="10-12"):
        change(client, UpdateComputeNodesRequest(["http://1.1.1.1:10-12"]))
