"""How a subscription lives: start, trial, renewal, change of price, failed payments, end.

Source: docs.stripe.com/billing/subscriptions/overview. Called by the routes, the hosted pages, and by the clock.
"""

import calendar
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from stripe_standin import invoices
from stripe_standin.store import Object, new_id
from stripe_standin.world import World

ENDED = frozenset({"canceled", "incomplete_expired"})
_INCOMPLETE_SECONDS = 23 * 3600
_TRIAL_WARNING_SECONDS = 3 * 24 * 3600
_NOTED = "_noted"


def add_interval(moment: int, price: Object) -> int:
    """One billing interval later; the 31st of January becomes the last day of February."""
    interval: str = price["recurring"]["interval"]
    count: int = price["recurring"]["interval_count"]
    if interval in {"day", "week"}:
        return moment + count * (7 if interval == "week" else 1) * 24 * 3600
    months = count * (12 if interval == "year" else 1)
    start = datetime.fromtimestamp(moment, UTC)
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    day = min(start.day, calendar.monthrange(year, month + 1)[1])
    moved = start.replace(year=year, month=month + 1, day=day)
    return int(moved.timestamp())


def new_item(world: World, subscription_id: str, price: Object, quantity: int) -> Object:
    """A subscription item whose period `start` sets."""
    return {
        "id": new_id("si", 14),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": world.now,
        "current_period_end": world.now,
        "current_period_start": world.now,
        "discounts": [],
        "metadata": {},
        "price": price,
        "quantity": quantity,
        "subscription": subscription_id,
        "tax_rates": [],
    }


def card_of(world: World, subscription: Object) -> str | None:
    """The card that is charged: the subscription's own, else the customer's default."""
    customer = world.store.get("customer", subscription["customer"])
    own: str | None = subscription["default_payment_method"]
    default: str | None = customer["invoice_settings"]["default_payment_method"]
    return own or default


def leaving(subscription: Object) -> bool:
    """Whether it ends with its period. Stripe's portal sets `cancel_at` alone, the dashboard and clients the other.

    Source: docs.stripe.com/billing/subscriptions/billing-mode/compare.
    """
    moment = subscription["cancel_at"]
    finish = subscription["items"]["data"][0]["current_period_end"]
    return subscription["cancel_at_period_end"] or (moment is not None and moment <= finish)


def _lines(subscription: Object, *, trial: bool = False) -> list[Object]:
    made = []
    for item in subscription["items"]["data"]:
        price, quantity = item["price"], item["quantity"]
        period = (item["current_period_start"], item["current_period_end"])
        amount = 0 if trial else price["unit_amount"] * quantity
        words = "Trial period" if trial else f"{quantity} x {price['nickname'] or price['product']}"
        made.append(invoices.line(price, quantity, amount, words, period, proration=False))
    return made


def _set_period(subscription: Object, start: int, end: int | None = None) -> None:
    for item in subscription["items"]["data"]:
        item["current_period_start"] = start
        item["current_period_end"] = end or add_interval(start, item["price"])


def start(world: World, subscription: Object, *, wait_for_payment: bool) -> Object:
    """Brings a new subscription to its first state and makes its first invoice."""
    now = world.now
    trial = subscription["trial_end"] is not None and subscription["trial_end"] > now
    _set_period(subscription, now, subscription["trial_end"] if trial else None)
    subscription["status"] = "trialing" if trial else "incomplete"
    invoice = invoices.draft(world, subscription, _lines(subscription, trial=trial), "subscription_create")
    world.store.put(subscription)
    invoices.finalize(world, invoice)
    card = None if wait_for_payment else card_of(world, subscription)
    if trial or invoice["amount_due"] == 0 or card is not None:
        paid = invoices.attempt(world, invoice, card)
        if not trial:
            subscription["status"] = "active" if paid else "incomplete"
    world.store.put(subscription)
    world.emit("customer.subscription.created", subscription)
    return subscription


def settled(world: World, invoice: Object) -> None:
    """What a paid invoice does to its subscription: it is active again, by the latest one alone."""
    subscription = invoices.subscription_of(world, invoice)
    if subscription is None or subscription["latest_invoice"] != invoice["id"]:
        return
    if subscription["status"] in {"incomplete", "past_due", "unpaid"}:
        world.change("customer.subscription.updated", subscription, status="active")


def pay(world: World, invoice: Object, method_id: str | None) -> bool:
    """Charges an open invoice and lets its subscription know."""
    paid = invoices.attempt(world, invoice, method_id)
    if paid:
        settled(world, invoice)
    return paid


def end(world: World, subscription: Object, status: str, reason: str = "cancellation_requested") -> None:
    """Ends it now, as `canceled` or `incomplete_expired`; open invoices are voided."""
    for invoice in world.store.all("invoice", lambda thing: thing["status"] == "open"):
        details = invoice["parent"]["subscription_details"]
        if details["subscription"] == subscription["id"]:
            invoices.void(world, invoice)
    subscription |= {
        "status": status,
        "ended_at": world.now,
        "canceled_at": subscription["canceled_at"] or world.now,
        "cancellation_details": {"comment": None, "feedback": None, "reason": reason},
    }
    world.store.put(subscription)
    kind = "deleted" if status == "canceled" else "updated"
    world.emit(f"customer.subscription.{kind}", subscription, None if kind == "deleted" else {})


def reprice(world: World, subscription: Object, item: Object, price: Object, proration: str) -> None:
    """Moves an item to another price within its period; both halves are billed or credited by the second.

    `proration` is Stripe's proration_behavior. Another interval starts a new period now.
    """
    old = item["price"]
    now = world.now
    begin, finish = item["current_period_start"], item["current_period_end"]
    item["price"] = price
    trial = subscription["status"] == "trialing"
    new_rhythm = old["recurring"] != price["recurring"] and not trial
    if proration != "none" and not trial and finish > begin:
        _credit(world, subscription, item, old)
        if not new_rhythm:
            share = (finish - now) / (finish - begin)
            rest = round(price["unit_amount"] * item["quantity"] * share)
            charge = invoices.line(
                price, item["quantity"], rest, "Remaining time", (now, finish), proration=True
            )
            invoices.hold_back(world, subscription, charge)
    if new_rhythm:
        _set_period(subscription, now)
        subscription["billing_cycle_anchor"] = now
        bill(world, subscription, _lines(subscription), "subscription_update")
    elif proration == "always_invoice" and not trial:
        bill(world, subscription, [], "subscription_update")


def credit_rest(world: World, subscription: Object) -> None:
    """Credits the rest of the period, as `prorate` does of a subscription that ends before it."""
    if subscription["status"] != "trialing":
        for item in subscription["items"]["data"]:
            _credit(world, subscription, item, item["price"])


def _credit(world: World, subscription: Object, item: Object, price: Object) -> None:
    begin, finish = item["current_period_start"], item["current_period_end"]
    unused = -round(price["unit_amount"] * item["quantity"] * (finish - world.now) / (finish - begin))
    period = (world.now, finish)
    line = invoices.line(price, item["quantity"], unused, "Unused time", period, proration=True)
    invoices.hold_back(world, subscription, line)


def bill(world: World, subscription: Object, lines: list[Object], reason: str) -> bool:
    """Makes an invoice of these lines and of those held back, and charges it; True when paid, or for none."""
    lines = [*invoices.take_pending(world, subscription), *lines]
    if not lines:
        return True
    invoice = invoices.draft(world, subscription, lines, reason)
    invoices.finalize(world, invoice)
    return invoices.attempt(world, invoice, card_of(world, subscription))


def advance(world: World, seconds: int) -> None:
    """Lets time pass, and each thing that falls due happen at its own moment."""
    base = world.now
    target = base + seconds
    while True:
        due = sorted(_due(world), key=lambda entry: entry[0])
        if not due or due[0][0] > target:
            break
        moment, happen = due[0]
        world.at(max(moment, base))
        happen()
        world.at(None)
    world.skip(seconds)


def catch_up(world: World) -> None:
    """Lets happen what the clock has passed; called before each request and now and then.

    Once for each of the clock's seconds: nothing falls due in the second that makes it, and a look at all is slow.
    """
    now = world.now
    if world.caught_up == now:
        return
    for _ in range(1000):
        due = sorted(_due(world), key=lambda entry: entry[0])
        if not due or due[0][0] > now:
            world.caught_up = now
            return
        due[0][1]()


Happening = tuple[int, Callable[[], None]]


def _due(world: World) -> list[Happening]:
    found: list[Happening] = []
    for subscription in world.store.all("subscription", lambda thing: thing["status"] not in ENDED):
        found += _due_of(world, subscription)
    for session in world.store.all("checkout.session", lambda thing: thing["status"] == "open"):
        found.append((session["expires_at"], lambda session=session: expire(world, session)))  # type: ignore[misc]  # a lambda's default binds the loop's value
    return found


def _due_of(world: World, subscription: Object) -> list[Happening]:
    status = subscription["status"]
    finish = subscription["items"]["data"][0]["current_period_end"]
    if status == "incomplete":
        moment = subscription["created"] + _INCOMPLETE_SECONDS
        return [(moment, lambda: end(world, subscription, "incomplete_expired"))]
    found: list[Happening] = []
    if status == "trialing":
        found.append((finish, lambda: _end_trial(world, subscription)))
        if world.store.find(_NOTED, subscription["id"]) is None:
            found.append((finish - _TRIAL_WARNING_SECONDS, lambda: _warn(world, subscription)))
    elif status in {"active", "unpaid"}:
        found.append((finish, lambda: _renew(world, subscription)))
    elif status == "past_due":
        invoice = world.store.find("invoice", subscription["latest_invoice"] or "")
        if invoice is not None and invoice["status"] == "open":
            moment = invoice["next_payment_attempt"]
            if moment is not None:
                found.append((moment, lambda: _retry(world, subscription, invoice)))
    return found


def _warn(world: World, subscription: Object) -> None:
    world.store.put({"id": subscription["id"]}, _NOTED)
    world.emit("customer.subscription.trial_will_end", subscription)


def _end_trial(world: World, subscription: Object) -> None:
    behavior = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    cardless = card_of(world, subscription) is None
    if leaving(subscription) or (cardless and behavior == "cancel"):
        end(world, subscription, "canceled")
    elif cardless and behavior == "pause":
        world.change("customer.subscription.updated", subscription, status="paused")
        world.emit("customer.subscription.paused", subscription)
    else:
        _renew(world, subscription)


def _renew(world: World, subscription: Object) -> None:
    if leaving(subscription):
        end(world, subscription, "canceled")
        return
    start_of_period = subscription["items"]["data"][0]["current_period_end"]
    previous: dict[str, Any] = {"status": subscription["status"]}
    _set_period(subscription, start_of_period)
    if subscription["status"] == "unpaid":  # billed still, and not charged
        lines = [*invoices.take_pending(world, subscription), *_lines(subscription)]
        invoices.draft(world, subscription, lines, "subscription_cycle", auto_advance=False)
    else:
        paid = bill(world, subscription, _lines(subscription), "subscription_cycle")
        subscription["status"] = "active" if paid else "past_due"
    if previous["status"] == subscription["status"]:
        previous = {"latest_invoice": None}
    world.store.put(subscription)
    world.emit("customer.subscription.updated", subscription, previous)


def _retry(world: World, subscription: Object, invoice: Object) -> None:
    if pay(world, invoice, card_of(world, subscription)):
        return
    if invoice["next_payment_attempt"] is not None:
        return
    if world.after_retries == "unpaid":
        world.change("customer.subscription.updated", subscription, status="unpaid")
    else:
        end(world, subscription, "canceled", "payment_failed")


def expire(world: World, session: Object) -> None:
    """Closes a checkout session that nobody completed."""
    session |= {"status": "expired", "url": None}
    world.store.put(session)
    world.emit("checkout.session.expired", session)
