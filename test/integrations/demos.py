"""Runs the demonstrations of examples/integrations side by side and counts them. test/integrations/run calls it.

A demonstration that takes longer than it may is ended with all that it has started. One that leaves a process behind fails.
"""

import concurrent.futures
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples/integrations"
PARTS = {"stage", "backends"}  # what demonstrations are made of
SLOWEST = ["alerts", "callback_webhook", "cache_s3", "callback_s3_archive", "cache_redis", "cache_semantic"]  # they begin first
LONGEST = 120  # seconds that one may take


def demonstrations() -> list[str]:
    names = sorted(f.stem for f in FOLDER.glob("*.py") if f.stem not in PARTS)
    return sorted(names, key=lambda name: SLOWEST.index(name) if name in SLOWEST else len(SLOWEST))


def demonstrate(name: str) -> tuple[str, float, str]:
    """Run one; return its name, the seconds that it took, and what is wrong ("" = nothing)."""
    begun = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-B", FOLDER / f"{name}.py"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=LONGEST)
        wrong = f"status {process.returncode}\n{said}" if process.returncode else ""
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            said, _ = process.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, _ = process.communicate()
        wrong = f"it took longer than {LONGEST} seconds\n{said}"
    try:
        os.killpg(process.pid, signal.SIGKILL)
        wrong = wrong or "it has left a process behind"
    except ProcessLookupError:
        pass
    return name, time.monotonic() - begun, wrong


def untold() -> str:
    """The demonstrations that the README's table does not have, and the other way round."""
    lines = (FOLDER / "README.md").read_text().splitlines()
    told = {line.split("`")[1].removesuffix(".py") for line in lines if line.startswith("| `")}
    return " ".join(sorted(told ^ set(demonstrations())))


def main() -> int:
    wanted = sys.argv[1:] or demonstrations()
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("DEMOS_AT_ONCE", "3"))) as pool:
        for done in concurrent.futures.as_completed([pool.submit(demonstrate, name) for name in wanted]):
            name, seconds, wrong = done.result()
            failed += bool(wrong)
            print(f"{'FAILED' if wrong else 'ok    '} {name}  {seconds:.1f} s", flush=True)
            if wrong:
                print("    " + wrong.rstrip().replace("\n", "\n    "), flush=True)
    passed = len(wanted) - failed
    if not sys.argv[1:]:
        missing = untold()
        print(f"FAILED the table of the README differs: {missing}" if missing else "ok     the table of the README names them all")
        passed, failed = passed + (not missing), failed + bool(missing)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
