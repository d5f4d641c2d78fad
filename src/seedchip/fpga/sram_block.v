// An SRAM with one read and one write port as synthesis for an FPGA finds block RAM in it.
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
    integer i;
    initial for (i = 0; i < DEPTH; i = i + 1) rows[i] = 0;
    always @(posedge clk) begin
        if (read_enable) read_data <= rows[read_address];
        for (i = 0; i < WIDTH / GRAIN; i = i + 1)
            if (write_enable[i]) rows[write_address][i * GRAIN +: GRAIN] <= write_data[i * GRAIN +: GRAIN];
    end
endmodule
