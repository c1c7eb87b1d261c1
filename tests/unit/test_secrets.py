"""What is masked of the values that a release is given, and what stays so that a text can be read."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bluegreen.domain import secrets
from bluegreen.domain.harmless import harmless
from bluegreen.domain.secrets import MASK, without_secrets

KNOWN = {"shop", "valkey", "db", "shop_default"}


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    secrets.forget()
    yield
    secrets.forget()


PLAIN = {
    "LOG_LEVEL": "debug", "ENVIRONMENT": "production", "DEBUG": "false", "WORKERS": "4", "PORT": "8000",
    "TIMEOUT": "30s", "MEMORY": "512m", "RATIO": "0.75", "MAX_BYTES": "10485760", "LIMIT": "100000", "CHUNK": "262144",
    "HOST": "0.0.0.0", "BIND": "0.0.0.0:8000", "LISTEN": ":8000", "DB_HOST": "db", "DB_AT": "db:5432",
    "SMTP_HOST": "smtp.example.com", "SMTP": "smtp.example.com:587",
    "CLUSTER": "my-redis-master.default.svc.cluster.local",
    "VALKEY_URL": "redis://valkey:6379/0", "BASE_URL": "https://shop.example.com", "ISSUER": "http://localhost:8080/auth",
    "JDBC": "jdbc:postgresql://db:5432/shop", "DATABASE_URL": "sqlite:////data/shop.db",
    "HOME": "/home/app", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "DATA": "/srv/data/uploads",
    "CONFIG": "./config/app.yaml", "SECRET_FILE": "/run/secrets/db_password", "PYTHONPATH": "/srv/app",
    "LANG": "en_US.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "Europe/Berlin", "SINCE": "2026-01-31", "AT": "03:30",
    "VERSION": "1.4.2", "GIT_SHA": "0123abcd9876", "APP_IMAGE": "shop/web:2026-01-31", "PYTHON_VERSION": "3.13.1",
    "DJANGO_SETTINGS_MODULE": "config.settings.production", "APP_MODULE": "app.main:app", "GREETING": "Hello",
    "TITLE": "My Shop", "POSTGRES_DB": "shop", "POSTGRES_USER": "shop", "REGION": "eu-central-1",
    "ALLOWED_HOSTS": "localhost,127.0.0.1,shop.example.com", "AUTH_ENABLED": "true", "TOKEN_CACHE": "off",
    "KEYCLOAK_URL": "http://keycloak:8080", "MODE": "read-only", "EMPTY": "", "SPACE": "  ", "NETWORK": "shop_default",
    "IPV6": "[::1]:8000", "NET": "10.0.0.0/8", "DRIVER": "asyncpg", "ENGINE": "postgres16", "COLOR": "#fff",
    "PYTHONUNBUFFERED": "1", "EXT": ".md", "CURRENCY": "EUR", "PWD": "/srv/shop",
}  # fmt: skip


@pytest.mark.parametrize("name", PLAIN)
def test_what_is_plainly_harmless_can_be_read(name: str) -> None:
    assert harmless(name, PLAIN[name], KNOWN), PLAIN[name]


TOLD = {  # name and value, and what an application may write of it
    "a password": ("DB_PASSWORD", "hunter2", ["hunter2"]),
    "a common word as a password": ("POSTGRES_PASSWORD", "postgres", ["postgres"]),
    "a short token": ("API_TOKEN", "c4n4r", ["c4n4r"]),
    "a very short token": ("TOKEN", "k9", ["k9"]),
    "a short token of no name": ("X", "c4n4r", ["c4n4r"]),
    "a pin": ("PIN", "4711", ["4711"]),
    "a number of no name": ("ACCOUNT", "123456789012", ["123456789012"]),
    "an address": ("DATABASE_URL", "postgres://shop:canary-url@db/shop",
                   ["postgres://shop:canary-url@db/shop", "canary-url"]),
    "an address with a name only": ("SENTRY", "https://0f3c4bd2a1@sentry.example.com/7", ["0f3c4bd2a1"]),
    "an address with an odd password": ("DATABASE_URL", "postgres://shop:c%40nary%2Fx@db/shop",
                                        ["c%40nary%2Fx", "c@nary/x"]),
    "JDBC": ("SPRING_DATASOURCE", "jdbc:postgresql://db:5432/shop?user=shop&password=canaryjdbc",
             ["jdbc:postgresql://db:5432/shop?user=shop&password=canaryjdbc", "canaryjdbc"]),
    "JDBC of Oracle": ("ORA", "jdbc:oracle:thin:shop/canary9x@db:1521/XE", ["jdbc:oracle:thin:shop/canary9x@db:1521/XE",
                                                                            "canary9x"]),
    "a connection string": ("CONNECTION", "Server=db;Database=shop;User Id=sa;Password=Canary;Encrypt=true",
                            ["Server=db;Database=shop;User Id=sa;Password=Canary;Encrypt=true", "Canary"]),
    "Pwd": ("DB", "Data Source=db;Uid=sa;Pwd=cana;", ["cana"]),
    "libpq": ("PG", "host=db dbname=shop user=shop password='canary pq'", ["canary pq"]),
    "storage": ("STORAGE", "Protocol=https;AccountName=shop;AccountKey=Y2FuYXJ5Cg==;", ["Y2FuYXJ5Cg=="]),
    "a webhook": ("NOTIFY", "https://hooks.example.com/services/canary/letters", ["services/canary/letters"]),
    "a webhook by its name": ("SLACK_WEBHOOK", "https://chat.example.com/in/canary", ["https://chat.example.com/in/canary"]),
    "a webhook of another shape": ("URL", "https://chat.example.com/api/webhooks/1234/AbCdEf_x-9", ["AbCdEf_x-9"]),
    "a bot's address": ("BOT", "https://api.example.org/bot12345:AAcanary/send", ["AAcanary"]),
    "a signed address": ("BLOB", "https://x.example.net/x?sv=2020&sig=can%2Bary%3D", ["can%2Bary%3D", "can+ary="]),
    "JSON": ("GOOGLE", '{"client_email": "a@b.c", "private_key": "canary-json"}', ["canary-json"]),
    "lines": ("PEM", "-----BEGIN PRIVATE KEY-----\ncanarycanary1\ncanarycanary2\n-----END PRIVATE KEY-----",
              ["canarycanary1", "canarycanary2"]),
    "a list": ("USERS", "ann:canary-ann,bob:canary-bob", ["canary-ann", "canary-bob"]),
    "a passphrase": ("PHRASE", "correct horse battery staple", ["correct horse battery staple"]),
    "drawn by lot": ("STUFF", "Zq8xT1vB", ["Zq8xT1vB"]),
    "with dashes": ("OTHER", "canary-7f3a-in-plain", ["canary-7f3a-in-plain"]),
    "words with dashes": ("OTHER", "canary-in-plain", ["canary-in-plain"]),
    "hexadecimals": ("SEED", "deadbeefcafebabe", ["deadbeefcafebabe"]),
    "base64": ("BLOB", "Y2FuYXJ5LWNhbmFyeQ==", ["Y2FuYXJ5LWNhbmFyeQ=="]),
    "a uuid": ("TENANT", "6f9619ff-8b86-d011-b42d-00cf4fc964ff", ["6f9619ff-8b86-d011-b42d-00cf4fc964ff"]),
    "a JWT": ("ANON", "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYW5vbiJ9.c2ln", []),
    "quotes and backslashes": ("QUOTED", "can\"ary\\x'y", ["can\"ary\\x'y"]),
    "not only ASCII": ("UMLAUT", "kanärien-vogel", ["kanärien-vogel"]),
    "a name in the last word": ("MY_PW", "canary", ["canary"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", TOLD)
def test_what_is_not_is_masked_whole_and_in_its_parts(kind: str) -> None:
    name, value, written = TOLD[kind]
    secrets.remember({"name": "shop", "services": {"web": {"environment": {name: value, "PORT": "8000"}}, "db": {}}})
    for text in (value, *written):
        for around in ("{}", "could not connect with {}: refused", "['{}']", "x={};", "\\n{}\\n", "({})", "a {}, b {}"):
            found = without_secrets(around.format(text, text))
            assert text not in found, found
            assert MASK in found
    assert without_secrets("blue of shop answers on port 8000 of db") == "blue of shop answers on port 8000 of db"


@pytest.mark.parametrize("value", ["canary-7f3a/+x", "kanärien 7f3a", "can\nary-7f3a-long", 'can"ary-7f3a'])
def test_forms_that_programs_write_a_value_in(value: str) -> None:
    secrets.remember_variables({"TOKEN": value})
    raw = value.encode()
    ends = [(before, after) for before in (b"", b"u:", b"us:", b"use:") for after in (b"", b"x", b"xy")]
    written = [
        value, repr(value), json.dumps(value), json.dumps({"a": value}, ensure_ascii=False), quote(value),
        quote(value, safe=""), quote_plus(value), quote(value, safe="").lower(), raw.hex(), raw.hex().upper(),
        *(base64.b64encode(before + raw + after).decode() for before, after in ends),
        base64.urlsafe_b64encode(b"user:" + raw).decode(),
    ]  # fmt: skip
    for text in written:
        found = without_secrets(f"Authorization: Basic {text} was refused")
        assert MASK in found, text
        assert len(found) < len(f"Authorization: Basic  was refused{MASK}") + 12, "little of it is left"


def test_the_beginning_of_a_value_where_a_text_was_cut() -> None:
    secrets.remember_variables({"TOKEN": "canary-7f3a-long"})
    assert without_secrets("answered 503: no canary-7f... (3 tries)") == f"answered 503: no {MASK}... (3 tries)"
    assert without_secrets("a can... and canary-... and so on...") == f"a can... and {MASK}... and so on..."


def test_short_values_are_masked_where_they_stand_alone() -> None:
    secrets.remember_variables({"PASSWORD": "shop", "PIN": "12"})
    text = "workshop of shop, 12 of 128, shop_12 and shops"
    assert without_secrets(text) == f"workshop of {MASK}, {MASK} of 128, {MASK}_{MASK} and shops"


def test_where_values_come_from() -> None:
    document = {
        "name": "shop",
        "services": {
            "web": {"environment": {"A": "canary-env"}, "build": {"args": {"B": "canary-args"}}},
            "odd": {"environment": None, "build": "."},
        },
        "secrets": {"one": {"content": "canary-secret"}, "two": {"file": "x"}},
        "configs": {"app": {"content": "log_level: debug\napi_key: canary-key\nname = Ann\npassword = 'canary-pw'"}},
    }  # fmt: skip
    secrets.remember(document)
    for value in ("canary-env", "canary-args", "canary-secret", "canary-key", "canary-pw"):
        assert without_secrets(f"x {value} y") == f"x {MASK} y"
    assert without_secrets("log_level: debug, name = Ann") == "log_level: debug, name = Ann"


@settings(max_examples=300, deadline=None)
@given(st.text(min_size=1, max_size=40), st.text(max_size=60))
def test_whatever_the_name_says_is_secret_is_gone_and_nothing_else_breaks(value: str, around: str) -> None:
    secrets.forget()
    secrets.remember_variables({"PASSWORD": value})
    found = without_secrets(f"{around} {value.strip()} {around}")
    text = value.strip()
    if text and not harmless("PASSWORD", text) and text not in MASK and len(text) >= secrets.WHOLE:
        assert text not in found
    assert isinstance(secrets.masked(found), str)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="abcxyzABC019", min_size=12, max_size=40).filter(lambda it: any(map(str.isdigit, it))))
def test_what_could_have_been_drawn_by_lot_is_not_harmless(value: str) -> None:
    assert not harmless("ANYTHING", value) or value.isdigit()
