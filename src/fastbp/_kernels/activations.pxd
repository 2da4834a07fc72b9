"""Hidden activations: a = g(z) in place, and deltas through g.

Each is a member of Activation, a name and a block in run_loops. The branch on the member stands
outside the loops, which the compiler turns into vector code: the functions that they call are
always inlined. The derivatives are written in terms of the activation a:

    identity    a = z                        g' = 1
    logistic    a = s(z) = 1/(1 + e^-z)      g' = a (1 - a)
    tanh        a = tanh z                   g' = (1 - a)(1 + a)
    relu        a = max(z, 0)                g' = [a > 0], so g'(0) = 0
    leaky_relu  a = z or, below 0, z/100     g' = 1 or 1/100
    elu         a = z or e^z - 1             g' = 1 or a + 1
    selu        a = c z or c d (e^z - 1)     g' = c or a + c d
    softplus    a = log(1 + e^z)             g' = 1 - e^-a

or, where a does not determine it (needs_slope), from z together with a:

    silu        a = z s(z)                   g' = s + z s (1 - s)
    gelu        a = z Phi(z)                 g' = Phi(z) + z phi(z)
    mish        a = z t, t = tanh softplus z g' = t + z s (1 - t^2)

elu: Clevert et al. (2016); selu and its c, d: Klambauer et al. (2017); silu, gelu: Hendrycks and
Gimpel (2016); mish: Misra (2019). Phi and phi are the normal distribution and its density.
"""
from .types cimport floating

cdef enum Activation:
    IDENTITY
    LOGISTIC
    TANH
    RELU
    LEAKY_RELU
    ELU
    SELU
    SOFTPLUS
    SILU
    GELU
    MISH

cdef extern from *:
    """
    /* The public names of the members of Activation, in their order. */
    static const char *FASTBP_ACTIVATION_NAMES[] = {
        "identity", "logistic", "tanh", "relu", "leaky_relu", "elu", "selu", "softplus", "silu",
        "gelu", "mish"};
    #define FASTBP_N_ACTIVATIONS ((int)(sizeof FASTBP_ACTIVATION_NAMES / sizeof(char *)))

    #define FASTBP_LEAK 0.01
    #define FASTBP_SELU_SCALE 1.0507009873554805
    #define FASTBP_SELU_LOWER (1.0507009873554805 * 1.6732632423543772)
    #define FASTBP_ROOT_OF_2_PI 2.5066282746310002
    """
    const char** ACTIVATION_NAMES "FASTBP_ACTIVATION_NAMES"
    const int N_ACTIVATIONS "FASTBP_N_ACTIVATIONS"
    const double LEAK "FASTBP_LEAK"
    const double SELU_SCALE "FASTBP_SELU_SCALE"
    const double SELU_LOWER "FASTBP_SELU_LOWER"
    const double ROOT_OF_2_PI "FASTBP_ROOT_OF_2_PI"

cdef extern from "simd/vmath.h":
    pass

# One name for both types: the type of the argument picks the function. (Not in the block above,
# where Cython warns of a second declaration.)
cdef extern:
    double exp "exp_f64"(double z) noexcept nogil
    float exp "exp_f32"(float z) noexcept nogil
    double expm1_negative "expm1_negative_f64"(double z) noexcept nogil
    float expm1_negative "expm1_negative_f32"(float z) noexcept nogil
    double tanh "tanh_f64"(double z) noexcept nogil
    float tanh "tanh_f32"(float z) noexcept nogil
    double logistic "logistic_f64"(double z) noexcept nogil
    float logistic "logistic_f32"(float z) noexcept nogil
    double logistic_slope "logistic_slope_f64"(double a) noexcept nogil
    float logistic_slope "logistic_slope_f32"(float a) noexcept nogil
    double tanh_slope "tanh_slope_f64"(double a) noexcept nogil
    float tanh_slope "tanh_slope_f32"(float a) noexcept nogil
    double softplus "softplus_f64"(double z) noexcept nogil
    float softplus "softplus_f32"(float z) noexcept nogil
    double tanh_of_softplus "tanh_of_softplus_f64"(double z) noexcept nogil
    float tanh_of_softplus "tanh_of_softplus_f32"(float z) noexcept nogil
    double normal_cdf "normal_cdf_f64"(double z, double gauss) noexcept nogil
    float normal_cdf "normal_cdf_f32"(float z, float gauss) noexcept nogil


cdef inline bint needs_slope(Activation kind) noexcept nogil:
    """Whether g' is not a function of a, so that the forward pass has to store it."""
    return kind == SILU or kind == GELU or kind == MISH


cdef inline void run_loops(
    Activation kind, floating* a, floating* slope, Py_ssize_t n
) noexcept nogil:
    """The loops of an activation: all that is computed with it, in one block.

    Without a slope, takes a[:n] = z and returns g(z). With one, and where a determines g', takes
    a[:n] = g(z) and multiplies slope[:n] by g'(z). With one, and where z is needed, takes
    a[:n] = z and returns a[:n] = g(z) and slope[:n] = g'(z).
    """
    cdef Py_ssize_t i
    cdef floating z, s, gauss
    if kind == RELU:
        if slope == NULL:
            for i in range(n):
                # NaN goes through: a diverged network must not look like a dead one
                a[i] = 0 if a[i] < 0 else a[i]
        else:
            for i in range(n):
                slope[i] *= <floating> 1 if a[i] > 0 else <floating> 0
    elif kind == LOGISTIC:
        if slope == NULL:
            for i in range(n):
                a[i] = logistic(a[i])
        else:
            for i in range(n):
                slope[i] *= logistic_slope(a[i])
    elif kind == TANH:
        if slope == NULL:
            for i in range(n):
                a[i] = tanh(a[i])
        else:
            for i in range(n):
                slope[i] *= tanh_slope(a[i])
    elif kind == LEAKY_RELU:
        if slope == NULL:
            for i in range(n):
                a[i] = a[i] if a[i] > 0 else <floating> LEAK * a[i]
        else:
            for i in range(n):
                slope[i] *= <floating> 1 if a[i] > 0 else <floating> LEAK
    elif kind == ELU:
        if slope == NULL:
            for i in range(n):
                s = expm1_negative(0 if a[i] > 0 else a[i])
                a[i] = a[i] if a[i] > 0 else s
        else:
            for i in range(n):
                slope[i] *= <floating> 1 if a[i] > 0 else a[i] + <floating> 1
    elif kind == SELU:
        if slope == NULL:
            for i in range(n):
                s = <floating> SELU_LOWER * expm1_negative(0 if a[i] > 0 else a[i])
                a[i] = <floating> SELU_SCALE * a[i] if a[i] > 0 else s
        else:
            for i in range(n):
                slope[i] *= <floating> SELU_SCALE if a[i] > 0 else a[i] + <floating> SELU_LOWER
    elif kind == SOFTPLUS:
        if slope == NULL:
            for i in range(n):
                a[i] = softplus(a[i])
        else:
            for i in range(n):
                slope[i] *= -expm1_negative(-a[i])
    elif kind == SILU:
        if slope == NULL:
            for i in range(n):
                a[i] *= logistic(a[i])
        else:
            for i in range(n):
                z, s = a[i], logistic(a[i])
                a[i] = z * s
                slope[i] = s + z * s * (1 - s)
    elif kind == GELU:
        if slope == NULL:
            for i in range(n):
                a[i] *= normal_cdf(a[i], exp(-a[i] * a[i] / 2))
        else:
            for i in range(n):
                z, gauss = a[i], exp(-a[i] * a[i] / 2)
                s = normal_cdf(z, gauss)
                a[i] = z * s
                slope[i] = s + z * gauss / <floating> ROOT_OF_2_PI
    elif kind == MISH:
        if slope == NULL:
            for i in range(n):
                a[i] *= tanh_of_softplus(a[i])
        else:
            for i in range(n):
                z, s = a[i], tanh_of_softplus(a[i])
                a[i] = z * s
                slope[i] = s + z * logistic(z) * (1 - s) * (1 + s)


cdef inline void activate(Activation kind, floating* a, Py_ssize_t n) noexcept nogil:
    """Takes a[:n] = z; returns g(z)."""
    run_loops(kind, a, <floating*> NULL, n)


cdef inline void multiply_by_derivative(
    Activation kind, const floating* a, floating* deltas, Py_ssize_t n
) noexcept nogil:
    """deltas[:n] *= g'(z), from the activations a = g(z), which must determine it."""
    run_loops(kind, <floating*> a, deltas, n)


cdef inline void activate_with_slope(
    Activation kind, floating* a, floating* slope, Py_ssize_t n
) noexcept nogil:
    """Takes a[:n] = z; returns g(z) and slope[:n] = g'(z)."""
    cdef Py_ssize_t i
    if not needs_slope(kind):
        activate(kind, a, n)
        for i in range(n):
            slope[i] = 1
    run_loops(kind, a, slope, n)
