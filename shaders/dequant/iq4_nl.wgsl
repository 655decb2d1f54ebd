// IQ4_NL: a block is 32 nibbles n, value d * level(n) (ggml block_iq4_nl; nibbles repacked into column order).
// A column takes MatvecStream about 4.5 instructions, with 4 rows a lane (counted, for NVIDIA; q4_0 takes 3.9).
{% template "levels_iq4" . %}
{% template "half_scale" %}
{% template "factors" . %}
{% template "piece_block" . %}
