"""What the benchmarks share: training problems, timing, hardware limits, tables, the plot."""
