"""From Compose's resolved service to the Engine's create request."""

from __future__ import annotations

from typing import Any

import pytest

from bluegreen.compose.run import unescape
from bluegreen.places.docker.mounts import Surroundings, copied_files
from bluegreen.places.docker.spec import (
    DIFFERENT,
    KNOWN,
    REASONS,
    create_request,
    nanoseconds,
    needs,
    refusals,
    replicas,
    restart_policy,
    restart_text,
    routed_restart,
)

GROUND = Surroundings(volumes={"data": {"name": "shop_data"}}, secrets={"key": {"file": "/srv/key"}})


def _request(**service: Any) -> dict[str, Any]:
    return create_request(service, GROUND)


def test_composes_doubled_dollars_are_literal_again() -> None:
    document = {"services": {"web": {"command": ["sh", "-c", "echo $$HOME"], "labels": {"$$l": "$$$$"}, "init": True}}}
    assert unescape(document) == {
        "services": {"web": {"command": ["sh", "-c", "echo $HOME"], "labels": {"$l": "$$"}, "init": True}}
    }


def test_a_variable_without_a_value_is_taken_away_from_the_images() -> None:
    assert _request(environment={"A": None, "B": ""})["Env"] == ["A", "B="]


def test_null_command_leaves_the_images_own() -> None:
    assert "Cmd" not in _request(command=None, entrypoint=None)
    assert _request(command=[])["Cmd"] == []


def test_health_check_durations_become_nanoseconds() -> None:
    found = _request(healthcheck={"test": ["CMD", "true"], "interval": "1m30s", "timeout": "500ms", "retries": 3})
    assert found["Healthcheck"] == {
        "Test": ["CMD", "true"], "Interval": 90 * 10**9, "Timeout": 5 * 10**8, "Retries": 3,
    }  # fmt: skip
    assert _request(healthcheck={"disable": True})["Healthcheck"] == {"Test": ["NONE"]}
    with pytest.raises(ValueError, match="a duration with its unit"):
        nanoseconds("5 minutes")


def test_volumes_keep_their_names_and_modes() -> None:
    host = _request(
        volumes=[
            {"type": "volume", "source": "data", "target": "/data"},
            {"type": "bind", "source": "/srv/a", "target": "/a", "read_only": True},
            {"type": "bind", "source": "/srv/b", "target": "/b", "bind": {"create_host_path": False}},
            {"type": "tmpfs", "target": "/t", "tmpfs": {"size": "1024"}},
        ],
        secrets=[{"source": "key", "target": "/run/secrets/key"}],
        tmpfs=["/x:size=1m"],
    )["HostConfig"]
    assert host["Binds"] == ["shop_data:/data:rw", "/srv/a:/a:ro"]
    assert host["Mounts"] == [
        {"Type": "bind", "Source": "/srv/b", "Target": "/b", "ReadOnly": False, "BindOptions": {}},
        {"Type": "tmpfs", "Source": "", "Target": "/t", "ReadOnly": False, "TmpfsOptions": {"SizeBytes": 1024}},
        {"Type": "bind", "Source": "/srv/key", "Target": "/run/secrets/key", "ReadOnly": True, "BindOptions": {}},
    ]
    assert host["Tmpfs"] == {"/x": "size=1m"}


def test_limits_are_bytes_and_nanoseconds() -> None:
    host = _request(
        deploy={"resources": {"limits": {"cpus": 0.5, "memory": "1048576"}}},
        ulimits={"nofile": {"soft": 1, "hard": 2}},
        shm_size="64",
    )["HostConfig"]
    assert (host["NanoCpus"], host["Memory"], host["ShmSize"]) == (5 * 10**8, 1048576, 64)
    assert host["Ulimits"] == [{"Name": "nofile", "Soft": 1, "Hard": 2}]


def test_published_ports_are_left_to_nginx() -> None:
    found = _request(ports=[{"target": 8000, "published": "80", "protocol": "tcp"}], expose=["9000", "53/udp"])
    assert found["ExposedPorts"] == {"9000/tcp": {}, "8000/tcp": {}, "53/udp": {}}
    assert "PortBindings" not in found["HostConfig"]


def test_what_serves_traffic_comes_back_after_anything() -> None:
    request = _request(restart="unless-stopped")
    routed_restart({"restart": "unless-stopped"}, request)
    assert request["HostConfig"]["RestartPolicy"]["Name"] == "always"
    request = _request(restart="no")
    routed_restart({"restart": "no"}, request)
    assert request["HostConfig"]["RestartPolicy"]["Name"] == "no"


def test_restart_policies_survive_being_written_down() -> None:
    for text in ("no", "always", "unless-stopped", "on-failure", "on-failure:5"):
        assert restart_text(restart_policy(text)) == text


def test_a_key_that_a_color_cannot_have_is_refused_by_name() -> None:
    service = {
        "image": "a", "container_name": "x", "network_mode": "host", "tomorrows_key": 1,
        "networks": {"default": {"ipv4_address": "10.0.0.9"}, "other": None},
        "volumes": [{"type": "npipe", "target": "/x"}], "healthcheck": {"start_interval": "1s"},
        "secrets": [{"source": "vault"}, {"source": "text"}], "read_only": True,
    }  # fmt: skip
    ground = Surroundings({}, {"vault": {"external": True}, "text": {"content": "x"}})
    assert [refusal.key for refusal in refusals(service, ground)] == [
        "container_name", "network_mode", "tomorrows_key", "volumes", "secrets.vault", "secrets.text",
        "networks.default.ipv4_address", "healthcheck.start_interval",
    ]  # fmt: skip
    assert all(refusal.reason for refusal in refusals(service, ground))


def test_an_absent_or_empty_key_is_not_refused() -> None:
    assert refusals({"image": "a", "container_name": None, "mac_address": "", "command": None}, GROUND) == []


def test_what_only_newer_engines_have_is_known() -> None:
    service = {
        "annotations": {"a": "b"}, "healthcheck": {"start_interval": "1s", "start_period": "1s"},
        "volumes": [
            {"type": "volume", "source": "data", "target": "/a", "volume": {"subpath": "b"}},
            {"type": "image", "source": "x", "target": "/b"},
            {"type": "bind", "source": "/c", "target": "/c", "bind": {"recursive": "readonly"}},
        ],
        "networks": {"a": {"gw_priority": 1, "interface_name": "eth7"}, "b": None},
        "devices": [{"source": "vendor.com/class=all", "target": "vendor.com/class=all"}],
    }  # fmt: skip
    assert [need.api for need in needs(service)] == ["1.43", "1.44", "1.45", "1.48", "1.44", "1.48", "1.49", "1.44"]
    assert needs({"image": "a", "networks": {"default": None}, "devices": [{"source": "/dev/null"}]}) == []


def test_secrets_with_a_content_are_copied_files() -> None:
    ground = Surroundings({}, {"key": {"environment": "KEY", "content": "s"}, "none": {"content": ""}})
    uses = [{"source": "key", "uid": "5", "mode": "0400"}, {"source": "none"}]
    (file,) = copied_files({"secrets": uses}, ground)
    assert (file.path, file.content, file.mode, file.uid, file.owned) == ("/run/secrets/key", "s", 0o400, 5, True)
    for written, mode in ((0o600, 0o600), ("0600", 0o600), (None, 0o444)):  # Compose 2, Compose 5, neither
        (file,) = copied_files({"secrets": [{"source": "key", "mode": written}]}, ground)
        assert (file.mode, file.owned) == (mode, False)


def test_no_key_is_both_honoured_and_refused() -> None:
    assert not KNOWN & REASONS.keys()
    assert DIFFERENT.keys() <= KNOWN


def test_no_key_stands_in_the_table_for_nothing() -> None:
    assert {"image", "command", "environment", "healthcheck", "networks"} <= KNOWN
    assert "container_name" not in KNOWN


def test_replicas_come_from_scale_then_deploy() -> None:
    assert [
        replicas(s) for s in ({}, {"scale": 3}, {"deploy": {"replicas": 2}, "scale": 3}, {"deploy": {"replicas": 0}})
    ] == [1, 3, 3, 0]
