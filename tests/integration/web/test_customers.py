"""A customer from their first booking to their erasure, files of both, and what the history says of it all."""

import csv
import io
import re

import httpx

from integration.web.conftest import Browser, Site
from integration.web.test_pages import book, day, set_up

CUSTOMERS = "/dashboard/customers"


def plain(page: httpx.Response) -> str:
    """Its words: without tags, with single blanks."""
    return " ".join(re.sub(r"<[^>]*>", " ", page.text).split())


def rows(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    return list(csv.DictReader(io.StringIO(answer.text, newline=""), strict=True))


def files(owner: Browser) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """The business's customers, and its appointments of these days."""
    days = {"first": day(-1).isoformat(), "last": day().isoformat()}
    appointments = owner.get("/dashboard/appointments/export.csv", params=days)
    return rows(owner.get(f"{CUSTOMERS}/export.csv")), rows(appointments)


def corrected(owner: Browser, address: str) -> None:
    """Corrects the customer, at first wrongly, and once more from a page that is old by then."""
    page = owner.get(address)
    typed = {"name": "Bea Bond", "email": "bea at home", "locale": "pt", "consent_email": "yes"}
    wrong = owner.submit(page, address, typed)
    assert 'id="email-fault">This must be an e-mail address.' in wrong.text, wrong.text
    typed |= {"email": "bea@home.example", "notes": "Tea"}
    saved = owner.submit(wrong, address, typed)
    assert "Saved." in saved.text, saved.text
    assert 'value="bea@home.example"' in saved.text
    assert "Somebody changed it" in owner.submit(page, address, typed).text


def erased(owner: Browser, address: str) -> None:
    """Cancels the customer's appointment, and erases them."""
    page = owner.get(address)
    assert "To come" in page.text
    assert f"{address}/erase" not in page.text, "somebody is still waited for"
    listed = owner.get("/dashboard/appointments")
    action = re.search(r'action="(/dashboard/appointments/[0-9a-f-]+)/cancel"', listed.text)
    assert action
    owner.submit(listed, f"{action[1]}/cancel")
    gone = owner.submit(owner.get(address), f"{address}/erase")
    assert gone.url.path == CUSTOMERS
    assert "Erased." in gone.text, gone.text
    assert "Nobody has booked yet." in gone.text
    assert "<h1>Erased customer</h1>" in owner.get(address).text
    assert "Erased customer" in owner.get(action[1]).text


def test_a_customer_is_found_corrected_taken_out_as_a_file_and_erased(site: Site) -> None:
    tenant = site.open_business()
    _staff, service_id = set_up(site, tenant)
    with site.browser() as customer:
        book(customer, tenant, service_id)
    with site.browser(owner_of=tenant) as owner:
        shown = owner.get(f"/dashboard?date={day()}")
        lead = re.search(rf'<a href="({CUSTOMERS}/[0-9a-f-]{{36}})">Bea &lt;Bond&gt;</a>', shown.text)
        assert lead
        address = lead[1]
        assert "Nobody’s name or e-mail begins so." in owner.get(f"{CUSTOMERS}?q=ond").text
        for begin in ("bea <b", "BEA@"):
            assert f'href="{address}"' in owner.get(CUSTOMERS, params={"q": begin}).text

        corrected(owner, address)
        customers, appointments = files(owner)
        assert [(item["name"], item["locale"], item["notes"]) for item in customers] == [
            ("Bea Bond", "pt", "Tea")
        ]
        booked = [(item["customer"], item["service"], item["status"]) for item in appointments]
        assert booked == [("Bea Bond", "Haircut", "confirmed")]
        assert appointments[0]["starts_at"].startswith(day().isoformat())

        erased(owner, address)
        customers, appointments = files(owner)
        assert customers == []
        assert [item["status"] for item in appointments] == ["cancelled"]
        assert "Bea" not in str(appointments)

        history = plain(owner.get("/dashboard/history"))
        steps = ("erased a customer", "cancelled an appointment", "corrected a customer")
        places = [history.index(f"A member {step}") for step in steps]
        assert places == sorted(places), "the newest first"
        assert places[-1] < history.index("A customer booked an appointment")
        assert "Status: confirmed → became cancelled" in history
        assert "E-mail: changed; what it says is not kept here" in history
        assert "bea@" not in history
        one = plain(owner.get("/dashboard/history", params={"entity": address.rpartition("/")[2]}))
        assert "corrected a customer" in one
        assert "booked an appointment" not in one
        business = plain(owner.get("/dashboard/history?part=business"))
        assert "A member added Haircut" in business
        assert "Price: €25.00" in business
        assert "Weekly hours: no hours → became Mon–Sun 00:00–00:00" in business
        assert "Nothing was changed yet." in owner.get("/dashboard/history?part=messages").text
