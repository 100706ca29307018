"""The file of API keys: two owners whose keys stay, and others who come and go."""

from pathlib import Path

from app.access.api_keys import KeyEntry, new_key
from app.access.key_file import edit_keys


class Keys:
    """`owners`: the keys that stay, of those whose jobs are judged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._whole = b""
        self.owners = [self.add(name) for name in ("ada", "bob")]

    def add(self, name: str) -> str:
        """Returns a new key of that name."""
        key, digest = new_key()
        with edit_keys(self.path) as entries:
            entries.append(KeyEntry(name=name, sha256=digest, may=("train",)))
        return key

    def revoke(self, name: str) -> None:
        with edit_keys(self.path) as entries:
            entries[:] = [entry for entry in entries if entry.name != name]

    def tear(self) -> None:
        """Half of the file is there, as while an editor writes it."""
        self._whole = self.path.read_bytes()
        self.path.write_bytes(self._whole[: len(self._whole) // 2])

    def lose(self) -> None:
        self._whole = self.path.read_bytes()
        self.path.unlink()

    def mend(self) -> None:
        self.path.write_bytes(self._whole)
