"""Post-training quantisation of graphs."""

from seedchip.quantise.accuracy import AccuracyReport, LayerAccuracy, OutputAccuracy, report_accuracy
from seedchip.quantise.errors import QuantiseError
from seedchip.quantise.options import LayerChoice, QuantiseOptions
from seedchip.quantise.quantisation import quantise

__all__ = ["AccuracyReport", "LayerAccuracy", "LayerChoice", "OutputAccuracy", "QuantiseError", "QuantiseOptions",
           "quantise", "report_accuracy"]
