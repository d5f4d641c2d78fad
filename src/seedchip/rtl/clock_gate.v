// Behavioural model of a clock gate: what a process's integrated clock-gating cell stands for. The clock of a cycle passes
// when `enable` was 1 before its edge.
module clock_gate (
    input clk,
    input enable,
    output gated
);
    reg open;
    always @* if (!clk) open = enable;
    assign gated = clk & open;
endmodule
