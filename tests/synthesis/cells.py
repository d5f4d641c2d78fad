"""A library of a few cells with round figures, so that areas and delays can be worked out by hand."""

from pathlib import Path

DELAYS = {"NOT": 0.1, "AND": 0.2, "BUFFER": 0.15, "BUFFER_STRONG": 0.12}
AREAS = {"NOT": 1.0, "AND": 2.0, "BUFFER": 1.5, "BUFFER_STRONG": 3.0, "FLOP": 10.0}
CLOCK_TO_OUTPUT, SETUP = 0.3, 0.05
FUNCTIONS = {"NOT": ("A", "!A"), "AND": ("A B", "(A & B)"), "BUFFER": ("A", "A"), "BUFFER_STRONG": ("A", "A")}

TEMPLATE = """lu_table_template (square) { variable_1 : input_net_transition; variable_2 : total_output_net_capacitance;
index_1 ("0, 10"); index_2 ("0, 1000"); }
lu_table_template (check) { variable_1 : related_pin_transition; variable_2 : constrained_pin_transition;
index_1 ("0, 10"); index_2 ("0, 10"); }"""


def _table(key: str, value: float) -> str:
    """The same figure for every slope and load."""
    return (f'{key} (square) {{ index_1 ("0, 10"); index_2 ("0, 1000"); '
            f'values ("{value}, {value}", "{value}, {value}"); }}')


def _check(key: str) -> str:
    return f'{key} (check) {{ index_1 ("0, 10"); index_2 ("0, 10"); values ("{SETUP}, {SETUP}", "{SETUP}, {SETUP}"); }}'


def _arc(delay: float, related: str, kind: str) -> str:
    values = [_table("cell_rise", delay), _table("cell_fall", delay), _table("rise_transition", 0),
              _table("fall_transition", 0)]
    return (f'timing () {{ related_pin : "{related}"; timing_type : {kind}; timing_sense : non_unate; '
            f'{" ".join(values)} }}')


def _gate(name: str) -> str:
    inputs, function = FUNCTIONS[name]
    drive = 60 if name == "BUFFER" else 240
    arcs = " ".join(_arc(DELAYS[name], pin, "combinational") for pin in inputs.split())
    pins = " ".join(f"pin ({p}) {{ direction : input; capacitance : 1; }}" for p in inputs.split())
    return (f'cell ({name}) {{ area : {AREAS[name]}; {pins} pin (Y) {{ direction : output; max_capacitance : {drive}; '
            f'function : "{function}"; {arcs} }} }}')


def small_library(folder: Path) -> Path:
    """The Liberty file, written into ``folder``."""
    check = (f'timing () {{ related_pin : "C"; timing_type : setup_rising; {_check("rise_constraint")} '
             f'{_check("fall_constraint")} }}')
    flop = (f'cell (FLOP) {{ area : {AREAS["FLOP"]}; ff ("IQ" , "IQN") {{ next_state : "D"; clocked_on : "C"; }} '
            f'pin (D) {{ direction : input; capacitance : 1; {check} }} '
            'pin (C) { direction : input; capacitance : 1; clock : true; } '
            'pin (Q) { direction : output; max_capacitance : 60; function : "IQ"; '
            f'{_arc(CLOCK_TO_OUTPUT, "C", "rising_edge")} }} }}')
    thresholds = [f"{kind}_threshold_pct_{edge} : {percent};" for edge in ("rise", "fall")
                  for kind, percent in (("input", 50), ("output", 50), ("slew_lower", 30), ("slew_upper", 70))]
    text = "\n".join(["/* round figures */", "library (small) {", "delay_model : table_lookup;", 'time_unit : "1ns";',
                      'voltage_unit : "1V";', 'current_unit : "1mA";', "capacitive_load_unit (1, ff);", *thresholds,
                      TEMPLATE, *map(_gate, FUNCTIONS), flop, "}", ""])
    path = folder / "small.lib"
    path.write_text(text, "utf-8")
    return path
