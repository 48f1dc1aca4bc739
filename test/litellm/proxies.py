"""The two proxies under comparison: processes on loopback, each in front of an upstream of its own."""

import http.client
import json
import pathlib
import socket
import subprocess
import sys
import time

from answers import (
    parsed,
    read_all,
    read_stream,
    reply_headers,
    sent_headers,
    settled,
    split_message,
)

MASTER = "sk-differential-master"


class Proxy:
    """One running proxy with an upstream of its own."""

    def __init__(self, name, command, config, folder, upstream):
        self.name = name
        self.upstream = upstream
        self.port = free_port()
        self.log = folder / f"{name}-{config.stem}.log"
        home = folder / name
        home.mkdir(exist_ok=True)
        environment = {
            "PATH": f"{pathlib.Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(home),
            **self.upstream.environment,
            "LITELLM_MASTER_KEY": MASTER,
            # LiteLLM must read what it needs from its own package, and reach nothing but this machine.
            "LITELLM_MODE": "PRODUCTION",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_LOCAL_BLOG_POSTS": "True",
            "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
            "HTTP_PROXY": "http://127.0.0.1:9",
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "127.0.0.1,localhost",
        }
        arguments = [*command, "--config", config, "--host", "127.0.0.1", "--port", str(self.port)]
        self.start = lambda: subprocess.Popen(
            arguments, stdout=self.log.open("ab"), stderr=subprocess.STDOUT, env=environment, cwd=home
        )
        self.process = self.start()

    def wait(self, seconds=120):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                connection.request("GET", "/health/liveness")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                time.sleep(0.2)
        sys.exit(f"{self.name} did not start:\n{self.log.read_text()[-4000:]}")

    def alive(self):
        return self.process.poll() is None

    def stop(self):
        end(self.process)
        self.upstream.close()

    def run(self, case):
        """The answers to a case's requests, and what the upstream was sent. A LiteLLM that crashes (its interpreter has
        been seen to) is started again, and the case repeated; a Tollgate that does has failed."""
        result = self.run_once(case)
        if self.name == "litellm" and not self.alive():
            print(f"litellm ended with {self.process.returncode} in {case.name}; it is started again", flush=True)
            self.process = self.start()
            self.wait()
            result = self.run_once(case)
        return result

    def run_once(self, case):
        self.upstream.reset()
        answers = []
        for i, request in enumerate(case.requests):
            if i:
                time.sleep(case.wait)
            answers.append(self.ask(request))
        taken = [
            {"path": r["path"], "headers": sent_headers(r["headers"]), "body": settled(r["body"])}
            for r in self.upstream.taken()
        ]
        return {"answers": answers, "upstream": {"count": len(taken), "requests": taken}}

    def ask(self, request):
        headers = dict(request.headers)
        if request.key is not None:
            headers.setdefault("Authorization", "Bearer " + (MASTER if request.key == "master" else request.key))
        body = None
        if request.body is not None:
            body = request.body if isinstance(request.body, bytes) else json.dumps(request.body).encode()
            headers.setdefault("Content-Type", "application/json")
        if headers.get("Content-Type") == "":
            del headers["Content-Type"]
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(request.method, request.path, body, headers)
            reply = connection.getresponse()
            text, complete = read_all(reply)
        except (OSError, http.client.HTTPException) as error:
            return {"status": 0, "broken": type(error).__name__}
        finally:
            connection.close()
        kind = (reply.getheader("content-type") or "").split(";")[0]
        answer = {"status": reply.status, "complete": complete, "headers": reply_headers(reply)}
        if kind == "text/event-stream":
            answer["stream"] = read_stream(text)
        else:
            answer["body"] = settled(parsed(text))
            if isinstance(answer["body"], dict):
                split_message(answer["body"].get("error"))
        return answer


def end(process):
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
