"""A service's image checks PostgreSQL's certificate by its own authorities: the charts' default, without a Secret.

psycopg's wheel brings an OpenSSL of its own, which looks for authorities where nobody has put any; the Dockerfile
tells it where they are. As the shell that runs a test may do so as well, its variables are taken away.
"""

import asyncio
import os
import re
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from support.certificates import certificate
from support.databases import ServiceDatabase

_DOCKERFILE = Path(__file__).parents[3] / "Dockerfile"
_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
"""Debian's, in the image."""
_SSL_REQUEST = 8
"""Bytes of the message by which libpq asks for TLS: PostgreSQL's documentation, 54.7."""

Making = Callable[[str], ServiceDatabase]


async def test_the_images_own_authorities_vouch_for_the_database(
    service_database: Making, tmp_path: Path
) -> None:
    context, authority = certificate(tmp_path, "localhost")
    async with behind_tls(service_database("booking"), context) as url:
        code, said = await wait_for_schema(url, authority)
    assert code == 0, said


async def test_another_authority_does_not(service_database: Making, tmp_path: Path) -> None:
    context, _ = certificate(tmp_path, "localhost")
    (tmp_path / "other").mkdir()
    _, other = certificate(tmp_path / "other", "localhost")
    async with behind_tls(service_database("booking"), context) as url:
        code, said = await wait_for_schema(url, other)
    assert code == 1
    assert "certificate verify failed" in said


async def wait_for_schema(url: str, authorities: Path) -> tuple[int | None, str]:
    """What every pod's init container does, with the image's variables; `authorities` stand for the image's."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("SSL_")}
    env |= {name: str(authorities) for name, value in image_variables().items() if value == _AUTHORITIES}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "booking", "migrate", "--wait", "--timeout=3"),
        env=env | {"SLOTWRIGHT_DATABASE_URL": url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode, out.decode()


def image_variables() -> dict[str, str]:
    """What the Dockerfile sets for what runs."""
    stages = _DOCKERFILE.read_text("utf-8").partition(" AS runtime\n")[2].replace("\\\n", " ")
    lines = re.findall(r"^ENV (.*)$", stages, re.MULTILINE)
    return dict(pair.split("=", 1) for line in lines for pair in line.split())


@asynccontextmanager
async def behind_tls(database: ServiceDatabase, context: ssl.SSLContext) -> AsyncIterator[str]:
    """The database's URL by way of TLS, which the server of the tests has not been built with."""
    there = conninfo_to_dict(database.settings.conninfo())
    context.set_alpn_protocols(["postgresql"])

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readexactly(_SSL_REQUEST)
            writer.write(b"S")
            await writer.start_tls(context)
            server_reader, server_writer = await asyncio.open_connection(
                str(there["host"]), str(there["port"])
            )
            await asyncio.gather(_copy(reader, server_writer), _copy(server_reader, writer))
        except (OSError, asyncio.IncompleteReadError):  # the client does not trust us, or has what it wanted
            writer.close()

    server = await asyncio.start_server(pass_on, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    user = f"{there['user']}:{there['password']}"
    # By the name that the certificate is for, at one address: of several, the last one's fault is told.
    how = "hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert=system"
    try:
        yield f"postgresql://{user}@localhost:{port}/{there['dbname']}?{how}"
    finally:
        server.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while some := await reader.read(65536):
        writer.write(some)
        await writer.drain()
    writer.close()
