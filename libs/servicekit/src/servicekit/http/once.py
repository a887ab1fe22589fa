"""A change is sent once: for aiohttp's client sessions of gateway and web, which pass on what people ask for.

aiohttp sends PUT and DELETE again by itself where a connection breaks before the answer, as HTTP allows. But a
change with If-Match that has come through is refused the second time (412), and what was deleted is not found
(404): whoever asked would read that nothing came of it, where nobody knows.
"""

import aiohttp

_READS = frozenset({"GET", "HEAD", "OPTIONS"})


async def once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """A client middleware for aiohttp. Raises ClientConnectionError, upon which aiohttp does not send again."""
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise  # nothing was sent
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        if request.method in _READS:
            raise
        raise aiohttp.ClientConnectionError(str(error) or type(error).__name__) from error
