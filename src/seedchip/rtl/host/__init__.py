"""What stands between the core and the host: registers over AXI4-Lite, memory over AXI4."""
