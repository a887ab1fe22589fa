"""The API's edge: keys, idempotency, parameters, errors, pages of lists; and state that outlives a restart."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from stripe_standin.app import create_app
from stripe_standin.errors import ApiError
from stripe_standin.forms import parse_form
from stripe_standin.settings import StandinSettings

from .conftest import KEY, Api


def test_forms_are_read_as_nested_parameters() -> None:
    assert parse_form("items[0][price]=p1&items[1][price]=p2&metadata[a]=1&expand[]=x&expand[]=y&email=") == {
        "items": [{"price": "p1"}, {"price": "p2"}],
        "metadata": {"a": "1"},
        "expand": ["x", "y"],
        "email": "",
    }


@pytest.mark.parametrize("form", ["a[b=1", "a=1&a[b]=2", "[a]=1", "a" + "[b]" * 9 + "=1"])
def test_a_malformed_form_is_refused(form: str) -> None:
    with pytest.raises(ApiError):
        parse_form(form)


def test_a_key_is_needed_and_checked(api: Api) -> None:
    bare = api.http.get("/v1/customers")
    wrong = api.call("GET", "/v1/customers", Authorization="Bearer sk_wrong")
    assert (bare.status_code, wrong.status_code) == (401, 401)
    assert wrong.json()["error"]["code"] == "api_key_invalid"


def test_the_same_idempotency_key_gives_the_same_answer(api: Api) -> None:
    first = api.call("POST", "/v1/customers", {"name": "Ada"}, Idempotency_Key="k")
    again = api.call("POST", "/v1/customers", {"name": "Ada"}, Idempotency_Key="k")
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    other = api.call("POST", "/v1/customers", {"name": "Bob"}, Idempotency_Key="k")
    assert (other.status_code, other.json()["error"]["type"]) == (400, "idempotency_error")
    assert len(api.get("/v1/customers")["data"]) == 1


def test_a_refused_request_leaves_its_key_free(api: Api) -> None:
    assert api.call("POST", "/v1/customers", {"nam": "Ada"}, Idempotency_Key="k").status_code == 400
    assert api.call("POST", "/v1/customers", {"name": "Ada"}, Idempotency_Key="k").status_code == 200


def test_a_key_is_forgotten_after_a_day(api: Api) -> None:
    api.call("POST", "/v1/customers", {"name": "Ada"}, Idempotency_Key="k")
    api.control("POST", "/clock/advance", days=1)
    assert api.call("POST", "/v1/customers", {"name": "Bob"}, Idempotency_Key="k").json()["name"] == "Bob"


@pytest.mark.parametrize(
    ("path", "params", "param", "code"),
    [
        ("/v1/customers", {"surprise": 1}, "surprise", "parameter_unknown"),
        ("/v1/products", {}, "name", "parameter_missing"),
        (
            "/v1/subscriptions",
            {"customer": "cus_x", "items": [{"price": "p"}]},
            "customer",
            "resource_missing",
        ),
        (
            "/v1/subscriptions",
            {"customer": "cus_x", "items": [{"price": "p", "quantity": "many"}]},
            "items[0][quantity]",
            "parameter_invalid_integer",
        ),
    ],
)
def test_errors_name_the_parameter(
    api: Api, path: str, params: dict[str, object], param: str, code: str
) -> None:
    answer = api.call("POST", path, params)
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)


def test_what_is_not_there_is_a_404(api: Api) -> None:
    for path in ("/v1/customers/cus_x", "/v1/invoices/in_x", "/v1/nonsense"):
        answer = api.call("GET", path) if path != "/v1/nonsense" else api.http.get(path)
        assert answer.status_code == 404
        assert answer.json()["error"]["type"] == "invalid_request_error"


def test_lists_come_in_pages_newest_first(api: Api) -> None:
    made = [api.post("/v1/customers", name=str(number))["id"] for number in range(5)]
    first = api.get("/v1/customers", limit=2)
    assert ([item["id"] for item in first["data"]], first["has_more"]) == (made[:2:-1], True)
    rest = api.get("/v1/customers", starting_after=made[3])
    assert ([item["id"] for item in rest["data"]], rest["has_more"]) == (made[2::-1], False)


def test_metadata_is_merged_and_an_empty_value_removes(api: Api) -> None:
    key = api.post("/v1/customers", metadata={"a": "1", "b": "2"})["id"]
    assert api.post(f"/v1/customers/{key}", metadata={"a": "", "c": "3"})["metadata"] == {"b": "2", "c": "3"}


def test_a_lookup_key_is_one_prices_only(api: Api) -> None:
    first = api.price(lookup_key="pro")
    again = {"currency": "eur", "unit_amount": 1, "product_data": {"name": "x"}, "lookup_key": "pro"}
    assert api.call("POST", "/v1/prices", again).status_code == 400
    moved = api.post("/v1/prices", **again, transfer_lookup_key=True)
    assert api.get("/v1/prices", lookup_keys=["pro"])["data"][0]["id"] == moved["id"]
    assert api.get(f"/v1/prices/{first}")["lookup_key"] is None


def test_an_outage_is_had_on_demand(api: Api) -> None:
    api.control("PUT", "/outage", status=503, requests=2)
    codes = [api.call("GET", "/v1/customers").status_code for _ in range(3)]
    assert codes == [503, 503, 200]


def test_a_failure_of_one_route_is_kept_under_its_key_on_demand(api: Api) -> None:
    """As Stripe keeps the result of what had begun, "including `500` errors"."""
    api.control("PUT", "/outage", status=500, requests=1, path="/v1/customers", kept=True)
    asked = {"name": "Ada"}
    assert api.call("POST", "/v1/products", asked, Idempotency_Key="other").status_code == 200
    assert api.call("GET", "/v1/customers").status_code == 200
    first, again = (api.call("POST", "/v1/customers", asked, Idempotency_Key="k") for _ in range(2))
    assert (first.status_code, again.status_code) == (500, 500)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert api.call("POST", "/v1/customers", asked, Idempotency_Key="l").status_code == 200
    assert len(api.get("/v1/customers")["data"]) == 1


def test_state_outlives_a_restart(tmp_path: Path) -> None:
    settings = StandinSettings(api_key=KEY, state_file=str(tmp_path / "state.sqlite"))
    with TestClient(create_app(settings)) as http:
        api = Api(http)
        first = api.call("POST", "/v1/customers", {"name": "Ada"}, Idempotency_Key="k").json()
        api.control("POST", "/clock/advance", days=3)
    with TestClient(create_app(settings)) as http:
        api = Api(http)
        assert api.get(f"/v1/customers/{first['id']}") == first
        assert api.control("GET", "/clock")["skipped"] == 3 * 24 * 3600
        api.control("POST", "/reset")
        assert api.get("/v1/customers")["data"] == []
