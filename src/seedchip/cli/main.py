"""The `seedchip` command: registers the commands and turns errors into one sentence and an exit code.

Exit codes: 0 done, 1 could not (one sentence on stderr), 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from seedchip import __version__
from seedchip.cli import bench, chips, compile, demo, disasm, fpga, report, rtl, run, synth

_KNOWN = {
    "seedchip.spec.chip": ("SpecError",), "seedchip.frontend.errors": ("ModelError",),
    "seedchip.graph.ops": ("GraphError",), "seedchip.quantise.errors": ("QuantiseError",),
    "seedchip.compiler.placement": ("CompileError",), "seedchip.program.errors": ("ProgramError",),
    "seedchip.partition.host": ("HostError",), "seedchip.simulator.errors": ("Fault", "FeedError"),
    "seedchip.simulator.timing": ("DeadlockError",), "seedchip.device": ("DeviceError",),
    "seedchip.rtl.simulation.compilation": ("BuildError",), "seedchip.rtl.simulation.run": ("HardwareFault",),
    "seedchip.rtl.simulation.lockstep": ("LockstepError",), "seedchip.report.report": ("ReportError",),
    "seedchip.zoo.errors": ("ZooError",), "seedchip.synthesis.library": ("LibraryError",),
    "seedchip.synthesis.mapping": ("SynthesisError",), "seedchip.handoff.package": ("HandOffError",),
    "seedchip.handoff.lint": ("LintError",), "seedchip.fpga.boards": ("BoardNameError",),
    "seedchip.fpga.synthesis": ("FlowError",), "seedchip.fpga.host": ("BoardError",)}
"""Errors that are the user's to repair, by the module that defines them."""


def user_errors() -> tuple[type[BaseException], ...]:
    """The known error classes of the modules imported so far: an error can come from no other."""
    classes = [getattr(sys.modules[module], name, None) for module, names in _KNOWN.items() if module in sys.modules
               for name in names]
    return tuple(c for c in classes if isinstance(c, type))


class Commands(TyperGroup):
    """Runs a command; a known error becomes one sentence on stderr and exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise _stop("interrupted", 130) from None
        except BrokenPipeError:
            raise
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            raise _stop(f"{place}{error.strerror or error}", 1) from None
        except MemoryError:
            raise _stop("this machine has too little memory for that model", 1) from None
        except Exception as error:
            if isinstance(error, user_errors()):
                raise _stop(str(error), 1) from None
            raise


def _stop(sentence: str, code: int) -> typer.Exit:
    line = " ".join(sentence.split())
    typer.echo(f"seedchip: {''.join(c if c.isprintable() else '?' for c in line)}", err=True)
    return typer.Exit(code)


app = typer.Typer(cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  context_settings={"help_option_names": ["-h", "--help"]},
                  help="Compile trained models for an open inference chip, run them on its exact simulator, and see "
                       "what they cost.")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"seedchip {__version__}")
        raise typer.Exit


@app.callback()
def _options(version: bool = typer.Option(False, "--version", callback=_version, is_eager=True,
                                          help="Print the version and exit.")) -> None:
    pass


app.command("run")(run.run)
app.command("compile")(compile.compile)
app.command("disasm")(disasm.disasm)
app.command("report")(report.report)
app.add_typer(chips.app, name="chips")
app.command("rtl")(rtl.rtl)
app.command("synth")(synth.synth)
app.command("fpga")(fpga.fpga)
app.command("bench", context_settings=bench.SETTINGS)(bench.bench)
app.command("demo", context_settings=demo.SETTINGS)(demo.demo)


def main() -> None:
    """Entry point of the `seedchip` script."""
    app(prog_name="seedchip")
