// A stand-in for cuBLAS: column-major, on the host's memory, in the order of the streams.
//
// Every call is checked, described by value (so that alpha, beta and the pointers are those of the call), and given to
// the stream through `enqueue`, which runs it now, later, or records it into a graph.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "blas_arithmetic.h"

#define API extern "C" __attribute__((visibility("default")))

namespace {

using blas::Factor;
using blas::Kind;
using blas::Operation;

enum Status { success = 0, not_initialized = 1, invalid_value = 7, execution_failed = 13, not_supported = 15 };
enum PointerMode { host_pointers = 0, device_pointers = 1 };
struct Handle {
    void *stream;
    int pointer_mode;
    int math_mode;
    int atomics_mode;
};

using Enqueue = int (*)(void *stream, const void *operation, std::size_t bytes, const char *name, int wait);
Enqueue enqueue = nullptr;

template <class T>
Factor factor(const Handle *handle, const void *pointer) {
    if (handle->pointer_mode == device_pointers) return {0.0, pointer};
    return {static_cast<double>(*static_cast<const T *>(pointer)), nullptr};
}

Status submit(const Handle *handle, const Operation &operation, const char *name, bool wait = false) {
    if (!handle) return not_initialized;
    if (enqueue) return static_cast<Status>(enqueue(handle->stream, &operation, sizeof operation, name, wait));
    blas::run(operation);
    return success;
}

bool too_small(std::int64_t leading_dimension, std::int64_t rows) {
    return leading_dimension < (rows > 1 ? rows : 1);
}

template <class T>
Operation blank(Kind kind) {
    Operation operation{};
    operation.kind = kind;
    operation.is_double = sizeof(T) == 8;
    operation.batch = 1;
    return operation;
}

bool bad_transpose(int transpose) { return transpose < 0 || transpose > 2; }

template <class T>
Status gemm_call(const Handle *handle, const char *name, int transpose_a, int transpose_b, std::int64_t m,
                 std::int64_t n, std::int64_t k, const void *alpha, const void *a, std::int64_t lda, const void *b,
                 std::int64_t ldb, const void *beta, void *c, std::int64_t ldc, std::int64_t batch = 1,
                 std::int64_t stride_a = 0, std::int64_t stride_b = 0, std::int64_t stride_c = 0,
                 bool pointers = false) {
    if (!handle) return not_initialized;
    if (m < 0 || n < 0 || k < 0 || batch < 0 || !alpha || !beta) return invalid_value;
    if (bad_transpose(transpose_a) || bad_transpose(transpose_b)) return invalid_value;
    if (too_small(lda, transpose_a ? k : m) || too_small(ldb, transpose_b ? n : k)) return invalid_value;
    if (too_small(ldc, m)) return invalid_value;
    if (m == 0 || n == 0 || batch == 0) return success;
    Operation operation = blank<T>(Kind::gemm);
    operation.transpose_a = transpose_a, operation.transpose_b = transpose_b;
    operation.m = m, operation.n = n, operation.k = k;
    operation.lda = lda, operation.ldb = ldb, operation.ldc = ldc;
    operation.stride_a = stride_a, operation.stride_b = stride_b, operation.stride_c = stride_c;
    operation.batch = batch, operation.pointers_to_matrices = pointers;
    operation.a = a, operation.b = b, operation.c = c;
    operation.alpha = factor<T>(handle, alpha), operation.beta = factor<T>(handle, beta);
    return submit(handle, operation, name);
}

template <class T>
Status geam_call(const Handle *handle, const char *name, int transpose_a, int transpose_b, int m, int n, const T *alpha,
                 const T *a, int lda, const T *beta, const T *b, int ldb, T *c, int ldc) {
    if (!handle) return not_initialized;
    if (m < 0 || n < 0 || bad_transpose(transpose_a) || bad_transpose(transpose_b)) return invalid_value;
    if (too_small(lda, transpose_a ? n : m) || too_small(ldb, transpose_b ? n : m)) return invalid_value;
    if (too_small(ldc, m)) return invalid_value;
    if (m == 0 || n == 0) return success;
    Operation operation = blank<T>(Kind::geam);
    operation.transpose_a = transpose_a, operation.transpose_b = transpose_b;
    operation.m = m, operation.n = n;
    operation.lda = lda, operation.ldb = ldb, operation.ldc = ldc;
    operation.a = a, operation.b = b, operation.c = c;
    operation.alpha = factor<T>(handle, alpha), operation.beta = factor<T>(handle, beta);
    return submit(handle, operation, name);
}

template <class T>
Status gemv_call(const Handle *handle, const char *name, int transpose, int m, int n, const T *alpha, const T *a,
                 int lda, const T *x, int x_step, const T *beta, T *y, int y_step) {
    if (!handle) return not_initialized;
    if (m < 0 || n < 0 || bad_transpose(transpose) || too_small(lda, m)) return invalid_value;
    if (x_step == 0 || y_step == 0) return invalid_value;
    if (m == 0 || n == 0) return success;
    Operation operation = blank<T>(Kind::gemv);
    operation.transpose_a = transpose, operation.m = m, operation.n = n;
    operation.lda = lda, operation.ldb = x_step, operation.ldc = y_step;
    operation.a = a, operation.b = x, operation.c = y;
    operation.alpha = factor<T>(handle, alpha), operation.beta = factor<T>(handle, beta);
    return submit(handle, operation, name);
}

template <class T>
Status ger_call(const Handle *handle, const char *name, int m, int n, const T *alpha, const T *x, int x_step,
                const T *y, int y_step, T *a, int lda) {
    if (!handle) return not_initialized;
    if (m < 0 || n < 0 || too_small(lda, m) || x_step == 0 || y_step == 0) return invalid_value;
    Operation operation = blank<T>(Kind::ger);
    operation.m = m, operation.n = n;
    operation.lda = x_step, operation.ldb = y_step, operation.ldc = lda;
    operation.a = x, operation.b = y, operation.c = a;
    operation.alpha = factor<T>(handle, alpha);
    return submit(handle, operation, name);
}

// Vectors: `result` is where a scalar goes; if that is the host's memory, the call waits for it.
template <class T>
Status vector_call(const Handle *handle, const char *name, Kind kind, int n, const T *alpha, const T *x, int x_step,
                   const T *y, int y_step, T *result, int result_step) {
    if (!handle) return not_initialized;
    Operation operation = blank<T>(kind);
    operation.n = n < 0 ? 0 : n;
    operation.lda = x_step, operation.ldb = y_step, operation.ldc = result_step;
    operation.a = x, operation.b = y, operation.c = result;
    if (alpha) operation.alpha = factor<T>(handle, alpha);
    const bool scalar = kind == Kind::dot || kind == Kind::nrm2 || kind == Kind::asum;
    return submit(handle, operation, name, scalar && handle->pointer_mode == host_pointers);
}

// The types of cudaDataType_t that there are matrices of here.
enum DataType { real_32 = 0, real_64 = 1 };

}  // namespace

// For the Python side: where operations go, and how one of them is run.
API void cuda_on_host_blas_connect(Enqueue function) { enqueue = function; }
API void cuda_on_host_blas_run(const Operation *operation) { blas::run(*operation); }

API int cublasCreate_v2(Handle **handle) {
    *handle = static_cast<Handle *>(std::calloc(1, sizeof(Handle)));
    return *handle ? success : not_initialized;
}
API int cublasDestroy_v2(Handle *handle) {
    std::free(handle);
    return success;
}
API int cublasGetVersion_v2(Handle *, int *version) { return *version = 130000, success; }
API int cublasSetStream_v2(Handle *handle, void *stream) {
    if (!handle) return not_initialized;
    return handle->stream = stream, success;
}
API int cublasGetStream_v2(Handle *handle, void **stream) { return *stream = handle->stream, success; }
API int cublasSetPointerMode_v2(Handle *handle, int mode) { return handle->pointer_mode = mode, success; }
API int cublasGetPointerMode_v2(Handle *handle, int *mode) { return *mode = handle->pointer_mode, success; }
API int cublasSetMathMode(Handle *handle, int mode) { return handle->math_mode = mode, success; }
API int cublasGetMathMode(Handle *handle, int *mode) { return *mode = handle->math_mode, success; }
API int cublasSetAtomicsMode(Handle *handle, int mode) { return handle->atomics_mode = mode, success; }
API int cublasGetAtomicsMode(Handle *handle, int *mode) { return *mode = handle->atomics_mode, success; }
API int cublasSetWorkspace_v2(Handle *handle, void *, std::size_t) { return handle ? success : not_initialized; }

#define REAL_FUNCTIONS(LETTER, T)                                                                                     \
    API int cublas##LETTER##gemm_v2(Handle *handle, int ta, int tb, int m, int n, int k, const T *alpha, const T *a,  \
                                    int lda, const T *b, int ldb, const T *beta, T *c, int ldc) {                     \
        return gemm_call<T>(handle, "cublas" #LETTER "gemm_v2", ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc); \
    }                                                                                                                 \
    API int cublas##LETTER##gemmBatched(Handle *handle, int ta, int tb, int m, int n, int k, const T *alpha,          \
                                        const T *const *a, int lda, const T *const *b, int ldb, const T *beta,        \
                                        T *const *c, int ldc, int batch) {                                            \
        return gemm_call<T>(handle, "cublas" #LETTER "gemmBatched", ta, tb, m, n, k, alpha, a, lda, b, ldb, beta,     \
                            const_cast<T **>(c), ldc, batch, 0, 0, 0, true);                                          \
    }                                                                                                                 \
    API int cublas##LETTER##gemmStridedBatched(Handle *handle, int ta, int tb, int m, int n, int k, const T *alpha,   \
                                               const T *a, int lda, long long stride_a, const T *b, int ldb,          \
                                               long long stride_b, const T *beta, T *c, int ldc, long long stride_c,  \
                                               int batch) {                                                           \
        return gemm_call<T>(handle, "cublas" #LETTER "gemmStridedBatched", ta, tb, m, n, k, alpha, a, lda, b, ldb,    \
                            beta, c, ldc, batch, stride_a, stride_b, stride_c);                                       \
    }                                                                                                                 \
    API int cublas##LETTER##geam(Handle *handle, int ta, int tb, int m, int n, const T *alpha, const T *a, int lda,   \
                                 const T *beta, const T *b, int ldb, T *c, int ldc) {                                 \
        return geam_call<T>(handle, "cublas" #LETTER "geam", ta, tb, m, n, alpha, a, lda, beta, b, ldb, c, ldc);      \
    }                                                                                                                 \
    API int cublas##LETTER##gemv_v2(Handle *handle, int transpose, int m, int n, const T *alpha, const T *a, int lda, \
                                    const T *x, int x_step, const T *beta, T *y, int y_step) {                        \
        return gemv_call<T>(handle, "cublas" #LETTER "gemv_v2", transpose, m, n, alpha, a, lda, x, x_step, beta, y,   \
                            y_step);                                                                                  \
    }                                                                                                                 \
    API int cublas##LETTER##ger_v2(Handle *handle, int m, int n, const T *alpha, const T *x, int x_step, const T *y,  \
                                   int y_step, T *a, int lda) {                                                       \
        return ger_call<T>(handle, "cublas" #LETTER "ger_v2", m, n, alpha, x, x_step, y, y_step, a, lda);             \
    }                                                                                                                 \
    API int cublas##LETTER##dot_v2(Handle *handle, int n, const T *x, int x_step, const T *y, int y_step, T *result) { \
        return vector_call<T>(handle, "cublas" #LETTER "dot_v2", Kind::dot, n, nullptr, x, x_step, y, y_step, result, \
                              1);                                                                                     \
    }                                                                                                                 \
    API int cublas##LETTER##nrm2_v2(Handle *handle, int n, const T *x, int x_step, T *result) {                       \
        return vector_call<T>(handle, "cublas" #LETTER "nrm2_v2", Kind::nrm2, n, nullptr, x, x_step, x, x_step,       \
                              result, 1);                                                                             \
    }                                                                                                                 \
    API int cublas##LETTER##asum_v2(Handle *handle, int n, const T *x, int x_step, T *result) {                       \
        return vector_call<T>(handle, "cublas" #LETTER "asum_v2", Kind::asum, n, nullptr, x, x_step, x, x_step,       \
                              result, 1);                                                                             \
    }                                                                                                                 \
    API int cublas##LETTER##scal_v2(Handle *handle, int n, const T *alpha, T *x, int x_step) {                        \
        return vector_call<T>(handle, "cublas" #LETTER "scal_v2", Kind::scal, n, alpha, x, x_step, x, x_step, x,      \
                              x_step);                                                                                \
    }                                                                                                                 \
    API int cublas##LETTER##axpy_v2(Handle *handle, int n, const T *alpha, const T *x, int x_step, T *y, int y_step) { \
        return vector_call<T>(handle, "cublas" #LETTER "axpy_v2", Kind::axpy, n, alpha, x, x_step, x, x_step, y,      \
                              y_step);                                                                                \
    }

REAL_FUNCTIONS(S, float)
REAL_FUNCTIONS(D, double)

API int cublasSgemmEx(Handle *handle, int ta, int tb, int m, int n, int k, const float *alpha, const void *a,
                      int type_a, int lda, const void *b, int type_b, int ldb, const float *beta, void *c, int type_c,
                      int ldc) {
    if (type_a != real_32 || type_b != real_32 || type_c != real_32) return not_supported;
    return gemm_call<float>(handle, "cublasSgemmEx", ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

API int cublasGemmStridedBatchedEx(Handle *handle, int ta, int tb, int m, int n, int k, const void *alpha,
                                   const void *a, int type_a, int lda, long long stride_a, const void *b, int type_b,
                                   int ldb, long long stride_b, const void *beta, void *c, int type_c, int ldc,
                                   long long stride_c, int batch, int, int) {
    if (type_a != type_b || type_a != type_c || (type_a != real_32 && type_a != real_64)) return not_supported;
    const auto call = type_a == real_64 ? gemm_call<double> : gemm_call<float>;
    return call(handle, "cublasGemmStridedBatchedEx", ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, batch,
                stride_a, stride_b, stride_c, false);
}

API int cublasGemmEx(Handle *handle, int ta, int tb, int m, int n, int k, const void *alpha, const void *a, int type_a,
                     int lda, const void *b, int type_b, int ldb, const void *beta, void *c, int type_c, int ldc, int,
                     int) {
    if (type_a != type_b || type_a != type_c || (type_a != real_32 && type_a != real_64)) return not_supported;
    const auto call = type_a == real_64 ? gemm_call<double> : gemm_call<float>;
    return call(handle, "cublasGemmEx", ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, 1, 0, 0, 0, false);
}
