"""Oracle's Python signers get their tokens from a simulator's identity services, and call with them.

Each test starts a simulator of its own, since the cluster's endpoint needs an address of its own: Oracle's SDK knows
port 12250 only. TOLLGATE_BIN names the built program.
"""

import contextlib
import json
import os
import random
import re
import subprocess
import urllib.request
from pathlib import Path

import oci
import pytest
from oci.auth import rpt_path_providers
from oci.auth.signers import (
    InstancePrincipalsSecurityTokenSigner,
    SecurityTokenSigner,
    get_oke_workload_identity_resource_principal_signer,
    get_resource_principals_signer,
)
from oci.generative_ai_inference import models as wire

BINARY = os.environ["TOLLGATE_BIN"]

WAYS = {
    "security_token": "session",
    "instance_principal": "instance",
    "resource_principal_1.1": "resource",
    "resource_principal_2.2": "resource",
    "resource_principal_3.0": "resource",
    "oke_workload_identity": "workload",
}

# Who gives a principal its token, where that is not a file.
ASKED = {"instance_principal": "x509", "resource_principal_1.1": "rpst", "oke_workload_identity": "workload"}


class Simulator:
    """A running simulator, with what its start printed."""

    def __init__(self, folder, *flags):
        self.folder = Path(folder)
        address = "127." + ".".join(str(random.randrange(1, 250)) for _ in range(3)) + ":12250"
        self.process = subprocess.Popen(
            [BINARY, "sim", "--port=0", f"--dir={folder}", f"--oke-address={address}", *flags],
            stdout=subprocess.PIPE,
            text=True,
        )
        for line in self.process.stdout:
            if found := re.fullmatch(r"export OCI_ENDPOINT=(.*)\n", line):
                self.url = found[1]
                return
        raise RuntimeError("the simulator ended before it said where it is")

    def close(self):
        self.process.terminate()
        self.process.wait(timeout=10)

    def principal(self, name):
        return self.folder / "principals" / name

    def environment(self, way):
        pairs = self.principal(way + ".env").read_text().splitlines()
        return dict(pair.split("=", 1) for pair in pairs)

    def control(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        with urllib.request.urlopen(request) as reply:
            text = reply.read()
        return json.loads(text) if text else None

    def requests(self):
        return self.control("GET", "/_sim/identity")["requests"]


@contextlib.contextmanager
def running(folder, *flags):
    simulator = Simulator(folder, *flags)
    try:
        yield simulator
    finally:
        simulator.close()


@pytest.fixture
def simulator(tmp_path):
    with running(tmp_path) as s:
        yield s


@pytest.fixture
def make(monkeypatch):
    """Makes a signer as a program at OCI would: from the environment."""

    def signer(simulator, way):
        for name, value in simulator.environment(way).items():
            monkeypatch.setenv(name, value)
        # The SDK has no variable for the auth service's address, and its resource principals take no argument for it.
        monkeypatch.setattr(oci.regions, "endpoint_for", lambda service, region=None, **_: simulator.url)
        if way == "security_token":
            config = oci.config.from_file(simulator.environment(way)["OCI_CONFIG_FILE"])
            token = Path(config["security_token_file"]).read_text()
            return SecurityTokenSigner(token, oci.signer.load_private_key_from_file(config["key_file"]))
        if way == "instance_principal":
            return InstancePrincipalsSecurityTokenSigner(federation_client_retry_strategy=oci.retry.NoneRetryStrategy())
        if way == "oke_workload_identity":
            return get_oke_workload_identity_resource_principal_signer(
                service_account_token_path=str(simulator.principal("serviceaccount/token")),
                retry_strategy=oci.retry.NoneRetryStrategy(),
            )
        if way.endswith("3.0"):
            # Version 2.189.0 refuses an endpoint with a path, which is what its own signer has for a parent's service.
            monkeypatch.setattr(oci.BaseClient, "_validate_endpoint_host_components", lambda self, endpoint: None)
        # The default provider asks 169.254.169.254 for an instance's id, whatever the environment says.
        provider = rpt_path_providers.EnvRptPathProvider() if way.endswith("1.1") else None
        return get_resource_principals_signer(provider)

    return signer


def capital(simulator, signer):
    client = oci.generative_ai_inference.GenerativeAiInferenceClient(
        config={}, signer=signer, service_endpoint=simulator.url, retry_strategy=oci.retry.NoneRetryStrategy()
    )
    reply = client.chat(
        wire.ChatDetails(
            compartment_id="ocid1.compartment.oc1..strangers",
            serving_mode=wire.OnDemandServingMode(model_id="meta.llama-3.3-70b-instruct"),
            chat_request=wire.GenericChatRequest(
                messages=[wire.UserMessage(content=[wire.TextContent(text="What is the capital of Italy?")])],
                max_tokens=50,
            ),
        )
    )
    return reply.data.chat_response.choices[0].message.content[0].text


def refused(simulator, signer):
    with pytest.raises(oci.exceptions.ServiceError) as caught:
        capital(simulator, signer)
    return caught.value.status, caught.value.code


@pytest.mark.parametrize("way", WAYS)
def test_every_principal_gets_its_token(simulator, make, way):
    signer = make(simulator, way)
    assert capital(simulator, signer) == "Rome."

    simulator.control("PUT", "/_sim/identity/policies", {"policies": [{"kind": "user"}]})
    assert refused(simulator, signer) == (404, "NotAuthorizedOrNotFound")
    simulator.control("PUT", "/_sim/identity/policies", {"policies": [{"kind": WAYS[way]}]})
    assert capital(simulator, signer) == "Rome."

    # On 401 the SDK asks for another token, once, where there is somebody to ask; files are read again.
    before = simulator.requests()
    assert simulator.control("DELETE", f"/_sim/identity/tokens?kind={WAYS[way]}")["revoked"] >= 1
    if way in ASKED:
        assert capital(simulator, signer) == "Rome."
        assert simulator.requests()[ASKED[way]]["requests"] == before[ASKED[way]]["requests"] + 1
    else:
        assert refused(simulator, signer) == (401, "NotAuthenticated")
        simulator.control("POST", "/_sim/identity/rotate")
        if way != "security_token":  # which the SDK reads once
            assert capital(simulator, signer) == "Rome."


@pytest.mark.parametrize("way", ["instance_principal", "resource_principal_1.1", "resource_principal_2.2", "oke_workload_identity"])
def test_a_renewed_token_passes_and_so_does_the_one_before(simulator, make, way):
    signer = make(simulator, way)
    before = signer.api_key
    simulator.control("POST", "/_sim/identity/rotate")
    assert capital(simulator, signer) == "Rome."
    signer.refresh_security_token()
    assert capital(simulator, signer) == "Rome."
    assert signer.api_key != before


def test_a_parent_is_asked_for_by_the_resource_below_it(simulator, make):
    make(simulator, "resource_principal_3.0")
    seen = simulator.requests()
    assert seen["rpt"] == {"requests": 1, "refused": 0}
    assert seen["rpst"] == {"requests": 1, "refused": 0}
    assert "x509" not in seen  # the leaf has its token in a file


def test_a_token_is_worth_nothing_with_another_key(simulator, make):
    token = simulator.principal("resource/rpst").read_text()
    other = simulator.principal("session/oci_api_key.pem")
    signer = SecurityTokenSigner(token, oci.signer.load_private_key_from_file(str(other)))
    assert refused(simulator, signer) == (401, "NotAuthenticated")


def test_a_tampered_token_is_unknown(simulator, make):
    token = simulator.principal("resource/rpst").read_text()
    key = oci.signer.load_private_key_from_file(str(simulator.principal("resource/private.pem")))
    head, claims, signature = token.split(".")
    signer = SecurityTokenSigner(".".join([head, claims, signature[::-1]]), key)
    assert refused(simulator, signer) == (401, "NotAuthenticated")


def test_a_short_lived_token_expires(tmp_path, make):
    with running(tmp_path, "--token-life=1s", "--session-life=1h") as simulator:
        token = simulator.principal("resource/rpst").read_text()
        key = oci.signer.load_private_key_from_file(str(simulator.principal("resource/private.pem")))
        signer = SecurityTokenSigner(token, key)
        for _ in range(10_000):  # each call takes milliseconds, the token lives for a second
            try:
                capital(simulator, signer)
            except oci.exceptions.ServiceError as e:
                assert (e.status, e.code) == (401, "NotAuthenticated")
                return
        pytest.fail("the token did not expire")


def test_a_forged_service_account_token_is_refused(simulator, make, tmp_path):
    file = simulator.principal("serviceaccount/token")
    head, claims, _ = file.read_text().split(".")
    file.write_text(".".join([head, claims, "A" * 342]))
    with pytest.raises(oci.exceptions.ServiceError) as caught:
        make(simulator, "oke_workload_identity")
    assert caught.value.status == 401


def test_a_basic_cluster_has_no_workload_identity(simulator, make):
    simulator.control("PATCH", "/_sim/identity", {"basic_cluster": True})
    with pytest.raises(oci.exceptions.ServiceError, match="enhanced") as caught:
        make(simulator, "oke_workload_identity")
    assert caught.value.status == 403


def test_the_auth_service_can_be_down(simulator, make):
    simulator.control("POST", "/_sim/faults", {"op": "x509", "status": 503, "times": 1})
    with pytest.raises(oci.exceptions.ServiceError) as caught:
        make(simulator, "instance_principal")
    assert caught.value.status == 503
    assert capital(simulator, make(simulator, "instance_principal")) == "Rome."
