"""`test-connection` from the outside: which servers, in which form, and with which exit status."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nexomailer_cli.cli import probing
from nexomailer_cli.cli.output import Output
from nexomailer_cli.probe import step_smtp
from tests.support.certificates import Chain, healthy
from tests.support.dns_server import name_server
from tests.support.lab.names import names
from tests.support.lab.place import Place, serving
from tests.support.lab.ports import closed_port
from tests.support.lab.smtp import hang, smtp, starttls
from tests.support.providers import configure, provider
from tests.support.run import COMMAND, Result, ended, environment, run, run_process, running

PASSWORD = "tanstaaf-PaRtIcUlAr"
IN_CLEAR = ("--security", "none")
SIGN_IN = {"user": "tim@example.com", "pass": {"env": "SMTP_PASS"}}


@pytest.fixture(autouse=True)
def no_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nexomailer_cli.probe.alternatives.NEIGHBOURS", ())


@pytest.fixture
def server() -> Iterator[Place]:
    with serving(smtp("AUTH PLAIN", "SIZE 2000")) as place:
        yield place


@pytest.fixture
def test_connection(tmp_path: Path) -> Callable[..., Result]:
    def call(*arguments: str, **settings: Any) -> Result:
        result = run("test-connection", *arguments, "--timeout", "8", cwd=tmp_path, **settings)
        assert "Traceback" not in result.stderr
        assert PASSWORD not in result.stdout.decode() + result.stderr
        return result

    return call


Call = Callable[..., Result]


def plain(name: str, server: Place | int, **config: Any) -> dict[str, Any]:
    port = server if isinstance(server, int) else server.port
    return provider(name, port, starttls="never", **config)


# --- which servers ------------------------------------------------------------------------


def test_a_greeting_is_waited_for_as_long_as_in_sending(tmp_path: Path) -> None:
    with serving(hang) as place:
        configure(tmp_path, plain("main", place, connection_timeout="100ms"))
        began = time.monotonic()
        result = run("test-connection", "main", "--json", "--no-alternatives", cwd=tmp_path)
    assert time.monotonic() - began < 5
    assert result.json["findings"][0]["id"] == "banner.timeout"


def test_without_a_target_every_provider_is_examined_in_order(
    tmp_path: Path, server: Place, test_connection: Call
) -> None:
    with closed_port() as port:
        configure(tmp_path, plain("main", server), plain("backup", port))
        report = test_connection("--json").json
    assert report["schema"] == "nexomailer.test-connection/1"
    assert [each["target"]["provider"] for each in report["examinations"]] == ["main", "backup"]
    assert [each["exit_code"] for each in report["examinations"]] == [0, 69]
    assert (report["exit_code"], report["verdict"]) == (69, "fail")


def test_one_provider_is_a_list_to_programs_and_a_page_to_people(
    tmp_path: Path, server: Place, test_connection: Call
) -> None:
    configure(tmp_path, plain("main", server))
    assert len(test_connection("--json").json["examinations"]) == 1
    result = test_connection()
    assert result.exit_status == 0
    assert "READY TO SEND" in result.stdout.decode()
    assert "greet" in result.stdout.decode().lower()


def test_several_are_a_table_to_people(
    tmp_path: Path, server: Place, test_connection: Call
) -> None:
    configure(tmp_path, plain("main", server), plain("backup", server))
    result = test_connection()
    told = result.stdout.decode()
    assert result.exit_status == 0
    assert "main" in told
    assert "backup" in told


def test_a_provider_is_known_by_its_name(
    tmp_path: Path, server: Place, test_connection: Call
) -> None:
    configure(tmp_path, plain("main", 1), plain("backup", server, auth=SIGN_IN))
    report = test_connection("backup", "--json", env={"SMTP_PASS": PASSWORD}).json
    assert report["target"]["provider"] == "backup"
    assert report["auth"]["result"] == "accepted"
    assert report["auth"]["username"] == "tim@example.com"
    assert server.verbs.count("AUTH") == 1


def test_every_exchanger_of_a_domain_is_examined(
    test_connection: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = ["first.lab.example", "second.lab.example"]
    names(monkeypatch, {host: ["127.0.0.1"] for host in hosts})
    zone = {"lab.example MX": tuple(f"{rank} {host}." for rank, host in enumerate(hosts))}
    with name_server(zone) as resolver:
        monkeypatch.setattr("dns.resolver.Resolver", lambda: resolver)
        report = test_connection("lab.example", "--mx", "--json").json
    targets = [each["target"] for each in report["examinations"]]
    assert [(each["host"], each["port"], each["via"]) for each in targets] == [
        (host, 25, "mx") for host in hosts
    ]


# --- the configuration --------------------------------------------------------------------


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "nexomailer.toml"
    path.write_text("[[providers]]\nname = 'main'\nnonsense = 1\nconfig = {host = 'x.test'}\n")
    path.chmod(0o600)
    return path


def test_a_host_needs_no_configuration(server: Place, test_connection: Call) -> None:
    assert test_connection(f"127.0.0.1:{server.port}", *IN_CLEAR).exit_status == 0


def test_a_mistake_in_the_configuration_keeps_nobody_from_looking_at_a_host(
    broken: Path, test_connection: Call
) -> None:
    result = test_connection("127.0.0.1", *IN_CLEAR, "--json")
    assert result.json["target"]["host"] == "127.0.0.1"
    assert "warning: the configuration is not used: " in result.stderr
    assert "nonsense" in result.stderr


@pytest.mark.parametrize("target", [(), ("main",)])
def test_without_one_it_is_the_mistake_that_is_told(
    target: tuple[str, ...], broken: Path, test_connection: Call
) -> None:
    words, report = test_connection(*target), test_connection(*target, "--json")
    assert (words.exit_status, words.stdout) == (78, b"")
    assert "nonsense" in words.stderr
    (found,) = report.json["findings"]
    assert (found["id"], report.exit_status, report.stderr) == ("config.invalid", 78, "")
    assert "nonsense" in found["title"]


def test_with_neither_target_nor_configuration_there_is_nothing_to_do(
    test_connection: Call,
) -> None:
    assert test_connection().exit_status == 78
    assert test_connection("--json").json["findings"][0]["id"] == "config.invalid"


def test_the_environment_is_a_configuration_too(server: Place, test_connection: Call) -> None:
    env = {"NEXOMAILER_URL": f"smtp://127.0.0.1:{server.port}?starttls=never"}
    (report,) = test_connection("--json", env=env).json["examinations"]
    assert report["target"]["port"] == server.port


def test_the_sender_of_the_configuration_is_the_one_to_be_tried(
    tmp_path: Path, server: Place, test_connection: Call
) -> None:
    configure(tmp_path, plain("main", server))
    report = test_connection("main", "--rcpt", "b@example.com", "--json").json
    assert report["ready"]["envelope"] is True
    assert [line for line in server.heard if line.startswith("MAIL")] == [
        "MAIL FROM:<aenne@a.test>"
    ]
    assert "RSET" in server.verbs
    assert "DATA" not in server.verbs


def test_without_one_the_account_is_the_sender(server: Place, test_connection: Call) -> None:
    arguments = ("--user", "tim@example.com", "--password-env", "SMTP_PASS", *IN_CLEAR)
    env = {"SMTP_PASS": PASSWORD}
    target = f"127.0.0.1:{server.port}"
    assert test_connection(target, *arguments, "--rcpt", "b@x.test", env=env).exit_status == 0
    assert "MAIL FROM:<tim@example.com>" in server.heard


# --- the password -------------------------------------------------------------------------


def test_without_the_password_everything_else_is_tested(
    tmp_path: Path, test_connection: Call
) -> None:
    chain: Chain = healthy(tmp_path, "127.0.0.1")
    with serving(starttls(chain.server_context(), "AUTH PLAIN")) as place:
        configure(
            tmp_path,
            provider(
                "main",
                place.port,
                starttls="required",
                tls={"ca_file": str(chain.authority)},
                auth=SIGN_IN,
            ),
        )
        report = test_connection("main", "--json").json
    status = {each["id"]: each["status"] for each in report["stages"]}
    assert (status["certificate"], status["auth"], status["quit"]) == ("ok", "fail", "ok")
    assert report["exit_code"] == 78
    assert report["ready"]["trusted"] is True
    assert report["auth"]["attempted"] is False
    assert "AUTH" not in place.verbs
    assert "SMTP_PASS" in report["findings"][0]["evidence"]


def test_one_provider_without_its_password_does_not_hide_the_others(
    tmp_path: Path, server: Place, test_connection: Call
) -> None:
    configure(tmp_path, plain("main", server, auth=SIGN_IN), plain("backup", server))
    report = test_connection("--json").json
    assert [each["exit_code"] for each in report["examinations"]] == [78, 0]


# --- the exit status, and the forms -------------------------------------------------------


def test_a_warning_is_a_failure_only_to_the_strict(
    server: Place, test_connection: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_smtp, "SLOW_GREETING_MS", 0)
    target = f"127.0.0.1:{server.port}"
    assert test_connection(target, *IN_CLEAR).exit_status == 0
    assert test_connection(target, *IN_CLEAR, "--strict").exit_status == 1
    report = test_connection(target, *IN_CLEAR, "--strict", "--json").json
    assert (report["verdict"], report["exit_code"]) == ("warn", 1)


def test_events_come_line_by_line_and_the_report_last(server: Place, test_connection: Call) -> None:
    result = test_connection(f"127.0.0.1:{server.port}", *IN_CLEAR, "--ndjson")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [each["event"] for each in events] == ["stage"] * (len(events) - 1) + ["result"]
    assert [each["id"] for each in events[:-1]] == [each["id"] for each in events[-1]["stages"]]


@pytest.mark.parametrize("form", [(), ("--json",), ("--quiet",)])
def test_the_transcript_goes_where_no_result_goes(
    form: tuple[str, ...], server: Place, test_connection: Call
) -> None:
    result = test_connection(f"127.0.0.1:{server.port}", *IN_CLEAR, "-v", *form)
    assert "C: EHLO" in result.stderr
    assert b"C: EHLO" not in result.stdout
    if form == ("--quiet",):
        assert result.stdout == b""


@pytest.mark.parametrize(
    ("target", "status", "finding"),
    [
        ("no such host", 2, "usage"),
        ("nexomailer://x", 2, "usage"),
        ("smtp://x.test:70000", 2, "usage"),
    ],
)
def test_what_makes_no_sense_is_one_object_too(
    target: str, status: int, finding: str, test_connection: Call
) -> None:
    report = test_connection(target, "--json").json
    assert (report["exit_code"], report["verdict"]) == (status, "fail")
    assert [each["id"] for each in report["findings"]] == [finding]
    assert test_connection(target).stdout == b""


@pytest.mark.parametrize("form", ["--json", "--ndjson"])
def test_a_domain_without_exchangers_is_one_object_too(
    form: str, test_connection: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    with name_server({"lab.example MX": ("0 .",)}) as resolver:
        monkeypatch.setattr("dns.resolver.Resolver", lambda: resolver)
        result = test_connection("lab.example", "--mx", form)
        words = test_connection("lab.example", "--mx")
    assert result.json["findings"][0]["id"] == "dns.null_mx"
    assert (words.exit_status, result.exit_status) == (68, 68)
    assert words.stdout


@pytest.mark.parametrize("form", [(), ("--json",), ("--ndjson",)])
def test_a_closed_stdout_is_an_error_and_no_crash(
    form: tuple[str, ...], server: Place, tmp_path: Path
) -> None:
    command = " ".join([*COMMAND, "test-connection", f"127.0.0.1:{server.port}", *IN_CLEAR, *form])
    done = subprocess.run(
        ["sh", "-c", f"{command} >&-"],
        capture_output=True,
        text=True,
        env=environment(None, tmp_path),
        cwd=tmp_path,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stdout) == (73, "")
    assert done.stderr.startswith("error: cannot write to standard output")
    assert len(done.stderr.splitlines()) == 1


def test_a_reader_who_has_gone_is_no_error(server: Place, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as stdout:
        result = run_process(
            "test-connection", f"127.0.0.1:{server.port}", *IN_CLEAR, stdout=stdout, cwd=tmp_path
        )
    assert (result.exit_status, result.stderr) == (0, "")


# --- Ctrl-C -------------------------------------------------------------------------------


def wait_until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_examination_and_not_the_report(
    number: signal.Signals, tmp_path: Path
) -> None:
    with (
        serving(smtp(EHLO=hang)) as place,
        running(
            "test-connection", f"127.0.0.1:{place.port}", *IN_CLEAR, "--json", cwd=tmp_path
        ) as process,
    ):
        wait_until(lambda: place.heard)
        process.send_signal(number)
        result = ended(process)
    assert (result.exit_status, result.stderr) == (130, "")
    assert result.json["verdict"] == "unknown"
    assert [each["id"] for each in result.json["stages"]][-1] == "banner"


def test_people_are_told_what_is_known_too(tmp_path: Path) -> None:
    with (
        serving(smtp(EHLO=hang)) as place,
        running("test-connection", f"127.0.0.1:{place.port}", *IN_CLEAR, cwd=tmp_path) as process,
    ):
        wait_until(lambda: place.heard)
        process.send_signal(signal.SIGINT)
        result = ended(process)
    assert (result.exit_status, result.stderr) == (130, "")
    assert "interrupted" in result.stdout.decode().lower()


def test_of_several_targets_those_that_are_left_are_not_begun(
    tmp_path: Path, server: Place
) -> None:
    with serving(smtp(EHLO=hang)) as stuck:
        configure(tmp_path, plain("main", server), plain("stuck", stuck), plain("left", server))
        with running("test-connection", "--json", cwd=tmp_path) as process:
            wait_until(lambda: stuck.heard)
            process.send_signal(signal.SIGINT)
            result = ended(process)
    assert [each["exit_code"] for each in result.json["examinations"]] == [0, 130]
    assert server.connections == 1


def pressed(*_: object, **__: object) -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("step", ["_config", "subjects", "_case"])
@pytest.mark.parametrize("form", ["--json", "--ndjson"])
def test_before_there_is_anything_to_examine_there_is_an_object_all_the_same(
    form: str,
    step: str,
    server: Place,
    test_connection: Call,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probing, step, pressed)
    target = f"127.0.0.1:{server.port}"
    result = test_connection(target, *IN_CLEAR, form)
    assert (result.json["exit_code"], result.json["verdict"]) == (130, "unknown")
    assert result.json["examinations"] == []
    words = test_connection(target, *IN_CLEAR)
    assert (words.exit_status, words.stdout, words.stderr) == (130, b"", "")


def test_an_impatient_person_does_not_cut_the_report_off(
    server: Place, test_connection: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Output.result_bytes

    def written(output: Output, data: bytes) -> None:
        with contextlib.suppress(KeyboardInterrupt):
            write(output, data[:10])
            pressed()
            write(output, data[10:])

    monkeypatch.setattr("nexomailer_cli.probe.step_smtp._said", pressed)
    monkeypatch.setattr(Output, "result_bytes", written)
    assert test_connection(f"127.0.0.1:{server.port}", *IN_CLEAR, "--json").json["stages"]
