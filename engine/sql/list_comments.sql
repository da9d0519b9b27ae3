-- What was said about a review, oldest first.
SELECT
    comment_id,
    author,
    audience,
    body,
    created_at
FROM holdfast.gate_comments
WHERE tenant = %(tenant)s
    AND gate_id = %(gate_id)s
ORDER BY comment_id
