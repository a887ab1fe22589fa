-- The audit trail's statements; see servicekit.queries.

-- name: add
INSERT INTO audit_entry (tenant_id, entry_id, actor_kind, actor_id, request_id, action, entity_kind, entity_id,
    changes)
VALUES (%(tenant_id)s, %(entry_id)s, %(actor_kind)s, %(actor_id)s, %(request_id)s, %(action)s, %(entity_kind)s,
    %(entity_id)s, %(changes)s)

-- name: page
SELECT entry_id, at, actor_kind, actor_id, request_id, action, entity_kind, entity_id, changes FROM audit_entry
WHERE tenant_id = %(tenant_id)s
    AND (%(entity_id)s::uuid IS NULL OR entity_id = %(entity_id)s)
    AND (%(begin)s::timestamptz IS NULL OR at >= %(begin)s)
    AND (%(end)s::timestamptz IS NULL OR at < %(end)s)
    AND (%(before_time)s::timestamptz IS NULL OR (at, entry_id) < (%(before_time)s, %(before_id)s))
ORDER BY at DESC, entry_id DESC LIMIT %(limit)s
