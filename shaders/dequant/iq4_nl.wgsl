// IQ4_NL: a block is 32 nibbles n, value d * level(n) (ggml block_iq4_nl; nibbles repacked into column order).
{% template "levels_iq4" . %}
{% template "half_scale" %}
{% template "factors" . %}
{% template "piece_block" . %}
