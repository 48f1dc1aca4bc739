"""The demo of test/sdk/python serves these tests too; its fixtures are taken from there."""

import importlib.util
import pathlib

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location("sdk_conftest", REPOSITORY / "test/sdk/python/conftest.py")
_sdk = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_sdk)

binary, gateway, faults = _sdk.binary, _sdk.gateway, _sdk.faults
