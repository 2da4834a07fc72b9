"""What happens between two epochs; the kernels do what happens inside one."""
