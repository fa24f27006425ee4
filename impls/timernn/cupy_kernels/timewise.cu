// Embedding and softmax with loss. -DREAL=float or double. Blocks of THREADS threads, a power of two and at most 1024.
//
// Nothing here adds in an order that depends on timing: no floating-point atomics.

typedef REAL real;

constexpr int THREADS = 256;

// out[p] = W[ids[p]], a block a token. An id out of range can only come from an array that was changed after it was
// checked: it reads no memory of others, and shows as NaN.
extern "C" __global__ void gather_rows(const real* __restrict__ W, const long long* __restrict__ ids, real* out,
                                       long long V, long long D) {
    const long long p = blockIdx.x, id = ids[p];
    const bool there = id >= 0 && id < V;
    for (long long d = threadIdx.x; d < D; d += blockDim.x) {
        out[p * D + d] = there ? W[id * D + d] : real(nan(""));
    }
}

// dW[id] = sum of dxs[p] over all p with ids[p] == id, in order of p; dW is zero before. The block of an id's first
// occurrence adds up all of them.
extern "C" __global__ void sum_rows_by_id(const real* __restrict__ dxs, const long long* __restrict__ ids, real* dW,
                                          long long tokens, long long V, long long D) {
    const long long p = blockIdx.x, id = ids[p];
    if (id < 0 || id >= V) return;
    __shared__ int earlier;
    if (threadIdx.x == 0) earlier = 0;
    __syncthreads();
    for (long long q = threadIdx.x; q < p; q += blockDim.x) {
        if (ids[q] == id) earlier = 1;
    }
    __syncthreads();
    if (earlier) return;
    // Where the id occurs again is found by all threads together, a stretch of THREADS tokens at a time.
    __shared__ unsigned char same[THREADS];
    for (long long d0 = 0; d0 < D; d0 += THREADS) {
        const long long d = d0 + threadIdx.x;
        real sum = real(0);
        for (long long q0 = p; q0 < tokens; q0 += THREADS) {
            const long long q = q0 + threadIdx.x;
            const int found = q < tokens && ids[q] == id;
            same[threadIdx.x] = found;
            if (__syncthreads_or(found) && d < D) {
                const long long stretch = tokens - q0 < THREADS ? tokens - q0 : THREADS;
                for (int i = 0; i < stretch; ++i) {
                    if (same[i]) sum += dxs[(q0 + i) * D + d];
                }
            }
            __syncthreads();
        }
        if (d < D) dW[id * D + d] = sum;
    }
}

// The sum over a block, the same in every thread, always added in the same order.
template <typename T>
__device__ __forceinline__ T block_sum(T value, T* scratch) {
    __syncthreads();
    scratch[threadIdx.x] = value;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) scratch[threadIdx.x] += scratch[threadIdx.x + half];
        __syncthreads();
    }
    return scratch[0];
}

__device__ __forceinline__ real block_max(real value, real* scratch) {
    __syncthreads();
    scratch[threadIdx.x] = value;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half && scratch[threadIdx.x + half] > scratch[threadIdx.x]) {
            scratch[threadIdx.x] = scratch[threadIdx.x + half];
        }
        __syncthreads();
    }
    return scratch[0];
}

// A block a row: error = softmax(z) - one-hot label, and the row's loss log(sum exp(z)) - z[label] in float64; both 0
// where the label is ignored. NaN and infinities spread over their row, as by the formula.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
softmax_rows(const real* __restrict__ zs, const long long* __restrict__ labels, real* error, double* losses,
             long long V, long long ignored) {
    __shared__ real scratch[THREADS];
    const long long row = blockIdx.x, label = labels[row];
    const real* z = zs + row * V;
    real* e = error + row * V;
    if (label == ignored) {
        for (long long v = threadIdx.x; v < V; v += THREADS) e[v] = real(0);
        if (threadIdx.x == 0) losses[row] = 0;
        return;
    }
    // The largest so far and the sum relative to it, in one pass. It begins with the lowest finite number, so that
    // -inf adds exp(-inf) = 0; a comparison with NaN is false, and NaN reaches the sum.
    real largest = sizeof(real) == 4 ? real(-3.402823466e38) : real(-1.7976931348623157e308), sum = real(0);
    for (long long v = threadIdx.x; v < V; v += THREADS) {
        const real value = z[v];
        if (value > largest) {
            sum *= exp(largest - value);
            largest = value;
        }
        sum += exp(value - largest);
    }
    const real top = block_max(largest, scratch);
    const real total = block_sum(sum * exp(largest - top), scratch);
    const real scale = real(1) / total;
    for (long long v = threadIdx.x; v < V; v += THREADS) {
        const real probability = exp(z[v] - top) * scale;
        e[v] = v == label ? probability - real(1) : probability;
    }
    if (threadIdx.x == 0) {
        const bool there = label >= 0 && label < V;  // else changed after it was checked: shows as NaN
        losses[row] = there ? log((double)total) - ((double)z[label] - (double)top) : nan("");
    }
}

// One block: loss[0] = mean of the losses that count, rounded once; count[0] = how many do, 1 if none.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
mean_loss(const double* __restrict__ losses, const long long* __restrict__ labels, real* loss, double* count,
          long long tokens, long long ignored) {
    __shared__ double scratch[THREADS];
    double sum = 0, counted = 0;
    for (long long p = threadIdx.x; p < tokens; p += THREADS) {
        sum += losses[p];
        counted += labels[p] != ignored;
    }
    sum = block_sum(sum, scratch);
    counted = block_sum(counted, scratch);
    if (threadIdx.x == 0) {
        count[0] = counted > 0 ? counted : 1.0;
        loss[0] = real(sum / count[0]);
    }
}

// dzs = error * dloss / count.
extern "C" __global__ void softmax_backward(const real* __restrict__ error, const double* __restrict__ count,
                                            real* dzs, double dloss, long long size) {
    const real share = real(dloss / count[0]);
    const long long at = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (at < size) dzs[at] = error[at] * share;
}
