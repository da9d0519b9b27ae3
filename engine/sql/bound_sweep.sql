-- A transaction that falls silent is ended by the server, and its locks with it.
SET LOCAL idle_in_transaction_session_timeout = '1s'
