"""Compose files of the tests: the example's image under other commands and settings."""

from __future__ import annotations

# Two routed services with replicas, a worker and a Valkey: the example itself, with a short drain.
SHOP = """
name: ${SHOP_NAME}
x-bluegreen:
  services:
    web: {port: 8000}
    api: {port: 9000, path: /api, health: {path: /api/health, interval: 100ms, successes: 2}}
  jobs: [worker]
  health: {path: /health, expect: {json: {ok: true}}, interval: 100ms, successes: 2, timeout: "${HEALTH_TIMEOUT:-40s}"}
  listen: "${SHOP_LISTEN}"
  preview: "${SHOP_PREVIEW}"
  drain: ${DRAIN:-8s}
  proxy: {image: "${NGINX_IMAGE}"}
x-app: &app
  profiles: [release]
  build: {context: "${EXAMPLE}", args: {PYTHON_IMAGE: "${PYTHON_IMAGE}"}}
  image: ${SHOP_IMAGE}:${TAG:-dev}
  environment: {VALKEY_URL: "redis://valkey:6379/0", GREETING: "${GREETING:-Hello}"}
  depends_on: [valkey]
  init: true
  restart: always
services:
  web:
    <<: *app
    command: [uvicorn, "app.web:app", --host, 0.0.0.0, --port, "8000", --no-access-log]
    deploy: {replicas: "${REPLICAS:-1}"}
  api:
    <<: *app
    command: [uvicorn, "app.api:app", --host, 0.0.0.0, --port, "9000", --no-access-log]
    deploy: {replicas: "${REPLICAS:-1}"}
  worker: {<<: *app, command: [python, -m, app.worker]}
  valkey: {image: "${VALKEY_IMAGE}"}
"""

# One service, no others: starts in a second. COMMAND is what web runs.
LEAN = """
name: ${SHOP_NAME}
x-bluegreen:
  service: web
  port: 8000
  health: {path: "${HEALTH_PATH:-/health}", interval: 100ms, successes: 2, timeout: "${HEALTH_TIMEOUT:-20s}"}
  listen: "${SHOP_LISTEN}"
  preview: "${SHOP_PREVIEW}"
  drain: 2s
  proxy: {image: "${PROXY_IMAGE:-${NGINX_IMAGE}}"}
services:
  web:
    profiles: [release]
    image: ${WEB_IMAGE:-${PYTHON_IMAGE}}
    init: true
    command: [python3, /srv/server.py, "${BEHAVIOUR:-well}"]
    environment: {GREETING: "${GREETING:-Hello}"}
    volumes: ["./server.py:/srv/server.py:ro"]
    stop_grace_period: 1s
    deploy: {replicas: "${REPLICAS:-1}"}
"""

# A server of the standard library whose faults are chosen by its argument.
SERVER = """
import json, os, random, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

behaviour = sys.argv[1] if len(sys.argv) > 1 else "well"
COLOR = {"color": os.environ.get("BLUEGREEN_COLOR"), "release": os.environ.get("BLUEGREEN_RELEASE")}

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if behaviour == "aborts" and self.path != "/health" and random.random() < 0.01:
            self.connection.close()
            self.close_connection = True
            self.wfile = open(os.devnull, "wb")
            return
        if self.path == "/eat":
            return [b"x" * (300 << 20)]  # more than a small limit of memory
        if self.path.startswith("/chunked"):
            return self.chunked()
        if self.path == "/abort":
            return self.abort()
        if self.path.startswith("/say/"):  # /say/NAME/VALUE: an answer with this header
            self.send_response(200)
            self.send_header(*self.path.split("/", 3)[2:])
            self.send_header("Content-Length", "4")
            self.end_headers()
            return self.wfile.write(b"said")
        body = {**COLOR, "greeting": os.environ.get("GREETING"), "path": self.path}
        if self.path == "/health":
            body = {"ok": True}
        status = 200
        if self.path == "/health" and behaviour == "sick":
            status, body = 503, {"ok": False}
        if self.path == "/health" and behaviour == "wrong":
            body = {"ok": "no"}
        if self.path == "/headers":
            body = [[name.lower(), value] for name, value in self.headers.items()]
        self.answer(status, json.dumps(body).encode())

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        self.rfile.read(length)
        if self.path == "/abort":
            return self.abort()
        self.answer(200, json.dumps({**COLOR, "bytes": length}).encode())

    do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_POST

    def abort(self):
        print("aborted", self.command, flush=True)
        self.connection.close()
        self.close_connection = True
        self.wfile = open(os.devnull, "wb")

    def chunked(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(4):
            part = f"part {number}\\n".encode()
            self.wfile.write(f"{len(part):x}\\r\\n".encode() + part + b"\\r\\n")
            self.wfile.flush()
            time.sleep(0.4)
        self.wfile.write(b"0\\r\\n\\r\\n")

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self._headers_buffer += [b"\\r\\n", body]  # one write: a kill between two cuts an answer
        self.flush_headers()

    def log_message(self, *arguments):
        pass

class Server(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True

if behaviour == "crash":
    print("no database, giving up", flush=True)
    time.sleep(0.3)
    sys.exit(7)
print("serving as", COLOR, behaviour, flush=True)
Server(("0.0.0.0", 9999 if behaviour == "elsewhere" else 8000), Handler).serve_forever()
"""
