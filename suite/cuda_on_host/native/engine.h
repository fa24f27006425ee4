// What a compiled kernel, the scheduler and the Python side share.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cuda_on_host {

struct Index {
    std::uint32_t x, y, z;
};

enum Failure : std::uint32_t {
    none = 0,
    barrier_divergence = 1,
    deadlock = 2,
    trapped = 3,
    failed_assertion = 4,
    out_of_bounds = 5,
    illegal_address = 6,
    host_memory = 7,
};

// One launch, as launches.py knows it: keep the order of the fields.
struct LaunchRequest {
    void (*kernel)(void **parameters);
    void **parameters;
    std::uint32_t grid[3];
    std::uint32_t block[3];
    std::uint32_t dynamic_shared_bytes;
    std::uint32_t cooperative;
    std::uint32_t exits_count_as_arrival;  // as devices do it since 7.0, though CUDA doesn't promise it
    std::uint64_t order;
    std::uint64_t deadlock_rounds;
    std::uint64_t time_limit_seconds;
    char *static_shared;
    std::size_t static_shared_bytes;
};

struct LaunchReport {
    std::uint32_t failure;
    char message[508];
    std::uint64_t switches;
    std::uint64_t block_barriers;
    std::uint64_t warp_barriers;
    std::uint64_t yields;
};

}  // namespace cuda_on_host

extern "C" {

// The indices of the running thread. Not thread-local: all threads of a kernel run on one thread of the host.
extern cuda_on_host::Index cuda_on_host_thread_index, cuda_on_host_block_index;
extern cuda_on_host::Index cuda_on_host_block_size, cuda_on_host_grid_size;

void *cuda_on_host_dynamic_shared();
std::size_t cuda_on_host_dynamic_shared_bytes();
unsigned cuda_on_host_lane();
void cuda_on_host_block_barrier(int line);
// Block barriers that also count, or combine, a predicate of every thread.
int cuda_on_host_block_vote(int predicate, int line);
void cuda_on_host_warp_barrier(unsigned mask, int line);
// Gives every lane of the mask the value that the lane `source` brought.
std::uint64_t cuda_on_host_warp_exchange(unsigned mask, std::uint64_t value, unsigned source, int line);
// Gives every lane of the mask one bit for each lane that brought a true predicate.
unsigned cuda_on_host_warp_ballot(unsigned mask, int predicate, int line);
unsigned cuda_on_host_active_lanes();
void cuda_on_host_grid_barrier(int line);
void cuda_on_host_yield();
// Called by each atomic, with whether it changed memory: an endless poll by atomics has to give way too.
void cuda_on_host_atomic_tick(int changed);
[[noreturn]] void cuda_on_host_fail(std::uint32_t failure, const char *message);

int cuda_on_host_launch(const cuda_on_host::LaunchRequest *request, cuda_on_host::LaunchReport *report);

}  // extern "C"
