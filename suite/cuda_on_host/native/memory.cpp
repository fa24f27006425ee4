// Device and pinned memory: poisoned, fenced by red zones, and kept for a while after it is freed.
//
// It lies in address space that is kept apart and closed between the allocations: a kernel that goes far astray meets a
// closed page, or at worst another allocation, and never what the host's own allocator needs.

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <utility>
#include <vector>

namespace {

constexpr std::size_t red_zone = 4096;
constexpr std::size_t page = 4096;
constexpr std::size_t closed_gap = 64 * 1024;
constexpr std::size_t address_space = std::size_t(1) << 39;
constexpr unsigned char red_byte = 0xFB, fresh_byte = 0xFF, freed_byte = 0xFD;
// A freed allocation's place is used again only when so much is waiting: till then a write to it is found.
constexpr std::size_t quarantine_bytes = 32u << 20;

struct Allocation {
    std::size_t bytes, open, place;  // what was asked for, what can be accessed, and what it takes of the address space
    int pinned;
    char *base;
};

struct Place {
    char *base;
    std::size_t open;
};

std::map<std::uintptr_t, Allocation> live;
std::deque<std::pair<std::uintptr_t, Allocation>> quarantine;
std::size_t quarantined = 0;
std::map<std::size_t, std::vector<Place>> free_places;  // by size
char *unused = nullptr, *end_of_space = nullptr;

std::size_t round_up(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

// Sizes in quarter steps between powers of two, so that places fit again.
std::size_t size_of_place(std::size_t bytes) {
    std::size_t power = page;
    while (power * 2 <= bytes) power *= 2;
    return round_up(bytes, power / 4 < page ? page : power / 4) + closed_gap;
}

Place take_place(std::size_t size) {
    std::vector<Place> &fitting = free_places[size];
    if (!fitting.empty()) {
        const Place place = fitting.back();
        fitting.pop_back();
        return place;
    }
    if (!unused) {
        void *space = mmap(nullptr, address_space, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (space == MAP_FAILED) return {nullptr, 0};
        unused = static_cast<char *>(space);
        end_of_space = unused + address_space;
    }
    if (static_cast<std::size_t>(end_of_space - unused) < size) return {nullptr, 0};
    const Place place{unused, 0};
    unused += size;
    return place;
}

// The first byte of a range that isn't what it was filled with, or null.
const char *first_difference(const char *start, std::size_t bytes, unsigned char expected) {
    // A range whose first byte is right and which equals itself moved by one byte is constant: memcmp is fast.
    if (bytes == 0) return nullptr;
    if (static_cast<unsigned char>(*start) == expected && std::memcmp(start, start + 1, bytes - 1) == 0) return nullptr;
    return std::find_if(start, start + bytes, [=](char c) { return static_cast<unsigned char>(c) != expected; });
}

}  // namespace

// As engine.py knows it. `side`: -1 before the allocation, 1 behind it, 0 in it after it was freed.
struct Damage {
    std::int64_t side;
    std::uint64_t bytes;
    std::int64_t offset;
};

// As engine.py knows it: an allocation.
struct Range {
    std::uint64_t start, bytes;
    std::int64_t pinned;
};

namespace {

bool damaged(std::uintptr_t start, const Allocation &allocation, Damage *damage) {
    char *memory = reinterpret_cast<char *>(start);
    for (int side : {-1, 1}) {
        char *zone = side < 0 ? memory - red_zone : memory + allocation.bytes;
        if (const char *found = first_difference(zone, red_zone, red_byte)) {
            *damage = {side, allocation.bytes, found - memory};
            std::memset(zone, red_byte, red_zone);  // so that it is told once
            return true;
        }
    }
    return false;
}

bool written_since_freed(std::uintptr_t start, const Allocation &allocation, Damage *damage) {
    char *memory = reinterpret_cast<char *>(start);
    const char *found = first_difference(memory, allocation.bytes, freed_byte);
    if (!found) return false;
    *damage = {0, allocation.bytes, found - memory};
    std::memset(memory, freed_byte, allocation.bytes);
    return true;
}

bool leave_quarantine(Damage *damage) {
    const auto [start, allocation] = quarantine.front();
    quarantine.pop_front();
    quarantined -= allocation.open;
    const bool bad = written_since_freed(start, allocation, damage);
    std::size_t open = allocation.open;
    if (open > quarantine_bytes / 4) {  // much memory goes back to the host; little is quicker to keep
        madvise(allocation.base, open, MADV_DONTNEED);
        mprotect(allocation.base, open, PROT_NONE);
        open = 0;
    }
    free_places[allocation.place].push_back({allocation.base, open});
    return bad;
}

}  // namespace

extern "C" {

void *cuda_on_host_allocate(std::size_t bytes, int pinned) {
    const std::size_t open = round_up(bytes + 2 * red_zone, page), size = size_of_place(open);
    const Place place = take_place(size);
    if (!place.base) return nullptr;
    if (place.open != open) {
        if (place.open > open) mprotect(place.base + open, place.open - open, PROT_NONE);
        if (mprotect(place.base, open, PROT_READ | PROT_WRITE) != 0) return nullptr;
    }
    char *memory = place.base + red_zone;
    std::memset(place.base, red_byte, red_zone);
    std::memset(memory, fresh_byte, bytes);
    std::memset(memory + bytes, red_byte, open - red_zone - bytes);
    live[reinterpret_cast<std::uintptr_t>(memory)] = {bytes, open, size, pinned, place.base};
    return memory;
}

// 0: freed; 1: never allocated; 2: freed before; 3: freed, and `damage` says what was written where it shouldn't be.
int cuda_on_host_release(void *pointer, Damage *damage) {
    const auto start = reinterpret_cast<std::uintptr_t>(pointer);
    const auto found = live.find(start);
    if (found == live.end()) {
        const auto same = [=](const auto &entry) { return entry.first == start; };
        return std::any_of(quarantine.begin(), quarantine.end(), same) ? 2 : 1;
    }
    const Allocation allocation = found->second;
    bool bad = damaged(start, allocation, damage);
    live.erase(found);
    std::memset(pointer, freed_byte, allocation.bytes);
    quarantine.emplace_back(start, allocation);
    quarantined += allocation.open;
    while (quarantined > quarantine_bytes && !bad) bad = leave_quarantine(damage);
    return bad ? 3 : 0;
}

// 1 if something was written outside of an allocation since the last time.
int cuda_on_host_check_memory(Damage *damage) {
    const auto bad = [=](const auto &entry) { return damaged(entry.first, entry.second, damage); };
    return std::any_of(live.begin(), live.end(), bad);
}

// 1 if something was written to memory that is freed.
int cuda_on_host_check_freed(Damage *damage) {
    const auto bad = [=](const auto &entry) { return written_since_freed(entry.first, entry.second, damage); };
    return std::any_of(quarantine.begin(), quarantine.end(), bad);
}

// The allocation that holds the address: 1 and its range, or 0.
int cuda_on_host_find_memory(std::uintptr_t address, Range *range) {
    auto after = live.upper_bound(address);
    if (after == live.begin()) return 0;
    const auto &[start, allocation] = *--after;
    if (address >= start + (allocation.bytes ? allocation.bytes : 1)) return 0;
    *range = {start, allocation.bytes, allocation.pinned};
    return 1;
}

}  // extern "C"
