"""What starts and reaches a kernel: jupyter_client's manager, which may fork it."""

import functools
from typing import Any

from nborch.exceptions import NotFound, did_you_mean
from nborch.notebook.kernels.nursery import kind_of, nursery_of
from nborch.settings import KernelSettings, load_settings

__all__ = ["kernel_client", "kernel_manager"]

_RETRY_MILLISECONDS = 10


def kernel_manager(name: str) -> Any:
    """Return a manager for a new kernel; raise NotFound if none has that name."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    manager = _manager_class()(kernel_name=name)
    try:
        manager.kernel_spec.argv  # noqa: B018 - looked up when it is asked for
    except NoSuchKernel as error:
        known = sorted(KernelSpecManager().find_kernel_specs())
        raise NotFound(
            f"No kernel named {name!r} is installed."
            f"{did_you_mean(name, known)}"
            f" Installed kernels: {', '.join(known) or 'none'}."
        ) from error
    return manager


def kernel_client(manager: Any) -> Any:
    """Return a client for the kernel of a manager, not connected yet."""
    import zmq

    client = manager.client(shell_channel_class=_shell_channel_class())
    # NB. Both are copied into sockets when they are made. A client that falls behind
    # could otherwise lose outputs from the thousandth on.
    client.context.setsockopt(zmq.RCVHWM, 0)
    # It connects before the kernel listens, and tries again so often.
    client.context.setsockopt(zmq.RECONNECT_IVL, _RETRY_MILLISECONDS)
    return client


@functools.cache
def _shell_channel_class() -> Any:
    import zmq
    from jupyter_client.channels import AsyncZMQSocketChannel

    class Channel(AsyncZMQSocketChannel):  # type: ignore[misc,unused-ignore]  # no types
        """A channel on which one may send while somebody waits for an answer."""

        def send(self, msg: dict[str, Any]) -> None:
            super().send(msg)
            # NB. To send takes the sign of what has come since, and who waits for it
            # would wait for ever. To ask for the events has them looked at once more.
            self.socket.get(zmq.EVENTS)

    return Channel


@functools.cache
def _manager_class() -> Any:
    from jupyter_client.manager import AsyncKernelManager
    from jupyter_client.provisioning import LocalProvisioner

    class Manager(AsyncKernelManager):  # type: ignore[misc,unused-ignore]  # no types
        """Start a kernel by a fork where that is the same and quicker."""

        #: When the modules of its kernel were imported, if it was forked.
        born = 0.0

        async def _async_launch_kernel(self, kernel_cmd: list[str], **kw: Any) -> None:
            settings = load_settings().kernels
            provisioner: Any = self.provisioner
            if settings.fork and type(provisioner) is LocalProvisioner:
                process = await self._forked(kernel_cmd, kw, settings)
                if process is not None:
                    # It is as if the provisioner had started it.
                    provisioner.process = process
                    provisioner.pid = provisioner.pgid = process.pid
                    provisioner.cwd = kw.get("cwd")
                    self._reconcile_connection_info(provisioner.connection_info)
                    return
            await super()._async_launch_kernel(kernel_cmd, **kw)

        async def _forked(
            self, command: list[str], options: Any, settings: KernelSettings
        ) -> Any:
            kind = kind_of(self.kernel_name, self.kernel_spec, command, options)
            if kind is None:
                return None
            nursery = nursery_of(kind, settings.max_age_minutes * 60)
            if nursery is None:
                return None
            self.born = nursery.born
            return await nursery.fork(command, options)

    return Manager
