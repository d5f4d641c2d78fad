"""The same model on shipped chips and on one of your own: a file in TOML is all it takes."""

import tempfile
from pathlib import Path

from tiny_model import make_input, make_model

import seedchip
from seedchip.spec import load, presets

own = Path(tempfile.mkdtemp()) / "wide.toml"
text = Path(presets()["micro"]).read_text()
own.write_text(text.replace('name = "micro"', 'name = "wide"').replace("channels = 1\n", "channels = 4\n"))

model, x = make_model(), make_input(32)
options = seedchip.BuildOptions(shapes={"batch": 32})
answers = set()
for chip in ("nano", "micro", str(own)):
    session = seedchip.InferenceSession(model, chip, options=options)
    report = session.report()
    answers.add(session.run(["y"], {"x": x})[0].tobytes())
    print(f"{report.chip:6} {load(chip).memory.bytes_per_cycle:3} B/cycle  {report.cycles:7,} cycles  "
          f"{1e6 * report.seconds:8.1f} us  {100 * report.mac_utilisation:5.1f} % MAC utilisation")
print("the answers are the same bits on every chip:", len(answers) == 1)
