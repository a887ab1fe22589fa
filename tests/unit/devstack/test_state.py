"""What a stack's folder keeps: ports, secrets, one supervisor, a whole snapshot."""

import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from devstack.state import Part, PartState, Snapshot, StackFolder, StackState


def made(path: Path) -> StackFolder:
    folder = StackFolder(path)
    folder.make()
    return folder


def test_a_port_is_kept_for_the_next_start(tmp_path: Path) -> None:
    port = made(tmp_path).port("gateway")
    assert StackFolder(tmp_path).port("gateway") == port


def _open_port() -> int:
    """One that nobody has claimed, this process neither."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_port_that_is_taken_moves(tmp_path: Path) -> None:
    folder = made(tmp_path)
    before = folder.port("gateway")
    with socket.socket() as other:
        other.bind(("127.0.0.1", before))
        other.listen()
        moved = folder.port("gateway")
    assert moved != before
    assert folder.port("gateway") == moved


def test_a_port_that_is_asked_for_is_taken_over_the_one_of_last_time(tmp_path: Path) -> None:
    folder = made(tmp_path)
    before, asked = folder.port("gateway"), _open_port()
    assert folder.port("gateway", wanted=asked) == asked != before
    assert folder.port("gateway") == asked


def test_two_stacks_that_start_at_once_do_not_take_the_same_port(tmp_path: Path) -> None:
    """Nobody listens yet on what the first has chosen."""
    preferred = _open_port()
    one, other = made(tmp_path / "one"), made(tmp_path / "other")
    assert one.port("gateway", preferred) == preferred
    assert other.port("gateway", preferred) != preferred
    assert one.port("gateway", preferred) == preferred


def test_a_broken_snapshot_is_none(tmp_path: Path) -> None:
    folder = made(tmp_path)
    (tmp_path / "stack.json").write_text("{", "utf-8")
    assert folder.read() == Snapshot()


def test_secrets_stay_and_are_for_the_owner_only(tmp_path: Path) -> None:
    folder = made(tmp_path)
    secret = folder.secret("link-key")
    assert len(secret) >= 32
    assert folder.secret("link-key") == secret
    assert folder.secret("cookie-key") != secret
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


def test_what_steps_beside_each_other_make_is_kept_each(tmp_path: Path) -> None:
    folder, names = made(tmp_path), [f"name-{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as threads:
        given = list(threads.map(folder.secret, names))
        ports = list(threads.map(folder.port, names))
    assert [StackFolder(tmp_path).secret(name) for name in names] == given
    assert [folder.port(name) for name in names] == ports
    assert len(set(ports)) == len(names)


def test_one_supervisor_at_a_time(tmp_path: Path) -> None:
    folder = made(tmp_path)
    with folder.held() as ours:
        assert ours
        assert folder.is_held()
        with StackFolder(tmp_path).held() as theirs:
            assert not theirs
    assert not folder.is_held()


def test_a_snapshot_whose_supervisor_is_gone_says_down(tmp_path: Path) -> None:
    folder = made(tmp_path)
    written = Snapshot(StackState.UP, pid=1, parts={"auth": Part(PartState.READY, pid=2)})
    with folder.held():
        folder.write(written)
        assert folder.read() == written
    assert folder.read().state is StackState.DOWN


def test_a_folder_that_never_ran_is_down(tmp_path: Path) -> None:
    assert StackFolder(tmp_path / "nothing").read() == Snapshot()
