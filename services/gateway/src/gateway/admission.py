"""Whether a request may go on: its token, its business, and the rate limits. Called by gateway.proxy; gateway.pages
uses `count_address` alone.

A signed-in request counts for its business. One about a business without a token counts for the client's address,
and for the business apart from those: visitors cannot use up what its staff needs, and no visitor what the others
need. A token that is refused, or whose key is not known, counts for the address as well.
"""

from collections.abc import Sequence

from starlette.types import Scope

from contracts.platform import TenantChanged, TenantState
from gateway.addresses import Network, client_address
from gateway.credentials import Credentials
from gateway.errors import MethodNotAllowed, RateLimited
from gateway.frame import Incoming
from gateway.metrics import LIMITED
from gateway.ratelimits import WINDOW_SECONDS, RateLimiter, Verdict
from gateway.routing import Access, methods_of
from gateway.settings import GatewaySettings
from servicekit.addresses import counted_as
from servicekit.directory import TenantDirectory
from servicekit.errors import Forbidden, NotFound, Unauthorized, Unavailable
from servicekit.http.tokens import ADMIN, Principal
from servicekit.logging import name_tenant

_LEAST_SHARE = 30
"""Requests a minute, enough to book, that one address has at a business whose limit is low."""


class Admission:
    """The checks, the cheapest first."""

    def __init__(
        self,
        settings: GatewaySettings,
        credentials: Credentials,
        directory: TenantDirectory,
        limiter: RateLimiter,
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._directory = directory
        self._limiter = limiter
        self._trusted: Sequence[Network] = settings.trusted_proxies

    def address(self, scope: Scope) -> str:
        """The client's address; see gateway.addresses."""
        peer = scope["client"][0] if scope.get("client") else ""
        hops = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
        return client_address(peer, hops.decode("latin-1"), self._trusted)

    async def admit(self, request: Incoming, address: str) -> None:
        """Checks the request; adds the limits that counted it to `request.verdicts`.

        Raises Unauthorized, Forbidden, NotFound, MethodNotAllowed, Unavailable or RateLimited.
        """
        routed = request.routed
        if routed is None:
            await self.count_address(request, address)
            methods = methods_of(request.path)
            if methods:
                raise MethodNotAllowed(
                    "This path has other methods.", headers={"Allow": ", ".join(sorted(methods))}
                )
            raise NotFound("There is nothing at this path.")
        access = routed.rule.access
        if access is Access.TOKEN:
            await self._admit_principal(request, address)
        elif access is Access.SIGN_IN:
            limit = self._settings.sign_in_requests_per_minute
            await self._count(request, "sign-in", counted_as(address), limit)
        elif access is not Access.MACHINE:
            await self.count_address(request, address)
            if routed.slug is not None:
                await self._admit_visitor(request, routed.slug, address)

    async def _admit_principal(self, request: Incoming, address: str) -> None:
        try:
            principal = self._credentials.principal(
                request.headers.get(b"authorization", b"").decode("latin-1")
            )
        except (Unauthorized, Unavailable):  # the latter, too, is what anyone gets for a key that they invent
            await self.count_address(request, address)
            raise
        if principal.role == ADMIN:
            limit = self._settings.admin_requests_per_minute
            await self._count(request, "admin", str(principal.user_id), limit)
            return
        name_tenant(principal.tenant_id)
        tenant = self._tenant_of(principal)
        await self._count_tenant(request, "business", tenant)

    def _tenant_of(self, principal: Principal) -> TenantChanged:
        tenant = self._directory.tenants.by_id(principal.tenant_id)
        if tenant is None:
            if not self._directory.complete:
                raise Unavailable("The gateway does not know all businesses yet.", retry_after=1)
            raise NotFound("This business does not exist, or is not ready yet.")
        if tenant.state is TenantState.DELETING:
            raise Forbidden(f"{tenant.display_name} is being deleted.")
        return tenant

    async def _admit_visitor(self, request: Incoming, slug: str, address: str) -> None:
        tenant = self._directory.tenants.by_slug(slug)
        if tenant is None:
            # The service that is asked may know a business that is not known here yet.
            return
        name_tenant(tenant.tenant_id)
        if tenant.state is TenantState.DELETING:
            raise NotFound(f"There is no business named {slug!r}.")
        limit = tenant.limits.requests_per_minute
        if limit is not None:
            share = min(limit, max(_LEAST_SHARE, int(limit * self._settings.visitor_share)))
            await self._count(request, "visitor", f"{tenant.tenant_id}/{counted_as(address)}", share)
        await self._count_tenant(request, "public", tenant)

    async def _count_tenant(self, request: Incoming, policy: str, tenant: TenantChanged) -> None:
        limit = tenant.limits.requests_per_minute
        if limit is None:
            return
        verdict = await self._hit(request, policy, str(tenant.tenant_id), limit)
        if not verdict.allowed:
            raise _refusal(
                verdict,
                f"The plan {tenant.plan.display_name} allows {tenant.display_name} {limit} requests a minute, "
                f"and {verdict.used} were made.",
                plan=tenant.plan.name,
            )

    async def count_address(self, request: Incoming, address: str) -> None:
        """Counts the request for its client's address alone. Raises RateLimited."""
        limit = self._settings.address_requests_per_minute
        await self._count(request, "address", counted_as(address), limit)

    async def _count(self, request: Incoming, policy: str, who: str, limit: int) -> None:
        verdict = await self._hit(request, policy, who, limit)
        if not verdict.allowed:
            raise _refusal(
                verdict, f"This is limited to {limit} requests a minute, and {verdict.used} were made."
            )

    async def _hit(self, request: Incoming, policy: str, who: str, limit: int) -> Verdict:
        verdict = await self._limiter.hit(policy, who, limit)
        request.verdicts.append(verdict)
        if not verdict.allowed:
            LIMITED.labels(policy).inc()
        return verdict


def _refusal(verdict: Verdict, detail: str, *, plan: str | None = None) -> RateLimited:
    problem = RateLimited(
        f"{detail} Try again in {verdict.retry_after} s.",
        headers={"Retry-After": str(verdict.retry_after)},
        metric="requests_per_minute",
        policy=verdict.policy,
        limit=verdict.limit,
        used=verdict.used,
        window_seconds=WINDOW_SECONDS,
    )
    if plan is not None:
        problem.extra["plan"] = plan
    return problem
