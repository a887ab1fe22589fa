"""Merging the services' documents: names that clash, what is not routed, what is missing."""

from typing import Any

from gateway.openapi import merge


def _document(path: str, schemas: dict[str, Any], uses: str, *, method: str = "get") -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{uses}"}
    operation = {
        "operationId": "read",
        "tags": ["things"],
        "responses": {
            "200": {"description": "OK", "content": {"application/json": {"schema": schema}}},
            "422": {
                "description": "Validation Error",
                "content": {
                    "application/json": {"schema": {"$ref": "#/components/schemas/HTTPValidationError"}}
                },
            },
        },
    }
    return {"paths": {path: {method: operation}}, "components": {"schemas": schemas}}


def _merge(missing: tuple[str, ...] = (), **documents: dict[str, Any]) -> dict[str, Any]:
    return merge(documents, missing=list(missing), public_url="https://book.example")


def _refers_to(document: dict[str, Any], path: str) -> str:
    content = document["paths"][path]["get"]["responses"]["200"]["content"]
    return str(content["application/json"]["schema"]["$ref"]).rsplit("/", 1)[-1]


def test_names_that_mean_different_things_are_told_apart() -> None:
    merged = _merge(
        business=_document("/v1/staff", {"Item": {"type": "string"}}, "Item"),
        booking=_document("/v1/customers", {"Item": {"type": "integer"}}, "Item"),
    )
    schemas = merged["components"]["schemas"]
    assert schemas[_refers_to(merged, "/v1/staff")] == {"type": "string"}
    assert schemas[_refers_to(merged, "/v1/customers")] == {"type": "integer"}
    assert "Item" not in schemas


def test_names_that_agree_are_kept_once() -> None:
    money = {"Money": {"type": "object"}}
    merged = _merge(
        business=_document("/v1/staff", money, "Money"), booking=_document("/v1/customers", money, "Money")
    )
    assert set(merged["components"]["schemas"]) == {"Problem", "Money"}


def test_equal_texts_that_refer_to_different_things_are_told_apart() -> None:
    page = {"items": {"$ref": "#/components/schemas/Item"}}
    merged = _merge(
        business=_document("/v1/staff", {"Page": page, "Item": {"type": "string"}}, "Page"),
        booking=_document("/v1/customers", {"Page": page, "Item": {"type": "integer"}}, "Page"),
    )
    schemas = merged["components"]["schemas"]
    for path, kind in (("/v1/staff", "string"), ("/v1/customers", "integer")):
        reference = schemas[_refers_to(merged, path)]["items"]["$ref"]
        assert schemas[reference.rsplit("/", 1)[-1]] == {"type": kind}


def test_a_service_publishes_what_is_routed_to_it_and_nothing_else() -> None:
    schemas = {"Mine": {"type": "string"}}
    merged = _merge(booking=_document("/v1/staff", schemas, "Mine"))
    assert merged["paths"] == {}
    assert set(merged["components"]["schemas"]) == {"Problem"}


def test_operations_get_their_own_ids_and_problems_and_tokens() -> None:
    schemas = {"Mine": {"type": "string"}, "HTTPValidationError": {"type": "object"}}
    merged = _merge(
        business=_document("/v1/staff", schemas, "Mine"),
        booking=_document("/v1/customers", schemas, "Mine"),
        auth=_document("/v1/signups/{signup_id}", schemas, "Mine"),
    )
    operations = [item["get"] for item in merged["paths"].values()]
    assert len({operation["operationId"] for operation in operations}) == 3
    assert all("application/problem+json" in item["responses"]["default"]["content"] for item in operations)
    assert all("422" not in item["responses"] for item in operations)
    assert "HTTPValidationError" not in merged["components"]["schemas"]
    assert merged["paths"]["/v1/staff"]["get"]["security"] == [{"token": []}]
    assert "security" not in merged["paths"]["/v1/signups/{signup_id}"]["get"]


def test_merging_leaves_what_was_fetched_as_it_is() -> None:
    document = _document("/v1/staff", {"Item": {"type": "string"}}, "Item")
    other = _document("/v1/customers", {"Item": {"type": "integer"}}, "Item")
    assert _merge(business=document, booking=other) == _merge(business=document, booking=other)
    assert document == _document("/v1/staff", {"Item": {"type": "string"}}, "Item")


def test_it_says_what_is_missing() -> None:
    merged = _merge(missing=("billing",))
    assert merged["x-missing-services"] == ["billing"]
    assert "billing could not be reached" in merged["info"]["description"]
    assert "x-missing-services" not in _merge()
