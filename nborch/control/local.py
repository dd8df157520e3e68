"""The control plane of this machine: it works on a home."""

from nborch import __version__
from nborch.control.forms import Health, SettingPage, VersionForm
from nborch.control.preferences import told_settings
from nborch.control.results import LocalResults

__all__ = ["API", "LocalControl"]

#: Grows when answers change in a way that programs have to know.
API = 1


class LocalControl(LocalResults):
    """Sees and changes what is in a home.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from nborch.home import Home
    >>> from nborch.settings import Settings
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     home = Home(Settings(Path(folder), Path(folder) / "secret.key"))
    ...     LocalControl(home).runs()
    ...     home.close()
    {'items': [], 'next': None}
    """

    def settings(self) -> SettingPage:
        """Return the settings in force, and where each comes from."""
        return {"items": told_settings(self.home.settings), "next": None}

    def health(self) -> Health:
        """Tell that somebody answers."""
        return {"status": "ok"}

    def version(self) -> VersionForm:
        """Return what answers."""
        return {"name": "nborch", "version": __version__, "api": API}
