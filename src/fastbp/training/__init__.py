"""What happens between two epochs; the kernels do what happens inside one."""

# They take all samples at once: their curves have a point for each iteration, not each epoch.
FULL_BATCH_SOLVERS = ("lbfgs", "levenberg_marquardt")
