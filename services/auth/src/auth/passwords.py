"""Hashes passwords: Argon2id at OWASP's parameters, in threads, as many at once as the machine has cores, but few.

Source: OWASP Password Storage Cheat Sheet (19 MiB, 2 passes, 1 lane). Called by the service modules, outside any
transaction, as one hash takes some 20 ms of a core.
"""

import asyncio
import os
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from auth.domain import normalised
from servicekit.errors import Unavailable

T = TypeVar("T")

_MEMORY_KIB = 19 * 1024
_PASSES = 2
_LANES = 1
_MAX_WAITING = 256
_MOST_AT_ONCE = 4
"""Some 200 a second. A pod sees all cores of its node, and 16 hashes at once take more memory than its limit."""


class Passwords:
    """One for a process: the semaphore is what keeps a rush of logins from starving everything else."""

    def __init__(self, cores: int | None = None) -> None:
        cores = cores or min(os.cpu_count() or 1, _MOST_AT_ONCE)
        self._hash = PasswordHash(
            [Argon2Hasher(time_cost=_PASSES, memory_cost=_MEMORY_KIB, parallelism=_LANES)]
        )
        self._threads = ThreadPoolExecutor(cores, thread_name_prefix="argon2")
        self._free = asyncio.Semaphore(cores)
        self._waiting = 0
        # What a password is checked against when there is no such user: the answer takes as long.
        self._nobody = self._hash.hash(secrets.token_urlsafe(32))

    async def hash(self, password: str) -> str:
        """The hash to store, in PHC form. Raises Unavailable as `verify`."""
        return await self._in_thread(lambda: self._hash.hash(normalised(password)))

    async def verify(self, password: str, known: str | None) -> tuple[bool, str | None]:
        """Whether the password fits, and a new hash if the known one has older parameters.

        `known` is None for an unknown user: that takes as long and is False. Raises Unavailable when too many wait.
        """

        def check() -> tuple[bool, str | None]:
            fits, fresh = self._hash.verify_and_update(normalised(password), known or self._nobody)
            return (fits and known is not None), (fresh if known is not None else None)

        return await self._in_thread(check)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._waiting >= _MAX_WAITING:
            raise Unavailable("Too many people sign in at once.", retry_after=2)
        self._waiting += 1
        try:
            async with self._free:
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1
