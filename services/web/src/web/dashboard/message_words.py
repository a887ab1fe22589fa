"""Messages in a business's words: what kinds there are, what became of one, and why it was not sent.

Used by the pages of messages, wording, blocked addresses, customers and history. The keys are notification's; those
of a later release, which are not known here, are shown in general words.
"""

from collections.abc import Mapping
from typing import Any

CHANNELS = {"email": "e-mail", "sms": "text message"}
LANGUAGES = {"en": "English", "de": "German", "pt": "Portuguese"}
"""Those that messages are written in."""
FALLBACK = "en"
"""What a customer of another language gets."""
KINDS = {
    "reminder": "Reminder",
    "booked": "Booking",
    "confirmed": "Confirmation",
    "rescheduled": "New time",
    "cancelled": "Cancellation",
    "waitlist-offer": "Offer to the waitlist",
    "webhook-disabled": "Webhook switched off",
}
STATUSES = {
    "queued": "to be sent",
    "sending": "being sent",
    "sent": "sent",
    "suppressed": "not sent",
    "failed": "failed",
}
_REASONS = {
    "no-consent": "The customer has not agreed to get this.",
    "stale": "It was no longer true: the appointment was moved or cancelled before.",
    "too-late": "It was too late for it to be of use.",
    "quota": "The month's messages of your plan were used up.",
    "suspended": "The business was suspended.",
    "erased": "The customer's data were erased.",
    "unsubscribed": "The customer asked to get no more of these.",
    "bounced": "The address takes no mail: there is no such mailbox.",
    "complaint": "The customer has complained about a message.",
    "by-hand": "The address is blocked.",
    "Rejected": "It was refused where it should have gone.",
    "NoSuchMailbox": "There is no such mailbox.",
    "BadAddress": "Nothing can be sent to this address.",
    "Unreachable": "It could not be handed over in time, however often it was tried.",
    "Interrupted": "It may have arrived or not: the line broke on the way, and it was too late to send it again.",
}
_NO_ADDRESS = {
    "email": "There is no e-mail address of the customer.",
    "sms": "There is no number of the customer.",
}
_STALE_WEBHOOK = "It was no longer true: the webhook was switched on again, moved or deleted."
BLOCKED_BY = frozenset({"unsubscribed", "bounced", "complaint", "by-hand"})
"""The reasons that stand on the list of blocked addresses."""


def why(message: Mapping[str, Any]) -> str:
    """A sentence on why it was not sent or has failed; empty for one that is on its way or was sent."""
    reason = message["reason"]
    if reason is None:
        return ""
    if reason == "no-address":
        return _NO_ADDRESS[message["channel"]]
    if reason == "stale" and message["kind"] == "webhook-disabled":
        return _STALE_WEBHOOK
    return _REASONS.get(reason, "What it needs to be written was not known in time.")
