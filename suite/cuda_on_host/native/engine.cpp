// One launch, from the request to the report: blocks laid out, poisoned, run and checked.

#include "engine.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <random>
#include <vector>

#include "guards.h"
#include "state.h"

namespace cuda_on_host {
namespace {

constexpr std::size_t shared_red_zone = 1024;
constexpr unsigned char shared_red_byte = 0xFB;
constexpr unsigned char poison_byte = 0xFF;

Index unravel(std::uint64_t linear, const std::uint32_t size[3]) {
    return {static_cast<std::uint32_t>(linear % size[0]), static_cast<std::uint32_t>(linear / size[0] % size[1]),
            static_cast<std::uint32_t>(linear / size[0] / size[1])};
}

std::vector<std::uint32_t> make_order(std::size_t count, std::uint64_t order) {
    std::vector<std::uint32_t> positions(count);
    std::iota(positions.begin(), positions.end(), 0u);
    if (order == 1) std::reverse(positions.begin(), positions.end());
    if (order > 1) std::shuffle(positions.begin(), positions.end(), std::mt19937_64(order));
    return positions;
}

// What is the same for every block that takes this place.
void lay_out(Block &block, const LaunchRequest &request) {
    block.threads.resize(launch.block_threads);
    for (std::uint32_t linear = 0; linear < launch.block_threads; ++linear) {
        Thread &thread = block.threads[linear];
        thread.index = unravel(linear, request.block);
        thread.linear = linear;
        thread.block = &block;
    }
    block.warps.resize((launch.block_threads + warp_size - 1) / warp_size);
    block.dynamic_shared.assign(request.dynamic_shared_bytes + 2 * shared_red_zone + 128,
                                static_cast<char>(shared_red_byte));
    const auto address = reinterpret_cast<std::uintptr_t>(block.dynamic_shared.data()) + shared_red_zone;
    block.shared_start = reinterpret_cast<char *>((address + 127) & ~std::uintptr_t(127));
}

void begin_block(Block &block, std::uint64_t linear, const LaunchRequest &request) {
    block.index = unravel(linear, request.grid);
    block.arrived = block.exited = 0;
    block.votes = 0;
    for (Thread &thread : block.threads) thread.exited = false;
    for (std::size_t w = 0; w < block.warps.size(); ++w) {
        Warp &warp = block.warps[w];
        const std::size_t count = std::min<std::size_t>(warp_size, launch.block_threads - w * warp_size);
        warp.existing = count == warp_size ? ~0u : (1u << count) - 1;
        warp.exited = 0;
        for (Gathering &gathering : warp.gatherings) gathering.mask = 0;
    }
    std::memset(block.shared_start, poison_byte, request.dynamic_shared_bytes);
    if (launch.live_blocks > 1) {
        block.static_shared.assign(request.static_shared_bytes, static_cast<char>(poison_byte));
    } else if (request.static_shared_bytes) {
        std::memset(request.static_shared, poison_byte, request.static_shared_bytes);
    }
}

bool red_zone_intact(const char *start, std::size_t bytes) {
    return std::all_of(start, start + bytes, [](char c) { return static_cast<unsigned char>(c) == shared_red_byte; });
}

void end_block(const Block &block, const LaunchRequest &request) {
    const bool before = !red_zone_intact(block.shared_start - shared_red_zone, shared_red_zone);
    const bool after = !red_zone_intact(block.shared_start + request.dynamic_shared_bytes, shared_red_zone);
    if (!before && !after) return;
    launch.report->failure = out_of_bounds;
    std::snprintf(launch.report->message, sizeof launch.report->message,
                  "block (%u, %u, %u) wrote %s its dynamic shared memory of %u bytes", block.index.x, block.index.y,
                  block.index.z, before ? "before" : "behind", request.dynamic_shared_bytes);
}

void run_grid(const LaunchRequest &request) {
    const std::uint64_t blocks = std::uint64_t(request.grid[0]) * request.grid[1] * request.grid[2];
    launch.block_threads = request.block[0] * request.block[1] * request.block[2];
    launch.live_blocks = request.cooperative ? blocks : 1;
    launch.total = launch.live_blocks * launch.block_threads;
    launch.thread_order = make_order(launch.block_threads, request.order);
    launch.live_order = make_order(launch.live_blocks, request.order);
    if (launch.blocks.size() < launch.live_blocks) launch.blocks.resize(launch.live_blocks);
    for (std::size_t b = 0; b < launch.live_blocks; ++b) lay_out(launch.blocks[b], request);
    if (request.cooperative) {
        for (std::size_t b = 0; b < blocks; ++b) begin_block(launch.blocks[b], b, request);
        run_live_blocks();
        for (std::size_t b = 0; b < blocks && !launch.report->failure; ++b) end_block(launch.blocks[b], request);
        return;
    }
    const std::vector<std::uint32_t> order = request.order > 1 ? make_order(blocks, request.order) : make_order(0, 0);
    for (std::uint64_t position = 0; position < blocks && !launch.report->failure; ++position) {
        const std::uint64_t linear = request.order == 0 ? position
                                     : request.order == 1 ? blocks - 1 - position
                                                          : order[position];
        begin_block(launch.blocks[0], linear, request);
        run_live_blocks();
        if (!launch.report->failure) end_block(launch.blocks[0], request);
    }
}

// From the handler of a signal, on its own stack: the fiber that was interrupted is never resumed.
void interrupted(Interruption reason, const void *address) {
    const Index &t = cuda_on_host_thread_index, &b = cuda_on_host_block_index;
    if (reason == Interruption::instruction)
        failure(illegal_address,
                "thread (%u, %u, %u) of block (%u, %u, %u) used an index outside of its array, or an address that is "
                "null or not aligned to its type",
                t.x, t.y, t.z, b.x, b.y, b.z);
    if (reason == Interruption::division)
        failure(trapped, "thread (%u, %u, %u) of block (%u, %u, %u) divided an integer by zero", t.x, t.y, t.z, b.x,
                b.y, b.z);
    if (reason == Interruption::time)
        failure(deadlock, "the kernel ran for more than %llu seconds; does a thread poll without __nanosleep?",
                static_cast<unsigned long long>(launch.request->time_limit_seconds));
    failure(illegal_address,
            "thread (%u, %u, %u) of block (%u, %u, %u) used an address that isn't there (%p), or more than 64 KiB "
            "of stack",
            t.x, t.y, t.z, b.x, b.y, b.z, address);
}

}  // namespace
}  // namespace cuda_on_host

using namespace cuda_on_host;

int cuda_on_host_launch(const LaunchRequest *request, LaunchReport *report) {
    std::memset(static_cast<void *>(report), 0, sizeof *report);
    launch.request = request;
    launch.report = report;
    cuda_on_host_block_size = {request->block[0], request->block[1], request->block[2]};
    cuda_on_host_grid_size = {request->grid[0], request->grid[1], request->grid[2]};
    const Guards guards(interrupted, request->time_limit_seconds);
    run_grid(*request);
    return static_cast<int>(report->failure);
}
