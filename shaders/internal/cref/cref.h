#include <stdint.h>

int cref_available(void);

// cref_q8 computes weight rows from .. to - 1 of Q8 (cref.go).
void cref_q8(int8_t const *quants, uint16_t const *scales, float const *x, float *y, int from, int to, int n, int k, int tokens);
