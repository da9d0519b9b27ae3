-- A worker that stops in good order.
DELETE FROM holdfast.workers
WHERE tenant = %(tenant)s
    AND worker_id = %(worker_id)s
