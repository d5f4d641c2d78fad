"""Host fallback: a model of which the chip can compute only parts becomes programs and host nodes, run in turn.

`partition_model` finds the nodes that the front end refuses and slices the graph around them, `build_partition` makes
a program of every slice, `PartitionedDevice` runs programs on the simulated chip and the other nodes in ONNX Runtime.
"""

from __future__ import annotations

from seedchip.partition.build import PartitionBuild, build_partition
from seedchip.partition.device import PartitionedDevice
from seedchip.partition.host import HostNode
from seedchip.partition.importer import Partition, partition_model
from seedchip.partition.slicing import ChipPart

__all__ = ["ChipPart", "HostNode", "Partition", "PartitionBuild", "PartitionedDevice", "build_partition",
           "partition_model"]
