"""What others need to verify tokens: the public keys, and the document that says where they are."""

from typing import Any

from fastapi import Response

from auth.routes.deps import Auth
from servicekit.http.routes import Router
from servicekit.http.tokens import ALGORITHM

router = Router(tags=["discovery"])

_CACHE = "public, max-age=300"


@router.get("/.well-known/jwks.json", summary="Read the signing keys")
async def jwks(auth: Auth, response: Response) -> dict[str, Any]:
    """The public signing keys (RFC 7517). A key is listed before it signs, and until its last token has expired."""
    response.headers["Cache-Control"] = _CACHE
    return auth.keyring.jwks()


@router.get("/.well-known/openid-configuration", summary="Read the OpenID configuration")
async def configuration(auth: Auth, response: Response) -> dict[str, Any]:
    """OpenID Connect Discovery 1.0, as far as it applies: there is no authorization endpoint."""
    response.headers["Cache-Control"] = _CACHE
    return {
        "issuer": auth.issuer,
        "jwks_uri": f"{auth.public_url}/.well-known/jwks.json",
        "token_endpoint": f"{auth.public_url}/v1/sessions",
        "response_types_supported": ["token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "claims_supported": ["iss", "aud", "sub", "iat", "exp", "sid", "business_id", "role"],
    }
