"""The hosted pages: checkout, portal, invoice. Plain forms, which a person and an HTTP client can use alike."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stripe_standin import checkout, invoices, lifecycle, payments
from stripe_standin.store import Object
from stripe_standin.world import World

Card = Annotated[str, Form(pattern=r"^[0-9 ]{13,23}$")]
_ZERO_DECIMAL = frozenset(
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"]
)
"""Stripe's zero-decimal currencies (docs.stripe.com/currencies#zero-decimal)."""
_THREE_DECIMAL = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])


def _money(amount: int, currency: str) -> str:
    places = 0 if currency in _ZERO_DECIMAL else 3 if currency in _THREE_DECIMAL else 2
    return f"{amount / 10**places:.{places}f} {currency.upper()}"


_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)
_TEMPLATES.filters["money"] = _money
_TEMPLATES.globals["cards"] = {
    payments.GOOD_CARD: "a card that pays",
    payments.DECLINED_CARD: "a card whose charges are declined",
}


def _page(name: str, status: int = 200, **values: object) -> Response:
    return HTMLResponse(_TEMPLATES.get_template(name).render(**values), status)


def router(world: World) -> APIRouter:
    """The pages over this world."""
    pages = APIRouter()
    _add_checkout(pages, world)
    _add_portal(pages, world)
    _add_invoice(pages, world)
    return pages


def _found(world: World, kind: str, key: str) -> Object:
    thing = world.store.find(kind, key)
    if thing is None:
        raise HTTPException(404, "There is no such page.")
    return thing


def _add_checkout(pages: APIRouter, world: World) -> None:
    store = world.store

    def show_checkout(session: Object, error: str | None = None) -> Response:
        customer = store.find("customer", session["customer"] or "")
        return _page("checkout.html", 402 if error else 200, session=session, customer=customer, error=error)

    @pages.get("/c/pay/{key}")
    async def checkout_page(key: str) -> Response:
        return show_checkout(_found(world, "checkout.session", key))

    @pages.post("/c/pay/{key}")
    async def submit_checkout(key: str, card: Card = payments.GOOD_CARD) -> Response:
        session = _found(world, "checkout.session", key)
        if session["status"] != "open":
            return show_checkout(session, f"This session is {session['status']}.")
        if not checkout.complete(world, session, card.replace(" ", "")):
            return show_checkout(session, "Your card was declined.")
        store.commit()
        target = session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"])
        return RedirectResponse(target, 303)


def _add_portal(pages: APIRouter, world: World) -> None:
    store = world.store

    @pages.get("/p/session/{key}")
    async def portal_page(key: str) -> Response:
        session = _found(world, "billing_portal.session", key)
        customer = _found(world, "customer", session["customer"])

        def theirs(thing: Object) -> bool:
            return bool(thing["customer"] == customer["id"])

        return _page(
            "portal.html",
            session=session,
            customer=customer,
            subscriptions=store.all("subscription", theirs),
            invoices=store.all("invoice", theirs),
            methods=store.all("payment_method", theirs),
            ended=lifecycle.ENDED,
            leaving=lifecycle.leaving,
        )

    def of_session(key: str, subscription_id: str) -> Object:
        subscription = _found(world, "subscription", subscription_id)
        if subscription["customer"] != _found(world, "billing_portal.session", key)["customer"]:
            raise HTTPException(404, "There is no such page.")
        return subscription

    @pages.post("/p/session/{key}/subscriptions/{subscription_id}/{action}")
    async def change_subscription(key: str, subscription_id: str, action: str, request: Request) -> Response:
        subscription = of_session(key, subscription_id)
        if action not in {"cancel", "renew"} or subscription["status"] in lifecycle.ENDED:
            raise HTTPException(400, "This cannot be done with the subscription.")
        cancelled = action == "cancel"
        finish = subscription["items"]["data"][0]["current_period_end"]
        world.change(
            "customer.subscription.updated",
            subscription,
            cancel_at_period_end=False,
            cancel_at=finish if cancelled else None,
            canceled_at=world.now if cancelled else None,
        )
        store.commit()
        return RedirectResponse(str(request.url_for("portal_page", key=key)), 303)

    @pages.post("/p/session/{key}/card")
    async def change_card(key: str, request: Request, card: Card = payments.GOOD_CARD) -> Response:
        customer = _found(world, "customer", _found(world, "billing_portal.session", key)["customer"])
        method = payments.save_card(world, customer, card.replace(" ", ""))
        settings = customer["invoice_settings"] | {"default_payment_method": method["id"]}
        world.change("customer.updated", customer, invoice_settings=settings)
        for subscription in store.all("subscription", lambda thing: thing["customer"] == customer["id"]):
            if subscription["default_payment_method"] and subscription["status"] not in lifecycle.ENDED:
                world.change(
                    "customer.subscription.updated", subscription, default_payment_method=method["id"]
                )
        store.commit()
        return RedirectResponse(str(request.url_for("portal_page", key=key)), 303)


def _add_invoice(pages: APIRouter, world: World) -> None:
    store = world.store

    @pages.get("/i/{key}")
    async def invoice_page(key: str) -> Response:
        return _page("invoice.html", invoice=_found(world, "invoice", key), error=None)

    @pages.get("/i/{key}/pdf")
    async def invoice_text(key: str) -> Response:
        invoice = _found(world, "invoice", key)
        lines = [
            f"{line['description']}: {_money(line['amount'], line['currency'])}"
            for line in invoice["lines"]["data"]
        ]
        total = f"Total: {_money(invoice['total'], invoice['currency'])} ({invoice['status']})"
        return PlainTextResponse("\n".join([f"Invoice {invoice['number']}", *lines, total, ""]))

    @pages.post("/i/{key}")
    async def pay_invoice(key: str, request: Request, card: Card = payments.GOOD_CARD) -> Response:
        invoice = _found(world, "invoice", key)
        if invoice["status"] != "open":
            return _page("invoice.html", 402, invoice=invoice, error=f"This invoice is {invoice['status']}.")
        method = payments.save_card(
            world, _found(world, "customer", invoice["customer"]), card.replace(" ", "")
        )
        paid = lifecycle.pay(world, invoice, method["id"])
        subscription = invoices.subscription_of(world, invoice)
        if paid and subscription is not None and subscription["default_payment_method"] is None:
            world.change("customer.subscription.updated", subscription, default_payment_method=method["id"])
        store.commit()
        if not paid:
            return _page("invoice.html", 402, invoice=invoice, error="Your card was declined.")
        return RedirectResponse(str(request.url_for("invoice_page", key=key)), 303)
