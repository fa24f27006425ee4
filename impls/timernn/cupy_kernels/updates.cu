// Optimisers, and clipping by the norm over all gradients together without asking the host. -DREAL=float or double.

typedef REAL real;

constexpr int THREADS = 256;
constexpr int BLOCKS_A_GRADIENT = 64;
constexpr int GRADIENTS_AT_ONCE = 16;

struct Gradients {
    real* elements[GRADIENTS_AT_ONCE];
    long long sizes[GRADIENTS_AT_ONCE];
};

__device__ __forceinline__ double block_sum(double value, double* scratch) {
    scratch[threadIdx.x] = value;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) scratch[threadIdx.x] += scratch[threadIdx.x + half];
        __syncthreads();
    }
    return scratch[0];
}

// partial[gradient, block] = its share of the sum of squares, in float64; grid (BLOCKS_A_GRADIENT, gradients).
extern "C" __global__ void __launch_bounds__(THREADS, 1) sum_squares(Gradients gradients, double* partial) {
    __shared__ double scratch[THREADS];
    const real* elements = gradients.elements[blockIdx.y];
    const long long size = gradients.sizes[blockIdx.y];
    double sum = 0;
    for (long long at = blockIdx.x * THREADS + threadIdx.x; at < size; at += BLOCKS_A_GRADIENT * THREADS) {
        sum += (double)elements[at] * (double)elements[at];
    }
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) partial[blockIdx.y * BLOCKS_A_GRADIENT + blockIdx.x] = sum;
}

// One block: norm[0] = root of the sum of all partial sums, and what the gradients are to be multiplied by.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
clipping_scale(const double* __restrict__ partial, double* norm, double* scale, double max_norm, long long partials) {
    __shared__ double scratch[THREADS];
    double sum = 0;
    for (long long at = threadIdx.x; at < partials; at += THREADS) sum += partial[at];
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) {
        norm[0] = sqrt(sum);
        scale[0] = norm[0] > max_norm ? max_norm / norm[0] : 1.0;  // NaN is not more: it is left to be seen
    }
}

// gradients *= scale[0]; nothing is read or written where that is 1. Grid as for sum_squares.
extern "C" __global__ void __launch_bounds__(THREADS, 1) scale_gradients(Gradients gradients, const double* scale) {
    if (scale[0] == 1.0) return;
    const real factor = real(scale[0]);
    real* elements = gradients.elements[blockIdx.y];
    const long long size = gradients.sizes[blockIdx.y];
    for (long long at = blockIdx.x * THREADS + threadIdx.x; at < size; at += BLOCKS_A_GRADIENT * THREADS) {
        elements[at] *= factor;
    }
}

// param -= learning_rate * grad.
extern "C" __global__ void sgd(real* param, const real* __restrict__ grad, double learning_rate, long long size) {
    const long long at = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (at < size) param[at] -= real(learning_rate) * grad[at];
}

// Adam, with both bias corrections drawn out of the arrays: rate = learning_rate * root / (1 - beta1^step),
// epsilon_root = epsilon * root, root = sqrt(1 - beta2^step).
extern "C" __global__ void adam(real* param, const real* __restrict__ grad, real* m, real* v, double rate,
                                double beta1, double beta2, double epsilon_root, long long size) {
    const long long at = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= size) return;
    const real g = grad[at];
    const real first = real(beta1) * m[at] + real(1 - beta1) * g;
    const real second = real(beta2) * v[at] + real(1 - beta2) * g * g;
    m[at] = first;
    v[at] = second;
    param[at] -= real(rate) * first / (sqrt(second) + real(epsilon_root));
}
