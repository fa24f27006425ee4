// What the scheduler knows of a launch: its threads, warps and blocks, and who waits for what.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine.h"

namespace cuda_on_host {

constexpr unsigned warp_size = 32;

struct Block;

struct Thread {
    void *context = nullptr;
    Index index{};
    std::uint32_t linear = 0;
    Block *block = nullptr;
    std::uint64_t received = 0;
    bool exited = false;
};

// Lanes of a warp that have come to a rendezvous for the same mask. Lanes of disjoint masks wait apart.
struct Gathering {
    std::uint32_t mask = 0;
    std::uint32_t arrived = 0;
    int line = 0;
    int kind = 0;
    std::uint64_t value[warp_size];
    std::uint8_t source[warp_size];
    std::uint8_t arrival[warp_size];
    unsigned count = 0;
};  // free for the next use if its mask is empty

enum Kind { synchronise = 1, exchange = 2, ballot = 3 };

struct Warp {
    std::uint32_t existing = 0;
    std::uint32_t exited = 0;
    std::vector<Gathering> gatherings;
};

struct Block {
    Index index{};
    std::uint32_t arrived = 0;
    std::uint32_t exited = 0;
    int line = 0;
    int votes = 0;
    int vote_result = 0;
    std::vector<Thread> threads;
    std::vector<Warp> warps;
    std::vector<char> dynamic_shared;  // with a red zone on either side
    std::vector<char> static_shared;  // what the shared variables hold while another block runs
    char *shared_start = nullptr;
};

// A double-ended queue of threads, in one array whose size is a power of two.
class Queue {
public:
    void reserve(std::size_t count) {
        std::size_t size = 64;
        while (size < count + 1) size *= 2;
        if (size > slots_.size()) slots_.resize(size);
        mask_ = slots_.size() - 1;
        first_ = last_ = 0;
    }
    bool empty() const { return first_ == last_; }
    std::size_t size() const { return last_ - first_; }
    void push_back(Thread *thread) { slots_[last_++ & mask_] = thread; }
    void push_front(Thread *thread) { slots_[--first_ & mask_] = thread; }
    Thread *pop_front() { return slots_[first_++ & mask_]; }

private:
    std::vector<Thread *> slots_;
    std::size_t mask_ = 0, first_ = 0, last_ = 0;
};

// Everything about the launch that runs. One at a time: the Python side holds its interpreter lock meanwhile.
struct Launch {
    const LaunchRequest *request = nullptr;
    LaunchReport *report = nullptr;
    std::vector<Block> blocks;  // those that live now: all of a cooperative grid, else one
    std::size_t live_blocks = 0;
    std::uint32_t block_threads = 0;
    std::vector<std::uint32_t> thread_order;
    std::vector<std::uint32_t> live_order;
    std::size_t unstarted = 0, finished = 0, total = 0;  // `unstarted` is the position of the first such thread
    std::vector<Thread *> grid_waiters;
    Queue released, yielded;
    Thread *current = nullptr;
    Block *loaded = nullptr;
    char *starting_stack = nullptr;
    void *main_context = nullptr;
    std::uint64_t idle_yields = 0, idle_ticks = 0, released_streak = 0;

    bool all_started() const { return unstarted == total; }
};

extern Launch launch;

// scheduler.cpp

// Ends the launch with a message; the threads that haven't ended are abandoned.
[[noreturn]] void failure(Failure kind, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Leaves the running thread until it is chosen again.
void wait();
// Runs all threads of the live blocks from their start to their end.
void run_live_blocks();

// rendezvous.cpp

// Lets the threads of a block go on if all have come to the barrier that are still to come.
void release_if_complete(Block &block);

}  // namespace cuda_on_host
