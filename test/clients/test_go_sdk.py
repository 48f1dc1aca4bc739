"""The official OpenAI SDK for Go: the tests of go/, compiled by `run`, against the demo."""

import os
import pathlib
import subprocess

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = pathlib.Path(os.environ.get("TOLLGATE_EXAMPLES", REPOSITORY / ".cache/clients/bin"))


def test_go_sdk(gateway):
    done = subprocess.run(
        [str(PROGRAMS / "sdk.test"), "-test.v"],
        env={"TOLLGATE_URL": gateway.url, "TOLLGATE_KEY": gateway.key, "NO_PROXY": "127.0.0.1"},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # Each of three tests on five aliases, embeddings, and two refusals.
    assert done.stdout.count("--- PASS: ") == 5 + 3 * 5 + 2, done.stdout
