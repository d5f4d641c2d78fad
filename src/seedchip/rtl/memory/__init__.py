"""On-chip memories over one SRAM wrapper."""
