-- Who asked for the last run on a thread that was no answer to a question.
SELECT kwargs ->> 'author' AS author
FROM holdfast.runs
WHERE tenant = %(tenant)s
    AND thread_id = %(thread_id)s
    AND kind <> 'resume'
ORDER BY seq DESC
LIMIT 1
