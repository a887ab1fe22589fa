"""A uvicorn server that tells when it listens; for tests of what happens on a socket."""

import asyncio
from socket import socket

import uvicorn


class AnnouncedServer(uvicorn.Server):
    """`listens` is set once it takes connections."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()
