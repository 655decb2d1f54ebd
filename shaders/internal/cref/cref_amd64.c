//go:build linux && amd64 && cgo

// Q8_0 products as one writes them for AVX2: weights are widened to f32 in registers, once for all tokens of a tile of up to 8,
// each of which has a vector of sums of its own.
#include "cref.h"
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma,f16c")))
#define INLINE static inline __attribute__((always_inline))

int cref_available(void) {
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

AVX2 INLINE float total(__m256 v) {
	__m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
	s = _mm_add_ps(s, _mm_movehl_ps(s, s));
	return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

AVX2 INLINE __m256 widen(int8_t const *q) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((__m128i const *)q))); }

// One token: a block's sum is scaled once, and two rows go side by side.
AVX2 static void matvec(int8_t const *q, uint16_t const *d, float const *x, float *y, int rows, int k) {
	for (int r = 0; r < rows; r += 2) {
		int two = r + 1 < rows;
		int8_t const *qa = q + (int64_t)r * k, *qb = two ? qa + k : qa;
		uint16_t const *da = d + (int64_t)r * (k / 32), *db = two ? da + k / 32 : da;
		__m256 a = _mm256_setzero_ps(), b = a;
		for (int i = 0; i < k; i += 32) {
			__m256 x0 = _mm256_loadu_ps(x + i), x1 = _mm256_loadu_ps(x + i + 8), x2 = _mm256_loadu_ps(x + i + 16), x3 = _mm256_loadu_ps(x + i + 24);
			__m256 s0 = _mm256_mul_ps(widen(qa + i), x0), s1 = _mm256_mul_ps(widen(qa + i + 8), x1);
			__m256 t0 = _mm256_mul_ps(widen(qb + i), x0), t1 = _mm256_mul_ps(widen(qb + i + 8), x1);
			s0 = _mm256_fmadd_ps(widen(qa + i + 16), x2, s0), s1 = _mm256_fmadd_ps(widen(qa + i + 24), x3, s1);
			t0 = _mm256_fmadd_ps(widen(qb + i + 16), x2, t0), t1 = _mm256_fmadd_ps(widen(qb + i + 24), x3, t1);
			a = _mm256_fmadd_ps(_mm256_add_ps(s0, s1), _mm256_set1_ps(_cvtsh_ss(da[i / 32])), a);
			b = _mm256_fmadd_ps(_mm256_add_ps(t0, t1), _mm256_set1_ps(_cvtsh_ss(db[i / 32])), b);
		}
		y[r] = total(a);
		if (two) y[r + 1] = total(b);
	}
}

// T tokens, T a constant: sums stay in registers.
AVX2 INLINE void tile(int T, int8_t const *q, uint16_t const *d, float const *x, float *y, int rows, int n, int k) {
	for (int r = 0; r < rows; r++, q += k, d += k / 32) {
		__m256 sum[8];
		for (int t = 0; t < T; t++) sum[t] = _mm256_setzero_ps();
		for (int i = 0; i < k; i += 32) {
			__m256 s = _mm256_set1_ps(_cvtsh_ss(d[i / 32]));
			__m256 w0 = _mm256_mul_ps(widen(q + i), s), w1 = _mm256_mul_ps(widen(q + i + 8), s);
			__m256 w2 = _mm256_mul_ps(widen(q + i + 16), s), w3 = _mm256_mul_ps(widen(q + i + 24), s);
#pragma GCC unroll 8
			for (int t = 0; t < T; t++) {
				float const *xt = x + (int64_t)t * k + i;
				sum[t] = _mm256_fmadd_ps(w0, _mm256_loadu_ps(xt), sum[t]);
				sum[t] = _mm256_fmadd_ps(w1, _mm256_loadu_ps(xt + 8), sum[t]);
				sum[t] = _mm256_fmadd_ps(w2, _mm256_loadu_ps(xt + 16), sum[t]);
				sum[t] = _mm256_fmadd_ps(w3, _mm256_loadu_ps(xt + 24), sum[t]);
			}
		}
#pragma GCC unroll 8
		for (int t = 0; t < T; t++) y[(int64_t)t * n + r] = total(sum[t]);
	}
}

AVX2 static void tile8(int8_t const *q, uint16_t const *d, float const *x, float *y, int rows, int n, int k) { tile(8, q, d, x, y, rows, n, k); }
AVX2 static void tile4(int8_t const *q, uint16_t const *d, float const *x, float *y, int rows, int n, int k) { tile(4, q, d, x, y, rows, n, k); }

void cref_q8(int8_t const *quants, uint16_t const *scales, float const *x, float *y, int from, int to, int n, int k, int tokens) {
	int8_t const *q = quants + (int64_t)from * k;
	uint16_t const *d = scales + (int64_t)from * (k / 32);
	for (int t = 0; t < tokens;) {
		float const *xt = x + (int64_t)t * k;
		float *yt = y + (int64_t)t * n + from;
		int left = tokens - t;
		if (left >= 8) {
			tile8(q, d, xt, yt, to - from, n, k);
			t += 8;
		} else if (left >= 4) {
			tile4(q, d, xt, yt, to - from, n, k);
			t += 4;
		} else {
			matvec(q, d, xt, yt, to - from, k);
			t++;
		}
	}
}
