// A whole block of T steps in one launch, forward or backward.
//
// The recurrent weights stay in registers for all T steps. LANES neighbouring threads share COLUMNS columns of the
// product; each holds WEIGHTS weights of every one of them and sums over those, and the sums are joined by shuffles:
//
//     sum[n][j] = sum over k of state[n][k] * weight[k][j]        weight = Wh forward, its transpose backward
//
// Several columns and rows at a time make each vector of the state that is read from shared memory, and each weight,
// serve several multiplications: else reading, not arithmetic, is what takes the time.
//
// Between two steps all that moves is the state. A grid of (column groups, row groups) blocks shares out the work:
// a block owns `columns` columns and `rows` rows of the batch. Rows never depend on each other. If one block has all
// columns (ALONE), the state stays in its shared memory; otherwise the blocks of a row group hand it on through
// global memory, with a barrier among them after each step, and must all run at once: a cooperative launch.
//
// Compile with -DREAL=float or double, -DLANES, -DWEIGHTS (a multiple of the vector's length), -DCOLUMNS and -DROWS
// (powers of two, up to LANES together), -DTHREADS (the most a block may have), -DALONE=0 or 1.
//
// All arrays are C-contiguous. The batch (N, T, H) is walked as it lies; nothing is transposed.

typedef REAL real;

constexpr int VECTOR = 16 / sizeof(real);
constexpr int CHUNKS = WEIGHTS / VECTOR;
constexpr int WIDTH = LANES * WEIGHTS;  // of a row of the state in shared memory, padded with zeros
constexpr int SUMS = ROWS * COLUMNS;
constexpr int LANES_PER_SUM = LANES / SUMS;
constexpr unsigned EVERY_LANE = 0xffffffffu;
// A barrier that waits longer has lost a block: some seconds, after which an error is better than a hang.
constexpr unsigned POLLS_AT_MOST = 1u << 26;
constexpr int ARRIVALS_APART = 32;  // one counter a cache line

static_assert(WEIGHTS % VECTOR == 0, "a lane reads the state in vectors of 16 bytes");
static_assert(LANES % SUMS == 0 && 32 % LANES == 0, "the lanes of a column lie in one warp, and share out its sums");

struct alignas(16) Vector {
    real element[VECTOR];
};

// What a thread works on. Its lane finishes one sum at most: that of `row`, counted from the first of ROWS, and `column`.
struct Share {
    int lane, columns_from, columns_to, column, first_row, rows, row;
    bool finishes;
};

__device__ __forceinline__ Share my_share(int N, int H, int columns, int rows) {
    Share share;
    const int first_column = blockIdx.x * columns;
    share.lane = threadIdx.x % LANES;
    share.columns_from = first_column + threadIdx.x / LANES * COLUMNS;
    share.columns_to = min(first_column + columns, H);
    const int sum = share.lane / LANES_PER_SUM;
    share.row = sum / COLUMNS;
    share.column = share.columns_from + sum % COLUMNS;
    share.finishes = share.lane % LANES_PER_SUM == 0 && share.column < share.columns_to;
    share.first_row = blockIdx.y * rows;
    share.rows = min(rows, N - share.first_row);
    return share;
}

// Where lane and chunk lie along k: neighbouring lanes read neighbouring vectors, so that no two share a bank.
__device__ __forceinline__ int first_k(int chunk, int lane) { return (chunk * LANES + lane) * VECTOR; }

template <bool TRANSPOSED>
__device__ __forceinline__ void load_weights(real (&weights)[COLUMNS][WEIGHTS], const real* Wh, const Share& share,
                                             int H) {
#pragma unroll
    for (int column = 0; column < COLUMNS; ++column) {
        const int j = share.columns_from + column;
#pragma unroll
        for (int at = 0; at < WEIGHTS; ++at) {
            const int k = first_k(at / VECTOR, share.lane) + at % VECTOR;
            const long long place = TRANSPOSED ? (long long)j * H + k : (long long)k * H + j;
            weights[column][at] = j < share.columns_to && k < H ? Wh[place] : real(0);
        }
    }
}

// Return to each lane the sum over k of its own row and column (see Share), of the ROWS rows that begin at `state`.
__device__ __forceinline__ real product(const real (&weights)[COLUMNS][WEIGHTS], const real* state, int lane) {
    real sums[SUMS];
#pragma unroll
    for (int sum = 0; sum < SUMS; ++sum) sums[sum] = real(0);
#pragma unroll
    for (int chunk = 0; chunk < CHUNKS; ++chunk) {
#pragma unroll
        for (int row = 0; row < ROWS; ++row) {
            const Vector values = *reinterpret_cast<const Vector*>(state + row * WIDTH + first_k(chunk, lane));
#pragma unroll
            for (int i = 0; i < VECTOR; ++i) {
#pragma unroll
                for (int column = 0; column < COLUMNS; ++column) {
                    sums[row * COLUMNS + column] += weights[column][chunk * VECTOR + i] * values.element[i];
                }
            }
        }
    }
    // Halve the number of sums that a lane looks after while there are several, then just add up: after log2(LANES)
    // rounds a lane has one.
    int kept = SUMS;
#pragma unroll
    for (int distance = LANES / 2; distance > 0; distance /= 2) {
        if (kept > 1) {
            kept /= 2;
            const bool upper = lane & distance;
#pragma unroll
            for (int sum = 0; sum < SUMS / 2; ++sum) {
                if (sum < kept) {
                    const real given = upper ? sums[sum] : sums[sum + kept];
                    const real mine = upper ? sums[sum + kept] : sums[sum];
                    sums[sum] = mine + __shfl_xor_sync(EVERY_LANE, given, distance);
                }
            }
        } else {
            sums[0] += __shfl_xor_sync(EVERY_LANE, sums[0], distance);
        }
    }
    return sums[0];
}

// Wait until all blocks of this row group have come so far; what they wrote before can then be read from L2.
__device__ __forceinline__ void wait_for_the_other_columns(unsigned* arrivals, unsigned all) {
    __syncthreads();
    if (threadIdx.x == 0) {
        unsigned* mine = arrivals + blockIdx.y * ARRIVALS_APART;
        __threadfence();
        atomicAdd(mine, 1u);
        unsigned polls = 0;
        while (*reinterpret_cast<volatile unsigned*>(mine) < all) {
            if (++polls > POLLS_AT_MOST) __trap();
            if (polls > 16) __nanosleep(20);
        }
        __threadfence();
    }
    __syncthreads();
}

// Fill a block's rows of the state in shared memory from rows that lie `row_stride` apart; the rest is zero.
__device__ __forceinline__ void load_rows(real* state, const real* from, long long row_stride, const Share& share,
                                          int rows, int H) {
    for (int at = threadIdx.x; at < rows * WIDTH; at += blockDim.x) {
        const int row = at / WIDTH, k = at - row * WIDTH;
        state[at] = row < share.rows && k < H ? __ldcg(from + row * row_stride + k) : real(0);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
block_forward(const real* __restrict__ z,       // (N, T, H): x Wx
              const real* __restrict__ Wh,      // (H, H)
              const real* __restrict__ b,       // (H,)
              const real* __restrict__ h_prev,  // (N, H)
              real* hs,                         // (N, T, H): the caller's
              real* states,                     // (N, T, H): the same, kept, and how blocks hand it on
              real* joined,                     // (N, T, joined_width): h of the step before goes to column h_at
              real* last,                       // (N, H): the state after the last step
              unsigned* arrivals,               // zeros, one counter a row group
              long long N_, long long T_, long long H_, long long joined_width, long long h_at, long long columns,
              long long rows_) {
    extern __shared__ __align__(16) unsigned char shared[];
    const int N = N_, T = T_, H = H_, rows = rows_;
    const Share share = my_share(N, H, columns, rows);
    real* current = reinterpret_cast<real*>(shared);
    real* next = ALONE ? current + rows * WIDTH : current;

    real weights[COLUMNS][WEIGHTS];
    load_weights<false>(weights, Wh, share, H);
    const real bias = share.finishes ? b[share.column] : real(0);
    load_rows(current, h_prev + (long long)share.first_row * H, H, share, rows, H);
    if (ALONE) {
        for (int at = threadIdx.x; at < rows * WIDTH; at += blockDim.x) next[at] = real(0);
    }
    __syncthreads();

    // Where this thread's first row lies at t = 0, and how far apart those are that it finishes; added up as it goes,
    // for products of 64 bits would take longer than the sums.
    const long long n = share.first_row + share.row, apart = (long long)ROWS * T * H;
    const long long apart_joined = (long long)ROWS * T * joined_width;
    long long at_first = n * T * H + share.column, at_joined = (n * T + 1) * joined_width + h_at + share.column;
    real ahead = share.finishes && share.row < share.rows ? z[at_first] : real(0);
    for (int t = 0; t < T; ++t) {
        long long at = at_first, beside = at_joined;
        for (int first = 0; first < rows; first += ROWS) {
            const int row = first + share.row;
            const bool writes = share.finishes && row < share.rows;
            const real input = ahead;
            // Read what the next round needs while this one computes.
            if (first + ROWS < rows) {
                if (share.finishes && row + ROWS < share.rows) ahead = z[at + apart];
            } else if (share.finishes && share.row < share.rows && t + 1 < T) {
                ahead = z[at_first + H];
            }
            const real sum = product(weights, current + first * WIDTH, share.lane);
            if (writes) {
                const real h = tanh(sum + input + bias);
                __stcg(states + at, h);
                hs[at] = h;
                if (t + 1 < T) {
                    joined[beside] = h;
                } else {
                    last[(n + first) * H + share.column] = h;
                }
                if (ALONE) next[row * WIDTH + share.column] = h;
            }
            at += apart;
            beside += apart_joined;
        }
        at_first += H;
        at_joined += joined_width;
        if (t + 1 == T) break;
        if (ALONE) {
            __syncthreads();
            real* before = current;
            current = next;
            next = before;
        } else {
            wait_for_the_other_columns(arrivals, (unsigned)(t + 1) * gridDim.x);
            load_rows(current, states + ((long long)share.first_row * T + t) * H, (long long)T * H, share, rows, H);
            __syncthreads();
        }
    }
}

// dz_t = (dhs_t + dz_{t+1} Wh^T) * (1 - h_t^2), from the last step to the first; then dh_prev = dz_0 Wh^T.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
block_backward(const real* __restrict__ dhs,     // (N, T, H)
               const real* __restrict__ Wh,      // (H, H)
               const real* __restrict__ states,  // (N, T, H), from block_forward
               real* dzs,                        // (N, T, H): the gradient before tanh
               real* dh_prev,                    // (N, H)
               unsigned* arrivals,               // zeros, one counter a row group
               long long N_, long long T_, long long H_, long long columns, long long rows_) {
    extern __shared__ __align__(16) unsigned char shared[];
    const int N = N_, T = T_, H = H_, rows = rows_;
    const Share share = my_share(N, H, columns, rows);
    real* current = reinterpret_cast<real*>(shared);
    real* next = ALONE ? current + rows * WIDTH : current;

    real weights[COLUMNS][WEIGHTS];
    load_weights<true>(weights, Wh, share, H);
    for (int at = threadIdx.x; at < (ALONE ? 2 : 1) * rows * WIDTH; at += blockDim.x) current[at] = real(0);
    __syncthreads();

    const long long n = share.first_row + share.row, apart = (long long)ROWS * T * H;  // as in block_forward
    long long at_first = (n * T + T - 1) * H + share.column;
    real gradient_ahead = real(0), state_ahead = real(0);
    if (share.finishes && share.row < share.rows) {
        gradient_ahead = dhs[at_first];
        state_ahead = states[at_first];
    }
    for (int t = T - 1; t >= -1; --t) {
        long long at = at_first;
        for (int first = 0; first < rows; first += ROWS) {
            const int row = first + share.row;
            const bool writes = share.finishes && row < share.rows;
            const real gradient = gradient_ahead, h = state_ahead;
            // Read what the next round needs while this one computes.
            const bool more_rows = first + ROWS < rows;
            if (share.finishes && (more_rows ? row + ROWS < share.rows : share.row < share.rows && t > 0)) {
                const long long after = more_rows ? at + apart : at_first - H;
                gradient_ahead = dhs[after];
                state_ahead = states[after];
            }
            const real dh = product(weights, current + first * WIDTH, share.lane);
            if (writes) {
                if (t < 0) {
                    dh_prev[(n + first) * H + share.column] = dh;
                } else {
                    const real dz = (gradient + dh) * (real(1) - h * h);
                    __stcg(dzs + at, dz);
                    if (ALONE) next[row * WIDTH + share.column] = dz;
                }
            }
            at += apart;
        }
        at_first -= H;
        if (t < 0) break;
        if (ALONE) {
            __syncthreads();
            real* before = current;
            current = next;
            next = before;
        } else {
            wait_for_the_other_columns(arrivals, (unsigned)(T - t) * gridDim.x);
            load_rows(current, dzs + ((long long)share.first_row * T + t) * H, (long long)T * H, share, rows, H);
            __syncthreads();
        }
    }
}
