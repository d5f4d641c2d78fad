// Behavioural model of an SRAM with one read and one write port: what a memory macro of the process stands for.
// A read of the row that is written in the same cycle gives its old content.
module sram #(parameter WIDTH = 8, parameter DEPTH = 2, parameter GRAIN = 8) (
    input clk,
    input read_enable,
    input [(DEPTH > 1 ? $clog2(DEPTH) : 1) - 1:0] read_address,
    output reg [WIDTH - 1:0] read_data,
    input [WIDTH / GRAIN - 1:0] write_enable,
    input [(DEPTH > 1 ? $clog2(DEPTH) : 1) - 1:0] write_address,
    input [WIDTH - 1:0] write_data
);
    reg [WIDTH - 1:0] rows [0:DEPTH - 1];
    reg [WIDTH - 1:0] mask;
    integer i;
    initial for (i = 0; i < DEPTH; i = i + 1) rows[i] = 0;
    always @(posedge clk) begin
        if (read_enable) read_data <= rows[read_address];
        if (|write_enable) begin
            for (i = 0; i < WIDTH / GRAIN; i = i + 1) mask[i * GRAIN +: GRAIN] = {GRAIN{write_enable[i]}};
            rows[write_address] <= (rows[write_address] & ~mask) | (write_data & mask);
        end
    end
endmodule
