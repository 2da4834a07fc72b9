"""What the benchmarks share: training problems, timing, limits of the hardware, tables, the plot."""
