"""What each problem type means and what to do about it: the pages under /problems, shown by gateway.pages.

Every service's types stand here, as the gateway alone is seen from outside; a test compares the list with the
problems that the services raise.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One type. `status` is the HTTP status that it comes with."""

    slug: str
    status: int
    title: str
    meaning: str
    remedy: str


_TYPES = (
    ProblemType(
        "bad-request",
        400,
        "The request cannot be understood",
        "The body is not JSON, or the request's target or headers cannot be read in one way only.",
        "Correct the request; the detail says what is wrong with it.",
    ),
    ProblemType(
        "unauthorized",
        401,
        "Sign in to do this",
        "There is no access token, or it has expired, was signed by somebody else, or is meant for others.",
        "Sign in with POST /v1/sessions, or trade the refresh token with POST /v1/sessions/refresh.",
    ),
    ProblemType(
        "invalid-credentials",
        401,
        "The address or the password is wrong",
        "Nobody can sign in with this e-mail address and password. Which of the two is wrong is not said.",
        "Check both, or ask for a link with POST /v1/passwords/reset-requests.",
    ),
    ProblemType(
        "session-ended",
        401,
        "This session has ended",
        "It was signed out, went unused for too long, or its refresh token was used twice, which ends the session "
        "for whoever holds a copy.",
        "Sign in again.",
    ),
    ProblemType(
        "forbidden",
        403,
        "You may not do this",
        "The token is valid, but its role may not do this, or the business is being deleted.",
        "Ask the business's owner.",
    ),
    ProblemType(
        "no-business",
        403,
        "You do not work at this business",
        "The user is no member of the business that was named, or of none at all.",
        "Ask its owner for an invitation.",
    ),
    ProblemType(
        "tenant-suspended",
        403,
        "This business is suspended",
        "The business can be read, but takes nothing new: neither bookings nor changes.",
        "Its owner finds the reason in the billing section of the dashboard, or with the platform's team.",
    ),
    ProblemType(
        "quota-exceeded",
        403,
        "The plan's limit is reached",
        "The plan allows no more of this; metric, limit, used and plan stand in the problem.",
        "Wait for the next month where the limit is a monthly one, or change to a larger plan.",
    ),
    ProblemType(
        "cancellation-window",
        403,
        "It is too late to change this online",
        "The business takes changes by link only until some time before the appointment.",
        "Call the business.",
    ),
    ProblemType(
        "not-found",
        404,
        "There is no such thing",
        "Nothing is at this path, or what it names does not exist for this business.",
        "Check the path and the ids; GET /openapi.json lists every path.",
    ),
    ProblemType(
        "method-not-allowed",
        405,
        "This method is not allowed here",
        "The path exists, but not with this method.",
        "The Allow header lists the methods.",
    ),
    ProblemType(
        "request-timeout",
        408,
        "The body did not arrive in time",
        "The request announced a body that did not arrive.",
        "Send it again, with the same Idempotency-Key.",
    ),
    ProblemType(
        "conflict",
        409,
        "This conflicts with what is there",
        "What was asked for contradicts the present state; the detail says how.",
        "Read the present state and decide again.",
    ),
    ProblemType(
        "slot-taken",
        409,
        "This time is taken",
        "Somebody else has the time, or no one who offers the service is free then.",
        "Ask for the availability again and take another time.",
    ),
    ProblemType(
        "series-refused",
        409,
        "Not all of the series can be booked",
        "Some of the times of a recurring appointment are taken, or the service is not offered then; refused lists "
        "them. Nothing was booked.",
        "Choose another time or rule, or send on_conflict: skip to book the others.",
    ),
    ProblemType(
        "hold-expired",
        409,
        "The hold has expired",
        "The time was kept for a few minutes only, and they are over.",
        "Take a new hold, or book without one.",
    ),
    ProblemType(
        "offer-expired",
        409,
        "The offer has expired",
        "The waitlist kept the time for a while only, which is over; or it offers none at the moment.",
        "Wait for the next offer, or book a time that is free.",
    ),
    ProblemType(
        "already-waiting",
        409,
        "This customer is on the waitlist already",
        "A customer has one place in line for a service, and this one has it.",
        "Wait with the place that there is, or leave it by its link and join again, for other days say.",
    ),
    ProblemType(
        "appointment-closed",
        409,
        "The appointment can no longer be changed",
        "It was cancelled, completed or missed; or it has not begun, is still pending, or its service is no longer "
        "offered: the detail says which.",
        "Read it; where it is over, book a new one.",
    ),
    ProblemType(
        "customer-has-appointments",
        409,
        "The customer still has appointments",
        "Somebody who is still expected cannot be erased; appointments says how many are to come.",
        "Cancel them, then erase the customer.",
    ),
    ProblemType(
        "billing-manual",
        409,
        "This business is not billed through Stripe",
        "There is neither a checkout nor a portal for a business that is billed by hand.",
        "Turn to the platform's team.",
    ),
    ProblemType(
        "billing-not-ready",
        409,
        "Billing is still being set up",
        "The business's customer and subscription are being made.",
        "Try again in a minute.",
    ),
    ProblemType(
        "webhooks-off",
        409,
        "There are no webhooks here",
        "The platform was set up without the key that webhook secrets are kept under, and so without webhooks.",
        "Turn to the platform's team.",
    ),
    ProblemType(
        "precondition-failed",
        412,
        "It was changed in the meantime",
        "The ETag in If-Match is not the present one: somebody else's edit came first.",
        "Read it again, and repeat the edit with the new ETag if it still makes sense.",
    ),
    ProblemType(
        "payload-too-large",
        413,
        "The body is too large",
        "Bodies may have 1 MiB, unless who runs the platform set another limit; or what the change makes would be "
        "too large to be told to the platform's other parts. The detail says which.",
        "Send less.",
    ),
    ProblemType(
        "invalid",
        422,
        "Some fields are wrong",
        "The body was read, but some fields are missing, unknown or wrong; errors names each by its place.",
        "Correct the fields that are named.",
    ),
    ProblemType(
        "link-invalid",
        422,
        "This link is not valid any more",
        "A link from a mail works once and for a limited time; this one is used, withdrawn or too old.",
        "Ask for a new one.",
    ),
    ProblemType(
        "idempotency-key-reused",
        422,
        "This Idempotency-Key belongs to another request",
        "The key was sent before with a different body.",
        "Repeat a request unchanged, or give a new request a new key.",
    ),
    ProblemType(
        "precondition-required",
        428,
        "If-Match is required",
        "Edits say which version they start from, so that nobody's edit is lost.",
        "Send If-Match with the ETag of the last answer, or * to overwrite whatever is there.",
    ),
    ProblemType(
        "too-many-requests",
        429,
        "Too many requests",
        "A limit a minute is reached: that of the business's plan, or that of one address without a token. "
        "policy, limit, used and, for a business, plan stand in the problem.",
        "Wait as many seconds as Retry-After says; RateLimit tells in every answer what is left.",
    ),
    ProblemType(
        "too-many-attempts",
        429,
        "Too many attempts",
        "Somebody tried too often to sign in, sign up or reset a password.",
        "Wait as many seconds as Retry-After says.",
    ),
    ProblemType(
        "too-many-holds",
        429,
        "Too many times are held",
        "One client address holds as many times of this business as it may at once; limit says how many.",
        "Book or give back one of them, or wait as many seconds as Retry-After says: then the first runs out.",
    ),
    ProblemType(
        "too-many-waitlist-entries",
        429,
        "Too many places on the waitlist",
        "As many wait from one client address as may at once with this business; limit says how many.",
        "Leave one of the places, or come back when one has ended: after Retry-After at the latest.",
    ),
    ProblemType(
        "client-closed-request",
        499,
        "The client went away",
        "The client closed the connection before it had sent its whole request. Nobody receives this answer; it "
        "stands in logs and metrics.",
        "Nothing, unless a client gives up too early.",
    ),
    ProblemType(
        "internal-error",
        500,
        "Internal error",
        "Something went wrong on our side.",
        "Try again; if it stays, report the request_id.",
    ),
    ProblemType(
        "bad-gateway",
        502,
        "A service gave no proper answer",
        "A service behind the gateway answered with something that is not HTTP.",
        "Try again; if it stays, report the request_id.",
    ),
    ProblemType(
        "stripe-refused",
        502,
        "Stripe refused the request",
        "Stripe understood what was asked of it and said no; the detail repeats why.",
        "Correct what Stripe names.",
    ),
    ProblemType(
        "unavailable",
        503,
        "Try again in a moment",
        "Something that this request needs cannot be reached; service says which part.",
        "Try again after as many seconds as Retry-After says, with the same Idempotency-Key.",
    ),
    ProblemType(
        "upstream-timeout",
        504,
        "A service took too long to answer",
        "A service behind the gateway gave no answer in time. What was asked for may still have happened.",
        "Repeat it with the same Idempotency-Key: it takes effect once.",
    ),
)

PROBLEM_TYPES = {item.slug: item for item in _TYPES}
"""By slug, in the order of their statuses."""
