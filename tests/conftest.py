"""One thread per test process, shapes checked, and no network: what passes here passes on a plane."""

import os
import re
import signal
import socket
import threading
from pathlib import Path

import pytest
import torch

from tests.shapes import check_when_called

check_when_called("genwright")  # before anything imports it


if threading.current_thread() is threading.main_thread():  # background jobs and nohup ignore these, and so would tests
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, usual)

REAL_CONNECT = socket.socket.connect
SHARING = (  # what is costly to make for these files is made once, if one process has all of their tests
    *("test_run", "test_flow", "test_comparison", "test_measured", "test_parity_text", "test_browser"),
    *("test_analysis", "test_images", "test_bertscore", "test_sql", "test_generator", "test_measuring"),
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """`--dist loadgroup` by SHARING, not by marks: xdist 3.8 cannot write those into the ids of pytest 9.2."""
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            path = nodeid.partition("::")[0]
            return path if Path(path).stem in SHARING else nodeid

    return Together(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)  # two test processes on two cores must not wait for each other


@pytest.fixture(autouse=True, scope="session")
def own_keys(tmp_path_factory):
    """Files that tests write are signed, by keys that are made for them and not those of whoever runs them."""
    from genwright.provenance.keys import Keys

    folder = tmp_path_factory.mktemp("keys")
    os.environ["GENWRIGHT_KEYS"] = str(folder)
    Keys.make(folder)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(self, address):
        if self.family != socket.AF_UNIX:
            raise OSError(f"a test tried to reach {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def loopback(monkeypatch):
    """Lets a test reach this machine's own loopback address, and nothing else."""

    def connect(self, address):
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1"):
            raise OSError(f"a test tried to reach {address}")
        return REAL_CONNECT(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


def pytest_make_parametrize_id(config, val):
    """Names without memory addresses: test processes must agree on them."""
    return re.sub(r"<function ([\w<>.]+) at 0x[0-9a-f]+>", r"\1", repr(val)) if " at 0x" in repr(val) else None
