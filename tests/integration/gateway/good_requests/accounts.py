"""Good requests of auth."""

from integration.auth.world import PASSWORD, Person, new_email, wish
from integration.gateway.bad_input import Good
from integration.gateway.good_requests.registry import good, keyed, plain
from integration.gateway.sites import Site

plain(
    "/v1/me", "/v1/invitations", "/v1/members", "/.well-known/jwks.json", "/.well-known/openid-configuration"
)


@good("POST", "/v1/signups")
def _sign_up(site: Site) -> Good:
    return Good(body=wish(), headers=keyed())


@good("GET", "/v1/signups/{signup_id}")
def _signup(site: Site) -> Good:
    asked = site.platform.call("POST", "/v1/signups", json=wish(), headers=keyed())
    return Good({"signup_id": asked.json()["id"]})


@good("POST", "/v1/sessions")
def _sign_in(site: Site) -> Good:
    mine = site.mine
    return Good(
        body={"email": mine.owner.email, "password": PASSWORD, "business": mine.tenant.slug},
        together=(
            ({"password": None}, "/password"),
            ({"email": None}, "/email"),
            ({"email": None, "password": None, "business": None}, "/email"),
        ),
    )


@good("POST", "/v1/sessions/refresh")
def _refresh(site: Site) -> Good:
    person = site.platform.auth.sign_in(site.mine.owner.email)
    return Good(body={"refresh_token": person.session["refresh_token"]})


@good("DELETE", "/v1/sessions/{session_id}")
def _sign_out(site: Site) -> Good:
    person = site.platform.auth.sign_in(site.mine.owner.email)
    others = {"session_id": site.other.owner.session["session_id"]}
    return Good({"session_id": person.session["session_id"]}, person=site.mine.owner, others=others)


@good("POST", "/v1/invitations")
def _invite(site: Site) -> Good:
    body = {"email": new_email(), "name": "Bo", "role": "staff"}
    return Good(body=body, headers=keyed(), person=site.mine.owner)


@good("DELETE", "/v1/invitations/{invitation_id}")
def _withdraw(site: Site) -> Good:
    others = {"invitation_id": site.other.invitation()}
    return Good({"invitation_id": site.mine.invitation()}, person=site.mine.owner, others=others)


def _owner(site: Site, person: Person) -> str:
    return str(site.platform.call("GET", "/v1/me", person).json()["id"])


@good("PATCH", "/v1/members/{member_id}")
def _change_a_member(site: Site) -> Good:
    mine = {"member_id": _owner(site, site.mine.owner)}
    others = {"member_id": _owner(site, site.other.owner)}
    return Good(mine, body={"role": "owner"}, person=site.mine.owner, others=others)


@good("DELETE", "/v1/members/{member_id}")
def _remove_a_member(site: Site) -> Good:
    email = new_email()
    invited = {"email": email, "name": "Bo", "role": "staff"}
    site.platform.create("/v1/invitations", invited, site.mine.owner)
    site.platform.auth.accept(email)
    page = site.platform.call("GET", "/v1/members", site.mine.owner).json()
    added = next(item["id"] for item in page["items"] if item["email"] == email)
    others = {"member_id": _owner(site, site.other.owner)}
    return Good({"member_id": added}, person=site.mine.owner, others=others)


@good("POST", "/v1/passwords/reset-requests")
def _ask_for_a_link(_site: Site) -> Good:
    return Good(body={"email": new_email()})


@good("POST", "/v1/passwords/reset")
def _set_password(site: Site) -> Good:
    email = new_email()
    invited = {"email": email, "name": "Bo", "role": "staff"}
    site.platform.create("/v1/invitations", invited, site.mine.owner)
    return Good(body={"token": site.platform.auth.links(email)[-1], "password": PASSWORD})
