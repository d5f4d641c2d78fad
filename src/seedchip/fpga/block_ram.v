// The memory of the board: one read and one write port, a write enable for every byte.
// The FPGA wakes up with the rows of image.hex; a simulation begins with those of the file in +image=, or with zeros.
// A read of the row that is written in the same cycle gives its old content.
module block_ram #(parameter BYTES = 8, parameter DEPTH = 2) (
    input clk,
    input [$clog2(DEPTH) - 1:0] read_address,
    output reg [8 * BYTES - 1:0] read_data,
    input [BYTES - 1:0] write_enable,
    input [$clog2(DEPTH) - 1:0] write_address,
    input [8 * BYTES - 1:0] write_data
);
    (* ram_style = "block" *) reg [8 * BYTES - 1:0] rows [0:DEPTH - 1];
    integer i;
`ifdef SYNTHESIS
    initial $readmemh("image.hex", rows);
`else
    reg [8 * 4096 - 1:0] name;
    initial begin
        for (i = 0; i < DEPTH; i = i + 1) rows[i] = 0;
        if ($value$plusargs("image=%s", name)) $readmemh(name, rows);
    end
`endif
    always @(posedge clk) begin
        read_data <= rows[read_address];
        for (i = 0; i < BYTES; i = i + 1)
            if (write_enable[i]) rows[write_address][8 * i +: 8] <= write_data[8 * i +: 8];
    end
endmodule
