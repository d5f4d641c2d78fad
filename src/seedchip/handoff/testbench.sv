// Self-checking testbench of the chip $chip: a host at the AXI4-Lite registers, a memory at the AXI4 port.
// It runs every case of vectors/cases.txt and compares registers, cycles and all of memory with what the simulator
// says. It ends with "PASS" or with "FAIL" and an error code.
//
//   +vectors=FOLDER  where cases.txt lies (vectors)
//   +cases=N         the first N cases only

module testbench;
  localparam integer GRANULE = $granule;            // bytes of the memory bus
  localparam integer WORDS = $words;                // granules of memory
  localparam integer READ_DELAY = $read_delay;      // cycles from a read address to its first data
  localparam integer WRITE_DELAY = $write_delay;    // cycles from a burst's last data to its answer
  localparam [39:0] BASE = 40'h40_0000_0000;        // of memory in the system
  localparam integer QUEUE = 65536;                 // room for beats under way, a power of two
  localparam integer LIMIT = 2;                     // a case may take so many times its cycles
  localparam [11:0] $registers;

  reg clk = 1'b0, rst = 1'b1;
  always #5 clk = ~clk;

  // Registers.
  reg  [11:0] s_axi_awaddr = 0, s_axi_araddr = 0;
  reg         s_axi_awvalid = 0, s_axi_wvalid = 0, s_axi_bready = 0, s_axi_arvalid = 0, s_axi_rready = 0;
  reg  [31:0] s_axi_wdata = 0;
  wire        s_axi_awready, s_axi_wready, s_axi_bvalid, s_axi_arready, s_axi_rvalid;
  wire  [1:0] s_axi_bresp, s_axi_rresp;
  wire [31:0] s_axi_rdata;

  // Memory.
  wire                 m_axi_arvalid, m_axi_awvalid, m_axi_wvalid, m_axi_wlast, m_axi_rready, m_axi_bready;
  wire                 m_axi_arid, m_axi_awid;
  wire          [39:0] m_axi_araddr, m_axi_awaddr;
  wire           [7:0] m_axi_arlen, m_axi_awlen;
  wire [8*GRANULE-1:0] m_axi_wdata;
  wire   [GRANULE-1:0] m_axi_wstrb;
  reg                  m_axi_rvalid = 0, m_axi_rid = 0, m_axi_rlast = 0, m_axi_bvalid = 0;
  reg  [8*GRANULE-1:0] m_axi_rdata = 0;
  wire                 irq;

  chip dut (
    .clk(clk), .rst(rst), .irq(irq),
    .s_axi_awaddr(s_axi_awaddr), .s_axi_awprot(3'b000), .s_axi_awvalid(s_axi_awvalid), .s_axi_awready(s_axi_awready),
    .s_axi_wdata(s_axi_wdata), .s_axi_wstrb(4'b1111), .s_axi_wvalid(s_axi_wvalid), .s_axi_wready(s_axi_wready),
    .s_axi_bresp(s_axi_bresp), .s_axi_bvalid(s_axi_bvalid), .s_axi_bready(s_axi_bready),
    .s_axi_araddr(s_axi_araddr), .s_axi_arprot(3'b000), .s_axi_arvalid(s_axi_arvalid), .s_axi_arready(s_axi_arready),
    .s_axi_rdata(s_axi_rdata), .s_axi_rresp(s_axi_rresp), .s_axi_rvalid(s_axi_rvalid), .s_axi_rready(s_axi_rready),
    .m_axi_arid(m_axi_arid), .m_axi_araddr(m_axi_araddr), .m_axi_arlen(m_axi_arlen), .m_axi_arvalid(m_axi_arvalid),
    .m_axi_arready(1'b1), .m_axi_arsize(), .m_axi_arburst(), .m_axi_arlock(), .m_axi_arcache(), .m_axi_arprot(),
    .m_axi_arqos(), .m_axi_awsize(), .m_axi_awburst(), .m_axi_awlock(), .m_axi_awcache(), .m_axi_awprot(),
    .m_axi_awqos(),
    .m_axi_awid(m_axi_awid), .m_axi_awaddr(m_axi_awaddr), .m_axi_awlen(m_axi_awlen), .m_axi_awvalid(m_axi_awvalid),
    .m_axi_awready(1'b1), .m_axi_wdata(m_axi_wdata), .m_axi_wstrb(m_axi_wstrb), .m_axi_wlast(m_axi_wlast),
    .m_axi_wvalid(m_axi_wvalid), .m_axi_wready(1'b1), .m_axi_bid(1'b0), .m_axi_bresp(2'b00),
    .m_axi_bvalid(m_axi_bvalid), .m_axi_bready(m_axi_bready), .m_axi_rid(m_axi_rid), .m_axi_rdata(m_axi_rdata),
    .m_axi_rresp(2'b00), .m_axi_rlast(m_axi_rlast), .m_axi_rvalid(m_axi_rvalid), .m_axi_rready(m_axi_rready)
  );

  // Memory model: always ready, data and answers after the delays above, loads (ID 0) before fetches (ID 1).
  reg [8*GRANULE-1:0] memory [0:WORDS-1];
  reg [8*GRANULE-1:0] expected [0:WORDS-1];
  reg          [39:0] read_address [0:2*QUEUE-1];
  reg          [63:0] read_due [0:2*QUEUE-1];
  reg                 read_last [0:2*QUEUE-1];
  integer             read_head [0:1], read_tail [0:1];
  reg          [39:0] write_address [0:QUEUE-1];
  reg [8*GRANULE-1:0] write_data [0:QUEUE-1];
  reg   [GRANULE-1:0] write_strobes [0:QUEUE-1];
  reg                 write_last [0:QUEUE-1];
  reg          [63:0] answer_due [0:QUEUE-1];
  integer             address_head, address_tail, data_head, data_tail, answer_head, answer_tail, beat;
  reg          [63:0] cycle, due;
  integer             i, id, slot, place, errors;

  initial begin
    cycle = 0;
    errors = 0;
    beat = 0;
    read_head[0] = 0; read_tail[0] = 0; read_head[1] = 0; read_tail[1] = 0;
    address_head = 0; address_tail = 0; data_head = 0; data_tail = 0; answer_head = 0; answer_tail = 0;
  end

  function integer index_of(input [39:0] address);
    index_of = (address - BASE) / GRANULE;
  endfunction

  always @(posedge clk) begin
    cycle = cycle + 1;
    if (m_axi_rvalid) begin
      if (!m_axi_rready) fail("read data was not taken at once");
      read_head[m_axi_rid] = read_head[m_axi_rid] + 1;
    end
    if (m_axi_arvalid && !rst)
      for (i = 0; i <= m_axi_arlen; i = i + 1) begin
        due = cycle + READ_DELAY - 1 + i;
        slot = (read_tail[m_axi_arid] - 1) % QUEUE + m_axi_arid * QUEUE;
        if (read_head[m_axi_arid] != read_tail[m_axi_arid] && read_due[slot] >= due) due = read_due[slot] + 1;
        slot = read_tail[m_axi_arid] % QUEUE + m_axi_arid * QUEUE;
        read_address[slot] = m_axi_araddr + i * GRANULE;
        read_due[slot] = due;
        read_last[slot] = i == m_axi_arlen;
        read_tail[m_axi_arid] = read_tail[m_axi_arid] + 1;
      end
    if (m_axi_bvalid) begin
      if (!m_axi_bready) fail("the answer to a write was not taken at once");
      answer_head = answer_head + 1;
    end
    if (m_axi_awvalid && !rst) begin
      for (i = 0; i <= m_axi_awlen; i = i + 1) begin
        write_address[address_tail % QUEUE] = m_axi_awaddr + i * GRANULE;
        write_last[address_tail % QUEUE] = i == m_axi_awlen;
        address_tail = address_tail + 1;
      end
    end
    if (m_axi_wvalid && !rst) begin
      write_data[data_tail % QUEUE] = m_axi_wdata;
      write_strobes[data_tail % QUEUE] = m_axi_wstrb;
      data_tail = data_tail + 1;
    end
    while (address_head != address_tail && data_head != data_tail) begin
      place = index_of(write_address[address_head % QUEUE]);
      if (write_address[address_head % QUEUE] < BASE || place >= WORDS) fail("a write outside of memory");
      else
        for (i = 0; i < GRANULE; i = i + 1)
          if (write_strobes[data_head % QUEUE][i]) memory[place][8*i +: 8] = write_data[data_head % QUEUE][8*i +: 8];
      if (write_last[address_head % QUEUE]) begin
        due = cycle + WRITE_DELAY - 1;
        if (answer_head != answer_tail && answer_due[(answer_tail - 1) % QUEUE] >= due)
          due = answer_due[(answer_tail - 1) % QUEUE] + 1;
        answer_due[answer_tail % QUEUE] = due;
        answer_tail = answer_tail + 1;
      end
      address_head = address_head + 1;
      data_head = data_head + 1;
    end
    m_axi_rvalid <= 1'b0;
    for (id = 1; id >= 0; id = id - 1) begin
      slot = read_head[id] % QUEUE + id * QUEUE;
      if (read_head[id] != read_tail[id] && read_due[slot] <= cycle) begin
        place = index_of(read_address[slot]);
        if (read_address[slot] < BASE || place >= WORDS) fail("a read outside of memory");
        m_axi_rvalid <= 1'b1;
        m_axi_rid <= id[0];
        m_axi_rlast <= read_last[slot];
        m_axi_rdata <= memory[place % WORDS];
      end
    end
    m_axi_bvalid <= answer_head != answer_tail && answer_due[answer_head % QUEUE] <= cycle;
  end

  // The host.
  reg [8*256-1:0] folder, name, path;
  reg      [31:0] value;
  reg             address_taken, data_taken;
  integer         file, image, last_image, number, limit, code_address, num_words, cycles, started, found;

  task fail(input [8*64-1:0] reason);
    begin
      $$display("FAIL case %0s: %0s", name, reason);
      errors = errors + 1;
    end
  endtask

  // Inputs of the chip change at the falling edge and are looked at with its outputs at the rising edge.
  task write_register(input [11:0] address, input [31:0] data);
    begin
      @(negedge clk);
      s_axi_awaddr = address;
      s_axi_wdata = data;
      s_axi_awvalid = 1'b1;
      s_axi_wvalid = 1'b1;
      s_axi_bready = 1'b1;
      while (s_axi_awvalid || s_axi_wvalid) begin
        @(posedge clk);
        address_taken = s_axi_awready;
        data_taken = s_axi_wready;
        @(negedge clk);
        if (address_taken) s_axi_awvalid = 1'b0;
        if (data_taken) s_axi_wvalid = 1'b0;
      end
      @(posedge clk);
      while (!s_axi_bvalid) @(posedge clk);
      if (s_axi_bresp != 2'b00) fail("the write of a register was refused");
      @(negedge clk);
      s_axi_bready = 1'b0;
    end
  endtask

  task read_register(input [11:0] address);
    begin
      @(negedge clk);
      s_axi_araddr = address;
      s_axi_arvalid = 1'b1;
      s_axi_rready = 1'b1;
      @(posedge clk);
      while (!s_axi_arready) @(posedge clk);
      @(negedge clk);
      s_axi_arvalid = 1'b0;
      @(posedge clk);
      while (!s_axi_rvalid) @(posedge clk);
      value = s_axi_rdata;
      if (s_axi_rresp != 2'b00) fail("the read of a register was refused");
      @(negedge clk);
      s_axi_rready = 1'b0;
    end
  endtask

  task expect_register(input [11:0] address, input [31:0] wanted);
    begin
      read_register(address);
      if (value !== wanted) begin
        $$display("register %h holds %h and should hold %h", address, value, wanted);
        fail("a register has the wrong value");
      end
    end
  endtask

  task run_case;
    begin
      $$sformat(path, "%0s/image_%0d.hex", folder, image);
      $$readmemh(path, memory);
      $$sformat(path, "%0s/%0s.initial.hex", folder, name);
      $$readmemh(path, memory);
      for (i = 0; i < WORDS; i = i + 1) expected[i] = memory[i];
      $$sformat(path, "%0s/%0s.expected.hex", folder, name);
      $$readmemh(path, expected);
      write_register(MEMORY_BASE, BASE[31:0]);
      write_register(MEMORY_BASE + 4, BASE[39:32]);
      write_register(PROGRAM_ADDRESS, code_address);
      write_register(PROGRAM_ADDRESS + 4, 0);
      write_register(PROGRAM_WORDS, num_words);
      write_register(INTERRUPT_STATUS, 3);
      write_register(INTERRUPT_ENABLE, 3);
      write_register(CONTROL, 1);
      started = cycle;
      while (!irq && cycle < started + LIMIT * cycles + 1000) @(posedge clk);
      if (!irq) fail("the program does not end");
      expect_register(FAULT, 0);
      expect_register(STATUS, 32'b1010);  // done, quiet
      expect_register(CYCLES, cycles);
      expect_register(CYCLES + 4, 0);
      found = 0;
      for (i = 0; i < WORDS; i = i + 1)
        if (memory[i] !== expected[i]) begin
          if (found == 0) $$display("granule %0d is %h and should be %h", i, memory[i], expected[i]);
          found = found + 1;
        end
      if (found != 0) fail("memory is not what it should be");
    end
  endtask

  initial begin
    if (!$$value$$plusargs("vectors=%s", folder)) folder = "vectors";
    if (!$$value$$plusargs("cases=%d", limit)) limit = 1000000;
    repeat (4) @(posedge clk);
    @(negedge clk);
    rst = 1'b0;
    name = "registers";
    expect_register(MAGIC, 32'h$magic);
    expect_register(ISA_VERSION, $isa_version);
$hash_checks
    $$sformat(path, "%0s/cases.txt", folder);
    file = $$fopen(path, "r");
    if (file == 0) fail("cases.txt cannot be opened");
    number = 0;
    while (file != 0 && number < limit
           && $$fscanf(file, "%s %d %h %d %d\n", name, image, code_address, num_words, cycles) == 5) begin
      run_case;
      number = number + 1;
    end
    if (number == 0) fail("no case was run");
    if (errors == 0) $$display("PASS %0d cases", number);
    else begin
      $$display("FAIL %0d errors in %0d cases", errors, number);
      $$fatal(1);
    end
    $$finish;
  end
endmodule
