// Drives the Verilated core: clock, reset, and the external memory of docs/03_reference/timing.md.
//
// Granule reads are answered REPLY cycles after their request, a store's last granule is acknowledged ACKNOWLEDGE cycles
// after it came. Both follow from memory.latency_cycles; see seedchip.rtl.simulation.verilator. With Stalls memory is not
// always ready and answers after random times. All inputs go through registers (seedchip.rtl.simulation.clocked_inputs):
// they are set before the edge that begins their cycle.
#include "Vcore.h"
#include "verilated.h"

#include <cstdint>
#include <cstring>
#include <deque>
#include <random>

// Verilator writes the port memory__x as memory___05Fx.
#define MEMORY(port) memory___05F##port

namespace {

constexpr uint64_t kDebugCycles = 3;  // from an address at the debug port to its data
// Beside the core's own fault bits.
constexpr uint64_t kBadAddress = 1ull << 32;  // the memory ends before the address
constexpr uint64_t kUnstable = 1ull << 33;    // a request changed before it was taken
constexpr uint64_t kBrokenPromise = 1ull << 34;  // a granule is not the one that `more` announced
constexpr uint64_t kPage = 4096;

struct Reply {
    uint64_t due;
    uint64_t granule;
    bool tag;
};

// What the core asks for or writes in one cycle, without the data.
struct Request {
    bool valid = false;
    bool tag = false;
    uint64_t granule = 0;
    uint32_t more = 0;
    bool operator==(const Request& o) const {
        return valid == o.valid && tag == o.tag && granule == o.granule && more == o.more;
    }
};

// Checks the rules of the bus for one direction: requests stay until they are taken and do what they announced.
struct BusRules {
    Request waiting, last;
    uint64_t check(const Request& request, bool ready) {
        uint64_t fault = waiting.valid && !(waiting == request) ? kUnstable : 0;
        waiting = request;
        waiting.valid = request.valid && !ready;
        if (!request.valid || !ready) return fault;
        if (last.valid && last.more) {
            bool next = request.granule == last.granule + 1 && request.tag == last.tag;
            if (!next || request.granule * GRANULE % kPage == 0 || (request.more != last.more - 1 && last.more != 255))
                fault |= kBrokenPromise;
        }
        last = request;
        return fault;
    }
};

// Memory that is late: `seed` and, out of 256, how often it is not ready to read and to write; delays are in [1, longest].
struct Stalls {
    uint32_t seed, read_wait, write_wait, longest;
};

struct Bench {
    VerilatedContext context;
    Vcore core{&context};
    std::deque<Reply> replies;
    std::deque<uint64_t> acknowledgements;
    BusRules reads, writes;
    bool late = false;
    Stalls stalls{};
    std::mt19937 random;
    uint64_t cycle = 0, fault = 0, events = 0;
    uint64_t read_granules = 0, fetched_granules = 0, written_granules = 0;
};

// The cycle of an answer that comes `delay` cycles from now, or after a random time, but later than cycle `before`.
uint64_t due(Bench& b, uint64_t delay, uint64_t before) {
    if (!b.late) return b.cycle + delay;
    uint64_t cycle = b.cycle + 1 + b.random() % b.stalls.longest;
    return cycle > before ? cycle : before + 1;
}

// Ports of up to 64 bits are integers, wider ones arrays of words: both are little-endian bytes.
template <typename Port> uint8_t* bytes_of(Port& port) { return reinterpret_cast<uint8_t*>(&port); }

// To the next cycle: its inputs have been set, its outputs can be read afterwards.
void step(Bench& b) {
    b.core.clk = 1;
    b.core.eval();
    b.core.clk = 0;
    b.core.eval();
}

void draw_ready(Bench& b) {
    if (!b.late) return;
    b.core.MEMORY(read_ready) = b.random() % 256 >= b.stalls.read_wait;
    b.core.MEMORY(write_ready) = b.random() % 256 >= b.stalls.write_wait;
}

}  // namespace

extern "C" {

// A core in the first cycle after its reset, running the program at `program_address` in `memory_limit` bytes of memory.
// `stalls` is null for the memory of the timing rules.
Bench* bench_new(uint64_t program_address, uint32_t program_words, uint64_t memory_limit, const Stalls* stalls) {
    Bench* b = new Bench;
    if (stalls) {
        b->late = true;
        b->stalls = *stalls;
        b->random.seed(stalls->seed);
    }
    Vcore& core = b->core;
    core.program_address = program_address;
    core.program_words = program_words;
    core.memory_limit = memory_limit;
    core.rst = 1;
    core.MEMORY(reply_valid) = 0;
    core.MEMORY(write_done) = 0;
    core.MEMORY(read_ready) = 1;
    core.MEMORY(write_ready) = 1;
    core.clk = 0;
    core.eval();
    for (int i = 0; i < 4; i++) step(*b);
    core.rst = 0;
    draw_ready(*b);
    step(*b);
    return b;
}

void bench_free(Bench* b) { delete b; }

// Go on until the core is done, or before cycle `limit`. Returns the core's fault bits.
// trace: per event a 64-bit word, cycle << 16 | dispatched << 8 | completed << 4 | started; events beyond trace_size are
// counted but not stored. result: cycles, number of events, granules read, fetched, written, done, fault_engine,
// fault_instruction. Both are of the whole run so far.
uint64_t bench_run(Bench* b, uint8_t* memory, uint64_t memory_bytes, uint64_t limit, uint64_t* trace,
                   uint64_t trace_size, uint64_t* result) {
    Vcore& core = b->core;
    uint64_t fault = b->fault, events = b->events;
    while (b->cycle < limit) {
        uint32_t event = core.started | core.completed << 4 | core.dispatched << 8;
        if (event) {
            if (events < trace_size) trace[events] = b->cycle << 16 | event;
            events++;
        }
        if (core.done) break;
        Request read{bool(core.MEMORY(read_valid)), bool(core.MEMORY(read_tag)), core.MEMORY(read_granule),
                     core.MEMORY(read_more)};
        fault |= b->reads.check(read, core.MEMORY(read_ready));
        if (read.valid && core.MEMORY(read_ready)) {
            (read.tag ? b->fetched_granules : b->read_granules)++;
            if ((read.granule + 1) * GRANULE > memory_bytes) fault |= kBadAddress;
            uint64_t before = b->replies.empty() ? 0 : b->replies.back().due;
            b->replies.push_back({due(*b, REPLY, before), read.granule, read.tag});
        }
        Request write{bool(core.MEMORY(write_valid)), false, core.MEMORY(write_granule), core.MEMORY(write_more)};
        fault |= b->writes.check(write, core.MEMORY(write_ready));
        if (write.valid && core.MEMORY(write_ready)) {
            b->written_granules++;
            uint64_t start = write.granule * GRANULE;
            if (start + GRANULE > memory_bytes) {
                fault |= kBadAddress;
            } else {
                const uint8_t* data = bytes_of(core.MEMORY(write_data));
                const uint8_t* mask = bytes_of(core.MEMORY(write_mask));
                for (int i = 0; i < GRANULE; i++)
                    if (mask[i / 8] >> (i % 8) & 1) memory[start + i] = data[i];
            }
            if (core.MEMORY(write_last)) {
                uint64_t before = b->acknowledgements.empty() ? 0 : b->acknowledgements.back();
                b->acknowledgements.push_back(due(*b, ACKNOWLEDGE, before));
            }
        }
        if (fault) break;
        b->cycle++;
        draw_ready(*b);
        bool replies = !b->replies.empty() && b->replies.front().due == b->cycle;
        core.MEMORY(reply_valid) = replies;
        if (replies) {
            const Reply& reply = b->replies.front();
            core.MEMORY(reply_tag) = reply.tag;
            std::memcpy(bytes_of(core.MEMORY(reply_data)), memory + reply.granule * GRANULE, GRANULE);
            b->replies.pop_front();
        }
        bool acknowledged = !b->acknowledgements.empty() && b->acknowledgements.front() == b->cycle;
        core.MEMORY(write_done) = acknowledged;
        if (acknowledged) b->acknowledgements.pop_front();
        step(*b);
    }
    b->fault = fault;
    b->events = events;
    result[0] = core.done ? core.cycles : b->cycle;
    result[1] = events;
    result[2] = b->read_granules;
    result[3] = b->fetched_granules;
    result[4] = b->written_granules;
    result[5] = core.done;
    result[6] = core.fault_engine;
    result[7] = core.fault_instruction;
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
        step(*b);
        if (i >= kDebugCycles) {
            uint64_t place = i - kDebugCycles;
            if (place < num_lines) std::memcpy(scratchpad + place * LINE, bytes_of(core.debug_line), LINE);
            if (place < num_rows) std::memcpy(accumulator + place * ROW, bytes_of(core.debug_sums), ROW);
        }
    }
    std::memcpy(counts, bytes_of(core.counts), COUNTS);
    std::memcpy(counts + COUNTS, bytes_of(core.granules), GRANULES);
}
}
