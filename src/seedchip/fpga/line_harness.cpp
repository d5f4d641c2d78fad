// Drives the Verilated board through its serial line alone: bits in, bits out, 8 data bits, no parity, 1 stop bit.
#include "Vboard.h"
#include "verilated.h"

#include <cstdint>

namespace {

struct Bench {
    explicit Bench(const char* image) {
        const char* arguments[] = {"board", image};
        context.commandArgs(2, arguments);
    }
    VerilatedContext context;
    Vboard board{&context};
    uint32_t clocks_per_bit = 0;
    uint64_t cycle = 0;
    // The receiving side: where it stands in a byte, in bits, 0 when the line is idle; clocks to the next sample.
    uint32_t bit = 0, wait = 0, byte = 0;
    uint64_t broken = 0;  // bytes without a stop bit
};

constexpr uint32_t kStart = 10, kStop = 1;  // `bit` counts down through start bit, 8 data bits, stop bit

void step(Bench& b) {
    b.board.clock = 1;
    b.board.eval();
    b.board.clock = 0;
    b.board.eval();
    b.cycle++;
}

// One clock of the receiving side: whether a whole byte has come, which is then in `byte`.
bool listen(Bench& b) {
    bool line = b.board.transmit;
    if (b.bit == 0) {
        if (!line) {
            b.bit = kStart;
            b.wait = b.clocks_per_bit / 2;
        }
        return false;
    }
    if (b.wait-- != 0) return false;
    b.wait = b.clocks_per_bit - 1;
    uint32_t here = b.bit--;
    if (here == kStart) {
        if (line) b.bit = 0;
        return false;
    }
    if (here == kStop) {
        if (!line) b.broken++;
        return line;
    }
    b.byte = b.byte >> 1 | uint32_t(line) << 7;
    return false;
}

}  // namespace

extern "C" {

// A board that has been configured; `image` is an argument +image=FILE.
Bench* line_new(uint32_t clocks_per_bit, const char* image) {
    Bench* b = new Bench(image);
    b->clocks_per_bit = clocks_per_bit;
    b->board.clock = 0;
    b->board.reset = 0;
    b->board.receive = 1;
    b->board.eval();
    for (int i = 0; i < 16; i++) step(*b);
    return b;
}

void line_free(Bench* b) { delete b; }

// Sends `num_sent` bytes, one behind the other, and listens meanwhile and until `num_wanted` bytes have come or `limit`
// cycles have passed. Returns how many bytes came; more than `num_wanted` are counted but not stored.
uint64_t line_exchange(Bench* b, const uint8_t* sent, uint64_t num_sent, uint8_t* found, uint64_t num_wanted,
                       uint64_t limit) {
    uint64_t num_found = 0, frame_bits = 10 * num_sent, end = b->cycle + limit, clocks = 0;
    for (uint64_t place = 0; b->cycle < end && (place < frame_bits || num_found < num_wanted);) {
        if (place < frame_bits) {
            uint64_t in_frame = place % 10;
            b->board.receive = in_frame == 0 ? 0 : in_frame == 9 ? 1 : sent[place / 10] >> (in_frame - 1) & 1;
            if (++clocks == b->clocks_per_bit) {
                clocks = 0;
                place++;
            }
        } else {
            b->board.receive = 1;
        }
        step(*b);
        if (listen(*b)) {
            if (num_found < num_wanted) found[num_found] = b->byte;
            num_found++;
        }
    }
    b->board.receive = 1;
    return num_found;
}

// Sets the reset button.
void line_press(Bench* b, uint32_t pressed) { b->board.reset = pressed; }

uint64_t line_cycles(Bench* b) { return b->cycle; }
uint64_t line_broken(Bench* b) { return b->broken; }
uint32_t line_leds(Bench* b) { return b->board.leds; }
}
