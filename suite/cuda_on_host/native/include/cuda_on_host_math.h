// Intrinsics and functions of CUDA's mathematics that the host's library lacks. Bits may differ from a device's.
#pragma once

#ifndef INFINITY
#define INFINITY __builtin_inff()
#endif
#ifndef NAN
#define NAN __builtin_nanf("")
#endif

namespace cuda_on_host {

template <class To, class From>
To same_bits(From from) {
    static_assert(sizeof(To) == sizeof(From), "the same bits");
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}

// CUDA's min and max take any mixture of integers, and of floating-point numbers (the NaN loses).
template <class A, class B>
using mixed = std::enable_if_t<std::is_arithmetic<A>::value && std::is_arithmetic<B>::value, std::common_type_t<A, B>>;

}  // namespace cuda_on_host

template <class A, class B>
static inline cuda_on_host::mixed<A, B> min(A a, B b) {
    using T = std::common_type_t<A, B>;
    const T x = static_cast<T>(a), y = static_cast<T>(b);
    return x != x ? y : (y < x ? y : x);
}
template <class A, class B>
static inline cuda_on_host::mixed<A, B> max(A a, B b) {
    using T = std::common_type_t<A, B>;
    const T x = static_cast<T>(a), y = static_cast<T>(b);
    return x != x ? y : (x < y ? y : x);
}
using std::isfinite;
using std::isinf;
using std::isnan;
using std::signbit;

static inline float __int_as_float(int x) { return cuda_on_host::same_bits<float>(x); }
static inline int __float_as_int(float x) { return cuda_on_host::same_bits<int>(x); }
static inline float __uint_as_float(unsigned x) { return cuda_on_host::same_bits<float>(x); }
static inline unsigned __float_as_uint(float x) { return cuda_on_host::same_bits<unsigned>(x); }
static inline double __longlong_as_double(long long x) { return cuda_on_host::same_bits<double>(x); }
static inline long long __double_as_longlong(double x) { return cuda_on_host::same_bits<long long>(x); }
static inline double __hiloint2double(int high, int low) {
    const auto upper = static_cast<unsigned long long>(static_cast<unsigned>(high)) << 32;
    return cuda_on_host::same_bits<double>(upper | static_cast<unsigned>(low));
}
static inline int __double2hiint(double x) { return static_cast<int>(__double_as_longlong(x) >> 32); }
static inline int __double2loint(double x) { return static_cast<int>(__double_as_longlong(x)); }

// Half precision as CuPy's headers use it where there is no cuda_fp16.h: the bits in an unsigned short.
static inline unsigned short __float2half_rn(float x) {
    return cuda_on_host::same_bits<unsigned short>(static_cast<_Float16>(x));
}
static inline float __half2float(unsigned short bits) {
    return static_cast<float>(cuda_on_host::same_bits<_Float16>(bits));
}
#define __half_as_ushort(x) cuda_on_host::same_bits<unsigned short>(x)
#define __ushort_as_half(x) cuda_on_host::same_bits<half>(static_cast<unsigned short>(x))

static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __clz(int x) { return x ? __builtin_clz(static_cast<unsigned>(x)) : 32; }
static inline int __clzll(long long x) { return x ? __builtin_clzll(static_cast<unsigned long long>(x)) : 64; }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __ffsll(long long x) { return __builtin_ffsll(x); }
static inline unsigned __brev(unsigned x) {
    unsigned reversed = 0;
    for (int bit = 0; bit < 32; ++bit) reversed |= (x >> bit & 1u) << (31 - bit);
    return reversed;
}
static inline int __mul24(int a, int b) { return a * b; }
static inline unsigned __umulhi(unsigned a, unsigned b) {
    return static_cast<unsigned>(static_cast<unsigned long long>(a) * b >> 32);
}
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return static_cast<unsigned long long>(static_cast<unsigned __int128>(a) * b >> 64);
}

static inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
static inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
static inline float rsqrt(float x) { return rsqrtf(x); }
static inline float rcbrtf(float x) { return 1.0f / std::cbrt(x); }
static inline double rcbrt(double x) { return 1.0 / std::cbrt(x); }
static inline float sinpif(float x) { return static_cast<float>(std::sin(M_PI * x)); }
static inline double sinpi(double x) { return std::sin(M_PI * x); }
static inline float cospif(float x) { return static_cast<float>(std::cos(M_PI * x)); }
static inline double cospi(double x) { return std::cos(M_PI * x); }
static inline void sincospi(double x, double *sine, double *cosine) {
    *sine = sinpi(x);
    *cosine = cospi(x);
}
static inline void sincospif(float x, float *sine, float *cosine) {
    *sine = sinpif(x);
    *cosine = cospif(x);
}
static inline double normcdf(double x) { return 0.5 * std::erfc(-x * M_SQRT1_2); }
static inline float normcdff(float x) { return static_cast<float>(normcdf(x)); }
static inline double erfcx(double x) { return std::exp(x * x) * std::erfc(x); }
static inline float saturatef(float x) { return x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f; }
static inline float __saturatef(float x) { return saturatef(x); }

// As macros: the host's library declares functions of these names for itself.
#define __expf expf
#define __exp10f(x) powf(10.0f, x)
#define __logf logf
#define __log2f log2f
#define __log10f log10f
#define __sinf sinf
#define __cosf cosf
#define __tanf tanf
#define __powf powf
static inline float __fdividef(float x, float y) { return x / y; }

// Round-to-nearest forms: with contraction off, the plain operators are these.
static inline float __fadd_rn(float x, float y) { return x + y; }
static inline float __fsub_rn(float x, float y) { return x - y; }
static inline float __fmul_rn(float x, float y) { return x * y; }
static inline float __fdiv_rn(float x, float y) { return x / y; }
static inline float __frcp_rn(float x) { return 1.0f / x; }
static inline float __fsqrt_rn(float x) { return std::sqrt(x); }
static inline float __frsqrt_rn(float x) { return rsqrtf(x); }
static inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
static inline double __dadd_rn(double x, double y) { return x + y; }
static inline double __dsub_rn(double x, double y) { return x - y; }
static inline double __dmul_rn(double x, double y) { return x * y; }
static inline double __ddiv_rn(double x, double y) { return x / y; }
static inline double __dsqrt_rn(double x) { return std::sqrt(x); }
static inline double __fma_rn(double x, double y, double z) { return fma(x, y, z); }

static inline int __float2int_rn(float x) { return static_cast<int>(nearbyintf(x)); }
static inline int __float2int_rz(float x) { return static_cast<int>(x); }
static inline int __float2int_rd(float x) { return static_cast<int>(floorf(x)); }
static inline int __float2int_ru(float x) { return static_cast<int>(ceilf(x)); }
static inline unsigned __float2uint_rn(float x) { return static_cast<unsigned>(nearbyintf(x)); }
static inline unsigned __float2uint_rz(float x) { return static_cast<unsigned>(x); }
static inline int __double2int_rn(double x) { return static_cast<int>(nearbyint(x)); }
static inline int __double2int_rz(double x) { return static_cast<int>(x); }
static inline float __int2float_rn(int x) { return static_cast<float>(x); }
static inline float __uint2float_rn(unsigned x) { return static_cast<float>(x); }
static inline double __int2double_rn(int x) { return x; }
static inline float __double2float_rn(double x) { return static_cast<float>(x); }
