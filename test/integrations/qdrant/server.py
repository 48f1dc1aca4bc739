"""Qdrant's REST API, as far as a cache needs it, before the engine of Qdrant's own client in local mode.

It is strict: a route that it does not have is a 404 without a body, as the server's own; a body is read by the models of
Qdrant's client, which refuse fields that Qdrant does not have; vectors of another size, collections that are there or are
not, and keys are refused as the server does.

    server.py --port PORT --path FOLDER [--api-key KEY] [--age new|old]

--age new has no POST /points/search (deprecated, gone from the published API of 1.19); old has no POST /points/query
(before 1.10).
"""

import argparse
import json
import re
import signal
import sys
import threading
import time
import urllib.parse
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pydantic import TypeAdapter, ValidationError
from qdrant_client import QdrantClient
from qdrant_client.http import models

warnings.filterwarnings("ignore")  # local mode has no payload indexes, and says so

LARGEST = 32 << 20  # the server's own bound of a request, in bytes


class Refused(Exception):
    def __init__(self, status, text=None):
        self.status, self.text = status, text


def parse(model, body):
    try:
        return TypeAdapter(model).validate_python(body)
    except ValidationError as error:
        raise Refused(400, f"Format error in JSON body: {error.errors()[0]['msg']} at {error.errors()[0]['loc']}") from None


class Collections:
    """The engine, and what local mode does not check or remember."""

    def __init__(self, path):
        self.client = QdrantClient(path=path, force_disable_check_same_thread=True)
        self.lock = threading.Lock()  # local mode is for one thread
        self.operation = 0

    def size(self, name):
        if not self.client.collection_exists(name):
            raise Refused(404, f"Not found: Collection `{name}` doesn't exist!")
        return self.client.get_collection(name).config.params.vectors.size

    def check(self, name, vector):
        size = self.size(name)
        if len(vector) != size:
            raise Refused(400, f"Wrong input: Vector dimension error: expected dim: {size}, got {len(vector)}")

    def done(self):
        self.operation += 1
        return {"operation_id": self.operation, "status": "completed"}

    def exists(self, name, _body):
        return {"exists": self.client.collection_exists(name)}

    def describe(self, name, _body):
        self.size(name)
        info = self.client.get_collection(name)
        return json.loads(info.model_dump_json())

    def create(self, name, body):
        request = parse(models.CreateCollection, body)
        if self.client.collection_exists(name):
            raise Refused(409, f"Wrong input: Collection `{name}` already exists!")
        if request.vectors is None or request.vectors.size < 1:
            raise Refused(422, "Validation error in JSON body: [vectors.size: value 0 invalid, must be 1 or larger]")
        return self.client.create_collection(name, vectors_config=request.vectors, quantization_config=request.quantization_config)

    def drop(self, name, _body):
        return self.client.delete_collection(name)

    def index(self, name, body):
        request = parse(models.CreateFieldIndex, body)
        self.size(name)
        self.client.create_payload_index(name, request.field_name, request.field_schema)
        return self.done()

    def upsert(self, name, body):
        request = parse(models.PointsList, body)
        if not request.points:
            raise Refused(400, "Bad request: Empty update request")
        for point in request.points:
            self.check(name, point.vector)
            if isinstance(point.id, str) and not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", point.id):
                raise Refused(400, f"Format error in JSON body: value {point.id} is not a valid point ID, valid values are either an unsigned integer or a UUID")
        self.client.upsert(name, request.points)
        return self.done()

    def query(self, name, body):
        request = parse(models.QueryRequest, body)
        return {"points": self.search_points(name, request.query, request)}

    def search(self, name, body):
        body = dict(body)
        vector = body.pop("vector", None)
        if not isinstance(vector, list):
            raise Refused(400, "Format error in JSON body: missing field `vector`")
        return self.search_points(name, vector, parse(models.QueryRequest, body))

    def search_points(self, name, vector, request):
        self.check(name, vector)
        found = self.client.query_points(
            name, query=vector, query_filter=request.filter, search_params=request.params, limit=request.limit or 10,
            with_payload=bool(request.with_payload), score_threshold=request.score_threshold,
        )
        return [json.loads(point.model_dump_json(include={"id", "version", "score", "payload"})) for point in found.points]

    def delete(self, name, body):
        if ("points" in body) == ("filter" in body):
            raise Refused(400, "Format error in JSON body: data did not match any variant of untagged enum PointsSelector")
        request = parse(models.PointIdsList if "points" in body else models.FilterSelector, body)
        self.size(name)
        self.client.delete(name, request)
        return self.done()


ROUTES = [
    ("GET", r"/collections/([^/]+)", "describe"),
    ("PUT", r"/collections/([^/]+)", "create"),
    ("DELETE", r"/collections/([^/]+)", "drop"),
    ("GET", r"/collections/([^/]+)/exists", "exists"),
    ("PUT", r"/collections/([^/]+)/index", "index"),
    ("PUT", r"/collections/([^/]+)/points", "upsert"),
    ("POST", r"/collections/([^/]+)/points/delete", "delete"),
]
SEARCHES = {
    "new": ("POST", r"/collections/([^/]+)/points/query", "query"),
    "old": ("POST", r"/collections/([^/]+)/points/search", "search"),
}


def handler(collections, routes, api_key):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def serve(self):
            begun = time.monotonic()
            length = int(self.headers.get("Content-Length") or 0)
            text = self.rfile.read(length)
            try:
                result, status, said = self.answer(text), 200, "ok"
            except Refused as refused:
                if refused.text is None:
                    return self.send(refused.status, b"")
                result, status, said = None, refused.status, {"error": refused.text}
            except Exception as error:  # a bug of this double must fail the test that meets it
                result, status, said = None, 500, {"error": f"Service internal error: {error!r}"}
            envelope = {"result": result, "status": said, "time": time.monotonic() - begun}
            return self.send(status, json.dumps(envelope).encode())

        def answer(self, text):
            if api_key and self.headers.get("api-key") != api_key and self.headers.get("Authorization") != f"Bearer {api_key}":
                raise Refused(401, "Must provide an API key or an Authorization bearer token")
            path, _, query = self.path.partition("?")
            if set(urllib.parse.parse_qs(query)) - {"wait"}:
                raise Refused(400, "this double knows no other parameter than wait")
            for method, pattern, name in routes:
                match = re.fullmatch(pattern, path)
                if match and method == self.command:
                    break
            else:
                raise Refused(404)
            if len(text) > LARGEST:
                raise Refused(413, "A payload reached size limit.")
            body = None
            if method in ("PUT", "POST"):
                if self.headers.get("Content-Type") != "application/json":
                    raise Refused(400, "Content type error")
                try:
                    body = json.loads(text)
                except ValueError as error:
                    raise Refused(400, f"Format error in JSON body: {error}") from None
            with collections.lock:
                return getattr(collections, name)(urllib.parse.unquote(match.group(1)), body)

        def send(self, status, body):
            self.send_response(status)
            if body:
                self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_DELETE = serve

        def log_message(self, *_arguments):
            pass

    return Handler


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--path", required=True)
    arguments.add_argument("--api-key")
    arguments.add_argument("--age", choices=sorted(SEARCHES), default="new")
    chosen = arguments.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    ThreadingHTTPServer.daemon_threads = True
    routes = [*ROUTES, SEARCHES[chosen.age]]
    ThreadingHTTPServer(("127.0.0.1", chosen.port), handler(Collections(chosen.path), routes, chosen.api_key)).serve_forever()


if __name__ == "__main__":
    main()
