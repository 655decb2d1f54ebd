// Q4_K: a block is 32 nibbles q, value d * scale * q - dmin * minimum, d and dmin those of 8 blocks (ggml block_q4_K).
// A column takes MatvecStream about 4.2 instructions, with 4 rows a lane (counted, for NVIDIA; q4_0 takes 3.9).
{% template "nibble_piece" %}
{% template "byte_scales" %}
{% template "factors" . %}
{% template "piece_block" . %}
