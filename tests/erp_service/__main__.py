"""`python -m tests.erp_service`: serve the small ERP on the loopback address."""

import argparse

import uvicorn

from tests.erp_service.app import Switch, create_app


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="tests.erp_service", description="A small ERP.")
    parser.add_argument("--port", type=int, default=8300)
    parser.add_argument("--mode", default="ok", help="how it behaves from the start")
    chosen = parser.parse_args()
    app = create_app()
    app.state.books.switch = Switch(mode=chosen.mode)
    print(f"HOLDFAST_ERP=http HOLDFAST_ERP_URL=http://127.0.0.1:{chosen.port}", flush=True)
    uvicorn.run(app, host="127.0.0.1", port=chosen.port, log_level="warning")


if __name__ == "__main__":
    main()
