// Where threads meet: the barriers of blocks, warps and grids, and giving way to others.

#include <algorithm>
#include <cstdio>

#include "state.h"

namespace cuda_on_host {
namespace {

// After so many atomics in a row that change nothing, a thread is taken to poll and gives way.
constexpr std::uint64_t idle_atomics = 64;

}  // namespace

void release_if_complete(Block &block) {
    if (block.arrived == 0 || block.arrived + block.exited < launch.block_threads) return;
    if (block.exited && !launch.request->exits_count_as_arrival)
        failure(barrier_divergence,
                "%u threads of block (%u, %u, %u) wait at __syncthreads (line %d), but the other %u have left the "
                "kernel",
                block.arrived, block.index.x, block.index.y, block.index.z, block.line, block.exited);
    ++launch.report->block_barriers;
    block.arrived = 0;
    block.vote_result = block.votes;  // stays until all have come to the next barrier, so all can read it
    block.votes = 0;
    for (std::uint32_t linear : launch.thread_order) {
        Thread &thread = block.threads[linear];
        if (!thread.exited) launch.released.push_back(&thread);
    }
}

namespace {

int block_rendezvous(int predicate, int line) {
    Block &block = *launch.current->block;
    if (block.arrived && block.line != line)
        failure(barrier_divergence,
                "threads of block (%u, %u, %u) wait at different barriers: at __syncthreads in line %d, and in line %d",
                block.index.x, block.index.y, block.index.z, block.line, line);
    block.line = line;
    block.votes += predicate != 0;
    ++block.arrived;
    release_if_complete(block);
    wait();
    return block.vote_result;
}

Gathering &find_gathering(Warp &warp, std::uint32_t mask, Kind kind, int line) {
    Gathering *unused = nullptr;
    for (Gathering &gathering : warp.gatherings) {
        if (gathering.mask == 0) unused = &gathering;
        if ((gathering.mask & mask) == 0) continue;
        if (gathering.mask != mask || gathering.kind != kind || gathering.line != line)
            failure(barrier_divergence,
                    "lanes of a warp meet at different operations: line %d with mask 0x%08x, and line %d with mask "
                    "0x%08x",
                    gathering.line, gathering.mask, line, mask);
        return gathering;
    }
    if (!unused) {
        warp.gatherings.emplace_back();
        unused = &warp.gatherings.back();
    }
    unused->mask = mask;
    unused->kind = kind;
    unused->line = line;
    unused->arrived = 0;
    unused->count = 0;
    return *unused;
}

// Brings the lanes of a mask together. The last one hands every lane its result and frees the gathering before any lane
// goes on, and a lane's result is only written by the next rendezvous that it takes part in itself: so one rendezvous
// is enough for an exchange, whatever masks follow.
std::uint64_t warp_rendezvous(std::uint32_t mask, Kind kind, std::uint64_t value, unsigned source, int line) {
    Thread *const self = launch.current;
    Block &block = *self->block;
    Warp &warp = block.warps[self->linear / warp_size];
    Thread *const lanes = &block.threads[self->linear / warp_size * warp_size];
    const unsigned lane = self->linear % warp_size;
    if (!(mask >> lane & 1u))
        failure(barrier_divergence, "lane %u calls a warp operation (line %d) whose mask 0x%08x doesn't name it", lane,
                line, mask);
    mask &= warp.existing;  // a block whose size is no multiple of 32 ends in a part of a warp
    if (mask & warp.exited)
        failure(barrier_divergence, "a warp operation (line %d) waits for lanes 0x%08x, which have left the kernel",
                line, mask & warp.exited);
    Gathering &gathering = find_gathering(warp, mask, kind, line);
    gathering.value[lane] = value;
    gathering.source[lane] = static_cast<std::uint8_t>(source);
    gathering.arrival[gathering.count++] = static_cast<std::uint8_t>(lane);
    gathering.arrived |= 1u << lane;
    if (gathering.arrived == mask) {
        ++launch.report->warp_barriers;
        std::uint64_t ballots = 0;
        if (kind == ballot)
            for (unsigned i = 0; i < gathering.count; ++i) {
                const unsigned voter = gathering.arrival[i];
                ballots |= (gathering.value[voter] & 1u) << voter;
            }
        // To the front: a warp stays together while its stacks are in the cache.
        for (unsigned i = gathering.count; i-- > 0;) {
            const unsigned receiver = gathering.arrival[i];
            const unsigned giver = gathering.source[receiver];
            // What a lane that takes no part would give is undefined: poison, not whatever was left there.
            const std::uint64_t given = mask >> giver & 1u ? gathering.value[giver] : ~std::uint64_t(0);
            lanes[receiver].received = kind == ballot ? ballots : given;
            launch.released.push_front(&lanes[receiver]);
        }
        gathering.mask = 0;
    }
    wait();
    return self->received;
}

}  // namespace
}  // namespace cuda_on_host

using namespace cuda_on_host;

void *cuda_on_host_dynamic_shared() { return launch.current->block->shared_start; }

std::size_t cuda_on_host_dynamic_shared_bytes() { return launch.request->dynamic_shared_bytes; }

unsigned cuda_on_host_lane() { return launch.current->linear % warp_size; }

void cuda_on_host_block_barrier(int line) { block_rendezvous(0, line); }

int cuda_on_host_block_vote(int predicate, int line) { return block_rendezvous(predicate, line); }

void cuda_on_host_warp_barrier(unsigned mask, int line) { warp_rendezvous(mask, synchronise, 0, 0, line); }

std::uint64_t cuda_on_host_warp_exchange(unsigned mask, std::uint64_t value, unsigned source, int line) {
    return warp_rendezvous(mask, exchange, value, source % warp_size, line);
}

unsigned cuda_on_host_warp_ballot(unsigned mask, int predicate, int line) {
    return static_cast<unsigned>(warp_rendezvous(mask, ballot, predicate != 0, 0, line));
}

unsigned cuda_on_host_active_lanes() {
    const Warp &warp = launch.current->block->warps[launch.current->linear / warp_size];
    return warp.existing & ~warp.exited;
}

void cuda_on_host_grid_barrier(int line) {
    if (!launch.request->cooperative)
        failure(barrier_divergence, "a grid barrier (line %d) in a launch that is not cooperative", line);
    launch.grid_waiters.push_back(launch.current);
    if (launch.grid_waiters.size() == launch.total) {
        launch.grid_waiters.clear();
        for (std::uint32_t b : launch.live_order)
            for (std::uint32_t linear : launch.thread_order)
                launch.released.push_back(&launch.blocks[b].threads[linear]);
    }
    wait();
}

void cuda_on_host_yield() {
    ++launch.report->yields;
    launch.yielded.push_back(launch.current);
    wait();
}

void cuda_on_host_atomic_tick(int changed) {
    if (changed) {
        launch.idle_yields = launch.idle_ticks = 0;
    } else if (++launch.idle_ticks >= idle_atomics) {
        launch.idle_ticks = 0;
        cuda_on_host_yield();
    }
}

void cuda_on_host_fail(std::uint32_t kind, const char *message) {
    const Index &t = cuda_on_host_thread_index, &b = cuda_on_host_block_index;
    failure(static_cast<Failure>(kind), "%s in thread (%u, %u, %u) of block (%u, %u, %u)", message, t.x, t.y, t.z, b.x,
            b.y, b.z);
}
