"""An owner writes their own words, sees what became of a message, blocks an address and sets quiet hours."""

import re

import httpx

from devstack.local_http import LOCAL_HTTP
from integration.web.conftest import Site
from integration.web.test_pages import CUSTOMER, book, set_up
from support.events import until
from support.mail import Mailpit

MESSAGES = "/dashboard/messages"
MAIL = f"{MESSAGES}/wording/booked/email/en"
BLOCKED = f"{MESSAGES}/blocked"
HOURS = f"{MESSAGES}/quiet-hours"


def test_an_owner_sees_to_what_customers_are_sent(site: Site, mailpit: Mailpit) -> None:
    tenant = site.open_business()
    _staff, service_id = set_up(site, tenant)
    own = {"subject": f"{{{{ service }}}}! {tenant.slug}", "lead": "Hi {{ name }},\r\nsee you."}
    with site.browser(owner_of=tenant) as owner, site.browser() as customer:
        assert "Nothing was sent yet." in owner.get(MESSAGES).text

        usual = owner.get(MAIL)
        assert "Booked: Haircut at Riverside Barbers" in usual.text, "the preview"
        wrong = owner.submit(usual, MAIL, own | {"lead": "Hi\r\n{{ nmae }}"})
        assert wrong.status_code == 422
        assert 'id="lead-fault">Line 2: There is no placeholder {{ nmae }}.' in wrong.text, wrong.text
        shown = owner.submit(wrong, MAIL, own | {"preview": "yes"})
        assert f"<strong>Haircut! {tenant.slug}</strong>" in shown.text, shown.text
        assert "Hi Ana Costa,\nsee you." in shown.text
        assert "Saved." in owner.submit(shown, MAIL, own).text
        assert "your own words" in owner.get(f"{MESSAGES}/wording").text

        assert "You are booked" in book(customer, tenant, service_id).text

        def sent() -> httpx.Response | None:
            page = owner.get(f"{MESSAGES}?status=sent")
            return page if f"to {CUSTOMER['email']}" in page.text else None

        listed = until(sent, "the message is sent")
        link = re.search(rf'href="({MESSAGES}/[0-9a-f-]{{36}})">Booking<', listed.text)
        assert link
        message = owner.get(link[1])
        assert "Bea &lt;Bond&gt;" in message.text, message.text
        about = re.search(r'Haircut, <a href="(/dashboard/appointments/[0-9a-f-]+)">', message.text)
        assert about
        of_it = re.search(rf'href="({MESSAGES}\?appointment=[0-9a-f-]+)"', owner.get(about[1]).text)
        assert of_it
        assert link[1] in owner.get(of_it[1]).text
        found = LOCAL_HTTP.get(f"{mailpit.url}/api/v1/search", params={"query": f'subject:"{tenant.slug}"'})
        assert [mail["Subject"] for mail in found.json()["messages"]] == [f"Haircut! {tenant.slug}"]

        nobody = owner.submit(owner.get(BLOCKED), BLOCKED, {"channel": "sms", "address": "12"})
        assert 'id="address-fault">This must be a number with its country code' in nobody.text, nobody.text
        blocked = owner.submit(nobody, BLOCKED, {"channel": "email", "address": CUSTOMER["email"]})
        assert "b***@customer.example" in blocked.text, blocked.text
        book(customer, tenant, service_id)
        held_back = f"{MESSAGES}?status=suppressed"
        until(lambda: "The address is blocked." in owner.get(held_back).text, "the next is not sent")
        action = re.search(rf'action="({BLOCKED}/[0-9a-f-]+/remove)"', blocked.text)
        assert action
        assert "Nobody is blocked." in owner.submit(blocked, action[1]).text

        night = {"from": "22:00", "to": "07:30"}
        set_to = owner.submit(owner.get(HOURS), HOURS, night | {"sms": "yes"})
        assert "Text messages that come due from <strong>22:00</strong>" in set_to.text, set_to.text
        assert "There are no quiet hours now." in owner.submit(set_to, HOURS, night).text

        again = owner.submit(owner.get(MAIL), f"{MAIL}/back")
        assert "These are the usual words again." in again.text, again.text
        assert "Booked: Haircut at Riverside Barbers" in again.text
