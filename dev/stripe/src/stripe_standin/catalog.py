"""Products and prices. A product's id may be chosen by the client; a price can be found by its lookup key."""

from typing import Annotated, Literal

from pydantic import Field

from stripe_standin.errors import ApiError
from stripe_standin.requests import (
    Call,
    ListParams,
    Metadata,
    Nested,
    NoParams,
    Params,
    Route,
    Text,
    listed,
    merged,
)
from stripe_standin.store import Object, new_id

Currency = Annotated[str, Field(pattern="^[a-zA-Z]{3}$")]


class ProductCreate(Params):
    id: str | None = None
    name: str
    active: bool = True
    description: Text = None
    metadata: Metadata = Field(default_factory=dict)


class ProductUpdate(Params):
    name: str | None = None
    active: bool | None = None
    description: Text = None
    default_price: str | None = None
    metadata: Metadata | None = None


class ProductList(ListParams):
    active: bool | None = None
    ids: list[str] | None = None


class Recurring(Nested):
    interval: Literal["day", "week", "month", "year"]
    interval_count: Annotated[int, Field(ge=1)] = 1
    usage_type: Literal["licensed", "metered"] = "licensed"
    meter: str | None = None


class ProductData(Nested):
    name: str
    metadata: Metadata = Field(default_factory=dict)


class PriceCreate(Params):
    currency: Currency
    unit_amount: Annotated[int, Field(ge=0, le=99_999_999)]
    product: str | None = None
    product_data: ProductData | None = None
    recurring: Recurring | None = None
    lookup_key: Annotated[str | None, Field(max_length=200)] = None
    transfer_lookup_key: bool = False
    nickname: Text = None
    active: bool = True
    metadata: Metadata = Field(default_factory=dict)


class PriceUpdate(Params):
    active: bool | None = None
    nickname: Text = None
    lookup_key: Annotated[str | None, Field(max_length=200)] = None
    metadata: Metadata | None = None


class PriceList(ListParams):
    active: bool | None = None
    product: str | None = None
    lookup_keys: Annotated[list[str] | None, Field(max_length=10)] = None
    currency: str | None = None
    type: Literal["one_time", "recurring"] | None = None


def create_product(call: Call) -> Object:
    params = call.read(ProductCreate)
    if params.id is not None and call.world.store.find("product", params.id):
        raise ApiError("Product already exists.", code="resource_already_exists", param="id")
    return _add_product(
        call, params.id or new_id("prod", 14), params.name, params.description, params.metadata, params.active
    )


def _add_product(
    call: Call, key: str, name: str, description: str | None, metadata: Metadata, active: bool = True
) -> Object:
    product = {
        "id": key,
        "object": "product",
        "active": active,
        "created": call.world.now,
        "default_price": None,
        "description": description,
        "images": [],
        "livemode": False,
        "marketing_features": [],
        "metadata": metadata,
        "name": name,
        "package_dimensions": None,
        "shippable": None,
        "tax_code": None,
        "updated": call.world.now,
        "url": None,
    }
    call.world.store.put(product)
    call.world.emit("product.created", product)
    return product


def update_product(call: Call) -> Object:
    product = call.world.store.get("product", call.path["id"])
    params = call.read(ProductUpdate)
    given = params.model_dump(exclude_unset=True, exclude={"expand", "metadata"})
    given["metadata"] = merged(product["metadata"], params.metadata)
    changed = any(product[name] != value for name, value in given.items())
    if changed:
        given["updated"] = call.world.now
    return call.world.change("product.updated", product, **given)


def retrieve_product(call: Call) -> Object:
    call.read(NoParams)
    return call.world.store.get("product", call.path["id"])


def list_products(call: Call) -> Object:
    params = call.read(ProductList)

    def wanted(product: Object) -> bool:
        return params.active in {None, product["active"]} and (
            params.ids is None or product["id"] in params.ids
        )

    return listed(call.world.store.all("product", wanted), params, "/v1/products")


def create_price(call: Call) -> Object:
    params = call.read(PriceCreate)
    store = call.world.store
    if (params.product is None) == (params.product_data is None):
        raise ApiError(
            "You must specify either `product` or `product_data` when creating a price.", param="product"
        )
    if params.lookup_key is not None:
        for other in store.all("price", lambda price: price["lookup_key"] == params.lookup_key):
            if not params.transfer_lookup_key:
                raise ApiError(f"A price (`{other['id']}`) already uses that lookup key.", param="lookup_key")
            call.world.change("price.updated", other, lookup_key=None)
    if params.product_data is not None:
        data = params.product_data
        product = _add_product(call, new_id("prod", 14), data.name, None, data.metadata)
    else:
        assert params.product is not None  # noqa: S101 - one of the two is given
        product = store.get("product", params.product, param="product")
    recurring = params.recurring
    price = {
        "id": new_id("price"),
        "object": "price",
        "active": params.active,
        "billing_scheme": "per_unit",
        "created": call.world.now,
        "currency": params.currency.lower(),
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": params.lookup_key,
        "metadata": params.metadata,
        "nickname": params.nickname,
        "product": product["id"],
        "recurring": recurring.model_dump() if recurring else None,
        "tax_behavior": "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if recurring else "one_time",
        "unit_amount": params.unit_amount,
        "unit_amount_decimal": str(params.unit_amount),
    }
    store.put(price)
    call.world.emit("price.created", price)
    return price


def update_price(call: Call) -> Object:
    price = call.world.store.get("price", call.path["price"])
    params = call.read(PriceUpdate)
    given = params.model_dump(exclude_unset=True, exclude={"expand", "metadata"})
    given["metadata"] = merged(price["metadata"], params.metadata)
    return call.world.change("price.updated", price, **given)


def retrieve_price(call: Call) -> Object:
    call.read(NoParams)
    return call.world.store.get("price", call.path["price"])


def list_prices(call: Call) -> Object:
    params = call.read(PriceList)

    def wanted(price: Object) -> bool:
        return (
            params.active in {None, price["active"]}
            and params.product in {None, price["product"]}
            and (params.lookup_keys is None or price["lookup_key"] in params.lookup_keys)
            and params.currency in {None, price["currency"]}
            and params.type in {None, price["type"]}
        )

    return listed(call.world.store.all("price", wanted), params, "/v1/prices")


ROUTES = (
    Route("POST", "/v1/products", ProductCreate, create_product),
    Route("GET", "/v1/products", ProductList, list_products),
    Route("GET", "/v1/products/{id}", NoParams, retrieve_product),
    Route("POST", "/v1/products/{id}", ProductUpdate, update_product),
    Route("POST", "/v1/prices", PriceCreate, create_price),
    Route("GET", "/v1/prices", PriceList, list_prices),
    Route("GET", "/v1/prices/{price}", NoParams, retrieve_price),
    Route("POST", "/v1/prices/{price}", PriceUpdate, update_price),
)
