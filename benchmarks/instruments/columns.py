"""The columns of the tables: their titles, in the order in which a table shows them."""

NUMPY = "NumPy"
NUMBA = "Numba"
SKLEARN = "scikit-learn"
PYTORCH = "PyTorch"
JAX = "JAX"
FANN = "FANN"
PRODUCTS = "products in BLAS"  # not a library: the matrix products of a step alone (limits.py)
FASTBP_ALONE = "fastbp, 1 thread"  # these two are shown where the other columns have two threads
FASTBP_TWO = "fastbp, 2 threads"
FASTBP = "fastbp"
NOT_RIVALS = {PRODUCTS, FASTBP_ALONE, FASTBP_TWO, FASTBP}

# fastbp last, beside the ratios
COLUMNS = [NUMPY, NUMBA, SKLEARN, PYTORCH, JAX, FANN, PRODUCTS, FASTBP_ALONE, FASTBP_TWO, FASTBP]
