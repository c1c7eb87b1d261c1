"""What published Compose files of known projects ask of Compose, in our own words: their service keys, no text.

Read in November 2026 in the projects' repositories; values that do not matter here are left out.
"""

PUBLISHED: dict[str, str] = {
    "umami": """
services:
  umami:
    image: ghcr.io/umami/umami:postgresql
    ports: ["3000:3000"]
    environment: {DATABASE_URL: "postgresql://db:5432/umami"}
    depends_on: {db: {condition: service_healthy}}
    restart: always
    healthcheck: {test: [CMD-SHELL, "curl http://localhost:3000/api/heartbeat"], interval: 5s, timeout: 5s, retries: 5}
  db:
    image: postgres:15-alpine
    volumes: ["data:/var/lib/postgresql/data"]
    healthcheck: {test: [CMD-SHELL, "pg_isready -U $${POSTGRES_USER}"], interval: 5s}
volumes: {data: {}}
""",
    "listmonk": """
services:
  app:
    image: listmonk/listmonk
    container_name: listmonk_app
    hostname: listmonk.example.com
    ports: ["9000:9000"]
    networks: [listmonk]
    environment: [TZ=Etc/UTC]
    restart: unless-stopped
    depends_on: [db]
    volumes: ["./config.toml:/listmonk/config.toml"]
  db:
    image: postgres:13-alpine
    container_name: listmonk_db
    ports: ["9432:5432"]
    networks: [listmonk]
    volumes: [{type: volume, source: data, target: /var/lib/postgresql/data}]
networks: {listmonk: {}}
volumes: {data: {}}
""",
    "healthchecks": """
services:
  db: {image: "postgres:12", volumes: ["data:/var/lib/postgresql/data"], environment: [POSTGRES_DB=x]}
  web:
    build: {context: .., dockerfile: docker/Dockerfile}
    env_file: [{path: .env, required: false}]
    ports: ["8000:8000"]
    depends_on: [db]
    command: bash -c 'while !</dev/tcp/db/5432; do sleep 1; done; uwsgi /opt/uwsgi.ini'
volumes: {data: {}}
""",
    "fastapi template": """
services:
  db: {image: "postgres:17", restart: always, healthcheck: {test: [CMD-SHELL, pg_isready], start_period: 30s}}
  adminer:
    image: adminer
    networks: [traefik-public, default]
    labels:
      - traefik.enable=true
      - traefik.http.routers.shop-adminer-http.rule=Host(`adminer.example.com`)
      - traefik.http.services.shop-adminer.loadbalancer.server.port=8080
  prestart:
    image: shop/backend:latest
    build: {context: ./backend}
    networks: [traefik-public, default]
    depends_on: {db: {condition: service_healthy, restart: true}}
    command: bash scripts/prestart.sh
  backend:
    image: shop/backend:latest
    build: {context: ./backend}
    restart: always
    networks: [traefik-public, default]
    depends_on: {db: {condition: service_healthy}, prestart: {condition: service_completed_successfully}}
    healthcheck: {test: [CMD, curl, -f, "http://localhost:8000/api/v1/utils/health-check/"], interval: 10s}
    labels:
      - traefik.enable=true
      - traefik.http.services.shop-backend.loadbalancer.server.port=8000
      - traefik.http.routers.shop-backend-http.rule=Host(`api.example.com`)
  frontend:
    image: shop/frontend:latest
    build: {context: ./frontend, args: [VITE_API_URL=https://api.example.com]}
    restart: always
    networks: [traefik-public, default]
    labels:
      - traefik.http.services.shop-frontend.loadbalancer.server.port=80
      - traefik.http.routers.shop-frontend-http.rule=Host(`dashboard.example.com`)
networks: {traefik-public: {external: true}}
""",
    "paperless": """
services:
  broker: {image: "docker.io/library/redis:8", restart: unless-stopped, volumes: ["redis:/data"]}
  db: {image: "docker.io/library/postgres:18", volumes: ["pg:/var/lib/postgresql"]}
  webserver:
    image: ghcr.io/paperless/paperless:latest
    restart: unless-stopped
    depends_on: [db, broker]
    ports: ["8000:8000"]
    volumes: ["data:/usr/src/data", "media:/usr/src/media", "./export:/usr/src/export", "./consume:/usr/src/consume"]
    env_file: [{path: docker-compose.env, required: false}]
volumes: {data: {}, media: {}, pg: {}, redis: {}}
""",
    "immich": """
name: immich
services:
  immich-server:
    container_name: immich_server
    image: ghcr.io/immich/server:release
    volumes: ["./library:/data", "/etc/localtime:/etc/localtime:ro"]
    ports: ["2283:2283"]
    depends_on: [redis, database]
    restart: always
    healthcheck: {disable: false}
  immich-machine-learning:
    container_name: immich_machine_learning
    image: ghcr.io/immich/machine-learning:release
    volumes: ["model-cache:/cache"]
    restart: always
    healthcheck: {disable: false}
  redis:
    container_name: immich_redis
    image: docker.io/valkey/valkey:8-bookworm@sha256:a137a2b60aca1a75130022d6bb96af423fefae4eb55faf395732db3544803280
    healthcheck: {test: "redis-cli ping || exit 1"}
  database: {container_name: immich_postgres, image: "ghcr.io/immich/postgres:14", shm_size: 128mb, restart: always}
volumes: {model-cache: {}}
""",
    "plausible": """
services:
  plausible_db: {image: "postgres:16-alpine", restart: always, volumes: ["db:/var/lib/postgresql/data"]}
  plausible_events_db:
    image: clickhouse/clickhouse-server:24-alpine
    ulimits: {nofile: {soft: 262144, hard: 262144}}
    healthcheck: {test: [CMD-SHELL, "wget --no-verbose --tries=1 -O - http://127.0.0.1:8123/ping || exit 1"]}
  plausible:
    image: ghcr.io/plausible/community-edition:v2
    restart: always
    command: sh -c "/entrypoint.sh db createdb && /entrypoint.sh run"
    depends_on: {plausible_db: {condition: service_healthy}, plausible_events_db: {condition: service_healthy}}
    ports: ["127.0.0.1:8000:8000"]
    volumes: ["data:/var/lib/plausible"]
    ulimits: {nofile: {soft: 65535, hard: 65535}}
    environment: [BASE_URL=x, TOTP_VAULT_KEY, HTTP_PORT]
volumes: {db: {}, data: {}}
""",
    "linkding": """
services:
  linkding:
    container_name: "${LD_CONTAINER_NAME:-linkding}"
    image: sissbruecker/linkding:latest
    ports: ["${LD_HOST_PORT:-9090}:9090"]
    volumes: ["${LD_HOST_DATA_DIR:-./data}:/etc/linkding/data"]
    restart: unless-stopped
""",
    "chatwoot": """
services:
  base: &base {image: "chatwoot/chatwoot:latest", volumes: ["storage:/app/storage"]}
  rails:
    <<: *base
    depends_on: [postgres, redis]
    ports: ["127.0.0.1:3000:3000"]
    entrypoint: docker/entrypoints/rails.sh
    command: [bundle, exec, rails, s, -p, "3000", -b, 0.0.0.0]
    restart: always
  sidekiq:
    <<: *base
    depends_on: [postgres, redis]
    command: [bundle, exec, sidekiq, -C, config/sidekiq.yml]
    restart: always
  postgres: {image: "pgvector/pgvector:pg16", ports: ["127.0.0.1:5432:5432"]}
  redis: {image: "redis:alpine", command: [sh, -c, 'redis-server --requirepass "$REDIS_PASSWORD"'], ports: ["127.0.0.1:6379:6379"]}
volumes: {storage: {}}
""",
    "netbox": """
services:
  netbox: &netbox
    build: {context: ., args: [BRANCH=master]}
    image: netbox/netbox:latest
    depends_on: [postgres, redis]
    env_file: [{path: netbox.env, required: false}]
    volumes: ["./configuration:/etc/netbox/config:ro", "nginx-config:/etc/netbox-nginx/", "static:/opt/netbox/static"]
    expose: ["8001"]
  netbox-worker: {<<: *netbox, entrypoint: [python3, /opt/netbox/manage.py], command: [rqworker]}
  nginx:
    image: nginx:1.13-alpine
    command: nginx -c /etc/netbox-nginx/nginx.conf
    depends_on: [netbox]
    ports: [8080]
    volumes: ["static:/opt/netbox/static:ro", "nginx-config:/etc/netbox-nginx/:ro"]
  postgres: {image: "postgres:10.4-alpine"}
  redis: {image: "redis:4-alpine", command: redis-server --appendonly yes}
volumes: {static: {driver: local}, nginx-config: {driver: local}}
""",
    "superset": """
services:
  redis: {image: "redis:7", container_name: superset_cache}
  db: {image: "postgres:16", container_name: superset_db, volumes: ["db:/var/lib/postgresql/data", "./init:/docker-entrypoint-initdb.d:z"]}
  superset:
    env_file: [{path: docker/.env, required: false}]
    image: apache/superset:latest
    container_name: superset_app
    command: [/app/docker/docker-bootstrap.sh, app-gunicorn]
    user: root
    restart: unless-stopped
    ports: [8088:8088]
    depends_on: {superset-init: {condition: service_completed_successfully}}
    volumes: ["./docker:/app/docker:z", "home:/app/superset_home"]
  superset-init:
    image: apache/superset:latest
    container_name: superset_init
    command: [/app/docker/docker-init.sh]
    depends_on: {db: {condition: service_started}, redis: {condition: service_started}}
    user: root
    healthcheck: {disable: true}
  superset-worker:
    image: apache/superset:latest
    container_name: superset_worker
    command: [/app/docker/docker-bootstrap.sh, worker]
    restart: unless-stopped
    depends_on: {superset-init: {condition: service_completed_successfully}}
    healthcheck: {test: [CMD-SHELL, "celery inspect ping -d celery@$$HOSTNAME"]}
volumes: {home: {external: false}, db: {}}
""",
    "miniflux": """
services:
  miniflux:
    image: miniflux/miniflux:latest
    container_name: miniflux
    restart: always
    ports: ["80:8080"]
    depends_on: {db: {condition: service_healthy}}
    environment: [RUN_MIGRATIONS=1]
    healthcheck: {test: [CMD, /usr/bin/miniflux, -healthcheck, auto]}
  db: {image: "postgres:latest", container_name: postgres}
""",
    "authentik": """
services:
  postgresql: {image: "docker.io/library/postgres:16-alpine", healthcheck: {test: [CMD-SHELL, "pg_isready -d $${POSTGRES_DB}"]}}
  redis: {image: "docker.io/library/redis:alpine", command: --save 60 1 --loglevel warning}
  server:
    image: ghcr.io/goauthentik/server:2025.2.4
    restart: unless-stopped
    command: server
    volumes: ["./media:/media", "./custom-templates:/templates"]
    ports: ["9000:9000", "9443:9443"]
    depends_on: {postgresql: {condition: service_healthy}}
  worker:
    image: ghcr.io/goauthentik/server:2025.2.4
    restart: unless-stopped
    command: worker
    ulimits: {nofile: {soft: 10240, hard: 10240}}
    user: root
    volumes: ["/var/run/docker.sock:/var/run/docker.sock", "./media:/media", "./certs:/certs"]
    depends_on: {postgresql: {condition: service_healthy}}
""",
    "label studio": """
services:
  nginx:
    image: nginx:latest
    ports: ["8080:80"]
    depends_on: [app]
    volumes: ["static:/label-studio:rw", "./default.conf:/etc/nginx/conf.d/default.conf:ro"]
    command: nginx -g "daemon off;"
  app:
    stdin_open: true
    tty: true
    build: .
    image: heartexlabs/label-studio:latest
    expose: ["8080"]
    depends_on: [db]
    volumes: ["./mydata:/label-studio/data:rw", "static:/label-studio:rw"]
    command: [./deploy/wait-for-postgres.sh, bash, /label-studio/start.sh]
  db: {image: "postgres:11.5", hostname: db}
volumes: {static: {}}
""",
    "outline": """
services:
  outline:
    image: registry.example.com/outline:latest
    profiles: [ecr]
    pull_policy: always
    env_file: [{path: .env, required: false}]
    ports: ["3000:3000"]
    depends_on: {postgres: {condition: service_healthy}, redis: {condition: service_healthy}}
    volumes: ["data:/var/lib/outline/data"]
  redis: {image: redis, ports: ["127.0.0.1:6379:6379"], user: "redis:redis", healthcheck: {test: [CMD, redis-cli, ping]}}
  postgres: {image: postgres, ports: ["127.0.0.1:5432:5432"], user: "postgres:postgres"}
volumes: {data: {}}
""",
    "mealie": """
services:
  mealie:
    container_name: mealie
    image: mealie:dev
    build: {context: ../, target: production, dockerfile: ./docker/Dockerfile}
    restart: always
    volumes: ["data:/app/data/"]
    ports: ["9091:9000"]
    environment: {ALLOW_SIGNUP: "false", POSTGRES_PORT: 5432}
volumes: {data: {driver: local}}
""",
    "wger": """
services:
  web:
    image: wger/server:latest
    depends_on: {db: {condition: service_healthy}, cache: {condition: service_healthy}}
    env_file: [{path: ./config/prod.env, required: false}]
    volumes: ["static:/home/wger/static"]
    expose: [8000]
    healthcheck: {test: "wget --no-verbose --tries=1 --spider http://localhost:8000", interval: 10s, start_period: 300s}
    restart: unless-stopped
  nginx: {image: "nginx:stable", depends_on: [web], volumes: ["static:/wger/static:ro"], ports: ["80:80"], restart: unless-stopped}
  db: {image: "postgres:15-alpine", expose: [5432], healthcheck: {test: pg_isready -U wger}}
  cache: {image: redis, expose: [6379], healthcheck: {test: redis-cli ping}}
  celery_worker:
    image: wger/server:latest
    command: /start-worker
    volumes: ["media:/home/wger/media"]
    depends_on: {web: {condition: service_healthy}}
    healthcheck: {test: celery -A wger inspect ping}
  celery_beat:
    image: wger/server:latest
    command: /start-beat
    volumes: ["beat:/home/wger/beat/"]
    depends_on: {celery_worker: {condition: service_healthy}}
networks: {default: {name: wger_network}}
volumes: {static: {}, media: {}, beat: {}}
""",
    "taiga": """
services:
  taiga-db: {image: "postgres:12.3", networks: [taiga]}
  taiga-back:
    image: taigaio/taiga-back:latest
    environment: {POSTGRES_HOST: taiga-db}
    volumes: ["static:/taiga-back/static", "media:/taiga-back/media"]
    networks: [taiga]
    depends_on: {taiga-db: {condition: service_started}}
  taiga-async:
    image: taigaio/taiga-back:latest
    entrypoint: [/taiga-back/docker/async_entrypoint.sh]
    networks: [taiga]
  taiga-async-rabbitmq: {image: "rabbitmq:3.8-management-alpine", hostname: taiga-async-rabbitmq, networks: [taiga]}
  taiga-front: {image: "taigaio/taiga-front:latest", networks: [taiga]}
  taiga-gateway:
    image: nginx:1.19-alpine
    ports: ["9000:80"]
    volumes: ["./taiga.conf:/etc/nginx/conf.d/default.conf", "static:/taiga/static"]
    networks: [taiga]
    depends_on: [taiga-front, taiga-back]
networks: {taiga: {}}
volumes: {static: {}, media: {}}
""",
    "open webui": """
services:
  open-webui:
    build: {context: ., dockerfile: Dockerfile, target: base}
    image: ghcr.io/open-webui/open-webui:main
    container_name: open-webui
    volumes: ["data:/app/backend/data"]
    environment: ["WEBUI_SECRET_KEY=", "OPENAI_API_KEY=${OPENAI_API_KEY-}"]
    extra_hosts: ["host.docker.internal:host-gateway"]
    restart: unless-stopped
    expose: [8080]
  nginx: {build: {context: ., target: nginx}, container_name: nginx-webui, ports: ["3000:80"], depends_on: [open-webui]}
volumes: {data: {}}
""",
    "hasura": """
services:
  postgres: {image: postgres, restart: always}
  graphql-engine:
    image: hasura/graphql-engine:v1
    ports: ["8080:8080"]
    depends_on: [postgres]
    restart: always
    command: [graphql-engine, serve, --enable-console]
""",
    "voting app": """
services:
  votes: {build: ./vote, command: python app.py, volumes: ["./vote:/app"], ports: ["5000:80"], networks: [front, back]}
  result: {build: ./result, command: nodemon --debug server.js, ports: ["5001:80", "5858:5858"], networks: [front, back]}
  worker: {build: {context: ./worker}, networks: [back]}
  redis: {image: "redis:alpine", container_name: redis, ports: ["6379"], networks: [back]}
  db: {image: "postgres:9.4", container_name: db, networks: [back]}
networks: {front: {}, back: {}}
""",
    "formbricks": """
services:
  postgres: {image: "pgvector/pgvector:pg17", restart: always}
  formbricks:
    restart: always
    image: ghcr.io/formbricks/formbricks:latest
    depends_on: [postgres]
    ports: ["3000:3000"]
    volumes: ["./saml-connection:/home/nextjs/saml-connection"]
    environment: {WEBAPP_URL: , NEXTAUTH_SECRET: , EMAIL_VERIFICATION_DISABLED: 1}
""",
    "saleor": """
services:
  api:
    ports: ["9100:8000"]
    build: {context: ./saleor, dockerfile: ./Dockerfile, args: {STATIC_URL: /static/}}
    restart: unless-stopped
    networks: [back]
    depends_on: [db, redis]
    volumes: ["./saleor:/app/saleor:Z", "media:/app/media"]
    command: python manage.py runserver 0.0.0.0:8000
    env_file: [{path: common.env, required: false}]
  storefront: {build: {context: ./storefront}, ports: ["9101:3000"], volumes: ["./storefront/:/app:cached", /app/node_modules/]}
  dashboard: {build: {context: ./dashboard}, ports: ["9102:9000"], volumes: ["./dashboard/:/app:cached", /app/node_modules/]}
  db: {image: "library/postgres:11.1-alpine", ports: ["9103:5432"], networks: [back]}
  redis: {image: "library/redis:5.0-alpine", ports: ["9104:6379"], networks: [back]}
  worker:
    build: {context: ./saleor, dockerfile: ./Dockerfile}
    command: celery -A saleor worker --loglevel=info
    networks: [back]
    volumes: ["./saleor:/app/saleor:Z,cached", "media:/app/media"]
  jaeger: {image: jaegertracing/all-in-one, ports: ["5775:5775/udp", "16686:16686"], networks: [back]}
  mailhog: {image: mailhog/mailhog, ports: ["1025:1025", "8025:8025"], networks: [back]}
networks: {back: {driver: bridge}}
volumes: {media: {}}
""",
    "airflow": """
x-common: &common
  image: apache/airflow:3
  environment: &env {AIRFLOW__CORE__EXECUTOR: CeleryExecutor, AIRFLOW__CORE__FERNET_KEY: ""}
  volumes: ["./dags:/opt/airflow/dags", "./logs:/opt/airflow/logs"]
  user: "50000:0"
  depends_on: &deps {redis: {condition: service_healthy}, postgres: {condition: service_healthy}}
services:
  postgres: {image: "postgres:16", healthcheck: {test: [CMD, pg_isready, -U, airflow]}}
  redis: {image: "redis:7.2-bookworm", expose: [6379], healthcheck: {test: [CMD, redis-cli, ping]}}
  airflow-apiserver:
    <<: *common
    command: api-server
    ports: ["8080:8080"]
    healthcheck: {test: [CMD, curl, --fail, "http://localhost:8080/api/v2/version"], interval: 30s}
    restart: always
    depends_on: {<<: *deps, airflow-init: {condition: service_completed_successfully}}
  airflow-scheduler:
    <<: *common
    command: scheduler
    healthcheck: {test: [CMD, curl, --fail, "http://localhost:8974/health"]}
    restart: always
  airflow-worker:
    <<: *common
    command: celery worker
    environment: {<<: *env, DUMB_INIT_SETSID: "0"}
    restart: always
    depends_on: {<<: *deps, airflow-apiserver: {condition: service_healthy}}
  airflow-init: {<<: *common, entrypoint: /bin/bash, command: [-c, "airflow version"], user: "0:0"}
  airflow-cli: {<<: *common, profiles: [debug], command: [bash, -c, airflow]}
  flower: {<<: *common, command: celery flower, profiles: [flower], ports: ["5555:5555"]}
""",
    "documenso": """
name: documenso-production
services:
  database: {image: "postgres:15", healthcheck: {test: [CMD-SHELL, pg_isready]}}
  documenso:
    image: documenso/documenso:latest
    depends_on: {database: {condition: service_healthy}}
    environment: ["PORT=${PORT:-3000}"]
    ports: ["${PORT:-3000}:${PORT:-3000}"]
    volumes: ["/opt/documenso/cert.p12:/opt/documenso/cert.p12:ro"]
""",
    "redash": """
x-service: &service {image: "redash/redash:10", depends_on: [postgres, redis], restart: always}
services:
  server: {<<: *service, command: server, ports: ["5000:5000"], environment: {REDASH_WEB_WORKERS: 4}}
  scheduler: {<<: *service, command: scheduler, depends_on: [server]}
  adhoc_worker: {<<: *service, command: worker, depends_on: [server], environment: {QUEUES: queries, WORKERS_COUNT: 2}}
  redis: {image: "redis:7-alpine", restart: unless-stopped}
  postgres: {image: "pgautoupgrade/pgautoupgrade:18-alpine", volumes: ["./postgres:/var/lib/postgresql"]}
  nginx: {image: "redash/nginx:latest", ports: ["80:80"], depends_on: [server], links: ["server:redash"], restart: always}
""",
    "mattermost": """
services:
  mattermost:
    image: mattermost/mattermost-team-edition:9
    restart: unless-stopped
    security_opt: ["no-new-privileges:true"]
    pids_limit: 200
    read_only: false
    tmpfs: [/tmp]
    volumes: ["./config:/mattermost/config:rw", "./data:/mattermost/data:rw", "./logs:/mattermost/logs:rw"]
    environment: [TZ, MM_SQLSETTINGS_DRIVERNAME]
    ports: ["8065:8065", "8443:8443/udp", "8443:8443/tcp"]
""",
    "uptime kuma": """
services:
  uptime-kuma:
    hostname: uptime-kuma
    image: louislam/uptime-kuma:1
    volumes: ["./data:/app/data"]
    ports: ["3001:3001"]
    restart: unless-stopped
""",
    "archivebox": """
services:
  archivebox: {image: "archivebox/archivebox:1", ports: ["8000:8000"], volumes: ["./data:/data"], environment: ["ALLOWED_HOSTS=*"]}
  archivebox_scheduler: {image: "archivebox/archivebox:1", command: schedule --foreground --update --every=day, volumes: ["./data:/data"]}
  sonic: {image: "valeriansaliou/sonic:latest", build: {dockerfile_inline: "FROM scratch"}, expose: [1491]}
  novnc: {image: "theasp/novnc:latest", ports: ["127.0.0.1:8080:8080"]}
networks: {dns: {ipam: {driver: default, config: [{subnet: 172.20.0.0/24}]}}}
""",
    "cal.com": """
services:
  database: {container_name: database, image: postgres, networks: [net]}
  calcom:
    image: calcom/cal.com
    build: {context: ., dockerfile: Dockerfile, args: {DATABASE_URL: x}}
    restart: always
    networks: [net]
    ports: ["3000:3000"]
    depends_on: [database]
    command: sh -c "yarn db-deploy && yarn start"
networks: {net: {driver: bridge}}
""",
    "twenty": """
name: twenty
services:
  change-vol-ownership: {image: ubuntu, user: root, volumes: ["local:/tmp/local"], command: bash -c "chown -R 1000:1000 /tmp/local"}
  server:
    image: twentycrm/twenty:latest
    volumes: ["local:/app/.local-storage"]
    ports: ["3000:3000"]
    environment: {NODE_PORT: 3000}
    depends_on: {change-vol-ownership: {condition: service_completed_successfully}, db: {condition: service_healthy}}
    healthcheck: {test: "curl --fail http://localhost:3000/healthz", interval: 5s}
    restart: always
  worker:
    image: twentycrm/twenty:latest
    command: [yarn, "worker:prod"]
    depends_on: {db: {condition: service_healthy}, server: {condition: service_healthy}}
    restart: always
  db: {image: "postgres:16", healthcheck: {test: pg_isready}}
  redis: {image: redis, command: [--maxmemory-policy, noeviction]}
volumes: {local: {}}
""",
    "searxng": """
services:
  caddy: {container_name: caddy, image: "caddy:2-alpine", network_mode: host, cap_drop: [ALL], cap_add: [NET_BIND_SERVICE]}
  redis: {container_name: redis, image: "redis:alpine", networks: [searxng], tmpfs: [/var/lib/redis], cap_drop: [ALL]}
  searxng:
    container_name: searxng
    image: searxng/searxng:latest
    restart: always
    networks: [searxng]
    ports: ["127.0.0.1:8080:8080"]
    volumes: ["./searxng:/etc/searxng:rw"]
    cap_drop: [ALL]
    cap_add: [CHOWN, SETGID, SETUID, DAC_OVERRIDE]
    logging: {driver: json-file, options: {max-size: 1m, max-file: "1"}}
networks: {searxng: {ipam: {driver: default}}}
""",
    "langfuse": """
services:
  langfuse-worker:
    image: docker.io/langfuse/langfuse-worker:3
    restart: always
    depends_on: {postgres: {condition: service_healthy}}
    ports: ["127.0.0.1:3030:3030"]
  langfuse-web: {image: "docker.io/langfuse/langfuse:3", restart: always, ports: ["3000:3000"], depends_on: {postgres: {condition: service_healthy}}}
  clickhouse: {image: docker.io/clickhouse/clickhouse-server, user: "101:101", ports: ["127.0.0.1:8123:8123"]}
  minio: {image: docker.io/minio/minio, entrypoint: sh, command: "-c 'minio server /data'", ports: ["9090:9000", "127.0.0.1:9091:9001"]}
  redis: {image: "docker.io/redis:7", command: "--requirepass x", ports: ["127.0.0.1:6379:6379"]}
  postgres: {image: "docker.io/postgres:latest", ports: ["127.0.0.1:5432:5432"], healthcheck: {test: [CMD-SHELL, pg_isready]}}
""",
    "pretix": """
services:
  pretix:
    build: .
    image: pretix/pretix:latest
    container_name: pretix_app
    ports: ["8000:80"]
    environment: [AUTOMIGRATE=yes]
    volumes: ["./data:/data"]
    depends_on: [db, redis]
    restart: unless-stopped
  pretix-worker: {build: ., image: "pretix/pretix:latest", container_name: pretix_worker, command: taskworker, restart: unless-stopped}
  db: {image: "postgres:15-alpine", container_name: pretix_db}
  redis: {image: "redis:alpine", container_name: pretix_redis}
""",
}
