"""Debian packages without installing them: ``apt-get download`` needs no root, and the archive format is plain.

A ``.deb`` is an ``ar`` archive whose ``data.tar.*`` member holds the files (deb(5)).
"""

from __future__ import annotations

import io
import lzma
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

from seedchip.zoo.artefacts import Package
from seedchip.zoo.errors import ZooError

_AR_MAGIC = b"!<arch>\n"


def download(package: Package, folder: Path, run: Callable[[list[str], Path, str], None]) -> None:
    """Downloads the ``.deb`` into ``folder`` with ``run(command, folder, label)``. Raises `ZooError`."""
    label = f"{package.name} {package.version}"
    if shutil.which("apt-get") is None:
        raise ZooError(f"{label}: this data set comes as a Debian package, and this machine has no apt-get; "
                       f"put {package.name}_{package.version}_all.deb into the cache's packages folder as "
                       f"{package.name}-{package.version}.deb")
    command = ["apt-get", "download", "-qq", f"{package.name}={package.version}"]
    try:
        run(command, folder, label)
    except ZooError:  # a fresh machine has no lists of packages, or old ones; lists of our own need no root
        own = ["-o", f"Dir::State::Lists={folder}/lists", "-o", f"Dir::Cache={folder}/cache"]
        for part in ("lists/partial", "cache/archives/partial"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        run(["apt-get", "update", "-qq", *own], folder, label)
        run([*command, *own], folder, label)


def read_member(path: Path, member: str) -> Iterator[bytes]:
    """Bytes of one regular file of a ``.deb``, in chunks. Raises `KeyError` when it is not there, else `ZooError`."""
    name, data = _data_archive(path)
    if name.endswith(".zst"):
        data = _zstandard(path, data)
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:*") as archive:
            entry = archive.getmember(f"./{member}")
            file = archive.extractfile(entry) if entry.isreg() else None
            if file is None:
                raise KeyError(f"{member} is no regular file")
            while chunk := file.read(1 << 20):
                yield chunk
    except (tarfile.TarError, EOFError, lzma.LZMAError) as error:
        raise ZooError(f"{path}: the package must hold a tar archive, but {error}; delete it and run again") from None


def _data_archive(path: Path) -> tuple[str, bytes]:
    """Name and bytes of ``data.tar.*``: after the magic, members of a 60-byte header and data padded to even length."""
    with path.open("rb") as file:
        if file.read(len(_AR_MAGIC)) != _AR_MAGIC:
            raise ZooError(f"{path}: a Debian package must be an ar archive; delete the file and run again")
        while len(header := file.read(60)) == 60:
            name, size = header[:16].decode("ascii", "replace").strip().rstrip("/"), int(header[48:58])
            if name.startswith("data.tar"):
                return name, file.read(size)
            file.seek(size + size % 2, io.SEEK_CUR)
    raise ZooError(f"{path}: a Debian package must hold data.tar; delete the file and run again")


def _zstandard(path: Path, data: bytes) -> bytes:
    """Newer distributions compress with zstd, which the standard library cannot read; dpkg always can."""
    if shutil.which("dpkg-deb") is None:
        raise ZooError(f"{path}: dpkg-deb is needed to unpack it, but this machine has none; install dpkg")
    done = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(path)], capture_output=True, check=False)
    if done.returncode:
        raise ZooError(f"{path}: dpkg-deb could not unpack the package of {len(data)} bytes; delete it and run again")
    return done.stdout
