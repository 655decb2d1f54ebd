// Q5_K: a block is 32 q of 5 bits, value d * scale * q - dmin * minimum, d and dmin those of 8 blocks (ggml block_q5_K).
{% template "fifth_bits" %}
{% template "byte_scales" %}
{% template "factors" . %}
{% template "piece_block" . %}
