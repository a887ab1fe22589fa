"""The problems that are auth's own; the rest stand in servicekit.errors."""

import math
from datetime import datetime

from servicekit.errors import FieldError, Forbidden, Invalid, TooManyRequests, Unauthorized, retry_after


class InvalidCredentials(Unauthorized):
    """One answer for an unknown address and for a wrong password."""

    slug = "invalid-credentials"
    title = "The address or the password is wrong"

    def __init__(self) -> None:
        super().__init__("The address or the password is wrong.")


class SessionEnded(Unauthorized):
    slug = "session-ended"
    title = "This session has ended"

    def __init__(self) -> None:
        super().__init__("This session has ended; sign in again.")


class NoBusiness(Forbidden):
    slug = "no-business"
    title = "You do not work at this business"


class LinkInvalid(Invalid):
    """A link from a mail that is unknown, used, withdrawn or past its time."""

    slug = "link-invalid"
    title = "This link is not valid any more"

    def __init__(self) -> None:
        detail = "is not valid any more; ask for a new link"
        super().__init__("This link is not valid any more.", errors=(FieldError("/token", detail),))


class TooManyAttempts(TooManyRequests):
    slug = "too-many-attempts"
    title = "Too many attempts"

    def __init__(self, until: datetime, now: datetime) -> None:
        headers = retry_after(until, now)
        minutes = math.ceil(int(headers["Retry-After"]) / 60)
        super().__init__(f"There were too many attempts. Try again in {minutes} minutes.", headers=headers)
