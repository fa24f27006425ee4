// Atomics and cached loads. A thread is only ever left at a call, so plain reads and writes are atomic here.
#pragma once

namespace cuda_on_host {

// Keeps the second argument of an atomic out of template deduction: the address alone says the type, as in CUDA.
template <class T>
struct identity {
    using type = T;
};
template <class T>
using same = typename identity<T>::type;

template <class T, class Update>
T update(T *address, Update change) {
    const T old = *static_cast<volatile T *>(address);
    const T changed = change(old);
    *static_cast<volatile T *>(address) = changed;
    cuda_on_host_atomic_tick(std::memcmp(&old, &changed, sizeof old) != 0);
    return old;
}

template <class T>
constexpr bool is_word = std::is_same<T, int>::value || std::is_same<T, unsigned>::value ||
                         std::is_same<T, unsigned long long>::value || std::is_same<T, unsigned long>::value ||
                         std::is_same<T, long long>::value || std::is_same<T, long>::value;
template <class T>
constexpr bool is_number = is_word<T> || std::is_same<T, float>::value || std::is_same<T, double>::value;

}  // namespace cuda_on_host

// CUDA's own types for each atomic, one overload apiece, so that CuPy's overloads for others join them.
#define CUDA_ON_HOST_ATOMIC(NAME, T, RESULT)                                                                          \
    static inline T NAME(T *address, T value) {                                                                       \
        return cuda_on_host::update(address, [value](T old) -> T { return RESULT; });                                 \
    }
#define CUDA_ON_HOST_ATOMIC_WORDS(NAME, RESULT)                                                                       \
    CUDA_ON_HOST_ATOMIC(NAME, int, RESULT)                                                                            \
    CUDA_ON_HOST_ATOMIC(NAME, unsigned, RESULT)                                                                       \
    CUDA_ON_HOST_ATOMIC(NAME, unsigned long long, RESULT)

CUDA_ON_HOST_ATOMIC_WORDS(atomicAdd, old + value)
CUDA_ON_HOST_ATOMIC(atomicAdd, float, old + value)
CUDA_ON_HOST_ATOMIC(atomicAdd, double, old + value)
CUDA_ON_HOST_ATOMIC(atomicSub, int, old - value)
CUDA_ON_HOST_ATOMIC(atomicSub, unsigned, old - value)
CUDA_ON_HOST_ATOMIC_WORDS(atomicExch, (static_cast<void>(old), value))
CUDA_ON_HOST_ATOMIC(atomicExch, float, (static_cast<void>(old), value))
CUDA_ON_HOST_ATOMIC_WORDS(atomicMax, old < value ? value : old)
CUDA_ON_HOST_ATOMIC(atomicMax, long long, old < value ? value : old)
CUDA_ON_HOST_ATOMIC_WORDS(atomicMin, value < old ? value : old)
CUDA_ON_HOST_ATOMIC(atomicMin, long long, value < old ? value : old)
CUDA_ON_HOST_ATOMIC_WORDS(atomicAnd, old & value)
CUDA_ON_HOST_ATOMIC_WORDS(atomicOr, old | value)
CUDA_ON_HOST_ATOMIC_WORDS(atomicXor, old ^ value)
CUDA_ON_HOST_ATOMIC(atomicInc, unsigned, old >= value ? 0u : old + 1u)
CUDA_ON_HOST_ATOMIC(atomicDec, unsigned, old == 0u || old > value ? value : old - 1u)

#define CUDA_ON_HOST_COMPARE_AND_SWAP(T)                                                                              \
    static inline T atomicCAS(T *address, T compare, T value) {                                                       \
        return cuda_on_host::update(address, [=](T old) -> T { return old == compare ? value : old; });               \
    }
CUDA_ON_HOST_COMPARE_AND_SWAP(int)
CUDA_ON_HOST_COMPARE_AND_SWAP(unsigned)
CUDA_ON_HOST_COMPARE_AND_SWAP(unsigned long long)
CUDA_ON_HOST_COMPARE_AND_SWAP(unsigned short)

#define CUDA_ON_HOST_LOAD(NAME)                                                                                       \
    template <class T>                                                                                                \
    static inline T NAME(const T *address) {                                                                          \
        T value;                                                                                                      \
        asm volatile("" ::: "memory"); /* a fresh read each time, also in a loop that polls */                        \
        std::memcpy(&value, __builtin_assume_aligned(address, alignof(T)), sizeof value);                             \
        return value;                                                                                                 \
    }
#define CUDA_ON_HOST_STORE(NAME)                                                                                      \
    template <class T>                                                                                                \
    static inline void NAME(T *address, cuda_on_host::same<T> value) {                                                \
        *address = value;                                                                                             \
        asm volatile("" ::: "memory");                                                                                \
    }
CUDA_ON_HOST_LOAD(__ldg)
CUDA_ON_HOST_LOAD(__ldca)
CUDA_ON_HOST_LOAD(__ldcg)
CUDA_ON_HOST_LOAD(__ldcs)
CUDA_ON_HOST_LOAD(__ldcv)
CUDA_ON_HOST_LOAD(__ldlu)
CUDA_ON_HOST_STORE(__stcg)
CUDA_ON_HOST_STORE(__stcs)
CUDA_ON_HOST_STORE(__stwb)
CUDA_ON_HOST_STORE(__stwt)
