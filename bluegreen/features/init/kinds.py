"""What a service of a Compose file is: an application of the project, a store, a tool, a proxy, a worker. Pure.

Its image, its name, its command and its ports say it; a service is what most of these agree on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Service = Mapping[str, Any]
Services = Mapping[str, Service]

# By the last part of an image's name. What keeps data, or watches, or helps a developer, is not released in two colors.
STORES = (
    "postg|pgvector|pgbouncer|pgpool|timescale|mysql|mariadb|percona|mssql|redis|valkey|keydb|dragonfly|memcache|mongo"
    "|rabbitmq|nats|kafka|redpanda|zookeeper|elasticsearch|opensearch|meilisearch|typesense|clickhouse|minio|influx"
    "|couch|cassandra|scylla|neo4j|etcd|consul|vault|solr|weaviate|qdrant|milvus|chroma|sonic|mosquitto|emqx|azurite"
)
TOOLS = (
    "mailhog|mailpit|maildev|mailcatcher|mailserver|smtp|postfix|exim|inbucket|greenmail|flower|localstack|moto"
    "|adminer|pgadmin|phpmyadmin|phppgadmin|pgweb|mongo-express|redis-commander|redisinsight|kafka-ui|kafdrop|akhq"
    "|portainer|dozzle|cadvisor|prometheus|alertmanager|grafana|loki|promtail|tempo|jaeger|zipkin|otel|opentelemetry"
    "|kibana|logstash|filebeat|metricbeat|fluent|telegraf|watchtower|autoheal|ofelia|certbot|acme"
    "|cloudflared|ngrok|tailscale|wireguard|selenium|browserless|novnc|squid|wiremock|mockserver|stripe|swagger"
    "|jupyter|keycloak|ollama|schema-registry|debezium|temporal|mc$|busybox$|docker$|alpine$|socket-proxy|backup"
)
OTHERS = re.compile(rf"(?:^|[-_.])(?:{STORES}|{TOOLS})|exporter|-(?:db|backup)$")
NAMED = re.compile(
    r"(?:^|[-_])(?:db|database|postgres(?:ql)?|mysql|mariadb|mongo(?:db)?|redis|valkey|memcached?|rabbit(?:mq)?|kafka"
    r"|zookeeper|elastic(?:search)?|minio|mail(?:hog|pit|dev|catcher|server)?|smtp|flower|localstack|adminer|pgadmin"
    r"|phpmyadmin|prometheus|grafana|certbot|selenium|storybook|backups?)$"
)
TOOL_COMMAND = re.compile(
    r"\bflower\b|\bredis-server\b|\bmongod\b|\bpostgres -|smtpd?\b|\bstripe listen\b|\bjupyter\b|\bstorybook\b"
    r"|\bminio server\b|\btensorboard\b|\bmailhog\b|\blocalstack\b",
    re.IGNORECASE,
)
PROXIES = re.compile(
    r"^(?:nginx|openresty|traefik|caddy|haproxy|envoy|httpd|apache|kong|swag|easyhaproxy)\b|^caddy-docker"
    r"|[-_](?:nginx|proxy|gateway|traefik|caddy|haproxy|lb)$"
    r"|^(?:reverse[-_]?proxy|proxy|gateway|lb|load[-_]?balancer|edge|ingress)$"
)
SURELY = re.compile(r"nginx|openresty|traefik|caddy|haproxy|envoy|httpd|apache|kong")
BASE = "x-bluegreen-base"  # where a service notes the image that its Dockerfile starts from
WORKERS = re.compile(
    r"worker|sidekiq|celery|scheduler|cron|queue|consumer|beat|(?:^|[-_])(?:jobs?|async|tasks?|rq|horizon)(?:$|[-_\d])"
)
WORKER_COMMAND = re.compile(
    r"\bcelery\b.*\b(?:worker|beat)\b|\bworker\b|\bsidekiq\b|\bresque\b|\bdramatiq\b|\barq\b|\bhuey\b|\brq(?:worker|scheduler)\b"
    r"|\bqcluster\b|\bprocess_tasks\b|\bqueue:(?:work|listen)\b|\bschedule:work\b|\bhorizon\b|\bgood_job\b|\bbin/jobs\b"
    r"|\bscheduler\b|\bcelerybeat\b|\bconsumer\b|\bbull\b|\bbot\.py\b"
)
ROUTED = re.compile(
    r"(?:^|[-_])(?:web|api|backend|frontend|server|site|www|app|gateway|ws|websockets?|graphql|admin|ui)(?:$|[-_])"
)
DEVELOPMENT = re.compile(
    r"(?:^|[-_])(?:dev|devel|development|local|tests?|testing|e2e|tools?|tooling|debug|ci|lint|docs?|manual|cli|shell|admin"
    r"|monitoring|observability|seed|setup|init|once|migrate|migrations?|backup|ops)(?:$|[-_])"
)
RELEASED = re.compile(r"^(?:release|prod|production|all|full|default|blue|green|web|app)$")
ONCE = re.compile(
    r"(?:^|[-_])(?:migrat\w*|prestart|pre[-_]?deploy|init|setup|seed|fixtures?|createbuckets?|create[-_]buckets?"
    r"|collectstatic|assets|tests?|lint|e2e)(?:$|[-_])"
)
DEBUGGERS = frozenset({5678, 5858, 9003, 9229})  # only beside another port; alone it may be the port of an application
NOT_HTTP = frozenset({
    21, 22, 25, 110, 143, 465, 587, 993, 995, 1025, 2525, 1433, 1521, 1883, 2181, 3306, 4222, 5432, 5433, 5672, 6379,
    9042, 9092, 9300, 11211, 26379, 27017, 50051,
})  # fmt: skip


def image_name(service: Service) -> str:
    """The last part of an image's name, without tag and digest."""
    reference = str(service.get("image") or "").partition("@")[0]
    return reference.rpartition("/")[2].partition(":")[0].lower()


def repository(service: Service) -> str:
    """All of an image's name, without tag and digest."""
    reference = str(service.get("image") or "").partition("@")[0]
    folder, slash, last = reference.rpartition("/")
    return f"{folder}{slash}{last.partition(':')[0]}"


def words(service: Service) -> str:
    """What a service runs, as one text: entrypoint and command."""
    parts = [service.get("entrypoint") or [], service.get("command") or []]
    return " ".join(part if isinstance(part, str) else " ".join(map(str, part)) for part in parts).strip()


def is_proxy(name: str, service: Service) -> bool:
    """Whether it is a reverse proxy: by its image, or by its name (one that is built here, too)."""
    if PROXIES.search(name):
        base = str(service.get(BASE) or "").rpartition("/")[2]
        return not base or bool(SURELY.search(base)) or bool(SURELY.search(name))
    return bool(PROXIES.search(image_name(service))) and not service.get("build")


def is_other(name: str, service: Service) -> bool:
    """Whether it is a store or a tool, which both colors share."""
    if OTHERS.search(image_name(service)) or TOOL_COMMAND.search(words(service)):
        return True
    return bool(NAMED.search(name)) and (not service.get("ports") or not http_ports(service) or not built(service))


def speaks_fastcgi(service: Service) -> bool:
    """Whether it speaks FastCGI to a web server, and no HTTP."""
    return "fpm" in f"{service.get('image') or ''} {service.get(BASE) or ''}" or "php-fpm" in words(service)


def is_worker(name: str, service: Service) -> bool:
    """Whether it is a worker or a scheduler: it answers no requests."""
    return bool(WORKERS.search(name) or WORKER_COMMAND.search(words(service)))


def sounds_routed(name: str, service: Service) -> bool:
    """Whether its name is that of a web service: then it is no job, even without a port."""
    return bool(ROUTED.search(name)) and not is_worker(name, service)


def is_development(service: Service) -> bool:
    """Whether its profiles say that it is for developers, or run by hand."""
    profiles = [str(it) for it in service.get("profiles") or []]
    return bool(profiles) and all(DEVELOPMENT.search(it) for it in profiles)


def starts_by_itself(service: Service) -> bool:
    """Whether it has no profile, or one for what is released."""
    profiles = [str(it) for it in service.get("profiles") or []]
    return not profiles or any(RELEASED.search(it) for it in profiles)


def built(service: Service) -> bool:
    return bool(service.get("build"))


def context(service: Service) -> str | None:
    """The folder that an image is built from."""
    build = service.get("build") or {}
    return build.get("context") if isinstance(build, Mapping) else str(build)


def same_code(one: Service, other: Service) -> bool:
    """Whether two services run the same image, or what is built from the same folder."""
    if one.get("image") and one.get("image") == other.get("image"):
        return True
    return context(one) is not None and context(one) == context(other) and _target(one) == _target(other)


def _target(service: Service) -> Any:
    build = service.get("build")
    return (build.get("dockerfile") or "Dockerfile") if isinstance(build, Mapping) else "Dockerfile"


def published(service: Service) -> list[Mapping[str, Any]]:
    """Its TCP ports that are published."""
    return [port for port in service.get("ports") or [] if port.get("protocol", "tcp") == "tcp"]


def http_ports(service: Service) -> list[int]:
    """Container ports that are published and may speak HTTP."""
    found = [int(port["target"]) for port in published(service) if int(port["target"]) not in NOT_HTTP]
    return [it for it in found if it not in DEBUGGERS] or found


def is_template(name: str, service: Service) -> bool:
    """Whether it is only a template for other services: it starts nothing itself."""
    return bool(re.search(r"^(?:base|common|template|builder|app-base|defaults?)$", name)) and not words(service)


def waited_for(services: Services, names: set[str]) -> list[str]:
    """Services that one of these waits for until they have ended with exit code 0."""
    found = [
        name
        for other in services
        if other in names
        for name, wanted in (services[other].get("depends_on") or {}).items()
        if wanted.get("condition") == "service_completed_successfully"
    ]
    return [name for name in dict.fromkeys(found) if name in services]


def runs_once(name: str, service: Service, services: Services) -> bool:
    """Whether it does something and ends."""
    return (
        bool(ONCE.search(name))
        or (service.get("restart") == "no" and not WORKER_COMMAND.search(words(service)))
        or name in waited_for(services, set(services))
        or ((service.get("deploy") or {}).get("restart_policy") or {}).get("condition") == "none"
    )
