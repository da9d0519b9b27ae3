"""The ledger of accepted work: a row here is the promise, everything else is a hint.

`run.py` is the row and what may become of it, `request.py` what a caller asks for. `reading.py`
shows and waits, `cancellation.py` stops, `submission.py` accepts; `ledger.py` binds them together.
"""
