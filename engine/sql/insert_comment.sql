-- A comment on a review.
INSERT INTO holdfast.gate_comments (tenant, gate_id, author, audience, body)
VALUES (%(tenant)s, %(gate_id)s, %(author)s, %(audience)s, %(body)s)
RETURNING comment_id, author, audience, body, created_at
