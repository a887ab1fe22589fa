"""Leaves mails in doubt on purpose: strikes at what goes through the proxy before the mail server, at named points.

It knows SMTP just enough to see where a mail's content begins and ends, which mail it is, and what the server
answers to it; the sender gives one command at a time. Made by chaos.world, armed by the nemesis and by tests.
"""

import re
from collections import deque
from collections.abc import Callable
from enum import Enum, StrEnum, auto

from support.proxy import Cut, Tap

_END = b"\r\n.\r\n"
_MESSAGE_ID = re.compile(rb"^Message-ID:\s*<([^@>]+)@", re.MULTILINE | re.IGNORECASE)
_WHOLE_REPLY = re.compile(rb"^\d{3}(?: .*)?\r\n\Z", re.MULTILINE)
"""Its last line has no hyphen behind the code (RFC 5321 §4.2.1)."""


class Strike(StrEnum):
    """What happens to a mail, in the history's words."""

    WITHIN = "cut within its content"
    """The server never gets the end of it, and forgets it."""
    BEHIND = "cut behind its content"
    """The server has taken it, and its 250 does not go back."""
    HELD = "answer held back"
    """Likewise, on a connection that stays, until the sender has waited long enough."""


class MailGate:
    """Strikes at mails as it was armed, in that order. Any thread may arm it."""

    def __init__(self, told: Callable[[Strike, str], None]) -> None:
        """`told` gets the strike and the mail's Message-ID up to its `@`, before anything breaks."""
        self._told = told
        self._armed: deque[tuple[Strike, float]] = deque()

    def arm(self, strike: Strike, *, mails: int = 1, share: float = 0.5) -> None:
        """For the next `mails`. `share`, below 1: how much the server still gets of the chunk that has the end."""
        self._armed.extend([(strike, share)] * mails)

    def armed(self) -> bool:
        """Whether it has still to strike."""
        return bool(self._armed)

    def tap(self) -> Tap:
        """For one connection."""
        return _Conversation(self._strike)

    def _strike(self, mail: str, *points: Strike) -> tuple[Strike, float] | None:
        """What is to strike that mail now, if what is armed next is for one of these points."""
        if not self._armed or self._armed[0][0] not in points:
            return None
        strike, share = self._armed.popleft()
        self._told(strike, mail)
        return strike, share


class _Phase(Enum):
    COMMANDS = auto()
    ASKED = auto()
    """`DATA` has gone to the server."""
    CONTENT = auto()
    ENDED = auto()
    """The server has the whole content, and its answer is awaited."""
    SILENT = auto()


class _Conversation(Tap):
    def __init__(self, strike: Callable[..., tuple[Strike, float] | None]) -> None:
        self._strike = strike
        self._phase = _Phase.COMMANDS
        self._sent = b""
        self._reply = b""
        self._mail = ""

    def forth(self, data: bytes) -> bytes:
        before = len(self._sent)
        self._sent += data
        if self._phase is _Phase.COMMANDS and self._sent.endswith(b"\r\n"):
            if self._sent.strip().upper() == b"DATA":
                self._phase = _Phase.ASKED
            self._sent = b""
        elif self._phase is _Phase.CONTENT and (at := self._sent.find(_END)) >= 0:
            found = _MESSAGE_ID.search(self._sent)
            self._mail = found[1].decode() if found else ""
            if struck := self._strike(self._mail, Strike.WITHIN):
                raise Cut(data[: int(struck[1] * (at + len(_END) - before))])
            self._phase = _Phase.ENDED
        return data

    def back(self, data: bytes) -> bytes:
        """An answer to `DATA`, or to the content, goes on when it is whole."""
        if self._phase is _Phase.SILENT:
            return b""
        if self._phase not in {_Phase.ASKED, _Phase.ENDED}:
            return data
        self._reply += data
        if not _WHOLE_REPLY.search(self._reply):
            return b""
        reply, self._reply, self._sent = self._reply, b"", b""
        if self._phase is _Phase.ASKED:
            self._phase = _Phase.CONTENT if reply.startswith(b"354") else _Phase.COMMANDS
            return reply
        self._phase = _Phase.COMMANDS
        if reply.startswith(b"250") and (struck := self._strike(self._mail, Strike.BEHIND, Strike.HELD)):
            if struck[0] is Strike.BEHIND:
                raise Cut
            self._phase = _Phase.SILENT
            return b""
        return reply
