-- business's statements; see servicekit.queries. Row level security limits each to the transaction's tenant.

-- name: insert_profile
INSERT INTO profile (tenant_id, display_name) VALUES (%(tenant_id)s, %(display_name)s)
ON CONFLICT (tenant_id) DO NOTHING

-- name: rename_profile
-- A changed display name; no row when it is the same.
UPDATE profile SET display_name = %(display_name)s, version = version + 1
WHERE tenant_id = %(tenant_id)s AND display_name <> %(display_name)s

-- name: profile
SELECT version, display_name, description, contact_email, contact_phone, address FROM profile
WHERE tenant_id = %(tenant_id)s

-- name: lock_profile
SELECT version, display_name, description, contact_email, contact_phone, address FROM profile
WHERE tenant_id = %(tenant_id)s FOR UPDATE

-- name: update_profile
UPDATE profile SET description = %(description)s, contact_email = %(contact_email)s,
    contact_phone = %(contact_phone)s, address = %(address)s, version = version + 1
WHERE tenant_id = %(tenant_id)s
RETURNING version, display_name, description, contact_email, contact_phone, address

-- name: insert_staff
INSERT INTO staff (tenant_id, staff_id, name, email, timezone, weekly_hours)
VALUES (%(tenant_id)s, %(staff_id)s, %(name)s, %(email)s, %(timezone)s, %(weekly_hours)s)

-- name: staff_page
SELECT staff_id, version, name, email, timezone, weekly_hours, exceptions, time_off FROM staff
WHERE tenant_id = %(tenant_id)s AND deleted_at IS NULL AND (%(after)s::uuid IS NULL OR staff_id > %(after)s)
ORDER BY staff_id LIMIT %(limit)s

-- name: staff_names
SELECT staff_id, name FROM staff WHERE tenant_id = %(tenant_id)s AND deleted_at IS NULL ORDER BY staff_id

-- name: staff_by_id
SELECT staff_id, version, name, email, timezone, weekly_hours, exceptions, time_off FROM staff
WHERE tenant_id = %(tenant_id)s AND staff_id = %(staff_id)s AND deleted_at IS NULL

-- name: lock_staff
-- Held until the transaction's end: edits of one staff member go one after another.
SELECT staff_id, version, name, email, timezone, weekly_hours, exceptions, time_off FROM staff
WHERE tenant_id = %(tenant_id)s AND staff_id = %(staff_id)s AND deleted_at IS NULL FOR UPDATE

-- name: update_staff
UPDATE staff SET name = %(name)s, email = %(email)s, timezone = %(timezone)s,
    weekly_hours = %(weekly_hours)s, exceptions = %(exceptions)s, time_off = %(time_off)s, version = version + 1
WHERE tenant_id = %(tenant_id)s AND staff_id = %(staff_id)s
RETURNING staff_id, version, name, email, timezone, weekly_hours, exceptions, time_off

-- name: delete_staff
UPDATE staff SET deleted_at = now(), version = version + 1
WHERE tenant_id = %(tenant_id)s AND staff_id = %(staff_id)s
RETURNING staff_id, version, name, email, timezone, weekly_hours, exceptions, time_off

-- name: lock_existing_staff
-- Which of these ids are staff members; locked, so that none is deleted meanwhile.
SELECT staff_id FROM staff
WHERE tenant_id = %(tenant_id)s AND staff_id = ANY(%(staff_ids)s) AND deleted_at IS NULL
ORDER BY staff_id FOR SHARE

-- name: count_resources
-- Under the profile's lock, so that of two added at once the second counts the first.
SELECT count(*)::int AS n FROM resource WHERE tenant_id = %(tenant_id)s AND deleted_at IS NULL

-- name: insert_resource
INSERT INTO resource (tenant_id, resource_id, name, timezone, capacity, weekly_hours, exceptions)
VALUES (%(tenant_id)s, %(resource_id)s, %(name)s, %(timezone)s, %(capacity)s, %(weekly_hours)s, %(exceptions)s)

-- name: resources_page
SELECT resource_id, version, name, timezone, capacity, weekly_hours, exceptions FROM resource
WHERE tenant_id = %(tenant_id)s AND deleted_at IS NULL
    AND (%(after)s::uuid IS NULL OR resource_id > %(after)s)
ORDER BY resource_id LIMIT %(limit)s

-- name: resource_by_id
SELECT resource_id, version, name, timezone, capacity, weekly_hours, exceptions FROM resource
WHERE tenant_id = %(tenant_id)s AND resource_id = %(resource_id)s AND deleted_at IS NULL

-- name: lock_resource
-- Held until the transaction's end: edits of one resource go one after another.
SELECT resource_id, version, name, timezone, capacity, weekly_hours, exceptions FROM resource
WHERE tenant_id = %(tenant_id)s AND resource_id = %(resource_id)s AND deleted_at IS NULL FOR UPDATE

-- name: update_resource
UPDATE resource SET name = %(name)s, timezone = %(timezone)s, capacity = %(capacity)s,
    weekly_hours = %(weekly_hours)s, exceptions = %(exceptions)s, version = version + 1
WHERE tenant_id = %(tenant_id)s AND resource_id = %(resource_id)s
RETURNING resource_id, version, name, timezone, capacity, weekly_hours, exceptions

-- name: delete_resource
UPDATE resource SET deleted_at = now(), version = version + 1
WHERE tenant_id = %(tenant_id)s AND resource_id = %(resource_id)s
RETURNING resource_id, version, name, timezone, capacity, weekly_hours, exceptions

-- name: lock_existing_resources
-- Which of these ids are resources, and how many places each has; locked, so that none is deleted meanwhile.
SELECT resource_id, capacity FROM resource
WHERE tenant_id = %(tenant_id)s AND resource_id = ANY(%(resource_ids)s) AND deleted_at IS NULL
ORDER BY resource_id FOR SHARE

-- name: services_that_need
SELECT name FROM service
WHERE tenant_id = %(tenant_id)s AND deleted_at IS NULL AND needs @> %(need)s ORDER BY name, service_id

-- name: services_short_of
-- With a need for more places than its resources have, of which this is one.
SELECT s.name FROM service s, jsonb_array_elements(s.needs) AS need
WHERE s.tenant_id = %(tenant_id)s AND s.deleted_at IS NULL
    AND need->'resource_ids' @> to_jsonb(%(resource_id)s::text)
    AND (need->>'count')::int > (
        SELECT sum(r.capacity) FROM resource r
        WHERE r.tenant_id = s.tenant_id AND need->'resource_ids' @> to_jsonb(r.resource_id::text))
ORDER BY s.name, s.service_id

-- name: holidays
SELECT holidays_version AS version, holidays AS days FROM profile WHERE tenant_id = %(tenant_id)s

-- name: lock_holidays
SELECT holidays_version AS version, holidays AS days FROM profile WHERE tenant_id = %(tenant_id)s FOR UPDATE

-- name: update_holidays
UPDATE profile SET holidays = %(days)s, holidays_version = holidays_version + 1
WHERE tenant_id = %(tenant_id)s
RETURNING holidays_version AS version, holidays AS days

-- name: insert_service
INSERT INTO service (tenant_id, service_id, name, description, duration_minutes, buffer_before_minutes,
    buffer_after_minutes, slot_step_minutes, minimum_notice_minutes, booking_window_days,
    cancellation_window_minutes, capacity, requires_confirmation, price_amount, staff_count, needs, questions)
VALUES (%(tenant_id)s, %(service_id)s, %(name)s, %(description)s, %(duration_minutes)s,
    %(buffer_before_minutes)s, %(buffer_after_minutes)s, %(slot_step_minutes)s, %(minimum_notice_minutes)s,
    %(booking_window_days)s, %(cancellation_window_minutes)s, %(capacity)s, %(requires_confirmation)s,
    %(price_amount)s, %(staff_count)s, %(needs)s, %(questions)s)

-- name: update_service
UPDATE service SET name = %(name)s, description = %(description)s, duration_minutes = %(duration_minutes)s,
    buffer_before_minutes = %(buffer_before_minutes)s, buffer_after_minutes = %(buffer_after_minutes)s,
    slot_step_minutes = %(slot_step_minutes)s, minimum_notice_minutes = %(minimum_notice_minutes)s,
    booking_window_days = %(booking_window_days)s,
    cancellation_window_minutes = %(cancellation_window_minutes)s, capacity = %(capacity)s,
    requires_confirmation = %(requires_confirmation)s, price_amount = %(price_amount)s,
    staff_count = %(staff_count)s, needs = %(needs)s, questions = %(questions)s, version = version + 1
WHERE tenant_id = %(tenant_id)s AND service_id = %(service_id)s

-- name: touch_service
UPDATE service SET version = version + 1 WHERE tenant_id = %(tenant_id)s AND service_id = %(service_id)s

-- name: delete_service
UPDATE service SET deleted_at = now(), version = version + 1
WHERE tenant_id = %(tenant_id)s AND service_id = %(service_id)s

-- name: lock_service
SELECT version FROM service
WHERE tenant_id = %(tenant_id)s AND service_id = %(service_id)s AND deleted_at IS NULL FOR UPDATE

-- name: services
-- Living services with who performs them, by id; all of them or, with service_id, that one.
SELECT s.service_id, s.version, s.name, s.description, s.duration_minutes, s.buffer_before_minutes,
    s.buffer_after_minutes, s.slot_step_minutes, s.minimum_notice_minutes, s.booking_window_days,
    s.cancellation_window_minutes, s.capacity, s.requires_confirmation, s.price_amount, s.staff_count, s.needs,
    s.questions,
    array(SELECT staff_id FROM service_staff l
          WHERE l.tenant_id = s.tenant_id AND l.service_id = s.service_id ORDER BY staff_id) AS staff_ids
FROM service s
WHERE s.tenant_id = %(tenant_id)s AND s.deleted_at IS NULL
    AND (%(service_id)s::uuid IS NULL OR s.service_id = %(service_id)s)
    AND (%(after)s::uuid IS NULL OR s.service_id > %(after)s)
ORDER BY s.service_id LIMIT %(limit)s

-- name: lock_services_of_staff
-- Before their links to the staff member go, as an edit of a service locks it first and then changes its links.
SELECT s.service_id FROM service s
JOIN service_staff l ON l.tenant_id = s.tenant_id AND l.service_id = s.service_id
WHERE l.tenant_id = %(tenant_id)s AND l.staff_id = %(staff_id)s AND s.deleted_at IS NULL
ORDER BY s.service_id FOR UPDATE OF s

-- name: clear_service_staff
DELETE FROM service_staff WHERE tenant_id = %(tenant_id)s AND service_id = %(service_id)s

-- name: remove_staff_from_services
DELETE FROM service_staff WHERE tenant_id = %(tenant_id)s AND staff_id = %(staff_id)s

-- name: insert_service_staff
INSERT INTO service_staff (tenant_id, service_id, staff_id)
SELECT %(tenant_id)s, %(service_id)s, unnest(%(staff_ids)s::uuid[])

-- name: raise_profile
UPDATE profile SET version = version + %(step)s, policy_version = policy_version + %(step)s,
    holidays_version = holidays_version + %(step)s
WHERE tenant_id = %(tenant_id)s

-- name: raise_staff
-- Those that were deleted too, as readers may have missed it.
UPDATE staff SET version = version + %(step)s WHERE tenant_id = %(tenant_id)s
RETURNING staff_id, version, name, email, timezone, weekly_hours, exceptions, time_off,
    deleted_at IS NOT NULL AS deleted

-- name: raise_resources
UPDATE resource SET version = version + %(step)s WHERE tenant_id = %(tenant_id)s
RETURNING resource_id, version, name, timezone, capacity, weekly_hours, exceptions,
    deleted_at IS NOT NULL AS deleted

-- name: raise_services
UPDATE service s SET version = version + %(step)s WHERE s.tenant_id = %(tenant_id)s
RETURNING s.service_id, s.version, s.name, s.description, s.duration_minutes, s.buffer_before_minutes,
    s.buffer_after_minutes, s.slot_step_minutes, s.minimum_notice_minutes, s.booking_window_days,
    s.cancellation_window_minutes, s.capacity, s.requires_confirmation, s.price_amount, s.staff_count, s.needs,
    s.questions,
    array(SELECT staff_id FROM service_staff l
          WHERE l.tenant_id = s.tenant_id AND l.service_id = s.service_id ORDER BY staff_id) AS staff_ids,
    s.deleted_at IS NOT NULL AS deleted

-- name: lock_policy
SELECT policy_version AS version FROM profile WHERE tenant_id = %(tenant_id)s FOR UPDATE

-- name: touch_policy
UPDATE profile SET policy_version = policy_version + 1 WHERE tenant_id = %(tenant_id)s
RETURNING policy_version AS version

-- name: policy_version
SELECT policy_version AS version FROM profile WHERE tenant_id = %(tenant_id)s

-- name: reminder_rules
SELECT rule_id, offset_seconds, channel FROM reminder_rule
WHERE tenant_id = %(tenant_id)s ORDER BY offset_seconds DESC, channel

-- name: delete_reminder_rules_but
DELETE FROM reminder_rule WHERE tenant_id = %(tenant_id)s AND rule_id <> ALL(%(keep)s)

-- name: insert_reminder_rule
INSERT INTO reminder_rule (tenant_id, rule_id, offset_seconds, channel)
VALUES (%(tenant_id)s, %(rule_id)s, %(offset_seconds)s, %(channel)s)
