# ruff: noqa: E501 - a table: a row is a line
"""What happens when…: the README's table of faults. Each row names the test that makes the fault happen."""

from __future__ import annotations

import ast
import functools
from dataclasses import dataclass

from tests.support.machine import ROOT

FOLDER = ROOT / "tests"
NONE = "0"
LOSSLESS = ("_nothing_lost(", 'found["lost"] == []', "tally.lost == []")  # how a test holds that nothing is lost


@dataclass(frozen=True)
class Fault:
    """One fault. `lost`: requests; `test`: FILE:FUNCTION below tests/."""

    what: str
    lost: str
    seen: str
    type_: str
    test: str


MACHINE, ENGINE, CROWDS = "faults/test_faults_of_the_machine.py", "faults/test_engine_dies.py", "faults/test_crowds.py"
SMALL, CUTOVER, FAILOVER = (
    "faults/test_small_faults_stay_small.py", "faults/test_cutover_that_fails.py", "faults/test_failover.py",
)  # fmt: skip
TLS = "e2e/test_tls.py"
EDGE = "engine/test_edge.py"
REPLACED = "engine/test_replaced_proxy.py"
FAULTS = (
    Fault("Ctrl-C, SIGTERM or a cut ssh before cutover", NONE, "exit 130; the new release is removed again",
          "the same command", "faults/test_killed_at_every_step.py:test_killed_at_every_step"),
    Fault("… from cutover on", NONE, "exit 0; `SIGINT came too late to stop safely`; waiting for drain is left out",
          "nothing", "faults/test_killed_at_every_step.py:test_killed_at_every_step"),
    Fault("SIGKILL at any step", NONE, "`status`: unfinished", "any verb: it says what it finishes or abandons",
          "faults/test_killed_at_every_step.py:test_killed_at_every_step"),
    Fault("power cut, machine restarted", "while it is off", "the color that was live, 0.1 s after the Engine answers",
          "nothing", f"{ENGINE}:test_power_cut_and_the_live_color_serves_with_nothing_typed"),
    Fault("the same after nginx was replaced: its two containers start in any order", "while it is off", "it answers within seconds; the first container serves by itself when the other does not come",
          "nothing; `up`, when `status` says so", f"{ENGINE}:test_a_proxy_of_two_containers_comes_back_whichever_starts_first"),
    Fault("power cut, or the daemon killed, with several apps on an edge", "while it is off", "each app answers by its names within seconds, whichever container starts first",
          "nothing", f"{ENGINE}:test_an_edge_and_its_apps_come_back_in_any_order"),
    Fault("a command killed in a step of the edge", NONE, "`status`: unfinished", "the same command",
          "faults/test_killed_at_the_edge.py:test_killed_in_a_step_of_the_edge"),
    Fault("the edge's nginx dies", "all that come through it", "`status`: visitors do not reach nginx", "`up` in any of its apps, if the Engine does not start it",
          f"{EDGE}:test_an_app_that_dies_is_no_harm_to_its_neighbours_and_comes_back"),
    Fault("an app's nginx dies behind the edge", "those of this app", "503 of the edge; its neighbours answer", "`up`",
          f"{EDGE}:test_an_app_that_dies_is_no_harm_to_its_neighbours_and_comes_back"),
    Fault("the edge's state folder is deleted", "all that come through it: the apps' sockets are in it", "503 of the edge", "`up` in each of its apps",
          f"{EDGE}:test_the_state_of_the_edge_is_lost"),
    Fault("the Engine's daemon killed in the middle of a switch", "while it is dead, and while it restarts every container",
          "exit 1, 4 or 0 with a warning; where traffic is", "`switch`, when it runs again",
          f"{ENGINE}:test_engine_killed_in_the_middle_of_each_phase"),
    Fault("the Engine hangs for 3 s, its DNS with it", NONE, "nothing", "nothing",
          f"{ENGINE}:test_an_engine_that_hangs_and_its_dns_with_it_is_not_felt"),
    Fault("the Engine takes 2 s for each call", NONE, "flip-back asks it nothing; a switch takes a minute", "nothing", f"{MACHINE}:test_the_engine_slow"),
    Fault("`docker system prune -af`", NONE, "`The job worker-1 of blue does not run`: stopped containers are gone",
          "`switch`", f"{ENGINE}:test_somebody_ran_docker_system_prune"),
    Fault("`docker compose up -d --remove-orphans`, `down`", NONE, "nothing", "nothing",
          f"{MACHINE}:test_somebody_ran_plain_compose"),
    Fault("the CA does not answer, refuses, or is slow", NONE, "a warning with the CA's words; `status`: https",
          "nothing: it is tried again", f"{TLS}:test_a_ca_that_is_down_stops_no_release"),
    Fault("the name leads to another server", "not measured", "a warning; the CA is not asked", "repair the DNS record, `tls renew --now`",
          f"{TLS}:test_what_the_ca_would_not_reach_is_not_asked"),
    Fault("`tls renew` killed at any moment", "not measured", "nothing", "nothing: the next one finishes the order",
          f"{TLS}:test_killed_at_any_moment_the_next_one_finishes"),
    Fault("a certificate is renewed under load", NONE, "nothing", "nothing",
          f"{TLS}:test_renewed_under_load_without_a_failed_handshake"),
    Fault("another nginx image is taken over", NONE, "`another nginx took over`", "nothing", f"{REPLACED}:test_a_new_image_takes_over_and_no_request_is_lost"),
    Fault("`up` killed while nginx is replaced", NONE, "`status`: unfinished", "any verb: it goes on or back",
          f"{REPLACED}:test_killed_at_any_moment_of_it"),
    Fault("one of the proxy's two containers killed alone", "until Docker has restarted it, or the first serves: up to 3 s", "`status`", "`up`",
          f"{REPLACED}:test_either_of_the_two_may_die_alone"),
    Fault("proxy killed", "until Docker has restarted it: 0.5 to 1.4 s", "nothing", "nothing", f"{MACHINE}:test_proxy_killed"),
    Fault("port of the stopped proxy taken by another program", "until the port is free", "`up`: who holds it", "`ss -ltnp`, `up`",
          f"{MACHINE}:test_the_port_taken_by_another_program"),
    Fault("`nginx/` in the state folder deleted", "0 until `up` restarts the proxy, then about 1 s",
          "`status`: drift; other verbs: `The state folder is gone`", "`up`", f"{MACHINE}:test_configuration_folder_deleted"),
    Fault("the state folder deleted", "0 until `up` restarts the proxy, then about 1 s",
          "`status` as before, from labels and nginx", "`up`", f"{MACHINE}:test_state_folder_deleted"),
    Fault("… read-only", NONE, "exit 1: `Read-only file system`", "the same, when it is writable",
          f"{MACHINE}:test_configuration_folder_read_only"),
    Fault("disk full: the rendered file", NONE, "exit 1: `No space left on device`; flip-back works", "the same, when there is room",
          f"{MACHINE}:test_disk_full_while_the_upstream_file_is_written"),
    Fault("disk full: the journal", NONE, "`this run is not recorded`; it goes on", "nothing",
          f"{MACHINE}:test_disk_full_while_the_journal_is_written"),
    Fault("disk full: an image is pulled", NONE, "exit 1: `no space left on device`", "`switch`, when there is room",
          f"{ENGINE}:test_disk_full_while_an_image_is_pulled"),
    Fault("somebody edits the rendered file", NONE, "`status`: drift", "`up`, or the next `switch`",
          f"{MACHINE}:test_somebody_elses_edit"),
    Fault("your `proxy.include` is broken", NONE, "exit 1: nginx's words; a restart loads the accepted copy", "fix it, `switch`",
          f"{MACHINE}:test_a_users_include_is_broken"),
    Fault("a reload that nginx does not carry out", NONE, "prepare: exit 1; after a shift: `status`: drift", "`up`",
          f"{CUTOVER}:test_a_seal_that_nginx_does_not_load_is_no_reason_to_move_anything"),
    Fault("the route is renamed, nginx does not follow it", NONE, "exit 4, moved back", "`logs`",
          f"{CUTOVER}:test_a_route_that_nginx_does_not_follow_is_renamed_back_and_loses_nothing"),
    Fault("the route cannot be renamed", NONE, "exit 1, nothing moved", "the same, when it can",
          f"{CUTOVER}:test_a_route_that_cannot_be_renamed_moves_nothing"),
    Fault("nginx does not react at all", "as long as it hangs", "exit 5: look now", "`status`, `up`",
          f"{CUTOVER}:test_a_proxy_that_does_not_react_is_exit_5_and_up_mends_it"),
    Fault("journal corrupted", NONE, "`It is kept as journal-broken-…`", "nothing", f"{MACHINE}:test_journal_corrupted"),
    Fault("journal deleted", NONE, "numbers go on from the labels", "nothing", f"{MACHINE}:test_journal_deleted"),
    Fault("journal of a newer bluegreen", NONE, "it is left alone, the run is not recorded", "update bluegreen",
          f"{MACHINE}:test_journal_of_a_newer_version"),
    Fault("one of two live replicas killed", NONE, "`status`: 1/2", "nothing",
          f"{SMALL}:test_one_of_two_replicas_killed_and_started_loses_nothing"),
    Fault("a live replica out of memory", "the request that ate it, and what the other replicas cannot take over", "`status`",
          "nothing: Docker restarts it", f"{MACHINE}:test_live_replica_out_of_memory"),
    Fault("one of two live replicas wedged", "0 GETs; they wait for `read_timeout`", "`status`: 1/2 healthy", "`flip-back`",
          f"{MACHINE}:test_live_replica_wedged"),
    Fault("the application breaks 1 % of its connections", "at most 1 GET in 1,000", "nothing", "nothing",
          f"{SMALL}:test_an_application_that_aborts_1_percent_of_its_connections_loses_at_most_one_get_in_a_thousand"),
    Fault("all replicas of the live color dead", "until you flip back", "`status`: 0/1, and the command", "`flip-back`",
          f"{MACHINE}:test_all_replicas_of_the_live_color_dead"),
    Fault("… with `failover: true`", "0 GETs", "`status`: the idle color answers now", "`flip-back`",
          f"{FAILOVER}:test_the_live_color_killed_under_100_keep_alive_clients_costs_no_get"),
    Fault("… breaks 1 % of its connections, with `failover: true`", "at most 1 GET in 1,000; none goes to the idle color",
          "nothing", "nothing", f"{FAILOVER}:test_an_application_that_breaks_1_percent_of_its_connections_keeps_its_traffic"),
    Fault("every container killed and started in any order", "while all of live are dead", "never an answer of the idle color",
          "nothing", f"{SMALL}:test_containers_killed_and_started_in_any_order_never_answer_from_the_idle_color"),
    Fault("idle color dead at flip-back", NONE, "exit 1: traffic stays", "`up`, `flip-back`",
          f"{MACHINE}:test_idle_color_dead_at_flip_back"),
    Fault("a container removed by hand", "0 for the idle one; for the only live one until `up`", "`blue-web-1 is gone`",
          "`up`: makes it again", f"{MACHINE}:test_container_removed_by_hand"),
    Fault("a live container taken off the network", "until `up`", "`not on the app's network any more`", "`up`",
          f"{MACHINE}:test_a_colors_network_disconnected"),
    Fault("the image deleted", NONE, "flip-back works; a switch to it: exit 1", "build or pull it", f"{MACHINE}:test_the_image_deleted"),
    Fault("a migration fails, or takes too long", NONE, "exit 1: `The migration of release 3 failed`, its last lines",
          "fix it, `switch`", "e2e/test_migrations_and_hooks.py:test_a_migration_runs_once_for_each_release_before_its_traffic"),
    Fault("a migration is cut in its middle", NONE, "`status`: in doubt; `switch`: exit 1",
          "look; `switch --migrate again` or `skip`", "faults/test_killed_at_every_step.py:test_killed_at_every_step"),
    Fault("a new release answers otherwise than recorded", NONE, "exit 1 with the differences", "fix it, `switch`",
          "e2e/test_expected_answers.py:test_a_release_that_answers_otherwise_gets_no_traffic"),
    Fault("a worker's process dies", NONE, "`status`: restarts; the task that was cut is done again", "nothing",
          "e2e/test_background_work.py:test_jobs_run_in_one_color_and_every_task_is_done_once_in_effect"),
    Fault("a rehearsal is killed", "0: production is not touched", "nothing: what it left is taken away", "nothing",
          "e2e/test_rehearsal.py:test_a_rehearsal_that_is_ended_leaves_nothing_behind"),
    Fault("a release fails in prepare, is interrupted or killed there", NONE, "exit 1 (130): `Release 1 is the way back again, on blue`",
          "`flip-back` goes to it, `switch` tries again",
          "e2e/test_releases_that_must_not_serve.py:test_a_release_that_fails_does_not_cost_the_way_back"),
    Fault("`listen` or `preview` is changed in the file, or a variable of it is missing", "traffic goes on",
          "a notice; nginx stays where it is published", "`up` takes it over",
          "unit/test_commands_listen.py:test_a_release_keeps_nginx_where_it_is_published"),
    Fault("nobody reaches the public listener", "what does not arrive",
          "exit 1: `nginx does not answer where it is published`; `flip-back`: exit 5; `status`: unreached", "the cause, then `up`",
          "unit/test_commands_listen.py:test_no_verb_says_0_when_visitors_do_not_reach_nginx"),
    Fault("the state folder is lost while nginx is down", "until nginx runs again", "exit 5: no guess is ever live",
          "`up --live blue` (or green)",
          "unit/test_commands_belong.py:test_without_nginx_no_guess_is_live_and_a_person_says_which"),
    Fault("clock set back an hour", NONE, "an odd `since`", "nothing", f"{MACHINE}:test_clock_set_back_an_hour"),
    Fault("20 commands at the same time", NONE, "one acts, 19 exit 75 and name it", "`--wait 60s`", f"{CROWDS}:test_of_20_commands_at_once_one_acts"),
    Fault("a release hangs in prepare", NONE, "exit 75 with the command to type", "`flip-back --now`",
          f"{CROWDS}:test_flip_back_now_takes_over_from_a_switch_that_hangs_in_prepare"),
    Fault("… and its process does not react", "0", "it is killed after 10 s", "`flip-back --now`",
          f"{CROWDS}:test_flip_back_now_kills_a_switch_that_does_not_react"),
    Fault("600 slow clients hold connections open", NONE, "nothing", "nothing",
          "engine/test_bad_actors.py:test_many_slow_clients_do_not_keep_others_from_being_served"),
    Fault("stdout or stderr closed, on a full disk, without a reader; the terminal gone", "traffic goes on",
          "the exit code that it would have been; what could not be written is said on the other stream", "nothing",
          "unit/test_streams.py:test_the_exit_code_tells_what_happened_whoever_listens"),
    Fault("the lock file removed while a command runs, and a second command", NONE,
          "the first: exit 1, `The lock of this app was taken away`; nothing more is removed or moved", "`status`",
          f"{CROWDS}:test_a_lock_that_is_removed_ends_the_first_command_and_not_what_the_second_made"),
    Fault("a pipe, a folder, a device or other bytes in the place of one of our files or of yours", "traffic goes on",
          "an error that names it; ours are made again by `up`", "`up`, or repair yours",
          "unit/test_any_input.py:test_no_input_is_a_bug"),
    Fault("no more file descriptors, threads, memory, temporary folder; a user whom nobody knows", "traffic goes on",
          "exit 1: `This machine refused what the command needs`; after traffic has moved a warning", "the same, when there is room",
          "unit/test_odd_machines.py:test_a_code_that_is_true_and_a_sentence"),
)  # fmt: skip
# Tests in tests/faults that say something about a fault that has its row, or about no fault at all.
BESIDE = {
    f"{FAILOVER}:test_it_is_off_by_default_and_a_dead_color_is_then_felt",
    f"{CROWDS}:test_wait_waits_and_then_acts",
    f"{CROWDS}:test_the_lock_dies_with_its_holder",
    f"{CROWDS}:test_flip_back_now_goes_back_although_the_hanging_switch_had_set_the_previous_release_aside",
    f"{CROWDS}:test_flip_back_now_never_kills_one_that_moves_traffic",
    "faults/test_small_faults_stay_small.py:test_what_may_have_been_handled_is_sent_again_only_where_that_does_no_harm",
    "faults/test_small_faults_stay_small.py:test_what_nobody_accepted_is_asked_of_another_whatever_it_is",
}


def table() -> str:
    """The rows as Markdown."""
    rows = [f"| {it.what} | {it.lost} | {it.seen} | {it.type_} |" for it in FAULTS]
    return "\n".join(["| when | requests lost | what you see | what to type |", "| --- | --- | --- | --- |", *rows])


@functools.cache
def functions_of(path: str) -> dict[str, str]:
    """The test functions of a file below tests/, with their source."""
    text = (FOLDER / path).read_text()
    found = [
        node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    lines = text.splitlines()
    return {node.name: "\n".join(lines[node.lineno - 1 : node.end_lineno]) for node in found}
