// Drives the Verilated core: clock, reset, and the external memory of docs/03_reference/timing.md.
//
// Granule reads are answered REPLY cycles after their request, a store's last granule is acknowledged ACKNOWLEDGE cycles
// after it came. Both follow from memory.latency_cycles; see seedchip.rtl.verilator.
#include "Vcore.h"
#include "verilated.h"

#include <cstdint>
#include <cstring>
#include <vector>

// Verilator writes the port memory__x as memory___05Fx.
#define MEMORY(port) memory___05F##port

namespace {

constexpr uint64_t kDebugCycles = 3;  // from an address at the debug port to its data
constexpr uint64_t kBadAddress = 1ull << 32;  // beside the core's own fault bits: the memory ends before the address

struct Reply {
    bool valid = false;
    bool tag = false;
    uint64_t granule = 0;
};

struct Bench {
    VerilatedContext context;
    Vcore core{&context};
    std::vector<Reply> replies = std::vector<Reply>(REPLY);
    std::vector<char> acknowledgements = std::vector<char>(ACKNOWLEDGE);
    uint64_t cycle = 0, fault = 0, events = 0;
    uint64_t slot = 0, acknowledgement = 0;  // places in the two delay lines above
    uint64_t read_granules = 0, fetched_granules = 0, written_granules = 0;
};

// Ports of up to 64 bits are integers, wider ones arrays of words: both are little-endian bytes.
template <typename Port> uint8_t* bytes_of(Port& port) { return reinterpret_cast<uint8_t*>(&port); }

void step(Bench& b) {
    b.core.clk = 1;
    b.core.eval();
    b.core.clk = 0;
}

}  // namespace

extern "C" {

// A core at the end of its reset, about to run the program at `program_address`.
Bench* bench_new(uint64_t program_address, uint32_t program_words) {
    Bench* b = new Bench;
    Vcore& core = b->core;
    core.program_address = program_address;
    core.program_words = program_words;
    core.rst = 1;
    core.MEMORY(reply_valid) = 0;
    core.MEMORY(write_done) = 0;
    core.clk = 0;
    core.eval();
    for (int i = 0; i < 3; i++) {
        step(*b);
        core.eval();
    }
    core.rst = 0;
    core.eval();
    return b;
}

void bench_free(Bench* b) { delete b; }

// Go on until the core is done, or before cycle `limit`. Returns the core's fault bits.
// trace: per event a 64-bit word, cycle << 16 | dispatched << 8 | completed << 4 | started; events beyond trace_size are
// counted but not stored. result: cycles, number of events, granules read, fetched, written, done. Both are of the whole
// run so far.
uint64_t bench_run(Bench* b, uint8_t* memory, uint64_t memory_bytes, uint64_t limit, uint64_t* trace,
                   uint64_t trace_size, uint64_t* result) {
    Vcore& core = b->core;
    uint64_t fault = b->fault, events = b->events;
    uint64_t slot = b->slot, acknowledgement = b->acknowledgement;
    while (b->cycle < limit) {
        core.eval();
        uint32_t event = core.started | core.completed << 4 | core.dispatched << 8;
        if (event) {
            if (events < trace_size) trace[events] = b->cycle << 16 | event;
            events++;
        }
        if (core.done) break;
        // The request of this cycle is answered REPLY cycles later; what comes out of the line now goes in next cycle.
        Reply request;
        request.valid = core.MEMORY(read_valid);
        request.tag = core.MEMORY(read_tag);
        request.granule = core.MEMORY(read_granule);
        if (request.valid) {
            (request.tag ? b->fetched_granules : b->read_granules)++;
            if ((request.granule + 1) * GRANULE > memory_bytes) fault |= kBadAddress;
        }
        b->replies[slot] = request;
        b->acknowledgements[acknowledgement] = core.MEMORY(write_valid) && core.MEMORY(write_last);
        if (core.MEMORY(write_valid)) {
            b->written_granules++;
            uint64_t start = core.MEMORY(write_granule) * GRANULE;
            if (start + GRANULE > memory_bytes) {
                fault |= kBadAddress;
            } else {
                const uint8_t* data = bytes_of(core.MEMORY(write_data));
                const uint8_t* mask = bytes_of(core.MEMORY(write_mask));
                for (int i = 0; i < GRANULE; i++)
                    if (mask[i / 8] >> (i % 8) & 1) memory[start + i] = data[i];
            }
        }
        if (fault) break;
        slot = slot + 1 == REPLY ? 0 : slot + 1;
        acknowledgement = acknowledgement + 1 == ACKNOWLEDGE ? 0 : acknowledgement + 1;
        step(*b);
        const Reply& reply = b->replies[slot];
        core.MEMORY(reply_valid) = reply.valid;
        core.MEMORY(reply_tag) = reply.tag;
        if (reply.valid) std::memcpy(bytes_of(core.MEMORY(reply_data)), memory + reply.granule * GRANULE, GRANULE);
        core.MEMORY(write_done) = b->acknowledgements[acknowledgement];
        b->cycle++;
    }
    b->fault = fault;
    b->events = events;
    b->slot = slot;
    b->acknowledgement = acknowledgement;
    result[0] = core.done ? core.cycles : b->cycle;
    result[1] = events;
    result[2] = b->read_granules;
    result[3] = b->fetched_granules;
    result[4] = b->written_granules;
    result[5] = core.done;
    return fault | core.fault;
}

// Scratchpad and accumulators through the core's debug port, and its counters, after the run.
void bench_read(Bench* b, uint8_t* scratchpad, uint64_t num_lines, uint8_t* accumulator, uint64_t num_rows,
                uint8_t* counts) {
    Vcore& core = b->core;
    core.MEMORY(reply_valid) = 0;
    core.MEMORY(write_done) = 0;
    uint64_t last = num_lines > num_rows ? num_lines : num_rows;
    for (uint64_t i = 0; i < last + kDebugCycles; i++) {
        core.debug_address = i * LINE;
        core.debug_row = i;
        core.eval();
        if (i >= kDebugCycles) {
            uint64_t place = i - kDebugCycles;
            if (place < num_lines) std::memcpy(scratchpad + place * LINE, bytes_of(core.debug_line), LINE);
            if (place < num_rows) std::memcpy(accumulator + place * ROW, bytes_of(core.debug_sums), ROW);
        }
        step(*b);
    }
    std::memcpy(counts, bytes_of(core.counts), COUNTS);
    std::memcpy(counts + COUNTS, bytes_of(core.granules), GRANULES);
}
}
