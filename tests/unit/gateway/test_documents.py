"""The merged document as it is kept."""

import json

from gateway.documents import MergedDocument
from gateway.settings import GatewaySettings
from gateway.upstreams import Upstreams


async def test_the_document_is_written_once_and_not_for_everybody_who_asks() -> None:
    document = MergedDocument(Upstreams(GatewaySettings(upstreams={})), public_url="http://a", seconds=60)
    first = await document.read()
    assert json.loads(first)["openapi"]
    assert await document.read() is first
