"""The control socket: one question and one answer, for this user only, whatever other clients do."""

import os
import socket
import stat
import sys
import threading
import time
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge

import msgspec
import pytest

from traymon.desktop import control
from traymon.desktop.control import (
    ControlServer,
    NotAnswering,
    NotRunning,
    OtherVersion,
    ask,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="speaks to Unix sockets by hand")

LONG_S = 30.0
"""For what happens at once; long enough for a machine under load."""


@pytest.fixture
def address(tmp_path):
    return str(tmp_path / "run" / "control.sock")


@pytest.fixture
def serve(address):
    servers = []

    def start(handler=lambda question: {"ok": True, "asked": question}):
        server = ControlServer(address, handler)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.stop()
    left = [thread for thread in threading.enumerate() if thread.name.startswith("control")]
    for thread in left:
        thread.join(10)  # one that is just ending
    assert not [thread for thread in left if thread.is_alive()]


def dial(address):
    client = socket.socket(socket.AF_UNIX)
    client.connect(address)
    return client


def test_a_question_is_answered(address, serve):
    serve()
    question = {"do": "status", "bot": "ボット", "deep": [{"x": None}]}
    assert ask(address, question, LONG_S) == {"ok": True, "asked": question}


def test_socket_key_and_folder_are_the_users_own(address, serve):
    serve()
    assert stat.S_IMODE(os.stat(address).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(address + ".key").st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(address)).st_mode) == 0o700


def test_a_folder_that_was_open_to_others_is_closed(address, serve):
    os.makedirs(os.path.dirname(address), mode=0o777)
    os.chmod(os.path.dirname(address), 0o777)
    serve()
    assert stat.S_IMODE(os.stat(os.path.dirname(address)).st_mode) == 0o700


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can give a folder away")
def test_somebody_elses_folder_is_not_used(address):
    os.makedirs(os.path.dirname(address))
    os.chown(os.path.dirname(address), 12345, -1)
    with pytest.raises(PermissionError):
        ControlServer(address, dict).start()
    with pytest.raises(NotRunning):
        ask(address, {}, LONG_S)


def test_a_folder_that_is_a_link_is_not_used(address, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    os.symlink(tmp_path / "elsewhere", os.path.dirname(address))
    with pytest.raises(PermissionError):
        ControlServer(address, dict).start()


def test_nobody_there_is_not_running(address, tmp_path):
    with pytest.raises(NotRunning, match="start it"):
        ask(address, {}, LONG_S)
    (tmp_path / "file").touch()
    with pytest.raises(NotRunning):
        ask(str(tmp_path / "file" / "control.sock"), {}, LONG_S)


def test_what_a_killed_server_left_is_not_running_and_is_replaced(address, serve):
    os.makedirs(os.path.dirname(address))
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(address)
    with pytest.raises(NotRunning):
        ask(address, {}, LONG_S)
    serve()
    assert ask(address, {}, LONG_S)["ok"]


def test_after_stop_nothing_is_left(address, serve):
    server = serve()
    server.stop()
    server.stop()
    assert os.listdir(os.path.dirname(address)) == []
    with pytest.raises(NotRunning):
        ask(address, {}, LONG_S)


def test_it_can_be_served_again(address, serve):
    serve().stop()
    serve()
    assert ask(address, {}, LONG_S)["ok"]


def test_silent_clients_hold_up_nobody(address, serve):
    serve()
    silent = [dial(address) for _ in range(20)]
    assert ask(address, {}, LONG_S)["ok"]
    for client in silent:
        client.close()


def test_a_silent_client_is_cut_off_in_time(address, serve, monkeypatch):
    monkeypatch.setattr(control, "_PATIENCE_S", 0.2)
    serve()
    with dial(address) as client:
        while client.recv(4096):
            pass  # the challenge, then the end


def test_too_many_clients_are_turned_away_and_room_comes_back(address, serve, monkeypatch):
    monkeypatch.setattr(control, "_MOST_CLIENTS", 2)
    serve()
    first, second = dial(address), dial(address)
    assert first.recv(1)
    assert second.recv(1)
    with pytest.raises(NotRunning):
        ask(address, {}, LONG_S)
    first.close()
    second.close()
    until = time.monotonic() + LONG_S
    while True:
        try:
            assert ask(address, {}, LONG_S)["ok"]
            break
        except NotRunning:
            assert time.monotonic() < until


def test_stop_does_not_wait_for_silent_clients(address, serve):
    server = serve()
    with dial(address) as client:
        assert client.recv(1)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < control._PATIENCE_S


def test_stop_lets_an_answer_go_out(address, serve):
    asked, go_on = threading.Event(), threading.Event()

    def handler(question):
        asked.set()
        assert go_on.wait(LONG_S)
        return {"ok": True}

    server = serve(handler)
    answers = []
    client = threading.Thread(target=lambda: answers.append(ask(address, {}, LONG_S)))
    client.start()
    assert asked.wait(LONG_S)
    stopper = threading.Thread(target=server.stop)
    stopper.start()
    assert server._stopping.wait(LONG_S)
    go_on.set()
    client.join(LONG_S)
    stopper.join(LONG_S)
    assert answers == [{"ok": True}]


def test_the_handler_itself_may_stop_the_server(address, serve):
    holder = []

    def handler(question):
        holder[0].stop()
        return {"ok": True}

    holder.append(serve(handler))
    assert ask(address, {"do": "quit"}, LONG_S) == {"ok": True}


def test_a_stranger_without_the_key_gets_no_answer(address, serve, monkeypatch):
    asked = []
    serve(lambda question: asked.append(question) or {"ok": True})
    monkeypatch.setattr(control, "_read_key", lambda address: b"guess")
    with pytest.raises(NotAnswering, match="not this user's"):
        ask(address, {}, LONG_S)
    assert asked == []


def test_a_defect_in_the_handler_is_an_answer_without_its_text(address, serve, caplog):
    def handler(question):
        raise RuntimeError("xoxb-canary")

    serve(handler)
    for _ in range(2):
        answer = ask(address, {}, LONG_S)
        assert answer["ok"] is False
        assert "defect" in answer["error"]
    assert "xoxb-canary" not in caplog.text + str(answer)


def test_another_version_of_the_command_gets_a_sentence(address, serve, monkeypatch):
    serve()
    with monkeypatch.context() as patch:
        patch.setattr(
            control.msgspec.json,
            "encode",
            lambda data, encode=msgspec.json.encode: encode({**data, "version": 99}),
        )
        with pytest.raises(OtherVersion, match="restart it"):
            ask(address, {}, LONG_S)


@pytest.mark.parametrize(
    "reply", [b'{"ok": true}', b'{"ok": true, "version": 2}', b"\x80\x04pickle", b"null", b"[1]"]
)
def test_another_version_of_the_server_gets_a_sentence(address, reply):
    assert _answered_by_hand(address, lambda link: link.send_bytes(reply), OtherVersion)


def test_a_server_that_ends_in_the_middle_is_not_running(address):
    assert _answered_by_hand(address, lambda link: None, NotRunning)


def test_a_server_that_was_stopped_is_not_answering(address, tmp_path):
    os.makedirs(os.path.dirname(address))
    with socket.socket(socket.AF_UNIX) as stopped:
        stopped.bind(address)
        stopped.listen(1)
        with open(address + ".key", "wb") as file:
            file.write(b"key")
        with pytest.raises(NotAnswering, match="did not answer"):
            ask(address, {}, 0.2)


def _answered_by_hand(address, answer, error):
    """Ask a server written by hand, which authenticates and then does ``answer``; whether ``error`` came of it."""
    os.makedirs(os.path.dirname(address))
    with open(address + ".key", "wb") as file:
        file.write(b"key")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(1)

        def serve():
            link = Connection(listener.accept()[0].detach())
            with link:
                deliver_challenge(link, b"key")
                answer_challenge(link, b"key")
                link.recv_bytes()
                answer(link)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with pytest.raises(error):
                ask(address, {}, LONG_S)
        finally:
            thread.join(LONG_S)
    return True


@pytest.mark.parametrize("question", [b"\x80\x04\x95pickle", b"[]", b"{", b'{"do": 1}', b'"x"'])
def test_what_is_no_question_harms_nothing(address, serve, question):
    serve()
    with dial(address) as client:
        link = Connection(client.detach())
        key = control._read_key(address)
        answer_challenge(link, key)
        deliver_challenge(link, key)
        link.send_bytes(question)
        assert msgspec.json.decode(link.recv_bytes())["ok"] is False
        link.close()
    assert ask(address, {}, LONG_S)["ok"]


def test_a_huge_question_is_refused(address, serve):
    serve()
    with pytest.raises((NotRunning, NotAnswering)):
        ask(address, {"x": "y" * (2 << 20)}, LONG_S)
    assert ask(address, {}, LONG_S)["ok"]


def test_running_out_of_descriptors_does_not_end_the_service(address, serve):
    import resource

    serve()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with dial(address) as early:
        assert early.recv(1)
        held = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
        try:
            client = socket.socket(socket.AF_UNIX)
            try:
                while True:
                    held.append(os.dup(0))
            except OSError:
                pass
            client.connect(address)  # waits in the backlog: nobody has a descriptor for it
            client.close()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for descriptor in held:
                os.close(descriptor)
    assert ask(address, {}, LONG_S)["ok"]
