"""The compiled core for x86-64 CPUs with AVX-512 (F, BW, CD, DQ, VL)."""
include "core.pxi"
