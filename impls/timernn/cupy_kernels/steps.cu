// What lies around the matrix products of one step, and around those of all steps. -DREAL=float or double.
//
// Elementwise, one thread an element, any number of threads.

typedef REAL real;

__device__ __forceinline__ long long my_index() { return (long long)blockIdx.x * blockDim.x + threadIdx.x; }

// z[n, :] = tanh(z[n, :] + b), rows `row_stride` apart: the end of one forward step, in place.
extern "C" __global__ void tanh_step(real* z, const real* __restrict__ b, long long N, long long H,
                                     long long row_stride) {
    const long long at = my_index();
    if (at >= N * H) return;
    const long long n = at / H, j = at - n * H;
    real* value = z + n * row_stride + j;
    *value = tanh(*value + b[j]);
}

// dz[n, :] *= 1 - h[n, :]^2, rows of both `row_stride` apart: the end of one backward step, in place.
extern "C" __global__ void slope_step(real* dz, const real* __restrict__ h, long long N, long long H,
                                      long long row_stride) {
    const long long at = my_index();
    if (at >= N * H) return;
    const long long place = at / H * row_stride + at % H;
    dz[place] *= real(1) - h[place] * h[place];
}

// Row (n, t) of joined = [x_t, room for h_{t-1}, 1, 0 ...], of `width`; the room of t = 0 gets h_prev, if there is one.
// The 1 makes a bias one more row of weights, and its gradient one more row of theirs.
extern "C" __global__ void join_inputs(const real* __restrict__ xs, const real* __restrict__ h_prev, real* joined,
                                       long long N, long long T, long long D, long long H, long long width) {
    const long long at = my_index();
    if (at >= N * T * width) return;
    const long long row = at / width, column = at - row * width;
    if (column < D) {
        joined[at] = xs[row * D + column];
    } else if (column >= D + H) {
        joined[at] = column == D + H ? real(1) : real(0);
    } else if (row % T == 0) {
        joined[at] = h_prev[row / T * H + column - D];
    }
}

// After a loop of single steps: the states (N, T, H) to the caller's hs, h_{t-1} to joined, the last to `last` (N, H).
extern "C" __global__ void keep_states(const real* __restrict__ states, real* hs, real* joined, real* last, long long N,
                                       long long T, long long H, long long width, long long h_at) {
    const long long at = my_index();
    if (at >= N * T * H) return;
    const real h = states[at];
    hs[at] = h;
    const long long row = at / H, j = at - row * H;
    if (row % T + 1 < T) {
        joined[(row + 1) * width + h_at + j] = h;
    } else {
        last[row / T * H + j] = h;
    }
}

// [W (rows, columns); b (columns,); zeros] of `height` rows: weights with their bias below them.
extern "C" __global__ void stack_bias(const real* __restrict__ W, const real* __restrict__ b, real* stacked,
                                      long long rows, long long columns, long long height) {
    const long long at = my_index();
    if (at >= height * columns) return;
    const long long row = at / columns;
    stacked[at] = row < rows ? W[at] : row == rows ? b[at - row * columns] : real(0);
}

// dz = dh * (1 - h^2).
extern "C" __global__ void through_tanh(const real* __restrict__ dh, const real* __restrict__ h, real* dz,
                                        long long size) {
    const long long at = my_index();
    if (at < size) dz[at] = dh[at] * (real(1) - h[at] * h[at]);
}

// sums[j] = sum over n of values[n, j], one thread a column, in order.
extern "C" __global__ void sum_rows(const real* __restrict__ values, real* sums, long long N, long long H) {
    const long long j = my_index();
    if (j >= H) return;
    real sum = real(0);
    for (long long n = 0; n < N; ++n) sum += values[n * H + j];
    sums[j] = sum;
}
