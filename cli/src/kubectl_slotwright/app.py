"""The command line: the commands' arguments and help; what they do stands in the modules that they call.

Entry of the console script `kubectl-slotwright`, which kubectl runs as `kubectl slotwright`.
"""

from collections.abc import Callable
from importlib.metadata import version

import click

from kubectl_slotwright import changes, letters, plan_diff, status, usage
from kubectl_slotwright.errors import PluginError
from kubectl_slotwright.objects import Event, Tenant, event_of, plan_of, tenant_of
from kubectl_slotwright.screen import make_streams_safe
from kubectl_slotwright.session import (
    Duration,
    P,
    R,
    Session,
    complete_plans,
    complete_tenants,
    session_options,
    with_session,
)

PROGRAM = "kubectl slotwright"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version("slotwright-cli"), prog_name=PROGRAM)
@session_options
def cli(**_given: object) -> None:
    """Slotwright's tenants, for who runs the platform.

    Everything goes through kubectl: contexts, credentials and proxies are its own. The JSON forms are stable:
    fields are added, none is taken away. Exit codes: 0 done, 1 not done, with a sentence on stderr, 2 wrong usage.
    """


@cli.command("status", short_help="All tenants, or one in detail.")
@click.argument("tenant", required=False, shell_complete=complete_tenants)
@click.option("--exit-code", is_flag=True, help="Exit with 1 when the tenant, or any of all, is not ready.")
@with_session
def status_command(session: Session, tenant: str | None, exit_code: bool) -> None:
    """All tenants, or one as a tree of what was provisioned and what is not.

    JSON of all: {"tenants": [{name, ready, reason, current, plan, billing, bookings}]}. JSON of one: {name,
    displayName, tenantId, plan, ready, reason, message, paused, deletedAt, generation, observedGeneration, current,
    conditions: [{type, status, reason, message, lastTransitionTime, details}], events: [{time, type, reason,
    message}]}. `current` says whether the status is about the spec as it is now; `details` has the fields of the
    Tenant's status that belong to the condition.
    """
    if tenant is None:
        all_of_them = [tenant_of(body) for body in session.kubectl.tenants()]
        session.emit(status.rows_json(all_of_them), status.rows_text(all_of_them, session.screen))
        ready = all(status.is_ready(found) for found in all_of_them)
    else:
        one = tenant_of(session.kubectl.tenant(tenant))
        events = _events(session, one)
        session.emit(status.one_json(one, events), status.one_text(one, events, session.screen))
        ready = status.is_ready(one)
    if exit_code and not ready:
        raise click.exceptions.Exit(1)


def _events(session: Session, tenant: Tenant) -> list[Event]:
    """None where they cannot be read: who may see tenants may not always see the namespace `default`."""
    try:
        return [event_of(body) for body in session.kubectl.events(tenant.uid)]
    except PluginError as error:
        session.tell(f"The Events about {tenant.name} are left out. {error.message}")
        return []


@cli.command("usage", short_help="What is used of the limits.")
@click.argument("tenant", required=False, shell_complete=complete_tenants)
@click.option(
    "--over", type=click.IntRange(min=0), metavar="PERCENT", help="Only what is used beyond that share."
)
@with_session
def usage_command(session: Session, tenant: str | None, over: int | None) -> None:
    """What tenants use of their limits, as the services counted it.

    JSON: {"tenants": [{name, observedAt, metrics: [{metric, used, limit, share}]}]}. `limit` is null where there is
    none; `share` is used / limit, and null without a limit and for a limit of 0. A tenant without counts has no
    metrics.
    """
    bodies = session.kubectl.tenants() if tenant is None else [session.kubectl.tenant(tenant)]
    found = [usage.usage_of(tenant_of(body)) for body in bodies]
    if over is not None:
        found = usage.over(found, over)
    session.emit(usage.to_json(found), usage.to_text(found, session.screen, percent=over))


@cli.group("plan", short_help="Preview a change of plan.")
@session_options
def plan_group(**_given: object) -> None:
    """Plans, and what a change of one would mean."""


@plan_group.command("diff", short_help="What another plan would change.")
@click.argument("tenant", shell_complete=complete_tenants)
@click.argument("plan", shell_complete=complete_plans)
@with_session
def plan_diff_command(session: Session, tenant: str, plan: str) -> None:
    """What would change for TENANT on PLAN. Nothing is changed; the API server checks the change all the same.

    JSON: {tenant, plan: {old, new}, price: {old, new}, limits: [{limit, old, new, overridden}],
    features: [{feature, old, new}], eventStream: {old, new}, exceeded: [{limit, used, allowed}], notes}. A price is
    {amount, currency, interval}, its amount in minor units; a limit of null is unlimited; a stream is {enabled,
    partitions, retentionHours}; `exceeded` has the quotas of which more is used now than the new plan allows.
    """
    present = tenant_of(session.kubectl.tenant(tenant))
    plans = {found.name: found for found in map(plan_of, session.kubectl.plans())}
    if plan not in plans:
        raise PluginError(plan_diff.unknown_plan(plan, plans.values()))
    session.kubectl.patch(tenant, {"spec": {"plan": plan}}, dry_run=True)
    found = plan_diff.diff(present, plans.get(present.plan), plans[plan])
    session.emit(plan_diff.to_json(found), plan_diff.to_text(found, session.screen))


def _waiting(command: Callable[P, R]) -> Callable[P, R]:
    """The options of what waits for the operator."""
    no_wait = click.option("--no-wait", is_flag=True, help="Do not wait until the operator says so.")
    timeout = click.option(
        "--timeout",
        type=Duration(),
        default="1m",
        show_default=True,
        help="How long to wait for the operator.",
    )
    return timeout(no_wait(command))


@cli.command("pause", short_help="Stop the operator for a tenant.")
@click.argument("tenant", shell_complete=complete_tenants)
@_waiting
@with_session
def pause_command(session: Session, tenant: str, timeout: float, no_wait: bool) -> None:
    """Stops the operator from doing anything for TENANT, a deletion included; its services go on.

    JSON: {tenant, paused, confirmed, ready, reason, message}. `confirmed` is false with --no-wait; the last three
    are the condition Ready as it was seen last.
    """
    changes.set_paused(session, tenant, paused=True, seconds=None if no_wait else timeout)


@cli.command("resume", short_help="Let it go on.")
@click.argument("tenant", shell_complete=complete_tenants)
@_waiting
@with_session
def resume_command(session: Session, tenant: str, timeout: float, no_wait: bool) -> None:
    """Lets the operator go on with TENANT after a pause. JSON: as `pause`."""
    changes.set_paused(session, tenant, paused=False, seconds=None if no_wait else timeout)


@cli.command("erase", short_help="Delete a tenant and its data.")
@click.argument("tenant", shell_complete=complete_tenants)
@click.option("--yes", is_flag=True, help="Do not ask for the name, for scripts.")
@click.option(
    "--timeout", type=Duration(), default="15m", show_default=True, help="How long to wait for the end."
)
@with_session
def erase_command(session: Session, tenant: str, yes: bool, timeout: float) -> None:
    """Deletes TENANT with its data in every service, waits for the end, and shows the receipt.

    The operator gives the components ten minutes. If one has not confirmed by then, the command ends with exit
    code 1 and says who is missing; the deletion goes on, and the command may be run again to wait for it, for as
    long as --timeout says.

    JSON: {tenant, tenantId, outcome, time, message, rows, total}. `outcome` is Erased, Archived, Abandoned, Overdue
    (a component has not confirmed), Waiting (--timeout has passed) or NoReceipt; `rows` is
    {component: {table: rows}}, `total` their sum; `time` is null and `rows` empty without a receipt.
    """
    changes.erase(session, tenant, yes=yes, seconds=timeout)


cli.add_command(letters.group)


def main() -> None:
    """Exits with 0, 1 or 2; never with a traceback."""
    make_streams_safe()
    try:
        cli.main(prog_name=PROGRAM)
    except Exception as error:  # noqa: BLE001 - a traceback says nothing to whoever only wants to see a tenant
        what = " ".join(f"{type(error).__name__}: {error}".split())
        click.echo(
            f"The plugin has a fault of its own ({what}); please report it with the command.", err=True
        )
        raise SystemExit(1) from None
