// Drives the Verilated chip: a host at its AXI4-Lite registers, a memory at its AXI4 port, and a watch over the rules of
// both. Memory keeps the times of docs/03_reference/timing.md, or comes late with Stalls.
#include "Vchip.h"
#include "verilated.h"

#include <cstdint>
#include <cstring>
#include <deque>
#include <random>
#include <vector>

namespace {

enum Response : uint8_t { kOkay = 0, kSlaveError = 2, kDecodeError = 3 };

// Broken rules, a bit for each; see seedchip.rtl.simulation.chip_bench.
enum Rule : uint64_t {
    kUnstable = 1 << 0,     // valid fell, or what it stands for changed, before ready
    kBurst = 1 << 1,        // not incrementing, not whole granules, or across a boundary of 4 KiB
    kLast = 1 << 2,         // WLAST not with the last beat of its burst
    kCombinational = 1 << 3,  // an output depends on an input of the same cycle
    kRefuses = 1 << 4,      // a response was not taken: the chip promises always to be ready
};

constexpr uint64_t kPage = 4096;
constexpr uint32_t kSize = __builtin_ctz(GRANULE), kIncrementing = 1;

template <typename Port> uint8_t* bytes_of(Port& port) { return reinterpret_cast<uint8_t*>(&port); }

// One channel's valid and payload, cycle after cycle: rules of AMBA AXI A3.2.1.
template <typename Payload> struct Handshake {
    bool waiting = false;
    Payload kept{};
    uint64_t check(bool valid, bool ready, const Payload& payload) {
        bool broken = waiting && (!valid || !(payload == kept));
        waiting = valid && !ready;
        kept = payload;
        return broken ? kUnstable : 0;
    }
};

struct Address {
    uint64_t address;
    uint32_t id, len, size, burst;
    bool operator==(const Address& o) const {
        return address == o.address && id == o.id && len == o.len && size == o.size && burst == o.burst;
    }
    uint64_t check() const {
        uint64_t end = address % kPage + (len + 1) * GRANULE;
        return size != kSize || burst != kIncrementing || address % GRANULE || end > kPage ? kBurst : 0;
    }
};

struct Data {
    std::vector<uint8_t> bytes;
    uint64_t strobes;
    bool last;
    bool operator==(const Data& o) const { return bytes == o.bytes && strobes == o.strobes && last == o.last; }
};

struct Beat {
    uint64_t due, address;
    bool last;
};

struct Answer {
    uint64_t due;
    uint8_t response;
};

struct Stalls {
    uint32_t seed, read_wait, write_wait, longest;
};

struct Bench {
    VerilatedContext context;
    Vchip chip{&context};
    uint8_t* memory = nullptr;
    uint64_t memory_bytes = 0, base = 0;
    uint64_t error_low = 0, error_high = 0;  // bytes of memory that answer with an error
    bool late = false;
    Stalls stalls{};
    std::mt19937 random;
    uint64_t cycle = 0, broken = 0;
    uint64_t read_bursts = 0, write_bursts = 0, read_beats = 0, write_beats = 0, answers = 0;
    std::deque<Beat> reads[2];
    std::deque<Address> addresses;
    std::deque<Data> data;
    uint32_t beat = 0;  // of the first address's burst
    uint8_t burst_response = kOkay;
    std::deque<Answer> acknowledgements;
    Handshake<Address> read_address, write_address;
    Handshake<Data> write_data;
    Handshake<uint64_t> register_read, register_write;
};

bool chance(Bench& b, uint32_t of_256) { return b.random() % 256 < of_256; }

uint64_t due(Bench& b, uint64_t delay) { return b.cycle + (b.late ? 1 + b.random() % b.stalls.longest : delay); }

uint8_t response_at(Bench& b, uint64_t address) {
    if (address < b.base || address - b.base + GRANULE > b.memory_bytes) return kDecodeError;
    uint64_t place = address - b.base;
    return place >= b.error_low && place < b.error_high ? kSlaveError : kOkay;
}

// Everything that the chip drives towards memory, for the comparison of two evaluations in one cycle.
std::vector<uint64_t> outputs(Vchip& c) {
    return {c.m_axi_arvalid, c.m_axi_araddr, c.m_axi_arlen, c.m_axi_arid, c.m_axi_awvalid, c.m_axi_awaddr,
            c.m_axi_awlen, c.m_axi_wvalid, c.m_axi_wlast, c.m_axi_wstrb, c.m_axi_rready, c.m_axi_bready,
            c.s_axi_awready, c.s_axi_wready, c.s_axi_arready, c.s_axi_bvalid, c.s_axi_bresp, c.s_axi_rvalid,
            c.s_axi_rdata, c.s_axi_rresp, c.irq};
}

// What memory offers in this cycle: ready, and data or an answer that is due.
void drive(Bench& b) {
    Vchip& c = b.chip;
    c.m_axi_arready = !b.late || !chance(b, b.stalls.read_wait);
    c.m_axi_awready = !b.late || !chance(b, b.stalls.write_wait);
    c.m_axi_wready = !b.late || !chance(b, b.stalls.write_wait);
    c.m_axi_rvalid = 0;
    int first = b.late ? b.random() % 2 : 0;
    for (int i = 0; i < 2 && !c.m_axi_rvalid; i++) {
        int id = first ^ i;
        if (b.reads[id].empty() || b.reads[id].front().due > b.cycle) continue;
        const Beat& beat = b.reads[id].front();
        c.m_axi_rvalid = 1;
        c.m_axi_rid = id;
        c.m_axi_rlast = beat.last;
        c.m_axi_rresp = response_at(b, beat.address);
        if (c.m_axi_rresp == kOkay) std::memcpy(bytes_of(c.m_axi_rdata), b.memory + (beat.address - b.base), GRANULE);
    }
    c.m_axi_bvalid = !b.acknowledgements.empty() && b.acknowledgements.front().due <= b.cycle;
    if (c.m_axi_bvalid) c.m_axi_bresp = b.acknowledgements.front().response;
}

void take_reads(Bench& b) {
    Vchip& c = b.chip;
    Address read{c.m_axi_araddr, c.m_axi_arid, c.m_axi_arlen, c.m_axi_arsize, c.m_axi_arburst};
    b.broken |= b.read_address.check(c.m_axi_arvalid, c.m_axi_arready, read);
    if (c.m_axi_arvalid && c.m_axi_arready) {
        b.broken |= read.check();
        b.read_bursts++;
        for (uint32_t i = 0; i <= read.len; i++) {
            auto& queue = b.reads[read.id];
            uint64_t when = due(b, REPLY + i), before = queue.empty() ? 0 : queue.back().due;
            queue.push_back({when > before ? when : before + 1, read.address + i * GRANULE, i == read.len});
        }
    }
    if (c.m_axi_rvalid) {
        if (!c.m_axi_rready) b.broken |= kRefuses;
        b.reads[c.m_axi_rid].pop_front();
        b.read_beats++;
    }
}

// Store beats whose address and data are both here; a burst's last one is answered later.
void perform_writes(Bench& b) {
    while (!b.addresses.empty() && !b.data.empty()) {
        const Address& burst = b.addresses.front();
        const Data& data = b.data.front();
        uint64_t address = burst.address + b.beat * GRANULE;
        uint8_t response = response_at(b, address);
        if (response != kOkay) b.burst_response = response;
        for (int i = 0; response == kOkay && i < GRANULE; i++)
            if (data.strobes >> i & 1) b.memory[address - b.base + i] = data.bytes[i];
        if (data.last != (b.beat == burst.len)) b.broken |= kLast;
        b.data.pop_front();
        if (b.beat++ < burst.len) continue;
        uint64_t when = due(b, ACKNOWLEDGE), before = b.acknowledgements.empty() ? 0 : b.acknowledgements.back().due;
        b.acknowledgements.push_back({when > before ? when : before + 1, b.burst_response});
        b.addresses.pop_front();
        b.beat = 0;
        b.burst_response = kOkay;
    }
}

void take_writes(Bench& b) {
    Vchip& c = b.chip;
    Address write{c.m_axi_awaddr, c.m_axi_awid, c.m_axi_awlen, c.m_axi_awsize, c.m_axi_awburst};
    b.broken |= b.write_address.check(c.m_axi_awvalid, c.m_axi_awready, write);
    if (c.m_axi_awvalid && c.m_axi_awready) {
        b.broken |= write.check();
        b.write_bursts++;
        b.addresses.push_back(write);
    }
    if (c.m_axi_bvalid) {
        if (!c.m_axi_bready) b.broken |= kRefuses;
        b.acknowledgements.pop_front();
        b.answers++;
    }
    Data data{};
    if (c.m_axi_wvalid) {
        const uint8_t* bytes = bytes_of(c.m_axi_wdata);
        data = {{bytes, bytes + GRANULE}, uint64_t(c.m_axi_wstrb), bool(c.m_axi_wlast)};
    }
    b.broken |= b.write_data.check(c.m_axi_wvalid, c.m_axi_wready, data);
    if (c.m_axi_wvalid && c.m_axi_wready) {
        b.write_beats++;
        b.data.push_back(std::move(data));
    }
    perform_writes(b);
}

// One clock cycle with what the host's side is set to. In a late run the outputs are looked at twice, with other inputs.
void step(Bench& b) {
    Vchip& c = b.chip;
    if (b.late) {
        c.m_axi_arready = c.m_axi_awready = c.m_axi_wready = c.m_axi_rvalid = c.m_axi_bvalid = 0;
        c.eval();
    }
    std::vector<uint64_t> before;
    if (b.late) before = outputs(c);
    drive(b);
    c.eval();
    if (b.late && before != outputs(c)) b.broken |= kCombinational;
    take_reads(b);
    take_writes(b);
    b.broken |= b.register_read.check(c.s_axi_rvalid, c.s_axi_rready, uint64_t(c.s_axi_rdata) << 2 | c.s_axi_rresp);
    b.broken |= b.register_write.check(c.s_axi_bvalid, c.s_axi_bready, c.s_axi_bresp);
    c.clk = 1;
    c.eval();
    c.clk = 0;
    b.cycle++;
}

void pause(Bench& b) {
    if (b.late)
        for (uint32_t i = b.random() % 4; i; i--) step(b);
}

}  // namespace

extern "C" {

// A chip after reset. `memory` appears at address `base`; bytes [error_low, error_high) of it answer with an error.
Bench* chip_new(uint8_t* memory, uint64_t memory_bytes, uint64_t base, uint64_t error_low, uint64_t error_high,
                const Stalls* stalls) {
    Bench* b = new Bench;
    b->memory = memory;
    b->memory_bytes = memory_bytes;
    b->base = base;
    b->error_low = error_low;
    b->error_high = error_high;
    if (stalls) {
        b->late = true;
        b->stalls = *stalls;
        b->random.seed(stalls->seed);
    }
    b->chip.rst = 1;
    for (int i = 0; i < 3; i++) {
        b->chip.clk = 1;
        b->chip.eval();
        b->chip.clk = 0;
        b->chip.eval();
    }
    b->chip.rst = 0;
    return b;
}

void chip_free(Bench* b) { delete b; }

// Each side of the access in its own time. Returns the response.
uint32_t chip_write(Bench* b, uint32_t address, uint32_t data, uint32_t strobes) {
    Vchip& c = b->chip;
    bool address_first = !b->late || b->random() % 2;
    c.s_axi_awaddr = address;
    c.s_axi_wdata = data;
    c.s_axi_wstrb = strobes;
    bool address_taken = false, data_taken = false;
    c.s_axi_awvalid = address_first;
    c.s_axi_wvalid = !b->late || !address_first;
    while (!address_taken || !data_taken) {
        c.eval();
        bool now_address = c.s_axi_awvalid && c.s_axi_awready, now_data = c.s_axi_wvalid && c.s_axi_wready;
        step(*b);
        address_taken |= now_address;
        data_taken |= now_data;
        c.s_axi_awvalid = !address_taken && (c.s_axi_awvalid || data_taken);
        c.s_axi_wvalid = !data_taken && (c.s_axi_wvalid || address_taken);
    }
    pause(*b);
    c.s_axi_bready = 1;
    c.eval();
    while (!c.s_axi_bvalid) {
        step(*b);
        c.eval();
    }
    uint32_t response = c.s_axi_bresp;
    step(*b);
    c.s_axi_bready = 0;
    return response;
}

// Returns response << 32 | data.
uint64_t chip_read(Bench* b, uint32_t address) {
    Vchip& c = b->chip;
    c.s_axi_araddr = address;
    c.s_axi_arvalid = 1;
    c.eval();
    while (!c.s_axi_arready) {
        step(*b);
        c.eval();
    }
    step(*b);
    c.s_axi_arvalid = 0;
    pause(*b);
    c.s_axi_rready = 1;
    c.eval();
    while (!c.s_axi_rvalid) {
        step(*b);
        c.eval();
    }
    uint64_t found = uint64_t(c.s_axi_rresp) << 32 | c.s_axi_rdata;
    step(*b);
    c.s_axi_rready = 0;
    return found;
}

// Go on until the chip interrupts or `cycles` have passed; 1 when it interrupts.
uint32_t chip_wait(Bench* b, uint64_t cycles) {
    for (; cycles; cycles--) {
        b->chip.eval();
        if (b->chip.irq) return 1;
        step(*b);
    }
    return 0;
}

// Bits of Rule that were broken so far. counts: cycles, bursts and beats read, bursts and beats written, answers to
// writes, and what memory has not answered yet.
uint64_t chip_watch(Bench* b, uint64_t* counts) {
    uint64_t open = b->reads[0].size() + b->reads[1].size() + b->addresses.size() + b->data.size() +
                    b->acknowledgements.size();
    const uint64_t found[] = {b->cycle, b->read_bursts, b->read_beats, b->write_bursts, b->write_beats, b->answers, open};
    std::memcpy(counts, found, sizeof found);
    return b->broken;
}
}
