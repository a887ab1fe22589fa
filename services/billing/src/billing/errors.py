"""billing's errors: what Stripe did, as the worker sees it, and the problems that only billing has."""

from contracts.platform import BillingDetails
from servicekit.errors import Conflict, Problem, SlotwrightError


class StripeError(SlotwrightError):
    """`kept` says whether Stripe may keep this answer under the call's idempotency key, for a day.

    `replayed` says that it was given again: nothing was tried this time.
    """

    kept = False
    replayed = False


class StripeUnavailable(StripeError):
    """Stripe could not be reached, was busy or failed: trying again may help."""


class StripeRefused(StripeError):
    """Stripe understood and said no. `code` is Stripe's, such as resource_missing.

    `ours` says that it is the platform's key which it did not take. `seen` is what Stripe holds of the tenant all
    the same, where it was looked at.
    """

    ours = False
    seen: BillingDetails | None = None

    def __init__(self, message: str, code: str | None) -> None:
        super().__init__(message)
        self.code = code


class CannotProvision(SlotwrightError):
    """What the Tenant asks for cannot be done until someone changes it. `reason` is a condition's, CamelCase.

    `seen` as of StripeRefused.
    """

    seen: BillingDetails | None = None

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class NotBilledByStripe(Conflict):
    slug = "billing-manual"
    title = "This business is not billed through Stripe"


class BillingNotReady(Conflict):
    slug = "billing-not-ready"
    title = "Billing is still being set up"


class RefusedByStripe(Problem):
    status = 502
    slug = "stripe-refused"
    title = "Stripe refused the request"
