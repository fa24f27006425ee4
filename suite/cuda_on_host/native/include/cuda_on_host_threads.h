// Barriers, fences, and what the threads of a warp tell each other. The default arguments give the caller's line.
#pragma once

#define CUDA_ON_HOST_CALLER int line = __builtin_LINE()

static inline void __syncthreads(CUDA_ON_HOST_CALLER) { cuda_on_host_block_barrier(line); }
static inline int __syncthreads_count(int predicate, CUDA_ON_HOST_CALLER) {
    return cuda_on_host_block_vote(predicate, line);
}
static inline int __syncthreads_or(int predicate, CUDA_ON_HOST_CALLER) {
    return cuda_on_host_block_vote(predicate, line) > 0;
}
static inline int __syncthreads_and(int predicate, CUDA_ON_HOST_CALLER) {
    return cuda_on_host_block_vote(!predicate, line) == 0;
}
static inline void __syncwarp(unsigned mask = 0xffffffffu, CUDA_ON_HOST_CALLER) {
    cuda_on_host_warp_barrier(mask, line);
}

// One thread of the host runs everything, so a fence orders nothing; a thread that only fences and reads is polling.
static inline void __threadfence() { cuda_on_host_atomic_tick(0); }
static inline void __threadfence_block() { cuda_on_host_atomic_tick(0); }
static inline void __threadfence_system() { cuda_on_host_atomic_tick(0); }
static inline void __nanosleep(unsigned) { cuda_on_host_yield(); }
static inline void __trap() { cuda_on_host_fail(cuda_on_host::trapped, "__trap()"); }
static inline void __brkpt() { cuda_on_host_fail(cuda_on_host::trapped, "__brkpt()"); }

static inline long long clock64() {
    static long long ticks = 0;
    return ticks += 100;
}
static inline int clock() { return static_cast<int>(clock64()); }

static inline unsigned __activemask() { return cuda_on_host_active_lanes(); }
static inline unsigned __ballot_sync(unsigned mask, int predicate, CUDA_ON_HOST_CALLER) {
    return cuda_on_host_warp_ballot(mask, predicate, line);
}
static inline int __any_sync(unsigned mask, int predicate, CUDA_ON_HOST_CALLER) {
    return cuda_on_host_warp_ballot(mask, predicate, line) != 0;
}
static inline int __all_sync(unsigned mask, int predicate, CUDA_ON_HOST_CALLER) {
    return cuda_on_host_warp_ballot(mask, !predicate, line) == 0;
}

namespace cuda_on_host {

template <class T>
T exchange(unsigned mask, T value, unsigned source, int line) {
    static_assert(std::is_arithmetic<T>::value || sizeof(T) == 2, "a shuffle takes 32- or 64-bit numbers, or half");
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    bits = cuda_on_host_warp_exchange(mask, bits, source, line);
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

}  // namespace cuda_on_host

template <class T>
static inline T __shfl_sync(unsigned mask, T value, int source, int width = 32, CUDA_ON_HOST_CALLER) {
    const int lane = static_cast<int>(cuda_on_host_lane()), first = lane & ~(width - 1);
    return cuda_on_host::exchange(mask, value, static_cast<unsigned>(first | (source & (width - 1))), line);
}
template <class T>
static inline T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, CUDA_ON_HOST_CALLER) {
    const unsigned lane = cuda_on_host_lane(), within = lane & static_cast<unsigned>(width - 1);
    return cuda_on_host::exchange(mask, value, within < delta ? lane : lane - delta, line);
}
template <class T>
static inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, CUDA_ON_HOST_CALLER) {
    const unsigned lane = cuda_on_host_lane(), within = lane & static_cast<unsigned>(width - 1);
    const unsigned source = within + delta >= static_cast<unsigned>(width) ? lane : lane + delta;
    return cuda_on_host::exchange(mask, value, source, line);
}
template <class T>
static inline T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, CUDA_ON_HOST_CALLER) {
    const int lane = static_cast<int>(cuda_on_host_lane()), last = lane | (width - 1);
    const int source = lane ^ bits;
    return cuda_on_host::exchange(mask, value, static_cast<unsigned>(source > last ? lane : source), line);
}
