"""The reminder policy: how long before an appointment its customer is reminded, and by what."""

from typing import Annotated
from uuid import UUID

from fastapi import Response
from pydantic import AfterValidator, Field

from business.domain import ReminderPolicy
from business.routes.deps import Business
from contracts.booking import Channel
from servicekit.http.headers import IfMatch, etag
from servicekit.http.models import Answer, Body
from servicekit.http.routes import Router
from servicekit.http.tokens import Member, Owner

router = Router(tags=["reminder policy"])


class RuleBody(Body):
    offset_seconds: Annotated[
        int, Field(ge=1, le=31_536_000, description="How many seconds before the start the reminder is sent.")
    ]
    channel: Channel


def _distinct(rules: list[RuleBody]) -> list[RuleBody]:
    if len({(rule.offset_seconds, rule.channel) for rule in rules}) != len(rules):
        raise ValueError("two rules are the same")
    return rules


class PolicyBody(Body):
    rules: Annotated[list[RuleBody], Field(max_length=10), AfterValidator(_distinct)]


class RuleAnswer(Answer):
    id: UUID
    offset_seconds: int
    channel: Channel


class PolicyAnswer(Answer):
    version: int
    rules: list[RuleAnswer]


def _answer(policy: ReminderPolicy, response: Response) -> PolicyAnswer:
    response.headers["ETag"] = etag(policy.version)
    rules = [
        RuleAnswer(id=rule.rule_id, offset_seconds=rule.offset_seconds, channel=rule.channel)
        for rule in policy.rules
    ]
    return PolicyAnswer(version=policy.version, rules=rules)


@router.get("/v1/reminder-policy", summary="Read the reminder policy")
async def read_policy(who: Member, business: Business, response: Response) -> PolicyAnswer:
    return _answer(await business.policy(who.tenant_id), response)


@router.put("/v1/reminder-policy", summary="Replace the reminder policy")
async def replace_policy(
    body: PolicyBody, who: Owner, version: IfMatch, business: Business, response: Response
) -> PolicyAnswer:
    wanted = [(rule.offset_seconds, rule.channel) for rule in body.rules]
    return _answer(await business.replace_policy(who.tenant_id, version, wanted), response)
