-- A block of event ids, above every block taken before.
SELECT nextval('holdfast.run_event_blocks') AS block
