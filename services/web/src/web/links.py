"""The token in a link that a customer was sent: to an appointment, a place on the waitlist, or to unsubscribe.

Used by web.pages. What a token says is for the API to check; any other text is no page here, and is not sent on.
"""

from typing import Annotated

from fastapi import Path

Token = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,100}$")]
