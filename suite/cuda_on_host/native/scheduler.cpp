// The scheduler: the threads of a CUDA grid as fibers on one thread of the host.
//
// A fiber runs one CUDA thread after another on the same stack, and only a thread that has to wait keeps a stack to
// itself. So a kernel without barriers is a plain loop, and a kernel with barriers pays one switch for every wait.

#include <sys/mman.h>

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <vector>

#include "context.h"
#include "state.h"

cuda_on_host::Index cuda_on_host_thread_index, cuda_on_host_block_index;
cuda_on_host::Index cuda_on_host_block_size, cuda_on_host_grid_size;

namespace cuda_on_host {

Launch launch;

namespace {

constexpr std::size_t stack_bytes = 64 * 1024;
// One page more than a power of two, else the tops of all stacks fall into the same sets of the processor's caches.
constexpr std::size_t stack_stride = stack_bytes + 4096;
constexpr std::size_t stacks_per_chunk = 64;
// Above this many stacks no guard pages are set: each one takes a mapping, and the system limits these.
constexpr std::size_t guarded_stacks = 4096;

std::vector<char *> free_stacks, all_stacks;
void *abandoned_context;

[[noreturn]] void to_main() {
    switch_context(&abandoned_context, launch.main_context);
    __builtin_unreachable();
}

char *take_stack() {
    if (free_stacks.empty()) {
        void *chunk = mmap(nullptr, stack_stride * stacks_per_chunk, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (chunk == MAP_FAILED) failure(host_memory, "the host has no memory for the stacks of so many threads");
        for (std::size_t i = 0; i < stacks_per_chunk; ++i) {
            char *bottom = static_cast<char *>(chunk) + i * stack_stride;
            if (all_stacks.size() < guarded_stacks) mprotect(bottom, 4096, PROT_NONE);
            // The tops differ within their pages as well, again for the caches.
            char *top = bottom + stack_stride - (all_stacks.size() * 192) % 1536;
            all_stacks.push_back(top);
            free_stacks.push_back(top);
        }
    }
    char *top = free_stacks.back();
    free_stacks.pop_back();
    return top;
}

// Static shared variables have one address for all blocks: what they hold is exchanged when another block runs.
void load_block(Block *block) {
    const std::size_t bytes = launch.request->static_shared_bytes;
    if (bytes && launch.live_blocks > 1) {
        char *variables = launch.request->static_shared;
        if (launch.loaded) std::memcpy(launch.loaded->static_shared.data(), variables, bytes);
        std::memcpy(variables, block->static_shared.data(), bytes);
    }
    cuda_on_host_block_index = block->index;
    launch.loaded = block;
}

inline void load(Thread *thread) {
    launch.current = thread;
    launch.idle_ticks = 0;
    cuda_on_host_thread_index = thread->index;
    if (thread->block != launch.loaded) load_block(thread->block);
}

[[noreturn]] void nobody_can_run() {
    std::size_t at_block = 0, at_warp = 0, exited = 0;
    int block_line = 0, warp_line = 0;
    for (std::size_t b = 0; b < launch.live_blocks; ++b) {
        const Block &block = launch.blocks[b];
        at_block += block.arrived;
        exited += block.exited;
        if (block.arrived) block_line = block.line;
        for (const Warp &warp : block.warps)
            for (const Gathering &gathering : warp.gatherings)
                if (gathering.mask) {
                    at_warp += gathering.count;
                    warp_line = gathering.line;
                }
    }
    failure(barrier_divergence,
            "no thread can go on: %zu wait at __syncthreads (line %d), %zu at a warp operation (line %d), "
            "%zu at a grid barrier, and %zu have left the kernel",
            at_block, block_line, at_warp, warp_line, launch.grid_waiters.size(), exited);
}

Thread *start_next() {
    const std::size_t position = launch.unstarted++;
    Block &block = launch.blocks[launch.live_order[position / launch.block_threads]];
    launch.idle_yields = 0;
    return &block.threads[launch.thread_order[position % launch.block_threads]];
}

void finish(Thread *thread) {
    thread->exited = true;
    Block &block = *thread->block;
    Warp &warp = block.warps[thread->linear / warp_size];
    const std::uint32_t lane_bit = 1u << (thread->linear % warp_size);
    ++launch.finished;
    ++block.exited;
    launch.idle_yields = 0;
    warp.exited |= lane_bit;
    for (const Gathering &gathering : warp.gatherings)
        if (gathering.mask & lane_bit)
            failure(barrier_divergence,
                    "thread %u of block (%u, %u, %u) left the kernel while lanes of its warp wait for it at line %d "
                    "(mask 0x%08x)",
                    thread->linear, block.index.x, block.index.y, block.index.z, gathering.line, gathering.mask);
    release_if_complete(block);
}

// Chooses who runs next: a thread that waited, or none if a fresh one has to start or nobody can run.
Thread *pick() {
    if (!launch.released.empty()) {
        // A block that polls between barriers must not keep the others from the progress that it polls for.
        const bool others = !launch.all_started() || !launch.yielded.empty();
        if (!others || ++launch.released_streak < 65536 + 8 * launch.total) return launch.released.pop_front();
    }
    launch.released_streak = 0;
    if (!launch.all_started() || launch.yielded.empty()) return nullptr;
    if (++launch.idle_yields > launch.request->deadlock_rounds * launch.yielded.size())
        failure(deadlock,
                "%zu threads poll, %zu have left the kernel, the others wait, and in %llu rounds nothing happened%s",
                launch.yielded.size(), launch.finished,
                static_cast<unsigned long long>(launch.request->deadlock_rounds),
                launch.request->cooperative ? "" : "; the launch is not cooperative: its blocks run one after another");
    return launch.yielded.pop_front();
}

// What a stack runs: one thread after another that hasn't started, until it has to hand over to one that waits.
void fiber() {
    char *const own_stack = launch.starting_stack;
    for (;;) {
        if (Thread *next = pick()) {
            free_stacks.push_back(own_stack);  // nothing comes back here, so the next fiber may have it
            ++launch.report->switches;
            load(next);
            switch_context(&abandoned_context, next->context);
        }
        if (launch.all_started()) {
            if (launch.finished != launch.total) nobody_can_run();
            to_main();
        }
        load(start_next());
        launch.request->kernel(launch.request->parameters);
        finish(launch.current);
    }
}

}  // namespace

void failure(Failure kind, const char *format, ...) {
    launch.report->failure = kind;
    std::va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(launch.report->message, sizeof launch.report->message, format, arguments);
    va_end(arguments);
    to_main();
}

void wait() {
    Thread *const self = launch.current;
    Thread *const next = pick();
    if (next == self) return;
    ++launch.report->switches;
    if (next) {
        load(next);
        switch_context(&self->context, next->context);
        return;
    }
    if (launch.all_started()) nobody_can_run();
    launch.starting_stack = take_stack();
    switch_context(&self->context, prepare_context(launch.starting_stack, fiber));
}

void run_live_blocks() {
    launch.unstarted = launch.finished = 0;
    launch.loaded = nullptr;
    launch.current = nullptr;
    launch.grid_waiters.clear();
    launch.idle_yields = launch.idle_ticks = launch.released_streak = 0;
    launch.released.reserve(launch.total);
    launch.yielded.reserve(launch.total);
    free_stacks = all_stacks;
    launch.starting_stack = take_stack();
    switch_context(&launch.main_context, prepare_context(launch.starting_stack, fiber));
}

}  // namespace cuda_on_host
