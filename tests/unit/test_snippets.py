"""The copies of a person's directives: as they were written, to be read by nginx, and found out when they are not."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bluegreen.errors import BluegreenError
from bluegreen.frontdoor import folders
from bluegreen.frontdoor.files import Files
from bluegreen.frontdoor.snippets import Snippets


@pytest.fixture
def taken(tmp_path: Path) -> tuple[Snippets, Path, Path]:
    """The copies, the person's folder, and the copy that the loaded file names."""
    mine, nginx = tmp_path / "mine", tmp_path / "nginx"
    (mine / "http").mkdir(parents=True)
    (mine / "deny.conf").write_text("location /private { deny all; }\n")
    (mine / "http" / "zone.conf").write_text("limit_req_zone $binary_remote_addr zone=z:1m rate=9r/s;\n")
    nginx.mkdir()
    files = Files(str(nginx))
    snippets = Snippets(files)
    place = snippets.take(mine)
    assert place
    files.write(f"include {place}/http/*.conf;\ninclude {place}/*.conf;\n")
    return snippets, mine, nginx / "snippets" / Path(place).name


@pytest.mark.parametrize("umask", [0o027, 0o077, 0o777])
def test_nginx_may_read_them_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "a.conf").write_text("deny all;\n")
    (tmp_path / "nginx").mkdir()
    before = os.umask(umask)
    try:
        place = Snippets(Files(str(tmp_path / "nginx"))).take(mine)
    finally:
        os.umask(before)
    copy = tmp_path / "nginx" / "snippets" / Path(place or "").name
    assert [it.stat().st_mode & 0o777 for it in (copy, copy / "http", copy / "a.conf")] == [0o755, 0o755, 0o644]


def _folder_instead(copy: Path) -> None:
    (copy / "deny.conf").unlink()
    (copy / "deny.conf").mkdir()


def _all_gone(copy: Path) -> None:
    for file in copy.rglob("*.conf"):
        file.unlink()


HARM: dict[str, Callable[[Path], object]] = {
    "cut short": lambda copy: (copy / "deny.conf").write_text(""),
    "changed": lambda copy: (copy / "deny.conf").write_text("location /private { allow all; }\n"),
    "gone": lambda copy: os.unlink(copy / "http" / "zone.conf"),
    "one more": lambda copy: (copy / "more.conf").write_text("allow all;\n"),
    "one byte that is no text": lambda copy: (copy / "deny.conf").write_bytes(b"\xff"),
    "a folder instead": _folder_instead,
    "all of it gone": _all_gone,
}


@pytest.mark.parametrize("kind", HARM)
def test_a_copy_that_is_not_what_was_written_is_seen_and_made_good_where_it_is(
    taken: tuple[Snippets, Path, Path], kind: str
) -> None:
    snippets, mine, copy = taken
    assert snippets.intact()
    HARM[kind](copy)
    assert not snippets.intact()
    looked = Snippets(Files(str(copy.parent.parent)), look=True)
    looked.take(mine)
    assert not snippets.intact(), "a look changes nothing"
    assert snippets.take(mine) == f"/etc/bluegreen/snippets/{copy.name}"
    assert snippets.intact()
    assert (copy / "deny.conf").read_text() == (mine / "deny.conf").read_text()


def test_what_a_killed_command_left_of_a_copy_goes(taken: tuple[Snippets, Path, Path]) -> None:
    snippets, _, copy = taken
    (copy / "half.new").write_text("den")
    assert snippets.intact(), "nginx includes *.conf alone"
    snippets.tidy()
    assert not (copy / "half.new").exists()
    assert snippets.intact()


KEY = "ssl_certificate_key data:$key;\n# -----BEGIN {}PRIVATE KEY-----\n"
CLOSED: dict[str, tuple[str, int]] = {
    "a key": (KEY.format(""), 0o644),
    "a key of RSA": (KEY.format("RSA "), 0o664),
    "for the owner": ("allow all;\n", 0o600),
    "for a group": ("allow all;\n", 0o640),
    "a key for the owner": (KEY.format("EC "), 0o400),
}


@pytest.mark.parametrize("umask", [0o000, 0o077])
@pytest.mark.parametrize("kind", CLOSED)
def test_what_is_for_no_other_eyes_is_read_by_nginx_alone(tmp_path: Path, kind: str, umask: int) -> None:
    text, mode = CLOSED[kind]
    mine, nginx = tmp_path / "mine", tmp_path / "nginx"
    for folder in (mine, mine / "http", nginx):
        folder.mkdir()
    for name in ("key.conf", "http/key.conf", "open.conf"):
        (mine / name).write_text("deny all;\n" if name == "open.conf" else text)
        (mine / name).chmod(0o644 if name == "open.conf" else mode)
    before = os.umask(umask)
    try:
        place = Snippets(Files(str(nginx))).take(mine)
    finally:
        os.umask(before)
    copy = nginx / "snippets" / Path(place or "").name
    for name in ("key.conf", "http/key.conf"):
        found = (copy / name).stat()
        assert found.st_mode & 0o777 == 0o640, name
        assert found.st_uid == os.geteuid()
        assert found.st_gid == folders.proxy_user(tmp_path)[1], "nginx's, which is another user's for root's apps"
    assert (copy / "open.conf").stat().st_mode & 0o777 == 0o644


def test_a_file_that_was_closed_later_is_closed_in_its_copy(taken: tuple[Snippets, Path, Path]) -> None:
    snippets, mine, copy = taken
    (mine / "deny.conf").chmod(0o600)
    snippets.take(mine)
    assert (copy / "deny.conf").stat().st_mode & 0o777 == 0o640
    assert (copy / "http" / "zone.conf").stat().st_mode & 0o777 == 0o644
    assert snippets.intact()


@pytest.mark.skipif(os.geteuid() != 0, reason="another user can only be made by root; CI runs as root")
def test_nginxs_user_reads_it_and_no_other(tmp_path: Path) -> None:
    mine, nginx = tmp_path / "mine", tmp_path / "nginx"
    mine.mkdir()
    nginx.mkdir()
    (mine / "key.conf").write_text(KEY.format(""))
    for path in tmp_path.parents:
        if path != Path("/") and not path.stat().st_mode & 0o001:
            path.chmod(path.stat().st_mode | 0o055)
    tmp_path.chmod(0o755)  # the state folder itself is 0700: nobody else comes even so far
    place = Snippets(Files(str(nginx))).take(mine)
    file = nginx / "snippets" / Path(place or "").name / "key.conf"
    for user, may in ((folders.PROXY_USER, True), (4321, False)):
        done = subprocess.run(["cat", file], user=user, group=user, extra_groups=[], capture_output=True, check=False)
        assert (done.returncode == 0) is may, (user, done)


def test_a_pipe_in_the_place_of_a_snippet_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    os.mkfifo(mine / "a.conf")
    (tmp_path / "nginx").mkdir()
    with pytest.raises(BluegreenError, match="cannot be read") as error:
        Snippets(Files(str(tmp_path / "nginx"))).take(mine)
    assert "a pipe, not a file" in error.value.failed
