"""Every public method of the JavaScript SDK, both of its lines, run by Node."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SUITE = Path(__file__).parent / "js"
LINES = {"1.15": "@langchain/langgraph-sdk", "latest": "@langchain/langgraph-sdk-latest"}
INSTALL_SECONDS = 240
SUITE_SECONDS = 240

pytestmark = pytest.mark.node


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """Install the locked packages, or skip where that is not possible."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("needs Node.js and npm")
    modules = SUITE / "node_modules"
    if not (modules / "@langchain" / "langgraph-sdk").is_dir():
        done = subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund"],
            cwd=SUITE,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            pytest.skip(f"npm ci failed: {done.stderr.strip()[-300:]}")
    return modules


@pytest.mark.parametrize("line", LINES)
def test_every_method_of_the_javascript_sdk(line, graph_server, node_modules):
    done = subprocess.run(
        ["node", "--test", "--test-reporter=spec", "sdk.test.mjs"],
        cwd=SUITE,
        env={**os.environ, "HOLDFAST_URL": graph_server.url, "HOLDFAST_SDK": LINES[line]},
        capture_output=True,
        text=True,
        timeout=SUITE_SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "fail 0" in done.stdout
