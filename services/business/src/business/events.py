"""The catalog events, made from what the domain holds. Called by the service layer and the tenant hooks."""

from uuid import UUID

from business.domain import Holidays, Profile, ReminderPolicy, Resource, ServiceOffer, StaffMember
from contracts.business import (
    HolidaysChanged,
    PolicyChanged,
    ProfileChanged,
    ResourceChanged,
    ServiceChanged,
    StaffChanged,
)
from contracts.model import Money
from contracts.platform import TenantChanged


def profile_changed(tenant_id: UUID, profile: Profile) -> ProfileChanged:
    return ProfileChanged(
        tenant_id=tenant_id,
        version=profile.version,
        display_name=profile.display_name,
        description=profile.description,
        contact_email=profile.contact_email,
        contact_phone=profile.contact_phone,
        address=profile.address,
    )


def staff_changed(tenant_id: UUID, member: StaffMember, *, deleted: bool = False) -> StaffChanged:
    return StaffChanged(
        tenant_id=tenant_id,
        version=member.version,
        deleted=deleted,
        staff_id=member.staff_id,
        name=member.name,
        timezone=member.timezone,
        weekly_hours=list(member.weekly_hours),
        exceptions=list(member.exceptions),
        time_off=list(member.time_off),
    )


def resource_changed(tenant_id: UUID, resource: Resource, *, deleted: bool = False) -> ResourceChanged:
    return ResourceChanged(
        tenant_id=tenant_id,
        version=resource.version,
        deleted=deleted,
        resource_id=resource.resource_id,
        name=resource.name,
        timezone=resource.timezone,
        capacity=resource.capacity,
        weekly_hours=None if resource.weekly_hours is None else list(resource.weekly_hours),
        exceptions=list(resource.exceptions),
    )


def holidays_changed(tenant_id: UUID, holidays: Holidays) -> HolidaysChanged:
    return HolidaysChanged(tenant_id=tenant_id, version=holidays.version, days=list(holidays.days))


def service_changed(tenant: TenantChanged, offer: ServiceOffer, *, deleted: bool = False) -> ServiceChanged:
    return ServiceChanged(
        tenant_id=tenant.tenant_id,
        version=offer.version,
        deleted=deleted,
        service_id=offer.service_id,
        name=offer.name,
        description=offer.description,
        duration_minutes=offer.duration_minutes,
        buffer_before_minutes=offer.buffer_before_minutes,
        buffer_after_minutes=offer.buffer_after_minutes,
        slot_step_minutes=offer.slot_step_minutes,
        minimum_notice_minutes=offer.minimum_notice_minutes,
        booking_window_days=offer.booking_window_days,
        cancellation_window_minutes=offer.cancellation_window_minutes,
        capacity=offer.capacity,
        requires_confirmation=offer.requires_confirmation,
        price=Money(amount=offer.price_amount, currency=tenant.currency),
        staff_ids=list(offer.staff_ids),
        staff_count=offer.staff_count,
        needs=list(offer.needs),
        questions=list(offer.questions),
    )


def policy_changed(tenant_id: UUID, policy: ReminderPolicy) -> PolicyChanged:
    return PolicyChanged(tenant_id=tenant_id, version=policy.version, rules=list(policy.rules))
