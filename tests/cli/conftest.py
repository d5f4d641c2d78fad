from collections.abc import Callable
from pathlib import Path

import pytest
from small_models import save_mlp, save_picture_net
from typer.testing import CliRunner, Result

from seedchip.cli.main import app


@pytest.fixture(scope="session")
def mlp(tmp_path_factory) -> Path:
    return save_mlp(tmp_path_factory.mktemp("models") / "mlp.onnx")


@pytest.fixture(scope="session")
def picture_net(tmp_path_factory) -> Path:
    return save_picture_net(tmp_path_factory.mktemp("models") / "picture.onnx")


@pytest.fixture
def seedchip() -> Callable[..., Result]:
    """Runs the command line in this process; an error that is not the user's would raise here."""
    return lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
