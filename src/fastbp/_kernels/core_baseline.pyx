"""The compiled core for any CPU of this architecture."""
include "core.pxi"
