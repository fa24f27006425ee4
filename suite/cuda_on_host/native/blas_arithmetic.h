// The arithmetic of the stand-in for cuBLAS: an operation described by value, and how it is run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace blas {

enum class Kind { gemm, geam, gemv, dot, scal, axpy, nrm2, asum, copy, ger };

// A factor: its value if the host gave it, else where it will lie when the operation runs.
struct Factor {
    double value;
    const void *device;
};

struct Operation {
    Kind kind;
    int is_double;
    int transpose_a, transpose_b;
    std::int64_t m, n, k;
    std::int64_t lda, ldb, ldc;  // for vectors: their increments
    std::int64_t stride_a, stride_b, stride_c;
    std::int64_t batch;
    int pointers_to_matrices;  // a, b and c are arrays of pointers, one for each matrix of the batch
    const void *a, *b;
    void *c;
    Factor alpha, beta;
};

template <class T>
double read(const Factor &factor) {
    return factor.device ? static_cast<double>(*static_cast<const T *>(factor.device)) : factor.value;
}

// One matrix product, by panels of columns: four columns of the result share every read of the left matrix.
template <class T>
void multiply(const Operation &o, const T *a, const T *b, T *c, T alpha, T beta) {
    std::vector<T> packed;
    std::int64_t lda = o.lda;
    if (o.transpose_a) {  // the inner loop runs down the columns of op(A), so these have to lie in one piece
        packed.resize(static_cast<std::size_t>(o.m * o.k));
        for (std::int64_t i = 0; i < o.m; ++i)
            for (std::int64_t l = 0; l < o.k; ++l) packed[static_cast<std::size_t>(l * o.m + i)] = a[i * o.lda + l];
        a = packed.data();
        lda = o.m;
    }
    const auto element_of_b = [&](std::int64_t l, std::int64_t j) {
        return o.transpose_b ? b[l * o.ldb + j] : b[j * o.ldb + l];
    };
    constexpr std::int64_t rows = 256, columns = 4;
    T sums[columns][rows];
    for (std::int64_t i0 = 0; i0 < o.m; i0 += rows) {
        const std::int64_t height = o.m - i0 < rows ? o.m - i0 : rows;
        for (std::int64_t j0 = 0; j0 < o.n; j0 += columns) {
            const std::int64_t width = o.n - j0 < columns ? o.n - j0 : columns;
            std::memset(sums, 0, sizeof sums);
            for (std::int64_t l = 0; l < o.k; ++l) {
                const T *column = a + l * lda + i0;
                T factors[columns] = {};
                for (std::int64_t j = 0; j < width; ++j) factors[j] = element_of_b(l, j0 + j);
                for (std::int64_t i = 0; i < height; ++i) {
                    const T value = column[i];
                    sums[0][i] += value * factors[0];
                    sums[1][i] += value * factors[1];
                    sums[2][i] += value * factors[2];
                    sums[3][i] += value * factors[3];
                }
            }
            for (std::int64_t j = 0; j < width; ++j) {
                T *result = c + (j0 + j) * o.ldc + i0;
                // With beta = 0 the old result isn't read: it may be NaN.
                for (std::int64_t i = 0; i < height; ++i)
                    result[i] = beta == T(0) ? alpha * sums[j][i] : alpha * sums[j][i] + beta * result[i];
            }
        }
    }
}

template <class T>
void gemm(const Operation &o) {
    const T alpha = static_cast<T>(read<T>(o.alpha)), beta = static_cast<T>(read<T>(o.beta));
    for (std::int64_t i = 0; i < o.batch; ++i) {
        if (o.pointers_to_matrices) {
            multiply<T>(o, static_cast<const T *const *>(o.a)[i], static_cast<const T *const *>(o.b)[i],
                        static_cast<T *const *>(o.c)[i], alpha, beta);
        } else {
            multiply<T>(o, static_cast<const T *>(o.a) + i * o.stride_a, static_cast<const T *>(o.b) + i * o.stride_b,
                        static_cast<T *>(o.c) + i * o.stride_c, alpha, beta);
        }
    }
}

template <class T>
void geam(const Operation &o) {
    const T alpha = static_cast<T>(read<T>(o.alpha)), beta = static_cast<T>(read<T>(o.beta));
    const T *a = static_cast<const T *>(o.a), *b = static_cast<const T *>(o.b);
    for (std::int64_t j = 0; j < o.n; ++j)
        for (std::int64_t i = 0; i < o.m; ++i) {
            T sum = 0;
            if (alpha != T(0)) sum += alpha * (o.transpose_a ? a[i * o.lda + j] : a[j * o.lda + i]);
            if (beta != T(0)) sum += beta * (o.transpose_b ? b[i * o.ldb + j] : b[j * o.ldb + i]);
            static_cast<T *>(o.c)[j * o.ldc + i] = sum;
        }
}

// The element of a vector: a negative increment walks it from its end.
template <class T>
T &at(const void *vector, std::int64_t length, std::int64_t increment, std::int64_t i) {
    const std::int64_t first = increment < 0 ? (1 - length) * increment : 0;
    return const_cast<T &>(static_cast<const T *>(vector)[first + i * increment]);
}

template <class T>
void gemv(const Operation &o) {
    const T alpha = static_cast<T>(read<T>(o.alpha)), beta = static_cast<T>(read<T>(o.beta));
    const T *a = static_cast<const T *>(o.a);
    const std::int64_t rows = o.transpose_a ? o.n : o.m, columns = o.transpose_a ? o.m : o.n;
    for (std::int64_t i = 0; i < rows; ++i) {
        T sum = 0;
        for (std::int64_t j = 0; j < columns; ++j)
            sum += (o.transpose_a ? a[i * o.lda + j] : a[j * o.lda + i]) * at<T>(o.b, columns, o.ldb, j);
        T &result = at<T>(o.c, rows, o.ldc, i);
        result = beta == T(0) ? alpha * sum : alpha * sum + beta * result;
    }
}

template <class T>
void ger(const Operation &o) {
    const T alpha = static_cast<T>(read<T>(o.alpha));
    for (std::int64_t j = 0; j < o.n; ++j)
        for (std::int64_t i = 0; i < o.m; ++i)
            static_cast<T *>(o.c)[j * o.ldc + i] += alpha * at<T>(o.a, o.m, o.lda, i) * at<T>(o.b, o.n, o.ldb, j);
}

template <class T>
void vector_operation(const Operation &o) {
    T sum = 0;
    const T alpha = static_cast<T>(read<T>(o.alpha));
    for (std::int64_t i = 0; i < o.n; ++i) {
        T &x = at<T>(o.a, o.n, o.lda, i);
        switch (o.kind) {
            case Kind::dot: sum += x * at<T>(o.b, o.n, o.ldb, i); break;
            case Kind::nrm2: sum += x * x; break;
            case Kind::asum: sum += x < 0 ? -x : x; break;
            case Kind::scal: x *= alpha; break;
            case Kind::axpy: at<T>(o.c, o.n, o.ldc, i) += alpha * x; break;
            default: break;
        }
    }
    if (o.kind == Kind::nrm2) sum = static_cast<T>(__builtin_sqrt(static_cast<double>(sum)));
    if (o.kind == Kind::dot || o.kind == Kind::nrm2 || o.kind == Kind::asum) *static_cast<T *>(o.c) = sum;
}

template <class T>
void run_real(const Operation &operation) {
    switch (operation.kind) {
        case Kind::gemm: return gemm<T>(operation);
        case Kind::geam: return geam<T>(operation);
        case Kind::gemv: return gemv<T>(operation);
        case Kind::ger: return ger<T>(operation);
        default: return vector_operation<T>(operation);
    }
}

inline void run(const Operation &operation) {
    operation.is_double ? run_real<double>(operation) : run_real<float>(operation);
}

}  // namespace blas
