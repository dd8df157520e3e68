"""The client of a kernel: what arrives is heard, whatever is sent meanwhile."""

import asyncio
import time

import pytest
import zmq

from nborch.notebook.kernels.managers import kernel_client, kernel_manager


@pytest.fixture
def far():
    """A socket where a kernel would answer."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        router.linger = 0
        router.rcvtimeo = 10_000
        yield router


def test_an_answer_is_heard_that_comes_just_before_something_is_sent(far):
    """As when a cell ends while a widget is told something: neither waits for ever."""
    manager = kernel_manager("python3")
    manager.transport, manager.ip = "tcp", "127.0.0.1"
    manager.shell_port = far.bind_to_random_port("tcp://127.0.0.1")
    client = kernel_client(manager)

    async def talk():
        client.start_channels(iopub=False, stdin=False, hb=False, control=False)
        try:
            waiting = asyncio.ensure_future(client.shell_channel.get_msg(timeout=None))
            client.kernel_info()
            await asyncio.sleep(0.2)
            (who,), asked = client.session.recv(far, mode=0)
            client.session.send(far, "kernel_info_reply", {}, parent=asked, ident=who)
            # It arrives while nobody looks.
            time.sleep(0.3)  # noqa: ASYNC251  # as a loop that is busy
            client.kernel_info()
            return await asyncio.wait_for(waiting, 5)
        finally:
            client.stop_channels()

    assert asyncio.run(talk())["msg_type"] == "kernel_info_reply"
