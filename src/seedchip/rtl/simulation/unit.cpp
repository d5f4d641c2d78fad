// Drives one unit that takes an item every cycle: many items in one call. INPUTS and OUTPUTS list its ports of up to
// 32 bits as P(name) P(name) ...; see seedchip.rtl.simulation.unit.
#include "Vunit.h"
#include "verilated.h"

#include <cstdint>

// Items of every input come from one array each; an item's outputs are read `cycles` edges after it was taken.
extern "C" void unit_run(const uint32_t* const* inputs, uint32_t* const* outputs, uint64_t items, uint64_t cycles) {
    VerilatedContext context;
    Vunit unit{&context};
    unit.clk = 0;
    unit.rst = 0;
    unit.eval();
    for (uint64_t i = 0; i < items + cycles - 1; i++) {
        if (i < items) {
            const uint32_t* const* input = inputs;
#define P(name) unit.name = (*input++)[i];
            INPUTS
#undef P
        }
        unit.clk = 1;
        unit.eval();
        unit.clk = 0;
        unit.eval();
        if (i + 1 >= cycles) {
            uint32_t* const* output = outputs;
#define P(name) (*output++)[i + 1 - cycles] = unit.name;
            OUTPUTS
#undef P
        }
    }
}
