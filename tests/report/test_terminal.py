"""What the terminal shows: the figures in the units people read, and every cause in per cent."""

from rich.console import Console
from sample_reports import small_report

from seedchip.quantities import format_bytes, format_si, printable
from seedchip.report import render_terminal


def shown(report, width: int = 140) -> str:
    console = Console(width=width, record=True, force_terminal=False, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(render_terminal(report))
    return console.export_text()


def test_quantities_have_three_digits_and_a_prefix():
    assert [format_si(v, "s") for v in (0, 1.5e-9, 0.001234, 99.96, 1234.0)] == [
        "0.00 s", "1.50 ns", "1.23 ms", "100.0 s", "1.23 ks"]
    assert [format_bytes(n) for n in (0, 1023, 1024, 1536 * 1024, 5 << 40)] == [
        "0 B", "1023 B", "1.00 KiB", "1.50 MiB", "5.00 TiB"]
    assert printable("a\x1b[31mb\nc") == "a?[31mb?c"
    assert len(printable("x" * 500, 40)) == 40 and "..." in printable("x" * 500, 40)


def test_the_summary_shows_each_figure_with_its_source():
    text = shown(small_report())
    for line in ("tiny <net> on bench", "1,000  counted", "1.00 ms at 1.00 MHz (1.00 k runs/s)  computed",
                 "25.0 % of 64 MAC/cycle  computed", "2.93 KiB read, 1000 B written  counted",
                 "host operations        1  counted"):
        assert line in text


def test_the_causes_of_each_engine_stand_in_per_cent_and_sum_to_100():
    lines = [line.split() for line in shown(small_report()).splitlines()]
    head = next(line for line in lines if line[:1] == ["engine"])
    rows = {line[0]: dict(zip(head[1:], map(float, line[1:]), strict=True)) for line in lines
            if line[:1] and line[0] in ("matrix", "vector", "load", "store")}
    assert rows["matrix"] == {"active": 25, "weights": 5, "memory": 0, "bank": 0, "semaphore": 60, "drain": 0,
                              "dispatch": 0, "idle": 10, "sum": 100}
    assert all(row["sum"] == 100 for row in rows.values())


def test_layers_are_ranked_by_cycles_with_what_bounds_them():
    lines = [line.split() for line in shown(small_report()).splitlines()]
    conv = next(line for line in lines if line[:2] == ["conv", '"1"'])
    assert conv[2:6] == ["Conv", "700", "70.0", "%"] and conv[-1] == "compute"
    fc = next(line for line in lines if line[:1] and line[0].startswith("fc/"))
    assert fc[-1] == "memory"
    assert lines.index(conv) < lines.index(fc)


def test_accuracy_and_host_operations_are_shown_when_there_are_any():
    text = shown(small_report())
    assert "Outputs beside ONNX Runtime 1.0" in text and "0.999500" in text and "100.0 %" in text
    assert "Computed on the host" in text and "TopK" in text
    bare = shown(small_report(accuracy=None, host_ops=(), layers=()))
    assert "beside" not in bare and "host operations        0" in bare
