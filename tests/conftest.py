"""One thread per test process, shapes checked, and no network: what passes here passes on a plane."""

import re
import socket

import pytest
import torch
from jaxtyping import install_import_hook

import tests.shapes  # noqa: F401  (the hook looks it up by name)

install_import_hook("genwright", "tests.shapes.checked")  # before anything imports genwright


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)  # two test processes on two cores must not wait for each other


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(self, address):
        if self.family != socket.AF_UNIX:
            raise OSError(f"a test tried to reach {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def pytest_make_parametrize_id(config, val):
    """Names without memory addresses: test processes must agree on them."""
    return re.sub(r"<function (\w+) at 0x[0-9a-f]+>", r"\1", repr(val)) if " at 0x" in repr(val) else None
