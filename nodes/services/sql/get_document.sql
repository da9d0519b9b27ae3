-- Read a kept document.
SELECT sha256, filename, media_type, size, content
FROM holdfast.documents
WHERE tenant = %(tenant)s AND sha256 = %(sha256)s
