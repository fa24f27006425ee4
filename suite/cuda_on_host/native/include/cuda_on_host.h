// CUDA C++ for a compiler of the host: what a kernel's source finds without including anything.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <math.h>
#include <tuple>
#include <type_traits>
#include <utility>

#include <vector_types.h>
#include <vector_functions.h>

#include "../engine.h"

// Shared variables go to sections of their own, which the linker script puts side by side: so they can be poisoned, and
// exchanged between the blocks of a cooperative launch. A number for each: else templates' and plain variables clash.
#define CUDA_ON_HOST_TEXT(x) #x
#define CUDA_ON_HOST_SECTION(n) __attribute__((section(".cuda_shared." CUDA_ON_HOST_TEXT(n))))
#undef __shared__
#define __shared__ static CUDA_ON_HOST_SECTION(__COUNTER__)
#undef __constant__
#define __constant__
#undef __device__
#define __device__
#undef __host__
#define __host__
#undef __global__
#define __global__
#undef __managed__
#define __managed__
#undef __grid_constant__
#define __grid_constant__
#undef __launch_bounds__
#define __launch_bounds__(...)
#undef __forceinline__
#define __forceinline__ inline __attribute__((always_inline))
#undef __noinline__
#define __noinline__ __attribute__((noinline))
#undef __align__
#define __align__(n) __attribute__((aligned(n)))
#ifndef __restrict__
#define __restrict__ __restrict
#endif

#define threadIdx cuda_on_host_thread_index
#define blockIdx cuda_on_host_block_index
#define blockDim cuda_on_host_block_size
#define gridDim cuda_on_host_grid_size
static const int warpSize = 32;

#include "cuda_on_host_threads.h"
#include "cuda_on_host_atomics.h"
#include "cuda_on_host_math.h"

#undef assert
#ifdef NDEBUG
#define assert(condition) ((void)0)
#else
#define assert(condition)                                                                                             \
    ((condition) ? (void)0                                                                                            \
                 : cuda_on_host_fail(cuda_on_host::failed_assertion,                                                  \
                                     "assertion '" #condition "' failed (line " CUDA_ON_HOST_LINE(__LINE__) ")"))
#endif
#define CUDA_ON_HOST_LINE(n) CUDA_ON_HOST_TEXT(n)

// What the Python side calls: a kernel with its parameters behind pointers, their sizes, and the limits of a launch.
namespace cuda_on_host {

template <class... Parameters, std::size_t... I>
void call(void (*kernel)(Parameters...), void **parameters, std::index_sequence<I...>) {
    kernel(*reinterpret_cast<std::remove_reference_t<Parameters> *>(parameters[I])...);
}

template <class... Parameters>
void call(void (*kernel)(Parameters...), void **parameters) {
    call(kernel, parameters, std::index_sequence_for<Parameters...>{});
}

template <class... Parameters>
int parameter_sizes(void (*)(Parameters...), int *sizes) {
    const int all[] = {static_cast<int>(sizeof(Parameters))..., 0};
    for (std::size_t i = 0; i < sizeof...(Parameters); ++i) sizes[i] = all[i];
    return static_cast<int>(sizeof...(Parameters));
}

template <class... Ignored>
constexpr int first(int value, Ignored...) {
    return value;
}

}  // namespace cuda_on_host

#define CUDA_ON_HOST_EXPORT(NAME, BOUNDS, ...)                                                                        \
    extern "C" void NAME##__cuda_on_host_call(void **parameters) {                                                    \
        cuda_on_host::call(&__VA_ARGS__, parameters);                                                                 \
    }                                                                                                                 \
    extern "C" int NAME##__cuda_on_host_parameters(int *sizes) {                                                      \
        return cuda_on_host::parameter_sizes(&__VA_ARGS__, sizes);                                                    \
    }                                                                                                                 \
    extern "C" int NAME##__cuda_on_host_bounds() { return cuda_on_host::first BOUNDS; }

extern "C" __attribute__((visibility("hidden"))) char cuda_on_host_shared_start[], cuda_on_host_shared_stop[];
extern "C" inline __attribute__((used)) char *cuda_on_host_static_shared(std::size_t *bytes) {
    *bytes = static_cast<std::size_t>(cuda_on_host_shared_stop - cuda_on_host_shared_start);
    return cuda_on_host_shared_start;
}
