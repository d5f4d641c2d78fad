"""Write the report as JSON, as a web page and as a Perfetto trace. Usage: 02_where_the_cycles_went.py [FOLDER]"""

import sys
from pathlib import Path

from tiny_model import make_model

import seedchip
from seedchip.report import render_html, to_chrome_trace, to_json

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
session = seedchip.InferenceSession(make_model(), options=seedchip.BuildOptions(shapes={"batch": 64}))
report = session.report()

for engine, causes in report.counters.items():
    shares = ", ".join(f"{cause} {100 * cycles / report.cycles:.0f} %" for cause, cycles in causes.items() if cycles)
    print(f"{engine:7}{shares}")

(folder / "tiny.json").write_text(to_json(report))
(folder / "tiny.html").write_text(render_html(report))
(folder / "tiny.trace.json").write_text(to_chrome_trace(session.program, session.timeline, session.spec))
print(f"written to {folder}: tiny.json, tiny.html (a browser), tiny.trace.json (https://ui.perfetto.dev)")
