"""Prints the versions of a uv.lock as constraints for pip."""

import sys
import tomllib

with open(sys.argv[1], "rb") as lock:
    for package in tomllib.load(lock)["package"]:
        if "registry" in package.get("source", {}):
            print(f"{package['name']}=={package['version']}")
