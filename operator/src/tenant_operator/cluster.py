"""The API server as the operator uses it: a few requests, with failures translated once, here.

Objects go in and out as the API's JSON. Used by `controller`, `reconciler`, `actions`, `signups` and `leader`.
"""

import asyncio
import json
import os
from collections.abc import Awaitable, Mapping
from typing import Any

import aiohttp
from kubernetes import aio

from tenant_operator.domain import GROUP, VERSION, Body
from tenant_operator.errors import (
    ClusterFailedError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    RefusedError,
)
from tenant_operator.manifests import MANAGED_BY, OPERATOR, Credentials, credentials_in
from tenant_operator.metrics import WRITES

# Generated code whose annotations cover half of it.
client: Any = aio.client
config: Any = aio.config
# The library imports each of them when it is first named, and some 250 modules with it. On a busy node the loop
# would stand still for so long that the Lease is lost.
_CoordinationV1Api, _CoreV1Api = client.CoordinationV1Api, client.CoreV1Api
_CustomObjectsApi, _EventsV1Api = client.CustomObjectsApi, client.EventsV1Api

PLURALS = {"Tenant": "tenants", "Plan": "plans"}
_MERGE_PATCH = "application/merge-patch+json"
_PAGE = 500
_SECONDS = 30
_NO_RIGHT = 'is forbidden: User "'
"""In the message of a 403 by authorization (`… User "x" cannot create resource …`), in none by admission."""


class Cluster:
    """A client of one API server. Every method raises ClusterFailedError or one of its kinds.

    `namespace` has the Lease, `tenants_namespace` businesses' Secrets (docs/adr/0022).
    """

    def __init__(self, namespace: str, tenants_namespace: str) -> None:
        self._namespace = namespace
        self._tenants = tenants_namespace
        self._api: Any = None
        self._closed = False

    async def open(self) -> None:
        """Finds the API server: the pod's service account, else KUBECONFIG or ~/.kube/config."""
        settings = client.Configuration()
        try:
            config.load_incluster_config(client_configuration=settings)
        except config.ConfigException:
            try:
                # The library has read the variable when it was imported, which may be before it was set.
                file = os.environ.get("KUBECONFIG") or None
                await config.load_kube_config(file, client_configuration=settings)
            except config.ConfigException as error:
                raise ClusterFailedError(f"No way to the API server is configured: {error}.") from error
        self._api = client.ApiClient(configuration=settings)

    async def close(self) -> None:
        """Requests that are under way, and any that come later, fail with ClusterFailedError."""
        self._closed = True
        if self._api is not None:
            await self._api.close()

    async def list_all(self, kind: str) -> tuple[list[Body], int]:
        """Every Tenant or Plan, read in pages, and the version that the list stands for."""
        items: list[Body] = []
        token: str | None = None
        while True:
            more = {"_continue": token} if token else {}
            page = await self._do(
                self._objects().list_cluster_custom_object(GROUP, VERSION, PLURALS[kind], limit=_PAGE, **more)
            )
            items += page["items"]
            token = page["metadata"].get("continue")
            if not token:
                return items, int(page["metadata"]["resourceVersion"])

    async def read(self, kind: str, name: str) -> Body | None:
        """The object, or None."""
        found: Body | None = await self._maybe(
            self._objects().get_cluster_custom_object(GROUP, VERSION, PLURALS[kind], name)
        )
        return found

    async def create(self, body: Body) -> Body:
        """Raises ConflictError when it exists, RefusedError when a rule of the API server forbids it."""
        return await self._write(
            "create",
            self._objects().create_cluster_custom_object(GROUP, VERSION, PLURALS[body["kind"]], body),
        )

    async def replace_status(self, body: Body, status: Mapping[str, Any]) -> Body:
        """Writes the status of the object as it was read; raises ConflictError when it has changed since."""
        whole = {**body, "status": status}
        name = body["metadata"]["name"]
        return await self._write(
            "status",
            self._objects().replace_cluster_custom_object_status(
                GROUP, VERSION, PLURALS[body["kind"]], name, whole
            ),
        )

    async def set_finalizers(self, body: Body, finalizers: list[str]) -> Body:
        """Raises ConflictError when the object has changed since it was read."""
        metadata = body["metadata"]
        patch = {"metadata": {"finalizers": finalizers, "resourceVersion": metadata["resourceVersion"]}}
        return await self._write(
            "finalizers",
            self._objects().patch_cluster_custom_object(
                GROUP, VERSION, PLURALS[body["kind"]], metadata["name"], patch, _content_type=_MERGE_PATCH
            ),
        )

    async def credentials(self, authority: str | None) -> dict[str, Credentials]:
        """The credentials Secrets that the operator made, by name; `authority` is the brokers' today."""
        found = await self._do(
            self._core().list_namespaced_secret(self._tenants, label_selector=f"{MANAGED_BY}={OPERATOR}")
        )
        return {item.metadata.name: credentials_in(self._plain(item), authority) for item in found.items}

    async def read_secret(self, name: str) -> Body | None:
        found = await self._maybe(self._core().read_namespaced_secret(name, self._tenants))
        return self._plain(found) if found is not None else None

    async def put_secret(self, body: Body) -> None:
        """Creates the Secret, or replaces what stands under its name. Raises RefusedError without its namespace."""
        try:
            await self._write("secret", self._core().create_namespaced_secret(self._tenants, body))
        except NotFoundError as error:
            # The caller would take a NotFoundError for the end of its tenant's object.
            raise RefusedError(f"The API server refused: {error}") from error
        except ConflictError:
            name = body["metadata"]["name"]
            await self._write("secret", self._core().replace_namespaced_secret(name, self._tenants, body))

    async def delete_secret(self, name: str) -> None:
        """Deletes the Secret if there is one."""
        if await self._maybe(self._core().delete_namespaced_secret(name, self._tenants)) is not None:
            WRITES.labels("secret").inc()

    async def create_event(self, body: Body) -> None:
        namespace = body["metadata"]["namespace"]
        await self._write("event", _EventsV1Api(self._api).create_namespaced_event(namespace, body))

    async def read_lease(self, name: str) -> Body | None:
        found = await self._maybe(self._leases().read_namespaced_lease(name, self._namespace))
        return self._plain(found) if found is not None else None

    async def create_lease(self, body: Body) -> Body:
        return self._plain(
            await self._write("lease", self._leases().create_namespaced_lease(self._namespace, body))
        )

    async def replace_lease(self, body: Body) -> Body:
        """Raises ConflictError when it has changed since it was read."""
        name = body["metadata"]["name"]
        return self._plain(
            await self._write("lease", self._leases().replace_namespaced_lease(name, self._namespace, body))
        )

    def _objects(self) -> Any:
        return _CustomObjectsApi(self._api)

    def _core(self) -> Any:
        return _CoreV1Api(self._api)

    def _leases(self) -> Any:
        return _CoordinationV1Api(self._api)

    def _plain(self, model: Any) -> Body:
        """A generated model as the API's JSON."""
        plain: Body = self._api.sanitize_for_serialization(model)
        return plain

    async def _write(self, what: str, request: Awaitable[Any]) -> Body:
        answer: Body = await self._do(request)
        WRITES.labels(what).inc()
        return answer

    async def _maybe(self, request: Awaitable[Any]) -> Any:
        try:
            return await self._do(request)
        except NotFoundError:
            return None

    async def _do(self, request: Awaitable[Any]) -> Any:
        try:
            async with asyncio.timeout(_SECONDS):
                return await request
        except client.ApiException as error:
            raise _translated(error) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ClusterFailedError(
                f"The API server cannot be reached: {str(error) or type(error).__name__}."
            ) from error
        except (AssertionError, RuntimeError) as error:
            # A closed session raises a RuntimeError. One that is closed under a request, which aiohttp then sends
            # anew as its kept connection was cut, has no connector any more: an assertion of aiohttp's fails.
            if not self._closed:
                raise
            raise ClusterFailedError(
                "The connection to the API server is closed; the operator ends."
            ) from error


def _translated(error: Any) -> ClusterFailedError:
    text = _message(error)
    if error.status == 404:
        return NotFoundError(text)
    if error.status == 409:
        return ConflictError(text)
    if error.status == 403 and _NO_RIGHT in text:
        return ForbiddenError(f"The API server refused: {text}")
    if error.status in {400, 403, 422}:
        return RefusedError(f"The API server refused: {text}")
    return ClusterFailedError(f"The API server answered {error.status}: {text}")


def _message(error: Any) -> str:
    """The sentence of the API's Status object; never the request."""
    try:
        text = json.loads(error.body)["message"]
    except (TypeError, ValueError, KeyError):
        return str(error.reason)
    return str(text)
