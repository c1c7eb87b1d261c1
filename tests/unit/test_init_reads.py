"""What `init` reads: health checks in all spellings, proxies, routes, migrations, SQLite, Dockerfiles, applications."""

from __future__ import annotations

from typing import Any

import pytest

from bluegreen.features.init import (
    applications,
    dockerfile,
    kinds,
    labels,
    migrations,
    pairs,
    proxied,
    pythons,
    routes,
    sqlite,
)
from bluegreen.features.init.health import asked
from bluegreen.features.init.layout import find_layout, missing
from bluegreen.features.init.passes import Passed
from bluegreen.features.init.routes_js import listens
from bluegreen.features.init.scaffold import kept_out, scaffold


@pytest.mark.parametrize(
    ("test", "port", "path"),
    [
        (["CMD", "curl", "-f", "http://localhost:8000/up"], 8000, "/up"),
        (["CMD-SHELL", "curl -fsS localhost:8000/up || exit 1"], 8000, "/up"),
        ("curl --silent --fail 127.0.0.1:8000/up?full=1 >/dev/null", 8000, "/up"),
        ("curl -f localhost || exit 1", 80, "/"),
        ("wget --no-verbose --tries=1 --spider http://0.0.0.0:3000/ok/ || exit 1", 3000, "/ok/"),
        (["CMD", "wget", "-qO-", "http://[::1]:3000/ok"], 3000, "/ok"),
        (["CMD", "python", "-c", "import urllib.request;urllib.request.urlopen('http://localhost:80/a')"], 80, "/a"),
        (["CMD", "python", "-c", 'import requests; requests.get("http://web:9000/a").raise_for_status()'], 9000, "/a"),
        (
            [
                "CMD",
                "python",
                "-c",
                "import http.client as h; c=h.HTTPConnection('localhost',81); c.request('GET','/b')",
            ],
            81,
            "/b",
        ),
        (
            ["CMD", "node", "-e", "require('http').get('http://localhost:3000/c', r => process.exit(r.statusCode))"],
            3000,
            "/c",
        ),
        (["CMD", "node", "-e", "require('http').get({host: 'localhost', port: 3001, path: '/d'})"], 3001, "/d"),
        ("curl -f http://localhost:$PORT/e", 7000, "/e"),
        ("curl -f http://localhost:${PORT}/e", 7000, "/e"),
        ("curl -f http://localhost:${OTHER:-7001}/e", 7001, "/e"),
        ("curl -f http://$HOSTNAME:7002/e", 7002, "/e"),
        ("curl -k https://localhost:8443/f", 8443, "/f"),
        ("curl -k https://localhost/f", 443, "/f"),
        (["CMD", "node", "-e", "fetch('http://localhost:'+(process.env.OTHER||3011)+'/x').then(f)"], 3011, "/x"),
        (["CMD", "node", "-e", "fetch(`http://localhost:${process.env.PORT || 3011}/x`)"], 7000, "/x"),
        (["CMD", "python", "-c", "urlopen('http://localhost:' + os.environ.get('OTHER', '8000') + '/x')"], 8000, "/x"),
        ("nc -z localhost 9000", 9000, None),
        ("bash -c '</dev/tcp/localhost/9001'", 9001, None),
        ("pg_isready -h localhost", None, None),
        (["NONE"], None, None),
        ("/app/check.sh", None, None),
        ("redis-cli -h localhost ping", None, None),
        (["CMD", "curl", "-f", "http://other:1/x"], None, None),
    ],
)
def test_a_health_check_in_all_its_spellings(test: Any, port: int | None, path: str | None) -> None:
    assert asked({"healthcheck": {"test": test}, "environment": {"PORT": "7000"}}, "web") == (port, path)


@pytest.mark.parametrize(
    ("text", "own", "passed"),
    [
        ("server { listen 80; location / { proxy_pass http://web:8000; } }", (), [Passed("web", 8000)]),
        (
            "upstream a { server web:1; server api:2 backup; } server { location / { proxy_pass http://a/; } }",
            (),
            [Passed("web", 1), Passed("api", 2)],
        ),
        ("server { listen 443 ssl; location / { proxy_pass http://web; } }", ("TLS",), [Passed("web", 80)]),
        (
            "server { location /s/ { alias /s/; } location / { proxy_pass http://web:1; } }",
            ("static files",),
            [Passed("web", 1)],
        ),
        (
            "server { location /api/ { proxy_pass http://api:2/; } location /v1 { proxy_pass http://api:2/v1; } }",
            (),
            [Passed("api", 2, "/api", None, True), Passed("api", 2, "/v1")],
        ),
        (
            "server { server_name a.example; location ~ ^/api { proxy_pass http://api:2; } }",
            (),
            [Passed("api", 2, "/api", "a.example")],
        ),
        (
            "server { set $b http://web:3; location / { proxy_pass $b; } } # proxy_pass http://api:9;",
            (),
            [Passed("web", 3)],
        ),
        (
            "server { auth_basic off; location / { auth_basic 'x'; proxy_pass http://web:1; } }",
            ("passwords",),
            [Passed("web", 1)],
        ),
        (
            "server { location / { add_header X-Frame-Options DENY; proxy_pass http://web:1; } }",
            ("headers of its own",),
            [Passed("web", 1)],
        ),
        (
            "server { location / { add_header X-App-Pool blue; proxy_pass http://web:1; } "
            "location = /50x.html { root /h; } }",
            (),
            [Passed("web", 1)],
        ),
        ("server { return 301 https://$host$request_uri; }", ("TLS",), []),
        ("server { location / { proxy_pass http://elsewhere.example; } ", (), []),
    ],
)
def test_what_an_nginx_does(text: str, own: tuple[str, ...], passed: list[Passed]) -> None:
    _does({"image": "nginx", "volumes": [_mount("/p/site.conf")]}, {"/p/site.conf": text}, own, passed)


@pytest.mark.parametrize(
    ("text", "own", "passed"),
    [
        (":80 {\n  reverse_proxy web:8000\n}\n", (), [Passed("web", 8000)]),
        ("shop.example\nreverse_proxy web:8000\n", ("TLS",), [Passed("web", 8000, "/", "shop.example")]),
        ("http://shop.example {\n  reverse_proxy web:1\n}\n", (), [Passed("web", 1)]),
        (
            ":80 {\n  handle_path /api/* {\n    reverse_proxy api:2\n  }\n  reverse_proxy "
            "/v1/* api:2\n  reverse_proxy web:1\n}\n",
            (),
            [Passed("api", 2, "/api", None, True), Passed("api", 2, "/v1"), Passed("web", 1)],
        ),
        (
            "{\n  email a@b.example\n}\n:80 {\n  root * /srv\n  file_server\n  @a path "
            "/api/*\n  reverse_proxy @a api:2\n}\n",
            ("static files",),
            [Passed("api", 2, "/api")],
        ),
        (
            "{$SITE:localhost} {\n  basic_auth {\n    me x\n  }\n  reverse_proxy http://web:1\n}\n",
            ("passwords", "TLS"),
            [Passed("web", 1)],
        ),
    ],
)
def test_what_a_caddy_does(text: str, own: tuple[str, ...], passed: list[Passed]) -> None:
    _does({"image": "caddy:2", "volumes": [_mount("/p/Caddyfile")]}, {"/p/Caddyfile": text}, own, passed)


def test_what_other_proxies_do() -> None:
    haproxy = "frontend f\n  bind :80\n  acl a path_beg /api\n  use_backend api if a\n  default_backend web\n"
    haproxy += "backend web\n  server w web:1\nbackend api\n  server a api:2\n"
    config = {"/p/haproxy.cfg": haproxy}
    _does(
        {"image": "haproxy", "volumes": [_mount("/p/haproxy.cfg")]},
        config,
        (),
        [Passed("api", 2, "/api"), Passed("web", 1)],
    )
    apache = "ProxyPass /api http://api:2/\nProxyPass / http://web:1/\nSSLEngine on\n"
    _does(
        {"image": "httpd", "volumes": [_mount("/p/a.conf")]},
        {"/p/a.conf": apache},
        ("TLS",),
        [Passed("api", 2, "/api", None, True), Passed("web", 1)],
    )
    _does({"image": "caddy", "command": "caddy reverse-proxy --from :80 --to web:3"}, {}, (), [Passed("web", 3)])
    _does({"image": "nginx", "volumes": [_mount("/p/gone.conf")]}, {}, ("what its own configuration says",), [])
    _does({"image": "nginx", "ports": [{"target": 443, "published": "443"}]}, {}, ("TLS",), [])
    _does(
        {"image": "nginx", "volumes": [{"type": "volume", "source": "s", "target": "/app/static"}]},
        {},
        ("static files",),
        [],
    )


def _mount(source: str) -> dict[str, str]:
    return {"type": "bind", "source": source, "target": "/etc/nginx/conf.d/default.conf"}


def _does(proxy: Any, files: dict[str, str], own: tuple[str, ...], passed: list[Passed]) -> None:
    found = proxied.does("proxy", {"proxy": proxy, "web": {}, "api": {}}, files)
    assert (found.own, list(found.passed)) == (own, passed)


@pytest.mark.parametrize(
    ("rule", "hosts", "path"),
    [
        ("Host(`a`, `b`)", ("a", "b"), "/"),
        ("Host(`a`) || Host(`b`)", ("a", "b"), "/"),
        ('Host("A.example")', ("a.example",), "/"),
        ("Host(`a`) && PathPrefix(`/api/`)", ("a",), "/api"),
        ("Host(`a`) && Path(`/x`)", ("a",), "/x"),
        ("HostRegexp(`^.+$`)", (), "/"),
        ("Host:a,b;PathPrefix:/v1", ("a", "b"), "/v1"),
    ],
)
def test_rules_of_traefik(rule: str, hosts: tuple[str, ...], path: str) -> None:
    found = labels.read({"labels": {"traefik.http.routers.r.rule": rule, "traefik.http.routers.r.tls": "true"}})
    assert found is not None
    assert (found.hosts, found.path, found.tls) == (hosts, path, True)
    assert labels.read({"labels": {"traefik.enable": "false", "traefik.http.routers.r.rule": rule}}) is None


@pytest.mark.parametrize(
    ("files", "path"),
    [
        ({"main.py": "app = FastAPI()\n@app.get('/healthz')\n"}, "/healthz"),
        (
            {
                "main.py": "app = FastAPI()\napp.include_router(r.router, prefix='/v1')\n",
                "r.py": "router = APIRouter(prefix='/x')\n@router.get('/health')\n",
            },
            "/v1/x/health",
        ),
        (
            {
                "main.py": "from a.api import api_router\napp = FastAPI()\napp.include_router(api_router, "
                "prefix=settings.API)\n",
                "a/api.py": "from a.routes import utils\napi_router = APIRouter()\n"
                "api_router.include_router(utils.router)\n",
                "a/routes/utils.py": "router = APIRouter(prefix='/utils')\n@router.get('/health-check/')\n",
                "a/config.py": "class S:\n    API: str = '/api/v1'\n",
            },
            "/api/v1/utils/health-check/",
        ),
        (
            {
                "main.py": "app = FastAPI()\napp.include_router(x.router, prefix=computed())\n",
                "x.py": "router = APIRouter()\n@router.get('/health')\n",
            },
            "/openapi.json",
        ),
        (
            {
                "app.py": "app = Flask(__name__)\napp.register_blueprint(bp, url_prefix='/api')\nbp = "
                "Blueprint('a', __name__)\n"
                "@bp.route('/ping', methods=['GET'])\n@bp.route('/status', methods=['POST'])\n"
            },
            "/api/ping",
        ),
        (
            {
                "shop/urls.py": "path('admin/', admin.site.urls), path('api/', include('api.urls')), "
                "path('x/<int:a>', v)",
                "api/urls.py": "path('v1/', include('api.v1.urls'))",
                "api/v1/urls.py": "path('status/', s)",
            },
            "/api/v1/status/",
        ),
        ({"shop/urls.py": "path('admin/', admin.site.urls)"}, "/admin/login/"),
        ({"shop/urls.py": "re_path(r'^health/$', h), path('ht/', include('health_check.urls'))"}, "/ht/"),
        ({"config/routes.rb": "get 'up' => 'rails/health#show'\nnamespace :admin do\n  get 'ping'\nend\n"}, "/up"),
        ({"main.go": 'mux.HandleFunc("GET /livez", ok)'}, "/livez"),
        (
            {
                "src/health.controller.ts": "@Controller('health')\nclass A {\n  @Get()\n  check() {}\n}\n",
                "src/main.ts": "app.setGlobalPrefix('api')",
            },
            "/api/health",
        ),
        (
            {
                "i.js": "app.use('/a', require('./routes/up'))\n",
                "routes/up.js": "router.get('/', f)\nrouter.get('/ping', f)",
            },
            "/a/ping",
        ),
        ({"i.js": "const app = express()\napp.get('/', f)\n"}, "/"),
        ({"i.js": "other.get('/health', f)"}, None),
        ({"pages/api/health.ts": ""}, "/api/health"),
        ({"build.gradle": "spring-boot-starter-actuator"}, "/actuator/health"),
        ({"x.py": "requests.get('/health')"}, None),
    ],
)
def test_the_health_path_is_a_route_that_can_be_followed(files: dict[str, str], path: str | None) -> None:
    found = routes.health(files)
    assert (found[0] if found else None) == path


@pytest.mark.parametrize(
    ("command", "migrates"),
    [
        ("sh -c 'alembic upgrade head && uvicorn a:b'", ["alembic", "upgrade", "head"]),
        (
            'bash -c "poetry run alembic -c db/alembic.ini upgrade heads; gunicorn a"',
            ["poetry", "run", "alembic", "-c", "db/alembic.ini", "upgrade", "heads"],
        ),
        (
            "sh -c 'python3 app/manage.py migrate --noinput&&gunicorn a'",
            ["python3", "app/manage.py", "migrate", "--noinput"],
        ),
        ("sh -c 'bundle exec rails db:prepare && rails s'", ["bundle", "exec", "rails", "db:prepare"]),
        ("sh -c 'flask --app shop db upgrade; flask run'", ["flask", "--app", "shop", "db", "upgrade"]),
        ("npm run start", None),
        ("python manage.py runserver", None),
        ("echo alembic", None),
        ("sh -c 'npx prisma migrate deploy && node .'", ["npx", "prisma", "migrate", "deploy"]),
        ("sh -c 'npm run migrate:prod && npm start'", ["npm", "run", "migrate:prod"]),
        ("sh -c 'php artisan migrate --force && php-fpm'", ["php", "artisan", "migrate", "--force"]),
    ],
)
def test_a_migration_in_the_command_of_the_service(command: str, migrates: list[str] | None) -> None:
    found = migrations.find({"web": {"image": "a", "command": command}}, ["web"], {}, "/p")
    assert (found.block if found else None) == ({"service": "web", "command": migrates} if migrates else None)
    assert not found or "Remove it from the command of web" in found.advice


@pytest.mark.parametrize(
    ("files", "migrates", "why"),
    [
        (
            {"/p/Procfile": "web: x\nrelease: python manage.py migrate && echo ok\n"},
            ["sh", "-c", "python manage.py migrate && echo ok"],
            "release: of the Procfile",
        ),
        (
            {"/p/fly.toml": "[deploy]\nrelease_command = 'bin/migrate up'\n"},
            ["bin/migrate", "up"],
            "release_command of fly.toml",
        ),
        ({"/p/fly.toml": "[deploy"}, None, ""),
        (
            {"/p/render.yaml": "    preDeployCommand: alembic upgrade head\n"},
            ["alembic", "upgrade", "head"],
            "preDeployCommand of render.yaml",
        ),
        (
            {"/p/deep/down/alembic.ini": ""},
            ["alembic", "-c", "deep/down/alembic.ini", "upgrade", "head"],
            "deep/down/alembic.ini is there",
        ),
        (
            {"/p/manage.py": "import django"},
            ["python", "manage.py", "migrate", "--noinput"],
            "manage.py is there: Django",
        ),
        ({"/p/manage.py": "import flask"}, None, ""),
        ({"/elsewhere/alembic.ini": ""}, None, ""),
        (
            {"/p/prisma/migrations/1/migration.sql": ""},
            ["npx", "prisma", "migrate", "deploy"],
            "prisma/migrations is there",
        ),
        (
            {
                "/p/Dockerfile": 'FROM a\nENTRYPOINT ["/start.sh"]\n',
                "/p/start.sh": "set -e\nuv run alembic upgrade head\nexec uvicorn",
            },
            ["uv", "run", "alembic", "upgrade", "head"],
            "start.sh does it at each start today",
        ),
    ],
)
def test_a_migration_by_what_lies_beside(files: dict[str, str], migrates: list[str] | None, why: str) -> None:
    found = migrations.find({"web": {"build": {"context": "/p"}}}, ["web"], files, "/p")
    assert (found.block if found else None) == ({"service": "web", "command": migrates} if migrates else None)
    assert (found.why if found else "") == why


def test_pairs_are_told_from_what_merely_looks_so() -> None:
    def found(**services: Any) -> dict[str, tuple[str, ...]]:
        return {
            it.name: it.members for it in pairs.find({name.replace("__", "-"): it for name, it in services.items()})
        }

    one, other = {"image": "a:1", "command": "run 1"}, {"image": "a:2", "command": "run 2"}
    assert found(web__blue=one, web__green={"image": "b"}) == {"web": ("web-blue", "web-green")}
    assert found(blue=one, green=other) == {"web": ("blue", "green")}
    assert found(blue_web=one, green_web=other) == {"web": ("blue_web", "green_web")}
    assert found(api_1=one, api_2=other, api_3=one) == {"api": ("api_1", "api_2", "api_3")}
    assert found(app1=one, app2=other) == {"app": ("app1", "app2")}
    assert found(web=one, web__green=other) == {"web": ("web", "web-green")}
    assert found(web=one, web__green={"image": "b"}) == {}
    assert found(api_1=one, api_2={"image": "b"}) == found(s3=one, s4={"image": "b"}) == {}
    assert found(db__blue={"image": "postgres"}, db__green={"image": "postgres"}) == {}
    assert found(nginx__blue={"image": "nginx"}, nginx__green={"image": "nginx"}) == {}
    assert (
        found(worker_1={"image": "a", "command": "celery worker"}, worker_2={"image": "a", "command": "celery worker"})
        == {}
    )
    assert found(a=one, b=other) == {}


@pytest.mark.parametrize(
    ("name", "service", "other"),
    [
        ("mail", {"image": "namshi/smtp"}, True),
        ("x", {"image": "mher/flower:2"}, True),
        ("x", {"image": "localstack/localstack"}, True),
        ("x", {"image": "a", "command": "celery -A a flower"}, True),
        ("smtp", {"build": {"context": "."}}, True),
        ("postgres", {"build": {"context": "."}, "image": "shop_production_postgres"}, True),
        ("x", {"image": "me/signats"}, False),
        ("api-db", {"image": "x"}, True),
        ("x", {"image": "dpage/pgadmin4"}, True),
        ("x", {"image": "minio/mc"}, True),
        ("x", {"image": "me/shop"}, False),
        ("mail", {"build": {"context": "."}, "ports": [{"target": 8000}]}, False),
        ("x", {"image": "mcr.example/mc-shop"}, False),
        ("x", {"image": "adminer@sha256:1"}, True),
    ],
)
def test_what_is_never_routed(name: str, service: Any, other: bool) -> None:
    assert kinds.is_other(name, service) is other


@pytest.mark.parametrize(
    ("targets", "http"),
    [
        ([5678, 8000], [8000]),
        ([5678], [5678]),
        ([25, 587], []),
        ([25, 80], [80]),
        ([9229, 3000, 5432], [3000]),
        ([], []),
    ],
)
def test_the_ports_that_may_speak_http(targets: list[int], http: list[int]) -> None:
    assert kinds.http_ports({"ports": [{"target": it} for it in targets] + [{"target": 53, "protocol": "udp"}]}) == http


def test_a_gateway_that_is_built_here_is_an_application_unless_its_dockerfile_says_nginx() -> None:
    gateway = {"build": {"context": "."}}
    assert kinds.is_proxy("gateway", gateway)
    assert not kinds.is_proxy("gateway", {**gateway, kinds.BASE: "node:22"})
    assert kinds.is_proxy("gateway", {**gateway, kinds.BASE: "nginx:1"})
    assert kinds.is_proxy("x", {"image": "lucaslorentz/caddy-docker-proxy"})
    assert not kinds.is_proxy("web", {**gateway, "image": "nginx"})


@pytest.mark.parametrize(
    ("lines", "path", "inside"),
    [
        ("WORKDIR /app/src\nCOPY . ..", "src/manage.py", "manage.py"),
        ("WORKDIR /app\nCOPY . .", "src/manage.py", "src/manage.py"),
        ("WORKDIR /app\nCOPY ./backend /app", "backend/alembic.ini", "alembic.ini"),
        ("WORKDIR /app\nCOPY backend/alembic.ini /app/", "backend/alembic.ini", "alembic.ini"),
        ("WORKDIR /srv\nCOPY a b /code/", "a/manage.py", "/code/manage.py"),
        ("WORKDIR /srv", "a/manage.py", "a/manage.py"),
        ("COPY . /app", "manage.py", "manage.py"),
        ("ENV H=/a\nWORKDIR $H\nCOPY . $H", "b/manage.py", "b/manage.py"),
        ("ARG H\nWORKDIR $H\nCOPY . $H", "b/manage.py", "b/manage.py"),
    ],
)
def test_where_a_file_is_in_the_container(lines: str, path: str, inside: str) -> None:
    assert dockerfile.path_in(dockerfile.read(f"FROM a\n{lines}\n"), path) == inside


def test_a_dockerfile() -> None:
    text = """
    FROM python:3.13 AS base
    ENV PORT=9000
    EXPOSE ${PORT} 53/udp
    FROM node AS assets
    EXPOSE 1
    FROM base
    COPY . .
    HEALTHCHECK --interval=5s --timeout=2s \\
        CMD curl -f http://localhost:${PORT}/up || exit 1
    ENTRYPOINT ["gunicorn"]
    CMD ["-b", "0.0.0.0:9001", "a:b"]
    """
    found = dockerfile.read(text)
    assert (found.base, found.exposed, found.health) == ("python:3.13", (9000,), (9000, "/up"))
    assert dockerfile.command_port(found.command) == 9001
    assert dockerfile.read(text, "assets").base == "node"
    assert dockerfile.read("").base == dockerfile.read("RUN x").base == ""
    assert dockerfile.default_port({"command": "flask run"}, dockerfile.read(""))[0] == 5000
    assert dockerfile.default_port({}, dockerfile.read("FROM nginx:1"))[0] == 80


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("app.listen(3000)", 3000),
        ("const PORT = process.env.PORT || 4000;", 4000),
        ("server.listen({ port: 81 })", 81),
        ("const port = 5000", 5000),
        ("app.listen(port)", None),
    ],
)
def test_where_javascript_listens(text: str, port: int | None) -> None:
    assert listens({"a.js": text}) == port


@pytest.mark.parametrize(
    ("files", "file", "variable", "value"),
    [
        (
            {"a.py": "url = os.getenv('DATABASE_URL', 'sqlite:///./shop.db')"},
            "./shop.db",
            "DATABASE_URL",
            "sqlite:////data/shop.db",
        ),
        (
            {"a.py": "class Settings(BaseSettings):\n    db_url: str = 'sqlite+aiosqlite:///x/a.db'\n"},
            "x/a.db",
            "DB_URL",
            "sqlite+aiosqlite:////data/a.db",
        ),
        ({"a.py": "engine = create_engine('sqlite:///a.db')"}, "a.db", "", ""),
        ({"a.py": "sqlite3.connect('b.db')"}, "b.db", "", ""),
        ({"s.py": "'ENGINE': 'django.db.backends.sqlite3'"}, "db.sqlite3", "", ""),
    ],
)
def test_an_sqlite_file_is_found_and_moved_where_a_volume_is(
    files: dict[str, str], file: str, variable: str, value: str
) -> None:
    found = sqlite.find(files)
    assert found is not None
    assert (found.file, found.variable, found.value) == (file, variable, value)
    assert bool(found.advice) == (not variable)
    assert sqlite.find({"a.py": "os.getenv('X', 'sqlite:///:memory:')"}) is None
    assert sqlite.find({"a.txt": "sqlite:///a.db"}) is None


@pytest.mark.parametrize(
    ("said", "python"),
    [
        ("^3.11", "3.13"),
        ("~3.11", "3.11"),
        ("3.12.*", "3.12"),
        ("3.11.4", "3.11.4"),
        ("==3.12.1", "3.12.1"),
        (">=3.10,<3.12", "3.11"),
        ("~=3.11", "3.13"),
        ("<3.12 || >=3.14", "3.11"),
        (">3.12", "3.13"),
        ("!=3.13", "3.12"),
        ("*", "3.13"),
        ("3.10", "3.10"),
    ],
)
def test_the_python_that_a_project_allows(said: str, python: str) -> None:
    found = {"tool": {"poetry": {"dependencies": {"python": said}}}}
    assert pythons.version({}, found)[0] == python


@pytest.mark.parametrize(
    ("files", "app", "factory", "server"),
    [
        (
            {
                "main.py": "from fastapi import FastAPI\ndef create_app(debug=False):\n    app = "
                "FastAPI()\n    return app\n"
            },
            "main:create_app",
            True,
            "uvicorn",
        ),
        (
            {
                "main.py": "from shop import make\napp = make()\n",
                "shop/__init__.py": "def make():\n    return FastAPI()\n",
            },
            "main:app",
            False,
            "uvicorn",
        ),
        ({"app.py": "from flask import Flask\napp = Flask(__name__)\n"}, "app:app", False, "gunicorn"),
        (
            {"shop/__init__.py": "def create_app(config=None):\n    app = Flask(__name__)\n\n    return app\n"},
            "shop:create_app",
            True,
            "gunicorn",
        ),
        (
            {"manage.py": "import django", "config/wsgi.py": "application = get_wsgi_application()"},
            "config.wsgi:application",
            False,
            "gunicorn",
        ),
        ({"main.py": "app = Starlette(routes=[])\n"}, "main:app", False, "uvicorn"),
    ],
)
def test_applications_of_every_kind_are_welcome(files: dict[str, str], app: str, factory: bool, server: str) -> None:
    found = find_layout({**files, "requirements.txt": "x"})
    assert found is not None
    assert (found.app, found.factory, found.server, found.needs_server) == (app, factory, server, True)
    written, _ = scaffold(found, "shop", {})
    assert f'CMD ["{server}", "{app}{"()" if factory and server == "gunicorn" else ""}"' in written["Dockerfile"]
    lacks = missing(files)
    assert lacks is not None
    assert server in lacks.command
    assert find_layout(files) is None


def test_a_dockerfile_of_their_own_is_respected() -> None:
    files = {
        "Dockerfile": "FROM node\nEXPOSE 4000\nCMD node .\n",
        "i.js": "const app = express()\napp.get('/health', f)\n",
    }
    found = find_layout(files)
    assert found is not None
    assert (found.port, found.health, found.app) == (4000, "/health", "")
    written, advice = scaffold(found, "shop", files)
    assert "port: 4000\n" in written["compose.yaml"]
    assert "PYTHON_IMAGE" not in written["compose.yaml"]
    assert "Dockerfile" not in written
    assert "Dockerfile exists already and stays as it is." in advice
    python = find_layout(
        {"Dockerfile": 'FROM python\nCMD ["uvicorn", "m:app", "--port", "81"]', "m.py": "app = FastAPI()"}
    )
    assert python is not None
    assert (python.port, python.health) == (81, "/openapi.json")
    assert missing({"x.py": ""}) is None
    assert find_layout({"x.py": ""}) is None


def test_an_sqlite_project_gets_a_volume() -> None:
    found = find_layout({"main.py": "app = FastAPI()\nu = os.getenv('DB', 'sqlite:///a.db')\n", "requirements.txt": ""})
    assert found is not None
    written, _ = scaffold(found, "shop", {})
    assert 'environment: {DB: "${DB:-sqlite:////data/a.db}"}' in written["compose.yaml"]
    assert 'volumes: ["data:/data"]' in written["compose.yaml"]
    assert "install -d -o nobody -m 755 /data" in written["Dockerfile"]


@pytest.mark.parametrize(
    ("text", "lacks"),
    [("*.pyc\n", [".env", ".git"]), ("/.env*\n.git/\n", []), ("**/.env\n", [".git"]), (".*\n", []), (None, [])],
)
def test_a_dockerignore_without_env(text: str | None, lacks: list[str]) -> None:
    assert kept_out({} if text is None else {".dockerignore": text}) == lacks


def test_an_application_that_needs_an_argument_is_no_factory() -> None:
    text = "def create_app(config):\n    return FastAPI()\ndef _hidden():\n    return FastAPI()\n"
    assert applications.find({"a.py": text}) == []
