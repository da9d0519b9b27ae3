-- Let the caller's transaction wait as long as it likes for work that is done elsewhere.
SET LOCAL idle_in_transaction_session_timeout = 0
