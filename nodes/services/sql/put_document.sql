-- Keep a document under the hash of its content; keeping it again changes nothing.
INSERT INTO holdfast.documents (tenant, sha256, filename, media_type, size, content)
VALUES (%(tenant)s, %(sha256)s, %(filename)s, %(media_type)s, %(size)s, %(content)s)
ON CONFLICT (tenant, sha256) DO NOTHING
