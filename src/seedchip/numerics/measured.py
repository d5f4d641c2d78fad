"""Worst errors over every number of each domain. Generated: `python -m seedchip.numerics.measure`."""

from seedchip.numerics.measure import Worst

MEASURED: dict[str, Worst] = {
    "exp": Worst(2.267, 5.242049217224121),
    "exp_nonpositive": Worst(1.046, -0.3013308048248291),
    "log": Worst(0.904, 0.7066592574119568),
    "log_normal": Worst(0.904, 0.7066592574119568),
    "sigmoid": Worst(4.323, -16.785804748535156),
    "silu": Worst(4.863, -16.771507263183594),
    "softplus": Worst(3.769, -8.477993965148926),
    "tanh": Worst(7.477, 5.414078235626221),
    "sinh": Worst(2.708, 5.242598056793213),
    "cosh": Worst(2.704, 1.2211833000183105),
    "asinh": Worst(5.465, 0.5023710131645203),
    "acosh": Worst(1.665, 3.005417585372925),
    "atanh": Worst(1.87, 0.5689458250999451),
    "reciprocal": Worst(1.621, 1.3856724450192846e-38),
    "reciprocal_normal": Worst(1.862, 2.5243342480536443e+37),
    "sqrt": Worst(0.501, 2.9093597423959008e+38),
    "rsqrt": Worst(1.85, 3.1727483304534976e+38),
    "rsqrt_normal": Worst(1.85, 3.1727483304534976e+38),
    "erf": Worst(8.127, 3.84952974319458),
    "gelu": Worst(9.123, 0.003840939374640584),
    "gelu_tanh": Worst(9.123, -0.003840939374640584),
    "sin": Worst(0.997, 7.765736103057861),
    "cos": Worst(1.03, 0.2925563454627991),
    "tan": Worst(4.381, 1.3183482885360718),
    "asin": Worst(3.484, 0.24576814472675323),
    "acos": Worst(3.517, 0.8789330124855042),
    "atan": Worst(2.439, 1.148013949394226),
}
