// Q4_K: a block is 32 nibbles q, value d * scale * q - dmin * minimum, d and dmin those of 8 blocks (ggml block_q4_K).
{% template "nibble_piece" %}
{% template "byte_scales" %}
{% template "factors" . %}
{% template "piece_block" . %}
