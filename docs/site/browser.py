"""Looks at the built site with Chromium: pictures in light, dark and narrow, the search, and who is asked for anything."""

import json
import re
import subprocess
import sys
import tempfile
import threading
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

import serve

PAGES = ["index", "how-to/oci-gateway", "how-to/operate", "explanation/threat-model", "reference/configuration", "404"]
# Chromium's names: 0 is dark, 1 is light.
SCHEMES = {"light": 1, "dark": 0}
NARROW = 390


def chromium(*arguments: str) -> str:
    """Runs Chromium without a window and returns what it writes."""
    with tempfile.TemporaryDirectory() as profile:
        fixed = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking"]
        fixed += ["--disable-component-update", "--allow-file-access-from-files", f"--user-data-dir={profile}"]
        done = subprocess.run(["chromium", *fixed, *arguments], capture_output=True, text=True, check=True, timeout=120)
        return done.stdout


def picture(address: str, file: Path, scheme: str, width: int, height: int) -> None:
    """Takes one picture of what the address shows."""
    chromium(f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}", f"--window-size={width},{height}", f"--screenshot={file}", address)


def pictures(site: Path, base: str, out: Path) -> None:
    """Takes pictures of some pages of the site served at base, and of each diagram by itself."""
    out.mkdir(parents=True, exist_ok=True)
    for page in PAGES:
        address = f"{base}/{page}.html"
        name = page.replace("/", "-")
        for scheme in SCHEMES:
            picture(address, out / f"{name}-{scheme}.png", scheme, 1280, 1600)
        # A window cannot be as narrow as a telephone; a frame in it can.
        with tempfile.NamedTemporaryFile("w", suffix=".html") as frame:
            frame.write(f'<body style="margin:0"><iframe src="{address}" style="border:0;width:{NARROW}px;height:1600px"></iframe>')
            frame.flush()
            picture(Path(frame.name).as_uri(), out / f"{name}-narrow.png", "light", 500, 1600)
    for diagram in sorted((site / "_images").glob("*.svg")):
        for scheme in SCHEMES:
            picture(diagram.as_uri(), out / f"{diagram.stem}-{scheme}.png", scheme, 1000, 700)


def search(site: Path) -> None:
    """Proves that the search finds pages from the disk alone, and that no page asks another host for anything."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "net.json")
        page = (site / "search.html").as_uri()
        html = chromium(f"--log-net-log={log}", "--virtual-time-budget=10000", "--dump-dom", f"{page}?q=budget")
        found = len(re.findall(r'<li[^>]*class="[^"]*kind-', html))
        if found < 3:
            sys.exit(f"the search for budget found {found} pages")
        events = [e.get("params", {}) for e in json.loads(log.read_text())["events"]]
        # What Chromium asks for on its own account is for no site.
        asked = {e["url"] for e in events if e.get("url", "").startswith("http") and "file:" in e.get("site_for_cookies", "")}
        if asked:
            sys.exit(f"other hosts are asked: {sorted(asked)}")
        print(f"the search for budget finds {found} pages without a network")


def main() -> None:
    site, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    search(site)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(serve.Handler, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        pictures(site, f"http://127.0.0.1:{server.server_port}", out)
        server.shutdown()
    print(f"the pictures are in {out}")


if __name__ == "__main__":
    main()
